"""Two methods point by point over the whole grid: two-dimensional histograms (Epstein 2022, fig. 11)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from raofit.core.parameter import Parameter
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.tables import QUANTITIES
from raofit.plot import style
from raofit.plot.curves import WORDS


def plot_density(
    horizontal: Evaluation,
    vertical: Evaluation,
    parameters: Sequence[Parameter],
    *,
    labels: tuple[str, str],
    n_bins: int = 39,
) -> Figure:
    """Rows bias, std, RMSE; columns parameters; each grid point falls at (value of one method, value of the other).

    Points below the identity line have the smaller value with the `vertical` method.
    """
    figure = style.new_figure(3.0 * len(parameters) + 0.9, 8.6)
    grid = figure.subplots(3, len(parameters), squeeze=False)
    image = None
    for row, quantity in zip(grid, QUANTITIES, strict=True):
        for axes, parameter in zip(row, parameters, strict=True):
            column = horizontal.parameter_names.index(parameter.name)
            factor = style.display_scale(parameter)
            x = factor * getattr(horizontal, quantity)[:, column]
            y = factor * getattr(vertical, quantity)[:, column]
            low, high = np.nanmin([x, y]), np.nanmax([x, y])
            margin = 0.03 * (high - low) or 1e-12
            edges = np.linspace(low - margin, high + margin, n_bins + 1)
            counts = np.histogram2d(x, y, bins=(edges, edges))[0]
            image = axes.pcolormesh(
                edges, edges, np.where(counts > 0, counts, np.nan).T, cmap="viridis_r",
                norm=LogNorm(1, max(len(x) / 20, 2)), rasterized=True,
            )  # fmt: skip
            axes.plot(edges[[0, -1]], edges[[0, -1]], color=style.INK, linewidth=0.8)
            axes.set_aspect("equal")
            unit = style.display_unit(parameter)
            axes.set_title(
                f"{WORDS[quantity]} {style.symbol(parameter)}" + (f" ({unit})" if unit else ""), fontsize=9.5
            )
            style.quiet(axes, grid=False).set_xlabel(labels[0])
            axes.set_ylabel(labels[1])
    figure.colorbar(image, ax=list(grid.flat), shrink=0.4, pad=0.01, label="grid points per cell")
    return figure
