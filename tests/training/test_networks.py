"""The perceptron: size, start, formula, constraints, input scaling."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raofit.core.errors import RaofitError
from raofit.training.networks import Perceptron

SCALES = (1.0, 1.0, 1e-3, 1e-3)
PAPER = Perceptron((10, 10, 10, 10, 4), SCALES)


def _inputs(n=50, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 1.2, (10, n)).astype(np.float32)


@functools.cache
def _jitted(network):
    return jax.jit(network.apply)


def _weights(network, seed=0):
    return network.initial_weights(jax.random.key(seed))


def test_the_papers_network_has_374_weights():
    assert PAPER.n_weights == 374
    assert _weights(PAPER).shape == (374,)


def test_initial_weights_fill_one_over_root_fan_in():
    network = Perceptron((100, 50, 2), (1.0, 1.0))
    (first, bias), (second, _) = network.layers(_weights(network))
    for array, fan_in in ((first, 100), (bias, 100), (second, 50)):
        largest = np.abs(array).max() * np.sqrt(fan_in)
        assert 0.8 < largest <= 1.0  # the largest of ≥ 50 uniform draws is below 0.8 with probability 0.8^50 = 1e-5
    # variance of a uniform in ±a is a²/3; its sampling error over 5000 draws is below 2 %, 4 of them 8 %
    np.testing.assert_allclose(np.var(first), 1 / 300, rtol=0.08)


def test_apply_is_the_written_formula():
    weights, inputs = _weights(PAPER), _inputs()
    hidden = inputs.astype(np.float64)
    layers = [(np.asarray(m, np.float64), np.asarray(b, np.float64)) for m, b in PAPER.layers(weights)]
    for matrix, bias in layers[:-1]:
        hidden = matrix @ hidden + bias[:, None]
        hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    expected = np.abs(layers[-1][0] @ hidden + layers[-1][1][:, None]) * np.array(SCALES)[:, None]
    np.testing.assert_allclose(
        PAPER.apply(weights, inputs) / np.array(SCALES)[:, None], expected / np.array(SCALES)[:, None], atol=2e-6
    )


def test_constraints():
    ranges = ((0.0, 2.0), (0.01, 0.5), (0.0, 4e-3), (2e-3, 0.3))
    inputs = 30 * _inputs()
    raw = Perceptron((10, 8, 4), SCALES, "none")
    weights = 3 * _weights(raw)
    free = np.asarray(raw.apply(weights, inputs))
    assert (free < 0).any()
    np.testing.assert_array_equal(Perceptron((10, 8, 4), SCALES, "abs").apply(weights, inputs), np.abs(free))
    assert (np.asarray(Perceptron((10, 8, 4), SCALES, "softplus").apply(weights, inputs)) >= 0).all()
    bounded = np.asarray(Perceptron((10, 8, 4), SCALES, "sigmoid", ranges).apply(weights, inputs))
    low, high = np.array(ranges, np.float32).T
    assert (bounded >= low[:, None]).all()
    assert (bounded <= high[:, None]).all()
    assert np.ptp(bounded[1]) > 0.3


@pytest.mark.parametrize("scaling", ["norm", "first"])
@given(factor=st.floats(1e-15, 1e25))
def test_scaled_networks_answer_alike_in_any_units(scaling, factor):
    network = Perceptron((10, 10, 4), SCALES, input_scaling=scaling, amplitude_index=0, reference=1.7)
    weights, inputs, apply = _weights(network), _inputs(5), _jitted(network)
    factor = np.float32(factor)
    expected = np.asarray(apply(weights, inputs)) * np.array([factor, 1, 1, 1], np.float32)[:, None]
    np.testing.assert_allclose(apply(weights, factor * inputs), expected, rtol=2e-5, atol=1e-9)


def test_reference_puts_a_typical_signal_at_amplitude_one():
    inputs = _inputs(1)
    network = Perceptron(
        (10, 4), SCALES, input_scaling="norm", amplitude_index=0, reference=float(np.linalg.norm(inputs))
    )
    np.testing.assert_allclose(network.amplitude(inputs), 1.0, rtol=1e-6)


def test_an_all_zero_voxel_stays_finite_with_finite_gradient():
    network = Perceptron((10, 10, 4), SCALES, input_scaling="norm", amplitude_index=0)
    weights = _weights(network)
    assert np.isfinite(np.asarray(network.apply(weights, jnp.zeros((10, 2))))).all()
    gradient = jax.jit(jax.grad(lambda w: jnp.sum(network.apply(w, jnp.zeros((10, 2))))))(weights)
    assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": (10,)}, "at least two"),
        ({"output_scales": (1.0,)}, "expected 4 numbers"),
        ({"constraint": "relu"}, "relu"),
        ({"constraint": "sigmoid"}, "output range"),
        ({"input_scaling": "max"}, "max"),
        ({"input_scaling": "norm"}, "no amplitude parameter"),
    ],
)
def test_refusals(fields, words):
    with pytest.raises(RaofitError, match=words):
        Perceptron(**({"sizes": (10, 4), "output_scales": SCALES} | fields))
