"""Evaluations with chosen bias and standard deviation, for figures."""

import numpy as np

from raofit.evaluation import Evaluation, evaluation_grid
from raofit.models import IVIM

MODEL = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
GRID = evaluation_grid(MODEL, n_values=4)
SHOWN = MODEL.parameters[1:]


def evaluation(shrink=0.0, relative_std=0.1):
    """Bias = shrink · (center − truth), std = relative_std · truth."""
    truths = GRID.points
    return Evaluation(
        truths=truths,
        bias=shrink * (truths.mean(axis=0) - truths),
        std=relative_std * truths,
        n_usable=np.full(truths.shape, 10),
        share_at_bound=np.zeros(truths.shape),
        status_counts={},
        n_repeats=10,
        parameters=MODEL.parameters,
        crb_std=0.2 * truths,
    )
