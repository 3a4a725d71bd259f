"""How one parameter is distributed: uniform, log-uniform, truncated normal or fixed; or its reciprocal is.

Every distribution draws by inverting its distribution function at uniform numbers, within a range that may be narrower
than its own: a draw under a restriction is exact and needs no rejection.
"""

import abc
import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)
_LEAST_SHARE = 1e-4
_FORMS = (
    "a number (fixed)",
    "{low, high}",
    '{low, high, scale = "log"}',
    "{center, sd, low, high}",
    'and with them of = "reciprocal", above = NAME or below = NAME',
)


class AbstractDistribution(abc.ABC):
    """Distribution of one parameter on a finite range, in parameter units."""

    low: float
    high: float

    @abc.abstractmethod
    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """Values at the `uniform` quantiles of the distribution truncated to (low, high); traced by JAX, float32."""

    @abc.abstractmethod
    def quadrature(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[Float[np.ndarray, "*batch node"], Float[np.ndarray, "*batch node"]]:
        """Values and weights (sum 1) whose weighted sums are expectations under the truncation to (low, high)."""

    @abc.abstractmethod
    def as_dict(self) -> dict[str, float | str]:
        """Plain values, from which `as_distribution` builds the same distribution."""

    @property
    def mean(self) -> float:
        """Expectation."""
        values, weights = self.quadrature(np.float64(self.low), np.float64(self.high))
        return float(np.sum(values * weights))


@dataclasses.dataclass(frozen=True)
class Uniform(AbstractDistribution):
    """Every value of (low, high) equally likely; both finite, low < high, or a `RaofitError`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)

    @property
    def mean(self) -> float:
        """(low + high)/2."""
        return 0.5 * (self.low + self.high)

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """Low + (high − low)·uniform."""
        low, high = _single(low), _single(high)
        return low + (high - low) * uniform

    def quadrature(self, low, high):
        """Gauss–Legendre."""
        return _gauss(low, high, np.ones_like)

    def as_dict(self) -> dict[str, float | str]:
        """{low, high, scale}."""
        return {"low": self.low, "high": self.high, "scale": "linear"}


@dataclasses.dataclass(frozen=True)
class LogUniform(AbstractDistribution):
    """The logarithm is uniform; 0 < low < high, finite, or a `RaofitError`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)
        if self.low <= 0:
            raise RaofitError(f"a log-uniform range must start above 0, got {self.low:g}")

    @property
    def mean(self) -> float:
        """(high − low)/log(high/low)."""
        return float((self.high - self.low) / np.log(self.high / self.low))

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """Low·(high/low)^uniform, by logarithms."""
        start, end = (_single(np.log(end)) if isinstance(end, float) else jnp.log(end) for end in (low, high))
        return jnp.exp(start + (end - start) * uniform)

    def quadrature(self, low, high):
        """Gauss–Legendre in the logarithm."""
        values, weights = _gauss(np.log(low), np.log(high), np.ones_like)
        return np.exp(values), weights

    def as_dict(self) -> dict[str, float | str]:
        """{low, high, scale}."""
        return {"low": self.low, "high": self.high, "scale": "log"}


@dataclasses.dataclass(frozen=True)
class TruncatedNormal(AbstractDistribution):
    """Normal with center and standard deviation `sd` before truncation to (low, high).

    Raises
    ------
    RaofitError
        If a number is not finite, `sd` is not > 0, the range is empty, or holds less than 1e-4 of the normal.
    """

    center: float
    sd: float
    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)
        if not (np.isfinite(self.center) and np.isfinite(self.sd) and self.sd > 0):
            raise RaofitError(f"expected a finite center and sd > 0, got center {self.center:g} and sd {self.sd:g}")
        share = np.diff(scipy.special.ndtr([(end - self.center) / self.sd for end in (self.low, self.high)]))[0]
        if share < _LEAST_SHARE:
            raise RaofitError(
                f"the range ({self.low:g}, {self.high:g}) holds {share:.2g} of the normal of center {self.center:g} "
                f"and sd {self.sd:g}; move the center or widen the range"
            )

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """Center + sd·√2·erf⁻¹(erf(a) + (erf(b) − erf(a))·uniform), a and b the ends in units of √2·sd."""
        scale = math.sqrt(2) * self.sd
        start, end = (jax.lax.erf(_single((end - self.center) / scale)) for end in (low, high))
        standard = jax.lax.erf_inv(start + (end - start) * uniform)
        return jnp.clip(_single(self.center) + _single(scale) * standard, _single(low), _single(high))

    def quadrature(self, low, high):
        """Gauss–Legendre over the part of the range within 12 sd of the center."""
        reach = 12 * self.sd
        inner_low, inner_high = np.clip(low, self.center - reach, None), np.clip(high, None, self.center + reach)
        return _gauss(inner_low, inner_high, lambda x: np.exp(-0.5 * ((x - self.center) / self.sd) ** 2))

    def as_dict(self) -> dict[str, float | str]:
        """{center, sd, low, high}."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Fixed(AbstractDistribution):
    """One value (finite, or a `RaofitError`)."""

    value: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise RaofitError(f"expected a finite value, got {self.value:g}")

    @property
    def low(self) -> float:  # type: ignore[override]
        """The value."""
        return self.value

    @property
    def high(self) -> float:  # type: ignore[override]
        """The value."""
        return self.value

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:  # noqa: ARG002
        """The value."""
        return jnp.full_like(uniform, self.value)

    def quadrature(self, low, high):  # noqa: ARG002
        """One node."""
        shape = (*np.shape(low), 1)
        return np.full(shape, self.value), np.ones(shape)

    def as_dict(self) -> dict[str, float | str]:
        """{value}."""
        return {"value": self.value}


@dataclasses.dataclass(frozen=True)
class Reciprocal(AbstractDistribution):
    """The parameter's reciprocal has the distribution `of`, on positive values: R1 = 1/T1 where T1 is normal."""

    of: AbstractDistribution

    def __post_init__(self) -> None:
        if isinstance(self.of, Reciprocal | Restricted) or self.of.low <= 0:
            raise RaofitError(f"expected the reciprocal to be distributed over values > 0, got {self.of}")

    @property
    def low(self) -> float:  # type: ignore[override]
        """1 over the reciprocal's upper end."""
        return 1.0 / self.of.high

    @property
    def high(self) -> float:  # type: ignore[override]
        """1 over the reciprocal's lower end."""
        return 1.0 / self.of.low

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """1 over a draw of the reciprocal."""
        return 1.0 / self.of.draw(uniform, 1.0 / high, 1.0 / low)

    def quadrature(self, low, high):
        """The reciprocal's nodes."""
        values, weights = self.of.quadrature(1.0 / high, 1.0 / low)
        return 1.0 / values, weights

    def as_dict(self) -> dict[str, float | str]:
        """The reciprocal's entries, marked."""
        return self.of.as_dict() | {"of": "reciprocal"}


@dataclasses.dataclass(frozen=True)
class Restricted(AbstractDistribution):
    """`distribution`, truncated to values above or below what was drawn for another parameter.

    Parameters
    ----------
    above, below : names of other parameters of the prior; one of them at least.
    """

    distribution: AbstractDistribution
    above: str | None = None
    below: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.distribution, Restricted | Fixed) or self.above is self.below is None:
            raise RaofitError(
                "expected a distribution with a spread, and the name of a parameter to stay above or below"
            )

    @property
    def low(self) -> float:  # type: ignore[override]
        """Lower end without the restriction."""
        return self.distribution.low

    @property
    def high(self) -> float:  # type: ignore[override]
        """Upper end without the restriction."""
        return self.distribution.high

    def draw(self, uniform: Array, low: Array | float, high: Array | float) -> Array:
        """A draw of the distribution; the prior narrows the range."""
        return self.distribution.draw(uniform, low, high)

    def quadrature(self, low, high):
        """Nodes of the distribution; the prior narrows the range."""
        return self.distribution.quadrature(low, high)

    def as_dict(self) -> dict[str, float | str]:
        """The distribution's entries and the names."""
        names = {"above": self.above, "below": self.below}
        return self.distribution.as_dict() | {key: name for key, name in names.items() if name is not None}


def as_distribution(value: "AbstractDistribution | Mapping | float") -> AbstractDistribution:
    """A distribution from plain values, as they stand in a file.

    Parameters
    ----------
    value : a number (fixed), or a table with the entries of one `as_dict`: {value}, {low, high}, {low, high,
        scale = "log"} or {center, sd, low, high}, and with them `of = "reciprocal"`, `above = NAME`, `below = NAME`.

    Raises
    ------
    RaofitError
        If the entries are those of no distribution, or its numbers make no sense.
    """
    if isinstance(value, AbstractDistribution):
        return value
    entries = dict(value) if isinstance(value, Mapping) else {"value": value}
    above, below, of = (entries.pop(key, None) for key in ("above", "below", "of"))
    scale = entries.pop("scale", "linear")
    kinds = {
        frozenset(("value",)): Fixed,
        frozenset(("low", "high")): LogUniform if scale == "log" else Uniform,
        frozenset(("center", "sd", "low", "high")): TruncatedNormal,
    }
    kind = kinds.get(frozenset(entries))
    if kind is None or scale not in ("linear", "log") or of not in (None, "reciprocal"):
        raise RaofitError(f"expected {', '.join(_FORMS)}; got {value!r}")
    try:
        numbers = {key: float(number) for key, number in entries.items()}
    except (TypeError, ValueError, OverflowError):
        raise RaofitError(f"expected numbers, got {value!r}") from None
    distribution: AbstractDistribution = kind(**numbers)
    distribution = distribution if of is None else Reciprocal(distribution)
    return distribution if above is below is None else Restricted(distribution, above, below)


def _check_range(low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RaofitError(f"expected finite low < high, got ({low:g}, {high:g})")


def _single(value) -> Array | np.float32:
    """Float32 of a number, rounded once."""
    return value if isinstance(value, jax.Array) else np.float32(value)


def _gauss(low, high, density) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes on (low, high) with weights proportional to `density`, summing to 1."""
    middle, half = 0.5 * (np.asarray(low) + high), 0.5 * (np.asarray(high) - low)
    values = middle[..., None] + half[..., None] * _NODES
    weights = _WEIGHTS * density(values)
    return values, weights / np.sum(weights, axis=-1, keepdims=True)
