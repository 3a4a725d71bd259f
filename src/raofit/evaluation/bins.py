"""Evaluation without a known truth: repeated scans against a reference, gathered in bins of the reference value."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from raofit.core.errors import RaofitError


@dataclasses.dataclass(frozen=True)
class BinnedCurve:
    """Mean over the voxels of each bin; NaN in an empty bin."""

    center: Float[np.ndarray, " bin"]
    bias: Float[np.ndarray, " bin"]
    std: Float[np.ndarray, " bin"]
    rmse: Float[np.ndarray, " bin"]
    n_voxels: Int[np.ndarray, " bin"]


def within_ranges(
    reference: Float[np.ndarray, "voxel parameter"], ranges: Float[np.ndarray, "parameter 2"]
) -> Bool[np.ndarray, " voxel"]:
    """Voxels whose reference lies inside the range of every parameter (use ±inf for those that do not matter)."""
    return np.all((reference >= ranges[:, 0]) & (reference <= ranges[:, 1]), axis=-1)


def bin_by_reference(
    reference: Float[np.ndarray, " voxel"],
    estimates: Float[np.ndarray, "repeat voxel"],
    limits: tuple[float, float],
    *,
    n_bins: int = 10,
    ends_are_centers: bool = False,
    against_center: bool = False,
) -> BinnedCurve:
    """Bias, standard deviation (ddof 0) and RMSE of one parameter over repeated scans, per bin of the reference value.

    Each is computed per voxel over the repeats that gave an estimate, then averaged over the voxels of the bin.

    Parameters
    ----------
    limits : range of the parameter, divided evenly.
    n_bins : 10 in the text of Epstein 2022, 11 in its code.
    ends_are_centers : the outermost bins are centered on the limits and reach half a bin beyond (the code), instead of
        ending there (the text).
    against_center : measure errors from the center of the bin (the code) instead of from each voxel's own reference,
        which adds the spread of the references inside a bin to bias and RMSE.

    Raises
    ------
    RaofitError
        If shapes do not agree or there are fewer than 2 repeats.
    """
    if estimates.ndim != 2 or estimates.shape[1:] != reference.shape or len(estimates) < 2:
        raise RaofitError(
            f"bins: expected estimates (repeats ≥ 2, {reference.size} voxels), got shape {estimates.shape}"
        )
    low, high = limits
    half = 0.5 * (high - low) / (n_bins - 1 if ends_are_centers else n_bins)
    center = np.linspace(low, high, n_bins) if ends_are_centers else low + half * (2 * np.arange(n_bins) + 1)
    index = np.floor((reference - (center[0] - half)) / (2 * half)).astype(int)
    index = np.where(reference == high, n_bins - 1, index)
    usable = np.isfinite(estimates)
    count = np.maximum(usable.sum(axis=0), 1)
    mean = np.where(usable, estimates, 0.0).sum(axis=0) / count
    std = np.sqrt(np.where(usable, (estimates - mean) ** 2, 0.0).sum(axis=0) / count)
    inside = (index >= 0) & (index < n_bins) & usable.any(axis=0)
    index = index[inside]
    truth = center[index] if against_center else reference[inside]
    bias = mean[inside] - truth
    n_voxels = np.bincount(index, minlength=n_bins)
    bias, std, rmse = (
        np.bincount(index, weights=values, minlength=n_bins) / np.where(n_voxels > 0, n_voxels, np.nan)
        for values in (bias, std[inside], np.hypot(bias, std[inside]))
    )
    return BinnedCurve(center, bias, std, rmse, n_voxels)
