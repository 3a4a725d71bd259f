"""The dictionary of `raofit map`: where its atoms lie, by options or by default, or atoms of an earlier run."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from raofit.cli._options import GridAxis, parse_grid
from raofit.core.errors import FileError, ProtocolError, RaofitError
from raofit.core.parameter import Parameter, resolve_ranges
from raofit.estimators.atoms import Atoms
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.dictionary_file import load_dictionary
from raofit.io.output import require_free_file
from raofit.models import AbstractSignalModel

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions

_VALUES_PER_AXIS = {1: 1000, 2: 200, 3: 50}  # 1000, 40 000 and 125 000 atoms
_MARGIN = 0.5  # of the typical range, on either side
_NUMBER_BYTES = 8


def open_dictionary(options: "MapOptions", model: AbstractSignalModel) -> ParameterGrid | Atoms:
    """Atoms of the file the options name, if it exists, else the grid they are to be simulated on.

    Raises
    ------
    RaofitError
        If the grid does not fit the model or is too large, or the file holds no dictionary of this model and grid.
    """
    path = options.dictionary
    if path is None or not path.exists():
        if path is not None:
            require_free_file(path, force=False)
        return _map_grid(options, model)
    try:
        atoms = load_dictionary(path, model=model).atoms
    except (FileError, ProtocolError) as error:
        raise RaofitError(f"{error}: give --dictionary the name of a new file") from error
    if options.grid or not options.t2_below_t1:
        _require_same(options, atoms.grid, _map_grid(options, model), model)
    return atoms


def in_words(grid: ParameterGrid, model: AbstractSignalModel) -> str:
    """The axes of a grid, with units."""
    units = {item.name: "" if item.unit == "1" else f" {item.unit}" for item in model.parameters}
    return ", ".join(
        f"{name} {axis[0]:.3g}{units[name]}"
        if len(axis) == 1
        else f"{name} {axis[0]:.3g} to {axis[-1]:.3g}{units[name]} in {len(axis)} values"
        for name, axis in grid.axes.items()
    )


def _map_grid(options: "MapOptions", model: AbstractSignalModel) -> ParameterGrid:
    return stated_grid(options.grid, model, memory_bytes=options.memory_bytes, is_t2_below_t1=options.t2_below_t1)


def stated_grid(
    items: Iterable[str], model: AbstractSignalModel, *, memory_bytes: int, is_t2_below_t1: bool = True
) -> ParameterGrid:
    """The grid of --grid options, checked against the model and the memory before anything is simulated."""
    stated = _with_defaults(parse_grid(items), model)
    _require_room(stated, model, memory_bytes)
    axes = {name: _values(axis) for name, axis in stated.items()}
    where = None
    if is_t2_below_t1 and {"T1", "T2"} <= axes.keys():
        if axes["T2"][0] >= axes["T1"][-1]:
            raise RaofitError("--grid: no T2 lies below any T1; correct one of them, or add --no-t2-below-t1")
        where = _is_t2_below_t1
    grid = ParameterGrid(axes, where=where)
    grid.parameters(model)
    return grid


def _is_t2_below_t1(values: dict[str, np.ndarray]) -> np.ndarray:
    return values["T2"] < values["T1"]


def _with_defaults(stated: dict[str, GridAxis], model: AbstractSignalModel) -> dict[str, GridAxis]:
    """Axes for all parameters but the amplitude: the typical range and a margin where the options name none."""
    limits = resolve_ranges(model.parameters, None, "bounds")
    is_log = dict(zip(model.parameter_names, Coordinates.of(model, limits).is_log, strict=True))
    missing = [item for item in model.parameters if not item.is_amplitude and item.name not in stated]
    if not missing:
        return stated
    n_free = len(missing) + sum(axis.count > 1 for axis in stated.values())
    if n_free not in _VALUES_PER_AXIS:
        raise RaofitError(
            f"model {model.name} has {n_free} parameters, too many for a grid of all of them: give --grid NAME=VALUE "
            "for those that are known, or take --estimator mle"
        )
    default = {item.name: _default_axis(item, is_log[item.name], _VALUES_PER_AXIS[n_free]) for item in missing}
    unordered = stated | default
    in_order = [name for name in model.parameter_names if name in unordered]
    return {name: unordered[name] for name in [*in_order, *(unordered.keys() - set(in_order))]}


def _default_axis(parameter: Parameter, is_log: bool, count: int) -> GridAxis:
    low, high = np.log(parameter.typical) if is_log else parameter.typical
    margin = _MARGIN * (high - low)
    ends = (low - margin, high + margin)
    lower, upper = np.clip(np.exp(ends) if is_log else ends, *parameter.bounds).tolist()
    return GridAxis(lower, upper, count, is_log)


def _values(axis: GridAxis) -> np.ndarray:
    if axis.count == 1:
        return np.array([axis.lower])
    return (np.geomspace if axis.is_log else np.linspace)(axis.lower, axis.upper, axis.count)


def _require_room(axes: dict[str, GridAxis], model: AbstractSignalModel, memory_bytes: int) -> None:
    n_atoms = math.prod(axis.count for axis in axes.values())
    n_numbers = model.n_measurements * (2 if model.has_complex_amplitude else 1) + len(model.parameters)
    needed = n_atoms * n_numbers * _NUMBER_BYTES
    if needed > memory_bytes:
        raise RaofitError(
            f"--grid: {n_atoms} atoms of {model.n_measurements} measurements take {needed / 2**20:.0f} MB, more than "
            f"--memory {memory_bytes >> 20}; take fewer values, coefficients in a basis (--basis), or more memory"
        )


def _require_same(
    options: "MapOptions", found: ParameterGrid, stated: ParameterGrid, model: AbstractSignalModel
) -> None:
    """Raise unless the grid of the file is the one the options describe."""
    is_same = found.axes.keys() == stated.axes.keys() and len(found) == len(stated)
    if not (is_same and all(np.array_equal(axis, stated.axes[name]) for name, axis in found.axes.items())):
        raise RaofitError(
            f"{options.dictionary}: the dictionary has another grid ({len(found)} atoms: {in_words(found, model)}) "
            "than --grid asks for; leave --grid out, or give --dictionary the name of a new file"
        )
