"""Bias and variance in units of the Cramér–Rao bound, over many truths, with bootstrap intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from raofit.evaluation.bootstrap import Interval, interval_of, resampled_means
from raofit.evaluation.evaluate import Evaluation

OVERALL = "mean"
_LEAST_SPREAD = 1e-9  # of standardized truths, whose differences are about 1


@dataclasses.dataclass(frozen=True)
class WeightedSummary:
    """One parameter over all truths, or the mean of several.

    Parameters
    ----------
    squared_bias : mean of (E[x̂] − x)²/CRB, without the share of the finite number of draws.
    median_squared_bias : its median, which a few truths of high bias do not move.
    variance : mean of variance/CRB: 1 for an efficient unbiased estimator.
    share_above : share of the truths whose variance exceeds the bound.
    slope : of the mean estimate against the truth: 1 if differences between tissues are kept, 0 if all are lost.
    """

    squared_bias: Interval
    median_squared_bias: float
    variance: Interval
    share_above: Interval
    slope: Interval


_FIELDS = tuple(field.name for field in dataclasses.fields(WeightedSummary))


def weighted_summary(
    evaluation: Evaluation, names: Sequence[str], *, seed: int = 0, n_resamples: int = 500
) -> dict[str, WeightedSummary]:
    """One summary per parameter in `names`, and `OVERALL` for their mean.

    The truths are resampled; the same seed draws the same resamples for every evaluation of the same truths.
    """
    columns = [evaluation.parameter_names.index(name) for name in names]
    squared_bias = _with_mean(evaluation.weighted_squared_bias[:, columns])
    variance = _with_mean(evaluation.weighted_variance[:, columns])
    is_above = _with_mean((evaluation.weighted_variance[:, columns] > 1.0).astype(np.float64))
    slope_parts = _slope_parts(evaluation.truths[:, columns], evaluation.bias[:, columns])
    parts = [squared_bias, variance, is_above, *slope_parts]
    means = resampled_means(np.concatenate(parts, axis=1), seed=seed, n_resamples=n_resamples)
    edges = np.cumsum([part.shape[1] for part in parts])[:-1]
    bias_means, variance_means, above_means, *of_slope = np.split(means, edges, axis=1)
    truth, bias, product, square = of_slope
    spread = square - np.square(truth)
    undefined = np.full_like(spread, np.nan)  # of a resample that holds one truth again and again
    slopes = _with_mean(1.0 + np.divide(product - truth * bias, spread, out=undefined, where=spread > _LEAST_SPREAD))
    return {
        name: WeightedSummary(
            squared_bias=interval_of(bias_means[:, index]),
            median_squared_bias=float(np.median(squared_bias[:, index])),
            variance=interval_of(variance_means[:, index]),
            share_above=interval_of(above_means[:, index]),
            slope=interval_of(slopes[:, index]),
        )
        for index, name in enumerate([*names, OVERALL])
    }


def squared_bias_ratio(
    evaluation: Evaluation, other: Evaluation, names: Sequence[str], *, seed: int = 0, n_resamples: int = 500
) -> Interval:
    """Mean CRB-weighted squared bias over truths and parameters, over that of another estimator at the same truths."""
    means = resampled_means(
        np.stack([_overall_squared_bias(item, names) for item in (evaluation, other)], axis=-1),
        seed=seed,
        n_resamples=n_resamples,
    )
    return interval_of(means[:, 0] / means[:, 1])


def plain_summaries(of: Mapping[str, WeightedSummary]) -> dict[str, dict]:
    """Summaries by parameter as plain values for a file."""
    return {name: {field: _plain(getattr(found, field)) for field in _FIELDS} for name, found in of.items()}


def weighted_columns(
    by_snr: Mapping[float, Mapping[str, Mapping[str, WeightedSummary]]],
) -> dict[str, np.ndarray]:
    """Summaries by SNR, method and parameter as columns for a CSV file, intervals as `_low` and `_high`."""
    rows: dict[str, list] = {}
    for snr, by_method in by_snr.items():
        for method, of in by_method.items():
            for parameter, found in of.items():
                cells: dict[str, Any] = {"snr": snr, "method": method, "parameter": parameter}
                for field in _FIELDS:
                    value = getattr(found, field)
                    if isinstance(value, Interval):
                        cells |= {field: value.value, f"{field}_low": value.low, f"{field}_high": value.high}
                    else:
                        cells[field] = value
                for key, cell in cells.items():
                    rows.setdefault(key, []).append(cell)
    return {key: np.array(values) for key, values in rows.items()}


def _plain(value: Interval | float) -> dict | float:
    return value._asdict() if isinstance(value, Interval) else value


def _overall_squared_bias(evaluation: Evaluation, names: Sequence[str]) -> Float[np.ndarray, " truth"]:
    columns = [evaluation.parameter_names.index(name) for name in names]
    return evaluation.weighted_squared_bias[:, columns].mean(axis=1)


def _slope_parts(truths: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """Truth, bias, their product and the squared truth, standardized: their means hold the least-squares slope."""
    spread = np.std(truths, axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    truth, error = (truths - truths.mean(axis=0)) / scale, bias / scale
    return [truth, error, truth * error, np.square(truth)]


def _with_mean(values: Float[np.ndarray, "truth parameter"]) -> np.ndarray:
    """Parameters, then their mean."""
    return np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
