"""Per-voxel outcome of an estimator: a failure is data (a code with a sentence), never an exception."""

import enum

import numpy as np
from jaxtyping import UInt8

FALSE_ALARM_RATE = 0.02  # of voxels with a right model, marked as misfits unless the user says otherwise


class Status(enum.IntEnum):
    """Outcome of estimating one voxel; `.sentence` says it in words. Codes are stable across versions.

    5 to 9 are 0 to 4 of a voxel whose measurement the model does not explain.
    """

    OK = 0
    AT_BOUND = 1
    NOT_CONVERGED = 2
    NOT_IDENTIFIABLE = 3
    OUT_OF_RANGE = 4
    MISFIT = 5
    AT_BOUND_MISFIT = 6
    NOT_CONVERGED_MISFIT = 7
    NOT_IDENTIFIABLE_MISFIT = 8
    OUT_OF_RANGE_MISFIT = 9
    NON_FINITE = 10
    NON_POSITIVE = 11
    NEGATIVE = 12
    NO_SIGMA = 13
    OUTSIDE_MASK = 20

    @property
    def sentence(self) -> str:
        """What the code means for the person who reads the map."""
        return _SENTENCES[self]

    @property
    def is_usable(self) -> bool:
        """Whether the voxel carries an estimate at all (it may still deserve suspicion)."""
        return self < Status.NON_FINITE

    @property
    def is_misfit(self) -> bool:
        """Whether the model does not explain the measurement, whatever else there is to say."""
        return Status.MISFIT <= self < Status.NON_FINITE


def with_misfit(status: UInt8[np.ndarray, "*batch"]) -> UInt8[np.ndarray, "*batch"]:
    """The codes of the same voxels with a misfit besides; no change where there is no estimate or one already."""
    return np.where(status < Status.MISFIT, status + np.uint8(Status.MISFIT), status).astype(np.uint8)


_SENTENCES = {
    Status.OK: "The estimate converged inside the bounds.",
    Status.AT_BOUND: "At least one parameter lies on a bound: the value is a limit, not a measurement.",
    Status.NOT_CONVERGED: "The iteration limit was reached; the value is the best point seen.",
    Status.NOT_IDENTIFIABLE: "The data do not determine every parameter here: the Fisher information is singular.",
    Status.OUT_OF_RANGE: "The signal or the estimate lies outside the range the network was trained on.",
    Status.MISFIT: "The model does not explain the measurement: the residual is larger than noise alone makes it.",
    Status.AT_BOUND_MISFIT: (
        "At least one parameter lies on a bound, and even so the model does not explain the measurement."
    ),
    Status.NOT_CONVERGED_MISFIT: (
        "The iteration limit was reached, and the best point seen does not explain the measurement."
    ),
    Status.NOT_IDENTIFIABLE_MISFIT: (
        "The data do not determine every parameter, and the model does not explain the measurement."
    ),
    Status.OUT_OF_RANGE_MISFIT: (
        "The signal or the estimate lies outside the training range, and the model does not explain the measurement."
    ),
    Status.NON_FINITE: "The measurement, or a known value, is NaN or infinite; no estimate was made.",
    Status.NON_POSITIVE: "The measurement is zero everywhere, or nowhere positive; no estimate was made.",
    Status.NEGATIVE: "A magnitude is negative, which the noise model cannot produce; no estimate was made.",
    Status.NO_SIGMA: "The noise standard deviation is missing, zero or negative here; no estimate was made.",
    Status.OUTSIDE_MASK: "The voxel is outside the mask.",
}
