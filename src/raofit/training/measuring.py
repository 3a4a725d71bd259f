"""Measurements drawn inside the training step: fresh noise at every step, and no noisy copy of the training set."""

import abc
from collections.abc import Mapping
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError

SnrScale = Literal["uniform", "log"]
SNR_SCALES: tuple[SnrScale, ...] = ("uniform", "log")


class AbstractMeasuring(eqx.Module):
    """From the noise-free arrays of a batch (sample axis last) to what networks and losses read."""

    @abc.abstractmethod
    def __call__(self, batch: Mapping[str, Array], *, key: Array) -> dict[str, Array]:
        """The batch with `measurements` (input, realization, sample); traced by JAX."""


class ComplexMeasuring(AbstractMeasuring):
    """Noisy coefficients y_r = M0·s + ε_r of each sample, ε with standard deviation 1 per real channel.

    One complex M0 per sample: |M0| is its SNR, drawn from `snr`, the phase is uniform. All realizations share it. A
    batch's `bound` is the Cramér–Rao bound at M0 = 1 and σ = 1, which becomes bound/|M0|², the one at the sample's SNR.

    Parameters
    ----------
    snr : lowest and highest |M0|/σ.
    snr_scale : whether |M0| or its logarithm is uniform.
    n_realizations : noise draws per sample and step.

    Raises
    ------
    RaofitError
        If the SNR range is empty or not positive, the scale unknown, or there is no realization.

    References: [zhang2022], [mao2024].
    """

    snr: tuple[float, float] = eqx.field(static=True)
    snr_scale: SnrScale = eqx.field(static=True, default="uniform")
    n_realizations: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        low, high = self.snr
        if not 0 < low <= high < np.inf:
            raise RaofitError(f"measuring: expected 0 < lowest SNR <= highest SNR, got {low:g} to {high:g}")
        if self.snr_scale not in SNR_SCALES:
            raise RaofitError(f"SNR scale: expected one of {', '.join(SNR_SCALES)}, got {self.snr_scale!r}")
        if self.n_realizations < 1:
            raise RaofitError(f"measuring: expected at least 1 realization, got {self.n_realizations}")

    def __call__(self, batch: Mapping[str, Array], *, key: Array) -> dict[str, Array]:
        """Replace `signals` (2R, sample), real parts above imaginary parts, by `measurements`."""
        batch = dict(batch)
        signals = batch.pop("signals")
        size_key, phase_key, noise_key = jax.random.split(key, 3)
        snr = self.sizes(size_key, signals.shape[1])
        phase = jax.random.uniform(phase_key, snr.shape, jnp.float32, 0.0, 2.0 * np.pi)
        rotated = rotate(signals, snr * jnp.cos(phase), snr * jnp.sin(phase))
        shape = (signals.shape[0], self.n_realizations, signals.shape[1])
        batch["measurements"] = rotated[:, None] + jax.random.normal(noise_key, shape, jnp.float32)
        if "bound" in batch:
            batch["bound"] = batch["bound"] / jnp.square(snr)[None]
        return batch

    def sizes(self, key: Array, n_samples: int) -> Float[Array, " sample"]:
        """|M0| of each sample."""
        low, high = self.snr
        share = jax.random.uniform(key, (n_samples,), jnp.float32)
        return low + (high - low) * share if self.snr_scale == "uniform" else low * (high / low) ** share


def rotate(
    signals: Float[Array, "input sample"], real: Float[Array, " sample"], imaginary: Float[Array, " sample"]
) -> Float[Array, "input sample"]:
    """Coefficients (real parts above imaginary parts) times one complex number per sample."""
    n_coefficients = signals.shape[0] // 2
    upper, lower = signals[:n_coefficients], signals[n_coefficients:]
    return jnp.concatenate([upper * real[None] - lower * imaginary[None], upper * imaginary[None] + lower * real[None]])
