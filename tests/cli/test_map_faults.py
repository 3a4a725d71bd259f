"""Input `raofit map` cannot use: exit code 2, one helpful sentence, nothing left behind."""

import json
import re

import numpy as np
import pytest

from tests.cli.helpers import AFFINE, B_VALUES, adc_scan, entries, run, save


@pytest.fixture
def scan(tmp_path):
    adc_scan(tmp_path)
    save(tmp_path / "mask.nii", np.ones((8, 7, 3), np.uint8))
    return tmp_path


def truncate(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def wrong_count(folder):
    (folder / "dwi.bval").write_text("0 100 1000")


def si_units(folder):
    (folder / "dwi.bval").write_text(" ".join(str(1e6 * value) for value in B_VALUES))


def small_units(folder):
    (folder / "dwi.bval").write_text(" ".join(str(1e-3 * value) for value in B_VALUES))


def no_b_values(folder):
    (folder / "dwi.bval").unlink()


def missing_image(folder):
    (folder / "dwi.nii.gz").unlink()


def truncated_image(folder):
    truncate(folder / "dwi.nii.gz", 0.6)


def truncated_plain_image(folder):
    save(folder / "dwi.nii", np.ones((8, 7, 3, 6), np.float32))
    truncate(folder / "dwi.nii", 0.6)
    (folder / "dwi.nii.gz").unlink()


def three_dimensional_image(folder):
    save(folder / "dwi.nii.gz", np.ones((8, 7, 3), np.float32))


def zero_mask(folder):
    save(folder / "mask.nii", np.zeros((8, 7, 3), np.uint8))


def smaller_mask(folder):
    save(folder / "mask.nii", np.ones((8, 7, 2), np.uint8))


def moved_mask(folder):
    save(folder / "mask.nii", np.ones((8, 7, 3), np.uint8), AFFINE @ np.array(np.diag([1.0, 1, 1.2, 1])))


def empty_image(folder):
    save(folder / "dwi.nii.gz", np.zeros((8, 7, 3, 6), np.float32))


def existing_output(folder):
    (folder / "out").mkdir()
    (folder / "out" / "notes.txt").write_text("mine")


def signals_beyond_float32(folder):
    save(folder / "dwi.nii.gz", np.full((8, 7, 3, 6), 1e37, np.float32))


def nothing(folder):
    pass


FAULTS = [
    (wrong_count, [], r"dwi\.bval has 3 b-values but .*dwi\.nii\.gz has 6 volumes"),
    (si_units, [], r"dwi\.bval: b = 1e\+09 cannot be in s/mm².*divide the file's values by 1e6"),
    (small_units, [], r"ms/µm²: multiply the file's values by 1000"),
    (no_b_values, [], r"no b-values; give them with --bval FILE"),
    (missing_image, [], r"dwi\.nii\.gz: no such file"),
    (truncated_image, [], r"dwi\.nii\.gz: the compressed file is truncated or damaged"),
    (truncated_plain_image, [], r"dwi\.nii: the file is truncated: the header promises \d+ bytes"),
    (three_dimensional_image, [], r"expected a 4-D image \(x, y, z, volume\), found 3-D 8×7×3"),
    (zero_mask, [], r"mask\.nii: the mask selects no voxel"),
    (smaller_mask, [], r"mask\.nii: the mask has 8×7×2 voxels but .*dwi\.nii\.gz has 8×7×3"),
    (moved_mask, [], r"mask\.nii: the mask lies elsewhere than .*dwi\.nii\.gz"),
    (empty_image, [], r"no voxel of the mask can be estimated"),
    (existing_output, [], r"out exists already; choose another name or add --force"),
    (existing_output, ["--force"], r"out was not written by raofit, so --force does not replace it"),
    (nothing, ["--sigma", "0"], r"--sigma 0: expected a noise standard deviation > 0"),
    (nothing, ["--sigma", "loud"], r"--sigma loud: expected a number, a NIfTI map, or one of repeats"),
    (nothing, ["--sigma", "repeats"], r"no measurement is repeated with the same protocol"),
    (nothing, ["--bounds", "D=0:1"], r"`D` is not a parameter; the model has S0, ADC"),
    (nothing, ["--bounds", "ADC=1:0"], r"expected low < high, got \(1, 0\)"),
    (nothing, ["--bounds", "ADC=1"], r"expected NAME=LOWER:UPPER"),
    (nothing, ["--model", "dti"], r"--model dti: expected one of adc, ivim"),
    (nothing, ["--network", "none.safetensors"], r"none\.safetensors"),
    (nothing, ["--b-max", "-5"], r"--b-max -5: no volume is left"),
    (nothing, ["--sigma", "1e308"], r"expected a noise standard deviation in signal units, found 1e\+308 for signals"),
    (nothing, ["--sigma", "1e-40"], r"expected a noise standard deviation in signal units, found 1e-40 for signals"),
    (signals_beyond_float32, [], r"expected signals between 1e-15 and 1e\+15, found up to 1e\+37; rescale"),
    (nothing, ["--known", "ADC=nan"], r"--known ADC=nan: expected a value from 0 to 0\.01 mm²/s"),
    (nothing, ["--known", "ADC=1"], r"--known ADC=1: expected a value from 0 to 0\.01 mm²/s"),
    (nothing, ["--snr", "nan"], r"--snr nan: expected a signal-to-noise ratio > 0"),
    (nothing, ["--te", "1,2"], r"--te: model adc has no echo times"),
    (nothing, ["--memory", "0"], r"expected a budget > 0"),
]


def test_a_noise_map_of_zeros(capsys, scan):
    save(scan / "sigma.nii", np.zeros((8, 7, 3), np.float32))
    code, _, err = run(
        capsys, "map", scan / "dwi.nii.gz", "--model", "adc", "--sigma", scan / "sigma.nii", "--out", scan / "out"
    )
    assert code == 2
    assert "expected noise standard deviations > 0, found none in the mask" in err
    assert not (scan / "out").exists()


def test_b_values_from_a_folder(capsys, scan):
    code, _, err = run(capsys, "map", scan / "dwi.nii.gz", "--model", "adc", "--bval", scan, "--out", scan / "out")
    assert code == 2
    assert "this is a folder; expected a text file of b-values" in err


@pytest.mark.parametrize(("fault", "options", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_faults(capsys, scan, fault, options, words):
    fault(scan)
    before = entries(scan)
    image = scan / ("dwi.nii" if fault is truncated_plain_image else "dwi.nii.gz")
    model = [] if "--model" in options else ["--model", "adc"]
    tokens = ["map", image, *model, "--mask", scan / "mask.nii", "--out", scan / "out", *options]
    code, out, err = run(capsys, *tokens)
    assert code == 2
    assert out == ""
    assert err.startswith("raofit: ")
    assert err.count("\n") == 1
    assert re.search(words, err)
    assert entries(scan) == before
    if fault is existing_output:
        assert (scan / "out" / "notes.txt").read_text() == "mine"


def test_existing_maps_are_replaced_only_by_force(capsys, scan):
    tokens = ["map", scan / "dwi.nii.gz", "--model", "adc", "--sigma", "5", "--out", scan / "out"]
    assert run(capsys, *tokens)[0] == 0
    before = (scan / "out" / "raofit.json").read_text()
    code, _, err = run(capsys, *tokens)
    assert code == 2
    assert "exists already" in err
    assert (scan / "out" / "raofit.json").read_text() == before
    assert run(capsys, *tokens, "--force", "--bounds", "ADC=0:0.002")[0] == 0
    assert json.loads((scan / "out" / "raofit.json").read_text())["Settings"]["Bounds"]["ADC"] == [0.0, 0.002]
