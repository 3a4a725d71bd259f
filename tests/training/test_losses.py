"""The loss family: hand-written formula, identities, expectations, derivatives, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.information.crb import crb
from raofit.models import IVIM, BlackBoxModel, Parameter
from raofit.noise import Gaussian
from raofit.training.losses import (
    SelfSupervisedLoss,
    SupervisedLoss,
    emphasized_weights,
    inverse_mean_weights,
    inverse_or_zero,
    literal_emphasized_weights,
    self_supervised_loss,
)
from raofit.training.networks import Perceptron
from raofit.training.trainer import estimates_of

B_VALUES = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]
P, R, N = 3, 4, 7


def _draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _batch(label, truth=None, is_kept=None):
    n = label.shape[-1]
    kept = np.ones(n, np.float32) if is_kept is None else is_kept
    return {"label": jnp.asarray(label), "truth": jnp.asarray(label if truth is None else truth), "is_kept": kept}


def test_supervised_loss_is_the_written_formula():
    estimates, label, truth = _draw(P, R, N), _draw(P, N, seed=1), _draw(P, N, seed=2)
    weights, alpha, factor, tolerated = np.array([0.5, 2.0, 3.0]), 0.3, 0.7, 0.4
    is_kept = np.array([1, 1, 0, 1, 0, 1, 1], np.float32)
    total = 0.0
    for i in np.flatnonzero(is_kept):
        for k in range(P):
            mean = np.mean(estimates[k, :, i])
            variance = weights[k] * np.mean((estimates[k, :, i] - mean) ** 2)
            bias = alpha * weights[k] * (mean - label[k, i]) ** 2 + (1 - alpha) * weights[k] * (mean - truth[k, i]) ** 2
            total += bias + factor * max(variance - tolerated, 0.0)
    loss = SupervisedLoss(weights, alpha=alpha, variance_factor=factor, tolerated_variance=tolerated)
    found = loss(jnp.asarray(estimates), _batch(label, truth, is_kept))
    np.testing.assert_allclose(found, total / (P * is_kept.sum()), rtol=1e-5)


def test_absolute_criterion_is_the_weighted_absolute_error():
    estimates, label = _draw(P, 1, N), _draw(P, N, seed=1)
    weights = np.array([0.5, 2.0, 3.0])
    expected = np.mean(np.sqrt(weights)[:, None] * np.abs(estimates[:, 0] - label))
    np.testing.assert_allclose(SupervisedLoss(weights, criterion="absolute")(estimates, _batch(label)), expected, 1e-5)


def test_a_held_out_sample_has_no_influence_even_if_it_is_wild():
    estimates, label = _draw(P, 1, N), _draw(P, N, seed=1)
    is_kept = np.ones(N, np.float32)
    is_kept[2] = 0
    wild = label.copy()
    wild[:, 2] = 1e30
    loss = SupervisedLoss(np.ones(P))
    gradient = jax.grad(lambda x: loss(x, _batch(wild, wild, is_kept)))(jnp.asarray(estimates))
    np.testing.assert_array_equal(gradient[:, :, 2], 0.0)
    np.testing.assert_array_equal(
        loss(estimates, _batch(wild, wild, is_kept)), loss(estimates, _batch(label, label, is_kept))
    )


def test_half_blend_has_the_gradient_of_the_average_label():
    estimates, label, truth = _draw(P, 1, N), _draw(P, N, seed=1), _draw(P, N, seed=2)
    weights = np.array([0.5, 2.0, 3.0])
    of_blend = jax.grad(lambda x: SupervisedLoss(weights, alpha=0.5)(x, _batch(label, truth)))(jnp.asarray(estimates))
    of_mean = jax.grad(lambda x: SupervisedLoss(weights)(x, _batch(0.5 * (label + truth))))(jnp.asarray(estimates))
    np.testing.assert_allclose(of_blend, of_mean, rtol=1e-5, atol=1e-7)


def test_an_efficient_unbiased_estimator_scores_one_under_inverse_crb():
    model, n = IVIM(B_VALUES), 4000
    generator = np.random.default_rng(3)
    truths = generator.uniform([0.8, 0.1, 0.4e-3, 10e-3], [1.2, 0.5, 3e-3, 150e-3], (n, 4))
    bound = crb(model, truths, Gaussian(1 / 15))
    estimates = (truths + np.sqrt(bound) * generator.normal(size=(n, 4))).T[:, None]
    batch = _batch(truths.T) | {"bound": jnp.asarray(bound.T, jnp.float32)}
    found = float(SupervisedLoss(weighting="inverse-crb")(estimates.astype(np.float32), batch))
    # mean of 4n squared standard normals: standard deviation √(2/4n)
    assert abs(found - 1.0) < 4 * np.sqrt(2 / (4 * n))


def test_expectations_over_realizations():
    """E[bias²] = w·(b² + σ²/R) and E[variance] = w·σ²·(R − 1)/R for estimates with bias b and variance σ²."""
    n, bias, sigma, weight = 40_000, 0.3, 0.8, 2.0
    label = np.zeros((1, n), np.float32)
    estimates = bias + sigma * _draw(1, R, n)
    only_bias = float(SupervisedLoss(np.array([weight]), variance_factor=0.0)(estimates, _batch(label)))
    both = float(SupervisedLoss(np.array([weight]), variance_factor=1.0)(estimates, _batch(label)))
    spread = weight * (2 * bias * sigma / np.sqrt(R) + 2 * sigma**2 / R)  # more than one term's standard deviation
    tolerance = 4 * spread / np.sqrt(n)
    assert abs(only_bias - weight * (bias**2 + sigma**2 / R)) < tolerance
    # the variance of R normals is σ²/R·χ²(R−1): standard deviation σ²·√(2(R−1))/R
    tolerance = 4 * weight * sigma**2 * np.sqrt(2 * (R - 1)) / R / np.sqrt(n)
    assert abs((both - only_bias) - weight * sigma**2 * (R - 1) / R) < tolerance


@pytest.mark.parametrize("kind", ["supervised", "self-supervised", "self-supervised-rician"])
def test_gradient_equals_finite_differences(kind):
    with jax.enable_x64(True):
        model = IVIM(B_VALUES)
        network = Perceptron((10, 6, 4), (1.0, 1.0, 1e-3, 1e-3), "softplus")
        weights = np.asarray(network.initial_weights(jax.random.key(0)), dtype=np.float64)
        truths = np.array([[1.0, 0.3, 1.7e-3, 80e-3], [0.9, 0.2, 1e-3, 40e-3]])
        measurements = np.asarray(model.signal(truths))[:, None] + 0.02
        batch = _batch(truths.T) | {"measurements": measurements.T, "sigma": np.array([0.05, 0.1])}
        if kind == "supervised":
            loss = SupervisedLoss(inverse_mean_weights(truths))
        else:
            loss = self_supervised_loss(model, "rician" if kind.endswith("rician") else None)

        @jax.jit
        def of_weights(weights):
            return loss(estimates_of(network, weights, jnp.asarray(measurements.T)), batch)

        direction = np.random.default_rng(5).normal(size=weights.shape)
        step = 1e-6
        slope = (of_weights(weights + step * direction) - of_weights(weights - step * direction)) / (2 * step)
        exact = jax.jvp(of_weights, (jnp.asarray(weights),), (jnp.asarray(direction),))[1]
        # central difference: rounding eps·|L|/step ≈ 1e-16·10/1e-6 = 1e-9 absolute
        np.testing.assert_allclose(exact, slope, rtol=1e-5, atol=1e-8)


def test_self_supervised_squares_and_rician_likelihood_in_signal_space():
    model = IVIM(B_VALUES)
    truths = np.array([[1.0, 0.3, 1.7e-3, 80e-3], [0.9, 0.2, 1e-3, 40e-3]], np.float32)
    signal = np.asarray(model.signal(truths), dtype=np.float64)
    measurements = signal + 0.1
    sigma = np.array([0.05, 0.1])
    estimates = truths.T[:, None]
    batch = {
        "measurements": jnp.asarray(measurements[:, None].T, jnp.float32),
        "sigma": jnp.asarray(sigma, jnp.float32),
        "is_kept": jnp.ones(2),
    }
    np.testing.assert_allclose(self_supervised_loss(model)(estimates, batch), 0.01, rtol=1e-4)
    expected = -scipy.stats.rice.logpdf(measurements, signal / sigma[:, None], scale=sigma[:, None]).mean()
    np.testing.assert_allclose(self_supervised_loss(model, "rician")(estimates, batch), expected, rtol=1e-4)


def test_a_model_that_cannot_be_differentiated_is_refused():
    parameters = [Parameter("x", "1", (0.0, 2.0), (0.5, 1.5), "x", "")]
    model = BlackBoxModel(lambda p, t: p[0] * t, parameters, {"t": [1.0, 2.0]}, name="opaque")
    with pytest.raises(RaofitError, match="`opaque` does not allow"):
        self_supervised_loss(model)


def test_unknown_criterion_is_refused():
    with pytest.raises(RaofitError, match="squared"):
        SupervisedLoss(np.ones(2), criterion="cubed")


def test_weights_of_the_paper():
    values = np.tile([[0.8, 0.1, 0.4e-3, 10e-3], [1.2, 0.5, 3e-3, 150e-3]], (5, 1))
    weights = inverse_mean_weights(values)
    np.testing.assert_allclose(weights, 1 / np.array([1, 0.3, 1.7e-3, 80e-3]) ** 2, rtol=1e-6)
    emphasized = emphasized_weights(weights, 2, factor=1e6)
    np.testing.assert_allclose(emphasized / weights, [1e-12, 1e-12, 1, 1e-12], rtol=1e-6)
    # released code: residuals in units of 1e-3 mm²/s divided by [1e6, 1e6, 1, 1e6]
    literal = literal_emphasized_weights(np.array([1, 1, 1e-3, 1e-3]), 2, factor=1e6)
    np.testing.assert_allclose(literal, [1e-12, 1e-12, 1e6, 1e-6], rtol=1e-6)


def test_infinite_bounds_get_no_weight():
    np.testing.assert_array_equal(inverse_or_zero(jnp.asarray([[4.0, np.inf, 0.0]])), [[0.25, 0.0, 0.0]])


def test_loss_kinds_are_final_modules():
    assert SelfSupervisedLoss.__bases__ == SupervisedLoss.__bases__
