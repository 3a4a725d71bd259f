"""What a set of maps says as a whole: status counts, quantiles, shares on bounds."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, UInt8

from raofit.core.status import Status
from raofit.engine import Slab
from raofit.models import AbstractSignalModel
from raofit.plot.maps import fullest_slice

_SAMPLE_VOXELS = 1_000_000
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
    slice_values, slice_errors, slice_status : its maps, (x, y, 1[, parameter]).
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

    @property
    def n_voxels(self) -> int:
        """Voxels in the mask."""
        return sum(self.counts.values())

    @property
    def medians(self) -> Float[np.ndarray, " parameter"]:
        """Median of each parameter; NaN if no voxel has an estimate."""
        if not len(self.values):
            return np.full(self.values.shape[1], np.nan)
        return np.median(self.values, axis=0)

    def sentences(self, model: AbstractSignalModel) -> list[str]:
        """Medians, then every status other than OK with its count."""
        medians = ", ".join(
            f"{parameter.name} {median:.4g}" + ("" if parameter.unit == "1" else f" {parameter.unit}")
            for parameter, median in zip(model.parameters, self.medians, strict=True)
        )
        lines = [f"Medians of {self.n_voxels} voxels: {medians}."]
        for status, count in self.counts.items():
            if status is not Status.OK:
                lines.append(f"{count} voxels ({count / self.n_voxels:.1%}) {status.name}: {status.sentence}")
        return lines


def summarize(
    slabs: Iterable[Slab], mask: Bool[np.ndarray, "x y z"], model: AbstractSignalModel, limits: np.ndarray
) -> MapSummary:
    """Summary of the maps; `limits` are the fit bounds (parameter, 2)."""
    n_parameters = len(model.parameters)
    stride = max(1, -(-int(np.count_nonzero(mask)) // _SAMPLE_VOXELS))
    shown = fullest_slice(mask)
    counts: dict[Status, int] = {}
    values, errors = [np.empty((0, n_parameters), np.float32)], [np.empty((0, n_parameters), np.float32)]
    is_ok = [np.empty(0, bool)]
    slice_values = slice_errors = slice_status = np.empty(0)
    for slab in slabs:
        inside = slab.status != Status.OUTSIDE_MASK
        for code, count in zip(*np.unique(slab.status[inside], return_counts=True), strict=True):
            counts[Status(int(code))] = counts.get(Status(int(code)), 0) + int(count)
        is_usable = inside & (slab.status < Status.NON_FINITE)
        values.append(slab.values[is_usable][::stride])
        errors.append(slab.standard_errors[is_usable][::stride])
        is_ok.append(slab.status[is_usable][::stride] == Status.OK)
        if slab.start <= shown < slab.stop:
            part = slice(shown - slab.start, shown - slab.start + 1)
            slice_values, slice_errors = slab.values[:, :, part], slab.standard_errors[:, :, part]
            slice_status = slab.status[:, :, part]
    sample = np.concatenate(values)
    return MapSummary(
        dict(sorted(counts.items())),
        sample,
        np.concatenate(errors),
        np.concatenate(is_ok),
        _on_bound(sample, limits),
        shown,
        slice_values,
        slice_errors,
        slice_status,
    )


def _on_bound(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Share of voxels within a small tolerance of each bound; 0 for infinite bounds."""
    width = limits[:, 1] - limits[:, 0]
    tolerance = np.where(np.isfinite(width), _BOUND_TOLERANCE * width, 0.0)
    if not len(values):
        return np.zeros_like(limits)
    low = np.mean(values <= limits[:, 0] + tolerance, axis=0)
    high = np.mean(values >= limits[:, 1] - tolerance, axis=0)
    return np.stack([low, high], axis=-1)
