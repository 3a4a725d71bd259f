"""Intervals estimate ± factor·SE: which levels are looked at, how wide they are, and how wide they ought to be.

A standard error states the scatter of an estimate. The interval of nominal level p that normal scatter and no bias call
for has the half-width z_p·SE, where a normal variable is within ±z_p standard deviations with probability p. Whether it
holds the truth in a share p of the cases is a matter of measurement: `raofit.evaluate(..., coverage=True)`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

LEVELS = (0.50, 0.68, 0.95)


def normal_factors(levels: Sequence[float] = LEVELS) -> Float[np.ndarray, " level"]:
    """z_p = Φ⁻¹((1 + p)/2), half-widths in standard errors of the intervals of a normal variable."""
    return np.asarray(ndtri(0.5 + 0.5 * np.asarray(levels, dtype=np.float64)))


def calibrated_factors(
    errors: Float[np.ndarray, "draw parameter"],
    standard_errors: Float[np.ndarray, "draw parameter"],
    levels: Sequence[float] = LEVELS,
) -> Float[np.ndarray, "parameter level"]:
    """Half-widths, in standard errors, of intervals that hold the truth in a share p of these draws.

    The p-quantile of |x̂ − x|/SE over the draws, bias included: above z_p where the estimator is biased. Draws without
    an estimate or a standard error are left out, as a factor cannot help them; NaN where none are left.
    """
    ratios = np.abs(errors) / np.where(standard_errors > 0, standard_errors, np.nan)
    columns = [column[np.isfinite(column)] for column in ratios.T]
    return np.array(
        [np.quantile(column, levels) if column.size else np.full(len(levels), np.nan) for column in columns]
    )


def level_words(prefix: str, levels: Sequence[float] = LEVELS) -> tuple[str, ...]:
    """`coverage_50`, `coverage_68`, `coverage_95` for the prefix "coverage"."""
    return tuple(f"{prefix}_{round(100 * level)}" for level in levels)
