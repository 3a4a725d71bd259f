"""`raofit basis`: a basis file that other verbs read, as small as was asked for, and refusals."""

import json

import numpy as np
import pytest

import raofit
from raofit.io.basis_file import load_basis
from raofit.models import MRFFISP, Compressed
from raofit.noise import ComplexGaussian
from tests.cli.helpers import entries, run

N_PULSES = 60
FLIP_ANGLES = 10 + 50 * np.sin(np.pi * np.arange(N_PULSES) / N_PULSES)
PRIOR = "T1 = {low = 0.4, high = 2.0}\nT2 = {low = 0.04, high = 0.2}\n"
TISSUES = np.array([[0.8, 0.07], [1.3, 0.1], [0.5, 0.15]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short train and a prior."""
    path = tmp_path_factory.mktemp("files")
    content = {"flip_angles_deg": FLIP_ANGLES.tolist(), "repetition_times_ms": 12.0, "inversion_time_ms": 20.0}
    (path / "short.json").write_text(json.dumps(content))
    (path / "prior.toml").write_text(PRIOR)
    return path


def _command(folder, out, *more):
    return ("basis", "--trains", folder / "short.json", "--prior", folder / "prior.toml", "--out", out, *more)


def test_the_default_raises_no_bound_by_more_than_it_says(capsys, folder, tmp_path):
    code, printed, message = run(capsys, *_command(folder, tmp_path / "u.mat", "--samples", 256))
    assert code == 0, message
    basis = load_basis(tmp_path / "u.mat", N_PULSES)
    assert f"{basis.shape[1]} vectors of {N_PULSES} measurements" in message
    assert "rise of √CRB of T1" in printed
    model = MRFFISP(np.deg2rad(FLIP_ANGLES), 0.012, inversion_time=0.02, b1=1.0)
    noise = ComplexGaussian(0.02)
    rise = [
        np.mean(raofit.crb(Compressed(model, basis[:, :rank]), TISSUES, noise) / raofit.crb(model, TISSUES, noise))
        for rank in (basis.shape[1], basis.shape[1] - 1)
    ]
    assert rise[0] < 1.02  # 1 % on average over the prior; these tissues are its middle
    assert rise[1] > rise[0]
    code, shown, message = run(
        capsys, "crb", "--model", "mrf-fisp-known-b1", "--trains", folder / "short.json", "--snr", 50, "--basis",
        tmp_path / "u.mat",
    )  # fmt: skip
    assert code == 0, message
    assert "T2" in shown


def test_a_rank_and_an_energy(capsys, folder, tmp_path):
    code, *_ = run(capsys, *_command(folder, tmp_path / "three.mat", "--rank", 3, "--samples", 128))
    assert code == 0
    basis = load_basis(tmp_path / "three.mat", N_PULSES)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-10)
    code, _, message = run(capsys, *_command(folder, tmp_path / "three.mat", "--rank", 3))
    assert code == 2
    assert "exists already" in message
    sizes = []
    for share in (0.99, 0.9999):
        run(capsys, *_command(folder, tmp_path / f"{share}.mat", "--energy", share, "--samples", 128))
        sizes.append(load_basis(tmp_path / f"{share}.mat", N_PULSES).shape[1])
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--rank", 3, "--energy", 0.9), "expected one of rank, energy and crb_loss, got rank and energy"),
        (("--energy", 1.5), "expected a share of the signals' energy between 0 and 1, got 1.5"),
        (("--rank", 100), "100"),
        (("--samples", 0), "--samples 0: expected at least 1"),
    ],
)
def test_mistakes_are_one_sentence(capsys, folder, tmp_path, more, words):
    code, _, message = run(capsys, *_command(folder, tmp_path / "u.mat", *more))
    assert code == 2
    assert words in message
    assert message.count("\n") == 1
    assert entries(tmp_path) == []
