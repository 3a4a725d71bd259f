"""Dictionaries on disk: a round trip, and one sentence for every fault."""

import h5py
import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.dictionary_file import load_dictionary, save_dictionary
from raofit.models import IVIM, Compressed, MonoExponentialT2
from raofit.noise import ComplexGaussian, Gaussian
from tests.estimators.complex_toy import Echoes
from tests.io.matlab_files import cut_short
from tests.io.sealed_files import sealed_again

B_VALUES = [0, 20, 50, 100, 200, 400, 600, 800]
GRID = ParameterGrid(
    {"f": np.linspace(0.05, 0.5, 5), "D_slow": np.linspace(5e-4, 3e-3, 5), "D_fast": np.geomspace(2e-3, 0.1, 6)},
    where=lambda values: values["D_fast"] > 3 * values["D_slow"],
)


@pytest.fixture(scope="module")
def matching():
    return DictionaryMatching(IVIM(B_VALUES), GRID, Gaussian(0.02), rank=5)


@pytest.fixture
def path(matching, tmp_path):
    save_dictionary(tmp_path / "ivim.h5", matching)
    return tmp_path / "ivim.h5"


def _assert_equal(found, expected, measurements):
    one, other = found.estimate(measurements), expected.estimate(measurements)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.standard_errors, other.standard_errors)
    np.testing.assert_array_equal(one.diagnostics["atom"], other.diagnostics["atom"])


def test_round_trip_gives_the_same_estimates(path, matching):
    measurements = np.abs(np.random.default_rng(0).normal(size=(20, 8))) + np.exp(-np.array(B_VALUES) * 1e-3)
    found = load_dictionary(path, Gaussian(0.02))
    _assert_equal(found, matching, measurements)
    assert found.grid.is_log == GRID.is_log
    np.testing.assert_array_equal(found.grid.exists, GRID.exists)


def test_a_model_that_is_not_registered_is_passed(tmp_path):
    grid = ParameterGrid({"R1": 1.0, "R2": np.linspace(5, 20, 9), "omega0": np.linspace(-50, 50, 9)})
    matching = DictionaryMatching(Echoes(), grid, ComplexGaussian(0.1))
    save_dictionary(tmp_path / "echoes.h5", matching)
    measurements = matching.atoms.signals[::7]
    _assert_equal(load_dictionary(tmp_path / "echoes.h5", ComplexGaussian(0.1), model=Echoes()), matching, measurements)
    with pytest.raises(FileError, match=r"does not know by name; pass it as load_dictionary\(path, model=...\)"):
        load_dictionary(tmp_path / "echoes.h5")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MonoExponentialT2([0.01, 0.1]), "the dictionary is of the model `ivim` with S0, f, D_slow, D_fast, expected"),
        (IVIM([*B_VALUES[:-1], 900]), r"simulated for another protocol \(`b_values` differs\); simulate a dictionary"),
        (IVIM(B_VALUES, form="total"), "is of the model `ivim`"),
        (Compressed(IVIM(B_VALUES), np.eye(8)[:, :4]), "the dictionary holds samples, expected coefficients"),
    ],
)
def test_a_dictionary_of_another_acquisition_is_refused(path, model, message):
    with pytest.raises(ProtocolError, match=message) as raised:
        load_dictionary(path, model=model)
    assert str(raised.value).startswith(f"{path}: ")


def test_faulty_files_are_refused(path, tmp_path):
    with pytest.raises(FileError, match="no such file; expected a dictionary written by"):
        load_dictionary(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(FileError, match="this is not an HDF5 file"):
        load_dictionary(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["signals"] = np.ones(3)
    with pytest.raises(FileError, match="expected the format `raofit dictionary 1`, found no dictionary"):
        load_dictionary(tmp_path / "other.h5")
    with sealed_again(path) as file:
        del file["exists"]
    with pytest.raises(FileError, match="damaged or cut short"):
        load_dictionary(path)


def test_atoms_that_do_not_fit_the_grid_are_refused(path):
    with sealed_again(path) as file:
        kept = file["signals"][3:]
        del file["signals"]
        file["signals"] = kept
    with pytest.raises(FileError, match=r"expected \d+ atoms of 5 finite numbers, found shape"):
        load_dictionary(path)


def test_a_file_cut_short_is_refused(path):
    cut_short(path)
    with pytest.raises(FileError, match="damaged or cut short"):
        load_dictionary(path)


def test_an_existing_file_is_kept_without_force(path, matching):
    with pytest.raises(FileError, match="exists already"):
        save_dictionary(path, matching)
    save_dictionary(path, matching, force=True)
