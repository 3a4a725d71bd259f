"""Small models with an unknown complex amplitude, whose derivatives are written out by hand."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from raofit.core.parameter import Parameter
from raofit.models import AbstractSignalModel

RATE = Parameter("R2", "1/s", (0.1, 200.0), (10.0, 40.0), "R_2", "decay rate")
FREQUENCY = Parameter("omega0", "rad/s", (-500.0, 500.0), (-50.0, 50.0), r"\omega_0", "off-resonance")
FRACTION = Parameter("f", "1", (0.0, 1.0), (0.1, 0.4), "f", "fraction of the second pool")
TIMES = np.linspace(2e-3, 60e-3, 24)


class Decay(AbstractSignalModel):
    """s = exp((i·omega0 − R2)·t)."""

    times: np.ndarray
    name: str = "decay"
    parameters: tuple = (RATE, FREQUENCY)
    has_complex_amplitude: ClassVar[bool] = True

    def voxel_signal(self, parameters):
        rate, frequency = parameters
        times = jnp.asarray(self.times, dtype=parameters.dtype)
        return jnp.exp(-rate * times) * jnp.exp(1j * (frequency * times).astype(_complex(parameters)))


class TwoPools(AbstractSignalModel):
    """s = (1 − f)·exp((i·omega0 − R2)·t) + f·exp(−3·R2·t)·(1 + 20i·t): derivatives that are not orthogonal."""

    times: np.ndarray
    name: str = "two pools"
    parameters: tuple = (FRACTION, RATE, FREQUENCY)
    has_complex_amplitude: ClassVar[bool] = True

    def voxel_signal(self, parameters):
        fraction, rate, frequency = parameters
        times = jnp.asarray(self.times, dtype=parameters.dtype)
        turned = jnp.exp(1j * (frequency * times).astype(_complex(parameters)))
        second = jnp.exp(-3.0 * rate * times) * (1 + 20j * times.astype(_complex(parameters)))
        return (1.0 - fraction) * jnp.exp(-rate * times) * turned + fraction * second


def decay_jacobian(times, rate, frequency):
    """Signal (measurement,) and derivatives (measurement, parameter) of `Decay`, in numpy."""
    signal = np.exp((1j * frequency - rate) * times)
    return signal, np.stack([-times * signal, 1j * times * signal], axis=-1)


def _complex(parameters):
    return jnp.result_type(parameters.dtype, jnp.complex64)
