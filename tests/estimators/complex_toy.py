"""A small model with an unknown complex M0 and a mirror image: inversion recovery read out by complex echoes."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel, Parameter


class Echoes(AbstractSignalModel):
    """s_k = (1 − 2·exp(−R1·t_k))·exp((−R2 + i·ω0)·τ_k): the signal of −ω0 is the complex conjugate."""

    has_complex_amplitude: ClassVar[bool] = True

    name: str
    parameters: tuple[Parameter, ...]
    delays: np.ndarray
    echo_times: np.ndarray

    def __init__(self):
        self.name = "echoes"
        self.parameters = (
            Parameter("R1", "1/s", (0.05, 10.0), (0.3, 2.0), "R_1", "longitudinal relaxation rate"),
            Parameter("R2", "1/s", (0.1, 100.0), (5.0, 30.0), "R_2", "transverse relaxation rate"),
            Parameter("omega0", "rad/s", (-400.0, 400.0), (-300.0, 300.0), r"\omega_0", "off-resonance"),
        )
        delays, echoes = np.meshgrid([0.05, 0.4, 1.0, 3.0], [0.002, 0.008, 0.03, 0.036, 0.06], indexing="ij")
        self.delays, self.echo_times = delays.ravel(), echoes.ravel()

    def voxel_signal(self, parameters):
        r1, r2, omega0 = parameters
        delays, echo_times = (jnp.asarray(times, dtype=parameters.dtype) for times in (self.delays, self.echo_times))
        magnitude = (1.0 - 2.0 * jnp.exp(-r1 * delays)) * jnp.exp(-r2 * echo_times)
        return magnitude * jnp.exp(1j * omega0 * echo_times)

    def mirror_images(self, parameters):
        return jnp.stack([parameters, parameters.at[2].multiply(-1.0)])


def bound_with_unknown_amplitude(model, parameters, amplitude, sigma):
    """Cramér–Rao bound by brute force: all unknowns, the amplitude's real and imaginary part among them, are real."""
    with jax.enable_x64(True):
        signal, jacobian = map(np.asarray, model.signal_and_jacobian(parameters))
    columns = np.concatenate([amplitude * jacobian, signal[:, None], 1j * signal[:, None]], axis=1) / sigma
    stacked = np.concatenate([columns.real, columns.imag])
    return np.diag(np.linalg.inv(stacked.T @ stacked))[: len(parameters)]


class Given:
    """An estimator that says what it was told."""

    def __init__(self, values, names, status=None):
        self.values, self.names = np.asarray(values), names
        self.status = np.zeros(self.values.shape[:-1], np.uint8) if status is None else np.asarray(status, np.uint8)

    def estimate(self, measurements):
        return Estimate(self.values, self.status, self.names, lambda: np.full_like(self.values, np.nan))
