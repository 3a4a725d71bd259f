"""`raofit map` on complex coefficients: what is in the folder, the residual, networks by file and by name, resuming."""

import json

import nibabel
import numpy as np
import pytest

from raofit.cli import _map_estimator
from raofit.core.status import Status
from raofit.io import shards, shipped_networks
from raofit.io.coefficients import load_coefficients
from raofit.io.network_file import load_network, save_network
from raofit.models import REGISTRY
from raofit.models._registry import Registered
from tests.cli import toy_qmt
from tests.cli.helpers import entries, load, run
from tests.io.matlab_files import write_v73

NAMES = ["R", "f", "omega0"]
ADDED = ["M0", "M0_phase", "relative_residual", "residual", "status"]


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(REGISTRY, "qmt", Registered(toy_qmt.Toy, toy_qmt.Toy))


@pytest.fixture
def scan(tmp_path):
    truth, mask = toy_qmt.write_scan(tmp_path)
    save_network(tmp_path / "toy.raofit", toy_qmt.network())
    return tmp_path, truth, mask


def stated(folder):
    return ["--model", "qmt", "--trains", folder / "control.mat", "--tr", "3.5ms", "--basis", folder / "basis.mat"]


def maps(folder, names):
    return np.stack([load(folder / f"{name}.nii.gz")[..., 0] for name in names], axis=-1)


def test_least_squares_maps(scan, capsys):
    folder, truth, mask = scan
    code, out, err = run(capsys, "map", folder / "coeffs.mat", *stated(folder), "--out", folder / "out")
    assert code == 0
    assert entries(folder / "out") == sorted(
        [".raofit", "raofit.json", "report.html"]
        + [f"{name}{end}" for name in ADDED for end in (".json", ".nii.gz")]
        + [f"{name}{part}{end}" for name in NAMES for part in ("", "_std") for end in (".json", ".nii.gz")]
    )
    image = nibabel.load(folder / "out" / "R.nii.gz")
    assert image.shape == (*toy_qmt.SHAPE, 1)
    np.testing.assert_array_equal(image.affine, np.eye(4))
    record = json.loads((folder / "out" / "raofit.json").read_text())
    n_voxels, freedom = mask.sum(), 2 * toy_qmt.RANK - 3 - 2
    # the median of n variances of 7 degrees of freedom scatters by 1.25·√(2/7)/√n, sigma by half of it; five of them
    assert record["Settings"]["Sigma"] == pytest.approx(toy_qmt.SIGMA, rel=5 * 0.34 / np.sqrt(n_voxels))
    assert record["SecondsEstimating"] > 0
    ok = (load(folder / "out" / "status.nii.gz")[..., 0] == Status.OK) & mask
    assert ok[mask].mean() > 0.9
    errors = maps(folder / "out", ["f_std", "R_std", "omega0_std"])[ok]
    score = (maps(folder / "out", ["f", "R", "omega0"]) - truth)[ok] / errors
    # standardized errors of an efficient estimator: their mean square is 1 within five times √(2/n) and the curvature
    assert np.mean(score**2, axis=0) == pytest.approx(np.ones(3), abs=5 * np.sqrt(2 / n_voxels) + 0.2)
    amplitude, phase = (load(folder / "out" / f"{name}.nii.gz")[..., 0][ok] for name in ("M0", "M0_phase"))
    assert np.median(amplitude) == pytest.approx(abs(toy_qmt.AMPLITUDE), rel=0.05)
    assert np.median(phase) == pytest.approx(0.7, abs=0.05)
    residual = load(folder / "out" / "residual.nii.gz")[..., 0][mask]
    # mean of χ²/ν: 1 within five of √(2/(7·n)), and the error of sigma²
    assert residual.mean() == pytest.approx(
        1.0, abs=5 * np.sqrt(2 / freedom / n_voxels) + 10 * 0.34 / np.sqrt(n_voxels)
    )
    assert "MISFIT" not in out
    page = (folder / "out" / "report.html").read_text()
    assert "What the model leaves unexplained" in page
    assert "sigma = " in err


def test_what_the_model_does_not_explain_is_marked(scan, capsys):
    folder, _, mask = scan
    values = load_coefficients(folder / "coeffs.mat").values.copy()
    voxel = tuple(np.argwhere(mask)[17])
    values[voxel] = np.abs(values[voxel]).max() * np.array([1, -1, 1, -1, 1j, -1])
    write_v73(folder / "coeffs.mat", x=values, mask=mask.astype(np.uint8))
    code, _, _ = run(
        capsys, "map", folder / "coeffs.mat", *stated(folder), "--sigma", toy_qmt.SIGMA,
        "--bounds", "f=-50:50,R=0.01:500,omega0=-300:300", "--out", folder / "out",
    )  # fmt: skip
    assert code == 0
    sidecar = json.loads((folder / "out" / "residual.json").read_text())
    residual = load(folder / "out" / "residual.nii.gz")[..., 0]
    status = load(folder / "out" / "status.nii.gz")[..., 0]
    assert residual[voxel] > 100 * sidecar["Threshold"]
    above = residual > sidecar["Threshold"]
    assert set(np.unique(status[above])) <= {Status.MISFIT, Status.AT_BOUND_MISFIT, Status.NOT_CONVERGED_MISFIT}
    assert set(np.unique(status[mask & ~above])) <= set(Status) - {Status.MISFIT}
    # noise alone: 1 in 1000 of about 96 voxels; more than 5 has a probability below 1e-9
    assert above[mask].sum() <= 6


def test_a_network_file_is_enough(scan, capsys):
    folder, _, mask = scan
    network = load_network(folder / "toy.raofit")
    sigma = ["--sigma", toy_qmt.SIGMA]
    assert (
        run(capsys, "map", folder / "coeffs.mat", "--network", folder / "toy.raofit", *sigma, "--out", folder / "a")[0]
        == 0
    )
    expected = network.estimate(load_coefficients(folder / "coeffs.mat").values[mask]).values
    np.testing.assert_allclose(maps(folder / "a", ["f", "R", "omega0"])[mask], expected, rtol=1e-5)
    assert json.loads((folder / "a" / "omega0.json").read_text())["Description"].startswith("magnitude of")
    assert json.loads((folder / "a" / "residual.json").read_text())["DegreesOfFreedom"] == 2 * toy_qmt.RANK - 2
    code, _, _ = run(
        capsys, "map", folder / "coeffs.mat", *stated(folder), "--network", folder / "toy.raofit", *sigma,
        "--no-residual", "--out", folder / "b",
    )  # fmt: skip
    assert code == 0
    np.testing.assert_array_equal(maps(folder / "a", NAMES), maps(folder / "b", NAMES))
    assert "residual.nii.gz" not in entries(folder / "b")


def test_one_step_and_a_fit_from_a_network(scan, capsys):
    folder, _, mask = scan
    found = {}
    for estimator in ("one-step", "mle"):
        tokens = ["map", folder / "coeffs.mat", "--network", folder / "toy.raofit", "--estimator", estimator]
        assert run(capsys, *tokens, "--sigma", toy_qmt.SIGMA, "--out", folder / estimator)[0] == 0
        found[estimator] = load(folder / estimator / "residual.nii.gz")[..., 0][mask]
        settings = json.loads((folder / estimator / "raofit.json").read_text())["Settings"]
        assert settings["Estimator"] == estimator
    assert np.median(found["mle"]) < 2
    assert np.median(found["mle"]) <= np.median(found["one-step"])


def test_networks_that_come_with_the_package_have_names(scan, capsys, monkeypatch):
    folder, _, _ = scan
    monkeypatch.setattr(shipped_networks, "_FOLDER", folder)
    assert load_network("toy").parameter_names == ("f", "R", "omega0")
    tokens = ["map", folder / "coeffs.mat", "--sigma", toy_qmt.SIGMA, "--no-residual", "--out", folder / "out"]
    assert run(capsys, *tokens, "--network", "toy")[0] == 0
    code, _, err = run(capsys, *tokens, "--network", "tou", "--force")
    assert code == 2
    assert "tou: no such file; expected a network written by `raofit train`, or one that comes with raofit: toy" in err


def test_an_interrupted_slice_continues_and_ends_the_same(scan, capsys, monkeypatch):
    folder, _, _ = scan
    monkeypatch.setattr(_map_estimator, "_SLOW_SLAB", 36)
    tokens = ["map", folder / "coeffs.mat", *stated(folder), "--sigma", toy_qmt.SIGMA]
    saved, save_slab = [], shards.Shards.save

    def save_and_stop(self, slab):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append((slab.start, slab.stop))
        save_slab(self, slab)

    monkeypatch.setattr(shards.Shards, "save", save_and_stop)
    code, _, err = run(capsys, *tokens, "--out", folder / "out")
    assert code == 130
    assert "the same command continues" in err
    assert not (folder / "out").exists()

    def save_and_count(self, slab):
        saved.append((slab.start, slab.stop))
        save_slab(self, slab)

    monkeypatch.setattr(shards.Shards, "save", save_and_count)
    assert run(capsys, *tokens, "--out", folder / "out")[0] == 0
    assert saved == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert run(capsys, *tokens, "--out", folder / "whole")[0] == 0
    for name in [*NAMES, *ADDED]:
        np.testing.assert_array_equal(
            load(folder / "out" / f"{name}.nii.gz"), load(folder / "whole" / f"{name}.nii.gz")
        )
