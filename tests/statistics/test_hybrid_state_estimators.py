"""Maximum likelihood of a short balanced train attains the bound."""

import jax
import numpy as np

import raofit
from raofit.core.status import Status
from raofit.io.fingerprint_sequence import load_sequence

N = 1000
SNR = 50.0
TISSUES = np.array([[0.8, 0.07], [1.3, 0.1]])  # T1, T2
M0 = 2.0 * np.exp(0.7j)


def test_maximum_likelihood_attains_the_bound():
    """Std within 2 % and bias within a tenth of √CRB, plus three standard errors: 1/√(2N) = 2.2 %, 1/√N = 3.2 %."""
    flip_angles = load_sequence("hybrid-840")["flip_angles"][::8]
    model = raofit.models.HybridState(flip_angles, 0.03, is_repeated=True, b1=1.0)
    noise = raofit.noise.ComplexGaussian(abs(M0) / SNR)
    signals = np.repeat(np.asarray(model.signal(TISSUES)) * M0, N, axis=0)
    estimate = raofit.MaximumLikelihood(model, noise).estimate(noise.sample(jax.random.key(3), signals))
    bound = np.sqrt(raofit.crb(model, TISSUES, raofit.noise.ComplexGaussian(1 / SNR)))
    assert np.all(estimate.status == Status.OK)
    values = estimate.values.astype(np.float64).reshape(len(TISSUES), N, 2)
    np.testing.assert_allclose(values.std(axis=1) / bound, 1.0, atol=0.02 + 3 / np.sqrt(2 * N))
    np.testing.assert_allclose((values.mean(axis=1) - TISSUES) / bound, 0.0, atol=0.1 + 3 / np.sqrt(N))
    np.testing.assert_allclose(estimate.diagnostics["amplitude"].mean(), M0, rtol=0.02)
