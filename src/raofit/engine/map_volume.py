"""Stream a volume through an estimator, slab by slab, voxel chunk by voxel chunk."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.validity import usable_measurements
from raofit.engine.chunks import slab_axis
from raofit.estimators.estimate import Estimate

DEFAULT_CHUNK_VOXELS = 1 << 17

ReadSlab = Callable[[int, int], np.ndarray]
EstimateVoxels = Callable[[np.ndarray, np.ndarray, Mapping[str, np.ndarray]], Estimate]


@dataclasses.dataclass(frozen=True)
class Slab:
    """Maps of `start` to `stop` along `slab_axis` of the volume: slices, or rows of a single slice.

    `values`, `standard_errors` and `diagnostics` hold NaN where no estimate was made; `status` is OUTSIDE_MASK there or
    says why.
    """

    start: int
    stop: int
    values: Float[np.ndarray, "x y slice parameter"]
    standard_errors: Float[np.ndarray, "x y slice parameter"]
    status: UInt8[np.ndarray, "x y slice"]
    diagnostics: Mapping[str, Float[np.ndarray, "x y slice"]] = dataclasses.field(default_factory=dict)


def map_volume(
    read_slab: ReadSlab,
    estimate: EstimateVoxels,
    mask: Bool[np.ndarray, "x y z"],
    edges: Sequence[tuple[int, int]],
    *,
    sigma: float | Float[np.ndarray, "x y z"],
    n_parameters: int,
    is_magnitude: bool,
    known: Mapping[str, float | Float[np.ndarray, "x y z"]] | None = None,
    diagnostics: Sequence[str] = (),
    chunk_voxels: int = DEFAULT_CHUNK_VOXELS,
    progress: Progress | None = None,
    n_done: int = 0,
) -> Iterator[Slab]:
    """Estimate every voxel of the mask, one slab in memory at a time.

    Parameters
    ----------
    read_slab : `read_slab(start, stop)` returns that part along `slab_axis(mask.shape)` as (x, y, slice, volume), real
        or complex.
    estimate : `estimate(measurements (n, volume), sigma (n,), known {name: (n,)})` returns an `Estimate` of n voxels.
        It is called with at most `chunk_voxels` voxels; chunks of one call differ in n only at the end of a slab.
    mask : voxels to estimate.
    edges : (start, stop) of the slabs, from `slab_edges`; leave out those already finished.
    sigma : noise standard deviation in signal units, one number or a map.
    is_magnitude : mark voxels with negative measurements instead of estimating them.
    known : parameters that are measured otherwise, one number or a map each.
    diagnostics : names of the estimate's diagnostics to map as well.
    progress : called after every chunk with the number of mask voxels done, `n_done` of them before this call.
    """
    total = int(np.count_nonzero(mask))
    done = n_done
    before = (slice(None),) * slab_axis(mask.shape)
    for start, stop in edges:
        cut = (*before, slice(start, stop))
        slab_mask = mask[cut]
        n_voxels = int(np.count_nonzero(slab_mask))
        values = np.full((n_voxels, n_parameters), np.nan, dtype=np.float32)
        errors = np.full((n_voxels, n_parameters), np.nan, dtype=np.float32)
        status = np.empty(n_voxels, dtype=np.uint8)
        noted = {name: np.full(n_voxels, np.nan, dtype=np.float32) for name in diagnostics}
        if n_voxels:
            slab = read_slab(start, stop)
            dtype = np.complex64 if np.iscomplexobj(slab) else np.float32
            measurements = np.asarray(slab, dtype=dtype)[slab_mask]
            noise = np.broadcast_to(np.float32(sigma), mask.shape)[cut][slab_mask]
            held = {name: np.broadcast_to(given, mask.shape)[cut][slab_mask] for name, given in (known or {}).items()}
        for first in range(0, n_voxels, chunk_voxels):
            part = slice(first, min(first + chunk_voxels, n_voxels))
            safe, safe_sigma, status[part] = usable_measurements(
                measurements[part], noise[part], is_magnitude=is_magnitude
            )
            estimated = estimate(safe, safe_sigma, {name: values[part] for name, values in held.items()})
            is_good = status[part] == Status.OK
            values[part] = np.where(is_good[:, None], estimated.values, np.nan)
            errors[part] = np.where(is_good[:, None], estimated.standard_errors, np.nan)
            status[part] = np.where(is_good, estimated.status, status[part])
            for name, array in noted.items():
                array[part] = np.where(is_good, estimated.diagnostics[name], np.nan)
            done += part.stop - part.start
            if progress is not None:
                progress(ProgressEvent("map", done, total))
        yield _in_place(slab_mask, values, errors, status, noted, start, stop)


def _in_place(
    mask: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    status: np.ndarray,
    noted: Mapping[str, np.ndarray],
    start: int,
    stop: int,
) -> Slab:
    """Voxel lists put back where the mask has them."""

    def placed(voxels: np.ndarray) -> np.ndarray:
        whole = np.full((*mask.shape, *voxels.shape[1:]), np.nan, dtype=np.float32)
        whole[mask] = voxels
        return whole

    status_map = np.full(mask.shape, Status.OUTSIDE_MASK, dtype=np.uint8)
    status_map[mask] = status
    maps = {name: placed(array) for name, array in noted.items()}
    return Slab(start, stop, placed(values), placed(errors), status_map, maps)
