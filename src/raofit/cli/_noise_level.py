"""The noise level of a series: from `--sigma`, or measured in the data; and what is known about its signal."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from raofit import noise
from raofit.cli._map_estimator import likelihood_fit
from raofit.cli._map_input import MapInput
from raofit.core.errors import RaofitError
from raofit.core.validity import usable_measurements
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.io.nifti import Series, read_volume
from raofit.io.text_formats import count_of
from raofit.models import AbstractSignalModel
from raofit.models._model import typical_parameters
from raofit.noise.sigma_estimation import pooled_sigma, sigma_from_background, sigma_from_repeats, sigma_from_residuals

_SOURCES = ("repeats", "background", "residuals")
_SAMPLED_SLICES = 12
_SAMPLED_VOXELS = 20_000
_SIMULATED_VOXELS = 600  # of a model with a heavy simulator
_BACKGROUND_VOXELS = 300_000
_RICIAN_REFITS = 3
_DARK = 0.2  # of the brightest voxels
_SCALES = (1e-15, 1e15)  # of signals whose squares float32 holds
_LARGEST_RATIO = 1e9  # of signal and noise, either way
_FIRST_GUESS = 0.05  # of the brightest measurement; the Gaussian fit does not depend on it


@dataclasses.dataclass(frozen=True)
class NoiseLevel:
    """Noise of a series, and the sentence that says where it comes from.

    Parameters
    ----------
    sigma : noise standard deviation in signal units, one number or a map.
    source : "given", "map", "repeats", "background" or "residuals".
    sentence : how it was obtained, with its figures.
    snr : median of amplitude over sigma, from a fit of sampled voxels; NaN if unknown.
    snr_range : its 10th and 90th percentiles.
    """

    sigma: float | Float[np.ndarray, "x y z"]
    source: str
    sentence: str
    snr: float
    snr_range: tuple[float, float]

    @property
    def median(self) -> float:
        """One number for the whole mask."""
        usable = np.asarray(self.sigma)[np.isfinite(self.sigma) & (np.asarray(self.sigma) > 0)]
        return float(np.median(usable)) if usable.size else float("nan")


def noise_level(option: str | None, found: MapInput, bounds: Mapping[str, tuple[float, float]]) -> NoiseLevel:
    """The noise level `option` asks for: a number, a NIfTI map, "repeats", "background" or "residuals".

    None stands for "residuals", or "background" where the series has no more measurements than parameters. Complex
    coefficients have neither repeats nor a background of magnitudes.

    Raises
    ------
    RaofitError
        If the option is none of these, or the data do not allow the estimate.
    """
    given = None if option is None or option in _SOURCES else _given(option, found)
    if found.is_complex:
        return _complex_level(option, given, found, bounds)
    series, mask, model, noise_name = found.series, found.mask, found.model, found.noise_name
    is_magnitude = noise.NOISE_MODELS[noise_name].is_magnitude
    slices, sample = _sample(found, is_magnitude)
    source = option if option in _SOURCES else None
    if given is None and source is None:
        n_fitted = len(model.parameters) - len(found.known)
        source = "residuals" if model.n_measurements > n_fitted else "background"
    match source:
        case None:
            sigma = given
            _require_same_scale(option, _middle(given, mask), float(np.median(np.abs(sample.voxels).max(axis=-1))))
            source, sentence = _stated(option, given)
        case "residuals":
            sigma = _from_residuals(sample, model, noise_name, bounds)
            sentence = f"sigma = {sigma:.4g} from the fit residuals of {count_of(len(sample.voxels), 'voxel')}"
        case "repeats":
            sigma = sigma_from_repeats(sample.voxels, _groups(model), is_magnitude=is_magnitude)
            where = count_of(len(sample.voxels), "voxel")
            sentence = f"sigma = {sigma:.4g} from volumes repeated with one protocol, in {where}"
        case _:
            sigma = _from_background(_background(series, slices), "" if option == source else _no_residual(found))
            sentence = f"sigma = {sigma:.4g} from signal-free voxels (Rayleigh background) of {len(slices)} slices"
    low, median, high = _snr(sample, model, noise_name, bounds, _middle(sigma, mask))
    return NoiseLevel(sigma, source, sentence, median, (low, high))


def _complex_level(
    option: str | None, given: float | np.ndarray | None, found: MapInput, bounds: Mapping[str, tuple[float, float]]
) -> NoiseLevel:
    """Noise of complex coefficients: as given, or what a least-squares fit of some voxels leaves over."""
    if option in ("repeats", "background"):
        raise RaofitError(
            f"--sigma {option}: complex coefficients have none; give a number, or residuals (the default)"
        )
    model = found.model
    sample = _sample(found, is_magnitude=False)[1].every(_SIMULATED_VOXELS)
    if given is not None:
        length = np.linalg.norm(sample.voxels, axis=-1) / _typical_length(model)
        low, median, high = np.quantile(length, [0.1, 0.5, 0.9]) / _middle(given, found.mask)
        source, sentence = _stated(option, given)
        return NoiseLevel(given, source, sentence, float(median), (float(low), float(high)))
    guess = _FIRST_GUESS * float(np.median(np.abs(sample.voxels).max(axis=-1)))
    fit = likelihood_fit(model, found.noise_name, bounds)
    estimate = fit(sample.voxels, np.full(len(sample.voxels), guess), sample.known)
    n_fitted = len(model.parameters) - len(sample.known)
    freedom = 2 * model.n_measurements - n_fitted - 2
    if freedom < 1:
        raise RaofitError(
            f"sigma from residuals: {model.n_measurements} complex coefficients and {n_fitted} parameters "
            "leave no residual; give --sigma"
        )
    sigma = pooled_sigma(2.0 * estimate.diagnostics["objective"] * guess**2 / freedom, freedom)
    low, median, high = np.nanquantile(np.abs(estimate.diagnostics["amplitude"]), [0.1, 0.5, 0.9]) / sigma
    sentence = f"sigma = {sigma:.4g} from the least-squares residuals of {count_of(len(sample.voxels), 'voxel')}"
    return NoiseLevel(sigma, "residuals", sentence, float(median), (float(low), float(high)))


def _require_same_scale(option: str | None, sigma: float, signal: float) -> None:
    if not 1 / _LARGEST_RATIO < signal / sigma < _LARGEST_RATIO:
        raise RaofitError(
            f"--sigma {option}: expected a noise standard deviation in signal units, found {sigma:.3g} for signals of "
            f"{signal:.3g}"
        )


def _typical_length(model: AbstractSignalModel) -> float:
    """‖s‖ of typical tissue at M0 = 1."""
    rows = np.tile(np.float32(typical_parameters(model)), (model.lanes_at_once or 1, 1))  # a shape compiled anyway
    return float(np.linalg.norm(np.asarray(model.signal(rows))[0]))


def _stated(option: str | None, given) -> tuple[str, str]:
    """Source and sentence of a sigma that was given."""
    if np.ndim(given) == 0:
        return "given", f"sigma = {given:g} as given"
    return "map", f"sigma from the map {option}"


def _middle(sigma, mask: np.ndarray) -> float:
    """Median of the usable sigmas in the mask."""
    values = np.asarray(sigma)[mask] if np.ndim(sigma) else np.asarray(sigma)
    usable = values[np.isfinite(values) & (values > 0)]
    return float(np.median(usable)) if usable.size else float("nan")


def _given(option: str, found: MapInput) -> float | np.ndarray:
    try:
        sigma = float(option)
    except ValueError:
        path = Path(option)
        if not path.exists():
            raise RaofitError(
                f"--sigma {option}: expected a number, a NIfTI map, or one of {', '.join(_SOURCES)}; no such file"
            ) from None
        sigmas = read_volume(path, found.series, "noise map")
        if not np.any(np.isfinite(sigmas[found.mask]) & (sigmas[found.mask] > 0)):
            raise RaofitError(
                f"--sigma {option}: expected noise standard deviations > 0, found none in the mask"
            ) from None
        return sigmas
    if not (np.isfinite(sigma) and sigma > 0):
        raise RaofitError(f"--sigma {option}: expected a noise standard deviation > 0 in signal units")
    return sigma


class _Sample(NamedTuple):
    """Voxels of a series (voxel, measurement), and what is known of each."""

    voxels: np.ndarray
    known: dict[str, np.ndarray]

    def take(self, kept) -> "_Sample":
        """Some of the voxels."""
        return _Sample(self.voxels[kept], {name: values[kept] for name, values in self.known.items()})

    def every(self, at_most: int) -> "_Sample":
        """An even subset of no more than so many voxels."""
        return self.take(slice(None, None, -(-len(self.voxels) // at_most)))


def _sample(found: MapInput, is_magnitude: bool) -> tuple[np.ndarray, _Sample]:
    """Evenly spaced slices of the mask, and usable voxels of the mask in them.

    Where there is no mask, voxels as dark as background are left out: noise and SNR are those of the object.
    """
    series, mask = found.series, found.mask
    inside = np.flatnonzero(mask.any(axis=(0, 1)))
    slices = inside[np.unique(np.linspace(0, inside.size - 1, _SAMPLED_SLICES).round().astype(int))]
    voxels = np.concatenate([series.read(z, z + 1)[:, :, 0][mask[:, :, z]] for z in slices])
    maps = {name: np.broadcast_to(given, mask.shape) for name, given in found.known.items()}
    known = {name: np.concatenate([whole[:, :, z][mask[:, :, z]] for z in slices]) for name, whole in maps.items()}
    is_usable = usable_measurements(voxels, np.ones(len(voxels)), is_magnitude=is_magnitude)[2] == 0
    for values in known.values():
        is_usable &= np.isfinite(values)
    sample = _Sample(voxels, known).take(is_usable)
    if not len(sample.voxels):
        raise RaofitError(
            f"{series.paths[0]}: no voxel of the mask can be estimated (all are zero, negative or not finite); "
            "check that mask and image belong together"
        )
    largest = float(np.abs(sample.voxels).max())
    if not _SCALES[0] < largest < _SCALES[1]:
        raise RaofitError(
            f"{series.paths[0]}: expected signals between {_SCALES[0]:g} and {_SCALES[1]:g}, found up to "
            f"{largest:.3g}; rescale the image, or correct scl_slope in its header"
        )
    if mask.all():
        brightest = np.abs(sample.voxels).max(axis=-1)
        sample = sample.take(brightest >= _DARK * np.quantile(brightest, 0.98))
    return slices, sample.every(_SAMPLED_VOXELS)


def _background(series: Series, slices: np.ndarray) -> np.ndarray:
    voxels = np.concatenate([series.read(z, z + 1).reshape(-1, series.shape[3]) for z in slices])
    return voxels[:: -(-len(voxels) // _BACKGROUND_VOXELS)]


def _no_residual(found: MapInput) -> str:
    """Why the background is asked where nobody chose it."""
    n_fitted = len(found.model.parameters) - len(found.known)
    return f"{found.model.n_measurements} measurements and {n_fitted} parameters leave no residual, and "


def _from_background(voxels: np.ndarray, why: str) -> float:
    try:
        return sigma_from_background(voxels)
    except RaofitError as error:
        raise RaofitError(f"{why}{error}, such as --sigma NUMBER") from error


def _groups(model: AbstractSignalModel) -> np.ndarray:
    """Number of the distinct protocol setting of each measurement."""
    settings = np.stack(list(model.protocol.values()), axis=-1)
    return np.unique(settings, axis=0, return_inverse=True)[1].reshape(-1)


def _from_residuals(sample: _Sample, model: AbstractSignalModel, noise_name: str, bounds: Mapping) -> float:
    """Gaussian fit first; for magnitudes, Rician fits with the sigma so far until it settles."""
    n_fitted = len(model.parameters) - len(sample.known)
    guess = _FIRST_GUESS * float(np.median(sample.voxels.max(axis=-1)))
    signals = _fitted(sample, model, noise.Gaussian(guess), bounds)[1]
    sigma = sigma_from_residuals(sample.voxels, signals, n_fitted, is_magnitude=False)
    for _ in range(_RICIAN_REFITS if noise.NOISE_MODELS[noise_name].is_magnitude else 0):
        signals = _fitted(sample, model, noise.build(noise_name, sigma), bounds)[1]
        sigma = sigma_from_residuals(sample.voxels, signals, n_fitted, is_magnitude=True)
    return float(sigma)


def _snr(sample: _Sample, model: AbstractSignalModel, noise_name: str, bounds: Mapping, sigma: float) -> np.ndarray:
    """10th, 50th and 90th percentile of amplitude over sigma."""
    if model.amplitude_index is None or not sigma > 0:
        return np.full(3, np.nan)
    values = _fitted(sample, model, noise.build(noise_name, sigma), bounds)[0]
    return np.nanquantile(values[:, model.amplitude_index], [0.1, 0.5, 0.9]) / sigma


def _fitted(sample: _Sample, model, distribution, bounds: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and fitted signals of the sampled voxels."""
    fit = MaximumLikelihood(model, distribution, bounds=dict(bounds) or None)
    values = fit.estimate(sample.voxels, known=sample.known).values
    return values, np.asarray(model.signal(np.asarray(values, dtype=np.float32)))
