"""`raofit simulate` for pulse trains: one helpful sentence and exit code 2 for every file that cannot be used."""

import numpy as np
import pytest

from raofit.cli import main
from tests.io.matlab_files import cut_short, write_v73

ANGLES = np.array([3.1, 0.2, 0.4, 0.1, 0.3, 0.2])
DURATIONS = np.full(6, 2e-4)
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 4)))[0]


def _run(folder, capsys, *more, trains=None, basis=None):
    """Exit code and message; `trains` and `basis` are variables of the files, or write the file themselves."""
    files = {"trains.mat": trains or {"alpha": ANGLES, "TRF": DURATIONS}, "basis.mat": basis or {"U": BASIS}}
    for name, content in files.items():
        if callable(content):
            content(folder / name)
        else:
            write_v73(folder / name, **content)
    words = ["--model", "qmt", "--trains", folder / "trains.mat", "--basis", folder / "basis.mat", "-n", 8]
    given = [*words, "--out", folder / "set.h5", *more]
    code = main(["simulate", *map(str, given)])
    assert not (folder / "set.h5").exists()
    return code, capsys.readouterr().err


def _text(path):
    path.write_text("alpha = [1, 2, 3]\n")


def _cut(path):
    cut_short(write_v73(path, alpha=ANGLES, TRF=DURATIONS, U=BASIS), 0.7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trains": {"alpha": np.degrees(ANGLES), "TRF": DURATIONS}}, "if the angles are in degrees, multiply them"),
        ({"trains": {"alpha": ANGLES, "TRF": DURATIONS * 1e3}}, "if the durations are in milliseconds"),
        ({"trains": {"alpha": ANGLES, "TRF": DURATIONS * 1e6}}, "if the durations are in microseconds"),
        ({"trains": {"alpha": ANGLES, "TRF": DURATIONS * 0}}, "expected pulse durations > 0 s, found 0"),
        ({"trains": {"alpha": ANGLES, "TRF": -DURATIONS}}, "expected pulse durations > 0 s, found -0.0002"),
        ({"trains": {"alpha": ANGLES, "TRF": DURATIONS[:5]}}, "as many pulse durations as flip angles"),
        ({"trains": {"alpha": ANGLES * np.nan, "TRF": DURATIONS}}, "expected finite flip angles"),
        ({"trains": {"alpha": -ANGLES, "TRF": DURATIONS}}, "`flip_angles`: expected 0 to"),
        (
            {"trains": {"alpha": ANGLES, "trf": DURATIONS}},
            "in a variable `TRF`, `pulse_durations` or `pulse_durations_s`",
        ),
        ({"trains": {"angles": ANGLES}}, "the file has `angles`"),
        ({"trains": {"alpha": "text", "TRF": DURATIONS}}, "expected `alpha` to be a numeric array"),
        ({"trains": _text}, "trains.mat: this is not a MATLAB file"),
        ({"trains": _cut}, "trains.mat: this MATLAB file is damaged or cut short"),
        ({"basis": {"U": BASIS[:5]}}, "expected a basis of signals with 6 samples, found 5×4"),
        ({"basis": {"U": BASIS[:, 0]}}, "expected a basis of signals with 6 samples"),
        ({"basis": {"U": 2 * BASIS}}, "expected orthonormal columns"),
        ({"basis": {"U": BASIS * np.nan}}, "expected finite numbers"),
        ({"basis": {"V": BASIS}}, "expected the basis in a variable `U`, `u` or `basis`; the file has `V`"),
        ({"basis": _text}, "basis.mat: this is not a MATLAB file"),
        ({"basis": _cut}, "basis.mat: this MATLAB file is damaged or cut short"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, capsys, change, words):
    code, message = _run(tmp_path, capsys, "--tr", "3.5ms", **change)
    assert code == 2
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "does not say the repetition time; give it with --tr, for instance --tr 3.5ms"),
        (("--tr", "3.5"), "`repetition_time`: expected 0.0005 to 0.03 s, got 3.5"),
        (("--tr", "0.1ms"), "longer than the longest pulse"),
        (("--tr", "3.5ms", "--rank", 5), "expected a rank from 1 to 4"),
        (("--tr", "3.5ms", "--trains", "missing.mat"), "specified multiple times"),
        (("--tr", "3.5ms", "--prior", "qmt-zhang2022"), "the prior is about m0s, T1"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, capsys, more, words):
    code, message = _run(tmp_path, capsys, *more)
    assert code == 2
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("-n", 10**20), "free; take fewer samples, or another disk"),
        (("-n", 10, "--seed", -1), "seed -1: expected a whole number from 0"),
        (("-n", 10, "--ti", "1"), "--ti 1: this model has no inversion times; leave the option out"),
        (("-n", 10, "--bval", "a.bval"), "--bval a.bval: this model has no b-values; leave the option out"),
        (("-n", 10, "--trains", "a.mat"), "--trains a.mat: this model has no pulse trains; leave the option out"),
    ],
)
def test_sets_of_echoes_that_cannot_be_made(tmp_path, capsys, more, words):
    code = main(["simulate", "--model", "t2", "--te", "10ms,20ms", "--out", str(tmp_path / "set.h5"), *map(str, more)])
    message = capsys.readouterr().err
    assert code == 2
    assert words in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
