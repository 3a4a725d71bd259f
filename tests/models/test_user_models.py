"""A user's own model: traced, or a plain Python callable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import ProtocolError
from raofit.information.crb import crb
from raofit.models import BlackBoxModel, FunctionModel, MonoExponentialT2, Parameter
from raofit.noise import Gaussian

AMPLITUDE = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "amplitude", is_amplitude=True)
TIME = Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.2), "T_2", "relaxation time")
ECHO_TIMES = [0.01, 0.03, 0.1]
TISSUE = np.array([1.0, 0.08])


def traced(parameters, echo_times):
    amplitude, relaxation_time = parameters
    return amplitude * jnp.exp(-echo_times / relaxation_time)


def untraceable(parameters, echo_times):
    amplitude, relaxation_time = (float(value) for value in parameters)
    return [amplitude * np.exp(-time / relaxation_time) for time in echo_times]


def vectorized(parameters, echo_times):
    return parameters[..., :1] * np.exp(-echo_times / parameters[..., 1:])


def _models():
    settings = {"parameters": [AMPLITUDE, TIME], "protocol": {"echo_times": ECHO_TIMES}}
    return [
        FunctionModel(traced, **settings),
        BlackBoxModel(untraceable, **settings),
        BlackBoxModel(vectorized, **settings, is_vectorized=True),
    ]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.name)
def test_own_model_equals_the_registered_one(model):
    parameters = np.random.default_rng(0).uniform([0.8, 0.02], [1.2, 0.2], (4, 5, 2))
    with jax.enable_x64(True):
        signal, jacobian = model.signal_and_jacobian(parameters)
        expected_signal, expected_jacobian = MonoExponentialT2(ECHO_TIMES).signal_and_jacobian(parameters)
    np.testing.assert_allclose(signal, expected_signal, rtol=1e-12)
    # central differences over h = 6e-6·0.18 s at T2 ≥ 0.02 s: relative truncation (h/T2)²·(TE/T2)² < 1e-7
    np.testing.assert_allclose(jacobian, expected_jacobian, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.name)
def test_own_model_has_a_bound(model):
    expected = crb(MonoExponentialT2(ECHO_TIMES), TISSUE, Gaussian(0.01))
    np.testing.assert_allclose(crb(model, TISSUE, Gaussian(0.01)), expected, rtol=1e-6)


def test_black_box_works_inside_compiled_and_mapped_code():
    model = _models()[1]
    signal = jax.jit(jax.vmap(lambda p: model.voxel_signal(p)))(jnp.asarray([TISSUE, 2 * TISSUE], dtype=jnp.float32))
    assert signal.shape == (2, 3)
    assert signal.dtype == jnp.float32


def test_black_box_differences_stay_inside_the_bounds():
    seen = []

    def recorded(parameters, echo_times):
        seen.append(np.array(parameters))
        return untraceable(parameters, echo_times)

    model = BlackBoxModel(recorded, [AMPLITUDE, TIME], {"echo_times": ECHO_TIMES})
    model.signal_and_jacobian(np.array([0.0, 5.0], dtype=np.float32))
    assert min(vector[0] for vector in seen) >= 0.0
    assert max(vector[1] for vector in seen) <= 5.0


def test_callable_that_returns_no_vector_is_refused():
    with pytest.raises(ProtocolError, match=r"expected one signal vector per voxel, got shape \(\)"):
        BlackBoxModel(lambda parameters, echo_times: 1.0, [AMPLITUDE, TIME], {"echo_times": ECHO_TIMES})


def test_name_defaults_to_the_function():
    assert _models()[0].name == "traced"
