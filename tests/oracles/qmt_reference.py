"""The pulse train of two exchanging pools, pulse by pulse with matrix exponentials, in float64 NumPy.

States are (xf, yf, zf, xs, zs, 1). Only the rate R2sl comes from raofit; its own witnesses are in
`test_qmt_saturation.py`.
"""

import numpy as np
import scipy.linalg

from raofit.models.qmt.saturation import linearized_rate

RF_PHASE_STEP = np.diag([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0])


def hamiltonian(parameters, frequency, saturation_rate) -> np.ndarray:
    """Generator H of dm/dt = H·m, (..., 6, 6), for RF of angular frequency `frequency` about y."""
    m0s, r1f, r2f, rx, r1s, _, omega0, _ = parameters
    m0f = 1 - m0s
    generator = np.zeros((*np.shape(frequency), 6, 6))
    generator[..., 0, 0], generator[..., 0, 1], generator[..., 0, 2] = -r2f, -omega0, frequency
    generator[..., 1, 0], generator[..., 1, 1] = omega0, -r2f
    generator[..., 2, 0], generator[..., 2, 2] = -frequency, -r1f - rx * m0s
    generator[..., 2, 4], generator[..., 2, 5] = rx * m0f, r1f * m0f
    generator[..., 3, 3], generator[..., 3, 4] = -saturation_rate, frequency
    generator[..., 4, 2], generator[..., 4, 3] = rx * m0s, -frequency
    generator[..., 4, 4], generator[..., 4, 5] = -r1s - rx * m0f, r1s * m0s
    return generator


def pulse_propagators(parameters, flip_angles, pulse_durations, lineshape) -> np.ndarray:
    """exp(H·TRF) of every pulse, (pulse, 6, 6)."""
    t2s, b1 = parameters[5], parameters[7]
    rate = linearized_rate(flip_angles, pulse_durations, t2s, b1, lineshape)
    generator = hamiltonian(parameters, b1 * flip_angles / pulse_durations, rate)
    return scipy.linalg.expm(generator * pulse_durations[:, None, None])


def free_propagators(parameters, durations) -> np.ndarray:
    """Free precession for each duration, then no semi-solid transverse magnetization, (duration, 6, 6)."""
    generator = hamiltonian(parameters, np.zeros(len(durations)), 0.0)
    return np.diag([1, 1, 1, 0, 1, 1]) @ scipy.linalg.expm(generator * np.asarray(durations)[:, None, None])


def crushed_inversion(parameters, flip_angle, pulse_duration, lineshape) -> np.ndarray:
    """A pulse between crushers: half-angle factors on the transverse, no relaxation of the free pool."""
    t2s, b1 = parameters[5], parameters[7]
    angle = b1 * flip_angle
    rate = float(linearized_rate(flip_angle, pulse_duration, t2s, b1, lineshape))
    operator = np.eye(6)
    operator[0, 0], operator[1, 1], operator[2, 2] = np.sin(angle / 2) ** 2, -(np.sin(angle / 2) ** 2), np.cos(angle)
    semisolid = scipy.linalg.expm(np.array([[-rate * pulse_duration, angle], [-angle, 0.0]]))
    operator[3:5, 3:5] = semisolid
    return operator


def cycle_propagators(parameters, flip_angles, pulse_durations, repetition_time, lineshape, inversion) -> np.ndarray:
    """E_i, from echo i − 1 to echo i, of one cycle."""
    distinct, inverse = np.unique(np.stack([flip_angles, pulse_durations], axis=1), axis=0, return_inverse=True)
    pulse = pulse_propagators(parameters, *distinct.T, lineshape)
    free = free_propagators(parameters, (repetition_time - distinct[:, 1]) / 2)
    propagators = (free @ pulse @ RF_PHASE_STEP @ free)[inverse.ravel()]
    first = inverse.ravel()[0]
    if inversion == "crushed":
        half = free_propagators(parameters, [repetition_time / 2])[0]
        crushed = crushed_inversion(parameters, flip_angles[0], pulse_durations[0], lineshape)
        propagators[0] = half @ crushed @ RF_PHASE_STEP @ half
    elif inversion == "spoiled":
        spoiler = np.diag([0.0, 0, 1, 1, 1, 1])
        propagators[0] = free[first] @ spoiler @ pulse[first] @ spoiler @ RF_PHASE_STEP @ free[first]
    return propagators


def reference_signal(
    parameters,
    flip_angles,
    pulse_durations,
    repetition_time,
    *,
    lineshape="super-lorentzian",
    inversion="crushed",
) -> np.ndarray:
    """Echoes of each cycle in its own periodic steady state, cycle after cycle, complex.

    The state m at the first echo satisfies E_1·E_N·…·E_2·m = m with last component 1.
    """
    parameters = np.asarray(parameters, dtype=np.float64)
    signal = []
    for angles, durations in zip(np.atleast_2d(flip_angles), np.atleast_2d(pulse_durations), strict=True):
        propagators = cycle_propagators(parameters, angles, durations, repetition_time, lineshape, inversion)
        cycle = np.eye(6)
        for propagator in (*propagators[1:], propagators[0]):
            cycle = propagator @ cycle
        state = np.linalg.solve(cycle - np.diag([1, 1, 1, 1, 1, 0.0]), np.eye(6)[5])
        for index in range(len(angles)):
            state = propagators[index] @ state if index else state
            signal.append(state[0] + 1j * state[1])
    return np.array(signal)
