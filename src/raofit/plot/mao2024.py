"""The simulated figures of Mao et al. (2024) from our results, with the paper's axes."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from raofit.core.parameter import Parameter
from raofit.evaluation.evaluate import Evaluation
from raofit.plot import style
from raofit.plot.curves import BOUND, Line
from raofit.studies.mao2024 import (
    BOX_R2F,
    LOW_LAMBDA,
    MSE,
    MSE_CRB,
    NLLS,
    ONE_STEP,
    ONE_STEP_CRB,
    REDUCED,
    SHOWN,
    TEST_LEVEL,
    TITLES,
    WHITE_MATTER,
)
from raofit.studies.mao2024_results import OutsideStudy, relative

LINES = {
    MSE: Line("#8a6d3b", ":"),
    MSE_CRB: Line("#1f5fbf", "-"),
    REDUCED: Line("#c8281e", "-"),
    LOW_LAMBDA: Line("#1a7f4e", "-"),
    ONE_STEP: Line("#d98200", "-", "D"),
    ONE_STEP_CRB: Line("#7f5f3f", "-", "s"),
    NLLS: Line("#000000", "-", "o"),
}
TOPS = {"m0s": 25, "R1f": 25, "R2f": 12, "Rx": 45, "R1s": 40, "T2s": 60}  # percent, the axes of figure 2
_LEAST = 1e-4  # squared biases below this (in units of the CRB) are counted here


def displayed(parameter: Parameter) -> tuple[Parameter, float]:
    """The parameter as axes show it, and the factor that brings its values there: µs in place of s."""
    if parameter.unit != "s":
        return parameter, 1.0
    ranges = {name: tuple(1e6 * end for end in getattr(parameter, name)) for name in ("bounds", "typical")}
    return dataclasses.replace(parameter, unit="µs", **ranges), 1e6


def figure_boxes(
    boxes: Mapping[str, Float[np.ndarray, "value draw parameter"]],
    p_values: Float[np.ndarray, "value parameter"],
    parameters: Sequence[Parameter],
) -> Figure:
    """Figure 1: boxes of estimates against R2f; stars where the means of the networks differ."""
    figure = style.new_figure(10.4, 5.6)
    places = np.arange(len(BOX_R2F))
    for index, (axes, parameter) in enumerate(zip(figure.subplots(2, 3).flat, parameters[: len(SHOWN)], strict=True)):
        shown, factor = displayed(parameter)
        for offset, name in ((-0.19, MSE_CRB), (0.19, REDUCED)):
            color = LINES[name].color
            axes.boxplot(
                [values[np.isfinite(values)] for values in factor * boxes[name][..., index]],
                positions=places + offset, widths=0.32, showfliers=False, patch_artist=True, manage_ticks=False,
                boxprops={"facecolor": color, "alpha": 0.35, "edgecolor": color}, medianprops={"color": color},
                whiskerprops={"color": color}, capprops={"color": color},
            )  # fmt: skip
        truth = np.array(BOX_R2F) if parameter.name == "R2f" else np.full(len(BOX_R2F), WHITE_MATTER[index])
        axes.hlines(factor * truth, places - 0.45, places + 0.45, color=style.INK, linewidth=1.3)
        for place in places[p_values[:, index] < TEST_LEVEL]:
            axes.text(place, 0.99, "*", transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=11)
        style.quiet(axes).set_ylabel(style.axis_label(shown))
        axes.set_xticks(places, [f"{value:g}" for value in BOX_R2F])
        axes.margins(y=0.12)
    for axes in figure.axes[3:]:
        axes.set_xlabel(style.axis_label(parameters[SHOWN.index("R2f")], "true"))
    handles = [Patch(facecolor=LINES[name].color, alpha=0.5, label=TITLES[name]) for name in (MSE_CRB, REDUCED)]
    style.legend_below(figure, [*handles, Line2D([], [], color=style.INK, label="truth")])
    return figure


def figure_snr(
    by_method: Mapping[str, Evaluation],
    snrs: Mapping[str, Float[np.ndarray, " snr"]],
    parameters: Sequence[Parameter],
) -> Figure:
    """Figure 2: |bias| and standard deviation in percent of the truth against SNR, with the efficient estimator."""
    figure = style.new_figure(14.2, 5.2)
    grid = figure.subplots(2, len(SHOWN), sharex=True, squeeze=False)
    widest = max(by_method, key=lambda name: len(snrs[name]))
    bound = 100 * relative(by_method[widest], "crb_std")
    for index, column in enumerate(grid.T):
        for axes, quantity, words in zip(column, ("bias", "std"), ("|bias| of", "std of"), strict=True):
            for name, evaluation in by_method.items():
                values = 100 * np.abs(relative(evaluation, quantity))[:, index]
                line = LINES[name]
                axes.plot(
                    snrs[name], values, color=line.color, linestyle=line.linestyle, marker=line.marker or None,
                    markersize=3.5, linewidth=1.4,
                )  # fmt: skip
            if quantity == "std":
                axes.plot(snrs[widest], bound[:, index], color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.8)
            axes.set_ylim(0, TOPS[SHOWN[index]])
            style.quiet(axes).set_ylabel(f"{words} {style.symbol(parameters[index])} (%)")
        column[-1].set_xlabel("SNR (|M0|/σ)")
    style.legend_below(figure, [*_handles(by_method), _bound_handle()], columns=5)
    return figure


def figure_histograms(by_method: Mapping[str, Evaluation], parameters: Sequence[Parameter]) -> Figure:
    """Figure 3: CRB-weighted squared bias and variance over held-out fingerprints, on logarithmic axes."""
    figure = style.new_figure(14.2, 5.4)
    grid = figure.subplots(2, len(SHOWN), squeeze=False)
    edges = np.logspace(np.log10(_LEAST), 2, 40), np.logspace(-2, np.log10(20), 40)
    words = "bias²/CRB", "variance/CRB"
    for index, column in enumerate(grid.T):
        for axes, quantity, bins, word in zip(
            column, ("weighted_squared_bias", "weighted_variance"), edges, words, strict=True
        ):
            for name, evaluation in by_method.items():
                values = np.clip(getattr(evaluation, quantity)[:, index], bins[0], bins[-1])
                shares = np.full(values.size, 1.0 / values.size)
                axes.hist(
                    values, bins=bins.tolist(), weights=shares, histtype="step", color=LINES[name].color, linewidth=1.3
                )
            axes.set_xscale("log")
            axes.set_yscale("log")
            if quantity == "weighted_variance":
                axes.axvline(1.0, color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.2)
            style.quiet(axes).set_xlabel(f"{word} of {style.symbol(parameters[index])}")
    for row in grid:
        row[0].set_ylabel("share of fingerprints")
    style.legend_below(figure, _handles(by_method))
    return figure


def figure_outside(study: OutsideStudy, parameters: Sequence[Parameter]) -> Figure:
    """Supplementary figure 1: the same against the distance from the middle of the training distribution."""
    figure = style.new_figure(14.2, 5.2)
    grid = figure.subplots(2, len(SHOWN), sharex=True, squeeze=False)
    for index, column in enumerate(grid.T):
        for axes, quantity, word in zip(
            column, ("weighted_squared_bias", "weighted_variance"), ("bias²/CRB", "variance/CRB"), strict=True
        ):
            for name, evaluation in study.evaluations.items():
                values = np.maximum(getattr(evaluation, quantity)[:, index], _LEAST)
                _scatter(axes, study, values, LINES[name].color)
            axes.set_yscale("log")
            style.quiet(axes).set_ylabel(f"{word} of {style.symbol(parameters[index])}")
        column[-1].axhline(1.0, color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.2)
        column[-1].set_xlabel("z-score distance")
    marks = [
        Line2D([], [], color=style.SOFT, linestyle="", marker="o", markersize=4, label="within the training range"),
        Line2D([], [], color=style.SOFT, linestyle="", marker="x", markersize=5, label="outside"),
    ]
    style.legend_below(figure, [*_handles(study.evaluations), *marks])
    return figure


def _scatter(axes: Axes, study: OutsideStudy, values: np.ndarray, color: str) -> None:
    inside = study.is_inside
    axes.scatter(study.distance[inside], values[inside], s=6, color=color, alpha=0.5, linewidths=0)
    axes.scatter(study.distance[~inside], values[~inside], s=10, color=color, alpha=0.5, marker="x", linewidths=0.8)


def _handles(names: Mapping[str, object]) -> list[Line2D]:
    return [
        Line2D([], [], color=LINES[name].color, linestyle=LINES[name].linestyle, marker=LINES[name].marker or None,
               markersize=4, label=TITLES[name])
        for name in names
    ]  # fmt: skip


def _bound_handle() -> Line2D:
    return Line2D([], [], color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.8, label="efficient estimator")
