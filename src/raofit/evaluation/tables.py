"""What is read off an evaluation: marginal curves, slopes, mapping arrows, baselines, and rows for files.

RMSE never stands alone: every table here has bias and standard deviation beside it [epstein2022, §4.4].
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from raofit.evaluation.coverage import level_words
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.grid import Grid

QUANTITIES = ("bias", "std", "rmse")
COVERAGES = (*level_words("coverage"), "share_away_from_bounds", "coverage_95_away_from_bounds")
_NEAR_BOUND = 0.01  # share of the estimates of a parameter on a bound from which its truth counts as near one


@dataclasses.dataclass(frozen=True)
class Curve:
    """Bias, standard deviation and RMSE of one parameter as functions of its true value."""

    truth: Float[np.ndarray, " value"]
    bias: Float[np.ndarray, " value"]
    std: Float[np.ndarray, " value"]
    rmse: Float[np.ndarray, " value"]


@dataclasses.dataclass(frozen=True)
class Arrows:
    """Mean mapping from truth to estimate in the plane of two parameters; arrays (x value, y value)."""

    x_name: str
    y_name: str
    x: Float[np.ndarray, "x y"]
    y: Float[np.ndarray, "x y"]
    x_shift: Float[np.ndarray, "x y"]
    y_shift: Float[np.ndarray, "x y"]


def marginal_curves(evaluation: Evaluation, grid: Grid) -> dict[str, Curve]:
    """One curve per varied parameter: the plain mean of the per-point values over all other axes of the grid."""
    curves = {}
    for name in grid.varied:
        column = evaluation.parameter_names.index(name)
        means = [grid.marginal(getattr(evaluation, quantity)[:, column], [name]) for quantity in QUANTITIES]
        curves[name] = Curve(grid.axes[name], *means)
    return curves


def bound_curves(evaluation: Evaluation, grid: Grid) -> dict[str, Curve]:
    """The Cramér–Rao bound in the same form: what an unbiased estimator could reach at best (bias 0, RMSE = std)."""
    curves = {}
    for name in grid.varied:
        std = grid.marginal(evaluation.crb_std[:, evaluation.parameter_names.index(name)], [name])
        curves[name] = Curve(grid.axes[name], np.zeros_like(std), std, std)
    return curves


def constant_curves(grid: Grid, constant: Mapping[str, float] | None = None) -> dict[str, Curve]:
    """An estimator that ignores the data: bias c − truth, no variance, RMSE |c − truth|.

    Parameters
    ----------
    constant : its answer for each parameter; default: the mean over the grid, the constant with the least RMSE.
    """
    curves = {}
    for name in grid.varied:
        truth = grid.axes[name]
        bias = (float(np.mean(truth)) if constant is None else constant[name]) - truth
        curves[name] = Curve(truth, bias, np.zeros_like(truth), np.abs(bias))
    return curves


def constant_rmse(grid: Grid) -> dict[str, float]:
    """RMSE over the whole grid of the best constant answer: the standard deviation of the truths."""
    return {name: float(np.std(grid.axes[name])) for name in grid.varied}


def bias_slope(evaluation: Evaluation) -> Float[np.ndarray, " parameter"]:
    """Least-squares slope of each parameter's bias against its true value; NaN for a parameter that does not vary.

    0: differences between tissues are kept; −1: every voxel gets the same answer.
    """
    centered = evaluation.truths - evaluation.truths.mean(axis=0)
    spread = np.sum(centered**2, axis=0)
    varies = spread > 1e-12 * np.sum(evaluation.truths**2, axis=0)
    return np.where(varies, np.sum(centered * evaluation.bias, axis=0) / np.where(varies, spread, 1.0), np.nan)


def mapping_arrows(evaluation: Evaluation, grid: Grid, x_name: str, y_name: str) -> Arrows:
    """Mean estimate − truth in one plane, averaged over noise and over all other parameters."""
    names = (x_name, y_name)
    x, y = np.meshgrid(grid.axes[x_name], grid.axes[y_name], indexing="ij")
    columns = [evaluation.parameter_names.index(name) for name in names]
    shifts = [grid.marginal(evaluation.bias[:, column], names) for column in columns]
    return Arrows(x_name, y_name, x, y, *shifts)


def summarize(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Per parameter: slope of bias, and the means over all truths of |bias|, std, RMSE and √CRB.

    Shares: estimates on a bound, and repeats without an estimate. `crb_std` is infinite where the bound is infinite at
    any truth. Where coverage was evaluated, also `COVERAGES`: mean share of the intervals of nominal 50, 68 and 95 %
    that hold the truth, and that of 95 % over truths away from bounds, those of which less than 1 % of the estimates
    are on one (NaN if there are none).
    """
    slopes = bias_slope(evaluation)
    return {
        name: {
            "bias_slope": float(slopes[column]),
            "mean_abs_bias": float(np.mean(np.abs(evaluation.bias[:, column]))),
            "mean_std": float(np.mean(evaluation.std[:, column])),
            "mean_rmse": float(np.mean(evaluation.rmse[:, column])),
            "mean_crb_std": float(np.mean(evaluation.crb_std[:, column])),
            "share_at_bound": float(np.mean(evaluation.share_at_bound[:, column])),
            "share_failed": float(np.mean(evaluation.share_failed[:, column])),
            **_coverages(evaluation, column),
        }
        for column, name in enumerate(evaluation.parameter_names)
    }


def _coverages(evaluation: Evaluation, column: int) -> dict[str, float]:
    if evaluation.coverage is None:
        return {}
    coverage = evaluation.coverage[:, column]
    is_away = ~(evaluation.share_at_bound[:, column] >= _NEAR_BOUND)  # NaN: an estimator without bounds
    away = float(np.mean(coverage[is_away, -1])) if is_away.any() else np.nan
    return dict(zip(COVERAGES, [*map(float, coverage.mean(axis=0)), float(np.mean(is_away)), away], strict=True))


def result_columns(evaluations: Mapping[str, Evaluation]) -> dict[str, np.ndarray]:
    """One row per method and truth, as columns with units in their names: `true_f [1]`, `bias_D_slow [mm²/s]`, ...

    Columns: method, the truths, then for each parameter bias, std, rmse, crb_std, share_at_bound, share_failed, and
    where it was evaluated coverage_50, coverage_68, coverage_95.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for method, evaluation in evaluations.items():
        parts.setdefault("method", []).append(np.full(len(evaluation.truths), method))
        for column, parameter in enumerate(evaluation.parameters):
            key = f"true_{parameter.name} [{parameter.unit}]"
            parts.setdefault(key, []).append(evaluation.truths[:, column])
        for column, parameter in enumerate(evaluation.parameters):
            for quantity in (*QUANTITIES, "crb_std", "share_at_bound", "share_failed"):
                unit = "1" if quantity.startswith("share") else parameter.unit
                key = f"{quantity}_{parameter.name} [{unit}]"
                parts.setdefault(key, []).append(getattr(evaluation, quantity)[:, column])
            if evaluation.coverage is not None:
                for level, quantity in enumerate(level_words("coverage")):
                    key = f"{quantity}_{parameter.name} [1]"
                    parts.setdefault(key, []).append(evaluation.coverage[:, column, level])
    return {key: np.concatenate(columns) for key, columns in parts.items()}
