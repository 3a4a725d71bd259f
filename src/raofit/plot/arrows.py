"""Where estimates go on average: arrows from the truth to the mean estimate (Epstein 2022, figs. 4 and 9)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from raofit.core.parameter import Parameter
from raofit.evaluation.tables import Arrows
from raofit.plot import style


def plot_arrows(
    rows: Mapping[str, Sequence[Arrows]], parameters: Sequence[Parameter], *, colors: Mapping[str, str] | None = None
) -> Figure:
    """One row per method, one panel per plane; arrows start at the truth and end at the mean estimate.

    The box is the range of the truths; axes extend a quarter of it beyond, or as far as the arrows reach.

    Parameters
    ----------
    rows : `{method: planes}`, every method with the same planes.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    n_columns = len(next(iter(rows.values())))
    figure = style.new_figure(3.3 * n_columns + 0.2, 3.0 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    for column in range(n_columns):
        planes = [planes[column] for planes in rows.values()]
        limits = [_limits(planes, axis) for axis in ("x", "y")]
        for axes, (method, of_method) in zip(grid[:, column], rows.items(), strict=True):
            arrows = of_method[column]
            horizontal, vertical = by_name[arrows.x_name], by_name[arrows.y_name]
            x_factor, y_factor = style.display_scale(horizontal), style.display_scale(vertical)
            x, y = x_factor * arrows.x, y_factor * arrows.y
            corner, opposite = (x.min(), y.min()), (x.max(), y.max())
            axes.add_patch(
                Rectangle(
                    corner, opposite[0] - corner[0], opposite[1] - corner[1], facecolor="#f5f7f9",
                    edgecolor=style.SOFT, linewidth=0.8, zorder=0,
                )
            )  # fmt: skip
            axes.quiver(
                x, y, x_factor * arrows.x_shift, y_factor * arrows.y_shift, angles="xy", scale_units="xy", scale=1,
                width=0.004, headwidth=4.5, headlength=5, color=(colors or {}).get(method, style.PALETTE[2]),
            )  # fmt: skip
            axes.plot(x.ravel(), y.ravel(), ".", color=style.SOFT, markersize=1.8)
            axes.set_xlim(*(x_factor * limit for limit in limits[0]))
            axes.set_ylim(*(y_factor * limit for limit in limits[1]))
            style.quiet(axes, grid=False).set_xlabel(style.axis_label(horizontal))
            axes.set_ylabel(style.axis_label(vertical))
            axes.set_title(method, fontsize=9.5)
    return figure


def _limits(planes: Sequence[Arrows], axis: str) -> tuple[float, float]:
    """Range of the truths extended by a quarter, and further if a mean estimate lies beyond."""
    truth = np.concatenate([getattr(plane, axis).ravel() for plane in planes])
    mean = np.concatenate([(getattr(plane, axis) + getattr(plane, f"{axis}_shift")).ravel() for plane in planes])
    margin = 0.25 * (truth.max() - truth.min())
    low, high = truth.min() - margin, truth.max() + margin
    return min(low, float(np.nanmin(mean)) - 0.1 * margin), max(high, float(np.nanmax(mean)) + 0.1 * margin)
