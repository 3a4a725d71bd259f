"""MATLAB variables: one axis order for every version of the format, and a sentence for every fault."""

import h5py
import numpy as np
import pytest

from raofit.core.errors import FileError
from raofit.io.matlab import open_matlab
from tests.io.matlab_files import cut_short, write_v5, write_v73

WRITERS = pytest.mark.parametrize("write", [write_v73, write_v5], ids=["v7.3", "v5"])
ARRAY = np.arange(24.0).reshape(2, 3, 4)


@WRITERS
@pytest.mark.parametrize("array", [ARRAY, ARRAY.astype(np.float32), ARRAY + 1j * ARRAY[::-1], ARRAY > 3])
def test_arrays_have_matlabs_axes(tmp_path, write, array):
    file = open_matlab(write(tmp_path / "a.mat", y=1.0, x=array), "data")
    assert sorted(file.names) == ["x", "y"]
    assert file.first_of(["z", "x"]) == "x"
    found = file.array(["z", "x"], "data")
    assert found.shape == (2, 3, 4)
    assert np.iscomplexobj(found) == np.iscomplexobj(array)
    np.testing.assert_array_equal(found, array)


def test_the_real_file_agrees_with_its_description(shared_data):
    file = open_matlab(shared_data / "qmt-mao" / "coeffs.mat", "coefficients")
    assert file.array(["x"], "coefficients").shape == (176, 146, 15)
    assert np.count_nonzero(file.array(["mask"], "mask")) == 19_213


@WRITERS
def test_a_missing_variable_names_those_that_are_there(tmp_path, write):
    file = open_matlab(write(tmp_path / "a.mat", beta=ARRAY, note=1.0), "flip angles")
    with pytest.raises(FileError, match=r"flip angles in a variable `alpha` or `angle`; the file has `beta`, `note`"):
        file.array(["alpha", "angle"], "flip angles")


@WRITERS
@pytest.mark.parametrize("value", [{"field": 1.0}, "text"], ids=["struct", "text"])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, write, value):
    file = open_matlab(write(tmp_path / "a.mat", alpha=value), "flip angles")
    with pytest.raises(FileError, match=r"expected `alpha` to be a numeric array, found a struct"):
        file.array(["alpha"], "flip angles")


@WRITERS
def test_an_empty_array_is_refused(tmp_path, write):
    file = open_matlab(write(tmp_path / "a.mat", alpha=np.empty((0, 3))), "flip angles")
    with pytest.raises(FileError, match="found an empty array"):
        file.array(["alpha"], "flip angles")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"a\.mat: no such file; expected a MATLAB file with the basis"):
        open_matlab(tmp_path / "a.mat", "basis")


@pytest.mark.parametrize("content", [b"", b"alpha = 1\n", b"\x93NUMPY" * 50], ids=["empty", "text", "binary"])
def test_a_file_that_is_not_matlab(tmp_path, content):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(FileError, match="this is not a MATLAB file; expected one with the basis"):
        open_matlab(path, "basis")


def test_an_array_that_claims_what_the_file_does_not_hold(tmp_path):
    path = write_v73(tmp_path / "a.mat", y=1.0)
    with h5py.File(path, "r+") as file:
        file.create_dataset("x", (10**6, 10**6), np.float64, chunks=True)
        file.create_dataset("z", data=np.zeros((1000, 1000)), compression="gzip", compression_opts=9)
    file = open_matlab(path, "data")
    with pytest.raises(FileError, match="damaged or cut short"):
        file.array(["x"], "data")
    np.testing.assert_array_equal(file.array(["z"], "data"), np.zeros((1000, 1000)))


@WRITERS
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_file_cut_short(tmp_path, write, share):
    path = cut_short(write(tmp_path / "a.mat", x=np.random.default_rng(0).normal(size=(40, 50))), share)
    with pytest.raises(FileError, match="damaged or cut short; copy or save it again"):
        open_matlab(path, "data").array(["x"], "data")
