"""The bound with an unknown complex amplitude: closed forms, orderings, and a second way to compute it."""

import jax
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.information import crb as crb_module
from raofit.information.crb import bound_from_jacobian, crb
from raofit.information.fisher import fisher_information
from raofit.models import IVIM, Compressed
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.information.complex_models import TIMES, Decay, TwoPools, decay_jacobian

DECAY, POOLS = Decay(TIMES), TwoPools(TIMES)
NOISE = ComplexGaussian(0.02)
POINTS = np.random.default_rng(3).uniform([0.1, 10, -50], [0.4, 40, 50], (40, 3))
BASIS = np.linalg.qr(np.random.default_rng(4).normal(size=(24, 6)))[0]


def _augmented(signal, jacobian, fisher, *, is_amplitude_known=False):
    """Variances at sigma = 1 from the inverse of the whole information, amplitude columns and all."""
    columns = [jacobian]
    if not is_amplitude_known:
        columns += [signal[:, None]] if fisher == "hermitian" else [signal[:, None], 1j * signal[:, None]]
    columns = np.concatenate(columns, axis=1)
    information = columns.conj().T @ columns
    inverse = np.linalg.inv(information.real if fisher == "real" else information)
    return np.diag(inverse).real[: jacobian.shape[1]]


def test_decay_and_frequency_have_the_closed_form():
    """Rate and frequency decouple: both have variance σ²/Σw(t − t̄)², w = exp(−2·R2·t), t̄ the weighted mean time."""
    weight = np.exp(-2 * 20.0 * TIMES)
    mean = np.sum(weight * TIMES) / np.sum(weight)
    expected = 0.02**2 / np.sum(weight * (TIMES - mean) ** 2)
    np.testing.assert_allclose(crb(DECAY, [20.0, 30.0], NOISE), [expected, expected], rtol=1e-10)


def test_with_known_amplitude_the_times_are_counted_from_zero():
    expected = 0.02**2 / np.sum(np.exp(-2 * 20.0 * TIMES) * TIMES**2)
    np.testing.assert_allclose(crb(DECAY, [20.0, 30.0], NOISE, fixed=["M0"]), [expected, expected], rtol=1e-10)


def test_a_complex_rate_and_frequency_cannot_be_told_apart():
    """As complex parameters, rate and i·frequency have the same derivative: the Hermitian information is singular."""
    assert np.all(np.isinf(crb(DECAY, [20.0, 30.0], NOISE, fisher="hermitian")))
    known = crb(DECAY, [20.0, 30.0], NOISE, fixed=["omega0"], fisher="hermitian")
    np.testing.assert_allclose(known, [crb(DECAY, [20.0, 30.0], NOISE)[0], 0.0], rtol=1e-10)


@pytest.mark.parametrize("fisher", ["real", "hermitian"])
@pytest.mark.parametrize("is_known", [False, True])
def test_agrees_with_the_inverse_of_the_augmented_information(fisher, is_known):
    with jax.enable_x64(True):
        signal, jacobian = map(np.asarray, POOLS.signal_and_jacobian(POINTS))
    bound = crb(POOLS, POINTS, ComplexGaussian(0.1), fixed=["M0"] if is_known else (), fisher=fisher)
    expected = [_augmented(*item, fisher, is_amplitude_known=is_known) for item in zip(signal, jacobian, strict=True)]
    np.testing.assert_allclose(bound, 0.01 * np.array(expected), rtol=1e-8)


def test_orderings():
    """Knowing more never hurts: samples beat coefficients, real parameters complex ones, a known M0 an unknown one."""
    slack = 1 + 1e-9
    real, hermitian = (crb(POOLS, POINTS, NOISE, fisher=fisher) for fisher in ("real", "hermitian"))
    assert np.all(real <= hermitian * slack)
    assert np.median(hermitian / real) > 1.01
    for fisher, samples in (("real", real), ("hermitian", hermitian)):
        assert np.all(samples <= crb(POOLS, POINTS, NOISE, basis=BASIS, fisher=fisher) * slack)
        assert np.all(crb(POOLS, POINTS, NOISE, fixed=["M0"], fisher=fisher) <= samples * slack)
        for name in POOLS.parameter_names:
            assert np.all(crb(POOLS, POINTS, NOISE, fixed=[name], fisher=fisher) <= samples * slack)


def test_a_complete_basis_loses_nothing():
    complete = np.linalg.qr(np.random.default_rng(5).normal(size=(24, 24)))[0]
    np.testing.assert_allclose(crb(POOLS, POINTS, NOISE, basis=complete), crb(POOLS, POINTS, NOISE), rtol=1e-8)


def test_a_basis_is_the_compressed_model():
    np.testing.assert_array_equal(crb(POOLS, POINTS, NOISE, basis=BASIS), crb(Compressed(POOLS, BASIS), POINTS, NOISE))


def test_neither_the_phase_nor_the_scale_of_the_amplitude_matters_at_fixed_snr():
    signal, jacobian = decay_jacobian(TIMES, 20.0, 30.0)
    plain = bound_from_jacobian(signal, jacobian, sigma=0.02, has_complex_amplitude=True)
    amplitude = 1e-6 * np.exp(0.7j)
    moved = bound_from_jacobian(amplitude * signal, amplitude * jacobian, sigma=0.02e-6, has_complex_amplitude=True)
    np.testing.assert_allclose(moved, plain, rtol=1e-12)
    np.testing.assert_allclose(plain, crb(DECAY, [20.0, 30.0], NOISE), rtol=1e-10)


@pytest.mark.parametrize("fisher", ["real", "hermitian"])
def test_variances_follow_the_units_of_a_parameter(fisher):
    with jax.enable_x64(True):
        signal, jacobian = map(np.asarray, POOLS.signal_and_jacobian(POINTS))
    units = np.array([1e4, 1e-5, 1e-9])
    plain, scaled = (
        bound_from_jacobian(signal, columns, has_complex_amplitude=True, fisher=fisher)
        for columns in (jacobian, jacobian * units)
    )
    np.testing.assert_allclose(scaled * units**2, plain, rtol=1e-8)


def test_single_precision_derivatives_give_the_bound():
    """Derivatives rounded to 6e-8 move an information matrix of condition κ by κ·6e-8; scaled κ is below 1e3 here."""
    signal, jacobian = POOLS.signal_and_jacobian(np.asarray(POINTS, dtype=np.float32))
    assert jacobian.dtype == np.complex64
    sigma = np.linspace(0.01, 0.1, len(POINTS))
    found = bound_from_jacobian(signal, jacobian, sigma=sigma, fixed=[2], has_complex_amplitude=True)
    expected = crb(POOLS, POINTS, ComplexGaussian(sigma), fixed=["omega0"])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_real_models_have_one_kind_of_bound():
    at = [1.0, 0.3, 1.7e-3, 80e-3]
    ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    for noise in (Rician(0.05), Gaussian(0.05)):
        np.testing.assert_allclose(crb(ivim, at, noise, fisher="hermitian"), crb(ivim, at, noise), rtol=1e-12)


def test_a_derivative_along_the_signal_is_indistinguishable_from_the_amplitude():
    signal, jacobian = decay_jacobian(TIMES, 20.0, 30.0)
    columns = np.concatenate([jacobian, (2 - 3j) * signal[:, None]], axis=1)
    bound = bound_from_jacobian(signal, columns, has_complex_amplitude=True)
    assert np.isinf(bound[2])
    np.testing.assert_allclose(bound[:2], bound_from_jacobian(signal, jacobian, has_complex_amplitude=True))


def test_no_signal_has_no_bound():
    assert np.all(np.isinf(bound_from_jacobian(np.zeros(4), np.zeros((4, 2)), has_complex_amplitude=True)))


def test_chunks_are_the_whole(monkeypatch):
    many = np.tile(POINTS, (5, 1)).reshape(2, 100, 3) * np.linspace(0.9, 1.1, 100)[:, None]
    noise = ComplexGaussian(np.linspace(0.01, 0.1, 100))
    whole = crb(POOLS, many, noise, basis=BASIS)
    assert whole.shape == (2, 100, 3)
    monkeypatch.setattr(crb_module, "_CHUNK_BYTES", 1)
    np.testing.assert_allclose(crb(POOLS, many, noise, basis=BASIS), whole, rtol=1e-9)


def test_information_with_unknown_amplitude_has_one_row_per_parameter():
    with jax.enable_x64(True):
        information = np.asarray(fisher_information(POOLS, POINTS, NOISE, fisher="hermitian"))
    assert information.shape == (40, 3, 3)
    np.testing.assert_allclose(information, np.conj(np.swapaxes(information, -1, -2)), rtol=1e-9, atol=1e-6)


def test_refusals():
    with pytest.raises(RaofitError, match="`M1` is not a parameter; the model has f, R2, omega0, M0"):
        crb(POOLS, POINTS, NOISE, fixed=["M1"])
    with pytest.raises(RaofitError, match='expected "real" or "hermitian", got "complex"'):
        crb(POOLS, POINTS, NOISE, fisher="complex")  # type: ignore[arg-type]
    with pytest.raises(RaofitError, match="model `two pools` has complex signals, whose noise is Gaussian, got rician"):
        crb(POOLS, POINTS, Rician(0.1))
    with pytest.raises(RaofitError, match="coefficients in a basis have Gaussian noise, got rician noise"):
        crb(POOLS, POINTS, Rician(0.1), basis=BASIS)
    with pytest.raises(ProtocolError, match=r"expected 24 rows .* got shape \(6, 24\); transpose it"):
        crb(POOLS, POINTS, NOISE, basis=BASIS.T)
    with pytest.raises(RaofitError, match="`M0` is not a parameter; the model has S0"):
        crb(IVIM([0, 100]), [1.0, 0.3, 1e-3, 80e-3], Gaussian(0.1), fixed=["M0"])
