"""Training sets on disk: a round trip, equal bytes, and one sentence for every fault."""

import time

import h5py
import jax
import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.training_set_file import load_training_set, save_training_set
from raofit.models import IVIM, Compressed
from raofit.recipes.training_set import TrainingSet, simulate_training_set
from raofit.training.prior import Prior
from tests.io.matlab_files import cut_short, write_v73
from tests.io.sealed_files import sealed_again
from tests.recipes import complex_toy

B_VALUES = [0, 20, 50, 100, 200, 400, 600, 800]
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 5)))[0]


def _simulated(model, n_samples=20):
    prior = Prior.typical(model)
    chunks = simulate_training_set(model, prior, n_samples, key=jax.random.key(0), chunk=20)
    return TrainingSet.from_chunks(chunks, model, prior, {"seed": 0, "versions": {"raofit": "0"}})


@pytest.fixture(scope="module")
def samples():
    return _simulated(Compressed(IVIM(B_VALUES), BASIS))


@pytest.fixture
def path(samples, tmp_path):
    save_training_set(tmp_path / "set.h5", samples)
    return tmp_path / "set.h5"


def _assert_equal(found, expected):
    for name in ("parameters", "signals", "bound", "component"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert found.prior == expected.prior
    assert found.provenance == expected.provenance


def test_round_trip_rebuilds_the_model(path, samples):
    found = load_training_set(path)
    _assert_equal(found, samples)
    np.testing.assert_array_equal(found.model.basis, samples.model.basis)
    np.testing.assert_array_equal(found.model.protocol["b_values"], B_VALUES)


def test_a_model_without_a_basis(tmp_path):
    samples = _simulated(IVIM(B_VALUES, form="total"))
    save_training_set(tmp_path / "set.h5", samples)
    found = load_training_set(tmp_path / "set.h5")
    _assert_equal(found, samples)
    assert found.model.form == "total"


def test_a_model_that_is_not_registered_is_passed(tmp_path):
    samples = _simulated(complex_toy.model())
    save_training_set(tmp_path / "set.h5", samples)
    _assert_equal(load_training_set(tmp_path / "set.h5", model=samples.model), samples)
    with pytest.raises(FileError, match="`two-frequencies`, which raofit does not know by name; pass it as"):
        load_training_set(tmp_path / "set.h5")


def test_the_same_set_gives_the_same_bytes(path, samples, tmp_path):
    time.sleep(1.1)  # HDF5 stores times in whole seconds
    save_training_set(tmp_path / "again.h5", samples)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_an_existing_file_is_kept_without_force(path, samples):
    with pytest.raises(FileError, match="exists already"):
        save_training_set(path, samples)
    save_training_set(path, samples.take(np.arange(5)), force=True)
    assert len(load_training_set(path)) == 5


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_short(path, share):
    cut_short(path, share)
    with pytest.raises(FileError, match=r"damaged or cut short.*simulate it again"):
        load_training_set(path)


@pytest.mark.parametrize("place", [3, 100, 600, -1])
def test_one_changed_byte_is_noticed_before_the_library_reads_it(path, place, monkeypatch):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(FileError, match=r"damaged or cut short \(by its checksum\)"):
        load_training_set(path)


def test_a_set_from_before_files_were_sealed(path, samples):
    path.write_bytes(path.read_bytes()[512:])
    _assert_equal(load_training_set(path), samples)


def test_a_file_of_matlab_is_another_file_not_a_damaged_one(tmp_path):
    write_v73(tmp_path / "basis.mat", U=np.eye(3))
    with pytest.raises(FileError, match="expected the format `raofit training set 1`"):
        load_training_set(tmp_path / "basis.mat")


@pytest.mark.parametrize("content", [b"", b"parameters = 1\n"])
def test_a_file_that_is_not_hdf5(tmp_path, content):
    (tmp_path / "set.h5").write_bytes(content)
    with pytest.raises(FileError, match="this is not an HDF5 file; expected a training set"):
        load_training_set(tmp_path / "set.h5")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="no such file; expected a training set written by `raofit simulate`"):
        load_training_set(tmp_path / "set.h5")


def _without(name):
    return lambda file: file.__delitem__(name)


def _put(name, index, value):
    def change(file):
        file[name][index] = value

    return change


def _replaced(name, array):
    def change(file):
        del file[name]
        file[name] = array

    return change


def _claiming(name, shape):
    def change(file):
        del file[name]
        file.create_dataset(name, shape, np.float32, chunks=True)

    return change


def _attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("bound"), r"the dataset `bound` is missing; the file has basis, coefficients, component, parameters"),
        (
            _attribute("format", "raofit training set 9"),
            "found the format `raofit training set 9`",
        ),
        (lambda file: file.attrs.clear(), "found no training set"),
        (_replaced("bound", np.ones((19, 4), np.float32)), r"expected `bound` of shape \(20, 4\).*got \(19, 4\)"),
        (_replaced("coefficients", np.ones((20, 4), np.float32)), r"expected `signals` of shape \(20, 5\)"),
        (_replaced("component", np.ones((20, 1), np.uint8)), r"expected `component` of shape \(20,\)"),
        (_put("coefficients", (3, 1), np.nan), "`coefficients` holds NaN or infinite values"),
        (_put("parameters", (3, 1), np.inf), "`parameters` holds NaN or infinite values"),
        (_put("bound", (3, 1), 0.0), "expected bounds > 0, found 0"),
        (_put("bound", (3, 1), np.nan), "expected bounds > 0, found nan"),
        (_claiming("coefficients", (10**6, 10**6)), "`/coefficients` claims 4000000000000 bytes, the file holds 0 of"),
        (_replaced("component", np.array([b"a"] * 20)), "`component` is no dataset of numbers"),
        (_attribute("provenance", "[" * 20_000), "RecursionError"),
        (_attribute("prior", "{"), "damaged or cut short"),
        (_attribute("prior", '{"f": {}}'), "damaged or cut short"),
        (_without("protocol"), "the protocol settings b_values, got none"),
        (_replaced("basis", 2 * BASIS), "orthonormal"),
    ],
)
def test_contents_that_are_no_training_set(path, change, words):
    with sealed_again(path) as file:
        change(file)
    with pytest.raises((FileError, ProtocolError), match=words):
        load_training_set(path)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Compressed(IVIM([0, 20, 50, 100, 200, 400, 600, 900]), BASIS), r"another protocol \(`b_values` differs\)"),
        (Compressed(IVIM(B_VALUES), BASIS[:, :4]), r"coefficients in another basis \(8×5, expected 8×4\)"),
        (Compressed(IVIM(B_VALUES), -BASIS), r"coefficients in another basis \(8×5, expected 8×5\)"),
        (IVIM(B_VALUES), "the set holds coefficients in a basis, expected samples"),
        (
            Compressed(IVIM(B_VALUES, form="total"), BASIS),
            "with S0.*expected `ivim-total`",
        ),
        (complex_toy.model(), "the set is of the model `ivim` with S0, f, D_slow, D_fast, expected `two-frequencies`"),
    ],
)
def test_a_set_of_another_model(path, model, words):
    with pytest.raises(ProtocolError, match=words):
        load_training_set(path, model=model)


def test_options_of_the_model_are_compared(path):
    with sealed_again(path) as file:
        file.attrs["settings"] = file.attrs["settings"].replace('"name"', '"lineshape": "gaussian", "name"')
    with pytest.raises(ProtocolError, match="simulated with lineshape = 'gaussian', expected None; pass the model"):
        load_training_set(path)
