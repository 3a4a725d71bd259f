"""Collects one row per benchmark and writes them as a table: `python -m pytest benchmarks --table results.md`."""

import json
import platform
from pathlib import Path

import pytest

from benchmarks.machine import machine, versions

_ROWS = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write the results to this Markdown file, and as JSON beside it")


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture
def rows(request) -> list:
    """Rows of the results table, one mapping of column to text or number each, with the key `table`."""
    return request.config.stash[_ROWS]


_PACKAGES = ("raofit", "dipy", "osipy", "ivimnet", "ivimfit", "dmipy-fit")


def _conditions() -> dict[str, str]:
    return {**machine(), "python": platform.python_version(), **versions(_PACKAGES)}


def _markdown(rows: list[dict]) -> str:
    text = []
    for table in dict.fromkeys(row["table"] for row in rows):
        members = [
            {key: value for key, value in row.items() if key != "table"} for row in rows if row["table"] == table
        ]
        header = list(dict.fromkeys(key for row in members for key in row))
        text.append(f"## {table}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
        text += [f"| {' | '.join(str(row.get(key, '')) for key in header)} |" for row in members]
        text.append("")
    text.append(", ".join(f"{name} {value}" for name, value in _conditions().items()))
    return "\n".join(text) + "\n"


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[_ROWS]
    if not rows:
        return
    text = _markdown(rows)
    terminalreporter.write_line("\n" + text)
    path = config.getoption("--table")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        payload = {"machine": _conditions(), "rows": rows}
        path.with_suffix(".json").write_text(json.dumps(payload, indent=1, ensure_ascii=False), encoding="utf-8")
