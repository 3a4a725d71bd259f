"""The figures of a network's card: its errors against SNR, and how often its intervals hold the truth."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from raofit.core.parameter import Parameter
from raofit.plot import style
from raofit.plot.curves import BOUND, CONSTANT, Line

LEVELS = (50, 68, 95)
_MOST_COLUMNS = 4
_LINES = {
    "bias": Line(style.PALETTE[1], "-", "o"),
    "std": Line(style.PALETTE[2], "--", "s"),
    "RMSE": Line(style.PALETTE[0], "-", "D"),
    "√CRB": BOUND,
    "RMSE of a constant answer": CONSTANT,
}


def plot_card_errors(entries: Sequence[Mapping], parameters: Sequence[Parameter]) -> Figure:
    """Root mean square of bias, std and RMSE against SNR, beside √CRB and the constant answer, one panel per parameter.

    Parameters
    ----------
    entries : of a card: `snr`, and `std`, `rmse`, `crb_std` and `constant_rmse` of each parameter by name.
    parameters : to show.
    """
    figure, panels = _panels(len(parameters), height=2.5)
    snrs = [entry["snr"] for entry in entries]
    for axes, parameter in zip(panels, parameters, strict=False):
        factor = style.display_scale(parameter)
        figures = [entry["parameters"][parameter.name] for entry in entries]
        std, rmse, bound, constant = (
            factor * np.array([item[name] for item in figures], dtype=np.float64)
            for name in ("std", "rmse", "crb_std", "constant_rmse")
        )
        bias = np.sqrt(np.maximum(rmse**2 - std**2, 0.0))
        for (name, line), values in zip(_LINES.items(), (bias, std, rmse, bound, constant), strict=True):
            shown = np.where(values > 0, values, np.nan)
            marker = line.marker or ("_" if len(snrs) == 1 else "")
            axes.plot(
                snrs, shown, color=line.color, linestyle=line.linestyle, marker=marker, markersize=4.5, label=name
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
        axes.yaxis.set_minor_locator(NullLocator())
        _snr_ticks(axes, snrs)
        style.quiet(axes).set_ylabel(style.axis_label(parameter, "error of"))
        axes.set_xlabel("SNR")
    style.legend_below(
        figure,
        [Line2D([], [], color=of.color, linestyle=of.linestyle, marker=of.marker, label=n) for n, of in _LINES.items()],
        columns=5,
    )
    return figure


def plot_card_coverage(entries: Sequence[Mapping], parameters: Sequence[Parameter]) -> Figure:
    """Share of the intervals that hold the truth against what they are nominally; dashed: with calibrated widths.

    Parameters
    ----------
    entries : of a card, with `coverage_50` ... and `calibrated_coverage_50` ... of each parameter by name.
    parameters : to show.
    """
    figure, panels = _panels(len(parameters), height=2.6)
    for axes, parameter in zip(panels, parameters, strict=False):
        axes.plot([0, 100], [0, 100], color=style.LINE, linewidth=1.2)
        for index, entry in enumerate(entries):
            of = entry["parameters"][parameter.name]
            color = style.PALETTE[index % len(style.PALETTE)]
            for prefix, linestyle in (("coverage", "-"), ("calibrated_coverage", "--")):
                shares = [_percent(of[f"{prefix}_{level}"]) for level in LEVELS]
                axes.plot(LEVELS, shares, color=color, linestyle=linestyle, marker="o", markersize=4)
        axes.set_xlim(40, 100)
        axes.set_ylim(0, 103)
        axes.set_xticks(LEVELS)
        style.quiet(axes).set_xlabel("nominal (%)")
        axes.set_ylabel(f"{style.symbol(parameter)} within (%)")
    handles = [
        Line2D([], [], color=style.PALETTE[index % len(style.PALETTE)], marker="o", label=f"SNR {entry['snr']:.3g}")
        for index, entry in enumerate(entries)
    ]
    handles.append(Line2D([], [], color=style.SOFT, linestyle="--", label="calibrated width"))
    style.legend_below(figure, handles)
    return figure


def _panels(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, _MOST_COLUMNS)
    rows = math.ceil(count / columns)
    figure = style.new_figure(2.7 * columns + 0.4, height * rows + 0.4)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels


def _snr_ticks(axes: Axes, snrs: Sequence[float]) -> None:
    axes.set_xticks(snrs, [f"{snr:.3g}" for snr in snrs])
    axes.set_xticks([], minor=True)


def _percent(share: float | None) -> float:
    return np.nan if share is None else 100.0 * share
