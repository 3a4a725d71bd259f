"""Maps to be looked at in a page: what a viewer shows, as plain data, and how it goes into the page."""

import base64
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.plot.maps import STATUS_COLORS
from raofit.plot.style import NO_ESTIMATE, OUTSIDE_MASK
from raofit.report.codes import Codes, encode, pack
from raofit.report.view import View, planes

if TYPE_CHECKING:
    from raofit.report.blocks import Figure

_TWO_COLUMNS, _THREE_COLUMNS = (1, 2), (3, 5, 6, 9)


@dataclasses.dataclass(frozen=True)
class Layer:
    """One map of a viewer.

    Parameters
    ----------
    name : what stands over it, such as `D_slow`.
    unit : unit of all its numbers, empty for a pure number.
    values : of the voxels of the view (`View.take`); NaN where there is none.
    limits : the values its colors begin and end at, until the reader chooses others.
    errors : standard errors, likewise; None if it has none.
    error_limits : of the colors of its standard errors.
    colors, error_colors : names of matplotlib color maps; choose perceptually uniform ones.
    description : what it is, in a few words.
    bounds : values its histogram marks, such as fit bounds.
    group : layers of one group have their colors in common (default: its name).
    is_shown : whether it is there at first.
    interval : lower and upper ends of intervals, likewise; None if it has none.
    """

    name: str
    unit: str
    values: Float[np.ndarray, " voxel"]
    limits: tuple[float, float]
    errors: Float[np.ndarray, " voxel"] | None = None
    error_limits: tuple[float, float] = (0.0, 1.0)
    colors: str = "viridis"
    error_colors: str = "magma"
    description: str = ""
    bounds: tuple[float, ...] = ()
    group: str = ""
    is_shown: bool = True
    interval: tuple[Float[np.ndarray, " voxel"], Float[np.ndarray, " voxel"]] | None = None


@dataclasses.dataclass(frozen=True)
class Viewer:
    """Maps in linked panels with one cursor; where scripts do not run the figures stand in its place.

    Parameters
    ----------
    layers : at least one.
    view : which voxels the lists of the layers are of.
    status : how the estimate of each of these voxels went (codes of `raofit.Status`).
    caption : what is shown.
    figures : the same without scripts.
    affine : voxel indices of the whole volume to scanner millimeters; None if they do not say where the patient is.
    voxel_size : mm, for the shape of the pictures where there is no affine.
    interval_words : of which intervals the ends are, such as "95 %".

    Raises
    ------
    RaofitError
        If there is no layer, or a list has another length than the view has voxels.
    """

    layers: Sequence[Layer]
    view: View
    status: UInt8[np.ndarray, " voxel"]
    caption: str
    figures: Sequence["Figure"]
    affine: Float[np.ndarray, "4 4"] | None = None
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interval_words: str = ""

    def __post_init__(self) -> None:
        if not self.layers:
            raise RaofitError(f"viewer `{self.caption}`: expected at least one layer, got none")
        n_voxels = int(np.count_nonzero(self.view.mask))
        lists = {layer.name: layer.values for layer in self.layers} | {"status": self.status}
        lists |= {f"{layer.name} (errors)": layer.errors for layer in self.layers if layer.errors is not None}
        for layer in self.layers:
            lists |= {f"{layer.name} (interval {index})": ends for index, ends in enumerate(layer.interval or ())}
        for name, values in lists.items():
            if np.shape(values) != (n_voxels,):
                raise RaofitError(
                    f"layer `{name}`: expected a list of the view's {n_voxels} voxels, got shape {np.shape(values)}"
                )


def viewer_content(viewer: Viewer) -> dict[str, Any]:
    """What the script of the page reads, JSON-ready; lists of integers are base64 of gzip."""
    view = viewer.view
    size = viewer.voxel_size if viewer.affine is None else np.linalg.norm(viewer.affine[:3, :3], axis=0)
    found = np.unique(viewer.status)
    names = {layer.colors for layer in viewer.layers} | {layer.error_colors for layer in viewer.layers}
    return {
        "shape": list(view.mask.shape),
        "origin": list(view.origin),
        "step": list(view.step),
        "spacing": [float(length) * step for length, step in zip(size, view.step, strict=True)],
        "affine": None if viewer.affine is None else np.asarray(viewer.affine, dtype=float).tolist(),
        "planes": planes(viewer.affine, view.mask.shape),
        "mask": pack(view.mask.T.astype(np.uint8)),
        "status": pack(viewer.status.astype(np.uint8)),
        "words": {str(int(code)): _words(Status(int(code)), viewer.status) for code in found},
        "layers": [_layer(layer, view.bits) for layer in viewer.layers],
        "colorMaps": {name: _color_map(name) for name in sorted(names)},
        "outside": OUTSIDE_MASK,
        "missing": NO_ESTIMATE,
        "intervalWords": viewer.interval_words,
    }


def panel_columns(viewer: Viewer) -> int:
    """How many panels stand side by side on a wide screen."""
    n_panels = sum(layer.is_shown for layer in viewer.layers) + 1
    return 2 if n_panels in _TWO_COLUMNS else 3 if n_panels in _THREE_COLUMNS else 4


def status_name(status: Status) -> str:
    """The code in small letters."""
    return status.name.replace("_", " ").lower()


def _words(status: Status, statuses: np.ndarray) -> Mapping[str, Any]:
    share = float(np.mean(statuses == status))
    return {
        "name": status_name(status),
        "sentence": status.sentence,
        "color": STATUS_COLORS[status],
        "share": share,
        "usable": status.is_usable,
    }


def _layer(layer: Layer, bits: int) -> dict[str, Any]:
    return {
        "name": layer.name,
        "unit": layer.unit,
        "group": layer.group or layer.name,
        "bounds": [float(bound) for bound in layer.bounds if np.isfinite(bound)],
        "values": _quantity(encode(layer.values, bits), layer.limits, layer.colors),
        "errors": None
        if layer.errors is None
        else _quantity(encode(layer.errors, bits), layer.error_limits, layer.error_colors),
        "interval": None if layer.interval is None else [_numbers(encode(ends, bits)) for ends in layer.interval],
    }


def _quantity(codes: Codes, limits: tuple[float, float], colors: str) -> dict[str, Any]:
    return _numbers(codes) | {"limits": [float(limit) for limit in limits], "colors": colors}


def _numbers(codes: Codes) -> dict[str, Any]:
    return {
        "center": codes.center,
        "scale": codes.scale,
        "start": codes.start,
        "step": codes.step,
        "bits": codes.bits,
        "data": codes.text(),
    }


@functools.cache
def _color_map(name: str) -> str:
    """256 colors as base64 of red, green, blue."""
    colors = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(np.ascontiguousarray(colors).tobytes()).decode("ascii")
