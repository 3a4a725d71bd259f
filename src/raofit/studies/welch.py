"""Welch's unequal-variances t-tests between two sets of estimates."""

import numpy as np
import scipy.stats
from jaxtyping import Float


def welch_p_values(
    first: Float[np.ndarray, "value draw parameter"], second: Float[np.ndarray, "value draw parameter"]
) -> Float[np.ndarray, "value parameter"]:
    """Probability of means at least as different as these if the true means were equal; NaN draws are left out."""
    _, p_values = scipy.stats.ttest_ind(first, second, axis=1, equal_var=False, nan_policy="omit")
    return np.asarray(p_values)
