"""The card of a network: bias, standard deviation, RMSE and coverage as measured, and the calibration of its errors."""

import dataclasses
import importlib.metadata
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit import noise as noise_models
from raofit.core.progress import Progress
from raofit.core.seeds import key_of
from raofit.core.status import Status
from raofit.core.tasks import RunTasks, in_this_process
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.chunks import draw_measurements
from raofit.evaluation.coverage import calibrated_factors, level_words, normal_factors
from raofit.evaluation.evaluate import Evaluation, evaluate
from raofit.evaluation.tables import bias_slope
from raofit.recipes.training_set import TrainingSet, simulate_training_set
from raofit.training.mixture import Mixture

_POINTS, _REPEATS = 400, 100
_INTERVAL_POINTS, _INTERVAL_REPEATS = 2000, 5
_FEW = 100  # truths that are too few to calibrate intervals on
_NEW_TRUTHS = 0x63617264  # no simulation of a training set uses this key


def with_card(estimator: NetworkEstimator, *, key: Array, run: RunTasks = in_this_process) -> NetworkEstimator:
    """The same estimator with calibrated standard errors and a card.

    The card holds, for the lowest, middle and highest training SNR, over 400 truths drawn from the prior with 100 noise
    draws each: `bias` (mean), `bias_slope` (least-squares slope of bias against truth: −1 for an estimator that answers
    a constant, 0 for one whose bias does not depend on the truth), `std`, `rmse` and `crb_std` (roots of the mean
    variance, squared error and Cramér–Rao bound; None where a bound is infinite), and `constant_rmse` (RMSE of the best
    constant answer).

    Intervals of nominal 50, 68 and 95 %: `coverage_50`, ... is the share of the intervals estimate ± z·SE (z = 0.67,
    0.99, 1.96) that hold the truth, with the standard errors of that SNR. Where bias makes them miss, they have to be
    wider: `interval_factor_50`, ... is the half-width in standard errors that holds the truth as often as it says, on
    average over the prior (see `NetworkEstimator.interval_factors`); `calibrated_coverage_50`, ... is its share on the
    400 truths, after it was determined on 2000 others. The standard errors themselves go on stating scatter.

    `run` says where the draws are evaluated.
    """
    truth_key, noise_key, calibration_key = jax.random.split(key, 3)
    truths = estimator.prior.sample(truth_key, _POINTS)
    test = _Truths(np.asarray(truths), np.asarray(estimator.model.signal(truths)), None)
    drawn = estimator.prior.sample(jax.random.fold_in(truth_key, 1), _INTERVAL_POINTS)
    others = _Truths(np.asarray(drawn), np.asarray(estimator.model.signal(drawn)), None)
    return _with_card(estimator, test, others, noise_key, calibration_key, run)


def with_card_on_set(
    estimator: NetworkEstimator, held_out: TrainingSet, *, key: Array, run: RunTasks = in_this_process
) -> NetworkEstimator:
    """The same on fingerprints held out from training, whose signals and bounds are at hand.

    Besides, the card holds `weighted_squared_bias` and `weighted_variance`, means of bias²/CRB and variance/CRB over
    the fingerprints of the prior's first component (1 is the variance of an efficient estimator), and `slope`, that of
    the mean estimate against the truth. Interval factors are determined on the fingerprints after those of the card, up
    to 2000; where fewer than 100 are left, on those of the card with other noise.
    """
    noise_key, calibration_key = jax.random.split(key)
    first = np.flatnonzero(held_out.component == 0)
    test, others = _taken(held_out, first[:_POINTS]), _taken(held_out, first[_POINTS : _POINTS + _INTERVAL_POINTS])
    others = others if len(others.truths) >= _FEW else test
    return _with_card(estimator, test, others, noise_key, calibration_key, run)


def measured_again(estimator: NetworkEstimator, *, seed: int = 0, progress: Progress | None = None) -> NetworkEstimator:
    """The same network with a card, and standard errors, measured on truths it was not trained on.

    Weights and provenance stay. The truths are new draws from its prior, whose signals (and bounds, where there is a
    complex amplitude) are simulated: for a network whose card is of an earlier version, or to see what another draw
    gives.

    Parameters
    ----------
    seed : of truths and noise.
    progress : called while fingerprints are simulated.
    """
    key = jax.random.fold_in(key_of(seed), _NEW_TRUTHS)
    if not estimator.model.has_complex_amplitude:
        return _seeded(with_card(estimator, key=key), seed)
    truth_key, key = jax.random.split(key)
    prior = estimator.prior.components[0].prior if isinstance(estimator.prior, Mixture) else estimator.prior
    n_truths = _POINTS + _INTERVAL_POINTS
    chunks = simulate_training_set(estimator.model, prior, n_truths, key=truth_key, progress=progress)
    measured = with_card_on_set(estimator, TrainingSet.from_chunks(chunks, estimator.model, prior), key=key)
    return _seeded(measured, seed)


def _seeded(network: NetworkEstimator, seed: int) -> NetworkEstimator:
    """With the seed and the version it was measured with on its card."""
    made = {"seed": seed, "raofit": importlib.metadata.version("raofit")}
    return dataclasses.replace(network, card={**network.card, **made})


class _Truths(NamedTuple):
    """Truths (n, P), their signals at unit amplitude, and their bounds at unit amplitude and sigma where known."""

    truths: np.ndarray
    signals: np.ndarray
    bound: np.ndarray | None


def _taken(samples: TrainingSet, chosen: np.ndarray) -> _Truths:
    return _Truths(samples.parameters[chosen], samples.signals[chosen], samples.bound[chosen])


def _with_card(
    estimator: NetworkEstimator,
    test: _Truths,
    others: _Truths,
    noise_key: Array,
    calibration_key: Array,
    run: RunTasks,
) -> NetworkEstimator:
    low, high = estimator.snr_range
    middle = _evaluated(estimator, test, estimator.snr, noise_key, None, run)
    factors = _calibration(estimator, test.signals, middle.std, calibration_key)
    calibrated = dataclasses.replace(estimator, standard_error_factors=factors)
    entries = []
    for snr in sorted({low, estimator.snr, high}):
        widened = _interval_factors(calibrated, others, snr, jax.random.fold_in(calibration_key, 1))
        plain = np.broadcast_to(normal_factors(), widened.shape)
        evaluation = _evaluated(calibrated, test, snr, noise_key, np.concatenate([plain, widened], axis=1), run)
        coverage = np.nanmean(np.asarray(evaluation.coverage), axis=0)
        intervals = np.concatenate([coverage, widened], axis=1)
        figures = {
            "bias": np.nanmean(evaluation.bias, axis=0),
            "bias_slope": bias_slope(evaluation),
            "std": _root_mean_square(evaluation.std),
            "rmse": _root_mean_square(evaluation.rmse),
            "crb_std": _root_mean_square(evaluation.crb_std),
            "constant_rmse": np.std(evaluation.truths, axis=0),
            **dict(zip(_INTERVAL_FIGURES, intervals.T, strict=True)),
        }
        if test.bound is not None:
            figures["weighted_squared_bias"] = np.nanmean(evaluation.weighted_squared_bias, axis=0)
            figures["weighted_variance"] = np.nanmean(evaluation.weighted_variance, axis=0)
            figures["slope"] = 1.0 + figures["bias_slope"]
        rows = {
            name: {kind: _finite_or_none(values[index]) for kind, values in figures.items()}
            for index, name in enumerate(estimator.parameter_names)
        }
        entries.append({"snr": snr, "parameters": rows})
    card = {"n_truths": len(test.truths), "n_repeats": _REPEATS, "entries": entries}
    return dataclasses.replace(calibrated, card=card)


_INTERVAL_FIGURES = (
    *level_words("coverage"),
    *level_words("calibrated_coverage"),
    *level_words("interval_factor"),
)


def _evaluated(
    estimator: NetworkEstimator, test: _Truths, snr: float, key: Array, factors: np.ndarray | None, run: RunTasks
) -> Evaluation:
    return evaluate(
        estimator.at(1.0 / snr),
        estimator.model,
        noise_models.build(estimator.noise_name, 1.0 / snr),
        test.truths,
        _REPEATS,
        key,
        signals=test.signals,
        bound=None if test.bound is None else test.bound / snr**2,
        magnitudes=estimator.magnitudes,
        coverage=factors is not None,
        interval_factors=factors,
        run=run,
    )


def _interval_factors(
    estimator: NetworkEstimator, others: _Truths, snr: float, key: Array
) -> Float[np.ndarray, "parameter level"]:
    """Half-widths in standard errors that hold the truth as often as they say, over five draws of each truth."""
    index = np.arange(len(others.truths) * _INTERVAL_REPEATS, dtype=np.uint32)
    rows = index // _INTERVAL_REPEATS
    noise, sigmas = noise_models.build(estimator.noise_name, 1.0 / snr), np.full(index.shape, 1.0 / snr)
    measurements = draw_measurements(
        noise, key, index, others.signals[rows], sigmas, estimator.model.has_complex_amplitude
    )
    estimate = estimator.at(1.0 / snr).estimate(measurements)
    truths = others.truths[:, [estimator.model.parameter_names.index(name) for name in estimator.parameter_names]]
    is_magnitude = np.isin(estimator.parameter_names, estimator.magnitudes)
    values, truths = (np.where(is_magnitude, np.abs(item), item) for item in (estimate.values, truths))
    return calibrated_factors(values - truths[rows], estimate.standard_errors)


def _calibration(
    estimator: NetworkEstimator, signals: np.ndarray, std: Float[np.ndarray, "truth parameter"], key: Array
) -> Float[np.ndarray, " parameter"]:
    """√(mean variance / mean squared uncalibrated standard error) per parameter, at the middle SNR."""
    sigma = 1.0 / estimator.snr
    signals = jnp.repeat(jnp.asarray(signals), 10, axis=0)
    measurements = np.asarray(noise_models.build(estimator.noise_name, sigma).sample(key, signals))
    uncalibrated = dataclasses.replace(estimator, standard_error_factors=np.ones(std.shape[1]))
    estimate = uncalibrated.estimate(measurements, sigma=sigma)
    errors = estimate.standard_errors[estimate.status < Status.NON_FINITE]
    return np.sqrt(np.nanmean(std**2, axis=0) / np.maximum(np.mean(errors**2, axis=0), 1e-30))


def _root_mean_square(values: Float[np.ndarray, "truth parameter"]) -> Float[np.ndarray, " parameter"]:
    return np.sqrt(np.nanmean(np.square(values), axis=0))


def _finite_or_none(value: np.floating) -> float | None:
    """A number a JSON file can hold."""
    return float(value) if np.isfinite(value) else None
