"""A full disk and a folder that is read only, for every verb that writes: one sentence, exit code 2, nothing left."""

import contextlib
import os
import resource
import shutil
import subprocess

import numpy as np
import pytest

from raofit.cli._app import _VERBS
from raofit.models import MonoExponentialADC
from tests.cli.bids_data import add_dwi, dataset
from tests.cli.helpers import adc_scan, run
from tests.estimators.untrained import untrained

_LEAST = 8192  # bytes that still fit

RECIPE = 'preset = "on-the-spot"\nsnr = 20\nn_training = 400\nn_validation = 100\nhidden = [8]\nmax_epochs = 3\n'


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Inputs of every verb."""
    from raofit.io.network_file import save_network

    folder = tmp_path_factory.mktemp("inputs")
    adc_scan(folder)
    (folder / "recipe.toml").write_text(RECIPE)
    save_network(folder / "a.net", untrained())
    save_network(folder / "b.net", untrained(MonoExponentialADC([0, 250, 500, 1000])))
    add_dwi(dataset(folder / "bids") / "sub-01", "sub-01")
    return folder


def _verbs(inputs, out):
    adc = ["--model", "adc", "--bval", inputs / "dwi.bval"]
    few = ["--values", 3, "--repeats", 10]
    return {
        "map": ["map", inputs / "dwi.nii.gz", "--model", "adc", "--sigma", 5, "--out", out],
        "bids": ["bids", inputs / "bids", out, "participant"],
        "train": ["train", *adc, "--recipe", inputs / "recipe.toml", "--out", out],
        "simulate": ["simulate", *adc, "-n", 2000, "--out", out],
        "basis": ["basis", *adc, "--rank", 3, "--out", out],
        "card": ["card", inputs / "a.net", "--out", out],
        "crb": ["crb", *adc, "--snr", 20, "--out", out],
        "export": ["export", inputs / "a.net", "--out", out],
        "evaluate": ["evaluate", "--estimator", "mle", *adc, "--snr", 20, *few, "--out", out],
        "compare": ["compare", "--network", inputs / "b.net", "--estimator", "mle", "--snr", 20, *few, "--out", out],
        "design": ["design", *adc, "--free", "b_values=0:1000", "--snr", 20, "--starts", 1, "--out", out],
        "demo": ["demo", "--out", out],
        "reproduce": ["reproduce", "epstein2022", "--quick", "--out", out],
    }


@contextlib.contextmanager
def _no_larger_file(n_bytes):
    """Writing beyond so many bytes of any file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _entries(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _assert_refused(capsys, words, place, what):
    code, _, message = run(capsys, *words)
    assert code == 2, message
    sentences = [line for line in message.splitlines() if line.startswith("raofit: ")]
    assert len(sentences) == 1, message
    assert what in sentences[0].lower()
    assert "Traceback" not in message
    assert _entries(place) == []


VERBS = (
    "map", "bids", "train", "simulate", "basis", "card", "crb", "export", "evaluate", "compare", "design",
    *(pytest.param(verb, marks=pytest.mark.slow) for verb in ("demo", "reproduce")),
)  # fmt: skip


def test_every_verb_is_tried(inputs):
    assert set(_verbs(inputs, "out")) == set(_VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk(verb, inputs, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    begins = verb in ("map", "bids", "simulate", "card", "evaluate", "compare")
    smallest = _LEAST if begins else 0  # fails after some files, or before the first byte
    with _no_larger_file(smallest):
        _assert_refused(capsys, _verbs(inputs, out)[verb], tmp_path, "file too large")


@pytest.fixture
def read_only(tmp_path):
    """A folder on a file system mounted read only."""
    place = tmp_path / "mounted"
    place.mkdir()
    with _mounted(place, "ro"):
        yield place


@contextlib.contextmanager
def _mounted(place, options):
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system of memory needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_is_read_only(verb, inputs, read_only, capsys):
    _assert_refused(capsys, _verbs(inputs, read_only / "out")[verb], read_only, "not a writable folder")


@pytest.mark.slow
@pytest.mark.parametrize("n_kilobytes", [8, 40, 100])
@pytest.mark.parametrize("verb", VERBS)
def test_a_small_file_system_that_fills_up(verb, n_kilobytes, inputs, tmp_path, capsys):
    place = tmp_path / "mounted"
    place.mkdir()
    with _mounted(place, f"size={n_kilobytes}k"):
        code, _, message = run(capsys, *_verbs(inputs, place / "out")[verb])
        left = _entries(place)
        assert code in (0, 2), message
        if code == 2:
            assert "no space left on device" in message.lower()
            kept = {"simulate": ".out.shards", "train": "out.checkpoint", "reproduce": ".out.stages"}
            finished = kept.get(verb, "nothing")  # the same command continues from it
            assert [name for name in left if not name.startswith(finished)] == []
        else:
            assert left[0] == "out"


def test_standard_output_that_is_full(inputs):
    from tests.reliability.commands import RUN

    words = [str(word) for word in _verbs(inputs, inputs / "none")["crb"][:-2]]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [os.sys.executable, "-c", RUN, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("raofit: standard output")
    assert "Traceback" not in done.stderr


def test_a_full_folder_for_temporary_files(inputs, capsys, tmp_path):
    """A compressed image is unpacked there; the sentence says which folder is full."""
    image = tmp_path / "zeros.nii.gz"
    from tests.cli.helpers import save

    save(image, np.zeros((40, 40, 4, 6), np.float32))
    words = ["map", image, "--bval", inputs / "dwi.bval", "--model", "adc", "--out", tmp_path / "out"]
    with _no_larger_file(_LEAST):
        code, _, message = run(capsys, *words)
    assert code == 2
    assert "zeros.nii.gz: no room to unpack it in" in message
    assert "TMPDIR" in message
    assert [path.name for path in tmp_path.iterdir()] == ["zeros.nii.gz"]
