"""Rician noise: the magnitude of a complex measurement."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from raofit.core.special import log_i0e, one_minus_bessel_ratio, rician_information
from raofit.noise._noise import AbstractNoise, checked_sigma


class Rician(AbstractNoise):
    """Magnitudes m = |s + n1 + i·n2| with n1, n2 ~ N(0, σ²) [gudbjartsson1995].

    With z = m·s/σ²,   log p = log(m/σ²) − (m − s)²/(2σ²) + log(exp(−z)·I0(z)).

    The density is even in s: signals enter by their absolute value.

    Parameters
    ----------
    sigma : Float[Array, "*batch"]
        Standard deviation σ of each Gaussian channel *before* the magnitude, signal units. The standard deviation of a
        background region is smaller: 0.655·σ.
    """

    name: ClassVar[str] = "rician"
    is_complex: ClassVar[bool] = False
    is_magnitude: ClassVar[bool] = True
    sigma: Float[Array, "*batch"]

    def __init__(self, sigma: Float[Array, "*batch"]):
        self.sigma = checked_sigma(sigma)

    def sample(self, key: Array, signal: Float[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """Magnitude of the signal plus complex normal noise."""
        signal = jnp.asarray(signal)
        real, imaginary = jax.random.normal(key, (2, *signal.shape), signal.dtype)
        sigma = self.sigma_like(signal)
        return jnp.hypot(signal + sigma * real, sigma * imaginary)

    def log_density(
        self, measurement: Float[Array, "*batch measurement"], signal: Float[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """Log of the Rice density; −inf for a magnitude ≤ 0."""
        sigma = self.sigma_like(signal)
        amplitude = jnp.abs(signal)
        safe = jnp.where(measurement > 0, measurement, sigma)
        residual = (safe - amplitude) / sigma  # subtracted first: dividing first would round away the difference
        product = (safe / sigma) * (amplitude / sigma)
        density = jnp.log(safe / sigma) - 0.5 * jnp.square(residual) + log_i0e(product) - jnp.log(sigma)
        return jnp.where(measurement > 0, density, -jnp.inf)

    def score(
        self, measurement: Float[Array, "*batch measurement"], signal: Float[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """((m − s) − m·(1 − I1(z)/I0(z)))/σ²."""
        sigma = self.sigma_like(signal)
        amplitude, magnitude = jnp.abs(signal), measurement / sigma
        slope = (measurement - amplitude) / sigma - magnitude * one_minus_bessel_ratio(magnitude * (amplitude / sigma))
        return jnp.sign(signal) * slope / sigma

    def information(self, signal: Float[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """E[score²]: s²/σ⁴ for s ≪ σ, 1/σ² for s ≫ σ."""
        sigma = self.sigma_like(signal)
        return rician_information(jnp.abs(signal) / sigma) / jnp.square(sigma)
