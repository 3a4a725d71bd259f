"""The noise level from the data: from repeats, from the background, or from what a fit leaves over.

Every function returns the standard deviation σ of one Gaussian channel *before* a magnitude is taken, which is what the
noise models expect.
"""

import math

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from raofit.core.errors import RaofitError

_MAX_ITERATIONS = 200
_TOLERANCE = 1e-6
_BACKGROUND_TAIL = 0.005  # share of true background each end of the acceptance interval gives up
_BACKGROUND_STARTS = 50


def sigma_from_repeats(
    measurements: Float[np.ndarray, "*batch measurement"],
    groups: Int[np.ndarray, " measurement"],
    *,
    is_magnitude: bool,
    per_voxel: bool = False,
) -> Float[np.ndarray, "*batch"] | float:
    r"""σ from measurements repeated with the same protocol.

    Within-group variances are pooled over groups g (and over voxels, unless `per_voxel`):
    s² = Σ_g Σ_r (m_gr − m̄_g)² / Σ_g (R_g − 1).

    The variance of magnitudes is smaller than σ² by Koay's factor ξ(θ) at the SNR θ = s/σ [koay2006]; with
    `is_magnitude`, σ² = Σ (m − m̄)² / Σ (R_g − 1)·ξ(θ_g) is solved by fixed-point iteration, with
    θ_g² = max(mean(m²)/σ² − 2, 0). Within 3 % of σ where the SNR is above 2; up to 11 % low in pure noise.

    Parameters
    ----------
    measurements : signal units.
    groups : group number of each measurement; those of one group share every protocol setting.
    per_voxel : one σ per voxel (noisy: its relative error is about 1/√(2·Σ(R − 1))) instead of one for all.

    Raises
    ------
    RaofitError
        If no group has two measurements, or (pooled) the repeats do not differ.

    References: [koay2006] eqs. 9, 17.
    """
    measurements = np.asarray(measurements, dtype=np.float64)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    members = [index for index in members if index.size > 1]
    if not members:
        raise RaofitError("sigma from repeats: no measurement is repeated with the same protocol; use another source")
    freedom = np.array([index.size - 1 for index in members])
    squares = np.stack([np.var(measurements[..., index], axis=-1) * index.size for index in members], axis=-1)
    power = np.stack([np.mean(np.square(measurements[..., index]), axis=-1) for index in members], axis=-1)
    if not per_voxel:
        squares, power = squares.reshape(-1, freedom.size), power.reshape(-1, freedom.size)
        is_finite = np.all(np.isfinite(squares), axis=-1)
        squares, power = squares[is_finite], power[is_finite]
    axes = -1 if per_voxel else (0, 1)
    total = np.sum(squares, axis=axes)
    weights = np.broadcast_to(freedom, squares.shape)
    variance = total / np.sum(weights, axis=axes)
    for _ in range(_MAX_ITERATIONS if is_magnitude else 0):
        per_group = variance[..., None] if per_voxel else variance
        with np.errstate(divide="ignore", invalid="ignore"):
            snr = np.sqrt(np.maximum(power / per_group - 2.0, 0.0))
            updated = total / np.sum(weights * magnitude_variance_factor(snr), axis=axes)
        if np.all(np.abs(updated - variance) <= _TOLERANCE * variance):
            break
        variance = updated
    sigma = np.sqrt(variance)
    return sigma if per_voxel else _positive(float(sigma), "repeats")


def magnitude_variance_factor(snr: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """ξ(θ) = Var(m)/σ² of Rician magnitudes at SNR θ = s/σ: 2 − π/2 (= 0.655²) at θ = 0, → 1 for large θ.

    ξ = 2 + θ² − (π/8)·exp(−θ²/2)·((2 + θ²)·I0(θ²/4) + θ²·I1(θ²/4))². References: [koay2006] eq. 9.
    """
    squared = np.square(np.asarray(snr, dtype=np.float64))
    bounded = np.minimum(squared, 1e4)  # beyond, the closed form cancels and its limit 1 − 1/(2θ²) is as good
    root = (2.0 + bounded) * scipy.special.i0e(bounded / 4) + bounded * scipy.special.i1e(bounded / 4)
    closed = 2.0 + bounded - np.pi / 8.0 * np.square(root)
    return np.where(squared > 1e4, 1.0 - 0.5 / np.maximum(squared, 1.0), closed)


def sigma_from_background(measurements: Float[np.ndarray, "*batch measurement"], *, n_coils: int = 1) -> float:
    r"""σ from signal-free voxels, found among all voxels of the image.

    In a voxel without signal, t = Σ_r m_r²/(2σ²R) over its R magnitudes follows Gamma(n·R, 1/R), n = `n_coils`. From
    each of several candidate σ, the voxels whose t lies in the central 99 % of it are taken for background, and σ is
    re-estimated from the *median* of their magnitudes until it settles; the σ that explains most voxels wins
    [koay2009]. Signal enters only where it is as weak as noise. The standard deviation of such a region itself is
    smaller: 0.655·σ for one coil.

    Parameters
    ----------
    measurements : magnitudes of all voxels (signal and background), signal units; voxels with a zero, negative or
        non-finite value are left out (masked or interpolated background).
    n_coils : channels of a root-sum-of-squares reconstruction; 1 for Rician magnitudes.

    Raises
    ------
    RaofitError
        If there is no positive voxel, or fewer than 1 % of the voxels (or 30) behave like noise.

    References: [koay2009].
    """
    magnitudes = np.asarray(measurements, dtype=np.float64)
    magnitudes = magnitudes.reshape(-1, magnitudes.shape[-1])
    magnitudes = magnitudes[np.all(np.isfinite(magnitudes) & (magnitudes > 0), axis=-1)]
    if not magnitudes.size:
        raise RaofitError("sigma from background: no voxel is positive in every volume (was the image masked?)")
    n_repeats = magnitudes.shape[-1]
    power = np.mean(np.square(magnitudes), axis=-1) / 2.0
    low, high = scipy.special.gammaincinv(n_coils * n_repeats, [_BACKGROUND_TAIL, 1 - _BACKGROUND_TAIL]) / n_repeats
    median_factor = np.sqrt(2.0 * scipy.special.gammaincinv(n_coils, 0.5))
    largest = np.median(magnitudes) / median_factor
    smallest = np.quantile(magnitudes, 0.001) / median_factor
    best, most = 0.0, 0
    for start in np.geomspace(smallest, largest, _BACKGROUND_STARTS):
        sigma, accepted = start, 0
        for _ in range(_MAX_ITERATIONS):
            is_background = (power >= low * sigma**2) & (power <= high * sigma**2)
            accepted = int(np.count_nonzero(is_background))
            if not accepted:
                break
            updated = float(np.median(magnitudes[is_background]) / median_factor)
            if abs(updated - sigma) <= _TOLERANCE * sigma:
                break
            sigma = updated
        if accepted > most:
            best, most = sigma, accepted
    needed = max(30, math.ceil(0.01 * power.size))
    if most < needed:
        raise RaofitError(
            f"sigma from background: expected {needed} voxels or more that behave like noise, found {most} of "
            f"{power.size}; use another source"
        )
    return _positive(best, "background")


def sigma_from_residuals(
    measurements: Float[np.ndarray, "*batch measurement"],
    fitted_signals: Float[np.ndarray, "*batch measurement"],
    n_parameters: int,
    *,
    is_magnitude: bool,
    per_voxel: bool = False,
) -> Float[np.ndarray, "*batch"] | float:
    r"""σ from the residuals of a maximum-likelihood fit with P parameters to M measurements.

    Gaussian: σ² = Σ (m − ŝ)² / (M − P).

    Rician (`is_magnitude`): the likelihood equation of σ², with the P parameters taken from the 2M degrees of freedom
    of the complex data: σ² = Σ (m² + ŝ² − 2·m·ŝ·I1(z)/I0(z)) / (2M − P), z = m·ŝ/σ², by fixed-point iteration. At
    high SNR it becomes the Gaussian formula.

    One σ for all voxels is the median of the voxels' σ² over the median of χ²/ν with ν = M − P, which a minority of
    voxels the model does not fit cannot move far. With `per_voxel`, each voxel has its own (relative error
    1/√(2(M − P))).

    Parameters
    ----------
    measurements, fitted_signals : measurements and the model's signal at the estimate, signal units.
    n_parameters : number P of parameters fitted in each voxel.

    Raises
    ------
    RaofitError
        If M ≤ P (nothing is left over), or no voxel has finite residuals, or (pooled) all residuals are zero.
    """
    measured = np.asarray(measurements, dtype=np.float64)
    fitted = np.asarray(fitted_signals, dtype=np.float64)
    freedom = measured.shape[-1] - n_parameters
    if freedom < 1:
        raise RaofitError(
            f"sigma from residuals: {measured.shape[-1]} measurements and {n_parameters} parameters leave no residual; "
            "use another source"
        )
    variance = np.sum(np.square(measured - fitted), axis=-1) / freedom
    for _ in range(_MAX_ITERATIONS if is_magnitude else 0):
        with np.errstate(divide="ignore", invalid="ignore"):
            argument = np.nan_to_num(measured * np.abs(fitted) / variance[..., None], posinf=1e300)
        ratio = scipy.special.i1e(argument) / scipy.special.i0e(argument)
        ratio = np.where(argument > 1e8, 1.0 - 0.5 / np.maximum(argument, 1.0), ratio)
        misfit = np.square(measured) + np.square(fitted) - 2.0 * measured * np.abs(fitted) * ratio
        updated = np.sum(misfit, axis=-1) / (2.0 * measured.shape[-1] - n_parameters)
        is_settled = ~(np.abs(updated - variance) > _TOLERANCE * variance)
        variance = updated
        if np.all(is_settled):
            break
    return np.sqrt(variance) if per_voxel else pooled_sigma(variance, freedom)


def pooled_sigma(variance: Float[np.ndarray, "*batch"], freedom: int) -> float:
    """One σ from the residual variances Σr²/ν of many voxels: √(their median over the median of χ²/ν).

    A minority of voxels the model does not fit cannot move it far.

    Parameters
    ----------
    variance : of each voxel, squared signal units.
    freedom : ν ≥ 1 of each of them.

    Raises
    ------
    RaofitError
        If no variance is finite, or all are zero.
    """
    finite = variance[np.isfinite(variance)]
    if not finite.size:
        raise RaofitError(
            "sigma from residuals: no voxel has finite residuals; check bounds and known values, or use another source"
        )
    median_of_chi_square = 2.0 * scipy.special.gammaincinv(freedom / 2.0, 0.5) / freedom
    return _positive(float(np.sqrt(np.median(finite) / median_of_chi_square)), "residuals")


def _positive(sigma: float, source: str) -> float:
    if not (np.isfinite(sigma) and sigma > 0):
        raise RaofitError(f"sigma from {source}: the data show no noise (got {sigma:g}); give a number instead")
    return sigma
