"""A train of pulses before and after its design: one row per setting that changed, over the number of the pulse."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from raofit.plot import style


def plot_trains(
    before: Mapping[str, Float[np.ndarray, " pulse"]], after: Mapping[str, Float[np.ndarray, " pulse"]]
) -> Figure:
    """Settings of each pulse before and after.

    Parameters
    ----------
    before, after : `{label of the axis: one value per pulse}`, with the same labels.
    """
    figure = style.new_figure(7.2, 2.4 * len(after) + 0.3)
    panels = figure.subplots(len(after), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (label, values) in zip(panels, after.items(), strict=True):
        pulses = np.arange(1, values.size + 1)
        axes.plot(pulses, before[label], color=style.SOFT, linestyle="--", linewidth=1.2, label="before")
        axes.plot(pulses, values, color=style.PALETTE[2], linewidth=1.6, label="after")
        axes.set_xlim(1, values.size)
        axes.set_ylim(0, 1.05 * max(values.max(), before[label].max()))
        style.quiet(axes).set_ylabel(label)
    panels[-1].set_xlabel("pulse")
    style.legend_below(figure, panels[0].get_legend_handles_labels()[0])
    return figure
