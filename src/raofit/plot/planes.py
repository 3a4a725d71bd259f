"""Differences between two methods over a plane of the other parameters (Epstein 2022, fig. 12)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from raofit.core.parameter import Parameter
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.grid import Grid
from raofit.evaluation.tables import QUANTITIES, Curve
from raofit.plot import style
from raofit.plot.curves import WORDS, Line


def plane_difference(
    first: Evaluation, second: Evaluation, grid: Grid, name: str, index: int, quantity: str, plane: tuple[str, str]
) -> np.ndarray:
    """`quantity` of the first − of the second method, for `name` at its grid value number `index`, over a plane."""
    column = first.parameter_names.index(name)
    difference = getattr(first, quantity)[:, column] - getattr(second, quantity)[:, column]
    return grid.marginal(difference, (name, *plane))[index]


def plot_planes(
    first: Evaluation,
    second: Evaluation,
    grid: Grid,
    parameter: Parameter,
    plane: tuple[Parameter, Parameter],
    *,
    indices: tuple[int, int],
    curves: Mapping[str, Mapping[str, Curve]],
    lines: Mapping[str, Line],
) -> Figure:
    """Outer columns: first − second method over `plane` at two true values of `parameter`; middle: marginal curves.

    Parameters
    ----------
    indices : which values of the parameter's grid axis the outer columns show.
    curves, lines : of the two methods, as `plot_curves` takes them.
    """
    names = (plane[0].name, plane[1].name)
    factor = style.display_scale(parameter)
    figure = style.new_figure(10.2, 8.2)
    grid_axes = figure.subplots(3, 3, width_ratios=(1, 1.05, 1))
    for row, quantity in zip(grid_axes, QUANTITIES, strict=True):
        values = [
            factor * plane_difference(first, second, grid, parameter.name, index, quantity, names) for index in indices
        ]
        limit = max(float(np.nanmax(np.abs(values))), 1e-12)
        for axes, difference, index in zip((row[0], row[2]), values, indices, strict=True):
            x, y = (style.display_scale(p) * grid.axes[p.name] for p in plane)
            image = axes.pcolormesh(x, y, difference.T, cmap="coolwarm", vmin=-limit, vmax=limit, rasterized=True)
            figure.colorbar(image, ax=axes, shrink=0.9).ax.tick_params(labelsize=7.5)
            truth = style.number(factor * grid.axes[parameter.name][index])
            title = f"difference in {WORDS[quantity]} {style.symbol(parameter)} at {truth}"
            axes.set_title(f"{title} {style.display_unit(parameter)}", fontsize=8.5)
            style.quiet(axes, grid=False).set_xlabel(style.axis_label(plane[0]))
            axes.set_ylabel(style.axis_label(plane[1]))
        _draw_middle(
            row[1], quantity, parameter, curves, lines, [grid.axes[parameter.name][index] for index in indices]
        )
    handles, labels = grid_axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def _draw_middle(axes, quantity: str, parameter: Parameter, curves: Mapping, lines: Mapping, marks: Sequence) -> None:
    factor = style.display_scale(parameter)
    for method, of_method in curves.items():
        curve, line = of_method[parameter.name], lines[method]
        axes.plot(
            factor * curve.truth, factor * getattr(curve, quantity), color=line.color, linestyle=line.linestyle,
            linewidth=1.6, label=method,
        )  # fmt: skip
    for mark in marks:
        axes.axvline(factor * mark, color=style.SOFT, linewidth=0.8, linestyle=":")
    if quantity == "bias":
        axes.axhline(0.0, color=style.INK, linewidth=0.7)
    style.quiet(axes).set_xlabel(style.axis_label(parameter, "true"))
    axes.set_ylabel(style.axis_label(parameter, WORDS[quantity]))
