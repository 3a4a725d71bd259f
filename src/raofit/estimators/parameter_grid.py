"""Where the atoms of a dictionary lie: axes of parameter values, and which of their combinations exist."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from raofit.core.errors import RaofitError
from raofit.models import AbstractSignalModel

_EVEN = 1e-4  # ratios of an axis that differ by less are equal


class ParameterGrid:
    """Combinations of parameter values, in the order of nested loops over the axes (the last one fastest).

    An axis whose values have equal ratios (`numpy.geomspace`) is logarithmic: its natural coordinate, in which nearest
    values are looked for and matches are interpolated, is the logarithm. The others are linear.

    Parameters
    ----------
    axes : for each parameter of the model but the amplitude, increasing values in its unit; a number, or one value
        only, fixes the parameter.
    where : which combinations exist, for a grid that is no box: receives an array of values (atom,) per name and
        returns a boolean for each, `lambda values: values["T2"] < values["T1"]`.

    Raises
    ------
    RaofitError
        If there is no axis; an axis is empty, not finite or not increasing; or `where` returns something else or
        leaves no combination.

    Examples
    --------
    >>> grid = ParameterGrid(
    ...     {"T1": np.geomspace(0.1, 4.0, 30), "T2": np.geomspace(0.01, 2.0, 30), "B1": 1.0},
    ...     where=lambda values: values["T2"] < values["T1"],
    ... )
    >>> len(grid), grid.shape
    (686, (30, 30, 1))
    """

    def __init__(
        self,
        axes: Mapping[str, Float[np.ndarray, " value"] | float],
        *,
        where: Callable[[dict[str, np.ndarray]], Bool[np.ndarray, " atom"]] | None = None,
    ):
        if not axes:
            raise RaofitError("grid: expected values for at least one parameter, got none")
        self.axes = {name: _checked_axis(name, values) for name, values in axes.items()}
        self.is_log = {name: _is_log(values) for name, values in self.axes.items()}
        self._atom = np.arange(math.prod(self.shape))
        if where is not None:
            is_kept = _kept(where, self.values)
            self._atom = np.where(is_kept, np.cumsum(is_kept) - 1, -1)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of the axes."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(len(values) for values in self.axes.values())

    def __len__(self) -> int:
        return int(np.sum(self._atom >= 0))

    @property
    def exists(self) -> Bool[np.ndarray, "*axis"]:
        """Which combinations of axis values exist."""
        return (self._atom >= 0).reshape(self.shape)

    @property
    def indices(self) -> Int[np.ndarray, "atom axis"]:
        """Place of each atom along each axis."""
        return np.stack(np.unravel_index(np.flatnonzero(self._atom >= 0), self.shape), axis=-1)

    @property
    def values(self) -> dict[str, Float[np.ndarray, " atom"]]:
        """Values of each parameter."""
        return {name: axis[index] for (name, axis), index in zip(self.axes.items(), self.indices.T, strict=True)}

    def atom_at(self, indices: Int[np.ndarray, "*batch axis"]) -> Int[np.ndarray, "*batch"]:
        """The atom at places along the axes; −1 where there is none, beyond the ends of an axis too."""
        is_inside = np.all((indices >= 0) & (indices < self.shape), axis=-1)
        flat = np.ravel_multi_index(tuple(np.moveaxis(indices, -1, 0)), self.shape, mode="clip")
        return np.where(is_inside, self._atom[flat], -1)

    def coordinate(self, name: str) -> Float[np.ndarray, " value"]:
        """Values of an axis in its natural scale."""
        return np.log(self.axes[name]) if self.is_log[name] else self.axes[name]

    def nearest(self, name: str, values: Float[np.ndarray, " voxel"]) -> Int[np.ndarray, " voxel"]:
        """Index of the nearest value of an axis, in its natural scale."""
        coordinate = self.coordinate(name)
        if self.is_log[name]:
            values = np.log(np.maximum(values, np.finfo(np.float64).tiny))
        return np.searchsorted((coordinate[1:] + coordinate[:-1]) / 2.0, values)

    def parameters(self, model: AbstractSignalModel) -> Float[np.ndarray, "atom parameter"]:
        """Parameter vectors of the atoms in the model's order, amplitude 1.

        Raises
        ------
        RaofitError
            If a name is not a parameter of the model, one is missing, the amplitude is among them, or a value lies
            outside the bounds of its parameter.
        """
        expected = [item for item in model.parameters if not item.is_amplitude]
        names = ", ".join(item.name for item in expected)
        for name in self.axes:
            if name not in model.parameter_names:
                raise RaofitError(f"grid: `{name}` is not a parameter of model `{model.name}`; give values for {names}")
            if name not in [item.name for item in expected]:
                raise RaofitError(f"grid: the amplitude `{name}` follows from the match; give values for {names} only")
        values = self.values
        table = np.ones((len(self), len(model.parameters)))
        for item in expected:
            if item.name not in self.axes:
                raise RaofitError(
                    f"grid: model `{model.name}` also needs `{item.name}` ({item.unit}); give an axis, or one number "
                    "if it is known"
                )
            axis, (low, high) = self.axes[item.name], item.bounds
            if axis[0] < low or axis[-1] > high:
                raise RaofitError(
                    f"grid: expected `{item.name}` from {low:g} to {high:g} {item.unit} (its bounds), got "
                    f"{axis[0]:g} to {axis[-1]:g}"
                )
            table[:, model.parameter_names.index(item.name)] = values[item.name]
        return table


def _checked_axis(name: str, values) -> Float[np.ndarray, " value"]:
    axis = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if axis.ndim != 1 or axis.size == 0:
        raise RaofitError(f"grid: expected a list of values for `{name}`, or one number, got shape {axis.shape}")
    if not np.all(np.isfinite(axis)):
        raise RaofitError(f"grid: expected finite values for `{name}`, got {axis[~np.isfinite(axis)][0]:g}")
    if np.any(np.diff(axis) <= 0):
        place = int(np.argmax(np.diff(axis) <= 0))
        raise RaofitError(
            f"grid: expected increasing values for `{name}`, got {axis[place + 1]:g} after {axis[place]:g}; sort them"
        )
    return axis


def _is_log(axis: np.ndarray) -> bool:
    if len(axis) < 3 or axis[0] <= 0:
        return False
    ratios = axis[1:] / axis[:-1]
    return bool(np.ptp(ratios) <= _EVEN * (ratios[0] - 1.0))


def _kept(where, values: dict[str, np.ndarray]) -> Bool[np.ndarray, " atom"]:
    n_combinations = len(next(iter(values.values())))
    try:
        kept = np.asarray(where(values))
    except KeyError as error:
        raise RaofitError(f"grid: `where` asks for {error}; the axes are {', '.join(values)}") from error
    if kept.dtype != bool or kept.shape != (n_combinations,):
        raise RaofitError(
            f"grid: expected `where` to return a boolean for each of {n_combinations} combinations, got "
            f"{kept.dtype} of shape {kept.shape}"
        )
    if not kept.any():
        raise RaofitError(f"grid: `where` leaves none of {n_combinations} combinations; loosen it or widen the axes")
    return kept
