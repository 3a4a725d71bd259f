"""What candidates of a tuning cost: the objective, its limits, and squared bias and variance, against the knob."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from raofit.evaluation.objective import Found, Measure
from raofit.plot import style
from raofit.recipes.candidates import Axis, Candidate
from raofit.recipes.tuning import Tuning

_SYMBOLS = {"alpha": "α, share of the labels", "lambda": "λ, price of variance", "delta": "δ, free variance (CRB)"}
_QUANTITIES = {
    "rmse": "RMSE", "bias": "bias", "std": "std", "worst-bias": "largest |bias|", "variance": "variance",
    "mse-crb": "mean squared error",
}  # fmt: skip
_CHOSEN = "#d55e00"
_MARKERS = ("o", "s", "^", "D", "v")


def plot_tuning(tuning: Tuning) -> Figure:
    """A panel per measure with bars of two Monte Carlo standard errors, and one of squared bias and variance.

    The measure to be small comes first; dashed lines are limits, hollow marks candidates beyond one, the ring is the
    chosen candidate. With two knobs there is a line for each value of the second.
    """
    axis = _shown_axis(tuning)
    measures = tuning.objective.measures
    figure = style.new_figure(3.6 * (len(measures) + 1) + 0.2, 3.9)
    panels = figure.subplots(1, len(measures) + 1, squeeze=False)[0]
    for index, (axes, measure) in enumerate(zip(panels, measures, strict=False)):
        _draw_measure(axes, tuning, axis, index)
        axes.set_ylabel(_label(tuning, measure))
        if index:
            axes.axhline(tuning.objective.limits[index - 1].largest, color=style.SOFT, linestyle="--", linewidth=1.2)
    _draw_moments(panels[-1], tuning, axis)
    for axes in panels:
        _set_scale(axes, axis)
        style.quiet(axes).set_xlabel(_SYMBOLS[axis.knob])
    style.legend_below(figure, _handles(tuning, axis), columns=3)
    return figure


def _shown_axis(tuning: Tuning) -> Axis:
    """The knob along the horizontal axis: the one with most values."""
    return max(tuning.axes, key=lambda axis: len({dict(one.values)[axis.knob] for one in tuning.candidates}))


def _lines(tuning: Tuning, axis: Axis) -> dict[str, list[Candidate]]:
    """Candidates that differ in the shown knob only, by what they have in common."""
    lines: dict[str, list[Candidate]] = {}
    for one in tuning.candidates:
        common = ", ".join(f"{knob} = {value:g}" for knob, value in one.values if knob != axis.knob)
        lines.setdefault(common, []).append(one)
    return {common: sorted(of, key=lambda one: dict(one.values)[axis.knob]) for common, of in sorted(lines.items())}


def _draw_measure(axes: Axes, tuning: Tuning, axis: Axis, index: int) -> None:
    outcomes, factor = tuning.choice.outcomes, _factor(tuning, tuning.objective.measures[index])
    for number, of in enumerate(_lines(tuning, axis).values()):
        x = [dict(one.values)[axis.knob] for one in of]
        found = [_found(tuning, one, index) for one in of]
        color, marker = style.PALETTE[(0, 2, 3, 4, 5)[number % 5]], _MARKERS[number % 5]
        y, errors = (factor * np.array(column) for column in zip(*found, strict=True))
        axes.plot(x, y, color=color, linewidth=1.2, zorder=2)
        axes.errorbar(x, y, 2 * errors, color=color, linestyle="", capsize=2.5, linewidth=1.0, zorder=2)
        for one, at, value in zip(of, x, y, strict=True):
            face = color if outcomes[one.name].is_within else "white"
            axes.plot(at, value, marker, color=color, markerfacecolor=face, markersize=6, zorder=3)
            if one.name == tuning.choice.chosen:
                axes.plot(at, value, "o", color=_CHOSEN, markerfacecolor="none", markersize=13, markeredgewidth=1.8)


def _draw_moments(axes: Axes, tuning: Tuning, axis: Axis) -> None:
    for number, of in enumerate(_lines(tuning, axis).values()):
        x = [dict(one.values)[axis.knob] for one in of]
        bias, variance = np.array([tuning.moments[one.name] for one in of]).T
        marker = _MARKERS[number % 5]
        axes.plot(x, np.maximum(bias, 0.0), marker=marker, color=_BIAS.get_color(), linewidth=1.2, markersize=5)
        axes.plot(x, variance, marker=marker, color=_VARIANCE.get_color(), linewidth=1.2, linestyle="-.", markersize=5)
    axes.axhline(1.0, color=style.SOFT, linestyle=":", linewidth=1.4)
    axes.set_ylim(bottom=0.0)
    parameter = tuning.objective.measure.parameter
    axes.set_ylabel(f"bias² and variance / CRB, {'mean of all' if parameter is None else _symbol(tuning, parameter)}")


_BIAS = Line2D([], [], color=style.PALETTE[1], label="bias² / CRB")
_VARIANCE = Line2D([], [], color=style.PALETTE[2], linestyle="-.", label="variance / CRB")


def _found(tuning: Tuning, one: Candidate, index: int) -> Found:
    outcome = tuning.choice.outcomes[one.name]
    return outcome.objective if index == 0 else outcome.limited[index - 1]


def _set_scale(axes: Axes, axis: Axis) -> None:
    """Equal ratios on a logarithmic axis, on which 0 keeps a place of its own."""
    if axis.is_log:
        smallest = min(value for value in axis.values if value > 0)
        axes.set_xscale("symlog", linthresh=smallest) if 0.0 in axis.values else axes.set_xscale("log")


def _label(tuning: Tuning, measure: Measure) -> str:
    of = "" if measure.parameter is None else f" of {_symbol(tuning, measure.parameter)}"
    return f"{_QUANTITIES[measure.quantity]}{of}" + (f" ({unit})" if (unit := _unit(tuning, measure)) else "")


def _symbol(tuning: Tuning, name: str) -> str:
    return style.symbol(next(p for p in tuning.comparison.parameters if p.name == name))


def _unit(tuning: Tuning, measure: Measure) -> str:
    if measure.is_relative:
        return measure.unit("")
    return style.display_unit(next(p for p in tuning.comparison.parameters if p.name == measure.parameter))


def _factor(tuning: Tuning, measure: Measure) -> float:
    if measure.is_relative:
        return 1.0
    return style.display_scale(next(p for p in tuning.comparison.parameters if p.name == measure.parameter))


def _handles(tuning: Tuning, axis: Axis) -> list[Line2D]:
    lines = [
        Line2D([], [], color=style.PALETTE[(0, 2, 3, 4, 5)[i % 5]], marker=_MARKERS[i % 5], label=common)
        for i, common in enumerate(_lines(tuning, axis))
        if common
    ]
    chosen = Line2D(
        [], [], color=_CHOSEN, marker="o", linestyle="", markerfacecolor="none", markersize=10, markeredgewidth=1.8,
        label=f"chosen: {tuning.choice.chosen}",
    )  # fmt: skip
    bound = Line2D([], [], color=style.SOFT, linestyle=":", label="1: an efficient unbiased estimator's variance")
    limit = Line2D([], [], color=style.SOFT, linestyle="--", label="limit")
    return [*lines, chosen, _BIAS, _VARIANCE, bound, *([limit] if tuning.objective.limits else [])]
