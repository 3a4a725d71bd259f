"""`raofit demo`: a scan, three maps, their errors, and a page."""

import csv

import numpy as np
import pytest

from raofit.cli import _demo_run
from raofit.io.network_file import load_network
from tests.cli.helpers import entries, load, run


@pytest.fixture(scope="module")
def small():
    patch = pytest.MonkeyPatch()
    sizes = {"SHAPE": (28, 28, 1), "N_TRAINING": 4000, "N_VALIDATION": 500, "GRID_VALUES": 2, "N_REPEATS": 20}
    for name, value in sizes.items():
        patch.setattr(_demo_run, name, value)
    yield
    patch.undo()


@pytest.fixture
def out(small, tmp_path):
    return tmp_path / "demo"


@pytest.mark.slow  # the tutorials, which are run, begin with the same demo
def test_the_demo_writes_what_it_promises_and_refuses_to_overwrite_it(capsys, out, blank_pages):
    code, printed, _ = run(capsys, "demo", "--out", out, "--snr", 40)
    assert code == 0
    assert "A scan with 10 b-values at SNR 40" in printed
    assert "lie on a fit bound" in printed
    assert f"Open {out / 'report.html'}" in printed
    pictures = {"maps.png", "errors.png", "status.png", "bias-variance.png", "bias-variance-curves.png"}
    files = {"scan.nii.gz", "scan.bval", "mask.nii.gz", "bias-variance.csv", "report.html"}
    networks = {"network-truth.safetensors", "network-mle.safetensors"}
    assert pictures | files | networks <= set(entries(out))

    scan, mask = load(out / "scan.nii.gz"), load(out / "mask.nii.gz") > 0
    assert scan.shape == (28, 28, 1, 10)
    assert 700 < np.median(scan[mask][:, 0]) < 1300  # scanner units, not S0 = 1
    truth = {name: load(out / "truth" / f"{name}.nii.gz")[mask] for name in ("S0", "f", "D_slow", "D_fast")}
    for method in ("mle", "network-truth", "network-mle"):
        assert entries(out / method) == ["D_fast.nii.gz", "D_slow.nii.gz", "S0.nii.gz", "f.nii.gz", "status.nii.gz"]
        found = load(out / method / "D_slow.nii.gz")[mask]
        assert np.corrcoef(found, truth["D_slow"])[0, 1] > 0.7
        assert np.median(load(out / method / "S0.nii.gz")[mask] / truth["S0"]) == pytest.approx(1.0, abs=0.05)
        assert not load(out / method / "D_slow.nii.gz")[~mask].any()
        assert set(np.unique(load(out / method / "status.nii.gz")[~mask])) == {20}
    assert load_network(out / "network-truth.safetensors").snr == pytest.approx(40)
    with (out / "bias-variance.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2**3
    assert {"bias_D_fast [mm²/s]", "std_D_fast [mm²/s]", "crb_std_D_fast [mm²/s]"} < set(rows[0])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 5
    assert 'alt=""' not in page

    code, _, message = run(capsys, "demo", "--out", out)
    assert code == 2
    assert "exists already" in message


@pytest.mark.parametrize("snr", [0, -3, "nan", 1e6])
def test_an_impossible_snr_is_refused_before_anything_is_written(capsys, out, snr):
    code, _, message = run(capsys, "demo", "--out", out, "--snr", snr)
    assert code == 2
    assert "expected a signal-to-noise ratio between 1 and 1000" in message
    assert not out.parent.exists() or entries(out.parent) == []
