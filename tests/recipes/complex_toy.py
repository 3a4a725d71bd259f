"""A small complex model with an unknown complex amplitude: two compartments of different frequency."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from raofit.core.parameter import Parameter
from raofit.models import AbstractSignalModel, Compressed, ProtocolField

TIMES = np.linspace(0.002, 0.08, 24)


class TwoFrequencies(AbstractSignalModel):
    """s(t) = (1 − f)·exp(−R t) + f·exp((−2R + i·omega) t)."""

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (
        ProtocolField("times", "s", (0.0, 1.0), "use seconds", "sampling times"),
    )
    has_complex_amplitude: ClassVar[bool] = True

    times: np.ndarray
    name: str = "two-frequencies"
    parameters: tuple[Parameter, ...] = (
        Parameter("f", "1", (0.0, 1.0), (0.1, 0.5), "f", "share of the second compartment"),
        Parameter("R", "1/s", (0.1, 100.0), (5.0, 40.0), "R", "relaxation rate"),
        Parameter("omega", "rad/s", (10.0, 400.0), (50.0, 300.0), r"\omega", "frequency"),
    )

    def voxel_signal(self, parameters):
        f, rate, omega = parameters
        times = jnp.asarray(self.times, dtype=parameters.dtype)
        first = (1 - f) * jnp.exp(-rate * times)
        second = f * jnp.exp(-2 * rate * times)
        return jnp.stack([first + second * jnp.cos(omega * times), second * jnp.sin(omega * times)]).T @ jnp.array(
            [1, 1j], dtype=jnp.complex128 if parameters.dtype == jnp.float64 else jnp.complex64
        )


def basis(rank: int = 6, *, seed: int = 0) -> np.ndarray:
    columns = np.random.default_rng(seed).normal(size=(TIMES.size, rank))
    return np.linalg.qr(columns)[0]


def model(rank: int = 6) -> Compressed:
    return Compressed(TwoFrequencies(TIMES), basis(rank))
