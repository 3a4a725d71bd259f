"""Maps as pictures: parameter maps, several methods side by side, status, and histograms.

A picture shows one slice, first array axis to the right and second axis up, cut to the mask and a small margin. Voxels
outside the mask are pale gray; voxels inside it without an estimate are magenta.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.status import Status
from raofit.plot import style

Volume = Float[np.ndarray, "x y z"]
Limits = Mapping[str, tuple[float, float]]

STATUS_COLORS = {
    Status.OK: "#4b8f6b",
    Status.AT_BOUND: "#e9b44c",
    Status.NOT_CONVERGED: "#d55e00",
    Status.NOT_IDENTIFIABLE: "#8e6bb3",
    Status.OUT_OF_RANGE: "#56a3d9",
    Status.MISFIT: "#c04f7f",
    Status.AT_BOUND_MISFIT: "#a5673f",
    Status.NOT_CONVERGED_MISFIT: "#7d2e00",
    Status.NOT_IDENTIFIABLE_MISFIT: "#5a3f7d",
    Status.OUT_OF_RANGE_MISFIT: "#2f5f8a",
    Status.NON_FINITE: "#e0007a",
    Status.NON_POSITIVE: "#2b2b2b",
    Status.NEGATIVE: "#9b1c1c",
    Status.NO_SIGMA: "#8a8f98",
    Status.OUTSIDE_MASK: style.OUTSIDE_MASK,
}


def fullest_slice(mask: Bool[np.ndarray, "x y z"]) -> int:
    """Index along the last axis of the slice with the most voxels in the mask."""
    return int(np.argmax(np.count_nonzero(mask, axis=(0, 1))))


def window(mask: Bool[np.ndarray, "x y z"]) -> tuple[slice, slice]:
    """The part of the first two axes that holds the mask, with a margin of a tenth of its size (at least 2 voxels)."""
    ranges = []
    for axis in (0, 1):
        inside = np.flatnonzero(np.any(mask, axis=tuple({0, 1, 2} - {axis})))
        first, last = (inside[0], inside[-1]) if inside.size else (0, mask.shape[axis] - 1)
        margin = max(2, (last - first) // 10)
        ranges.append(slice(int(max(first - margin, 0)), int(min(last + margin + 1, mask.shape[axis]))))
    return ranges[0], ranges[1]


def plot_parameter_maps(
    volumes: Mapping[str, Volume],
    parameters: Sequence[Parameter],
    mask: Bool[np.ndarray, "x y z"] | None = None,
    *,
    slice_index: int | None = None,
    limits: Limits | None = None,
    quantity: str = "",
) -> Figure:
    """One map per parameter, side by side, with the color limits in words under each.

    Parameters
    ----------
    volumes : `{parameter name: volume}` in physical units; parameters without a volume are left out.
    mask : voxels with an estimate; default: those that are finite in some volume.
    slice_index : slice to show; default: the one with the most voxels in the mask.
    limits : `{parameter name: (low, high)}` in physical units; default: range of the middle 96 % of the mask's voxels.
    quantity : words before the symbol in the titles, e.g. "standard error of".
    """
    shown = [parameter for parameter in parameters if parameter.name in volumes]
    mask = _mask_of(volumes, mask)
    index = fullest_slice(mask) if slice_index is None else slice_index
    columns = min(len(shown), 4)
    rows = -(-len(shown) // columns)
    view = window(mask)
    figure = style.new_figure(2.45 * columns, (1.75 * _aspect(view) + 0.95) * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, parameter in zip(grid.flat, shown, strict=False):
        volume = volumes[parameter.name]
        span = (limits or {}).get(parameter.name) or style.nice_limits(volume[mask])
        image = draw_map(axes, volume[*view, index], mask[*view, index], parameter, span)
        axes.set_title(style.axis_label(parameter, quantity), fontsize=10)
        axes.set_xlabel(limits_in_words(volume[mask], parameter, span), fontsize=7.5, color=style.INK)
        figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, extend="both").ax.tick_params(labelsize=7.5)
    return figure


def plot_map_grid(
    methods: Mapping[str, Mapping[str, Volume]],
    parameters: Sequence[Parameter],
    mask: Bool[np.ndarray, "x y z"],
    *,
    limits: Limits,
    slice_index: int | None = None,
    is_error: bool = False,
) -> Figure:
    """Rows of parameters, columns of methods, one color scale per row (Epstein 2022, fig. 7).

    Parameters
    ----------
    methods : `{column title: {parameter name: volume}}`.
    limits : `{parameter name: (low, high)}`: colors of that row.
    is_error : the volumes are signed differences: a diverging color map centered on zero.
    """
    index = fullest_slice(mask) if slice_index is None else slice_index
    view = window(mask)
    figure = style.new_figure(1.95 * len(methods) + 0.9, (1.85 * _aspect(view) + 0.15) * len(parameters) + 0.4)
    grid = figure.subplots(len(parameters), len(methods), squeeze=False)
    for axes, title in zip(grid[0], methods, strict=True):
        axes.set_title(title, fontsize=9)
    for row, parameter in zip(grid, parameters, strict=True):
        span = limits[parameter.name]
        images = [
            draw_map(
                axes, volumes[parameter.name][*view, index], mask[*view, index], parameter, span, is_error=is_error
            )
            for axes, volumes in zip(row, methods.values(), strict=True)
        ]
        row[0].set_ylabel(style.axis_label(parameter, "error of" if is_error else ""), fontsize=9)
        figure.colorbar(images[0], ax=list(row), shrink=0.85, pad=0.01, extend="both").ax.tick_params(labelsize=7.5)
    return figure


def draw_map(
    axes: Axes,
    values: Float[np.ndarray, "x y"],
    mask: Bool[np.ndarray, "x y"],
    parameter: Parameter,
    limits: tuple[float, float],
    *,
    is_error: bool = False,
):
    """Draw one slice into `axes` (in display units) and return the image, for a color bar."""
    factor = style.display_scale(parameter)
    low, high = (factor * limit for limit in limits)
    colors = "coolwarm" if is_error else "gray" if parameter.is_amplitude else "viridis"
    background = np.where(mask & ~np.isfinite(values), 1.0, np.where(mask, np.nan, 0.0))
    axes.imshow(
        background.T, origin="lower", cmap=ListedColormap([style.OUTSIDE_MASK, style.NO_ESTIMATE]), vmin=0, vmax=1,
        interpolation="nearest",
    )  # fmt: skip
    shown = np.where(mask, factor * values, np.nan)
    image = axes.imshow(shown.T, origin="lower", cmap=colors, vmin=low, vmax=high, interpolation="nearest")
    style.no_ticks(axes)
    return image


def limits_in_words(values: np.ndarray, parameter: Parameter, limits: tuple[float, float]) -> str:
    """The color limits and the share of voxels beyond them, as a sentence."""
    factor = style.display_scale(parameter)
    low, high = limits
    finite = values[np.isfinite(values)]
    words = f"colors from {style.number(factor * low)} to {style.number(factor * high)}"
    if finite.size == 0:
        return words + "; no voxel has an estimate"
    below, above = np.mean(finite < low), np.mean(finite > high)
    beyond = [f"{share:.1%} {word}" for share, word in ((below, "below"), (above, "above")) if share > 0]
    missing = 1 - finite.size / values.size
    lines = [words] + ([", ".join(beyond)] if beyond else []) + ([f"{missing:.1%} no estimate"] if missing > 0 else [])
    return "\n".join(lines)


def plot_status_map(
    status: UInt8[np.ndarray, "x y z"], mask: Bool[np.ndarray, "x y z"] | None = None, *, slice_index: int | None = None
) -> Figure:
    """One slice of the status map, with what each color means and how many voxels of the whole mask it has."""
    inside = status != Status.OUTSIDE_MASK if mask is None else mask
    index = fullest_slice(inside) if slice_index is None else slice_index
    codes = list(STATUS_COLORS)
    shown = np.where(inside, status, Status.OUTSIDE_MASK)[*window(inside), index]
    colors = ListedColormap(list(STATUS_COLORS.values()))
    edges = [-0.5, *(0.5 * (int(a) + int(b)) for a, b in itertools.pairwise(codes)), int(codes[-1]) + 0.5]
    figure = style.new_figure(8.2, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    left.imshow(shown.T, origin="lower", cmap=colors, norm=BoundaryNorm(edges, len(codes)), interpolation="nearest")
    style.no_ticks(left)
    right.set_axis_off()
    right.legend(handles=status_legend(status[inside]), loc="center left", frameon=False, fontsize=8.5)
    return figure


def status_legend(status: UInt8[np.ndarray, " voxel"]) -> list[Patch]:
    """One colored patch per status that occurs, labeled with its share and its sentence in two lines."""
    codes, counts = np.unique(status, return_counts=True)
    patches = []
    for code, count in zip(codes, counts, strict=True):
        sentence = Status(int(code)).sentence
        words = sentence.split(" ")
        half = next((i for i in range(1, len(words)) if len(" ".join(words[:i])) > 48), len(words))
        label = f"{count / status.size:.1%}   " + " ".join(words[:half])
        label += "\n" + " " * 10 + " ".join(words[half:]) if half < len(words) else ""
        patches.append(Patch(facecolor=STATUS_COLORS[Status(int(code))], label=label))
    return patches


def plot_histograms(
    volumes: Mapping[str, np.ndarray],
    parameters: Sequence[Parameter],
    mask: Bool[np.ndarray, "..."] | None = None,
    *,
    limits: Limits | None = None,
    bounds: Limits | None = None,
    n_bins: int = 60,
) -> Figure:
    """Histogram of each parameter over the mask; fit bounds inside the axis are dashed lines.

    Values beyond the limits are counted in the outermost bins, so the bars add up to all voxels with an estimate.
    """
    shown = [parameter for parameter in parameters if parameter.name in volumes]
    mask = _mask_of(volumes, mask)
    columns = min(len(shown), 4)
    rows = -(-len(shown) // columns)
    figure = style.new_figure(2.6 * columns + 0.4, 2.1 * rows + 0.2)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, parameter in zip(panels.flat, shown, strict=False):
        values = volumes[parameter.name][mask]
        factor = style.display_scale(parameter)
        low, high = (limits or {}).get(parameter.name) or style.nice_limits(values)
        clipped = np.clip(values[np.isfinite(values)], low, high)
        axes.hist(factor * clipped, bins=np.linspace(factor * low, factor * high, n_bins + 1), color="#35608d")
        for bound in (bounds or {}).get(parameter.name, ()):
            if low <= bound <= high:
                axes.axvline(factor * bound, color=style.PALETTE[1], linestyle="--", linewidth=1)
        style.quiet(axes).set_xlabel(style.axis_label(parameter))
    for axes in panels[:, 0]:
        axes.set_ylabel("voxels")
    return figure


def _aspect(view: tuple[slice, slice]) -> float:
    """Height over width of the shown part, within what a page can hold."""
    width, height = (part.stop - part.start for part in view)
    return float(np.clip(height / width, 0.4, 1.8))


def _mask_of(volumes: Mapping[str, np.ndarray], mask: np.ndarray | None) -> np.ndarray:
    if not volumes:
        raise RaofitError("parameter maps: expected at least one volume, got none")
    shapes = {name: np.shape(volume) for name, volume in volumes.items()}
    if mask is None:
        return np.any([np.isfinite(volume) for volume in volumes.values()], axis=0)
    for name, shape in shapes.items():
        if shape != mask.shape:
            raise RaofitError(f"map of `{name}`: expected the mask's shape {mask.shape}, got {shape}")
    return np.asarray(mask, dtype=bool)
