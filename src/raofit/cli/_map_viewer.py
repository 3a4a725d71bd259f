"""The maps of a run as layers of a viewer: the voxels its page holds, with units, colors and limits."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from raofit.cli._map_intervals import SIDES
from raofit.core.parameter import Parameter
from raofit.engine import Slab, slab_axis
from raofit.io.nifti import Series
from raofit.plot import style
from raofit.report import Layer, View, choose_view

_COLORS = {"residual": "magma", "relative_residual": "magma", "M0_phase": "twilight"}
_HIDDEN = ("relative_residual", "M0", "M0_phase")

Limits = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class MapVoxels:
    """What the page holds of the maps: lists of the voxels of a view.

    Parameters
    ----------
    view : which voxels.
    values, standard_errors : one row per voxel.
    status : codes of `Status`.
    diagnostics : by name.
    """

    view: View
    values: Float[np.ndarray, "voxel parameter"]
    standard_errors: Float[np.ndarray, "voxel parameter"]
    status: UInt8[np.ndarray, " voxel"]
    diagnostics: Mapping[str, Float[np.ndarray, " voxel"]]


def collect_voxels(
    slabs: Iterable[Slab], mask: Bool[np.ndarray, "x y z"], n_parameters: int, diagnostics: Sequence[str]
) -> MapVoxels:
    """The voxels the page holds, from all slabs of a volume, one slab in memory at a time."""
    view = choose_view(mask, 2 * n_parameters + len(diagnostics))
    axis = slab_axis(mask.shape)
    parts = []
    for slab in slabs:
        maps = [slab.values[..., index] for index in range(n_parameters)]
        maps += [slab.standard_errors[..., index] for index in range(n_parameters)]
        maps += [slab.diagnostics[name] for name in diagnostics]
        lists = np.stack([view.take(volume, slab.start, axis=axis) for volume in maps], axis=-1)
        parts.append((lists, view.take(slab.status, slab.start, axis=axis)))
    lists = np.concatenate([of for of, _ in parts])
    noted = {name: lists[:, 2 * n_parameters + index] for index, name in enumerate(diagnostics)}
    status = np.concatenate([status for _, status in parts])
    return MapVoxels(view, lists[:, :n_parameters], lists[:, n_parameters : 2 * n_parameters], status, noted)


def parameter_layers(
    voxels: MapVoxels, parameters: Sequence[Parameter], spans: Limits, error_spans: Limits, bounds: Limits
) -> list[Layer]:
    """One layer per parameter, with its standard errors, in units a reader wants to see."""
    layers = []
    for index, parameter in enumerate(parameters):
        name = parameter.name
        factor, unit = _scale_and_unit(parameter)
        layers.append(
            Layer(
                name=name,
                unit=unit,
                values=factor * voxels.values[:, index].astype(np.float64),
                limits=_scaled(spans[name], factor),
                errors=factor * voxels.standard_errors[:, index].astype(np.float64),
                error_limits=(0.0, factor * _highest(voxels.standard_errors[:, index], error_spans[name][1])),
                colors="gray" if parameter.is_amplitude else "viridis",
                description=parameter.description,
                bounds=_scaled(bounds[name], factor),
                interval=_interval(voxels, name, factor),
            )
        )
    return layers


def _interval(voxels: MapVoxels, name: str, factor: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Lower and upper ends, if the run made intervals."""
    lower, upper = (voxels.diagnostics.get(f"{name}_{side}") for side in SIDES)
    return None if lower is None or upper is None else (factor * lower, factor * upper)


def diagnostic_layers(voxels: MapVoxels, described: Sequence[Parameter], limits: Limits) -> list[Layer]:
    """One layer per diagnostic."""
    return [
        Layer(
            name=item.name.replace("_", " "),
            unit=style.display_unit(item),
            values=voxels.diagnostics[item.name],
            limits=limits[item.name],
            colors=_COLORS.get(item.name, "gray"),
            description=item.description,
            is_shown=item.name not in _HIDDEN,
        )
        for item in described
    ]


def place_of(series: Series) -> np.ndarray | None:
    """The affine of a series, or None where its header does not say where the patient is."""
    is_placed = int(series.header["sform_code"]) > 0 or int(series.header["qform_code"]) > 0
    return series.affine if is_placed else None


def voxel_size(series: Series) -> tuple[float, float, float]:
    """Millimeters along each axis."""
    x, y, z = (float(size) for size in series.header.get_zooms()[:3])
    return x, y, z


def _scale_and_unit(parameter: Parameter) -> tuple[float, str]:
    """Those of the figures; times below a millisecond are in µs."""
    if parameter.unit == "s" and parameter.typical[1] < 1e-3:
        return 1e6, "µs"
    return style.display_scale(parameter), style.display_unit(parameter)


def _highest(errors: np.ndarray, most: float) -> float:
    """Where the colors of standard errors end: four medians, since few large ones would take all contrast."""
    finite = errors[np.isfinite(errors)]
    middle = float(np.median(finite)) if finite.size else 0.0
    return min(most, float(f"{4 * middle:.2g}")) if middle > 0 else most


def _scaled(pair: tuple[float, float], factor: float) -> tuple[float, float]:
    return factor * float(pair[0]), factor * float(pair[1])
