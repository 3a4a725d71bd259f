"""Intervals of a map that hold the truth as often as they say: from the likelihood, a network's card, or a simulation.

| estimator | interval |
|---|---|
| maximum likelihood | profile likelihood, which also holds near bounds |
| network | estimate ± factor·SE, with the factor of its card at the voxel's SNR |
| dictionary, one step, a fit with a heavy simulator | estimate ± factor·SE, with a factor simulated for these data |

None reaches beyond the bounds of the parameter.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from raofit import noise as noise_models
from raofit.cli._map_estimator import Bounds, ChosenEstimator, KnownVoxels
from raofit.cli._map_input import MapInput
from raofit.core.errors import RaofitError
from raofit.core.seeds import key_of
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.profile_intervals import profile_intervals
from raofit.evaluation.chunks import draw_measurements
from raofit.evaluation.coverage import LEVELS, calibrated_factors
from raofit.models import AbstractSignalModel
from raofit.training.prior import Prior

SIDES = ("lower", "upper")
_DRAWS = 2000
_FEW_DRAWS = 500  # where every signal takes milliseconds, and every estimate several of them

Ends = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class MapIntervals:
    """How the intervals of a map are made.

    Parameters
    ----------
    level : nominal level.
    names : what is estimated, along the last axis.
    ends : `ends(estimate, measurements, sigma, known)` gives lower and upper ends (voxel, parameter).
    sentence : how, for the reader of the maps.
    settings : JSON-ready facts.
    """

    level: float
    names: tuple[str, ...]
    ends: Callable[[Estimate, np.ndarray, np.ndarray, KnownVoxels], Ends]
    sentence: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of the maps: NAME_lower and NAME_upper of every parameter."""
        return tuple(f"{name}_{side}" for name in self.names for side in SIDES)

    def __call__(self, estimate: Estimate, measurements: np.ndarray, sigma: np.ndarray, known: KnownVoxels) -> Estimate:
        """`estimate` with its intervals among the diagnostics."""
        ends = np.stack(self.ends(estimate, measurements, sigma, known), axis=-1)
        noted = dict(zip(self.diagnostics, np.moveaxis(ends, 0, -1).reshape(-1, len(ends)), strict=True))
        return dataclasses.replace(
            estimate,
            compute_standard_errors=lambda: estimate.standard_errors,
            diagnostics={**estimate.diagnostics, **noted},
        )


def map_intervals(
    level: float, found: MapInput, chosen: ChosenEstimator, bounds: Bounds, limits: np.ndarray, snr: float, seed: int
) -> MapIntervals:
    """The intervals of the chosen estimator.

    Raises
    ------
    RaofitError
        If the level is not between 0 and 1, or the card of a network holds no factors for it.
    """
    model, names = found.model, tuple(parameter.name for parameter in chosen.parameters)
    share = f"{100 * level:g} %"
    if chosen.name == "mle" and model.lanes_at_once is None and not model.has_complex_amplitude:
        sentence = (
            f"Intervals that hold the truth in {share} of such voxels: the values that the measurement does not speak "
            "against, by profile likelihood. An end that is a bound of the parameter says that none is excluded there."
        )
        return MapIntervals(level, names, _profile(model, chosen.noise_name, bounds, level), sentence)
    if chosen.interval_factors is not None:
        factors_of = chosen.interval_factors
        factors_of(np.ones((1, model.n_measurements)), np.ones(1), level)  # a card without them is found here
        sentence = (
            f"Intervals that hold the truth in {share} of the voxels, on average over the training ranges: estimate ± "
            "the factor on the network's card for the SNR of the voxel × standard error."
        )
        return MapIntervals(
            level, names, lambda estimate, *of: _around(estimate, factors_of(of[0], of[1], level), limits), sentence
        )
    factors = _simulated(level, model, chosen, limits, frozenset(found.known), snr, seed)
    stated = dict(zip(names, factors.tolist(), strict=True))
    sentence = (
        f"Intervals that hold the truth in {share} of the voxels, on average over the typical ranges at SNR {snr:.3g}: "
        "estimate ± factor × standard error, with factors by simulation: "
        + ", ".join(f"{name} {value:.3g}" for name, value in stated.items())
        + "."
    )
    return MapIntervals(level, names, lambda estimate, *_: _around(estimate, factors, limits), sentence, stated)


def check_level(level: float | None) -> None:
    """Raise unless it is a probability, or not asked for."""
    if level is not None and not 0 < level < 1:
        raise RaofitError(f"--intervals {level:g}: expected a probability between 0 and 1, for instance {LEVELS[-1]:g}")


def _profile(model: AbstractSignalModel, noise_name: str, bounds: Bounds, level: float):
    def ends(estimate: Estimate, measurements: np.ndarray, sigma: np.ndarray, known: KnownVoxels) -> Ends:
        fit = MaximumLikelihood(model, noise_models.build(noise_name, sigma), bounds=dict(bounds) or None)
        return profile_intervals(fit, measurements, estimate, level=level, known=known)

    return ends


def _around(estimate: Estimate, factors: Float[np.ndarray, "*#voxel parameter"], limits: np.ndarray) -> Ends:
    half = factors * estimate.standard_errors
    low, high = limits.T
    return np.clip(estimate.values - half, low, high), np.clip(estimate.values + half, low, high)


def _simulated(
    level: float,
    model: AbstractSignalModel,
    chosen: ChosenEstimator,
    limits: np.ndarray,
    known: frozenset[str],
    snr: float,
    seed: int,
) -> Float[np.ndarray, " parameter"]:
    """Half-widths in standard errors that hold the truth in the share `level` of simulated voxels like these."""
    truth_key, noise_key = jax.random.split(key_of(seed))
    n_draws = _DRAWS if model.lanes_at_once is None else _FEW_DRAWS
    truths = np.asarray(Prior.typical(model, _ranges(chosen, limits)).sample(truth_key, n_draws))
    for name in chosen.fixed - known:
        truths[:, model.parameter_names.index(name)] = chosen.settings["Grid"][name][0]
    sigma = np.full(n_draws, 1.0 / snr)
    measured = draw_measurements(
        noise_models.build(chosen.noise_name, 1.0 / snr),
        noise_key,
        np.arange(n_draws, dtype=np.uint32),
        model.signal(truths),
        sigma,
        model.has_complex_amplitude,
    )
    columns = {name: truths[:, model.parameter_names.index(name)] for name in model.parameter_names}
    estimate = chosen.estimate(np.asarray(measured), sigma, {name: columns[name] for name in known})
    wanted = np.stack([columns[parameter.name] for parameter in chosen.parameters], axis=-1)
    factors = calibrated_factors(estimate.values - wanted, estimate.standard_errors, (level,))[:, 0]
    return np.nan_to_num(factors, nan=0.0)  # of what is known, which has no error


def _ranges(chosen: ChosenEstimator, limits: np.ndarray) -> dict[str, tuple[float, float]]:
    """Typical ranges within the limits of the estimate."""
    ranges = {}
    for parameter, (low, high) in zip(chosen.parameters, limits, strict=True):
        pair = max(parameter.typical[0], float(low)), min(parameter.typical[1], float(high))
        if pair[0] < pair[1] and not parameter.is_amplitude:
            ranges[parameter.name] = pair
    return ranges
