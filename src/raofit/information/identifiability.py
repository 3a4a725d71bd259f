"""What a protocol can and cannot tell: the attainable precision of each parameter against what is known beforehand."""

import dataclasses
import enum
from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter, Ranges, resolve_ranges
from raofit.information.crb import crb
from raofit.information.fisher import Fisher
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

_WEAK = 0.5


class Verdict(enum.StrEnum):
    """How much a measurement adds to the typical range of a parameter."""

    KNOWN = "known"
    IDENTIFIABLE = "identifiable"
    WEAK = "weak"
    NOT_IDENTIFIABLE = "not identifiable"


@dataclasses.dataclass(frozen=True)
class Precision:
    """Attainable precision of one parameter at one point.

    Parameters
    ----------
    value : true value.
    standard_deviation : √CRB, the least standard deviation of an unbiased estimate; inf if the data say nothing.
    prior_standard_deviation : standard deviation of the parameter over its typical range; that of an amplitude scales
        with its value.
    is_fixed : known beforehand, not estimated.
    """

    parameter: Parameter
    value: float
    standard_deviation: float
    prior_standard_deviation: float
    is_fixed: bool

    @property
    def ratio(self) -> float:
        """√CRB over the prior's standard deviation: above 1, the typical range says more than a measurement."""
        if self.prior_standard_deviation == 0:  # an amplitude of 0 has no spread
            return float("inf")
        return self.standard_deviation / self.prior_standard_deviation

    @property
    def verdict(self) -> Verdict:
        """NOT_IDENTIFIABLE above a ratio of 1, WEAK above 0.5."""
        if self.is_fixed:
            return Verdict.KNOWN
        if not self.ratio <= 1.0:
            return Verdict.NOT_IDENTIFIABLE
        return Verdict.WEAK if self.ratio > _WEAK else Verdict.IDENTIFIABLE

    @property
    def sentence(self) -> str:
        """The verdict in words, with its figures."""
        name, unit = self.parameter.name, "" if self.parameter.unit == "1" else f" {self.parameter.unit}"
        if self.is_fixed:
            return f"{name} is taken as known."
        bound = "infinite" if np.isinf(self.standard_deviation) else f"{self.standard_deviation:.3g}{unit}"
        prior = f"{self.prior_standard_deviation:.3g}{unit}"
        match self.verdict:
            case Verdict.NOT_IDENTIFIABLE:
                return (
                    f"{name} cannot be identified: the least standard deviation of an unbiased estimate ({bound}) "
                    f"exceeds the spread of its typical range ({prior}), so a single voxel's value says less than "
                    "knowing the tissue."
                )
            case Verdict.WEAK:
                return (
                    f"{name} is weakly determined: the least standard deviation of an unbiased estimate ({bound}) is "
                    f"{self.ratio:.0%} of the spread of its typical range ({prior}); trust averages over regions, not "
                    "single voxels."
                )
        return f"{name} can be identified: least standard deviation {bound}, typical spread {prior}."


def attainable_precision(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    at: Mapping[str, float] | None = None,
    *,
    fixed: Collection[str] = (),
    typical: Ranges | None = None,
    bounds: Ranges | None = None,
    fisher: Fisher = "real",
) -> tuple[Precision, ...]:
    """Attainable precision of every parameter of a model at one point.

    Parameters
    ----------
    noise : noise model with one sigma, signal units.
    at : true values by name; default: the middle of each typical range.
    fixed : names of parameters that are known.
    typical, bounds : typical ranges, and bounds on `at`, that override the model's.
    fisher : see `raofit.crb`.

    Raises
    ------
    RaofitError
        If a name is unknown or a value lies outside the parameter's bounds.

    Examples
    --------
    >>> from raofit.models import IVIM
    >>> from raofit.noise import Gaussian
    >>> ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    >>> [item.verdict.value for item in attainable_precision(ivim, Gaussian(1 / 15))]
    ['weak', 'weak', 'weak', 'not identifiable']
    """
    ranges = resolve_ranges(model.parameters, typical, "typical")
    values = point(model, at, bounds=bounds)
    deviations = np.sqrt(crb(model, values, noise, fixed=fixed, fisher=fisher))
    return tuple(
        Precision(
            parameter,
            float(value),
            float(deviation),
            prior_standard_deviation(parameter, pair) * _scale(parameter, value),
            name in fixed,
        )
        for name, parameter, value, deviation, pair in zip(
            model.parameter_names, model.parameters, values, deviations, ranges, strict=True
        )
    )


def _scale(parameter: Parameter, value: float) -> float:
    """Amplitudes have no scale of their own: their typical range is taken relative to the value."""
    return float(value) / parameter.typical_value if parameter.is_amplitude else 1.0


def point(
    model: AbstractSignalModel, at: Mapping[str, float] | None, *, bounds: Ranges | None = None
) -> Float[np.ndarray, " parameter"]:
    """A parameter vector: typical values, overridden by `at`; raises `RaofitError` for an unusable name or value."""
    limits = resolve_ranges(model.parameters, bounds, "bounds")
    values = np.array([parameter.typical_value for parameter in model.parameters])
    for name, value in (at or {}).items():
        if name not in model.parameter_names:
            raise RaofitError(f"at: `{name}` is not a parameter; the model has {', '.join(model.parameter_names)}")
        index = model.parameter_names.index(name)
        lower, upper = limits[index]
        if not lower <= value <= upper:
            unit = model.parameters[index].unit
            raise RaofitError(f"at: expected `{name}` between {lower:g} and {upper:g} {unit}, got {value:g}")
        values[index] = value
    return values


def precision_curve(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    name: str,
    at: Mapping[str, float] | None = None,
    *,
    fixed: Collection[str] = (),
    typical: Ranges | None = None,
    n_points: int = 60,
    fisher: Fisher = "real",
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """√CRB of parameter `name` while its true value runs over its typical range and the others stay at `at`.

    Returns
    -------
    The values (spaced in the logarithm for a log-scaled parameter) and √CRB at each, both in the parameter's unit.
    """
    index = model.parameter_names.index(name)
    low, high = resolve_ranges(model.parameters, typical, "typical")[index]
    space = np.geomspace if model.parameters[index].is_log_scaled else np.linspace
    values = space(low, high, n_points)
    points = np.tile(point(model, at), (n_points, 1))
    points[:, index] = values
    return values, np.sqrt(crb(model, points, noise, fixed=fixed, fisher=fisher))[:, index]


def unidentifiable_share(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    *,
    fixed: Collection[str] = (),
    typical: Ranges | None = None,
    n_points: int = 2048,
    fisher: Fisher = "real",
) -> dict[str, float]:
    """Share of the typical ranges where √CRB of a parameter exceeds its prior standard deviation.

    The points are those of `typical_points`.
    """
    ranges = resolve_ranges(model.parameters, typical, "typical")
    points = typical_points(model, n_points, typical=typical)
    deviations = np.sqrt(crb(model, points, noise, fixed=fixed, fisher=fisher))
    priors = [
        prior_standard_deviation(parameter, pair) for parameter, pair in zip(model.parameters, ranges, strict=True)
    ]
    exceeds = ~(deviations <= np.array(priors))
    return dict(zip(model.parameter_names, exceeds.mean(axis=0).tolist(), strict=True))


def typical_points(
    model: AbstractSignalModel, n_points: int, *, typical: Ranges | None = None
) -> Float[np.ndarray, "point parameter"]:
    """Parameter vectors that fill the box of typical ranges evenly, in the logarithm for log-scaled parameters."""
    ranges = resolve_ranges(model.parameters, typical, "typical")
    unit = _kronecker(n_points, len(model.parameters))
    points = np.empty_like(unit)
    for index, (parameter, (low, high)) in enumerate(zip(model.parameters, ranges, strict=True)):
        is_log = parameter.is_log_scaled
        points[:, index] = low * (high / low) ** unit[:, index] if is_log else low + (high - low) * unit[:, index]
    return points


def prior_standard_deviation(parameter: Parameter, limits: tuple[float, float]) -> float:
    """Standard deviation of a parameter spread evenly over `limits`: (high − low)/√12.

    A log-scaled parameter is spread evenly in its logarithm: with L = ln(high/low),
    variance = (high² − low²)/(2L) − ((high − low)/L)².
    """
    low, high = limits
    if not parameter.is_log_scaled:
        return float((high - low) / np.sqrt(12.0))
    decades = np.log(high / low)
    return float(np.sqrt((high**2 - low**2) / (2 * decades) - ((high - low) / decades) ** 2))


def _kronecker(n_points: int, n_dimensions: int) -> Float[np.ndarray, "point dimension"]:
    """Evenly spread points of the unit cube: multiples of powers of the generalized golden ratio, modulo 1."""
    ratio = 2.0
    for _ in range(30):
        ratio = (1.0 + ratio) ** (1.0 / (n_dimensions + 1))
    steps = ratio ** -np.arange(1, n_dimensions + 1)
    return (0.5 + np.outer(np.arange(1, n_points + 1), steps)) % 1.0
