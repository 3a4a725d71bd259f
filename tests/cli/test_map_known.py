"""`raofit map --known`: a B1 map in fits and in dictionary matching, what is marked, and the faults it can have."""

import json
import re

import numpy as np
import pytest

from raofit import MaximumLikelihood
from raofit.core.status import Status
from raofit.models import SpoiledGradientEcho
from raofit.noise import Gaussian
from tests.cli.helpers import AFFINE, entries, load, run, save

SHAPE = (5, 4, 2)
SIGMA = 2.0
MODEL = SpoiledGradientEcho(np.deg2rad([3.0, 10.0, 20.0]), 15e-3, b1="free")
OPTIONS = ["--model", "t1-vfa-b1", "--flip", "3,10,20", "--tr", "15ms", "--noise", "gaussian"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Three flip angles, a B1 map in which one voxel is missing and one impossible, and the truth."""
    folder = tmp_path_factory.mktemp("vfa")
    generator = np.random.default_rng(0)
    low, high = np.array([[15e3, 0.8, 0.8], [25e3, 2.0, 1.2]])
    truth = generator.uniform(low, high, (*SHAPE, 3))
    signal = np.asarray(MODEL.signal(truth))
    save(folder / "vfa.nii.gz", (signal + SIGMA * generator.normal(size=signal.shape)).astype(np.float32))
    b1 = truth[..., 2].astype(np.float32)
    b1[0, 0, 0], b1[1, 0, 0] = np.nan, 9.0
    save(folder / "b1.nii.gz", b1)
    save(folder / "moved.nii.gz", b1, AFFINE @ np.diag([1.0, 1.0, 1.2, 1.0]))
    save(folder / "smaller.nii.gz", b1[..., :1])
    return folder, truth, b1


def test_a_fit_with_a_b1_map(scan, capsys, tmp_path):
    """The maps are those of the estimator. Three measurements and two unknowns leave one degree of freedom per voxel:
    the median of χ² scatters by 40 % over 39 voxels, sigma by half of that; five of it."""
    folder, truth, b1 = scan
    command = ["map", folder / "vfa.nii.gz", *OPTIONS, "--known", f"B1={folder / 'b1.nii.gz'}"]
    code, _, err = run(capsys, *command, "--out", tmp_path / "out")
    assert code == 0, err
    assert "from the fit residuals of 39 voxels" in err
    maps = {name: load(tmp_path / "out" / f"{name}.nii.gz") for name in ("T1", "T1_std", "B1", "B1_std", "status")}
    assert maps["status"][0, 0, 0] == Status.NON_FINITE
    assert maps["status"][1, 0, 0] in (Status.AT_BOUND, Status.AT_BOUND_MISFIT)
    record = json.loads((tmp_path / "out" / "raofit.json").read_text())
    assert record["Settings"]["Known"] == [f"B1={folder / 'b1.nii.gz'}"]
    assert any(item["Path"].endswith("b1.nii.gz") for item in record["Inputs"])
    sigma = record["Settings"]["Sigma"]
    assert sigma == pytest.approx(SIGMA, rel=1.0)
    measured = load(folder / "vfa.nii.gz")
    expected = MaximumLikelihood(MODEL, Gaussian(sigma)).estimate(measured, known={"B1": b1})
    good = expected.status == Status.OK
    assert good.sum() == good.size - 2
    np.testing.assert_array_equal(maps["B1"][good], b1[good])
    np.testing.assert_array_equal(maps["B1_std"][good], 0.0)
    np.testing.assert_allclose(maps["T1"][good], expected["T1"][good], rtol=1e-4)
    np.testing.assert_allclose(maps["T1"][good], truth[good][:, 1], rtol=0.05)
    np.testing.assert_allclose(maps["T1_std"][good], expected.standard_errors[good][:, 1], rtol=1e-3)
    assert json.loads((tmp_path / "out" / "residual.json").read_text())["DegreesOfFreedom"] == 1


def test_a_dictionary_with_a_b1_map(scan, capsys, tmp_path):
    """B1 is that of the nearest atoms, within 0.01; T1 goes with its square."""
    folder, truth, b1 = scan
    command = ["map", folder / "vfa.nii.gz", *OPTIONS, "--known", f"B1={folder / 'b1.nii.gz'}", "--sigma", SIGMA]
    code, _, err = run(
        capsys, *command, "--grid", "T1=0.4:4:60:log,B1=0.7:1.3:31", "--no-residual", "--out", tmp_path / "out"
    )  # fmt: skip
    assert code == 0, err
    maps = {name: load(tmp_path / "out" / f"{name}.nii.gz") for name in ("T1", "B1", "B1_std", "status")}
    good = maps["status"] == Status.OK
    assert good.sum() == good.size - 2
    np.testing.assert_allclose(maps["B1"][good], b1[good], atol=0.0101)
    np.testing.assert_array_equal(maps["B1_std"][good], 0.0)
    np.testing.assert_allclose(maps["T1"][good], truth[good][:, 1], rtol=0.06)


def wrong(name, *options):
    return pytest.param(options[:-1], options[-1], id=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        wrong("no value", "--known", "B1", r"--known B1: expected NAME=MAP or NAME=NUMBER, for instance B1=b1map"),
        wrong("unknown", "--known", "b1=1", r"--known b1=1: `b1` is not a parameter; the model has S0, T1, B1"),
        wrong("missing", "--known", "B1=none.nii", r"none\.nii: no such file"),
        wrong("shape", "--known", "B1=FOLDER/smaller.nii.gz", r"the map of B1 has 5×4×1 voxels but .* has 5×4×2"),
        wrong("place", "--known", "B1=FOLDER/moved.nii.gz", r"the map of B1 lies elsewhere than .*; resample one"),
        wrong("everything", "--known", "B1=1,T1=1,S0=1", r"every parameter is given, nothing is left to estimate"),
        wrong("network", "--known", "B1=1", "--network", "n.raofit", r"a network takes no known values; choose"),
        wrong("amplitude", "--known", "S0=1", "--estimator", "dictionary", r"`S0` is no axis of a dictionary"),
    ],
)  # fmt: skip
def test_faults(capsys, scan, options, words):
    folder, _, _ = scan
    before = entries(folder)
    options = [option.replace("FOLDER", str(folder)) for option in options]
    code, out, err = run(capsys, "map", folder / "vfa.nii.gz", *OPTIONS, *options, "--out", folder / "out")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert entries(folder) == before
