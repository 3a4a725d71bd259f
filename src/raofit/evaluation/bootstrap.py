"""Bootstrap intervals of means over truths, and of what is computed from such means.

The truths (fingerprints, grid points) are resampled with replacement, all methods together, so that differences and
ratios of methods measured on the same truths have the interval of paired data.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Interval(NamedTuple):
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three significant digits: `1.04 (1.02 to 1.07)`."""
        value, low, high = (f"{number:.3g}".replace("-", "\N{MINUS SIGN}") for number in self)
        return f"{value} ({low} to {high})"


def bootstrap_interval(
    values: Float[np.ndarray, "truth column"],
    statistic: Callable[[Float[np.ndarray, "resample column"]], Float[np.ndarray, " resample"]] | None = None,
    *,
    seed: int = 0,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of a statistic of the means of `values` over the truths.

    Parameters
    ----------
    values : finite numbers; a single column may come without its axis.
    statistic : of rows of column means; default: the only column itself.
    level : probability between the two quantiles of the resampled statistics.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal([[2.0, 1.0]], 0.1, (400, 2))
    >>> ratio = bootstrap_interval(values, lambda means: means[:, 0] / means[:, 1])
    >>> bool(ratio.low < 2 < ratio.high), bool(ratio.high - ratio.low < 0.1)
    (True, True)
    """
    means = resampled_means(values, seed=seed, n_resamples=n_resamples)
    return interval_of(means[:, 0] if statistic is None else statistic(means), level=level)


def resampled_means(
    values: Float[np.ndarray, "truth column"], *, seed: int = 0, n_resamples: int = 1000
) -> Float[np.ndarray, "resample column"]:
    """Means of the columns over the truths, then over each resample of the truths: the same for every column."""
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    means = _counts(len(values), seed, n_resamples) @ values / len(values)
    return np.concatenate([values.mean(axis=0, keepdims=True), means])


@lru_cache(maxsize=2)  # drawing them takes much longer than the means, and all figures of a study share them
def _counts(n_truths: int, seed: int, n_resamples: int) -> Float[np.ndarray, "resample truth"]:
    """How often each truth is in each resample."""
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(n_truths, np.full(n_truths, 1 / n_truths), size=n_resamples)
    return draws.astype(np.float64)


def interval_of(samples: Float[np.ndarray, " resample"], *, level: float = 0.95) -> Interval:
    """A statistic of `resampled_means`: its first value with the quantiles of the others that are defined (not NaN)."""
    tail = 50 * (1 - level)
    defined = samples[1:][~np.isnan(samples[1:])]
    low, high = np.percentile(defined, [tail, 100 - tail]) if defined.size else (np.nan, np.nan)
    return Interval(float(samples[0]), float(low), float(high))
