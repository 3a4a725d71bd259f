"""Magnetization transfer as written down: two 6×6 matrix exponentials per pulse, forward-mode derivatives, vmap.

State (xf, yf, zf, xs, zs, 1). The saturation rate of each pulse is raofit's smooth series, so that derivatives by T2s
and B1 mean the same in both programs; everything else is independent of raofit. One compiled program for a batch.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import expm

from raofit.models.qmt.saturation import saturation_coefficients, saturation_features

_PHASE_STEP = np.diag([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0])
_SPOILER = np.diag([1.0, 1.0, 1.0, 0.0, 1.0, 1.0])


def simulator(flip_angles: np.ndarray, durations: np.ndarray, repetition_time: float):
    """A function of parameters (n, 8) that returns signals (n, pulse) and derivatives (n, pulse, 8)."""
    shape = flip_angles.shape
    coefficients, mixing = saturation_coefficients(flip_angles.ravel(), durations.ravel())
    coefficients = coefficients.reshape(*shape, -1)

    def cycle(parameters, angles, times, features_of_pulses):
        t2s, b1 = parameters[5], parameters[7]
        dtype = parameters.dtype
        features = saturation_features(t2s, b1, mixing)
        rates = features_of_pulses @ features / t2s
        spoiler, phase_step = jnp.asarray(_SPOILER, dtype), jnp.asarray(_PHASE_STEP, dtype)
        period = jnp.asarray(repetition_time, dtype)

        def propagator(pulse):
            angle, time, rate = pulse
            free = spoiler @ expm(_generator(parameters, 0.0 * rate, 0.0 * rate) * (0.5 * (period - time)))
            return free @ expm(_generator(parameters, b1 * angle / time, rate) * time) @ phase_step @ free

        def inversion(angle, time, rate):
            half = spoiler @ expm(_generator(parameters, 0.0 * rate, 0.0 * rate) * (0.5 * period))
            flip = b1 * angle
            operator = jnp.diag(jnp.stack([jnp.sin(flip / 2) ** 2, -(jnp.sin(flip / 2) ** 2), jnp.cos(flip)]))
            semisolid = expm(jnp.stack([jnp.stack([-rate * time, flip]), jnp.stack([-flip, 0.0 * flip])]))
            operator = jax.scipy.linalg.block_diag(operator, semisolid, jnp.ones((1, 1), dtype))
            return half @ operator @ phase_step @ half

        pulses = (angles[1:], times[1:], rates[1:])
        first = inversion(angles[0], times[0], rates[0])

        def advance(total, pulse):
            total = propagator(pulse) @ total
            return total, total[:2]

        whole, rows = jax.lax.scan(advance, jnp.eye(6, dtype=dtype), pulses)
        whole = first @ whole
        state = jnp.linalg.solve(jnp.eye(5, dtype=dtype) - whole[:5, :5], whole[:5, 5])
        state = jnp.concatenate([state, jnp.ones(1, dtype)])
        return jnp.concatenate([state[None, :2], rows @ state])

    def signal(parameters):
        trains = tuple(jnp.asarray(values, parameters.dtype) for values in (flip_angles, durations, coefficients))
        return jax.lax.map(lambda train: cycle(parameters, *train), trains).reshape(-1, 2)

    @jax.jit
    def signal_and_jacobian(parameters):
        parts = jax.vmap(signal)(parameters), jax.vmap(jax.jacfwd(signal))(parameters)
        return tuple(jax.lax.complex(part[:, :, 0], part[:, :, 1]) for part in parts)

    return signal_and_jacobian


def _generator(parameters, frequency, saturation_rate):
    """H of dm/dt = H·m."""
    m0s, r1f, r2f, rx, r1s, _, omega0, _ = parameters
    m0f, zero = 1.0 - m0s, jnp.zeros_like(m0s)
    rows = [
        [-r2f, -omega0, frequency, zero, zero, zero],
        [omega0, -r2f, zero, zero, zero, zero],
        [-frequency, zero, -r1f - rx * m0s, zero, rx * m0f, r1f * m0f],
        [zero, zero, zero, -saturation_rate, frequency, zero],
        [zero, zero, rx * m0s, -frequency, -r1s - rx * m0f, r1s * m0s],
        [zero, zero, zero, zero, zero, zero],
    ]
    return jnp.stack([jnp.stack(row) for row in rows])
