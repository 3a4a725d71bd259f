"""Bias, standard deviation and RMSE of estimators, against the truth and against the Cramér–Rao bound."""

from raofit.evaluation.evaluate import Evaluation, evaluate
from raofit.evaluation.grid import Grid, evaluation_grid

__all__ = ["Evaluation", "Grid", "evaluate", "evaluation_grid"]
