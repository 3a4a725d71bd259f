"""Bias, standard deviation and RMSE against the true value: three rows, one column per parameter."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from raofit.core.parameter import Parameter
from raofit.evaluation.bins import BinnedCurve
from raofit.evaluation.tables import QUANTITIES, Curve
from raofit.plot import style

WORDS = {"bias": "bias of", "std": "std of", "rmse": "RMSE of"}


@dataclasses.dataclass(frozen=True)
class Line:
    """How a method is drawn."""

    color: str
    linestyle: str = "-"
    marker: str = ""


BOUND = Line("#6b7480", (0, (1, 1.2)))
CONSTANT = Line("#c9a227", (0, (6, 2)))


def default_lines(labels: Sequence[str]) -> dict[str, Line]:
    """A line of its own for each label."""
    dashes = ("-", "--", "-.", ":")
    return {
        label: Line(style.PALETTE[i % len(style.PALETTE)], dashes[i // len(style.PALETTE) % 4])
        for i, label in enumerate(labels)
    }


def plot_curves(
    curves: Mapping[str, Mapping[str, Curve]],
    parameters: Sequence[Parameter],
    *,
    lines: Mapping[str, Line] | None = None,
    bound: Mapping[str, Curve] | None = None,
    constant: Mapping[str, Curve] | None = None,
) -> Figure:
    """Rows bias, std, RMSE; columns the parameters that some method has a curve of (Epstein 2022, figs. 2, 3, 8, 10).

    The three panels of a column span the same height, so bias and std can be compared by eye.

    Parameters
    ----------
    curves : `{method: {parameter name: curve}}`; a method may have curves of some parameters only.
    lines : `{method: Line}`.
    bound : the Cramér–Rao bound (std and RMSE panels); where it leaves the panel it is not followed.
    constant : the constant predictor (bias and RMSE panels).
    """
    shown = [p for p in parameters if any(p.name in of_method for of_method in curves.values())]
    lines = dict(default_lines(list(curves))) | dict(lines or {})
    figure = style.new_figure(3.2 * len(shown) + 0.2, 7.4)
    grid = figure.subplots(3, len(shown), squeeze=False, sharex="col")
    for column, parameter in zip(grid.T, shown, strict=True):
        of_parameter = {method: of[parameter.name] for method, of in curves.items() if parameter.name in of}
        for axes, quantity in zip(column, QUANTITIES, strict=True):
            if constant is not None and quantity != "std":
                _draw(axes, constant[parameter.name], quantity, parameter, CONSTANT)
            if bound is not None and quantity != "bias":
                _draw(axes, bound[parameter.name], quantity, parameter, BOUND)
            for method, curve in of_parameter.items():
                _draw(axes, curve, quantity, parameter, lines[method], label=method)
            if quantity == "bias":
                axes.axhline(0.0, color=style.INK, linewidth=0.7, zorder=1)
            style.quiet(axes).set_ylabel(style.axis_label(parameter, WORDS[quantity]))
        column[-1].set_xlabel(style.axis_label(parameter, "true"))
        _share_span(column, list(of_parameter.values()), style.display_scale(parameter))
    handles = [_handle(lines[method], method) for method in curves]
    handles += [_handle(CONSTANT, "constant answer (mean of the truths)")] if constant is not None else []
    handles += [_handle(BOUND, "√CRB (best std of an unbiased estimator)")] if bound is not None else []
    style.legend_below(figure, handles, columns=len(shown))
    return figure


def plot_binned_curves(
    curves: Mapping[str, Mapping[str, BinnedCurve]],
    parameters: Sequence[Parameter],
    *,
    lines: Mapping[str, Line] | None = None,
    limits: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] | None = None,
) -> Figure:
    """Rows bias, std, RMSE and number of voxels against the reference value (Epstein 2022, figs. 5 and 6).

    Parameters
    ----------
    limits : `{parameter name: (bias limits, std and RMSE limits)}` in physical units; default: automatic.
    """
    shown = [p for p in parameters if any(p.name in of_method for of_method in curves.values())]
    lines = dict(default_lines(list(curves))) | dict(lines or {})
    figure = style.new_figure(3.2 * len(shown) + 0.2, 8.8)
    grid = figure.subplots(4, len(shown), squeeze=False, sharex="col", height_ratios=(1, 1, 1, 0.7))
    for column, parameter in zip(grid.T, shown, strict=True):
        factor = style.display_scale(parameter)
        of_parameter = {method: of[parameter.name] for method, of in curves.items() if parameter.name in of}
        for axes, quantity in zip(column, QUANTITIES, strict=False):
            for method, curve in of_parameter.items():
                line = lines[method]
                values = factor * getattr(curve, quantity)
                axes.plot(
                    factor * curve.center, values, color=line.color, linestyle=line.linestyle, marker=".", markersize=4,
                    linewidth=1.5, label=method,
                )  # fmt: skip
            if quantity == "bias":
                axes.axhline(0.0, color=style.INK, linewidth=0.7, zorder=1)
            if limits is not None and parameter.name in limits:
                axes.set_ylim(*(factor * limit for limit in limits[parameter.name][quantity != "bias"]))
            style.quiet(axes).set_ylabel(style.axis_label(parameter, WORDS[quantity]))
        first = next(iter(of_parameter.values()))
        width = 0.9 * factor * (first.center[1] - first.center[0])
        column[3].bar(factor * first.center, first.n_voxels, width=width, color="#9aa5b1")
        style.quiet(column[3]).set_xlabel(style.axis_label(parameter, "reference"))
        column[3].set_ylabel("voxels")
    style.legend_below(figure, [_handle(lines[method], method) for method in curves], columns=len(shown))
    return figure


def plot_tradeoff(
    points: Mapping[str, Mapping[str, Mapping[str, float]]],
    parameters: Sequence[Parameter],
    *,
    lines: Mapping[str, Line] | None = None,
    bound: Mapping[str, float] | None = None,
) -> Figure:
    """Mean |bias| against mean std, one panel per parameter, one point per method; arcs join equal √(bias² + std²).

    Parameters
    ----------
    points : `{method: {parameter name: {"mean_abs_bias": ..., "mean_std": ...}}}`, as `summarize` gives; a method may
        have points of some parameters only.
    bound : mean √CRB per parameter, a vertical line: unbiased estimators lie to its right.
    """
    lines = dict(default_lines(list(points))) | dict(lines or {})
    figure = style.new_figure(3.2 * len(parameters) + 0.2, 3.9)
    for axes, parameter in zip(figure.subplots(1, len(parameters), squeeze=False).flat, parameters, strict=True):
        factor = style.display_scale(parameter)
        of_parameter = {method: of[parameter.name] for method, of in points.items() if parameter.name in of}
        x = {method: factor * of["mean_std"] for method, of in of_parameter.items()}
        y = {method: factor * of["mean_abs_bias"] for method, of in of_parameter.items()}
        right, top = 1.18 * max(x.values()), 1.25 * max(max(y.values()), 1e-12)
        angle = np.linspace(0, np.pi / 2, 60)
        for radius in np.linspace(0, np.hypot(right, top), 7)[1:]:
            axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=style.LINE, linewidth=0.8, zorder=0)
        if bound is not None and factor * bound[parameter.name] < right:
            axes.axvline(factor * bound[parameter.name], color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.5)
        for method in of_parameter:
            axes.plot(x[method], y[method], "o", color=lines[method].color, markersize=8, label=method, clip_on=False)
        axes.set_xlim(0, right)
        axes.set_ylim(0, top)
        style.quiet(axes, grid=False).set_xlabel(style.axis_label(parameter, "mean std of"))
        axes.set_ylabel(style.axis_label(parameter, "mean |bias| of"))
    handles = [
        Line2D([], [], color=lines[method].color, marker="o", linestyle="", markersize=8, label=method)
        for method in points
    ]
    handles += [_handle(BOUND, "√CRB (best std of an unbiased estimator)")] if bound is not None else []
    style.legend_below(figure, handles, columns=len(parameters))
    return figure


def _draw(axes: Axes, curve: Curve, quantity: str, parameter: Parameter, line: Line, label: str = "_") -> None:
    factor = style.display_scale(parameter)
    values = factor * getattr(curve, quantity)
    axes.plot(
        factor * curve.truth, np.where(np.isfinite(values), values, np.nan), color=line.color,
        linestyle=line.linestyle, marker=line.marker, markersize=4, linewidth=1.6, label=label,
    )  # fmt: skip


def _handle(line: Line, label: str) -> Line2D:
    return Line2D([], [], color=line.color, linestyle=line.linestyle, marker=line.marker, linewidth=1.6, label=label)


def _share_span(column: Sequence[Axes], curves: Sequence[Curve], factor: float) -> None:
    """Give the three panels the same height in data units, each holding the methods' curves."""
    bias = factor * np.concatenate([curve.bias for curve in curves])
    positive = factor * np.concatenate([np.concatenate([curve.std, curve.rmse]) for curve in curves])
    low, high = min(np.nanmin(bias), 0.0), max(np.nanmax(bias), 0.0)
    span = 1.08 * max(high - low, np.nanmax(positive), 1e-12)
    middle = 0.5 * (low + high)
    column[0].set_ylim(middle - span / 2, middle + span / 2)
    for axes in column[1:]:
        axes.set_ylim(0.0, span)
