"""Bounds of magnetization transfer: published values, and the orderings on a short train."""

import h5py
import jax
import numpy as np
import pytest

from raofit.information.crb import bound_from_jacobian, crb
from raofit.information.subspace import svd_basis
from raofit.models import QMT
from raofit.noise import ComplexGaussian
from raofit.training import priors

TR = 3.5e-3
PHASE = 2 * np.pi * np.arange(1, 201) / 200
SHORT = QMT(np.r_[np.pi, np.abs(np.sin(PHASE[1:]))], np.r_[500e-6, np.full(199, 300e-6)], TR)
DOCUMENTED = np.array([0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 0.0, 1.0])
WHITE_MATTER = np.array([0.2, 1 / 1.92, 1 / 0.0776, 16.5, 1 / 0.337, 12.4e-6, 0.0, 1.0])


@pytest.fixture(scope="module")
def published(shared_data) -> tuple[QMT, np.ndarray]:
    """The six trains and the 15 basis vectors of [mao2024]."""
    folder = shared_data / "qmt-mao"
    with h5py.File(folder / "control.mat") as file:
        model = QMT(file["alpha"][()], file["TRF"][()], TR)
    with h5py.File(folder / "basis.mat") as file:
        return model, file["U"][:15].T.astype(np.float64)


@pytest.fixture(scope="module")
def short() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tissues (the documented one first), their signals on the short train, and the derivatives, in float64."""
    drawn = np.asarray(priors.build("qmt-tissue", repetition_time=TR).sample(jax.random.key(8), 16))
    tissues = np.concatenate([DOCUMENTED[None], drawn.astype(np.float64)])
    with jax.enable_x64(True):
        return tissues, *map(np.asarray, SHORT.signal_and_jacobian(tissues))


@pytest.mark.parametrize(("fisher", "expected"), [("real", 3939.018), ("hermitian", 6521.0)])
def test_documented_variance_of_the_pool_fraction(short, fisher, expected):
    """`crb` itself gives the first in tests/oracles/test_qmt_values.py."""
    _, signal, jacobian = short
    bound = bound_from_jacobian(signal[:1], jacobian[:1], has_complex_amplitude=True, fisher=fisher)
    assert bound[0, 0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow  # a train as long as the published one
def test_efficient_precision_in_white_matter(published):
    """Percent of the value at SNR 20 from 15 coefficients, and omega0 in rad/s, as an independent simulator has it."""
    model, basis = published
    real, hermitian = (
        np.sqrt(crb(model, WHITE_MATTER, ComplexGaussian(1 / 20), basis=basis, fisher=fisher))
        for fisher in ("real", "hermitian")
    )
    percent = 100 * hermitian[:6] / WHITE_MATTER[:6]
    np.testing.assert_allclose(percent, [12.01, 12.62, 5.8, 21.8, 18.44, 26.3], rtol=0, atol=0.05)
    np.testing.assert_allclose(percent[[0, 1, 4]], [12.01, 12.62, 18.44], rtol=0, atol=0.006)
    np.testing.assert_allclose((100 * real / WHITE_MATTER.clip(1e-9))[[0, 1, 4]], [11.87, 12.35, 18.10], atol=0.006)
    np.testing.assert_allclose([real[6], hermitian[6]], [266, 413], atol=0.6)


@pytest.mark.slow
def test_orderings_and_single_precision(short):
    """Samples beat coefficients and real parameters complex ones; float32 derivatives give the same bound."""
    tissues, signal, jacobian = short
    basis = svd_basis(signal, 16)
    seen = signal @ basis, np.einsum("nmp,mr->nrp", jacobian, basis)
    samples, coefficients = (
        bound_from_jacobian(*pair, has_complex_amplitude=True) for pair in ((signal, jacobian), seen)
    )
    hermitian = bound_from_jacobian(*seen, has_complex_amplitude=True, fisher="hermitian")
    assert np.all(samples <= coefficients * (1 + 1e-6))
    assert np.all(coefficients <= hermitian * (1 + 1e-6))
    single = SHORT.signal_and_jacobian(tissues.astype(np.float32))
    assert single[1].dtype == np.complex64
    error = np.abs(bound_from_jacobian(*single, has_complex_amplitude=True) / samples - 1)
    assert np.median(error) < 1e-3
