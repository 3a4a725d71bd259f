"""`raofit simulate`: a file, kept chunks, several processes, and one sentence for every mistake."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from raofit.cli import main
from raofit.io.simulation_folder import SimulationFolder
from raofit.io.training_set_file import load_training_set
from tests.io.matlab_files import cut_short, write_v73

B_VALUES = (0, 10, 20, 30, 50, 80, 100, 200, 400, 800)
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 6)))[0]
# Whoever runs the tests in the background may have Ctrl-C ignored, and children inherit that.
RUN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from raofit.cli import main; sys.exit(main())"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ivim.bval").write_text(" ".join(map(str, B_VALUES)))
    write_v73(tmp_path / "basis.mat", U=BASIS)
    return tmp_path


def _arguments(folder, *more, n=1100, out="set.h5"):
    given = {"--model": "ivim", "--bval": folder / "ivim.bval", "-n": n, "--out": folder / out}
    given |= dict(zip(more[::2], more[1::2], strict=True))
    if given["--model"] == "qmt":  # has no b-values
        del given["--bval"]
    return ["simulate", *(str(word) for pair in given.items() for word in pair)]


def test_writes_a_set_that_says_what_it_is(folder, capsys):
    assert main(_arguments(folder, "--basis", folder / "basis.mat", "--rank", 5, "--seed", 4, "--chunk", 600)) == 0
    found = load_training_set(folder / "set.h5")
    assert found.signals.shape == (1100, 5)
    np.testing.assert_array_equal(found.model.basis, BASIS[:, :5])
    assert (found.provenance["seed"], found.provenance["chunk"]) == (4, 600)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Written to" in captured.err
    assert sorted(path.name for path in folder.iterdir()) == ["basis.mat", "ivim.bval", "set.h5"]


def _stopped(folder, signal_number, n):
    """Start the command, stop it when a few chunks are finished, and return its exit code and messages.

    On a busy machine the command may be done before this process looks again; then it is started once more.
    """
    command = [sys.executable, "-c", RUN, *_arguments(folder, n=n)]
    work = folder / ".set.h5.shards"
    for _ in range(5):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        deadline = time.monotonic() + 60
        while len(list(work.glob("chunk-*.npz"))) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(float(np.random.default_rng(os.getpid()).uniform(0.0, 0.2)))
        process.send_signal(signal_number)
        _, messages = process.communicate(timeout=60)
        if work.is_dir():
            assert not (folder / "set.h5").exists()
            return process.returncode, messages
        (folder / "set.h5").unlink()
    raise AssertionError("the command was never stopped between its first and its last chunk")


@pytest.mark.parametrize(
    "signal_number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["kill -9", "Ctrl-C"]
)
def test_stopped_and_repeated_gives_the_same_bytes(folder, capsys, signal_number):
    n = 150_000
    code, messages = _stopped(folder, signal_number, n)
    if signal_number == signal.SIGINT:
        assert code == 130
        assert "finished chunks are kept in" in messages
        assert "Traceback" not in messages
    kept = len(list((folder / ".set.h5.shards").glob("chunk-*.npz")))
    assert kept >= 3
    assert main(_arguments(folder, n=n)) == 0
    assert f"of {-(-n // 512)} chunks in" in capsys.readouterr().err
    assert main(_arguments(folder, n=n, out="undisturbed.h5")) == 0
    assert (folder / "set.h5").read_bytes() == (folder / "undisturbed.h5").read_bytes()
    assert not (folder / ".set.h5.shards").exists()


def test_ctrl_c_keeps_finished_chunks_and_says_so(folder, capsys, monkeypatch):
    def interrupted(self, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SimulationFolder, "fill", interrupted)
        assert main(_arguments(folder)) == 130
    message = capsys.readouterr().err
    assert "finished chunks are kept in" in message
    assert "the same command continues from them" in message
    assert main(_arguments(folder)) == 0
    assert "Continuing with the 0 of 3 chunks" in capsys.readouterr().err


def test_an_existing_set_is_kept_without_force(folder, capsys):
    (folder / "set.h5").write_text("mine")
    assert main(_arguments(folder)) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "set.h5").read_text() == "mine"
    assert main([*_arguments(folder, n=10), "--force"]) == 0
    assert len(load_training_set(folder / "set.h5")) == 10


def test_the_unfinished_set_of_another_command_is_refused(folder, capsys):
    (folder / ".set.h5.shards").mkdir()
    (folder / ".set.h5.shards" / "settings.sha256").write_text("0")
    assert main(_arguments(folder)) == 2
    assert "holds the unfinished run of other settings; delete that folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--model", "ivvm"), "--model ivvm: expected one of"),
        (("-n", 0), "expected at least 1 sample"),
        (("--chunk", 0), "1 per chunk, got 1100 and 0"),
        (("--workers", 0), "--workers 0: expected at least 1"),
        (("--rank", 5), "there is no basis to take vectors of; give one with --basis"),
        (("--basis", "missing.mat"), "missing.mat: no such file"),
        (("--basis", "{folder}/basis.mat", "--rank", 7), "expected a rank from 1 to 6, the vectors it has, got 7"),
        (("--basis", "{folder}/other.mat"), "expected a basis of signals with 10 samples, found 9×4"),
        (("--basis", "{folder}/cut.mat"), "damaged or cut short"),
        (("--prior", "qmt-mao2024"), "it is for pulse trains, and the model `ivim` has none"),
        (("--prior", "{folder}/none.toml"), "no such file; expected a prior in TOML"),
        (("--trains", "{folder}/basis.mat", "--model", "qmt"), "flip angles in a variable `alpha`"),
        (("--model", "qmt"), "the flip-angle trains are missing; give them with --trains"),
        (("--prior", "nobody"), "prior nobody: expected typical, qmt-tissue"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(folder, capsys, change, words):
    write_v73(folder / "other.mat", U=np.eye(9)[:, :4])
    cut_short(write_v73(folder / "cut.mat", U=BASIS))
    before = sorted(folder.iterdir())
    assert main(_arguments(folder, *(str(word).format(folder=folder) for word in change))) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert "Traceback" not in message
    assert sorted(folder.iterdir()) == before
