"""Fingerprints through simulator, basis, dictionary, least squares and a scoring step: all attain the bound."""

import functools

import jax
import numpy as np
import pytest

import raofit
from raofit.core.status import Status

TISSUES = np.array([[0.8, 0.07], [1.4, 0.11]])  # T1, T2
N = 4000
SNR = 100.0
M0 = 2.0 * np.exp(0.7j)


@functools.cache
def scene():
    """Model, noise, measurements of each tissue, and their bounds."""
    pulses = np.arange(240)
    flip_angles = np.radians(5 + 60 * np.abs(np.sin(np.pi * pulses / 120)))
    samples = raofit.models.MRFFISP(flip_angles, 0.012, echo_times=0.003, inversion_time=0.02, b1=1.0)
    random = np.random.default_rng(1)
    examples = np.stack([random.uniform(0.4, 2.5, 400), random.uniform(0.03, 0.2, 400)], axis=1)
    model = raofit.models.Compressed(samples, raofit.svd_basis(np.asarray(samples.signal(examples)), 8))
    noise = raofit.noise.ComplexGaussian(abs(M0) / SNR)
    signals = np.repeat(np.asarray(model.signal(TISSUES)) * M0, N, axis=0)
    measurements = np.asarray(noise.sample(jax.random.key(2), signals))
    bound = raofit.crb(model, TISSUES, raofit.noise.ComplexGaussian(1 / SNR))
    return model, noise, measurements, np.sqrt(bound)


@functools.cache
def dictionary():
    model, noise, _, _ = scene()
    axes = {"T1": np.geomspace(0.4, 2.6, 70), "T2": np.geomspace(0.03, 0.25, 60)}
    return raofit.DictionaryMatching(model, raofit.ParameterGrid(axes), noise)


@functools.cache
def estimate_by(name: str):
    model, noise, measurements, _ = scene()
    if name == "dictionary":
        return dictionary().estimate(measurements)
    if name == "least squares":
        return raofit.MaximumLikelihood(model, noise).estimate(measurements)
    return raofit.OneStep(model, noise, dictionary()).estimate(measurements)


@pytest.mark.parametrize(
    "name",
    [
        "dictionary",
        pytest.param("least squares", marks=pytest.mark.slow),
        pytest.param("one step", marks=pytest.mark.slow),
    ],
)
def test_estimates_attain_the_bound(name):
    """Std within 5 % and bias within a tenth of √CRB, plus three standard errors: 1/√(2N) = 1.1 %, 1/√N = 1.6 %."""
    estimate = estimate_by(name)
    assert np.all(estimate.status == Status.OK)
    values = estimate.values.astype(np.float64).reshape(len(TISSUES), N, 2)
    bound = scene()[3]
    np.testing.assert_allclose(values.std(axis=1) / bound, 1.0, atol=0.05 + 3 / np.sqrt(2 * N))
    np.testing.assert_allclose((values.mean(axis=1) - TISSUES) / bound, 0.0, atol=0.1 + 3 / np.sqrt(N))
    errors = estimate.standard_errors.reshape(len(TISSUES), N, 2)
    np.testing.assert_allclose(np.median(errors, axis=1) / bound, 1.0, atol=0.05)
    np.testing.assert_allclose(estimate.diagnostics["amplitude"].mean(), M0, rtol=0.02)
