"""Where training parameters are drawn from: one distribution per parameter."""

import abc
import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter, Ranges, resolve_ranges
from raofit.models import AbstractSignalModel
from raofit.training.distributions import (
    AbstractDistribution,
    LogUniform,
    Restricted,
    as_distribution,
)


class AbstractPrior(abc.ABC):
    """What parameters are drawn from: a `Prior`, or a `Mixture` of them."""

    names: tuple[str, ...]

    @property
    @abc.abstractmethod
    def component_names(self) -> tuple[str, ...]:
        """Names of the components that `sample_with_component` numbers."""

    @property
    @abc.abstractmethod
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """(low, high) per parameter, outside of which nothing is drawn."""

    @property
    @abc.abstractmethod
    def mean(self) -> Float[np.ndarray, " parameter"]:
        """Expectation of each parameter."""

    @abc.abstractmethod
    def sample_with_component(
        self, key: Array, n_samples: int
    ) -> tuple[Float[Array, "sample parameter"], UInt8[Array, " sample"]]:
        """`n_samples` independent draws (float32) and which component each is from; traced by JAX."""

    @abc.abstractmethod
    def replace(self, changes: Mapping[str, AbstractDistribution | Mapping | float]) -> "AbstractPrior":
        """The same prior with some parameters distributed otherwise, by name."""

    @abc.abstractmethod
    def as_dict(self) -> dict[str, dict]:
        """Plain values for a file."""

    @property
    def low(self) -> Float[np.ndarray, " parameter"]:
        """Lower ends."""
        return np.array([low for low, _ in self.ranges])

    @property
    def high(self) -> Float[np.ndarray, " parameter"]:
        """Upper ends."""
        return np.array([high for _, high in self.ranges])

    def sample(self, key: Array, n_samples: int) -> Float[Array, "sample parameter"]:
        """`n_samples` independent draws (float32); traced by JAX."""
        return self.sample_with_component(key, n_samples)[0]


@dataclasses.dataclass(frozen=True)
class Prior(AbstractPrior):
    """Independent distributions, one per parameter; some may have to stay above or below another parameter.

    A restricted parameter is drawn after the one it refers to, from its distribution truncated there.

    Parameters
    ----------
    names : parameter names, in model order.
    distributions : one per name.

    Raises
    ------
    RaofitError
        If the lengths differ, or a restriction refers to an unknown or restricted parameter, or may leave no values.

    Examples
    --------
    >>> import jax
    >>> prior = Prior.from_dict({"R1": {"low": 0.1, "high": 2.0}, "R2": {"low": 1.0, "high": 20.0, "above": "R1"}})
    >>> rates = prior.sample(jax.random.key(0), 1000)
    >>> bool((rates[:, 1] >= rates[:, 0]).all())
    True
    """

    names: tuple[str, ...]
    distributions: tuple[AbstractDistribution, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.distributions):
            raise RaofitError(
                f"prior: expected one distribution for each of {', '.join(self.names)}, got {len(self.distributions)}"
            )
        for name, distribution in zip(self.names, self.distributions, strict=True):
            if isinstance(distribution, Restricted):
                self._check_restriction(name, distribution)

    @classmethod
    def typical(cls, model: AbstractSignalModel, ranges: Ranges | None = None, *, margin: float = 0.0) -> "Prior":
        """The model's typical ranges, overridden by `ranges`; log-uniform where the parameter is log-scaled.

        Ranges that are not overridden are wider by `margin` of their width (of their logarithm's) on both sides, but
        stay inside the fit bounds.
        """
        parameters = [dataclasses.replace(item, typical=_widened(item, margin)) for item in model.parameters]
        resolved = resolve_ranges(parameters, ranges, "typical")
        return cls.from_dict(
            {
                parameter.name: {
                    "low": low,
                    "high": high,
                    "scale": "log" if parameter.is_log_scaled else "linear",
                }
                for parameter, (low, high) in zip(model.parameters, resolved, strict=True)
            }
        )

    @classmethod
    def from_dict(cls, entries: Mapping[str, AbstractDistribution | Mapping | float]) -> "Prior":
        """A prior from plain values, one entry per parameter (see `as_distribution`); the inverse of `as_dict`.

        Raises
        ------
        RaofitError
            If an entry is no distribution.
        """
        return cls(tuple(entries), tuple(_named(name, entry) for name, entry in entries.items()))

    @property
    def component_names(self) -> tuple[str, ...]:
        """One component."""
        return ("all",)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """(low, high) per parameter."""
        return tuple((distribution.low, distribution.high) for distribution in self.distributions)

    @property
    def is_log(self) -> tuple[bool, ...]:
        """Per parameter, whether its logarithm (rather than the value) is uniform."""
        return tuple(isinstance(distribution, LogUniform) for distribution in self.distributions)

    @property
    def mean(self) -> Float[np.ndarray, " parameter"]:
        """Expectation of each parameter, with its restriction."""
        return np.array([self._mean(distribution) for distribution in self.distributions])

    def sample_with_component(
        self, key: Array, n_samples: int
    ) -> tuple[Float[Array, "sample parameter"], UInt8[Array, " sample"]]:
        """`n_samples` independent draws (float32), all of component 0; traced by JAX."""
        uniform = jax.random.uniform(key, (n_samples, len(self.names)), jnp.float32)
        drawn: dict[str, Array] = {}
        order = sorted(range(len(self.names)), key=lambda index: isinstance(self.distributions[index], Restricted))
        for index in order:
            distribution = self.distributions[index]
            low, high = float(distribution.low), float(distribution.high)
            if isinstance(distribution, Restricted):
                low = low if distribution.above is None else jnp.maximum(low, drawn[distribution.above])
                high = high if distribution.below is None else jnp.minimum(high, drawn[distribution.below])
            drawn[self.names[index]] = distribution.draw(uniform[:, index], low, high)
        return jnp.stack([drawn[name] for name in self.names], axis=-1), jnp.zeros(n_samples, jnp.uint8)

    def replace(self, changes: Mapping[str, AbstractDistribution | Mapping | float]) -> "Prior":
        """The same prior with some parameters distributed otherwise.

        Raises
        ------
        RaofitError
            If a name is not one of the prior's, or a value no distribution.
        """
        for name in changes:
            if name not in self.names:
                raise RaofitError(f"prior: `{name}` is not a parameter; the prior has {', '.join(self.names)}")
        pairs = zip(self.names, self.distributions, strict=True)
        return self.from_dict({name: changes.get(name, distribution) for name, distribution in pairs})

    def as_dict(self) -> dict[str, dict]:
        """Plain values for a file: `{name: {"low", "high", "scale"}}`, or the entries of another distribution."""
        pairs = zip(self.names, self.distributions, strict=True)
        return {name: distribution.as_dict() for name, distribution in pairs}

    def _mean(self, distribution: AbstractDistribution) -> float:
        """Expectation over the restricting parameters and then over the distribution."""
        if not isinstance(distribution, Restricted):
            return distribution.mean
        (low, low_weights), (high, high_weights) = (
            (np.array([end]), np.ones(1)) if name is None else self._nodes(name)
            for name, end in ((distribution.above, distribution.low), (distribution.below, distribution.high))
        )
        lows, highs = np.meshgrid(np.maximum(low, distribution.low), np.minimum(high, distribution.high), indexing="ij")
        values, weights = distribution.quadrature(lows, highs)
        return float(low_weights @ np.sum(values * weights, axis=-1) @ high_weights)

    def _nodes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        distribution = self.distributions[self.names.index(name)]
        return distribution.quadrature(np.float64(distribution.low), np.float64(distribution.high))

    def _check_restriction(self, name: str, restricted: Restricted) -> None:
        ends = {}
        for side, other in (("above", restricted.above), ("below", restricted.below)):
            if other is None:
                continue
            free = [known for known, item in zip(self.names, self.distributions, strict=True) if _is_free(item)]
            if other not in free:
                raise RaofitError(
                    f"prior of `{name}`: {side} `{other}`, expected another parameter without a restriction of its "
                    f"own: {', '.join(free)}"
                )
            ends[side] = self.distributions[self.names.index(other)]
        low = max(restricted.low, ends["above"].high) if "above" in ends else restricted.low
        high = min(restricted.high, ends["below"].low) if "below" in ends else restricted.high
        if not low < high:
            raise RaofitError(
                f"prior of `{name}`: its restriction may leave no value between {low:g} and {high:g}; widen its range "
                f"({restricted.low:g}, {restricted.high:g})"
            )


def _is_free(distribution: AbstractDistribution) -> bool:
    return not isinstance(distribution, Restricted)


def _widened(parameter: Parameter, margin: float) -> tuple[float, float]:
    """The typical range with `margin` of its width on both sides, inside the fit bounds."""
    low, high = parameter.typical
    lower, upper = parameter.bounds
    if parameter.is_log_scaled:
        factor = (high / low) ** margin
        return max(low / factor, lower), min(high * factor, upper)
    step = margin * (high - low)
    return max(low - step, lower), min(high + step, upper)


def _named(name: str, entry: AbstractDistribution | Mapping | float) -> AbstractDistribution:
    try:
        return as_distribution(entry)
    except RaofitError as error:
        raise RaofitError(f"prior of `{name}`: {error}") from None
