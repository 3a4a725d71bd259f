"""What every signal model promises, registered or a user's own."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raofit.core.errors import ProtocolError
from raofit.core.references import cite
from raofit.information.crb import crb
from raofit.models import REGISTRY, build
from raofit.noise import NOISE_MODELS
from tests.contract import subjects

SINGLE = np.finfo(np.float32).eps
ROUNDING = 16 * SINGLE  # of a signal of order one


@pytest.fixture(params=subjects.MODEL_NAMES, scope="module")
def model(request):
    return subjects.model_named(request.param)


def test_every_parameter_is_declared(model):
    for parameter in model.parameters:
        assert parameter.unit
        assert parameter.description
        assert parameter.symbol
        low, high = parameter.typical
        assert parameter.bounds[0] <= low < high <= parameter.bounds[1]
    assert len(set(model.parameter_names)) == len(model.parameters)
    assert sum(parameter.is_amplitude for parameter in model.parameters) <= 1


@pytest.mark.parametrize("name", REGISTRY)
def test_registered_model_is_named_by_its_key_and_cites_its_source(name):
    model = subjects.model_named(name)
    assert model.name == name
    assert model.references
    assert all(key in cite(model) for key in model.references)
    for field in model.protocol_fields:
        assert field.unit
        assert field.hint
        assert field.description


def test_unbounded_parameters_are_amplitudes(model):
    for parameter in model.parameters:
        assert parameter.is_amplitude or np.all(np.isfinite(parameter.bounds))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,)])
def test_shapes_follow_the_batch(model, batch):
    parameters = np.broadcast_to(subjects.random_vectors(model, 1)[0], (*batch, len(model.parameters)))
    signal, jacobian = model.signal_and_jacobian(parameters.astype(np.float32))
    assert signal.shape == (*batch, model.n_measurements)
    assert jacobian.shape == (*batch, model.n_measurements, len(model.parameters))
    assert model.signal(parameters.astype(np.float32)).shape == signal.shape
    assert all(np.size(values) in (1, model.n_measurements) for values in model.protocol.values())


def test_batch_equals_loop(model):
    parameters = subjects.random_vectors(model, 7).astype(np.float32)
    one_by_one = np.stack([model.signal(row) for row in parameters])
    mapped = jax.vmap(model.voxel_signal)(jnp.asarray(parameters))
    # parts of complex numbers cancel, and so does recovering magnetization with inverted one
    atol = ROUNDING if model.has_complex_amplitude or model.name.startswith("t1-ir") else 0.0
    np.testing.assert_allclose(model.signal(parameters), one_by_one, rtol=20 * SINGLE, atol=atol)
    np.testing.assert_allclose(mapped, one_by_one, rtol=20 * SINGLE, atol=atol)


def test_compiled_equals_eager(model):
    parameters = jnp.asarray(subjects.random_vectors(model, 1)[0], dtype=jnp.float32)
    with jax.disable_jit():
        eager = model.voxel_signal(parameters)
    # compilers may fuse a·b + c into one rounding: a few units in the last place of the largest term
    np.testing.assert_allclose(eqx.filter_jit(model.voxel_signal)(parameters), eager, rtol=0, atol=8 * SINGLE)


@pytest.mark.parametrize("kind", ["bounds", "typical"])
def test_signal_and_jacobian_are_finite_at_every_corner(model, kind):
    signal, jacobian = model.signal_and_jacobian(subjects.corners(subjects.ranges_of(model, kind)).astype(np.float32))
    assert np.all(np.isfinite(signal))
    assert np.all(np.isfinite(jacobian))


@given(data=st.data())
def test_jacobian_matches_central_differences(model, data):
    """With step h = eps^(1/3)·θ, rounding errs by ~eps·s/h.

    Truncation errs by x³·(h/θ)³/6·s/h for s = e^(−x), more than that where x is large; extrapolating from h and 2h
    takes it out.
    """
    parameters = data.draw(subjects.parameter_vectors(model, "bounds" if model.is_differentiable else "typical"))
    low, high = subjects.ranges_of(model, "bounds").T
    step = 6e-6 * np.maximum(np.abs(parameters), 1e-3 * (high - low))
    parameters = np.clip(parameters, low + 2 * step, high - 2 * step)
    with jax.enable_x64(True):
        _, jacobian = model.signal_and_jacobian(parameters)
        wide_above, above, below, wide_below = (
            np.asarray(model.signal(parameters + shift * np.diag(step))).T for shift in (2, 1, -1, -2)
        )
    differences = (4 * (above - below) / 2 - (wide_above - wide_below) / 4) / (3 * step)
    error = np.abs(np.asarray(jacobian) - differences)
    # a model without derivatives takes differences over eps^(1/3) of its typical range, up to 10 times wider than h
    tolerance = 1e-13 if model.is_differentiable else 1e-9
    assert np.all(error <= tolerance * (np.max(np.abs(above)) + 1e-12) / step)


@given(data=st.data())
def test_signal_is_proportional_to_the_amplitude(model, data):
    if model.amplitude_index is None:
        pytest.skip("the model has no amplitude parameter")
    parameters = data.draw(subjects.parameter_vectors(model))
    scaled = parameters.copy()
    scaled[model.amplitude_index] *= 8.0
    with jax.enable_x64(True):
        np.testing.assert_allclose(model.signal(scaled), 8.0 * model.signal(parameters), rtol=1e-13)


@given(data=st.data())
def test_canonical_order_keeps_the_signal(model, data):
    parameters = data.draw(subjects.parameter_vectors(model))
    with jax.enable_x64(True):
        canonical = model.canonical(jnp.asarray(parameters))
        np.testing.assert_allclose(model.signal(canonical), model.signal(parameters), rtol=1e-12, atol=1e-300)
        np.testing.assert_array_equal(model.canonical(canonical), canonical)


@given(data=st.data())
def test_single_precision_agrees_with_double(model, data):
    parameters = data.draw(subjects.parameter_vectors(model)).astype(np.float32)
    single = np.asarray(model.signal(parameters))
    with jax.enable_x64(True):
        double = np.asarray(model.signal(parameters.astype(np.float64)))
    assert single.dtype == (np.complex64 if model.has_complex_amplitude else np.float32)
    # exp(−x) with x rounded to eps·x errs by eps·x·exp(−x) ≤ 0.37·eps of the amplitude, a power x^a a little more
    scale = np.max(np.abs(double), initial=0.0)
    amplitude = parameters[model.amplitude_index] if model.amplitude_index is not None else scale
    np.testing.assert_allclose(single, double, rtol=0, atol=ROUNDING * max(scale, amplitude) + 1e-37)


@pytest.mark.parametrize("name", REGISTRY)
def test_protocol_rebuilds_the_model(name):
    model = subjects.model_named(name)
    rebuilt = build(name, model.protocol)
    assert eqx.tree_equal(rebuilt, model)
    parameters = subjects.random_vectors(model, 3).astype(np.float32)
    np.testing.assert_array_equal(rebuilt.signal(parameters), model.signal(parameters))


@pytest.mark.parametrize("name", REGISTRY)
def test_other_settings_make_the_same_signals_as_a_model_built_with_them(name):
    model = build(name, subjects.protocol_of(name))
    if not model.follows_settings:
        pytest.skip("what follows from the settings is computed when the model is built")
    of_trains = ["flip_angles", "repetition_times", "inversion_time"]
    names = [item for item in model.protocol if not name.startswith("mrf") or item in of_trains]
    names = [item for item in names if item != "mt_states"]  # on or off
    shifted = {setting: np.asarray(model.protocol[setting]) * 1.01 for setting in names}
    parameters = np.array([parameter.typical_value for parameter in model.parameters])

    @jax.jit
    def signal(settings):
        return model.with_settings(settings).signal(parameters)

    expected = build(name, model.protocol | shifted).signal(parameters)
    np.testing.assert_allclose(signal(shifted), expected, rtol=ROUNDING, atol=ROUNDING)


def test_function_model_follows_its_settings():
    model = subjects.model_named("function")
    other = model.with_settings({"b_values": np.full(10, 300.0)})
    np.testing.assert_allclose(other.signal([1.0, 1e-3, 1.0]), np.exp(-0.3), rtol=ROUNDING)
    assert other.protocol["b_values"][0] == 300


@pytest.mark.parametrize("name", REGISTRY)
def test_protocol_outside_what_a_scanner_can_do_is_refused_with_the_unit(name):
    for field in REGISTRY[name].protocol_fields:
        is_number = np.ndim(subjects.PROTOCOLS[field.name]) == 0
        high = 1e6 * field.plausible[1]
        wrong = subjects.protocol_of(name) | {field.name: high if is_number else [field.plausible[0], high]}
        with pytest.raises(ProtocolError, match=re.escape(field.hint)):
            build(name, wrong)
        with pytest.raises(ProtocolError, match="finite"):
            build(name, subjects.protocol_of(name) | {field.name: np.nan if is_number else [0.0, np.nan]})


def test_wrong_number_of_parameters_is_refused_by_name(model):
    with pytest.raises(ProtocolError, match=model.parameter_names[-1]):
        model.signal(np.ones(len(model.parameters) + 1, dtype=np.float32))


@pytest.mark.parametrize("noise_name", NOISE_MODELS)
def test_bound_is_finite_and_scales_with_the_variance_of_the_noise(model, noise_name):
    if model.has_complex_amplitude and noise_name == "rician":
        pytest.skip("complex measurements have no Rician noise")
    parameters = subjects.random_vectors(model, 1)[0]
    bound = crb(model, parameters, NOISE_MODELS[noise_name](1e-3))
    assert np.all(bound > 0)
    assert np.all(np.isfinite(bound))
    # at SNR > 100 everywhere the information of every noise model is 1/σ² to 1e-4 or better; halved σ, quartered bound
    if noise_name != "rician":
        np.testing.assert_allclose(crb(model, parameters, NOISE_MODELS[noise_name](5e-4)), bound / 4, rtol=1e-6)


def test_representation_names_the_model(model):
    assert type(model).__name__ in repr(model)
