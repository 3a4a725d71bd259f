"""What the contract tests run over: every registered model, and one of each kind a user writes."""

import functools

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies

from raofit.models import REGISTRY, AbstractSignalModel, BlackBoxModel, FunctionModel, Parameter, build
from raofit.noise import AbstractNoise, ComplexGaussian, Gaussian
from tests.estimators.complex_toy import Echoes

# One plausible value list per protocol field; a model with a new field adds its line here.
PROTOCOLS = {
    "b_values": [0.0, 10.0, 20.0, 30.0, 50.0, 80.0, 100.0, 200.0, 400.0, 800.0],
    "echo_times": [0.005, 0.01, 0.02, 0.04, 0.08, 0.16],
    "inversion_times": [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0],
    "flip_angles": [np.pi, *np.abs(np.sin(np.arange(59) / 4.0))],
    "pulse_durations": [5e-4, *np.linspace(1e-4, 4e-4, 59)],
    "refocusing_angles": np.deg2rad(160.0),
    "repetition_time": 3.5e-3,
    "repetition_times": 0.01 + 0.002 * np.abs(np.sin(np.arange(60))),
    "rf_phases": [0.0],
    "inversion_time": 0.02,
    "inversion_efficiency": 0.96,
    "slice_profile": [1.0],
    "is_repeated": 1.0,
    "mt_states": [0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
}
# Where a model reads one of these fields otherwise.
OWN_PROTOCOLS = {
    "t1-vfa": {"flip_angles": np.deg2rad([3.0, 10.0, 20.0, 40.0, 80.0, 140.0]), "repetition_time": 15e-3},
    "mtsat": {"flip_angles": np.deg2rad([4.0, 6.0, 20.0, 8.0, 10.0, 30.0]), "repetition_time": 25e-3},
    "t1-ir": {"repetition_time": 6.0},
    "mrf-fisp": {
        "flip_angles": [np.pi, *np.abs(np.sin(np.arange(15) / 2.0))],
        "repetition_times": 0.01 + 0.002 * np.abs(np.sin(np.arange(16))),
        "echo_times": [0.003],
    },
    "mrf-hybrid": {"flip_angles": 2.0 * np.sin(np.linspace(0.1, 9.0, 20)) ** 2, "repetition_time": 0.03},
    "t2-epg": {"echo_times": 0.01 * np.arange(1, 13)},
}
LARGEST_AMPLITUDE = 1e4  # stands in for an unbounded amplitude: scanner units


def protocol_of(name: str) -> dict[str, list[float] | float]:
    own = next((values for stem, values in OWN_PROTOCOLS.items() if name.startswith(stem)), {})
    return {field.name: (PROTOCOLS | own)[field.name] for field in REGISTRY[name].protocol_fields}


def stretched_exponential(parameters, b_values):
    amplitude, diffusivity, exponent = parameters
    return amplitude * jnp.exp(-((b_values * diffusivity) ** exponent))


def simulated_decay(parameters, echo_times):
    amplitude, relaxation_time = parameters
    return [float(amplitude) * np.exp(-time / float(relaxation_time)) for time in echo_times]


_USER_AMPLITUDE = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "unweighted signal", is_amplitude=True)


@functools.cache
def model_named(name: str) -> AbstractSignalModel:
    if name == "function":
        return FunctionModel(
            stretched_exponential,
            parameters=[
                _USER_AMPLITUDE,
                Parameter("DDC", "mm²/s", (0.01e-3, 10e-3), (0.2e-3, 3e-3), "D", "distributed diffusion coefficient"),
                Parameter("alpha", "1", (0.2, 1.0), (0.5, 1.0), r"\alpha", "heterogeneity"),
            ],
            protocol={"b_values": [5.0, *PROTOCOLS["b_values"][1:]]},
            name="function",
        )
    if name == "black-box":
        return BlackBoxModel(
            simulated_decay,
            parameters=[_USER_AMPLITUDE, Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.2), "T_2", "relaxation time")],
            protocol={"echo_times": PROTOCOLS["echo_times"]},
            name="black-box",
        )
    if name == "echoes":
        return Echoes()
    return build(name, protocol_of(name))


# Every one of these tests would compile the simulator of pulse trains again, for minutes: tests/models/qmt holds them.
# The hybrid state with a known B1 is the same program as without: tests/models/test_mrf_hybrid_state.py compares them.
_LIGHT = [name for name in REGISTRY if not name.startswith("qmt") and name != "mrf-hybrid-state-known-b1"]
MODEL_NAMES = [*_LIGHT, "function", "black-box", "echoes"]


def noise_of(model: AbstractSignalModel, sigma: float) -> AbstractNoise:
    """Noise of the kind the model's measurements have."""
    return (ComplexGaussian if model.has_complex_amplitude else Gaussian)(sigma)


def ranges_of(model: AbstractSignalModel, kind: str) -> np.ndarray:
    """Fit bounds ("bounds", made finite) or typical ranges ("typical"), (parameter, 2)."""
    return np.minimum([getattr(parameter, kind) for parameter in model.parameters], LARGEST_AMPLITUDE)


def parameter_vectors(model: AbstractSignalModel, kind: str = "bounds") -> strategies.SearchStrategy:
    """Vectors inside the ranges, ends included: logarithmic where the parameter is log-scaled."""

    def one(parameter, low, high):
        if parameter.is_log_scaled:
            exponents = strategies.floats(np.log(low), np.log(high))
            return exponents.map(lambda exponent: float(np.clip(np.exp(exponent), low, high)))
        return strategies.floats(low, high)

    pairs = zip(model.parameters, ranges_of(model, kind), strict=True)
    draws = strategies.tuples(*(one(parameter, *map(float, pair)) for parameter, pair in pairs))
    return draws.map(np.array)


def corners(ranges: np.ndarray) -> np.ndarray:
    """All combinations of lower and upper ends (2^parameter, parameter)."""
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(ranges))


def random_vectors(model: AbstractSignalModel, n: int, seed: int = 0) -> np.ndarray:
    """`n` vectors uniform over the typical ranges."""
    typical = ranges_of(model, "typical")
    return np.random.default_rng(seed).uniform(typical[:, 0], typical[:, 1], size=(n, len(typical)))
