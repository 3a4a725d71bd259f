"""What a set of maps says as a whole: status counts, quantiles, shares on bounds."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from raofit.core.parameter import Parameter
from raofit.core.status import Status
from raofit.engine import Slab, slab_axis
from raofit.io.text_formats import count_of, share_of
from raofit.plot.maps import fullest_slice

_SAMPLE_VOXELS = 1_000_000
_SLICES = 2  # the axis slabs of a volume are cut along
_BOUND_TOLERANCE = 1e-4  # of the width of the bounds


@dataclasses.dataclass(frozen=True)
class MapSummary:
    """Figures over all estimated voxels (over an even subset of them beyond a million), and one slice to show.

    Parameters
    ----------
    counts : voxels of the mask per status.
    values, standard_errors : (voxel, parameter) of voxels with an estimate.
    is_ok : which of them have the status OK.
    shares_on_bound : per parameter, the share of those on the lower and on the upper bound.
    slice_index : the slice with most voxels in the mask.
    slice_values, slice_errors, slice_status, slice_diagnostics : its maps, (x, y, 1[, parameter]).
    diagnostics : of the voxels with an estimate, by name.
    """

    counts: dict[Status, int]
    values: Float[np.ndarray, "voxel parameter"]
    standard_errors: Float[np.ndarray, "voxel parameter"]
    is_ok: Bool[np.ndarray, " voxel"]
    shares_on_bound: Float[np.ndarray, "parameter 2"]
    slice_index: int
    slice_values: Float[np.ndarray, "x y 1 parameter"]
    slice_errors: Float[np.ndarray, "x y 1 parameter"]
    slice_status: UInt8[np.ndarray, "x y 1"]
    diagnostics: dict[str, Float[np.ndarray, " voxel"]]
    slice_diagnostics: dict[str, Float[np.ndarray, "x y 1"]]

    @property
    def n_voxels(self) -> int:
        """Voxels in the mask."""
        return sum(self.counts.values())

    @property
    def misfit_share(self) -> float | None:
        """Share of the voxels with an estimate that the model does not explain; None if there are none."""
        usable = {status: count for status, count in self.counts.items() if status.is_usable}
        marked = sum(count for status, count in usable.items() if status.is_misfit)
        return marked / sum(usable.values()) if usable else None

    @property
    def medians(self) -> Float[np.ndarray, " parameter"]:
        """Median of each parameter; NaN if no voxel has an estimate."""
        if not len(self.values):
            return np.full(self.values.shape[1], np.nan)
        return np.median(self.values, axis=0)

    def sentences(self, parameters: Sequence[Parameter]) -> list[str]:
        """Medians, then every status other than OK with its count."""
        medians = ", ".join(
            f"{parameter.name} {median:.4g}" + ("" if parameter.unit == "1" else f" {parameter.unit}")
            for parameter, median in zip(parameters, self.medians, strict=True)
        )
        lines = [f"Medians of {count_of(self.n_voxels, 'voxel')}: {medians}."]
        for status, count in self.counts.items():
            if status is not Status.OK:
                voxels = count_of(count, "voxel")
                lines.append(f"{voxels} ({share_of(count, self.n_voxels)}) {status.name}: {status.sentence}")
        return lines


def summarize(
    slabs: Iterable[Slab], mask: Bool[np.ndarray, "x y z"], n_parameters: int, limits: np.ndarray
) -> MapSummary:
    """Summary of the maps; `limits` are the fit bounds (parameter, 2)."""
    stride = max(1, -(-int(np.count_nonzero(mask)) // _SAMPLE_VOXELS))
    shown, axis = fullest_slice(mask), slab_axis(mask.shape)
    counts: dict[Status, int] = {}
    values, errors = [np.empty((0, n_parameters), np.float32)], [np.empty((0, n_parameters), np.float32)]
    is_ok = [np.empty(0, bool)]
    noted: dict[str, list[np.ndarray]] = {}
    slices: list[Slab] = []
    for slab in slabs:
        inside = slab.status != Status.OUTSIDE_MASK
        for code, count in zip(*np.unique(slab.status[inside], return_counts=True), strict=True):
            counts[Status(int(code))] = counts.get(Status(int(code)), 0) + int(count)
        sampled = np.unravel_index(
            np.flatnonzero(inside & (slab.status < Status.NON_FINITE))[::stride], slab.status.shape
        )  # places, not a strided view: that would keep every voxel of the slab
        values.append(slab.values[sampled])
        errors.append(slab.standard_errors[sampled])
        is_ok.append(slab.status[sampled] == Status.OK)
        for name, array in slab.diagnostics.items():
            noted.setdefault(name, []).append(array[sampled])
        if axis != _SLICES or slab.start <= shown < slab.stop:
            slices.append(_part(slab, shown - slab.start) if axis == _SLICES else slab)
    sample = np.concatenate(values)

    def joined(pick: Callable[[Slab], np.ndarray]) -> np.ndarray:
        return np.concatenate([pick(slab) for slab in slices], axis=1)

    return MapSummary(
        dict(sorted(counts.items())),
        sample,
        np.concatenate(errors),
        np.concatenate(is_ok),
        _on_bound(sample, limits),
        shown,
        joined(lambda slab: slab.values),
        joined(lambda slab: slab.standard_errors),
        joined(lambda slab: slab.status),
        {name: np.concatenate(parts) for name, parts in noted.items()},
        {name: joined(lambda slab, name=name: slab.diagnostics[name]) for name in noted},
    )


def _part(slab: Slab, index: int) -> Slab:
    """One slice of a slab."""
    part = (slice(None), slice(None), slice(index, index + 1))
    noted = {name: array[part] for name, array in slab.diagnostics.items()}
    return Slab(index, index + 1, slab.values[part], slab.standard_errors[part], slab.status[part], noted)


def _on_bound(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Share of voxels within a small tolerance of each bound; 0 for infinite bounds."""
    width = limits[:, 1] - limits[:, 0]
    tolerance = np.where(np.isfinite(width), _BOUND_TOLERANCE * width, 0.0)
    if not len(values):
        return np.zeros_like(limits)
    low = np.mean(values <= limits[:, 0] + tolerance, axis=0)
    high = np.mean(values >= limits[:, 1] - tolerance, axis=0)
    return np.stack([low, high], axis=-1)
