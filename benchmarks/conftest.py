"""Collects one row per benchmark and writes them as a table: `python -m pytest benchmarks --table results.md`."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path

import pytest

_ROWS = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write the results to this Markdown file, and as JSON beside it")


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture
def rows(request) -> list:
    """Rows of the results table, one mapping of column to text or number each, with the key `table`."""
    return request.config.stash[_ROWS]


def machine() -> dict[str, str]:
    """What speeds depend on."""
    packages = ("raofit", "jax", "numpy", "scipy", "dipy", "osipy", "ivimnet", "torch")
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cores": str(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else str(os.cpu_count()),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **versions,
    }


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
    text.append(", ".join(f"{name} {value}" for name, value in machine().items()))
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
        payload = {"machine": machine(), "rows": rows}
        path.with_suffix(".json").write_text(json.dumps(payload, indent=1, ensure_ascii=False), encoding="utf-8")
