"""kill -9 at random moments: no output is ever half there, and what continues ends as what was never disturbed.

`RAOFIT_KILLS=50 pytest -m slow -n 0 -s tests/reliability/test_kills.py` kills every command that often.
`RAOFIT_KILLS_SEED` chooses other moments.
"""

import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from tests.reliability.commands import commands

N_KILLS = int(os.environ.get("RAOFIT_KILLS", "2"))
SEED = int(os.environ.get("RAOFIT_KILLS_SEED", "0"))
NAMES = ("map", "train", "simulate", "simulate with workers")


@pytest.fixture(scope="module")
def all_commands(tmp_path_factory):
    return commands(tmp_path_factory.mktemp("inputs"))


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _until_first_file(process, folder, before) -> None:
    """Wait until the command changes the folder, or ends."""
    while process.poll() is None and _names(folder) == before:
        time.sleep(0.002)


def _timed(command, folder) -> tuple[float, float]:
    """Seconds from the start to the first file, and from there to the end."""
    started = time.perf_counter()
    process = command.start(folder, "--force")
    _until_first_file(process, folder, [])
    first = time.perf_counter()
    message = process.communicate()[1]
    assert process.returncode == 0, message
    return first - started, time.perf_counter() - first


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_kills_at_random_moments_lose_nothing(name, all_commands, tmp_path):
    command, random = all_commands[name], np.random.default_rng([SEED, NAMES.index(name)])
    work, kept = tmp_path / "work", tmp_path / "kept"
    work.mkdir()
    kept.mkdir()
    out = work / command.out
    command.run(work, *command.other)
    out.rename(kept / "old")
    before, writing = _timed(command, work)
    out.rename(kept / "whole")
    assert _names(work) == []
    old, whole = (command.content(kept / which) for which in ("old", "whole"))
    assert old != whole
    phases = {"before its first file": 0, "with unfinished files": 0, "after its end": 0}
    n_runs = 0
    while (n_kills := sum(phases.values())) < N_KILLS:
        is_new = not _names(work)
        if is_new and random.random() < 0.5:
            (shutil.copytree if (kept / "old").is_dir() else shutil.copyfile)(kept / "old", out)
        present = _names(work)
        process = command.start(work, "--force")
        if random.random() < 0.7:  # where there is something to lose
            _until_first_file(process, work, present)
            time.sleep(random.uniform(0, writing))
        else:
            time.sleep(random.uniform(0, before + writing))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        is_there = out.exists()
        content = command.content(out) if is_there else None
        assert content in (None, old, whole), f"kill {n_kills}: the output is neither the old nor the new one"
        assert is_there or command.out not in present, f"kill {n_kills}: the old output is gone"
        names = [entry for entry in _names(work) if entry != command.out]
        phase = "with unfinished files" if names else "after its end" if content == whole else "before its first file"
        phases[phase] += 1
        sys.stdout.write(f"{name}: kill {n_kills + 1}, {phase}\n")
        sys.stdout.flush()
        if phase == "after its end" or random.random() < 0.4 or n_kills + 1 == N_KILLS:
            command.run(work, "--force")
            n_runs += 1
            assert command.content(out) == whole, f"kill {n_kills}: the run that continued ended otherwise"
            assert _names(work) == [command.out], f"kill {n_kills}: something was left"
            (shutil.rmtree if out.is_dir() else os.unlink)(out)
    words = ", ".join(f"{count} {phase}" for phase, count in phases.items())
    sys.stdout.write(
        f"{name}: {sum(phases.values())} kills ({words}), {n_runs} runs continued, 0 losses; "
        f"{before:.1f} s to the first file, {writing:.1f} s from there\n"
    )
