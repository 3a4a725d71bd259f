"""`raofit map` on a small scan: files, values, statuses, resuming."""

import json

import nibabel
import numpy as np
import pytest

from raofit.core.status import Status
from raofit.io import shards
from raofit.io.provenance import sha256
from tests.cli.helpers import AFFINE, B_VALUES, adc_scan, entries, load, run, save

ADC = ("--model", "adc", "--sigma", 5, "--intervals", 0.95)
MAPS = ["ADC", "ADC_std", "S0", "S0_std", "residual", "relative_residual", "status"]
MAPS += [f"{name}_{side}" for name in ("ADC", "S0") for side in ("lower", "upper")]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan, its truth, and its maps."""
    folder = tmp_path_factory.mktemp("scan")
    truth = adc_scan(folder)
    mask = np.random.default_rng(1).uniform(size=truth.shape) < 0.8
    save(folder / "mask.nii.gz", np.where(mask, 37.5, np.nan).astype(np.float32))

    class Quiet:
        @staticmethod
        def readouterr():
            return type("Captured", (), {"out": "", "err": ""})

    code = run(Quiet, "map", folder / "dwi.nii.gz", "--mask", folder / "mask.nii.gz", *ADC, "--out", folder / "out")[0]
    assert code == 0
    return folder, truth, mask


def test_the_files_of_a_map_folder(scan):
    folder, _, _ = scan
    expected = [".raofit", "raofit.json", "report.html"] + [
        f"{name}{end}" for name in MAPS for end in (".json", ".nii.gz")
    ]
    assert entries(folder / "out") == sorted(expected)
    assert entries(folder) == ["dwi.bval", "dwi.nii.gz", "mask.nii.gz", "out"]


def test_values_and_standard_errors(scan):
    folder, truth, mask = scan
    estimate, error = load(folder / "out" / "ADC.nii.gz"), load(folder / "out" / "ADC_std.nii.gz")
    score = (estimate - truth)[mask] / error[mask]
    n_voxels = mask.sum()
    # standardized errors of an efficient estimator are standard normal: mean within 4/√n, spread within 4/√(2n)
    assert abs(score.mean()) < 4 / np.sqrt(n_voxels)
    assert score.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * n_voxels))
    assert np.all(estimate[~mask] == 0)
    assert np.all(error[~mask] == 0)


def test_intervals_hold_the_truth(scan):
    folder, truth, mask = scan
    lower, upper = (load(folder / "out" / f"ADC_{side}.nii.gz") for side in ("lower", "upper"))
    n_voxels = mask.sum()
    share = np.mean((lower <= truth)[mask] & (truth <= upper)[mask])
    assert share == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / n_voxels))
    sidecar = json.loads((folder / "out" / "ADC_upper.json").read_text())
    assert sidecar["Level"] == 0.95
    assert "95 %" in sidecar["Method"]


def test_maps_keep_the_space_of_the_image(scan):
    folder, truth, _ = scan
    for name in MAPS:
        image = nibabel.load(folder / "out" / f"{name}.nii.gz")
        np.testing.assert_array_equal(image.affine, AFFINE)
        assert image.shape == truth.shape
        assert image.get_data_dtype() == (np.uint8 if name == "status" else np.float32)


def test_status_map_and_its_legend(scan):
    folder, _, mask = scan
    status = load(folder / "out" / "status.nii.gz")
    assert np.all(status[~mask] == Status.OUTSIDE_MASK)
    assert np.all(status[mask] < Status.NON_FINITE)
    legend = json.loads((folder / "out" / "status.json").read_text())
    assert {int(code) for code in legend["Levels"]} == set(Status)
    assert legend["Levels"]["20"] == "OUTSIDE_MASK: The voxel is outside the mask."
    assert sum(legend["Counts"].values()) == mask.sum()


def test_sidecars_say_how_to_repeat_the_run(scan):
    folder, _, _ = scan
    sidecar = json.loads((folder / "out" / "ADC.json").read_text())
    assert sidecar["Units"] == "mm²/s"
    assert sidecar["Settings"]["Sigma"] == 5.0
    assert sidecar["Settings"]["Seed"] == 0
    assert sidecar["Settings"]["Protocol"]["b_values"] == B_VALUES.tolist()
    assert sidecar["Inputs"][0] == {
        "Path": str(folder / "dwi.nii.gz"),
        "SHA256": sha256(folder / "dwi.nii.gz"),
    }
    assert {"raofit", "jax", "python"} <= set(sidecar["Versions"])
    assert sidecar["Command"].startswith(f"raofit map {folder}")


def test_the_report_stands_alone_and_says_what_happened(scan):
    folder, _, mask = scan
    page = (folder / "out" / "report.html").read_text()
    assert f"of {mask.sum()} voxels of the mask" in page
    assert page.count("from 6 volumes") == 1
    assert "under Rician noise" in page
    assert "Cramér-Rao bound" in page
    assert page.count("data:image/") >= 4
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([np.nan] * 6, Status.NON_FINITE),
        ([np.inf, 1, 1, 1, 1, 1], Status.NON_FINITE),
        ([0] * 6, Status.NON_POSITIVE),
        ([100, 90, 80, -1, 60, 50], Status.NEGATIVE),
    ],
)
def test_bad_voxels_are_marked_and_neighbors_are_bit_identical(scan, capsys, tmp_path, values, status):
    folder, _, mask = scan
    voxel = tuple(np.argwhere(mask)[40])
    image = load(folder / "dwi.nii.gz").copy()
    image[voxel] = values
    save(tmp_path / "dwi.nii.gz", image)
    code, out, _ = run(
        capsys, "map", tmp_path / "dwi.nii.gz", "--bval", folder / "dwi.bval", "--mask", folder / "mask.nii.gz",
        *ADC, "--fill", "nan", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert status.sentence in out
    others = mask.copy()
    others[voxel] = False
    assert load(tmp_path / "out" / "status.nii.gz")[voxel] == status
    for name in MAPS:
        new, old = load(tmp_path / "out" / f"{name}.nii.gz"), load(folder / "out" / f"{name}.nii.gz")
        np.testing.assert_array_equal(new[others], old[others])
        if name != "status":
            assert np.isnan(new[voxel])
            assert np.all(np.isnan(new[~mask]))


def test_order_repeats_and_lists_of_files_do_not_matter(scan, capsys, tmp_path):
    """b = 0 last, one volume twice with half the information each, one 3-D file per volume."""
    folder, _, mask = scan
    image = load(folder / "dwi.nii.gz")
    order = [3, 1, 5, 2, 4, 0]
    paths = [save(tmp_path / f"{index}.nii", image[..., volume]) for index, volume in enumerate(order)]
    (tmp_path / "b.txt").write_text("\n".join(f"{B_VALUES[volume]:g}" for volume in order))
    code, _, _ = run(
        capsys, "map", *paths, "--bval", tmp_path / "b.txt", "--mask", folder / "mask.nii.gz", *ADC,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    found, expected = load(tmp_path / "out" / "ADC.nii.gz"), load(folder / "out" / "ADC.nii.gz")
    scatter = load(folder / "out" / "ADC_std.nii.gz")
    # both end within the solver's tolerance, 1e-4 of log-likelihood: about 1.4 % of a standard error
    assert np.max(np.abs(found - expected)[mask] / scatter[mask]) < 0.03


def test_bounds_and_noise_maps(scan, capsys, tmp_path):
    folder, truth, _ = scan
    save(
        tmp_path / "sigma.nii", np.where(np.arange(truth.shape[0]) == 0, 0.0, 5.0)[:, None, None] * np.ones(truth.shape)
    )
    code, out, _ = run(
        capsys, "map", folder / "dwi.nii.gz", "--model", "adc", "--sigma", tmp_path / "sigma.nii",
        "--bounds", "ADC=0:0.001", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert "12.5% of the voxels have no estimate" in (tmp_path / "out" / "report.html").read_text()
    status, values = load(tmp_path / "out" / "status.nii.gz"), load(tmp_path / "out" / "ADC.nii.gz")
    assert np.all(status[0] == Status.NO_SIGMA)
    assert values.max() == np.float32(0.001)
    on_bound = status[values == np.float32(0.001)]
    assert set(on_bound.tolist()) == {Status.AT_BOUND, Status.AT_BOUND_MISFIT}  # the phantom goes up to twice the bound
    assert Status.AT_BOUND_MISFIT.sentence in out
    assert "ADC: it lies on its lower bound" in (tmp_path / "out" / "report.html").read_text()


def test_an_interrupted_run_continues_and_ends_the_same(capsys, tmp_path, monkeypatch):
    adc_scan(tmp_path, (64, 32, 10))
    save(tmp_path / "mask.nii", (np.random.default_rng(2).uniform(size=(64, 32, 10)) < 0.02).astype(np.uint8))
    tokens = ["map", tmp_path / "dwi.nii.gz", "--mask", tmp_path / "mask.nii", *ADC, "--memory", 1]
    saved = []
    save_slab = shards.Shards.save

    def save_and_stop(self, slab):
        if len(saved) == 1:
            raise KeyboardInterrupt
        saved.append((slab.start, slab.stop))
        save_slab(self, slab)

    monkeypatch.setattr(shards.Shards, "save", save_and_stop)
    code, _, err = run(capsys, *tokens, "--out", tmp_path / "out")
    assert code == 130
    assert "the same command continues" in err
    assert not (tmp_path / "out").exists()
    assert len([name for name in entries(tmp_path) if name.endswith(".resume")]) == 1

    def save_and_count(self, slab):
        saved.append((slab.start, slab.stop))
        save_slab(self, slab)

    monkeypatch.setattr(shards.Shards, "save", save_and_count)
    assert run(capsys, *tokens, "--out", tmp_path / "out")[0] == 0
    assert saved == sorted(set(saved))
    assert len(saved) > 1
    assert run(capsys, *tokens, "--out", tmp_path / "whole")[0] == 0
    assert entries(tmp_path) == ["dwi.bval", "dwi.nii.gz", "mask.nii", "out", "whole"]
    for name in MAPS:
        np.testing.assert_array_equal(
            load(tmp_path / "out" / f"{name}.nii.gz"), load(tmp_path / "whole" / f"{name}.nii.gz")
        )
