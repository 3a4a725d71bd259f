"""Priors of several kinds of tissue at once."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from raofit.core.errors import RaofitError
from raofit.training.distributions import AbstractDistribution
from raofit.training.prior import AbstractPrior, Prior

_KEY = "mixture"


@dataclasses.dataclass(frozen=True)
class Component:
    """One kind of tissue in a mixture: its name, its share of the samples before normalization, and its prior."""

    name: str
    weight: float
    prior: Prior


@dataclasses.dataclass(frozen=True)
class Mixture(AbstractPrior):
    """Each sample is from one component, drawn with a probability proportional to the component's weight.

    Parameters
    ----------
    components : at least one, at most 255, with the same parameters in the same order.

    Raises
    ------
    RaofitError
        If there is no component, two have one name, a weight is not > 0, or the parameters differ.

    Examples
    --------
    >>> wet, dry = Prior.from_dict({"R1": {"low": 0.1, "high": 0.5}}), Prior.from_dict({"R1": 3.0})
    >>> mixture = Mixture((Component("wet", 0.75, wet), Component("dry", 0.25, dry)))
    >>> print(mixture.mean, mixture.low, mixture.high)
    [0.975] [0.1] [3.]
    """

    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.components) <= 255:
            raise RaofitError(f"mixture: expected 1 to 255 components, got {len(self.components)}")
        if len(set(self.component_names)) != len(self.components):
            raise RaofitError(f"mixture: expected different component names, got {', '.join(self.component_names)}")
        for component in self.components:
            if not (np.isfinite(component.weight) and component.weight > 0):
                raise RaofitError(f"mixture: expected a weight > 0 for `{component.name}`, got {component.weight:g}")
            if component.prior.names != self.names:
                raise RaofitError(
                    f"mixture: expected the parameters {', '.join(self.names)} in this order in every component, got "
                    f"{', '.join(component.prior.names)} in `{component.name}`"
                )

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Parameter names, in model order."""
        return self.components[0].prior.names

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the components."""
        return tuple(component.name for component in self.components)

    @property
    def shares(self) -> Float[np.ndarray, " component"]:
        """Probability of each component."""
        weights = np.array([component.weight for component in self.components], dtype=np.float64)
        return weights / np.sum(weights)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Least lower and greatest upper end over the components."""
        lows = np.min([component.prior.low for component in self.components], axis=0)
        highs = np.max([component.prior.high for component in self.components], axis=0)
        return tuple(zip(lows.tolist(), highs.tolist(), strict=True))

    @property
    def mean(self) -> Float[np.ndarray, " parameter"]:
        """Expectation of each parameter over all components."""
        return self.shares @ np.array([component.prior.mean for component in self.components])

    def sample_with_component(
        self, key: Array, n_samples: int
    ) -> tuple[Float[Array, "sample parameter"], UInt8[Array, " sample"]]:
        """`n_samples` independent draws (float32) and the index of the component of each; traced by JAX."""
        choice_key, *keys = jax.random.split(key, 1 + len(self.components))
        edges = np.cumsum(self.shares)[:-1].astype(np.float32)
        uniform = jax.random.uniform(choice_key, (n_samples,), jnp.float32)
        index = jnp.sum(uniform[:, None] >= edges[None], axis=1, dtype=jnp.int32)
        drawn = jnp.stack(
            [component.prior.sample(own, n_samples) for component, own in zip(self.components, keys, strict=True)]
        )
        values = jnp.take_along_axis(drawn, index[None, :, None], axis=0)[0]
        return values, index.astype(jnp.uint8)

    def replace(
        self, changes: Mapping[str, AbstractDistribution | Mapping | float], *, component: str | None = None
    ) -> "Mixture":
        """The same mixture with some parameters distributed otherwise, in one component or in all.

        Raises
        ------
        RaofitError
            If the component or a parameter is unknown, or a value no distribution.
        """
        if component is not None and component not in self.component_names:
            known = ", ".join(self.component_names)
            raise RaofitError(f"mixture: `{component}` is not a component; the mixture has {known}")
        return Mixture(
            tuple(
                dataclasses.replace(item, prior=item.prior.replace(changes)) if component in (None, item.name) else item
                for item in self.components
            )
        )

    def as_dict(self) -> dict[str, dict]:
        """Plain values for a file: `{"mixture": {component: {"weight", "parameters"}}}`."""
        return {
            _KEY: {
                component.name: {"weight": component.weight, "parameters": component.prior.as_dict()}
                for component in self.components
            }
        }


def prior_from_dict(entries: Mapping[str, Mapping]) -> AbstractPrior:
    """The prior or mixture whose `as_dict` gave `entries`; an entry may also be a plain number, for a fixed parameter.

    Raises
    ------
    RaofitError
        If an entry is no distribution, or a component lacks `weight` or `parameters`.
    """
    if set(entries) != {_KEY}:
        return Prior.from_dict(entries)
    components = []
    for name, entry in entries[_KEY].items():
        if set(entry) != {"weight", "parameters"}:
            raise RaofitError(f"mixture: expected `weight` and `parameters` in `{name}`, got {', '.join(entry)}")
        components.append(Component(name, float(entry["weight"]), Prior.from_dict(entry["parameters"])))
    return Mixture(tuple(components))
