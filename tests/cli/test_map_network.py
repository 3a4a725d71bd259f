"""`raofit map` with networks: trained on the spot, kept, loaded, and refused for another protocol."""

import functools
import json

import numpy as np
import pytest

from raofit.cli import _network_cache
from raofit.core.errors import RaofitError
from raofit.io.network_file import load_network
from raofit.recipes.training_recipe import TrainingRecipe
from tests.cli.helpers import B_VALUES, adc_scan, entries, load, run, save

SMALL = {"n_training": 4000, "n_validation": 500, "max_epochs": 4, "patience": 4, "restarts": 1, "hidden": (8,)}


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.fixture(scope="module")
def scan(tmp_path_factory, patch):
    """A scan mapped once by a small network, which is then in the cache."""
    folder = tmp_path_factory.mktemp("scan")
    adc_scan(folder)
    patch.setenv("RAOFIT_CACHE", str(folder / "cache"))
    patch.setattr(_network_cache, "TrainingRecipe", SmallRecipe)
    assert _map(folder, "--estimator", "network", "--intervals", 0.95) == 0
    return folder


class SmallRecipe:
    """The recipe for the spot, small enough for a test."""

    for_model = staticmethod(functools.partial(TrainingRecipe.for_model, **SMALL))


def _map(folder, *options, out="out"):
    from raofit.cli import main

    tokens = ["map", folder / "dwi.nii.gz", "--model", "adc", "--sigma", 5, "--out", folder / out, *options]
    return main([str(token) for token in tokens])


def test_training_on_the_spot_is_kept_with_its_snr(scan):
    (name,) = [name for name in entries(scan / "cache") if name != "compiled"]
    assert name.startswith("adc-")
    settings = json.loads((scan / "out" / "raofit.json").read_text())["Settings"]
    assert settings["Estimator"] == "network"
    low, high = settings["EstimatorSettings"]["SNRRange"]
    assert low <= 40 <= high  # the scan's S0 over sigma
    assert settings["EstimatorSettings"]["Network"] == str(scan / "cache" / name)


def test_intervals_are_wide_as_the_card_says_at_the_snr_of_the_voxel(scan):
    out, folder = scan / "out", scan / "cache"
    network = load_network(next(path for path in folder.iterdir() if path.name.startswith("adc-")))
    value, error, upper = (load(out / f"ADC{end}.nii.gz") for end in ("", "_std", "_upper"))
    factors = network.interval_factors(0.95, snr=network.snr_of(load(scan / "dwi.nii.gz"), 5.0))[..., 1]
    np.testing.assert_allclose(upper, np.minimum(value + factors * error, 0.01), rtol=1e-4)
    with pytest.raises(RaofitError, match="no factors of 90 %"):
        network.interval_factors(0.9)


def test_the_second_map_takes_the_kept_network(scan, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(_network_cache, "train_network", refuse)
    assert _map(scan, "--estimator", "network", out="again") == 0
    np.testing.assert_array_equal(load(scan / "again" / "ADC.nii.gz"), load(scan / "out" / "ADC.nii.gz"))


def test_one_step_takes_the_kept_network_too(scan, monkeypatch):
    """Without --network, one step starts from the network trained on the spot."""
    monkeypatch.setattr(_network_cache, "train_network", None)
    assert _map(scan, "--estimator", "one-step", "--intervals", 0.95, out="refined") == 0
    settings = json.loads((scan / "refined" / "raofit.json").read_text())["Settings"]
    assert settings["Estimator"] == "one-step"
    assert settings["EstimatorSettings"]["Network"].startswith(str(scan / "cache"))
    assert settings["Intervals"]["Factors"]["ADC"] > 1.96  # the small network's starts are off by more than one step
    method = json.loads((scan / "refined" / "ADC_lower.json").read_text())["Method"]
    assert "factors by simulation" in method


def test_a_network_file_serves_its_protocol_in_any_order(scan, capsys, tmp_path):
    network = next((scan / "cache").iterdir())
    order = [5, 0, 3, 1, 2, 4]
    save(tmp_path / "dwi.nii.gz", load(scan / "dwi.nii.gz")[..., order])
    (tmp_path / "dwi.bval").write_text(" ".join(f"{B_VALUES[volume]:g}" for volume in order))
    assert _map(tmp_path, "--network", network) == 0
    np.testing.assert_array_equal(load(tmp_path / "out" / "ADC.nii.gz"), load(scan / "out" / "ADC.nii.gz"))


def test_a_network_of_another_protocol_is_refused_with_both(scan, capsys, tmp_path):
    network = next((scan / "cache").iterdir())
    save(tmp_path / "dwi.nii.gz", load(scan / "dwi.nii.gz"))
    (tmp_path / "dwi.bval").write_text("0 200 400 600 800 1500")
    tokens = ["map", tmp_path / "dwi.nii.gz", "--model", "adc", "--network", network, "--out", tmp_path / "out"]
    code, out, err = run(capsys, *tokens)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "0, 200, 400, 600, 800, 1000" in err
    assert "0, 200, 400, 600, 800, 1500" in err
    assert entries(tmp_path) == ["dwi.bval", "dwi.nii.gz"]


def test_a_network_of_another_model_is_refused(scan, capsys, tmp_path):
    network = next((scan / "cache").iterdir())
    tokens = ["map", scan / "dwi.nii.gz", "--model", "ivim", "--network", network, "--out", tmp_path / "out"]
    code, _, err = run(capsys, *tokens)
    assert code == 2
    assert "expected a network for model ivim, found one for adc" in err


def test_a_damaged_network_file_is_refused(scan, capsys, tmp_path):
    (tmp_path / "net.safetensors").write_bytes(b"not a network")
    tokens = ["map", scan / "dwi.nii.gz", "--model", "adc", "--network", tmp_path / "net.safetensors"]
    code, _, err = run(capsys, *tokens, "--out", tmp_path / "out")
    assert code == 2
    assert "net.safetensors" in err
    assert entries(tmp_path) == ["net.safetensors"]
