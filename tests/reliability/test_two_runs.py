"""Two runs at once into one output: one is refused in a sentence or both end with the same result, never a mixture."""

import signal
import time

import pytest

from raofit.core.errors import FileError
from raofit.io.output import new_file, new_folder
from raofit.io.stages import StageFolder
from tests.reliability.commands import commands


@pytest.fixture(scope="module")
def all_commands(tmp_path_factory):
    return commands(tmp_path_factory.mktemp("inputs"))


def _stopped_at_work(command, folder, *more):
    """The command, stopped in the middle when it has begun to write."""
    process = command.start(folder, *more)
    while process.poll() is None and not any(folder.iterdir()):
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    return process


@pytest.mark.slow
@pytest.mark.parametrize("name", ["map", "train", "bids"])
def test_the_second_run_is_refused_and_the_first_goes_on(name, all_commands, tmp_path):
    command = all_commands[name]
    first = _stopped_at_work(command, tmp_path)
    second = command.start(tmp_path, *command.other)
    message = second.communicate()[1]
    first.send_signal(signal.SIGCONT)
    first_message = first.communicate()[1]
    assert second.returncode == 2, message
    assert message.strip().splitlines()[-1].count("another run of raofit is writing it; wait until that has ended") == 1
    assert "Traceback" not in message
    assert first.returncode == 0, first_message
    found = command.content(tmp_path / command.out)
    assert [path.name for path in tmp_path.iterdir()] == [command.out]
    (tmp_path / command.out).rename(tmp_path / "first")
    command.run(tmp_path)
    assert command.content(tmp_path / command.out) == found


@pytest.mark.slow
def test_two_simulations_share_the_work(all_commands, tmp_path):
    command = all_commands["simulate"]
    both = [command.start(tmp_path) for _ in range(2)]
    messages = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], messages
    assert [path.name for path in tmp_path.iterdir()] == [command.out]
    shared = command.content(tmp_path / command.out)
    (tmp_path / command.out).unlink()
    command.run(tmp_path)
    assert command.content(tmp_path / command.out) == shared


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_an_output_is_written_by_one_at_a_time(tmp_path, kind):
    with kind(tmp_path / "out") as work:
        work.touch()
        with pytest.raises(FileError, match="another run of raofit is writing it"), kind(tmp_path / "out"):
            pass
        assert work.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_half_removed_is_not_taken_for_another_run(tmp_path):
    """Stages of unknown settings would become a part of the result."""
    folder = StageFolder(tmp_path / "work", {"seed": 0})
    folder.run("scan", lambda: {"n": 1})
    (folder.path / "settings.sha256").unlink()
    with pytest.raises(FileError, match="does not say which run it belongs to; delete that folder"):
        StageFolder(tmp_path / "work", {"seed": 1})


def test_a_late_process_stores_nothing_in_the_folder_of_another_run(tmp_path):
    late = StageFolder(tmp_path / "work", {"seed": 0})
    StageFolder(tmp_path / "work", {"seed": 0}).remove()
    other = StageFolder(tmp_path / "work", {"seed": 1})
    late.run("scan", lambda: {"n": 0})
    assert not other.has("scan")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"]
