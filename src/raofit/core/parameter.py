"""What a model parameter is: its name, unit, fit bounds, typical range and kind."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from raofit.core.errors import RaofitError


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One unknown of a signal model.

    Parameters
    ----------
    name : the key used in files, tables and commands (`D_slow`).
    unit : unit of every number about this parameter; `"1"` for a fraction, `"a.u."` for signal units.
    bounds : fit bounds (lower, upper) in that unit; `inf` is allowed for an amplitude.
    typical : range (lower, upper) of plausible tissue: default training prior and evaluation grid.
    symbol : LaTeX symbol for figures, without dollar signs.
    description : one phrase for help texts and map sidecars.
    is_amplitude : the signal is proportional to this parameter (at most one per model).
    is_log_scaled : the parameter spans decades; starts and grids are spaced in its logarithm.
    """

    name: str
    unit: str
    bounds: tuple[float, float]
    typical: tuple[float, float]
    symbol: str
    description: str
    is_amplitude: bool = False
    is_log_scaled: bool = False

    def __post_init__(self) -> None:
        (lower, upper), (low, high) = self.bounds, self.typical
        if not lower <= low < high <= upper:
            raise RaofitError(
                f"parameter `{self.name}`: expected lower bound <= typical low < typical high <= upper bound, "
                f"got bounds {self.bounds} and typical range {self.typical}"
            )
        if self.is_log_scaled and lower <= 0:
            raise RaofitError(f"parameter `{self.name}`: a log-scaled parameter needs a lower bound > 0, got {lower}")

    @property
    def typical_value(self) -> float:
        """Middle of the typical range (geometric for a log-scaled parameter)."""
        low, high = self.typical
        return float(np.sqrt(low * high)) if self.is_log_scaled else 0.5 * (low + high)


Ranges = Mapping[str, tuple[float, float]] | Sequence[tuple[float, float]] | np.ndarray


def resolve_ranges(parameters: Sequence[Parameter], ranges: Ranges | None, kind: str) -> np.ndarray:
    """Ranges as an array (parameter, 2): `kind` ("bounds" or "typical") of each parameter, overridden by `ranges`.

    Parameters
    ----------
    ranges : `{name: (low, high)}` for some parameters, or one pair per parameter in model order, or None.

    Raises
    ------
    RaofitError
        If a name is unknown, the count is wrong, or a range is empty.
    """
    resolved = np.array([getattr(parameter, kind) for parameter in parameters], dtype=np.float64)
    names = [parameter.name for parameter in parameters]
    if isinstance(ranges, Mapping):
        for name, pair in ranges.items():
            if name not in names:
                raise RaofitError(f"{kind}: `{name}` is not a parameter; the model has {', '.join(names)}")
            resolved[names.index(name)] = pair
    elif ranges is not None:
        given = np.asarray(ranges, dtype=np.float64)
        if given.shape != resolved.shape:
            raise RaofitError(
                f"{kind}: expected one (low, high) pair for each of {', '.join(names)}, got shape {given.shape}"
            )
        resolved = given
    for name, (low, high) in zip(names, resolved, strict=True):
        if not low < high:
            raise RaofitError(f"{kind} of `{name}`: expected low < high, got ({low:g}, {high:g})")
    return resolved
