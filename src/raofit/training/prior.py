"""Where training parameters are drawn from: an independent uniform or log-uniform range per parameter."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.models import AbstractSignalModel


@dataclasses.dataclass(frozen=True)
class Prior:
    """Independent ranges, one per parameter.

    Parameters
    ----------
    names : parameter names, in model order.
    ranges : (low, high) per parameter, in parameter units.
    is_log : per parameter, whether its logarithm (rather than the value) is uniform.

    Raises
    ------
    RaofitError
        If the lengths differ, a range is empty or not finite, or a log-uniform range does not stay above 0.
    """

    names: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    is_log: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.ranges) == len(self.is_log):
            raise RaofitError(
                f"prior: expected one range and one scale for each of {', '.join(self.names)}, "
                f"got {len(self.ranges)} ranges and {len(self.is_log)} scales"
            )
        for name, (low, high), is_log in zip(self.names, self.ranges, self.is_log, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise RaofitError(f"prior of `{name}`: expected finite low < high, got ({low:g}, {high:g})")
            if is_log and low <= 0:
                raise RaofitError(f"prior of `{name}`: a log-uniform range must start above 0, got {low:g}")

    @classmethod
    def typical(cls, model: AbstractSignalModel, ranges: Ranges | None = None) -> "Prior":
        """The model's typical ranges, overridden by `ranges`; log-uniform where the parameter is log-scaled."""
        resolved = resolve_ranges(model.parameters, ranges, "typical")
        return cls(
            model.parameter_names,
            tuple((float(low), float(high)) for low, high in resolved),
            tuple(parameter.is_log_scaled for parameter in model.parameters),
        )

    @property
    def low(self) -> Float[np.ndarray, " parameter"]:
        """Lower ends."""
        return np.array([low for low, _ in self.ranges])

    @property
    def high(self) -> Float[np.ndarray, " parameter"]:
        """Upper ends."""
        return np.array([high for _, high in self.ranges])

    @property
    def mean(self) -> Float[np.ndarray, " parameter"]:
        """Expectation of each parameter: (low + high)/2, or (high − low)/log(high/low) where log-uniform."""
        low, high, is_log = self.low, self.high, np.array(self.is_log)
        ratio = np.where(is_log, high / np.where(is_log, low, 1.0), np.e)
        return np.where(is_log, (high - low) / np.log(ratio), 0.5 * (low + high))

    def sample(self, key: Array, n_samples: int) -> Float[Array, "sample parameter"]:
        """`n_samples` independent draws (float32); traced by JAX."""
        is_log = np.array(self.is_log)
        low = np.where(is_log, np.log(np.where(is_log, self.low, 1.0)), self.low).astype(np.float32)
        high = np.where(is_log, np.log(np.where(is_log, self.high, 1.0)), self.high).astype(np.float32)
        uniform = jax.random.uniform(key, (n_samples, len(self.names)), jnp.float32)
        values = low[None] + (high - low)[None] * uniform
        return jnp.where(is_log[None], jnp.exp(jnp.where(is_log[None], values, 0.0)), values)

    def as_dict(self) -> dict[str, dict]:
        """Plain values for a file: `{name: {"low", "high", "scale"}}`."""
        return {
            name: {"low": low, "high": high, "scale": "log" if is_log else "linear"}
            for name, (low, high), is_log in zip(self.names, self.ranges, self.is_log, strict=True)
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Mapping]) -> "Prior":
        """The inverse of `as_dict`."""
        return cls(
            tuple(entries),
            tuple((float(entry["low"]), float(entry["high"])) for entry in entries.values()),
            tuple(entry["scale"] == "log" for entry in entries.values()),
        )
