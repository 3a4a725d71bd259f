"""The named losses: levels of an efficient estimator, unbiased moments, invariance, emphasis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.losses import mse, mse_crb, relative_mse, wbce, weighted_moments, wvce
from raofit.training.losses import SupervisedLoss

P = 3
BOUND = np.array([4.0, 1e-6, 0.25])[:, None]
EVERY = [mse_crb(), wbce(0.7), wvce(0.3, 0.9), wvce(bias_moments="unbiased", variance_moments="unbiased")]


def _efficient(n, n_realizations, *, bias=0.0, seed=0):
    """Estimates with bias `bias`·√b and variance b about random truths, and their batch."""
    generator = np.random.default_rng(seed)
    truth = np.sqrt(BOUND) * generator.uniform(1, 2, (P, n))
    errors = bias + generator.normal(size=(P, n_realizations, n))
    estimates = truth[:, None] + np.sqrt(BOUND)[:, None] * errors
    return jnp.asarray(estimates, jnp.float32), _batch(truth, np.broadcast_to(BOUND, (P, n)))


def _batch(truth, bound):
    truth, bound = jnp.asarray(truth, jnp.float32), jnp.asarray(bound, jnp.float32)
    return {"label": truth, "truth": truth, "bound": bound, "is_kept": jnp.ones(truth.shape[1])}


def test_an_efficient_estimator_scores_one_in_mse_crb():
    estimates, batch = _efficient(20_000, 1)
    # mean of 60 000 squared standard normals: standard deviation √(2/60 000) = 0.0058
    assert abs(float(mse_crb()(estimates, batch)) - 1.0) < 4 * np.sqrt(2 / 60_000)


def test_levels_of_an_efficient_estimator_at_200_realizations():
    """Bias term 1/200, hinge E max(χ²₁₉₉/200 − 1, 0) = 0.0374 [mao2024]."""
    estimates, batch = _efficient(3000, 200)
    n = P * 3000
    chi = scipy.stats.chi2(199)
    hinge = chi.expect(lambda x: x / 200 - 1, lb=200)
    assert abs(hinge - 0.0374) < 5e-5
    bias, variance = wvce().terms(estimates, batch)
    assert abs(float(bias.mean()) - 1 / 200) < 4 * np.sqrt(2 / n) / 200
    deviation = np.sqrt(chi.expect(lambda x: (x / 200 - 1) ** 2, lb=200) - hinge**2)
    assert abs(float(variance.mean()) - hinge) < 4 * deviation / np.sqrt(n)
    np.testing.assert_allclose(wvce()(estimates, batch), 1 / 200 + hinge, atol=4 * (deviation + 0.01) / np.sqrt(n))


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_unbiased_moments_need_few_realizations(bias):
    """With R = 4, plain bias² carries 1/R and the variance lacks it; unbiased ones average to the true values."""
    n, r = 40_000, 4
    estimates, batch = _efficient(n, r, bias=bias)
    plain = wbce().terms(estimates, batch)
    unbiased = wbce(bias_moments="unbiased", variance_moments="unbiased").terms(estimates, batch)
    # variances of (μ − t)² and of s²: 4b²/R + 2/R² and 2/(R − 1); their sum bounds that of the difference
    tolerance = 4 * np.sqrt((4 * bias**2 / r + 2 / r**2 + 2 / (r - 1) / r**2) / (P * n))
    variance_tolerance = 4 * np.sqrt(2 / (r - 1) / (P * n))
    assert abs(float(plain[0].mean()) - (bias**2 + 1 / r)) < tolerance
    assert abs(float(unbiased[0].mean()) - bias**2) < tolerance
    assert abs(float(plain[1].mean()) - (1 - 1 / r)) < variance_tolerance
    assert abs(float(unbiased[1].mean()) - 1.0) < variance_tolerance
    found = weighted_moments(np.moveaxis(np.asarray(estimates), 1, 0), np.asarray(batch["truth"]), BOUND)
    np.testing.assert_allclose(found[0], unbiased[0], rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(found[1], unbiased[1], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("loss", [*EVERY, relative_mse()])
def test_rescaling_a_parameter_with_its_bound_changes_nothing(loss):
    estimates, batch = _efficient(50, 8, bias=0.4)
    unit = jnp.asarray([[8.0], [1 / 64], [512.0]])  # powers of 2 are exact
    scaled = {
        **batch,
        "label": unit * batch["label"],
        "truth": unit * batch["truth"],
        "bound": unit**2 * batch["bound"],
    }
    np.testing.assert_allclose(loss(unit[:, None] * estimates, scaled), loss(estimates, batch), rtol=1e-6)


def test_wbce_is_mse_crb_over_all_realizations():
    """Mean over realizations of (x̂ − x)² = (μ − x)² + s²."""
    estimates, batch = _efficient(50, 8, bias=0.4)
    each = [mse_crb()(estimates[:, [index]], batch) for index in range(8)]
    np.testing.assert_allclose(wbce()(estimates, batch), np.mean(each), rtol=1e-5)


def test_relative_mse_and_mse_are_the_written_formulas():
    estimates, batch = _efficient(50, 1, bias=0.4)
    error = np.asarray(estimates[:, 0] - batch["truth"])
    np.testing.assert_allclose(mse()(estimates, batch), np.mean(error**2), rtol=1e-5)
    relative = np.mean((error / np.asarray(batch["truth"])) ** 2)
    np.testing.assert_allclose(relative_mse()(estimates, batch), relative, rtol=1e-5)


@pytest.mark.parametrize("make", [mse, relative_mse, mse_crb, wbce, wvce])
def test_emphasis_zero_leaves_a_parameter_out(make):
    estimates, batch = _efficient(20, 4, bias=2.0)
    emphasis = np.array([1.0, 0.0, 0.5])
    loss = make(emphasis) if make in (mse, relative_mse, mse_crb) else make(emphasis=emphasis, bias_moments="unbiased")
    gradient = jax.grad(lambda x: loss(x, batch))(estimates)
    np.testing.assert_array_equal(gradient[1], 0.0)
    assert (gradient[0] != 0).any()


def test_an_infinite_bound_carries_no_weight():
    estimates, batch = _efficient(20, 4)
    batch["bound"] = batch["bound"].at[1].set(jnp.inf)
    for loss in EVERY:
        value, gradient = jax.value_and_grad(lambda x, loss=loss: loss(x, batch))(estimates)
        assert np.isfinite(value)
        np.testing.assert_array_equal(gradient[1], 0.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weighting": "crb"}, '"inverse-crb"'),
        ({"bias_moments": "corrected"}, '"plain" or "unbiased"'),
        ({"bias_moments": "unbiased", "criterion": "absolute"}, "estimate bias²"),
    ],
)
def test_refusals(fields, words):
    with pytest.raises(RaofitError, match=words):
        SupervisedLoss(**fields)
