"""What a network is told to output: the truth, or an estimator's answer for that very measurement."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float

from raofit.core.errors import RaofitError
from raofit.core.status import Status

OnBound = Literal["hold-out", "keep"]


class LabelEstimate(Protocol):
    """The part of an `Estimate` that labels need."""

    @property
    def values(self) -> np.ndarray:
        """(sample, parameter)."""
        ...

    @property
    def status(self) -> np.ndarray:
        """`Status` codes (sample,)."""
        ...


class Labels(NamedTuple):
    """Target values of each sample, and whether the sample takes part.

    Held-out samples are left out of training and ignored in validation; their values are finite placeholders.
    """

    values: Float[np.ndarray, "sample parameter"]
    is_kept: Bool[np.ndarray, " sample"]


def truth_labels(parameters: Float[np.ndarray, "sample parameter"]) -> Labels:
    """The parameters the signals were simulated from; every sample is kept."""
    values = np.asarray(parameters, dtype=np.float32)
    return Labels(values, np.ones(len(values), dtype=bool))


def estimate_labels(estimate: LabelEstimate, *, on_bound: OnBound = "hold-out") -> Labels:
    """Labels from an estimator's result on the training measurements.

    Parameters
    ----------
    estimate : its `values` (sample, parameter) and `status` (sample).
    on_bound : "hold-out" keeps only samples whose status is `OK`, so labels on a bound and every failure are left
        out [epstein2022]; "keep" keeps every sample that carries a finite estimate.

    Raises
    ------
    RaofitError
        If `on_bound` is unknown, or no sample is left.
    """
    if on_bound not in ("hold-out", "keep"):
        raise RaofitError(f'`on_bound`: expected "hold-out" or "keep", got {on_bound!r}')
    values = np.asarray(estimate.values, dtype=np.float32)
    status = np.asarray(estimate.status)
    has_value = np.all(np.isfinite(values), axis=-1) & (status < Status.NON_FINITE)
    is_kept = has_value & (status == Status.OK) if on_bound == "hold-out" else has_value
    if not is_kept.any():
        raise RaofitError(
            f"labels: none of the {len(values)} samples has a label inside the bounds; "
            'widen the bounds or use on_bound="keep"'
        )
    return Labels(np.where(is_kept[:, None], values, np.float32(1.0)), is_kept)


def blend(first: Labels, second: Labels, share: float) -> Labels:
    """`share`·first + (1 − share)·second, on the samples both keep.

    The squared loss to this target has the same gradient as the blend of the two losses.
    """
    is_kept = first.is_kept & second.is_kept
    values = share * first.values + (1.0 - share) * second.values
    return Labels(np.asarray(values, dtype=np.float32), is_kept)
