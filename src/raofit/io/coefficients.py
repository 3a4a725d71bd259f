"""Measurements compressed to coefficients of a basis, as reconstructions of the field save them."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Complex64

from raofit.core.errors import FileError, ProtocolError
from raofit.io.matlab import open_matlab

_NAMES = ("x", "coefficients", "coeffs")
_MASK = "mask"


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """Complex coefficients of every voxel.

    Parameters
    ----------
    values : Complex64[np.ndarray, "*space coefficient"]
        Signal units, space (x, y) or (x, y, z) in the order MATLAB shows it.
    mask : Bool[np.ndarray, "*space"]
        Voxels to map.
    path : the file they are from.
    """

    values: Complex64[np.ndarray, "*space coefficient"]
    mask: Bool[np.ndarray, "*space"]
    path: Path


def load_coefficients(path: str | Path, *, n_coefficients: int | None = None) -> Coefficients:
    """Coefficients of a MATLAB file: the complex array `x` (x, y[, z], coefficient) and the logical array `mask`.

    Without a mask, every voxel with a coefficient other than zero is mapped. Single voxels with NaN are left to the
    estimator, which marks them.

    Parameters
    ----------
    n_coefficients : the rank of the basis the estimator expects; None for any.

    Raises
    ------
    FileError
        If the file is missing, damaged, has no such variable, or its numbers cannot be used.
    ProtocolError
        If the number of coefficients is not `n_coefficients`.
    """
    path = Path(path)
    file = open_matlab(path, "coefficients")
    values = file.array(_NAMES, "coefficients")
    name = file.first_of(_NAMES)
    shape = "×".join(map(str, values.shape))
    if values.ndim not in (3, 4):
        raise FileError(f"{path}: expected `{name}` of the shape x×y×coefficient or x×y×z×coefficient, found {shape}")
    if not np.iscomplexobj(values):
        raise FileError(
            f"{path}: expected complex coefficients in `{name}`, found real ones; save them with their phase"
        )
    if n_coefficients is not None and values.shape[-1] != n_coefficients:
        hint = (
            "permute its axes so that the coefficients come last"
            if n_coefficients in values.shape
            else ("give the basis and rank the scan was reconstructed with")
        )
        raise ProtocolError(
            f"{path}: expected {n_coefficients} coefficients per voxel (the rank of the basis), found "
            f"{values.shape[-1]} in `{name}` of the shape {shape}; {hint}"
        )
    mask = _mask_of(path, file, values)
    if not np.isfinite(values[mask]).all(axis=-1).any():
        raise FileError(f"{path}: no voxel of the mask has finite coefficients in `{name}`; repeat the reconstruction")
    return Coefficients(np.ascontiguousarray(values, dtype=np.complex64), mask, path)


def _mask_of(path: Path, file, values: np.ndarray) -> np.ndarray:
    if file.first_of([_MASK]) is None:
        mask = (values != 0).any(axis=-1)
    else:
        mask = np.nan_to_num(file.array([_MASK], "mask")) != 0
    if mask.shape != values.shape[:-1]:
        is_turned = mask.shape == values.shape[-2::-1]
        raise FileError(
            f"{path}: expected `{_MASK}` of the shape {'×'.join(map(str, values.shape[:-1]))} like the coefficients, "
            f"found {'×'.join(map(str, mask.shape))}{'; transpose it' if is_turned else ''}"
        )
    if not mask.any():
        raise FileError(f"{path}: the mask is empty, so there is no voxel to map; correct `{_MASK}`")
    return mask
