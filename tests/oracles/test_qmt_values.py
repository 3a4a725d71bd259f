"""Published values of pulse trains, for the reference and for the fast simulator.

[asslander2022] and the documentation of the authors' simulator print echoes; the digits here are those to which
independent implementations converge, within 5e-7 of the printed ones (which interpolate tables).
"""

import functools

import h5py
import jax
import numpy as np
import pytest
import scipy.linalg

import raofit
from raofit.models import QMT
from raofit.noise import ComplexGaussian, Gaussian
from tests.oracles.qmt_reference import hamiltonian, reference_signal

PRINTED = 5e-7
WHITE_MATTER = (0.2, 1 / 1.92, 1 / 0.0776, 16.5, 1 / 0.337, 12.4e-6, 0.0, 1.0)


def simulated_signal(parameters, flip_angles, pulse_durations, repetition_time, **options) -> np.ndarray:
    """Echoes by the package's simulator in float64."""
    with jax.enable_x64(True):
        return np.asarray(QMT(flip_angles, pulse_durations, repetition_time, **options).signal(np.array(parameters)))


either_simulator = pytest.mark.parametrize("simulate", [reference_signal, simulated_signal])


@pytest.fixture(scope="module")
def v32_train(shared_data) -> tuple[np.ndarray, np.ndarray]:
    """Flip angles and pulse durations of the single-cycle train of version 3.2, 1142 pulses."""
    with h5py.File(shared_data / "qmt-mao" / "control_v3.2.mat") as file:
        return file["alpha"][()].ravel(), file["TRF"][()].ravel()


@pytest.fixture(scope="module")
def six_trains(shared_data) -> tuple[np.ndarray, np.ndarray]:
    """Flip angles and pulse durations of the six cycles of [mao2024]."""
    with h5py.File(shared_data / "qmt-mao" / "control.mat") as file:
        return file["alpha"][()], file["TRF"][()]


@pytest.fixture(scope="module")
def basis(shared_data) -> np.ndarray:
    """The first 15 columns of the basis of [mao2024], (6852, 15)."""
    with h5py.File(shared_data / "qmt-mao" / "basis.mat") as file:
        return file["U"][:15].T.astype(np.float64)


def test_one_pulse_with_a_given_saturation_rate():
    parameters = (0.1, 1.0, 15.0, 30.0, 6.5, 10e-6, 0.0, 1.0)
    generator = hamiltonian(parameters, np.pi / 500e-6, 1e5)
    state = scipy.linalg.expm(generator * 500e-6) @ (0, 0, 0.9, 0, 0.1, 1)
    expected = (0.0010647535813058293, 0, -0.8957848274535014, 0.005126529591877105, 0.08122007142111888, 1)
    np.testing.assert_allclose(state, expected, rtol=0, atol=1e-8)


SHORT_TRAINS = {
    "crushed": (
        np.full(100, np.pi / 2),
        (-0.0293059915, 0.0043294252, -0.0227614122),
        (0.0620774076, 0.0615150297, 0.0622363456),
    ),
    "spoiled": (
        np.linspace(0, np.pi / 2, 100),
        (0, 0.001973833347, 0.002187565428),
        (0.1268010473, 0.1257721537, 0.1247116100),
    ),
}


@either_simulator
@pytest.mark.parametrize("inversion", SHORT_TRAINS)
def test_short_trains(simulate, inversion):
    flip_angles, first, last = SHORT_TRAINS[inversion]
    parameters = (0.1, 1.0, 15.0, 30.0, 6.5, 10e-6, 0.0, 1.0)
    signal = simulate(parameters, flip_angles, np.full(100, 500e-6), 4e-3, inversion=inversion)
    np.testing.assert_allclose(signal[:3], first, rtol=0, atol=PRINTED)
    np.testing.assert_allclose(signal[-3:], last, rtol=0, atol=PRINTED)
    np.testing.assert_allclose(signal.imag, 0, rtol=0, atol=1e-12)


@either_simulator
def test_single_cycle_train(simulate, v32_train):
    tissues = [(0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 0.0, 1.0), (0.15, 0.5, 17.0, 30.0, 3.0, 12e-6, 100.0, 0.9)]
    if simulate is simulated_signal:
        on_resonance, off_resonance = simulate(tissues, *v32_train, 3.5e-3)
    else:
        on_resonance, off_resonance = (simulate(tissue, *v32_train, 3.5e-3) for tissue in tissues)
    expected = (-0.3559001023, -0.2587967013, -0.1419917949, -0.0684210521, 0.1720364284, 0.2838938757, 0.3750840296)
    np.testing.assert_allclose(on_resonance[[0, 1, 2, 3, -3, -2, -1]], expected, rtol=0, atol=PRINTED)
    expected = (
        -0.3252169998 + 0.0093891090j,
        0.1580151527 + 0.0123165164j,
        0.2654075464 + 0.0091312489j,
        0.3538130982 + 0.0102146867j,
    )
    np.testing.assert_allclose(off_resonance[[0, -3, -2, -1]], expected, rtol=0, atol=PRINTED)


@either_simulator
def test_white_matter_in_six_cycles(simulate, six_trains, basis):
    signal = simulate(WHITE_MATTER, *six_trains, 3.5e-3)
    norms = np.linalg.norm(signal.reshape(6, -1), axis=1)
    np.testing.assert_allclose(norms, (2.1068531, 2.0823100, 2.6264177, 1.9545179, 2.5703941, 2.1828031), rtol=1e-5)
    lost = 1 - np.linalg.norm(basis.T @ signal) ** 2 / np.linalg.norm(signal) ** 2
    assert lost < 1.2e-3


@functools.cache
def sine_train() -> tuple[np.ndarray, np.ndarray]:
    """200 pulses α_n = |sin(2πn/200)| of 300 µs, the first an inversion of 500 µs."""
    flip_angles, durations = np.abs(np.sin(2 * np.pi * np.arange(1, 201) / 200)), np.full(200, 300e-6)
    flip_angles[0], durations[0] = np.pi, 500e-6
    return flip_angles, durations


@pytest.mark.slow  # the same number in `tests/information/test_qmt_crb.py`, from derivatives of another kind
def test_bound_of_the_semisolid_fraction():
    """Documented 3938.8946, converged 3939.018, for sigma = 1 and a real M0 among the unknowns.

    On resonance the signal is real, its derivative by omega0 imaginary: the imaginary part of M0 couples to omega0
    alone, so that the bound of m0s is the same with a complex M0.
    """
    tissue = (0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 0.0, 1.0)
    with jax.enable_x64(True):
        bound = raofit.crb(QMT(*sine_train(), 3.5e-3), np.array(tissue), Gaussian(1.0))
    np.testing.assert_allclose(bound[0], 3939.018, rtol=1e-3)


@pytest.mark.slow  # compiles the fit in double precision
def test_least_squares_recovers_noise_free_tissue():
    """Documented: to 1e-12, with equal R1 in both pools. On resonance and off it, for any M0, from the usual starts."""
    tissues = np.array([(0.15, 1.0, 15.0, 30.0, 10e-6, 0.0, 1.0), (0.15, 1.0, 15.0, 30.0, 10e-6, 100.0, 1.0)])
    model = QMT(*sine_train(), 3.5e-3, r1s="tied")
    with jax.enable_x64(True):
        signal = np.asarray(model.signal(tissues))
    estimator = raofit.MaximumLikelihood(model, ComplexGaussian(1e-9), precision="float64")
    estimate = estimator.estimate((0.3 - 0.2j) * signal)
    scale = np.array([*tissues[0, :5], 100.0, 1.0])
    np.testing.assert_allclose(estimate.values / scale, tissues / scale, rtol=0, atol=1e-12)


def test_bound_of_the_reference():
    tissue = np.array((0.15, 0.5, 15.0, 30.0, 3.0, 10e-6, 0.0, 1.0))
    signal = reference_signal(tissue, *sine_train(), 3.5e-3)
    columns = [signal]
    for index, step in enumerate((1e-4, 1e-4, 1e-2, 1e-2, 1e-3, 1e-9, 1e-2, 1e-4)):
        change = np.zeros(8)
        change[index] = step
        plus, minus = (reference_signal(tissue + sign * change, *sine_train(), 3.5e-3) for sign in (1, -1))
        columns.append((plus - minus) / (2 * step))
    jacobian = np.stack(columns, axis=1)
    scale = np.linalg.norm(jacobian, axis=0)
    jacobian = jacobian / scale
    real = np.linalg.inv((jacobian.conj().T @ jacobian).real)[1, 1] / scale[1] ** 2
    hermitian = np.linalg.inv(jacobian.conj().T @ jacobian)[1, 1].real / scale[1] ** 2
    np.testing.assert_allclose(real, 3939.018, rtol=1e-4)
    np.testing.assert_allclose(hermitian, 6521, rtol=1e-3)
