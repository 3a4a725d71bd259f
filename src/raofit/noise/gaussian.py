"""Additive real Gaussian noise."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.noise._noise import AbstractNoise, checked_sigma


class Gaussian(AbstractNoise):
    """Real measurements y = s + n, n ~ N(0, σ²): log p = −(y − s)²/(2σ²) − log(σ·√(2π)).

    Maximum likelihood under this model is non-linear least squares.

    Parameters
    ----------
    sigma : Float[Array, "*batch"]
        Standard deviation σ, signal units: a number, or one value per voxel.
    """

    name: ClassVar[str] = "gaussian"
    is_complex: ClassVar[bool] = False
    is_magnitude: ClassVar[bool] = False
    sigma: Float[Array, "*batch"]

    def __init__(self, sigma: Float[Array, "*batch"]):
        self.sigma = checked_sigma(sigma)

    def sample(self, key: Array, signal: Float[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """Signal plus independent normal noise."""
        signal = jnp.asarray(signal)
        return signal + self.sigma_like(signal) * jax.random.normal(key, signal.shape, signal.dtype)

    def log_density(
        self, measurement: Float[Array, "*batch measurement"], signal: Float[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """Log of the normal density."""
        sigma = self.sigma_like(signal)
        return -0.5 * jnp.square((measurement - signal) / sigma) - jnp.log(sigma) - 0.5 * np.log(2.0 * np.pi)

    def score(
        self, measurement: Float[Array, "*batch measurement"], signal: Float[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """(y − s)/σ²."""
        return (measurement - signal) / jnp.square(self.sigma_like(signal))

    def information(self, signal: Float[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """1/σ² for every sample."""
        return jnp.broadcast_to(1.0 / jnp.square(self.sigma_like(signal)), signal.shape)
