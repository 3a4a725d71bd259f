"""The figures of Zhang et al. (2022) from our results: loss per parameter, and maps over two-parameter grids."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raofit.plot import style
from raofit.plot.curves import Line
from raofit.studies.zhang2022 import CRB, ESTIMATED, METHODS, MSE, RELATIVE, TITLES, Plane
from raofit.studies.zhang2022_results import StudyResults

LINES = {MSE.name: Line("#0072b2"), RELATIVE.name: Line("#009e73", "--"), CRB.name: Line("#d55e00")}
_ROOM = 1.15


def figure_loss(results: StudyResults) -> Figure:
    """MSE-CRB of each parameter and of all on the validation set after every epoch, with its ideal of 1."""
    figure = style.new_figure(3.0 * (1 + len(ESTIMATED)), 3.0)
    panels = figure.subplots(1, 1 + len(ESTIMATED), sharey=True)
    symbols = {parameter.name: style.symbol(parameter) for parameter in results.parameters}
    for axes, name in zip(panels, (None, *ESTIMATED), strict=True):
        for method, history in results.histories.items():
            losses = history["mse_crb"]
            values = np.mean(list(losses.values()), axis=0) if name is None else losses[name]
            line = LINES[method]
            axes.plot(
                1 + np.arange(len(values)), values, color=line.color, linestyle=line.linestyle, label=TITLES[method]
            )
        axes.axhline(1.0, color=style.INK, linewidth=0.8, linestyle=":", label="efficient and unbiased")
        axes.set_title("mean of the three" if name is None else symbols[name], fontsize=9.5)
        axes.set_yscale("log")
        style.quiet(axes).set_xlabel("epoch")
    panels[0].set_ylabel("CRB-weighted squared error")
    style.legend_below(figure, panels[0].get_legend_handles_labels()[0])
    return figure


def figure_shares(results: StudyResults) -> Figure:
    """CRB-weighted squared bias and variance on held-out fingerprints: bars that end at 1 at best."""
    figure = style.new_figure(2.7 * len(ESTIMATED), 3.0)
    panels = figure.subplots(1, len(ESTIMATED))
    names = [method.name for method in METHODS if method.name in results.held_out]
    for axes, parameter in zip(panels, results.parameters, strict=True):
        for position, name in enumerate(names):
            evaluation = results.held_out[name]
            column = evaluation.parameter_names.index(parameter.name)
            variance = float(evaluation.weighted_variance[:, column].mean())
            bias = max(float(evaluation.weighted_squared_bias[:, column].mean()), 0.0)
            axes.bar(position, variance, color=LINES[name].color, width=0.65)
            axes.bar(
                position, bias, bottom=variance, color=LINES[name].color, alpha=0.4, hatch="///", edgecolor="white",
                linewidth=0, width=0.65,
            )  # fmt: skip
            height = variance + bias
            axes.annotate(
                f"{height:.3g}", (position, height), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8
            )
        axes.axhline(1.0, color=style.INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(0, _ROOM * axes.get_ylim()[1])
        axes.set_xticks(range(len(names)), [TITLES[name].split(" (")[0].replace(" / ", " /\n") for name in names])
        axes.set_title(style.symbol(parameter), fontsize=9.5)
        style.quiet(axes).grid(False, axis="x")
    panels[0].set_ylabel("squared error / CRB")
    return figure


def figure_plane(results: StudyResults, plane: Plane, snr: float) -> Figure:
    """Bias and standard deviation over a plane, MSE beside MSE-CRB, and √CRB; the paper's color scales."""
    figure = style.new_figure(10.6, 6.6)
    grid = figure.subplots(len(ESTIMATED), 5, sharex=True, sharey=True)
    by_name = {parameter.name: parameter for parameter in results.parameters}
    columns = [
        (f"bias of {{}}, {MSE.title}", MSE.name, "bias"),
        (f"bias of {{}}, {CRB.title}", CRB.name, "bias"),
        (f"std of {{}}, {MSE.title}", MSE.name, "std"),
        (f"std of {{}}, {CRB.title}", CRB.name, "std"),
        ("√CRB of {}", CRB.name, "crb_std"),
    ]
    for row, name in zip(grid, ESTIMATED, strict=True):
        largest_bias, largest_std = plane.limits[name]
        images = {}
        for axes, (title, method, quantity) in zip(row, columns, strict=True):
            is_bias = quantity == "bias"
            images[is_bias] = _draw(
                axes, results.image(plane, snr, method, quantity, name), plane,
                limits=(-largest_bias, largest_bias) if is_bias else (0.0, largest_std),
                colors="coolwarm" if is_bias else "viridis",
            )  # fmt: skip
            axes.set_title(title.format(style.symbol(by_name[name])), fontsize=8.5)
        for is_bias, of in ((True, row[:2]), (False, row[2:])):
            bar = figure.colorbar(
                images[is_bias], ax=list(of), shrink=0.9, pad=0.02, extend="both" if is_bias else "max"
            )
            bar.ax.tick_params(labelsize=7.5)
            bar.ax.set_title(style.display_unit(by_name[name]), fontsize=7.5)
        row[0].set_ylabel(style.axis_label(by_name[plane.axes[1]]), fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel(style.axis_label(by_name[plane.axes[0]]), fontsize=9)
    return figure


def _draw(axes: Axes, values: np.ndarray, plane: Plane, *, limits: tuple[float, float], colors: str):
    (left, right), (bottom, top) = plane.ranges.values()
    half = [
        0.5 * (end - start) / max(size - 1, 1)
        for (start, end), size in zip(plane.ranges.values(), values.shape, strict=True)
    ]
    axes.tick_params(labelsize=7.5)
    return axes.imshow(
        values.T, origin="lower", aspect="auto", cmap=colors, vmin=limits[0], vmax=limits[1], interpolation="nearest",
        extent=(left - half[0], right + half[0], bottom - half[1], top + half[1]),
    )  # fmt: skip
