"""Figure 4 of Mao et al. (2024): parameter maps of a measured slice, and where the model does not explain it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from raofit.core.parameter import Parameter
from raofit.plot import style
from raofit.plot.mao2024 import displayed
from raofit.plot.maps import plot_map_grid, window
from raofit.studies.mao2024 import MSE_CRB, NLLS, ONE_STEP, REDUCED, SHOWN, TITLES
from raofit.studies.mao2024_slice import SliceStudy

WINDOWS = {
    "m0s": (0.0, 0.3), "R1f": (0.1, 0.7), "R2f": (8.0, 18.0), "Rx": (8.0, 25.0), "R1s": (1.0, 5.0),
    "T2s": (8e-6, 20e-6),
}  # fmt: skip
_COLUMNS = (MSE_CRB, REDUCED, ONE_STEP, NLLS)
_MOST_CHI_SQUARE = 5.0


def figure_slice(study: SliceStudy, parameters: Sequence[Parameter]) -> Figure:
    """Rows of parameters, columns of methods, with the windows of the paper."""
    shown = [displayed(parameter) for parameter in parameters[: len(SHOWN)]]
    columns = {
        TITLES[name].replace(", ", ",\n").replace(" from", "\nfrom"): {
            parameter.name: factor * _upright(study.volume(study.values[name][:, index]))
            for index, (parameter, factor) in enumerate(shown)
        }
        for name in _COLUMNS
    }
    limits = {
        parameter.name: (factor * WINDOWS[parameter.name][0], factor * WINDOWS[parameter.name][1])
        for parameter, factor in shown
    }
    return plot_map_grid(columns, [parameter for parameter, _ in shown], _upright(study.mask[..., None]), limits=limits)


def figure_residual(study: SliceStudy) -> Figure:
    """χ² per degree of freedom of least squares, and the voxels that noise alone does not explain."""
    view = window(_upright(study.mask[..., None]))
    figure = style.new_figure(7.4, 4.4)
    left, right = figure.subplots(1, 2)
    chi_square = _upright(study.volume(study.chi_square))[*view, 0]
    image = left.imshow(chi_square.T, origin="lower", vmin=0, vmax=_MOST_CHI_SQUARE, cmap="magma")
    style.no_ticks(left).set_title("residual: χ²/ν", fontsize=10)
    figure.colorbar(image, ax=left, shrink=0.8, extend="max").ax.tick_params(labelsize=8)
    flags = _upright(study.volume(study.is_flagged.astype(np.float64)))[*view, 0]
    right.imshow(flags.T, origin="lower", vmin=0, vmax=1, cmap=ListedColormap(["#dfe7ee", "#c8281e"]))
    style.no_ticks(right).set_title(f"flagged: {study.is_flagged.mean():.1%} of the voxels", fontsize=10)
    return figure


def _upright(volume: np.ndarray) -> np.ndarray:
    """The first axis of the measured slice runs from back to front: forehead up."""
    return np.swapaxes(volume, 0, 1)
