"""What every noise model is: a sampler, a log-likelihood, its score, and the information one sample carries."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import RaofitError


class AbstractNoise(eqx.Module):
    """Distribution of a measurement given its noise-free signal; samples are independent.

    `sigma` is the standard deviation of the Gaussian noise *per real channel*, in signal units: one number, or an array
    with one value per voxel (shape: the batch axes of the measurements, without the measurement axis).
    """

    name: eqx.AbstractClassVar[str]
    is_complex: eqx.AbstractClassVar[bool]
    is_magnitude: eqx.AbstractClassVar[bool]
    sigma: eqx.AbstractVar[Float[Array, "*batch"]]

    @abc.abstractmethod
    def sample(self, key: Array, signal: Inexact[Array, "*batch measurement"]) -> Inexact[Array, "*batch measurement"]:
        """One noisy measurement of each signal."""

    @abc.abstractmethod
    def log_density(
        self, measurement: Inexact[Array, "*batch measurement"], signal: Inexact[Array, "*batch measurement"]
    ) -> Float[Array, "*batch measurement"]:
        """Logarithm of the probability density of each sample."""

    @abc.abstractmethod
    def score(
        self, measurement: Inexact[Array, "*batch measurement"], signal: Inexact[Array, "*batch measurement"]
    ) -> Inexact[Array, "*batch measurement"]:
        """Derivative of `log_density` with respect to the signal (real and imaginary part as one complex number)."""

    @abc.abstractmethod
    def information(self, signal: Inexact[Array, "*batch measurement"]) -> Float[Array, "*batch measurement"]:
        """Fisher information of each sample about its signal (per real channel), 1/signal units²."""

    def log_likelihood(
        self, measurement: Inexact[Array, "*batch measurement"], signal: Inexact[Array, "*batch measurement"]
    ) -> Float[Array, "*batch"]:
        """Log-likelihood of each voxel: the log densities summed over the last axis."""
        return jnp.sum(self.log_density(jnp.asarray(measurement), jnp.asarray(signal)), axis=-1)

    def sigma_like(self, signal: Array) -> Float[Array, "..."]:
        """`sigma` with a measurement axis where it varies over voxels, in the real dtype of `signal`."""
        sigma = jnp.asarray(self.sigma, dtype=jnp.finfo(signal.dtype).dtype)
        return sigma if sigma.ndim == 0 else sigma[..., None]


def checked_sigma(sigma) -> Any:
    """`sigma` as an array; a concrete value must be finite and positive.

    Raises
    ------
    RaofitError
        If one number is given and it is not finite and > 0. Maps may hold such values; estimators mark those voxels.
    """
    if isinstance(sigma, jax.core.Tracer):
        return sigma
    array = sigma if isinstance(sigma, jax.Array) else np.asarray(sigma)
    if array.ndim == 0 and not (np.isfinite(array) and array > 0):
        raise RaofitError(f"`sigma`: expected a noise standard deviation > 0 in signal units, got {float(array):g}")
    return array
