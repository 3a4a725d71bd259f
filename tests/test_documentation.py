"""Every Python block of the README and the pages runs, every command in them is one the program accepts."""

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from raofit.cli._app import build_app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
_BLOCK = re.compile(r"^```(python|console|\{code-cell\} python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def _blocks(page: Path, *kinds: str) -> list[str]:
    return [body for kind, body in _BLOCK.findall(page.read_text(encoding="utf-8")) if kind in kinds]


def _with(*kinds: str) -> list[Path]:
    return [page for page in PAGES if _blocks(page, *kinds)]


@pytest.mark.parametrize("page", _with("python", "{code-cell} python"), ids=lambda page: page.stem)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """Blocks of a page run one after the other in one namespace, as a reader would."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for body in _blocks(page, "python", "{code-cell} python"):
        exec(compile(body, str(page), "exec"), namespace)
    plt.close("all")


@pytest.mark.parametrize("page", _with("console"), ids=lambda page: page.stem)
def test_commands_are_understood(page):
    """Verb and options exist and take such values; nothing runs."""
    for line in filter(str.strip, "\n".join(_blocks(page, "console")).splitlines()):
        for command in line.split("&&"):
            program, *tokens = shlex.split(command)
            assert program in {"raofit", "pip", "pytest", "sphinx-build"}
            if program == "raofit":
                build_app().parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_inside_the_repository_resolve(page):
    targets = [target for target in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []
