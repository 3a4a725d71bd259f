"""Errors of estimates against truths, in the four numbers every table states."""

import numpy as np


def accuracy(error: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Bias, standard deviation (ddof 0) and RMSE over the finite errors, and the slope of the error against the truth.

    A slope of −1 ignores the data, one of 0 is a bias that does not depend on the truth.
    """
    finite = np.isfinite(error)
    error, truth = error[finite], truth[finite]
    if not error.size:
        return dict.fromkeys(("bias", "std", "rmse", "slope"), float("nan"))
    deviation = truth - truth.mean()
    slope = float(deviation @ error / (deviation @ deviation))
    return {
        "bias": float(error.mean()),
        "std": float(error.std()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "slope": slope,
    }


def agreement(estimate: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Median of the estimates, median and 99th percentile of their distance from the reference, share within 1 % of it.

    Over the voxels whose reference is finite; a missing estimate is infinitely far.
    """
    known = np.isfinite(reference)
    estimate, reference = estimate[known], reference[known]
    distance = np.where(np.isfinite(estimate), np.abs(estimate - reference), np.inf)
    return {
        "median": float(np.nanmedian(estimate)),
        "median_difference": float(np.median(distance)),
        "large_difference": float(np.quantile(distance, 0.99, method="higher")),
        "close": float(np.mean(distance <= 0.01 * np.abs(reference))),
    }
