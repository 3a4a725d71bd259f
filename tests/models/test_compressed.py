"""Models seen through a basis: coefficients, derivatives, what carries over, and refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import ProtocolError
from raofit.models import IVIM, Compressed
from tests.information.complex_models import TIMES, TwoPools

POOLS = TwoPools(TIMES)
POINTS = np.random.default_rng(3).uniform([0.1, 10, -50], [0.4, 40, 50], (2, 5, 3))
GENERATOR = np.random.default_rng(4)
REAL = np.linalg.qr(GENERATOR.normal(size=(24, 6)))[0]
COMPLEX = np.linalg.qr(GENERATOR.normal(size=(24, 6)) + 1j * GENERATOR.normal(size=(24, 6)))[0]
IVIM_BASIS = np.linalg.qr(GENERATOR.normal(size=(5, 3)))[0]
IVIM_MODEL = IVIM([0, 50, 100, 400, 800])


@pytest.mark.parametrize("basis", [REAL, COMPLEX], ids=["real basis", "complex basis"])
def test_coefficients_and_derivatives_are_projections(basis):
    with jax.enable_x64(True):
        signal, jacobian = map(np.asarray, POOLS.signal_and_jacobian(POINTS))
        coefficients, derivatives = map(np.asarray, Compressed(POOLS, basis).signal_and_jacobian(POINTS))
        alone = np.asarray(Compressed(POOLS, basis).signal(POINTS))
    assert coefficients.shape == (2, 5, 6)
    assert derivatives.shape == (2, 5, 6, 3)
    np.testing.assert_allclose(coefficients, signal @ basis.conj(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(alone, coefficients, rtol=1e-12, atol=1e-14)
    expected = np.einsum("...mk,mr->...rk", jacobian, basis.conj())
    np.testing.assert_allclose(derivatives, expected, rtol=1e-12, atol=1e-14)


def test_single_precision_stays_single():
    coefficients, derivatives = Compressed(POOLS, REAL).signal_and_jacobian(POINTS.astype(np.float32))
    assert coefficients.dtype == derivatives.dtype == jnp.complex64


def test_real_signals_have_real_coefficients():
    compressed = Compressed(IVIM_MODEL, IVIM_BASIS)
    at = np.array([1.0, 0.3, 1.7e-3, 80e-3])
    assert compressed.signal(at).dtype == jnp.float32
    # float32 rounding of five products
    np.testing.assert_allclose(compressed.signal(at), np.asarray(IVIM_MODEL.signal(at)) @ IVIM_BASIS, atol=1e-6)


def test_it_works_under_jit_and_on_one_voxel():
    compressed = Compressed(POOLS, REAL)
    one = eqx.filter_jit(compressed.voxel_signal)(jnp.asarray(POINTS[0, 0], dtype=jnp.float32))
    np.testing.assert_allclose(one, compressed.signal(POINTS[0, 0].astype(np.float32)), rtol=1e-5, atol=1e-6)


def test_what_belongs_to_the_samples_carries_over():
    compressed = Compressed(IVIM_MODEL, IVIM_BASIS)
    assert compressed.n_measurements == 3
    assert compressed.parameters == IVIM_MODEL.parameters
    assert compressed.amplitude_index == IVIM_MODEL.amplitude_index
    assert not compressed.has_complex_amplitude
    assert Compressed(POOLS, REAL).has_complex_amplitude
    np.testing.assert_array_equal(compressed.protocol["b_values"], IVIM_MODEL.protocol["b_values"])
    swapped = jnp.array([1.0, 0.3, 80e-3, 1.7e-3])
    np.testing.assert_array_equal(compressed.canonical(swapped), IVIM_MODEL.canonical(swapped))


def test_white_noise_stays_white():
    """Sample covariance of coefficients of noise: n entries of variance 1/n around the identity, 5 standard errors."""
    n_draws = 20_000
    draws = np.random.default_rng(6).normal(size=(n_draws, 24)) @ REAL
    np.testing.assert_allclose(draws.T @ draws / n_draws, np.eye(6), atol=5 * np.sqrt(2 / n_draws))


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (REAL.T, r"expected 24 rows .* got shape \(6, 24\); transpose it"),
        (REAL[:20], r"expected 24 rows .* got shape \(20, 6\)$"),
        (REAL[:, 0], r"got shape \(24,\)"),
        (np.ones((24, 25)), r"at most as many columns .* got shape \(24, 25\)"),
        (np.where(REAL > 0.3, np.nan, REAL), "expected finite numbers"),
        (2 * REAL, r"expected orthonormal columns, got an inner product off by 3; .*numpy\.linalg\.qr"),
    ],
)
def test_refusals(basis, words):
    with pytest.raises(ProtocolError, match=words):
        Compressed(POOLS, basis)


def test_a_complex_basis_of_real_signals_is_refused():
    """The noise of its coefficients would be neither white nor the same in both channels."""
    basis = np.linalg.qr(GENERATOR.normal(size=(5, 3)) + 1j * GENERATOR.normal(size=(5, 3)))[0]
    with pytest.raises(ProtocolError, match="`ivim` are real, got complex columns"):
        Compressed(IVIM_MODEL, basis)
