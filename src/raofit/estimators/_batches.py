"""Rows of measurements through a compiled function: checked, cut, padded, on every core and device."""

import concurrent.futures
import contextlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Num, PyTree

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.threads import n_threads
from raofit.core.validity import sigma_per_voxel, usable_measurements
from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

Solve = Callable[[np.ndarray, np.ndarray, np.ndarray, Any], dict[str, np.ndarray]]

_FEW = 4  # batches: with more voxels than they hold, a larger size is worth compiling


class Batches(NamedTuple):
    """How rows are cut: `size` voxels are compiled for, `length` of them are filled, `n_at_once` batches at once.

    The last bits of a result depend on `size` (the compiler arranges the arithmetic of each shape anew), but neither on
    the other voxels of a batch nor on its place in it. So `size` may not depend on the machine, `length` may.
    """

    size: int
    length: int
    n_at_once: int


def powers_of_two(n_voxels: int, *, smallest: int, largest: int) -> Batches:
    """Batches just large enough that every device gets one, for accelerators: few shapes are compiled."""
    n_devices = len(jax.local_devices())
    share = max(1, -(-n_voxels // n_devices))
    size = min(largest, max(smallest, 1 << (share - 1).bit_length()))
    return Batches(size, size, n_devices)


def few_sizes(n_voxels: int, model: AbstractSignalModel, sizes: tuple[int, ...]) -> Batches:
    """Batches of one of the sizes, equally filled over cores and devices: few shapes, because compiling takes long."""
    n_at_once = 1
    if model.is_differentiable:  # others call back into Python
        n_at_once = max(len(jax.local_devices()), n_threads() if jax.default_backend() == "cpu" else 1)
    size = next((size for size in sizes if n_voxels <= _FEW * size), sizes[-1])
    n_rounds = max(1, -(-n_voxels // (size * n_at_once)))
    return Batches(size, max(1, -(-n_voxels // (n_rounds * n_at_once))), n_at_once)


def on_device(number: int) -> contextlib.AbstractContextManager:
    """Have batch `number` computed on the device whose turn it is; with one device, nothing changes."""
    devices = jax.local_devices()
    return jax.default_device(devices[number % len(devices)]) if len(devices) > 1 else contextlib.nullcontext()


def rows_of(
    measurements: Num[np.ndarray, "*batch measurement"], model: AbstractSignalModel
) -> Num[np.ndarray, "voxel measurement"]:
    """Measurements with one row per voxel.

    Raises
    ------
    ProtocolError
        If the last axis does not have one value per protocol entry.
    """
    n_measurements = model.n_measurements
    if measurements.ndim == 0 or measurements.shape[-1] != n_measurements:
        raise ProtocolError(
            f"model `{model.name}`: expected {n_measurements} measurements on the last axis, "
            f"got shape {measurements.shape}"
        )
    return measurements.reshape(-1, n_measurements)


def start_rows(start, batch: tuple[int, ...], names: tuple[str, ...]) -> Float[np.ndarray, "voxel parameter"]:
    """One start per voxel from one for all or one for each.

    Raises
    ------
    ProtocolError
        If the shape is neither.
    """
    start = np.asarray(start)
    n_parameters = len(names)
    if start.shape == (n_parameters,):
        return np.broadcast_to(start, (math.prod(batch), n_parameters))
    if start.shape != (*batch, n_parameters):
        raise ProtocolError(
            f"`start`: expected {n_parameters} values ({', '.join(names)}) for all voxels or for "
            f"each, shape {(*batch, n_parameters)}, got shape {start.shape}"
        )
    return start.reshape(-1, n_parameters)


def values_by_name(estimate: Estimate, names: tuple[str, ...]) -> Float[np.ndarray, "*batch parameter"]:
    """Values of another estimator's estimate in the order of `names`.

    Raises
    ------
    RaofitError
        If it does not estimate one of them.
    """
    missing = [name for name in names if name not in estimate.parameter_names]
    if missing:
        raise RaofitError(
            f"the initial estimator gives {', '.join(estimate.parameter_names)}, but the model also needs "
            f"{', '.join(missing)}"
        )
    return np.stack([estimate[name] for name in names], axis=-1)


def solve_rows(
    solve: Solve,
    rows: Num[np.ndarray, "voxel measurement"],
    noise: AbstractNoise,
    batch: tuple[int, ...],
    given: PyTree[np.ndarray],
    batches: Batches,
    *,
    dtype: np.dtype,
    stage: str,
    progress: Progress | None,
) -> dict[str, np.ndarray]:
    """Results of `solve` for every voxel by name; NaN, 0 or False, and a status, where a voxel cannot be estimated.

    `solve(rows, inverse_sigma, is_present, given)` receives `batches.size` rows, absent ones filled up, and as many of
    whatever else is `given` for each voxel.

    Raises
    ------
    ProtocolError
        If sigma has another batch shape.
    """
    sigma = sigma_per_voxel(noise.sigma, batch)
    n_voxels = rows.shape[0]
    row_dtype = np.result_type(dtype, np.complex64) if np.iscomplexobj(rows) else dtype

    def call(number, rows, sigma, is_present, given) -> dict[str, np.ndarray]:
        padding = (0, batches.size - rows.shape[0])
        with jax.enable_x64(dtype == np.float64), on_device(number):  # the settings belong to a thread
            found = solve(
                np.pad(rows.astype(row_dtype, copy=False), (padding, (0, 0)), mode="edge"),
                np.pad((1.0 / sigma).astype(dtype), padding, mode="edge"),
                np.pad(is_present, padding),
                jax.tree.map(lambda array: np.pad(array.astype(dtype), (padding, (0, 0)), mode="edge"), given),
            )
            return {name: np.asarray(array) for name, array in found.items()}

    def compile_only() -> dict[str, np.ndarray]:
        stand_in = jax.tree.map(lambda array: np.ones((1, array.shape[1])), given)
        return call(0, np.ones((1, rows.shape[1]), row_dtype), np.ones(1), np.zeros(1, dtype=bool), stand_in)

    def run(number: int, chunk: slice) -> dict[str, np.ndarray]:
        usable, usable_sigma, status = usable_measurements(rows[chunk], sigma[chunk], is_magnitude=noise.is_magnitude)
        is_usable = status == Status.OK
        found = call(number, usable, usable_sigma, is_usable, jax.tree.map(lambda array: array[chunk], given))
        found = {name: _blanked(array[: status.size], ~is_usable) for name, array in found.items()}
        return found | {"status": np.where(is_usable, found["status"], status)}

    first_voxels = range(0, n_voxels, batches.length)
    if not first_voxels:
        return {name: array[:0] for name, array in compile_only().items()}
    if len(first_voxels) > 1:  # before the threads start, so that it happens once
        compile_only()
    results, n_done = [], 0
    chunks = [slice(first, min(first + batches.length, n_voxels)) for first in first_voxels]
    with concurrent.futures.ThreadPoolExecutor(batches.n_at_once) as pool:
        for found in pool.map(run, range(len(chunks)), chunks):
            results.append(found)
            n_done += found["status"].size
            if progress is not None:
                progress(ProgressEvent(stage, n_done, n_voxels))
    return {name: np.concatenate([found[name] for found in results]) for name in results[0]}


def _blanked(array: np.ndarray, is_blank: np.ndarray) -> np.ndarray:
    """NaN in the blank voxels, or 0 or False where the type has no NaN."""
    nothing = np.nan if np.issubdtype(array.dtype, np.inexact) else 0
    mask = is_blank.reshape(-1, *([1] * (array.ndim - 1)))
    return np.where(mask, np.asarray(nothing, dtype=array.dtype), array)


def as_estimate(found: dict[str, np.ndarray], batch: tuple[int, ...], names: tuple[str, ...]) -> Estimate:
    """The result type of every estimator from rows."""
    shaped = {name: array.reshape((*batch, *array.shape[1:])) for name, array in found.items()}
    standard_errors = shaped.pop("standard_errors")
    return Estimate(
        values=shaped.pop("values"),
        status=shaped.pop("status"),
        parameter_names=names,
        compute_standard_errors=lambda: standard_errors,
        diagnostics=shaped,
    )
