"""Stream a volume through an estimator, slab by slab, voxel chunk by voxel chunk, here or wherever tasks run.

1. `_Cutting.tasks` reads a slab when there is room for more work, and cuts the voxels of its mask into chunks;
2. `_EstimateChunk` is all that runs elsewhere: measurements in, numbers out, no file;
3. `_Cutting.take` puts the numbers of a chunk back, and a slab whose chunks are all there is yielded.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8

from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.tasks import RunTasks, Task, even_parts, in_this_process
from raofit.core.validity import usable_measurements
from raofit.engine.chunks import slab_axis
from raofit.engine.residual import ResidualCheck
from raofit.estimators.estimate import Estimate

_CHUNK_VOXELS = 1 << 14  # of a processor: some tenths of a second of fitting, so that many workers get their share
_ACCELERATOR_CHUNK_VOXELS = 1 << 17  # of each accelerator, which wants all the voxels it can get

ReadSlab = Callable[[int, int], np.ndarray]


class AddIntervals(Protocol):
    """Adds the ends of intervals to an estimate, as diagnostics of these names."""

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what it adds."""
        ...

    def __call__(
        self, estimate: Estimate, measurements: np.ndarray, sigma: np.ndarray, known: Mapping[str, np.ndarray]
    ) -> Estimate:
        """`estimate` with them."""
        ...


EstimateVoxels = Callable[[np.ndarray, np.ndarray, Mapping[str, np.ndarray]], Estimate]


@dataclasses.dataclass(frozen=True)
class Slab:
    """Maps of `start` to `stop` along `slab_axis` of the volume: slices, or rows of a single slice.

    `values`, `standard_errors` and `diagnostics` hold NaN where no estimate was made; `status` is OUTSIDE_MASK there or
    says why. `seconds` were spent on the estimates and on the residual check, compilation included.
    """

    start: int
    stop: int
    values: Float[np.ndarray, "x y slice parameter"]
    standard_errors: Float[np.ndarray, "x y slice parameter"]
    status: UInt8[np.ndarray, "x y slice"]
    diagnostics: Mapping[str, Float[np.ndarray, "x y slice"]] = dataclasses.field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)


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
    check: ResidualCheck | None = None,
    intervals: AddIntervals | None = None,
    chunk_voxels: int | None = None,
    run: RunTasks = in_this_process,
    progress: Progress | None = None,
    n_done: int = 0,
) -> Iterator[Slab]:
    """Estimate every voxel of the mask; in this process, one slab is in memory at a time.

    Parameters
    ----------
    read_slab : `read_slab(start, stop)` returns that part along `slab_axis(mask.shape)` as (x, y, slice, volume), real
        or complex.
    estimate : `estimate(measurements (n, volume), sigma (n,), known {name: (n,)})` returns an `Estimate` of n voxels.
        It is called with at most `chunk_voxels` voxels; the chunks of a slab have nearly the same n.
    mask : voxels to estimate.
    edges : (start, stop) of the slabs, from `slab_edges`; leave out those already finished.
    sigma : noise standard deviation in signal units, one number or a map.
    is_magnitude : mark voxels with negative measurements instead of estimating them.
    known : parameters that are measured otherwise, one number or a map each.
    check : adds the residual the estimate leaves, as diagnostics and marks.
    intervals : adds the ends of intervals, as diagnostics.
    chunk_voxels : voxels of one task; default: 16 384, or 131 072 for each accelerator of this process.
    run : where the tasks run. Slabs come in the order in which they are finished: in this process, that of `edges`.
    progress : called after every chunk with the number of mask voxels done, `n_done` of them before this call.
    """
    step = _EstimateChunk(estimate, check, intervals, is_magnitude)
    cutting = _Cutting(
        read_slab=read_slab,
        mask=mask,
        edges=edges,
        sigma=sigma,
        known=known or {},
        n_parameters=n_parameters,
        diagnostics=step.diagnostics,
        chunk_voxels=chunk_voxels or default_chunk_voxels(),
    )
    total, done = int(np.count_nonzero(mask)), n_done
    for number, found in run(step, cutting.tasks()):
        done += len(found["status"])
        finished = cutting.take(number, found)
        if progress is not None:
            progress(ProgressEvent("map", done, total))
        yield from finished
    yield from cutting.take_empty()


def default_chunk_voxels() -> int:
    """Voxels of one task: what a task costs beside its estimates shall not count, and nobody shall wait for long."""
    if jax.default_backend() == "cpu":
        return _CHUNK_VOXELS
    return _ACCELERATOR_CHUNK_VOXELS * len(jax.local_devices())


@dataclasses.dataclass(frozen=True)
class _EstimateChunk:
    """Measurements, noise and known values of some voxels to their values, errors, status, diagnostics and seconds."""

    estimate: EstimateVoxels
    check: ResidualCheck | None
    intervals: AddIntervals | None
    is_magnitude: bool

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of the diagnostics that are mapped."""
        checked = () if self.check is None else self.check.names
        return (*checked, *(() if self.intervals is None else self.intervals.diagnostics))

    def __call__(self, content: tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        measurements, sigma, known = content
        safe, safe_sigma, status = usable_measurements(measurements, sigma, is_magnitude=self.is_magnitude)
        times = [time.perf_counter()]
        estimated = self.estimate(safe, safe_sigma, known)
        if self.intervals is not None:
            estimated = self.intervals(estimated, safe, safe_sigma, known)
        is_good = status == Status.OK
        errors = np.where(is_good[:, None], estimated.standard_errors, np.nan)
        times.append(time.perf_counter())
        if self.check is not None:
            estimated = self.check(estimated, safe, safe_sigma)
        times.append(time.perf_counter())
        noted = {_NOTED + name: np.where(is_good, estimated.diagnostics[name], np.nan) for name in self.diagnostics}
        return {
            "values": np.where(is_good[:, None], estimated.values, np.nan).astype(np.float32),
            "standard_errors": errors.astype(np.float32),
            "status": np.where(is_good, estimated.status, status).astype(np.uint8),
            "seconds": np.diff(times),
        } | {name: array.astype(np.float32) for name, array in noted.items()}


_NOTED = "diagnostic."


@dataclasses.dataclass
class _OpenSlab:
    """A slab some of whose chunks are still away; arrays have one row per voxel of its mask."""

    edge: tuple[int, int]
    mask: np.ndarray
    arrays: dict[str, np.ndarray]
    n_missing: int
    seconds: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2))

    def finished(self) -> Slab:
        """The slab with its voxels where the mask has them."""

        def placed(voxels: np.ndarray, nothing) -> np.ndarray:
            whole = np.full((*self.mask.shape, *voxels.shape[1:]), nothing, dtype=voxels.dtype)
            whole[self.mask] = voxels
            return whole

        noted = {
            name.removeprefix(_NOTED): placed(array, np.nan)
            for name, array in self.arrays.items()
            if name.startswith(_NOTED)
        }
        values, errors = (placed(self.arrays[name], np.nan) for name in ("values", "standard_errors"))
        status = placed(self.arrays["status"], Status.OUTSIDE_MASK)
        return Slab(*self.edge, values, errors, status, noted, (float(self.seconds[0]), float(self.seconds[1])))


@dataclasses.dataclass
class _Cutting:
    """Slabs on their way: cut into tasks, and put together again."""

    read_slab: ReadSlab
    mask: np.ndarray
    edges: Sequence[tuple[int, int]]
    sigma: float | np.ndarray
    known: Mapping[str, float | np.ndarray]
    n_parameters: int
    diagnostics: Sequence[str]
    chunk_voxels: int
    _parts: list[tuple[_OpenSlab, slice] | None] = dataclasses.field(default_factory=list)
    _empty: list[_OpenSlab] = dataclasses.field(default_factory=list)

    def tasks(self) -> Iterator[Task]:
        """The chunks of one slab after the other."""
        before = (slice(None),) * slab_axis(self.mask.shape)
        for start, stop in self.edges:
            cut = (*before, slice(start, stop))
            slab_mask = self.mask[cut]
            parts = even_parts(int(np.count_nonzero(slab_mask)), self.chunk_voxels)
            opened = self._opened((start, stop), slab_mask, len(parts))
            if not parts:
                self._empty.append(opened)
                continue
            slab = self.read_slab(start, stop)
            dtype = np.complex64 if np.iscomplexobj(slab) else np.float32
            measurements = np.asarray(slab, dtype=dtype)[slab_mask]
            sigma = np.broadcast_to(np.float32(self.sigma), self.mask.shape)[cut][slab_mask]
            known = {name: np.broadcast_to(held, self.mask.shape)[cut][slab_mask] for name, held in self.known.items()}
            for part in parts:
                self._parts.append((opened, part))
                held = {name: values[part] for name, values in known.items()}
                name = f"voxels {part.start} to {part.stop - 1} of slab {start} to {stop - 1}"
                yield Task(name, (measurements[part], sigma[part], held))

    def take(self, number: int, found: Mapping[str, np.ndarray]) -> list[Slab]:
        """Put the results of task `number` into their slab; the slabs that are finished now."""
        opened, part = self._parts[number]  # type: ignore[misc]
        self._parts[number] = None  # let a finished slab go
        for name, array in opened.arrays.items():
            array[part] = found[name]
        opened.seconds += found["seconds"]
        opened.n_missing -= 1
        return [*self.take_empty(), *([] if opened.n_missing else [opened.finished()])]

    def take_empty(self) -> list[Slab]:
        """Slabs without a voxel in the mask, which no task is about."""
        slabs = [opened.finished() for opened in self._empty]
        self._empty.clear()
        return slabs

    def _opened(self, edge: tuple[int, int], mask: np.ndarray, n_chunks: int) -> _OpenSlab:
        n_voxels = int(np.count_nonzero(mask))
        arrays = {
            "values": np.empty((n_voxels, self.n_parameters), np.float32),
            "standard_errors": np.empty((n_voxels, self.n_parameters), np.float32),
            "status": np.empty(n_voxels, np.uint8),
        } | {_NOTED + name: np.empty(n_voxels, np.float32) for name in self.diagnostics}
        return _OpenSlab(edge, mask, arrays, n_chunks)
