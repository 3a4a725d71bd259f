"""The card of a network: its bias, standard deviation and RMSE as measured, and the calibration of its errors."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit import noise as noise_models
from raofit.core.status import Status
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.evaluate import evaluate
from raofit.evaluation.tables import bias_slope
from raofit.recipes.training_set import TrainingSet

_POINTS, _REPEATS = 400, 100


def with_card(estimator: NetworkEstimator, *, key: Array) -> NetworkEstimator:
    """The same estimator with calibrated standard errors and a card.

    The card holds, for the lowest, middle and highest training SNR, over 400 truths drawn from the prior with 100 noise
    draws each: `bias` (mean), `bias_slope` (least-squares slope of bias against truth: −1 for an estimator that answers
    a constant, 0 for one whose bias does not depend on the truth), `std`, `rmse` and `crb_std` (roots of the mean
    variance, squared error and Cramér–Rao bound; None where a bound is infinite), and `constant_rmse` (RMSE of the best
    constant answer).
    """
    truth_key, noise_key, calibration_key = jax.random.split(key, 3)
    truths = estimator.prior.sample(truth_key, _POINTS)
    test = _Test(np.asarray(truths), np.asarray(estimator.model.signal(truths)), None)
    return _with_card(estimator, test, noise_key, calibration_key)


def with_card_on_set(estimator: NetworkEstimator, held_out: TrainingSet, *, key: Array) -> NetworkEstimator:
    """The same on fingerprints held out from training, whose signals and bounds are at hand.

    Besides, the card holds `weighted_squared_bias` and `weighted_variance`, means of bias²/CRB and variance/CRB over
    the fingerprints of the prior's first component (1 is the variance of an efficient estimator), and `slope`, that of
    the mean estimate against the truth.
    """
    noise_key, calibration_key = jax.random.split(key)
    chosen = np.flatnonzero(held_out.component == 0)[:_POINTS]
    test = _Test(held_out.parameters[chosen], held_out.signals[chosen], held_out.bound[chosen])
    return _with_card(estimator, test, noise_key, calibration_key)


class _Test(NamedTuple):
    """Truths (n, P), their signals at unit amplitude, and their bounds at unit amplitude and sigma where known."""

    truths: np.ndarray
    signals: np.ndarray
    bound: np.ndarray | None


def _with_card(estimator: NetworkEstimator, test: _Test, noise_key: Array, calibration_key: Array) -> NetworkEstimator:
    low, high = estimator.snr_range
    entries, middle_std = [], np.zeros((len(test.truths), len(estimator.parameter_names)))
    for snr in sorted({low, estimator.snr, high}):
        evaluation = evaluate(
            estimator,
            estimator.model,
            noise_models.build(estimator.noise_name, 1.0 / snr),
            test.truths,
            _REPEATS,
            noise_key,
            signals=test.signals,
            bound=None if test.bound is None else test.bound / snr**2,
            magnitudes=estimator.magnitudes,
        )
        if snr == estimator.snr:
            middle_std = evaluation.std
        figures = {
            "bias": np.nanmean(evaluation.bias, axis=0),
            "bias_slope": bias_slope(evaluation),
            "std": _root_mean_square(evaluation.std),
            "rmse": _root_mean_square(evaluation.rmse),
            "crb_std": _root_mean_square(evaluation.crb_std),
            "constant_rmse": np.std(evaluation.truths, axis=0),
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
    factors = _calibration(estimator, test.signals, middle_std, calibration_key)
    card = {"n_truths": len(test.truths), "n_repeats": _REPEATS, "entries": entries}
    return dataclasses.replace(estimator, standard_error_factors=factors, card=card)


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
