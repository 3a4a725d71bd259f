"""Voxels that cannot be estimated: named by a status, and kept from disturbing their neighbors."""

import numpy as np
from jaxtyping import Float, Num, UInt8

from raofit.core.errors import ProtocolError
from raofit.core.status import Status


def usable_measurements(
    measurements: Num[np.ndarray, "voxel measurement"],
    sigma: Float[np.ndarray, " voxel"],
    *,
    is_magnitude: bool,
) -> tuple[Num[np.ndarray, "voxel measurement"], Float[np.ndarray, " voxel"], UInt8[np.ndarray, " voxel"]]:
    """Measurements and sigma safe to compute with, and a status for every voxel (`OK` = estimate it).

    A voxel that cannot be estimated keeps its place and gets a harmless stand-in (all ones, sigma one), so the batch
    has the same layout whatever it holds.

    | status | condition |
    |---|---|
    | NO_SIGMA | sigma is NaN, infinite, zero or negative |
    | NEGATIVE | `is_magnitude` and a measurement is below zero |
    | NON_POSITIVE | no measurement is above zero (complex: all are zero) |
    | NON_FINITE | a measurement is NaN or infinite |

    Where several hold, the lowest row wins.
    """
    status = np.full(measurements.shape[0], Status.OK, dtype=np.uint8)
    status[~(np.isfinite(sigma) & (sigma > 0))] = Status.NO_SIGMA
    if is_magnitude:
        status[np.any(measurements < 0, axis=-1)] = Status.NEGATIVE
    has_signal = measurements != 0 if np.iscomplexobj(measurements) else measurements > 0
    status[~np.any(has_signal, axis=-1)] = Status.NON_POSITIVE
    status[~np.all(np.isfinite(measurements), axis=-1)] = Status.NON_FINITE
    is_bad = status != Status.OK
    if not is_bad.any():
        return measurements, sigma, status
    one = np.ones((), dtype=measurements.dtype)
    return np.where(is_bad[:, None], one, measurements), np.where(is_bad, 1.0, sigma).astype(sigma.dtype), status


def sigma_per_voxel(sigma, batch: tuple[int, ...]) -> Float[np.ndarray, " voxel"]:
    """`sigma` (a number, or one value per voxel) as a vector over the flattened `batch`.

    Raises
    ------
    ProtocolError
        If sigma is an array of another shape than the batch.
    """
    array = np.asarray(sigma, dtype=np.float64)
    if array.ndim > 0 and array.shape != batch:
        raise ProtocolError(
            f"`sigma`: expected one number or one value per voxel, shape {batch}, got shape {array.shape}"
        )
    return np.broadcast_to(array, batch).reshape(-1)
