"""A model with the protocol of qmt and a signal that compiles in no time, and a slice of its coefficients on disk."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from raofit.estimators.network import NetworkEstimator
from raofit.models import AbstractSignalModel, Compressed, Parameter, ProtocolField
from raofit.models.qmt.model import FLIP_ANGLES, PULSE_DURATIONS, REPETITION_TIME
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior
from tests.io.matlab_files import write_v73

N_PULSES, RANK, SHAPE = 60, 6, (12, 10)
SIGMA, AMPLITUDE = 2e-4, 0.02 * np.exp(0.7j)


class Toy(AbstractSignalModel):
    """s_k = sin(α_k)·((1 − f)·exp(−R·t_k) + f·exp((−3R + iω0)·t_k)): the signal of −ω0 is the complex conjugate."""

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (FLIP_ANGLES, PULSE_DURATIONS, REPETITION_TIME)
    has_complex_amplitude: ClassVar[bool] = True
    lanes_at_once: ClassVar[int | None] = 64

    name: str
    parameters: tuple[Parameter, ...]
    flip_angles: np.ndarray
    pulse_durations: np.ndarray
    repetition_time: float

    def __init__(self, flip_angles, pulse_durations, repetition_time):
        self.name = "qmt"
        self.parameters = (
            Parameter("f", "1", (0.0, 1.0), (0.2, 0.6), "f", "fraction"),
            Parameter("R", "1/s", (0.5, 60.0), (5.0, 20.0), "R", "relaxation rate"),
            Parameter("omega0", "rad/s", (-150.0, 150.0), (-90.0, 90.0), r"\omega_0", "off-resonance frequency"),
        )
        self.flip_angles, self.pulse_durations = np.asarray(flip_angles), np.asarray(pulse_durations)
        self.repetition_time = float(repetition_time)

    def voxel_signal(self, parameters):
        fraction, rate, omega0 = parameters
        angles = jnp.asarray(self.flip_angles.ravel(), parameters.dtype)
        times = self.repetition_time * jnp.arange(angles.size, dtype=parameters.dtype)
        slow = (1.0 - fraction) * jnp.exp(-rate * times)
        fast = fraction * jnp.exp(-3.0 * rate * times)
        return jnp.sin(angles) * jax.lax.complex(slow + fast * jnp.cos(omega0 * times), fast * jnp.sin(omega0 * times))

    def mirror_images(self, parameters):
        return jnp.stack([parameters, parameters.at[2].multiply(-1.0)])


def protocol():
    angles = 0.4 + 0.3 * np.sin(np.arange(N_PULSES) / 5.0)
    return {"flip_angles": angles[None], "pulse_durations": np.full((1, N_PULSES), 2e-4), "repetition_time": 3.5e-3}


def basis():
    model, generator = Toy(**protocol()), np.random.default_rng(7)
    low, high = np.array([parameter.typical for parameter in model.parameters]).T
    signals = np.asarray(model.signal(np.float32(generator.uniform(low, high, (400, 3)))))
    return np.linalg.svd(np.concatenate([signals.real, signals.imag]), full_matrices=False)[2][:RANK]  # rows


def model():
    return Compressed(Toy(**protocol()), np.float32(basis()).T)


def write_scan(folder, *, seed=0):
    """Files coeffs.mat, control.mat and basis.mat; returns the true parameters (x, y, 3) and the mask."""
    generator, seen = np.random.default_rng(seed), model()
    low, high = np.array([parameter.typical for parameter in seen.parameters]).T
    truth = generator.uniform(low, high, (*SHAPE, 3))
    signal = AMPLITUDE * np.asarray(seen.signal(np.float32(truth)))
    noise = SIGMA * (generator.normal(size=signal.shape) + 1j * generator.normal(size=signal.shape))
    mask = generator.uniform(size=SHAPE) < 0.8
    values = np.where(mask[..., None], signal + noise, 0).astype(np.complex64)
    write_v73(folder / "coeffs.mat", x=values, mask=mask.astype(np.uint8))
    settings = protocol()
    write_v73(folder / "control.mat", alpha=settings["flip_angles"].T, TRF=settings["pulse_durations"].T)
    write_v73(folder / "basis.mat", U=basis().astype(np.float32))
    return truth, mask


def network(seen=None) -> NetworkEstimator:
    """Random weights, answers inside the typical ranges, |omega0| for omega0."""
    seen = model() if seen is None else seen
    prior = Prior.typical(seen)
    ranges = np.array([parameter.typical for parameter in seen.parameters])
    ranges[2] = 0.0, ranges[2, 1]
    perceptron = Perceptron(
        sizes=(2 * seen.n_measurements, 8, 3),
        output_scales=(1.0,) * 3,
        constraint="sigmoid",
        output_ranges=tuple((float(low), float(high)) for low, high in ranges),
        input_scaling="first",
        has_complex_amplitude=True,
        magnitude_outputs=(2,),
    )
    n_inputs = 2 * seen.n_measurements
    return NetworkEstimator(
        model=seen,
        network=perceptron,
        weights=np.asarray(perceptron.initial_weights(jax.random.key(0))),
        noise_name="complex-gaussian",
        snr_range=(50.0, 200.0),
        prior=prior,
        input_range=np.stack([np.full(n_inputs, -1e6), np.full(n_inputs, 1e6)]),
        label_range=ranges.T,
        standard_error_factors=np.ones(3),
        statistics=np.r_[np.zeros(n_inputs), np.ones(n_inputs)].astype(np.float32)[: perceptron.n_statistics],
        card={"entries": []},
    )
