"""Additive complex Gaussian noise, as in reconstructed k-space data before the magnitude is taken."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from raofit.noise._noise import AbstractNoise, checked_sigma


class ComplexGaussian(AbstractNoise):
    """Complex measurements y = s + n with independent real and imaginary parts of n ~ N(0, σ²).

    log p = −|y − s|²/(2σ²) − log(2πσ²). The signal may be real or complex.

    Parameters
    ----------
    sigma : Float[Array, "*batch"]
        Standard deviation σ of *each* of the real and the imaginary channel, signal units.
    """

    name: ClassVar[str] = "complex-gaussian"
    is_complex: ClassVar[bool] = True
    is_magnitude: ClassVar[bool] = False
    sigma: Float[Array, "*batch"]

    def __init__(self, sigma: Float[Array, "*batch"]):
        self.sigma = checked_sigma(sigma)

    def sample(self, key: Array, signal: Inexact[Array, "*batch measurement"]) -> Complex[Array, "*batch measurement"]:
        """Signal plus independent normal noise on both channels."""
        signal = jnp.asarray(signal)
        real, imaginary = jax.random.normal(key, (2, *signal.shape), jnp.finfo(signal.dtype).dtype)
        return signal + self.sigma_like(signal) * jax.lax.complex(real, imaginary)

    def log_density(
        self, measurement: Inexact[Array, "*batch measurement"], signal: Inexact[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """Log of the circular normal density."""
        sigma = self.sigma_like(signal)
        residual = (measurement - signal) / sigma
        return -0.5 * (jnp.square(residual.real) + jnp.square(residual.imag)) - jnp.log(2.0 * np.pi * jnp.square(sigma))

    def score(
        self, measurement: Inexact[Array, "*batch measurement"], signal: Inexact[Array, "*batch measurement"]
    ) -> Inexact[Array, "*batch measurement"]:
        """(y − s)/σ²: the real part is the derivative along Re s, the imaginary part along Im s."""
        return (measurement - signal) / jnp.square(self.sigma_like(signal))

    def information(self, signal: Inexact[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """1/σ² per channel and sample."""
        return jnp.broadcast_to(1.0 / jnp.square(self.sigma_like(signal)), signal.shape)
