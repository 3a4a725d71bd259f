"""Coefficients, trains and bases `raofit map` cannot use: exit code 2, one sentence, nothing left behind."""

import re

import numpy as np
import pytest

from raofit.io.network_file import save_network
from raofit.models import REGISTRY
from raofit.models._registry import Registered
from tests.cli import toy_qmt
from tests.cli.helpers import entries, run
from tests.io.matlab_files import cut_short, write_v73

N_PULSES, RANK = 20, 4


def trains(**changes):
    return {"alpha": np.linspace(0.1, 1.0, N_PULSES)[:, None], "TRF": np.full((N_PULSES, 1), 3e-4)} | changes


def coefficients(rank=RANK):
    generator = np.random.default_rng(0)
    return generator.normal(size=(5, 4, rank)) + 1j * generator.normal(size=(5, 4, rank))


@pytest.fixture
def scan(tmp_path):
    write_v73(tmp_path / "coeffs.mat", x=coefficients(), mask=np.ones((5, 4)))
    write_v73(tmp_path / "control.mat", **trains())
    write_v73(tmp_path / "basis.mat", U=np.eye(RANK, N_PULSES))
    return tmp_path


def wrong_basis(folder):
    write_v73(folder / "basis.mat", U=np.eye(RANK, N_PULSES + 1))


def skewed_basis(folder):
    write_v73(folder / "basis.mat", U=np.ones((RANK, N_PULSES)))


def no_basis_variable(folder):
    write_v73(folder / "basis.mat", V=np.eye(RANK, N_PULSES))


def no_coefficients(folder):
    write_v73(folder / "coeffs.mat", y=coefficients(), mask=np.ones((5, 4)))


def real_coefficients(folder):
    write_v73(folder / "coeffs.mat", x=coefficients().real, mask=np.ones((5, 4)))


def other_mask(folder):
    write_v73(folder / "coeffs.mat", x=coefficients(), mask=np.ones((4, 5)))


def empty_mask(folder):
    write_v73(folder / "coeffs.mat", x=coefficients(), mask=np.zeros((5, 4)))


def more_coefficients(folder):
    write_v73(folder / "coeffs.mat", x=coefficients(RANK + 1), mask=np.ones((5, 4)))


def damaged(folder):
    cut_short(folder / "coeffs.mat")


def missing(folder):
    (folder / "coeffs.mat").unlink()


def zero_duration(folder):
    write_v73(folder / "control.mat", **trains(TRF=np.r_[0.0, np.full(N_PULSES - 1, 3e-4)][:, None]))


def degrees(folder):
    write_v73(folder / "control.mat", **trains(alpha=np.linspace(5, 180, N_PULSES)[:, None]))


def no_durations(folder):
    write_v73(folder / "control.mat", alpha=trains()["alpha"])


def nothing(folder):
    pass


FAULTS = [
    (wrong_basis, [], r"basis\.mat: expected a basis of signals with 20 samples, found 4×21"),
    (skewed_basis, [], r"expected orthonormal columns"),
    (no_basis_variable, [], r"expected the basis in a variable `U`.*the file has `V`"),
    (no_coefficients, [], r"expected the coefficients in a variable `x`.*the file has `mask`, `y`"),
    (real_coefficients, [], r"expected complex coefficients in `x`, found real ones"),
    (other_mask, [], r"expected `mask` of the shape 5×4 like the coefficients, found 4×5; transpose it"),
    (empty_mask, [], r"the mask is empty"),
    (more_coefficients, [], r"basis\.mat: expected a rank from 1 to 4, the vectors it has, got 5"),
    (nothing, ["--rank", "3"], r"expected 3 coefficients per voxel \(the rank of the basis\), found 4"),
    (nothing, ["--rank", "5"], r"expected a rank from 1 to 4"),
    (damaged, [], r"coeffs\.mat: this MATLAB file is damaged or cut short"),
    (missing, [], r"coeffs\.mat: no such file"),
    (zero_duration, [], r"expected pulse durations > 0 s, found 0"),
    (degrees, [], r"a flip angle of 180 rad is more than a full turn; if the angles are in degrees"),
    (no_durations, [], r"expected the pulse durations in a variable `TRF`.*the file has `alpha`"),
    (nothing, ["--tr", "3.5"], r"repetition_time`: expected 0\.0005 to 0\.03 s, got 3\.5"),
    (nothing, ["--tr", "0.2ms"], r"expected a repetition time longer than the longest pulse"),
    (nothing, ["--tr", "soon"], r"--tr soon: expected a time in seconds"),
    (nothing, ["--noise", "rician"], r"complex coefficients have complex-gaussian noise"),
    (nothing, ["--sigma", "background"], r"--sigma background: complex coefficients have none"),
    (nothing, ["--sigma", "-1"], r"--sigma -1: expected a noise standard deviation > 0"),
    (nothing, ["--bval", "none.bval"], r"--bval: complex coefficients have no b-values"),
    (nothing, ["--bounds", "T1=0:1"], r"`T1` is not a parameter; the model has m0s"),
    (nothing, ["--estimator", "one-step"], r"--estimator one-step: it starts from a network"),
    (nothing, ["--network", "no-such-network"], r"no-such-network: no such file; expected a network"),
    (nothing, ["--false-alarms", "2"], r"--false-alarms 2: expected a share"),
    (nothing, ["--intervals", "95"], r"--intervals 95: expected a probability between 0 and 1"),
    (nothing, ["--memory", "0"], r"expected a budget > 0"),
]


@pytest.mark.parametrize(("fault", "options", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_faults(scan, capsys, fault, options, words):
    fault(scan)
    before = entries(scan)
    tr = [] if "--tr" in options else ["--tr", "3.5ms"]
    tokens = ["--model", "qmt", "--trains", scan / "control.mat", *tr, "--basis", scan / "basis.mat", *options]
    refused(capsys, scan, before, ["map", scan / "coeffs.mat", *tokens], words)


def refused(capsys, folder, before, tokens, words):
    code, out, err = run(capsys, *tokens, "--out", folder / "out")
    assert code == 2, err
    assert out == ""
    assert err.startswith("raofit: ")
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert entries(folder) == before


MISSING = [
    (["--model", "qmt"], r"the flip-angle trains are missing; give them with --trains"),
    ([], r"complex coefficients are for the models mrf-fisp, .*, qmt, .*; say which one with --model"),
    (["--model", "adc"], r"complex coefficients are for the models mrf-fisp, "),
]


@pytest.mark.parametrize(("options", "words"), MISSING)
def test_what_is_missing(scan, capsys, options, words):
    refused(capsys, scan, entries(scan), ["map", scan / "coeffs.mat", *options], words)


def test_the_repetition_time_and_the_basis_are_asked_for(scan, capsys):
    tokens = ["map", scan / "coeffs.mat", "--model", "qmt", "--trains", scan / "control.mat"]
    refused(capsys, scan, entries(scan), tokens, r"does not say the repetition time; give it with --tr")
    refused(capsys, scan, entries(scan), [*tokens, "--tr", "3.5ms"], r"if they are coefficients, give their basis")
    refused(capsys, scan, entries(scan), [*tokens, "--tr", "3.5ms", "--rank", "4"], r"there is no basis to take")


def test_images_are_no_coefficients(scan, capsys):
    tokens = ["map", scan / "dwi.nii.gz", "--model", "qmt", "--trains", scan / "control.mat"]
    refused(capsys, scan, entries(scan), tokens, r"model qmt expects complex coefficients, in one MATLAB file")


@pytest.fixture
def network(scan, monkeypatch):
    """A network for the toy in place of qmt: its trains and basis are not those of the scan."""
    monkeypatch.setitem(REGISTRY, "qmt", Registered(toy_qmt.Toy, toy_qmt.Toy))
    save_network(scan / "toy.raofit", toy_qmt.network())
    return scan / "toy.raofit"


def test_a_network_of_another_rank_or_protocol(scan, network, capsys):
    before = entries(scan)
    tokens = ["map", scan / "coeffs.mat", "--network", network]
    refused(capsys, scan, before, tokens, r"expected 6 coefficients per voxel \(the rank of the basis\), found 4")
    refused(capsys, scan, before, [*tokens, "--model", "qmt-tied"], r"expected a network for model qmt-tied, found one")
    refused(capsys, scan, before, [*tokens, "--basis", scan / "basis.mat"], r"--basis: the network has its trains")
    other = [*tokens, "--trains", scan / "control.mat", "--tr", "3.5ms", "--basis", scan / "basis.mat"]
    refused(capsys, scan, before, other, r"trained for other flip-angle trains, .* than those in .*control\.mat; leave")


def test_a_network_of_another_basis(scan, network, capsys):
    toy_qmt.write_scan(scan)
    write_v73(scan / "basis.mat", U=toy_qmt.basis()[::-1])
    before = entries(scan)
    tokens = ["map", scan / "coeffs.mat", "--network", network, "--trains", scan / "control.mat", "--tr", "3.5ms"]
    refused(capsys, scan, before, [*tokens, "--basis", scan / "basis.mat"], r"reads coefficients of another basis")
