"""The perceptron: size, start, formula, constraints, input scaling."""

import dataclasses
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
    exponential = np.asarray(Perceptron((10, 8, 4), SCALES, "exp").apply(weights, inputs))
    scales = np.array(SCALES)[:, None]
    exponents = np.clip(free / scales, -20, 20)  # what keeps an estimate finite
    np.testing.assert_allclose(exponential, scales * np.exp(exponents), rtol=1e-4)
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
        ({"input_scaling": "norm-phase"}, "complex coefficients"),
        ({"sizes": (9, 4), "has_complex_amplitude": True}, "in pairs, got 9"),
        ({"sizes": (10, 8, 4), "skips": ((0, 1),)}, "skip 0 to 1"),
        ({"activation": "tanh"}, "elu, relu"),
        ({"output_offsets": (1.0,)}, "expected 4 numbers, got 1"),
    ],
)
def test_refusals(fields, words):
    with pytest.raises(RaofitError, match=words):
        Perceptron(**({"sizes": (10, 4), "output_scales": SCALES} | fields))


NORMALIZED = Perceptron(
    (10, 16, 12, 16, 4),
    SCALES,
    "none",
    activation="relu",
    has_normalization=True,
    skips=((1, 3),),
    output_offsets=SCALES,
)
UNITS = np.array(SCALES)[:, None]


def _by_hand(network, weights, inputs, moments):
    """The written formula in float64; `moments(z, n)` gives mean and variance of layer n."""
    layers = [(np.asarray(m, np.float64), np.asarray(b, np.float64)) for m, b in network.layers(weights)]
    normalizations = [
        (np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in network.normalizations(weights)
    ]
    hidden, passed = inputs.astype(np.float64), {}
    for n, ((matrix, bias), (scale, shift)) in enumerate(zip(layers, normalizations, strict=False), start=1):
        z = matrix @ hidden + bias[:, None]
        z = z + sum((passed[source] for source, target in network.skips if target == n), np.zeros_like(z))
        mean, variance = moments(z, n)
        hidden = scale[:, None] * (z - mean[:, None]) / np.sqrt(variance + 1e-5)[:, None] + shift[:, None]
        hidden = np.maximum(hidden, 0)
        passed[n] = z if network.skip_source == "linear" else hidden
    return layers[-1][0] @ hidden + layers[-1][1][:, None] + 1.0


@pytest.mark.parametrize("skip_source", ["linear", "output"])
def test_normalized_layers_and_skips_are_the_written_formula(skip_source):
    network = dataclasses.replace(NORMALIZED, skip_source=skip_source)
    weights = _weights(network) + 0.1 * jax.random.normal(jax.random.key(9), (network.n_weights,))
    inputs = _inputs(40)
    found, _ = network.apply_to_batch(weights, inputs, network.initial_statistics())
    expected = _by_hand(network, weights, inputs, lambda z, n: (z.mean(axis=1), z.var(axis=1)))
    np.testing.assert_allclose(found / UNITS, expected, rtol=1e-4, atol=1e-5)
    statistics = np.random.default_rng(1).uniform(0.5, 1.5, network.n_statistics).astype(np.float32)
    ends = np.cumsum([0, 32, 24, 32])

    def running(_, n):
        return np.split(statistics[ends[n - 1] : ends[n]].astype(np.float64), 2)

    found = network.apply(weights, inputs, jnp.asarray(statistics))
    np.testing.assert_allclose(found / UNITS, _by_hand(network, weights, inputs, running), rtol=1e-4, atol=1e-5)


def test_running_statistics_become_those_of_the_batches():
    network, inputs = NORMALIZED, jnp.asarray(_inputs(200))
    weights, statistics = _weights(network), network.initial_statistics()
    step = jax.jit(network.apply_to_batch)
    estimate, first = step(weights, inputs, statistics)
    matrix, bias = network.layers(weights)[0]
    z = matrix @ inputs + bias[:, None]
    np.testing.assert_allclose(first[:16], 0.1 * z.mean(axis=1), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(first[16:32], 0.9 + 0.1 * z.var(axis=1), rtol=1e-4)
    for _ in range(150):
        _, statistics = step(weights, inputs, statistics)
    # what is left of the start is 0.9^150 = 1e-7
    found = network.apply(weights, inputs, statistics)
    np.testing.assert_allclose(found / UNITS, estimate / UNITS, rtol=1e-3, atol=1e-4)


def test_an_estimate_does_not_depend_on_the_other_voxels():
    network = dataclasses.replace(NORMALIZED, standardizes_inputs=True)
    weights, inputs = _weights(network), _inputs(30)
    statistics = network.initial_statistics(jnp.asarray(inputs))
    together = network.apply(weights, inputs, statistics)
    for index in (0, 7):
        alone = network.apply(weights, inputs[:, [index]], statistics)
        np.testing.assert_allclose(alone[:, 0], together[:, index], rtol=1e-5, atol=1e-7)
    # in training it does, which is why the running statistics exist
    half, _ = network.apply_to_batch(weights, inputs[:, :15], statistics)
    whole, _ = network.apply_to_batch(weights, inputs, statistics)
    assert np.abs(half - whole[:, :15]).max() > 1e-3


def test_standardized_inputs_have_mean_0_and_deviation_1_but_constant_ones_stay():
    network = Perceptron((10, 10, 4), SCALES, "none", standardizes_inputs=True)
    inputs = _inputs(500)
    inputs[3] = 1.0
    statistics = np.asarray(network.initial_statistics(jnp.asarray(inputs)))
    np.testing.assert_allclose(statistics[:10], inputs.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(np.delete(statistics[10:], 3), np.delete(inputs.std(axis=1), 3), rtol=1e-4)
    assert statistics[13] == 1.0
    plain = Perceptron((10, 10, 4), SCALES, "none")
    standardized = (inputs - statistics[:10, None]) / statistics[10:, None]
    weights = _weights(plain)
    found = network.apply(weights, inputs, jnp.asarray(statistics))
    np.testing.assert_allclose(found, plain.apply(weights, standardized), atol=1e-5)
    with pytest.raises(RaofitError, match="starts from measurements"):
        network.initial_statistics()


def test_hard_sigmoid_is_the_clipped_line():
    network = Perceptron((1, 1), (1.0,), "hard-sigmoid", ((0.5, 2.0),))
    raw = np.array([-9.0, -2.5, -1.0, 0.0, 2.0, 4.0], np.float32)
    estimate = network.apply(jnp.asarray([1.0, 0.0]), raw[None])[0]
    np.testing.assert_allclose(estimate, np.maximum(2 * np.clip((raw + 3) / 6, 0, 1), 0.5), rtol=1e-6)


@pytest.mark.parametrize("scaling", ["first", "norm-phase"])
def test_a_complex_factor_on_the_coefficients_does_not_change_the_estimate(scaling):
    network = Perceptron((10, 12, 2), (1.0, 1.0), "none", input_scaling=scaling, has_complex_amplitude=True)
    generator = np.random.default_rng(3)
    coefficients = generator.normal(size=(5, 20)) + 1j * generator.normal(size=(5, 20))
    coefficients[0] += 3 * coefficients[0] / np.abs(coefficients[0])  # a first coefficient well above rounding
    weights, apply = _weights(network), _jitted(network)
    expected = apply(weights, _rows(coefficients))
    for factor in (1e-6, 1e9j, -3.0, 0.2 - 7j):
        np.testing.assert_allclose(apply(weights, _rows(factor * coefficients)), expected, rtol=1e-4, atol=2e-5)


def _rows(coefficients):
    return np.concatenate([coefficients.real, coefficients.imag]).astype(np.float32)
