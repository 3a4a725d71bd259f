"""Compressed measurements from MATLAB files: axes, masks, and refusals."""

import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.coefficients import load_coefficients
from tests.io.matlab_files import write_v5, write_v73

_GENERATOR = np.random.default_rng(0)
X = (_GENERATOR.normal(size=(6, 5, 4)) + 1j * _GENERATOR.normal(size=(6, 5, 4))).astype(np.complex64)
MASK = np.zeros((6, 5), np.uint8)
MASK[1:4, 2:] = 1


@pytest.mark.parametrize("write", [write_v73, write_v5], ids=["v7.3", "v5"])
def test_axes_are_space_then_coefficient(tmp_path, write):
    found = load_coefficients(write(tmp_path / "c.mat", x=X, mask=MASK), n_coefficients=4)
    np.testing.assert_array_equal(found.values, X)
    assert (found.values.dtype, found.mask.dtype) == (np.complex64, np.bool_)
    np.testing.assert_array_equal(found.mask, MASK == 1)


def test_a_volume(tmp_path):
    values = np.stack([X, 2 * X], axis=2)
    found = load_coefficients(write_v73(tmp_path / "c.mat", x=values, mask=np.stack([MASK, MASK], axis=2)))
    assert found.values.shape == (6, 5, 2, 4)
    np.testing.assert_array_equal(found.values[:, :, 1], 2 * X)


def test_without_a_mask_voxels_with_signal_are_mapped(tmp_path):
    found = load_coefficients(write_v73(tmp_path / "c.mat", coeffs=X * MASK[..., None]))
    np.testing.assert_array_equal(found.mask, MASK == 1)


def test_single_voxels_with_nan_are_left_to_the_estimator(tmp_path):
    values = X.copy()
    values[1, 2] = np.nan
    found = load_coefficients(write_v73(tmp_path / "c.mat", x=values, mask=MASK))
    assert np.isnan(found.values[1, 2]).all()
    assert found.mask[1, 2]


def test_the_published_slice(shared_data):
    found = load_coefficients(shared_data / "qmt-mao" / "coeffs.mat", n_coefficients=15)
    assert found.values.shape == (176, 146, 15)
    assert found.mask.sum() == 19_213
    assert not found.values[~found.mask].any()


@pytest.mark.parametrize("n_coefficients", [3, 5])
def test_another_number_of_coefficients(tmp_path, n_coefficients):
    path = write_v73(tmp_path / "c.mat", x=X[:, 1:], mask=MASK[:, 1:])
    if n_coefficients == 5:
        path = write_v73(tmp_path / "c.mat", x=X, mask=MASK)
    hint = "permute its axes" if n_coefficients == 5 else "give the basis and rank the scan was reconstructed with"
    with pytest.raises(
        ProtocolError, match=rf"expected {n_coefficients} coefficients per voxel.*found 4 in `x`.*{hint}"
    ):
        load_coefficients(path, n_coefficients=n_coefficients)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"y": X}, "coefficients in a variable `x`, `coefficients` or `coeffs`; the file has `y`"),
        ({"x": X.real, "mask": MASK}, "expected complex coefficients in `x`, found real ones"),
        ({"x": X[0], "mask": MASK}, "of the shape x×y×coefficient or x×y×z×coefficient, found 5×4"),
        ({"x": X, "mask": MASK.T}, "`mask` of the shape 6×5 like the coefficients, found 5×6; transpose it"),
        ({"x": X, "mask": MASK[1:]}, "`mask` of the shape 6×5 like the coefficients, found 5×5$"),
        ({"x": X, "mask": MASK * 0}, "the mask is empty"),
        ({"x": X * 0}, "the mask is empty"),
        ({"x": X * np.nan, "mask": MASK}, "no voxel of the mask has finite coefficients in `x`"),
        ({"x": X, "mask": "text"}, "expected `mask` to be a numeric array"),
    ],
)
def test_what_cannot_be_mapped(tmp_path, variables, words):
    with pytest.raises(FileError, match=rf"c\.mat: .*{words}"):
        load_coefficients(write_v73(tmp_path / "c.mat", **variables))
