"""The bias-variance frontier of several estimators, and maps of their bias and standard deviation."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from raofit.core.parameter import Parameter
from raofit.evaluation.cells import Cells, plane_cells
from raofit.evaluation.comparison import Comparison
from raofit.evaluation.weighted import OVERALL, WeightedSummary
from raofit.plot import style
from raofit.plot.curves import BOUND, Line, default_lines

LEAST_SHOWN = 0.01  # squared biases below this (in units of the CRB) lie on the linear part of the axis
_COLUMNS = 4
_SMALLEST, _LARGEST = 4.0, 9.0  # marker sizes of the lowest and the highest SNR
_NARROW = 100.0  # ratio of the ends of an axis below which 2 and 5 have ticks too
_SHARE_OUTSIDE = 0.02  # of the cells, beyond the ends of the colors


def plot_frontier(comparison: Comparison) -> Figure:
    """Mean CRB-weighted variance against mean CRB-weighted squared bias: a panel per parameter and one for the mean.

    One point per method and SNR with its bootstrap intervals, joined over SNR; the larger the mark, the higher the SNR.
    A star marks the efficient unbiased estimator at (0, 1), the dotted line a mean squared error equal to the bound.
    Squared biases below 0, which the noise of the measurement can give, are drawn at 0.
    """
    titles = {p.name: style.symbol(p) for p in comparison.parameters}
    titles |= {OVERALL: "mean of all"} if len(titles) > 1 else {}
    n_columns = min(len(titles), _COLUMNS)
    n_rows = -(-len(titles) // n_columns)
    figure = style.new_figure(3.1 * n_columns + 0.6, 3.1 * n_rows + 0.9)
    lines = default_lines(comparison.methods)
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in panels.flat[len(titles) :]:
        axes.set_visible(False)
    for axes, (name, title) in zip(panels.flat, titles.items(), strict=False):
        for method in comparison.methods:
            of = [comparison.summaries[snr][method][name] for snr in comparison.snrs]
            _draw_path(axes, of, lines[method], _sizes(comparison), method)
        _draw_references(axes)
        axes.set_title(title, fontsize=9.5)
    for axes in panels[:, 0]:
        axes.set_ylabel("variance / CRB")
    for axes in panels[-1]:
        axes.set_xlabel("bias² / CRB")
    style.legend_below(figure, _handles(comparison, lines), columns=n_columns + 1)
    return figure


def plot_error_planes(comparison: Comparison, snr: float, parameter: Parameter, other: Parameter) -> Figure:
    """Bias (above) and standard deviation (below) of `parameter` over its truth and that of `other`.

    One column per method, all on one scale per row, and the square root of the Cramér–Rao bound last; means over the
    truths of all further parameters.
    """
    by_method = comparison.evaluations[snr]
    first = next(iter(by_method.values()))
    cells = plane_cells(*(first.truths[:, first.parameter_names.index(p.name)] for p in (parameter, other)))
    images = {
        quantity: {
            method: cells.mean(getattr(of, quantity)[:, of.parameter_names.index(parameter.name)])
            for method, of in by_method.items()
        }
        for quantity in ("bias", "std")
    }
    bound = cells.mean(first.crb_std[:, first.parameter_names.index(parameter.name)])
    figure = style.new_figure(2.5 * (len(by_method) + 1) + 0.9, 5.2)
    grid = figure.subplots(2, len(by_method) + 1, squeeze=False)
    _draw_row(figure, grid[0], images["bias"], cells, (parameter, other), is_bias=True)
    _draw_row(figure, grid[1], images["std"] | {"√CRB": bound}, cells, (parameter, other), is_bias=False)
    grid[0, -1].set_axis_off()
    return figure


def _draw_path(axes: Axes, of: list[WeightedSummary], line: Line, sizes: list[float], method: str) -> None:
    bias = np.maximum([(f.squared_bias.value, f.squared_bias.low, f.squared_bias.high) for f in of], 0.0)
    variance = np.array([(f.variance.value, f.variance.low, f.variance.high) for f in of])
    axes.plot(bias[:, 0], variance[:, 0], color=line.color, linestyle=line.linestyle, linewidth=1.2, label=method)
    for x, y, size in zip(bias, variance, sizes, strict=True):
        axes.plot(x[1:], [y[0], y[0]], color=line.color, linewidth=0.7, alpha=0.6)
        axes.plot([x[0], x[0]], y[1:], color=line.color, linewidth=0.7, alpha=0.6)
        axes.plot(x[0], y[0], "o", color=line.color, markersize=size, clip_on=False)


def _draw_references(axes: Axes) -> None:
    """The efficient estimator, the line of a mean squared error of one bound, and limits that hold all."""
    x = np.concatenate([np.ravel(line.get_xdata()) for line in axes.lines])
    y = np.concatenate([np.ravel(line.get_ydata()) for line in axes.lines])
    share = np.append(np.linspace(0.0, 0.9, 60), 1.0 - np.geomspace(0.1, 1e-4, 60))
    axes.plot(share, 1.0 - share, color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.4, zorder=1)
    axes.plot(0.0, 1.0, "*", color=style.INK, markersize=13, markerfacecolor="white", zorder=5, clip_on=False)
    axes.set_xscale("symlog", linthresh=LEAST_SHOWN, linscale=0.6)
    axes.set_yscale("log")
    axes.set_xlim(0.0, 1.5 * max(float(x.max()), 1.0))
    axes.set_ylim(0.7 * min(float(y.min()), 0.7), 1.4 * max(float(y.max()), 1.4))
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < _NARROW * low else (1.0,)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    style.quiet(axes)


def _sizes(comparison: Comparison) -> list[float]:
    n_snrs = len(comparison.snrs)
    return list(np.linspace(_SMALLEST, _LARGEST, n_snrs)) if n_snrs > 1 else [0.5 * (_SMALLEST + _LARGEST)]


def _handles(comparison: Comparison, lines: Mapping[str, Line]) -> list[Line2D]:
    methods = [
        Line2D([], [], color=line.color, linestyle=line.linestyle, marker="o", markersize=6, label=method)
        for method, line in lines.items()
    ]
    levels = [
        Line2D([], [], color=style.SOFT, linestyle="", marker="o", markersize=size, label=f"SNR {snr:g}")
        for snr, size in zip(comparison.snrs, _sizes(comparison), strict=True)
    ]
    star = Line2D(
        [], [], color=style.INK, linestyle="", marker="*", markersize=12, markerfacecolor="white",
        label="efficient, unbiased",
    )  # fmt: skip
    error = Line2D([], [], color=BOUND.color, linestyle=BOUND.linestyle, label="mean squared error = CRB")
    return [*methods, *levels, star, error]


def _draw_row(
    figure: Figure,
    row: np.ndarray,
    images: Mapping[str, np.ndarray],
    cells: Cells,
    plane: tuple[Parameter, Parameter],
    *,
    is_bias: bool,
) -> None:
    factor = style.display_scale(plane[0])
    x, y = (style.display_scale(p) * centers for p, centers in zip(plane, (cells.x, cells.y), strict=True))
    values = np.concatenate([np.ravel(image) for image in images.values()]) * factor
    size = max(float(np.nanquantile(np.abs(values), 1 - _SHARE_OUTSIDE)), 1e-12)
    low = -size if is_bias else 0.0
    for axes, (method, image) in zip(row, images.items(), strict=False):
        mesh = axes.pcolormesh(
            x, y, factor * image.T, cmap="coolwarm" if is_bias else "viridis", vmin=low, vmax=size, shading="nearest",
            rasterized=True,
        )  # fmt: skip
        axes.set_facecolor(style.OUTSIDE_MASK)
        axes.set_title(f"{'bias' if is_bias else 'std'}, {method}" if method != "√CRB" else method, fontsize=8.5)
        style.quiet(axes, grid=False).set_xlabel(style.axis_label(plane[0], "true"))
    row[0].set_ylabel(style.axis_label(plane[1], "true"))
    bar = figure.colorbar(mesh, ax=list(row), shrink=0.9, pad=0.02, extend="both" if is_bias else "max")
    bar.ax.tick_params(labelsize=7.5)
    bar.ax.set_title(style.display_unit(plane[0]), fontsize=7.5)
