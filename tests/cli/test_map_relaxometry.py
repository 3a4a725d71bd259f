"""`raofit map` of T1 and T2 series: protocols from options and sidecars, and the faults they can have."""

import json
import re

import numpy as np
import pytest

from raofit.core.status import Status
from raofit.models import InversionRecovery, MTSaturation, MultiEchoSpinEcho, SpoiledGradientEcho
from tests.cli.helpers import entries, load, run, save

SHAPE = (4, 3, 2)
SIGMA = 2.0


def scan(folder, model, parameters, *, seed=0):
    """A series of the model with real Gaussian noise, at an SNR where magnitudes have it too: series.nii.gz."""
    signal = np.broadcast_to(model.signal(np.array(parameters)), (*SHAPE, model.n_measurements))
    noise = np.random.default_rng(seed).normal(0, SIGMA, signal.shape)
    return save(folder / "series.nii.gz", (signal + noise).astype(np.float32))


def test_signed_inversion_recovery_has_gaussian_noise(capsys, tmp_path):
    image = scan(tmp_path, InversionRecovery([0.05, 0.3, 0.8, 2.0, 4.0], polarity="signed"), [1000.0, 0.9, 1.9])
    (tmp_path / "series.json").write_text(json.dumps({"InversionTime": [0.05, 0.3, 0.8, 2.0, 4.0]}))
    command = ["map", image, "--model", "t1-ir-signed", "--sigma", SIGMA, "--out", tmp_path / "out"]
    code, _, err = run(capsys, *command, "--noise", "rician")
    assert code == 2
    assert "model t1-ir-signed is of real-valued images, whose noise is gaussian; leave --noise out" in err
    assert run(capsys, *command)[0] == 0
    assert json.loads((tmp_path / "out" / "raofit.json").read_text())["Settings"]["Noise"] == "gaussian"
    # 24 voxels whose bound is 6 ms (crb of this protocol at sigma 2): 5 standard errors of their mean
    assert load(tmp_path / "out" / "T1.nii.gz").mean() == pytest.approx(0.9, abs=5 * 0.006 / np.sqrt(24))


def test_flip_angles_are_degrees_at_the_edge_and_radians_inside(capsys, tmp_path):
    model = SpoiledGradientEcho(np.deg2rad([3.0, 10.0, 20.0]), 15e-3)
    image = scan(tmp_path, model, [20_000.0, 1.2])
    out = tmp_path / "out"
    command = ["map", image, "--model", "t1-vfa", "--flip", "3,10,20", "--tr", "15ms", "--sigma", SIGMA, "--out", out]
    assert run(capsys, *command)[0] == 0
    protocol = json.loads((out / "raofit.json").read_text())["Settings"]["Protocol"]
    np.testing.assert_allclose(protocol["flip_angles"], np.deg2rad([3.0, 10.0, 20.0]))
    assert load(out / "T1.nii.gz").mean() == pytest.approx(1.2, rel=0.01)


def wrong(name, *options):
    return pytest.param(options[:-1], options[-1], id=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        wrong("count", "t1-ir", "--ti", "0.1,0.5", r"has 2 inversion times but .*series\.nii\.gz has 4 volumes"),
        wrong("negative", "t1-ir", "--ti", "0.1,0.5,-1,2", r"expected finite times ≥ 0 s"),
        wrong("milliseconds", "t1-ir", "--ti", "50,500,1000,2000", r"2000 s is too long for an inversion time"),
        wrong("no times", "t1-ir", r"no inversion times; give them with --ti LIST"),
        wrong("short repetition", "t1-ir-tr", "--ti", "0.1,0.5,1,2", "--tr", "1.5", r"more than the inversion"),
        wrong("radians", "t1-vfa", "--flip", "0.05,0.1,0.2,0.3", "--tr", "15ms", r"if it is in radians, multiply by"),
        wrong("no repetition", "t1-vfa", "--flip", "3,5,10,20", r"no repetition times; give them with --tr LIST"),
        wrong("long repetition", "t1-vfa", "--flip", "3,5,10,20", "--tr", "15", r"ms must be divided by 1000"),
        wrong("unsorted train", "t2-epg", "--te", "20ms,10ms,30ms,40ms", r"at 1, 2, 3, … times the echo spacing"),
        wrong("refocusing", "t2-epg", "--te", "10ms,20ms,30ms,40ms", "--refocusing", "3.1,3", r"has 2 refocusing"),
        wrong("not its option", "t2", "--te", "1ms,2ms,3ms,4ms", "--ti", "1,2,3,4", r"--ti: model t2 has no inversion"),
    ],
)  # fmt: skip
def test_faults(capsys, tmp_path, options, words):
    image = scan(tmp_path, MultiEchoSpinEcho([0.01, 0.02, 0.03, 0.04]), [100.0, 0.08, 0.9])
    before = entries(tmp_path)
    code, out, err = run(capsys, "map", image, "--out", tmp_path / "out", "--model", *options)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert entries(tmp_path) == before


def test_three_volumes_leave_no_residual(capsys, tmp_path):
    """It says so and where sigma is from; without a background, why it needs one."""
    image = scan(tmp_path, MTSaturation(np.deg2rad([6, 6, 20]), [28e-3, 28e-3, 18e-3], [1, 0, 0]), [20_000.0, 1.2, 3.0])
    command = ["map", image, "--model", "mtsat", "--flip", "6,6,20", "--tr", "28ms,28ms,18ms", "--mt", "on,off,off"]
    code, _, err = run(capsys, *command, "--out", tmp_path / "out")
    assert code == 2
    assert (
        "3 measurements and 3 parameters leave no residual, and sigma from background: expected 30 voxels or more"
        in err
    )
    assert entries(tmp_path) == [image.name]
    code, out, err = run(capsys, *command, "--sigma", SIGMA, "--out", tmp_path / "out")
    assert code == 0, err
    assert "3 measurements and 3 parameters leave no residual, so nothing here tests the model; sigma = 2 as" in out
    for name, truth in (("T1", 1.2), ("MTsat", 3.0)):
        values, errors = (load(tmp_path / "out" / f"{name}{end}.nii.gz") for end in ("", "_std"))
        assert values.mean() == pytest.approx(truth, abs=5 * errors.mean() / np.sqrt(values.size))
    assert np.all(load(tmp_path / "out" / "status.nii.gz") == Status.OK)
