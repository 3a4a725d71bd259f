"""A run killed before each of its steps: the output is the old or the new one, whole, and nothing stays beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("how", ["exchange", "two renames"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_kill_before_every_step_loses_nothing(tmp_path, kind, how):
    command = [sys.executable, "-m", "tests.reliability.crashing", kind, str(tmp_path), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) > (10 if kind == "folder" else 4)
    just_after, recovered, finished, names = zip(*rows, strict=True)
    is_gone_for_a_moment = kind == "folder" and how == "two renames"
    assert set(just_after) == {"old", "new"} | ({"none"} if is_gone_for_a_moment else set())
    assert set(recovered) == {"old", "new"}
    assert list(recovered) == sorted(recovered, reverse=True)  # old, old, …, new, new
    assert set(finished) == {"new"}
    assert set(names) == {"out"}
