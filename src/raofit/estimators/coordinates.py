"""Coordinates a fit works in: the logarithm for parameters that span decades, the value itself for the others."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_DECADE = 10.0


class Coordinates(eqx.Module):
    """Map between parameters in physical units and fit coordinates; the parameter axis is the first.

    A parameter is fitted in its logarithm if it is declared log-scaled, or if its lower bound is positive and its
    typical range spans a decade or more.
    """

    is_log: tuple[bool, ...] = eqx.field(converter=tuple, static=True)

    @staticmethod
    def of(model, bounds: Float[np.ndarray, "parameter 2"]) -> "Coordinates":
        """Coordinates for `model` fitted inside `bounds`."""
        return Coordinates(
            [
                bool(low > 0 and (item.is_log_scaled or item.typical[1] >= _DECADE * max(item.typical[0], 0.0)))
                and not item.is_amplitude
                for item, (low, _) in zip(model.parameters, bounds, strict=True)
            ]
        )

    def from_values(self, values: Float[Array, "parameter *batch"]) -> Float[Array, "parameter *batch"]:
        """Fit coordinates of parameter values."""
        flag = self._flag(values)
        return jnp.where(flag, jnp.log(jnp.where(flag, values, 1.0)), values)

    def to_values(self, coordinates: Float[Array, "parameter *batch"]) -> Float[Array, "parameter *batch"]:
        """Parameter values of fit coordinates."""
        flag = self._flag(coordinates)
        return jnp.where(flag, jnp.exp(jnp.where(flag, coordinates, 0.0)), coordinates)

    def slopes(self, values: Float[Array, "parameter *batch"]) -> Float[Array, "parameter *batch"]:
        """Derivative of each value with respect to its coordinate."""
        return jnp.where(self._flag(values), values, 1.0)

    def _flag(self, like: Array) -> Array:
        return jnp.asarray(self.is_log).reshape(-1, *([1] * (like.ndim - 1)))
