"""What all figures share: labels with units, display scales, colors, and quiet axes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from raofit.core.parameter import Parameter

INK = "#1b1f24"
SOFT = "#6b7480"
LINE = "#d8dde3"
OUTSIDE_MASK = "#eceff2"
NO_ESTIMATE = "#e0007a"

# Okabe and Ito's palette without its yellow: told apart by color-blind readers and in gray print with the line styles
PALETTE = ("#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5f3f")

_DOTS_PER_INCH = 150
_DISPLAY_UNITS = {"mm²/s": (1e3, "10⁻³ mm²/s")}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) with its own canvas and automatic layout."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Lay the figure out, once for all its files: the search takes longer than drawing."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def write_png(path: Path, figure: Figure) -> None:
    """The figure, complete, as an image file."""
    settle(figure)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def display_scale(parameter: Parameter) -> float:
    """Factor from the parameter's unit to the unit its axis shows (1e3 for diffusivities, else 1)."""
    return _DISPLAY_UNITS.get(parameter.unit, (1.0, ""))[0]


def display_unit(parameter: Parameter) -> str:
    """The unit on the axis, or an empty string for a fraction."""
    return "" if parameter.unit == "1" else _DISPLAY_UNITS.get(parameter.unit, (1.0, parameter.unit))[1]


def symbol(parameter: Parameter) -> str:
    """The parameter's symbol as matplotlib math text."""
    return f"${parameter.symbol}$"


def axis_label(parameter: Parameter, quantity: str = "") -> str:
    """Axis label with unit, e.g. "T1 (s)" or "bias of f"."""
    unit = display_unit(parameter)
    return (f"{quantity} " if quantity else "") + symbol(parameter) + (f" ({unit})" if unit else "")


def quiet(axes: Axes, *, grid: bool = True) -> Axes:
    """Remove the upper and right frame, lighten the rest, and put a faint grid behind the data."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.tick_params(colors=INK, labelsize=8.5, color=SOFT)
    axes.xaxis.label.set_fontsize(9.5)
    axes.yaxis.label.set_fontsize(9.5)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, color=LINE, linewidth=0.6)
    return axes


def no_ticks(axes: Axes) -> Axes:
    """An axes for an image: no ticks, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def nice_limits(values: np.ndarray, *, share: float = 0.02) -> tuple[float, float]:
    """Limits holding all but `share` of the finite values at either end, rounded outward to two digits.

    Values that are all but the same lie in the middle of a span of 2 % of them.
    """
    finite = np.asarray(values)[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(finite, [share, 1 - share])
    if high - low <= 1e-3 * abs(high):
        middle = float(low + high) / 2
        return (middle - 0.01 * abs(middle), middle + 0.01 * abs(middle)) if middle else (0.0, 1.0)
    step = 10.0 ** (np.floor(np.log10(high - low)) - 1)
    return float(np.floor(low / step + 1e-9) * step), float(np.ceil(high / step - 1e-9) * step)


def number(value: float) -> str:
    """A number in three significant digits with a real minus sign."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def legend_below(figure: Figure, handles: Sequence, *, columns: int = 4) -> None:
    """One legend for the whole figure, under it."""
    figure.legend(
        handles=list(handles), loc="outside lower center", ncols=min(columns, len(handles)), frameon=False, fontsize=9
    )
