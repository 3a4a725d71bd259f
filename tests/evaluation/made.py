"""Evaluations of draws that are made, not estimated."""

import numpy as np

from raofit.core.status import Status
from raofit.evaluation.evaluate import Evaluation
from raofit.models import MonoExponentialADC

PARAMETERS = MonoExponentialADC([0.0, 1000.0]).parameters


def evaluation_of(truths: np.ndarray, estimates: np.ndarray, crb_std: float = 1.0) -> Evaluation:
    """Of estimates (draw, truth, parameter); those that are NaN failed."""
    is_usable = np.isfinite(estimates)
    return Evaluation(
        truths=truths,
        bias=np.nanmean(estimates, axis=0) - truths,
        std=np.nanstd(estimates, axis=0),
        n_usable=is_usable.sum(axis=0),
        share_at_bound=np.zeros(truths.shape),
        status_counts={Status.OK: is_usable.all(axis=2).sum(axis=0)},
        n_repeats=len(estimates),
        parameters=PARAMETERS,
        crb_std=np.full(truths.shape, crb_std),
    )
