"""Every code block of the README and the pages runs, or is shown not to by a comment that says why.

Python blocks of a page run one after the other in one namespace. The commands of the tutorials run one page after the
other in one folder, as a reader would type them, and print the words that the page shows; numbers may differ, since the
demo and the networks are made smaller. Commands of other pages are only parsed: they name a reader's own files.
"""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from PIL import Image

from raofit import Status, TrainingRecipe
from raofit.cli import _demo_run
from raofit.cli._app import _VERBS, build_app, main
from raofit.models import REGISTRY
from tests.contract import subjects

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "tutorials").glob("*.md"))]
TOLD = [DOCS / "tutorials" / f"{name}.md" for name in ("first-maps", "own-protocol", "read-a-card", "choose", "design")]
PYTHON = ("python", "{code-cell} python")

_BLOCK = re.compile(r"^(?:<!-- not run: (.+) -->\n)?```(\S+(?: \S+)?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_COUNTED = re.compile(r"^\d+ voxels? \(.*\n", re.MULTILINE)
_NUMBER = re.compile(r"[-+−]?\d[\d.,]*(?:e[-+]?\d+)?")


class Block(NamedTuple):
    """A fenced block, and why it does not run ("" if it does)."""

    reason: str
    kind: str
    body: str


def _blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def _with(*kinds: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind in kinds for block in _blocks(page))]


def _executed() -> list:
    """Pages with Python blocks; those whose cells the site's build runs, and refuses if one fails, are slow."""
    cells = _with("{code-cell} python")
    pages = [page for page in _with(*PYTHON) if page not in TOLD]
    return [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page in cells)) for page in pages]


@pytest.mark.parametrize("page", _executed())
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in _blocks(page):
        if block.kind in PYTHON and not block.reason:
            exec(compile(block.body, str(page), "exec"), namespace)
    plt.close("all")


@pytest.fixture
def small(monkeypatch):
    """The demo as its own test makes it, short trainings, and no figures, which take half of the time."""
    sizes = {"SHAPE": (28, 28, 1), "N_TRAINING": 4000, "N_VALIDATION": 500, "GRID_VALUES": 2, "N_REPEATS": 20}
    for name, value in sizes.items():
        monkeypatch.setattr(_demo_run, name, value)
    published = TrainingRecipe.on_the_spot
    fewer = {"n_training": sizes["N_TRAINING"], "n_validation": sizes["N_VALIDATION"]}
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: Image.new("L", (1, 1)).save(file, format="PNG"))
    monkeypatch.setattr(TrainingRecipe, "on_the_spot", lambda snr, **changes: published(snr, **(fewer | changes)))


def test_tutorials_are_true(small, tmp_path, monkeypatch):
    """A new user types every command of the tutorials, and sees what they say."""
    monkeypatch.chdir(tmp_path)
    for page in TOLD:
        printed, namespace = None, {"__name__": "__main__"}
        for block in _blocks(page):
            if block.reason:
                printed = None
            elif block.kind == "text" and printed is not None:
                assert _says(block.body, printed.getvalue()), f"{page.name}:\n{block.body}\n{printed.getvalue()}"
            elif block.kind in ("console", *PYTHON):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    if block.kind == "console":
                        _type(block.body, page, printed)
                    else:
                        exec(compile(block.body, str(page), "exec"), namespace)
    plt.close("all")


def _type(commands: str, page: Path, printed: io.StringIO) -> None:
    for line in filter(str.strip, commands.splitlines()):
        program, *tokens = shlex.split(line)
        if program == "raofit":
            assert main(tokens) == 0, f"{page.name}: {line}\n{printed.getvalue()}"
        else:
            subprocess.run(line, shell=True, check=True)


def _says(shown: str, printed: str) -> bool:
    """The same words in the same order; `...` stands for what a page leaves out, and the status of voxels is chance."""
    shown, printed = (_NUMBER.sub("#", _COUNTED.sub("", text)) for text in (shown, printed))
    return doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


@pytest.mark.parametrize("page", _with("console"), ids=lambda page: page.stem)
def test_commands_are_understood(page):
    """Verb and options exist and take such values; nothing runs."""
    for block in _blocks(page):
        for line in filter(str.strip, block.body.splitlines() if block.kind == "console" else ()):
            for command in line.split("&&"):
                program, *tokens = shlex.split(command)
                assert program in {"raofit", "pip", "pytest", "sphinx-build", "echo", "cat"}
                if program == "raofit":
                    parts = shlex.shlex(command, posix=True, punctuation_chars="<>|;&")
                    assert not any(set(part) <= set("<>|;&") for part in parts), f"the shell takes a part of {command}"
                    build_app().parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_inside_the_repository_resolve(page):
    targets = [target for target in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_conventions_list_every_status():
    rows = (DOCS / "conventions.md").read_text(encoding="utf-8")
    assert [status for status in Status if f"| {int(status)} | `{status.name}` | {status.sentence} |" not in rows] == []


@pytest.mark.parametrize("name", REGISTRY)
def test_the_reference_states_equation_and_parameters_of_every_model(name):
    page = (DOCS / "reference" / "models.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page
    for parameter in subjects.model_named(name).parameters:
        ends = "" if _depends_on_protocol(name, parameter.name) else _ranges(parameter)
        assert f"| `{parameter.name}` | {parameter.unit} | {ends}" in page


def _ranges(parameter) -> str:
    return " | ".join(f"{low:.4g} to {high:.4g}" for low, high in (parameter.bounds, parameter.typical)) + " |"


def _depends_on_protocol(model: str, parameter: str) -> bool:
    return parameter == "omega0" or (parameter == "B1" and model.startswith("t2-epg"))


def test_the_reference_has_every_verb():
    page = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert [verb for verb in _VERBS if f"## raofit {verb}\n" not in page] == []


def test_the_site_lists_every_page():
    listed = "\n".join(block.body for block in _blocks(DOCS / "index.md") if block.kind == "{toctree}").splitlines()
    pages = [page for page in DOCS.rglob("*.md") if not {"_build", "reference"} & set(page.relative_to(DOCS).parts)]
    names = {page.relative_to(DOCS).with_suffix("").as_posix() for page in pages} - {"index"}
    assert names - set(listed) == set()
