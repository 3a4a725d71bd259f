"""Bases from MATLAB files: either orientation, the wanted vectors, and refusals."""

import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.basis_file import load_basis
from tests.io.matlab_files import cut_short, write_v5, write_v73

U = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 8)))[0]


@pytest.mark.parametrize("write", [write_v73, write_v5], ids=["v7.3", "v5"])
@pytest.mark.parametrize("array", [U, U.T, U.astype(np.float32), U * 1j], ids=["columns", "rows", "single", "complex"])
def test_the_first_vectors_as_columns(tmp_path, write, array):
    basis = load_basis(write(tmp_path / "b.mat", U=array), 30, 5)
    expected = U[:, :5] * (1j if np.iscomplexobj(array) else 1)
    np.testing.assert_allclose(basis, expected, atol=1e-6)
    assert basis.dtype == (np.complex128 if np.iscomplexobj(array) else np.float64)


def test_all_vectors_by_default(tmp_path):
    assert load_basis(write_v73(tmp_path / "b.mat", basis=U), 30).shape == (30, 8)


def test_the_published_basis(shared_data):
    basis = load_basis(shared_data / "qmt-mao" / "basis.mat", 6852, 15)
    assert basis.shape == (6852, 15)
    np.testing.assert_allclose(basis.T @ basis, np.eye(15), atol=1e-6)


@pytest.mark.parametrize(
    ("array", "rank", "words"),
    [
        (U[:29], 5, r"expected a basis of signals with 30 samples, found 29×8; give the basis that belongs to these"),
        (U[:, 0], 1, r"expected a basis of signals with 30 samples, found "),
        (U, 9, "expected a rank from 1 to 8, the vectors it has, got 9"),
        (U, 0, "expected a rank from 1 to 8"),
    ],
)
def test_a_basis_that_does_not_fit(tmp_path, array, rank, words):
    with pytest.raises(ProtocolError, match=rf"b\.mat: {words}"):
        load_basis(write_v73(tmp_path / "b.mat", U=array), 30, rank)


@pytest.mark.parametrize(
    ("array", "words"),
    [(2 * U, "orthonormal columns"), (U + np.where(np.arange(8) == 3, np.nan, 0), "finite numbers")],
)
def test_a_basis_that_is_none(tmp_path, array, words):
    with pytest.raises(FileError, match=rf"b\.mat: basis: expected {words}"):
        load_basis(write_v73(tmp_path / "b.mat", U=array), 30, 5)


def test_a_file_without_a_basis(tmp_path):
    with pytest.raises(FileError, match="the basis in a variable `U`, `u` or `basis`; the file has `V`"):
        load_basis(write_v73(tmp_path / "b.mat", V=U), 30)
    with pytest.raises(FileError, match="no such file"):
        load_basis(tmp_path / "none.mat", 30)
    with pytest.raises(FileError, match="cut short"):
        load_basis(cut_short(tmp_path / "b.mat"), 30)
