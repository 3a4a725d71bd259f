"""Voxels that cannot be estimated: named by a status, and kept from disturbing their neighbors."""

import numpy as np
from jaxtyping import Float, UInt8

from raofit.core.status import Status


def usable_measurements(
    measurements: Float[np.ndarray, "voxel measurement"],
    sigma: Float[np.ndarray, " voxel"],
    *,
    is_magnitude: bool,
) -> tuple[Float[np.ndarray, "voxel measurement"], Float[np.ndarray, " voxel"], UInt8[np.ndarray, " voxel"]]:
    """Measurements and sigma safe to hand to an estimator, and a status for every voxel (`OK` = estimate it).

    A voxel that cannot be estimated keeps its place and gets a harmless stand-in (all ones, sigma one), so the batch
    has the same layout whatever it holds.

    | status | condition |
    |---|---|
    | NO_SIGMA | sigma is NaN, infinite, zero or negative |
    | NEGATIVE | `is_magnitude` and a measurement is below zero |
    | NON_POSITIVE | no measurement is above zero |
    | NON_FINITE | a measurement is NaN or infinite |

    Where several hold, the lowest row wins.
    """
    status = np.full(measurements.shape[0], Status.OK, dtype=np.uint8)
    status[~(np.isfinite(sigma) & (sigma > 0))] = Status.NO_SIGMA
    if is_magnitude:
        status[np.any(measurements < 0, axis=-1)] = Status.NEGATIVE
    status[~np.any(measurements > 0, axis=-1)] = Status.NON_POSITIVE
    status[~np.all(np.isfinite(measurements), axis=-1)] = Status.NON_FINITE
    is_bad = status != Status.OK
    safe = np.where(is_bad[:, None], np.float32(1), measurements)
    return safe, np.where(is_bad, np.float32(1), sigma).astype(np.float32), status
