"""The figures of the fingerprinting study: the train, errors against SNR and over T1 and T2, and the digital brain."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from raofit.core.parameter import Parameter
from raofit.evaluation.evaluate import Evaluation
from raofit.models import MRFFISP, AbstractSignalModel
from raofit.plot import style
from raofit.plot.curves import BOUND, Line
from raofit.plot.maps import plot_map_grid
from raofit.studies.fingerprinting import (
    DICTIONARY,
    ESTIMATED,
    MSE,
    MSE_CRB,
    NLLS,
    ONE_STEP,
    PLANE_METHODS,
    RANGES,
    REDUCED,
    TITLES,
    tissue_values,
)
from raofit.studies.fingerprinting_results import StudyResults, relative
from raofit.studies.fingerprinting_scans import DICTIONARY_B1, NLLS_B1, ScanStudy, upright

LINES = {
    MSE: Line("#8a6d3b", ":"),
    MSE_CRB: Line("#1f5fbf", "-"),
    REDUCED: Line("#c8281e", "-"),
    ONE_STEP: Line("#d98200", "-", "D"),
    NLLS: Line("#000000", "-", "o"),
    DICTIONARY: Line("#1a7f4e", "-", "s"),
    DICTIONARY_B1: Line("#7f5f3f", "-", "s"),
    NLLS_B1: Line("#6b7480", "-", "o"),
}
COLUMN_TITLES = {
    MSE_CRB: "MSE-CRB", REDUCED: "Bias-Reduced", ONE_STEP: "One step", NLLS: "Least squares", DICTIONARY: "Dictionary",
    DICTIONARY_B1: "Dictionary\nwith B1 map", NLLS_B1: "Least squares\nwith B1 map",
}  # fmt: skip
_BOXED = ("white matter", "cortex")
_MILLI = 1e3


def all_figures(train: AbstractSignalModel, results: StudyResults) -> dict[str, Figure]:
    """Every figure by the name of its file."""
    parameters = displayed(train.parameters)
    figures = {"sequence": figure_sequence(train)} if isinstance(train, MRFFISP) else {}
    figures["snr"] = figure_snr(results, parameters)
    for name, parameter in zip(ESTIMATED, parameters, strict=True):
        figures[f"plane-{name}"] = figure_plane(results, name, parameter)
    for name, scan in results.scans.items():
        figures[f"maps-{name}"] = figure_maps(scan, parameters)
        figures[f"differences-{name}"] = figure_differences(scan, parameters)
        figures[f"boxes-{name}"] = figure_boxes(scan, parameters)
    return figures


def displayed(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """T1 and T2 as axes show them: in ms."""
    return tuple(dataclasses.replace(parameter, unit="ms") for parameter in parameters[: len(ESTIMATED)])


def figure_sequence(train: MRFFISP) -> Figure:
    """Flip angles, and the signals of white and gray matter."""
    figure = style.new_figure(9.0, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    pulses = np.arange(1, train.n_measurements + 1)
    upper.plot(pulses, np.rad2deg(train.flip_angles), color=style.INK, linewidth=1.2)
    style.quiet(upper).set_ylabel("flip angle (°)")
    for (word, values), color in zip(tissue_values().items(), style.PALETTE[1:], strict=False):
        signal = np.asarray(train.signal(np.array([values])))[0].real
        t1, t2 = (style.number(_MILLI * value) for value in values)
        lower.plot(pulses, signal, color=color, linewidth=1.2, label=f"{word}: T1 {t1} ms, T2 {t2} ms")
    style.quiet(lower).set_ylabel("signal (M0)")
    lower.set_xlabel("pulse")
    lower.legend(frameon=False, fontsize=8.5)
    return figure


def figure_snr(results: StudyResults, parameters: Sequence[Parameter]) -> Figure:
    """|Bias| and standard deviation in percent of the truth against SNR, with the efficient estimator."""
    figure = style.new_figure(12.4, 5.6)
    columns = [(tissue, index) for tissue in results.tissues for index in range(len(ESTIMATED))]
    grid = figure.subplots(2, len(columns), sharex=True, sharey="row")
    for (tissue, index), (upper, lower) in zip(columns, grid.T, strict=True):
        by_method = results.tissues[tissue]
        for name, evaluation in by_method.items():
            line = LINES[name]
            for axes, quantity in ((upper, "bias"), (lower, "std")):
                axes.plot(
                    results.snrs, 100 * np.abs(relative(evaluation, quantity))[:, index], color=line.color,
                    linestyle=line.linestyle, marker=line.marker or None, markersize=3.5, linewidth=1.4,
                )  # fmt: skip
        bound = 100 * relative(by_method[REDUCED], "crb_std")[:, index]
        lower.plot(results.snrs, bound, color=BOUND.color, linestyle=BOUND.linestyle, linewidth=1.8)
        upper.set_title(f"{style.symbol(parameters[index])} of {tissue}", fontsize=9.5)
        for axes in (upper, lower):
            style.quiet(axes)
        lower.set_xlabel("SNR (|M0|/σ)")
    for axes in grid[:, 0]:  # each row shares its limits
        axes.set_ylim(bottom=0)
    grid[0, 0].set_ylabel("|bias| (%)")
    grid[1, 0].set_ylabel("standard deviation (%)")
    methods = next(iter(results.tissues.values()))
    bound_line = Line2D([], [], color=BOUND.color, linestyle=BOUND.linestyle, label="efficient estimator")
    style.legend_below(figure, [*_handles(methods), bound_line])
    return figure


def figure_plane(results: StudyResults, name: str, parameter: Parameter) -> Figure:
    """Bias and standard deviation of one parameter over T1 and T2, in units of √CRB; √CRB itself in percent."""
    figure = style.new_figure(13.2, 5.4)
    grid = figure.subplots(2, len(PLANE_METHODS) + 1, sharex=True, sharey=True)
    crb = results.plane_image(REDUCED, "crb_std", name)
    limits = {"bias": (-1.0, 1.0, "coolwarm"), "std": (0.0, 2.0, "PuOr")}
    words = {"bias": "bias", "std": "standard deviation"}
    for row, (quantity, (low, high, colors)) in zip(grid, limits.items(), strict=True):
        for axes, method in zip(row, PLANE_METHODS, strict=False):
            values = results.plane_image(method, quantity, name) / crb
            image = _draw_plane(axes, results, values, low, high, colors)
            axes.set_title(COLUMN_TITLES[method], fontsize=9.5)
        bar = figure.colorbar(image, ax=list(row[:-1]), shrink=0.9, pad=0.01, extend="both")
        bar.set_label(f"{words[quantity]} of {style.symbol(parameter)} (√CRB)", fontsize=9)
        row[0].set_ylabel("T2 (ms)")
    bound = _draw_plane(grid[0, -1], results, 100 * crb, 0.0, float(np.nanquantile(100 * crb, 0.98)), "viridis")
    grid[0, -1].set_title("efficient estimator", fontsize=9.5)
    figure.colorbar(bound, ax=grid[0, -1], shrink=0.9, extend="max").set_label(
        f"√CRB of {style.symbol(parameter)} (%)", fontsize=9
    )
    grid[1, -1].set_axis_off()
    for axes in (*grid[1, :-1], grid[0, -1]):
        axes.set_xlabel("T1 (ms)")
        axes.tick_params(labelbottom=True)
    return figure


def _draw_plane(axes, results: StudyResults, values: np.ndarray, low: float, high: float, colors: str):
    x, y = (_MILLI * results.plane_axes[name] for name in ESTIMATED)
    image = axes.pcolormesh(x, y, values.T, cmap=colors, vmin=low, vmax=high, rasterized=True)
    axes.set_xscale("log")
    axes.set_yscale("log")
    (left, right), (bottom, top) = ((_MILLI * low, _MILLI * high) for low, high in RANGES.values())
    axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=style.INK, linewidth=1))
    style.quiet(axes, grid=False)
    for axis, ticks in ((axes.xaxis, (300, 1000, 3000)), (axes.yaxis, (20, 50, 100, 300))):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    return image


def figure_maps(scan: ScanStudy, parameters: Sequence[Parameter]) -> Figure:
    """Truth and estimates of the digital brain."""
    columns = {"Truth": _volumes(scan, scan.truths)}
    columns |= {title: _volumes(scan, scan.values[name]) for name, title in _shown(scan).items()}
    limits = {"T1": (0.0, 2500.0), "T2": (0.0, 200.0)}
    return plot_map_grid(columns, parameters, upright(scan.mask), limits=limits)


def figure_differences(scan: ScanStudy, parameters: Sequence[Parameter]) -> Figure:
    """Estimates − truth in percent of the truth."""
    relative_parameters = [dataclasses.replace(parameter, unit="%") for parameter in parameters]
    columns = {
        title: _volumes(scan, 100 * (scan.values[name] / scan.truths - 1.0), factor=1.0)
        for name, title in _shown(scan).items()
    }
    limits = dict.fromkeys(ESTIMATED, (-40.0, 40.0))
    return plot_map_grid(columns, relative_parameters, upright(scan.mask), limits=limits, is_error=True)


def figure_boxes(scan: ScanStudy, parameters: Sequence[Parameter]) -> Figure:
    """Boxes of the estimates in white and gray matter, in percent of each voxel's truth."""
    figure = style.new_figure(10.4, 4.2)
    methods = _shown(scan)
    for axes, (region, index) in zip(
        figure.subplots(1, 2 * len(_BOXED), sharey=True),
        [(region, index) for index in range(len(ESTIMATED)) for region in _BOXED],
        strict=True,
    ):
        for place, name in enumerate(methods):
            color = LINES[name].color
            errors = 100 * scan.errors(name, region)[:, index]
            axes.boxplot(
                [errors[np.isfinite(errors)]], positions=[place], widths=0.65, showfliers=False, patch_artist=True,
                manage_ticks=False, boxprops={"facecolor": color, "alpha": 0.35, "edgecolor": color},
                medianprops={"color": color}, whiskerprops={"color": color}, capprops={"color": color},
            )  # fmt: skip
        axes.axhline(0.0, color=style.INK, linewidth=0.9)
        axes.set_xticks([])
        style.quiet(axes).set_title(f"{style.symbol(parameters[index])}, {region}", fontsize=9.5)
    figure.axes[0].set_ylabel("error (% of the truth)")
    style.legend_below(
        figure,
        [
            Patch(facecolor=LINES[name].color, alpha=0.5, label=title.replace("\n", " "))
            for name, title in methods.items()
        ],
        columns=6,
    )
    return figure


def _shown(scan: ScanStudy) -> dict[str, str]:
    """Methods with a column of their own, in order."""
    return {name: title for name, title in COLUMN_TITLES.items() if name in scan.values}


def _volumes(scan: ScanStudy, values: np.ndarray, factor: float = _MILLI) -> dict[str, np.ndarray]:
    return {name: factor * scan.volume(values[:, index]) for index, name in enumerate(ESTIMATED)}


def _handles(methods: Mapping[str, Evaluation]) -> list[Line2D]:
    return [
        Line2D([], [], color=LINES[name].color, linestyle=LINES[name].linestyle, marker=LINES[name].marker or None,
               markersize=4, label=TITLES[name])
        for name in methods
    ]  # fmt: skip
