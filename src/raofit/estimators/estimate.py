"""The one result type of every estimator."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from jaxtyping import Float, Inexact, UInt8

from raofit.core.status import Status


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What an estimator says of a batch of voxels (host arrays).

    Parameters
    ----------
    values : parameter estimates in physical units, in model order; NaN where no estimate was made.
    status : one `Status` code per voxel.
    parameter_names : names along the last axis of `values`.
    compute_standard_errors : produces the standard errors when they are first asked for.
    diagnostics : further per-voxel arrays by name (objective, iterations, ...).
    """

    values: Float[np.ndarray, "*batch parameter"]
    status: UInt8[np.ndarray, "*batch"]
    parameter_names: tuple[str, ...]
    compute_standard_errors: Callable[[], np.ndarray] = dataclasses.field(repr=False)
    diagnostics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @cached_property
    def standard_errors(self) -> Float[np.ndarray, "*batch parameter"]:
        """Standard error of each value in its unit; NaN where no estimate was made, inf where the data say nothing."""
        return self.compute_standard_errors()

    def __getitem__(self, name: str) -> Float[np.ndarray, "*batch"]:
        """Values of one parameter by name."""
        return self.values[..., self.parameter_names.index(name)]

    def counts(self) -> dict[Status, int]:
        """Number of voxels per status, present ones only."""
        codes, counts = np.unique(self.status, return_counts=True)
        return {Status(int(code)): int(count) for code, count in zip(codes, counts, strict=True)}


class Estimator(typing.Protocol):
    """Whatever turns measurements into an `Estimate`."""

    def estimate(self, measurements: Inexact[np.ndarray, "*batch measurement"]) -> Estimate:
        """Estimates of a batch of voxels."""
        ...
