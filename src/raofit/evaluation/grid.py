"""Regular grids of true parameters, and averages over the axes that are not looked at."""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.models import AbstractSignalModel


@dataclasses.dataclass(frozen=True)
class Grid:
    """The product of one list of values per parameter, last parameter fastest.

    Parameters
    ----------
    axes : `{parameter name: values}` in model order; a parameter that is held fixed has one value.
    """

    axes: Mapping[str, Float[np.ndarray, " value"]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values per parameter."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def points(self) -> Float[np.ndarray, "truth parameter"]:
        """Every combination (N, P)."""
        mesh = np.meshgrid(*self.axes.values(), indexing="ij")
        return np.stack([axis.ravel() for axis in mesh], axis=-1)

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the parameters with more than one value."""
        return tuple(name for name, values in self.axes.items() if len(values) > 1)

    def marginal(self, values: Float[np.ndarray, " truth"], names: Collection[str]) -> np.ndarray:
        """Plain mean of per-point `values` over every axis not in `names`; the result has one axis per name, in order.

        A NaN point makes its mean NaN: a missing result is not averaged away.
        """
        order = list(self.axes)
        missing = [name for name in names if name not in order]
        if missing:
            raise RaofitError(f"grid: `{missing[0]}` is not one of its parameters {', '.join(order)}")
        cube = np.asarray(values).reshape(self.shape)
        mean = cube.mean(axis=tuple(i for i, name in enumerate(order) if name not in names))
        kept = [name for name in order if name in names]
        return np.transpose(mean, [kept.index(name) for name in names])


def evaluation_grid(
    model: AbstractSignalModel,
    *,
    n_values: int = 10,
    ranges: Ranges | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Grid:
    """`n_values` values of each parameter over its typical range, ends included; the amplitude is fixed at 1.

    Parameters
    ----------
    n_values : values per varied parameter; log-scaled parameters are spaced in their logarithm.
    ranges : replaces the typical range of some parameters.
    fixed : `{name: value}` of parameters held fixed instead.

    For IVIM this is the test grid of Epstein 2022's code: 1 × 10 × 10 × 10 = 1000 points.
    """
    resolved = resolve_ranges(model.parameters, ranges, "typical")
    fixed = dict(fixed or {})
    unknown = set(fixed) - set(model.parameter_names)
    if unknown:
        raise RaofitError(f"fixed: `{min(unknown)}` is not a parameter of {', '.join(model.parameter_names)}")
    axes = {}
    for parameter, (low, high) in zip(model.parameters, resolved, strict=True):
        if parameter.name in fixed:
            axes[parameter.name] = np.array([fixed[parameter.name]])
        elif parameter.is_amplitude:
            axes[parameter.name] = np.array([1.0])
        else:
            spaced = np.geomspace if parameter.is_log_scaled else np.linspace
            axes[parameter.name] = spaced(low, high, n_values)
    return Grid(axes)
