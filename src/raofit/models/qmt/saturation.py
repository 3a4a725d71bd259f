r"""How fast a pulse saturates the semi-solid pool: the rate R2sl of the linearized generalized Bloch equation.

A rectangular pulse of flip angle α and duration TRF drives semi-solid spins by z' = −ω·∫₀ᵗ G((t−τ)/T2s)·ω·z(τ) dτ,
ω = B1·α/TRF. The linear approximation replaces the memory G by an exponential of rate R2sl chosen such that z at the
end of the pulse is the same [asslander2022]. In units of T2s this is one dimensionless function,

    ρ = R2sl·T2s = ρ(τ̂, Ω),  τ̂ = TRF/T2s,  Ω = ω·T2s,  Ω·τ̂ = B1·α.

**Both ends in one quadrature.** Laplace transformed, the two equations are algebraic. With Ĝ(p) of the lineshape,
(1 − z)/Ω² has the transform Ĝ/(p·(p + Ω²·Ĝ)), and 1/(p·(p·(p + ρ) + Ω²)) with the exponential. One hyperbolic contour
inverts both at p = node/τ̂, so ρ is the root of a sum over nodes, without time steps, and without cancellation as Ω → 0.

**Where ρ exists.** The root disappears when z stops depending on ρ, for Ω ≫ ρ at tan(B1·α) = B1·α, B1·α = 1.43π.
ρ is tabulated up to B1·α = 1.32π, and a stronger pulse saturates as that one does.

**A voxel's saturation.** What a simulator needs is ρ of each of thousands of pulses at one (T2s, B1). As the pulses are
known beforehand, ρ of each is a Chebyshev series in log T2s and B1² (`saturation_coefficients`), and as all pulses are
much alike, a few combinations of the Chebyshev polynomials serve them all (`saturation_features`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models.qmt.lineshapes import check_lineshape, transformed_greens_function

T2S_RANGE = (1e-6, 50e-6)
PULSE_DURATION_RANGE = (20e-6, 2e-3)
B1_MAXIMUM = 1.7
B1_MAXIMUM_OF_STRONG_PULSES = 1.32

_LARGEST_FLIP = 1.005 * np.pi  # nominal; π within rounding and calibration
_STRONG_FLIP = 0.77 * np.pi  # above it, B1·α would pass the end of the table before B1_MAXIMUM
_LARGEST_ANGLE = 1.005 * np.pi * B1_MAXIMUM_OF_STRONG_PULSES
_TABLE_NODES = (80, 32)  # log τ̂, (B1·α)²
_FEATURE_TERMS = (24, 17)  # log T2s, B1²
_EXTRA_NODES = 6
_NEGLIGIBLE = 3e-7  # what leaving out a feature may change in ρ, relative
_NEWTON_STEPS = 40
_CHUNK = 512


def linearized_rate(
    flip_angle: Float[np.ndarray, "*any"],
    pulse_duration: Float[np.ndarray, "*any"],
    t2s: Float[np.ndarray, "*any"],
    b1: Float[np.ndarray, "*any"] = 1.0,
    lineshape: str = "super-lorentzian",
) -> Float[np.ndarray, "*any"]:
    """R2sl in 1/s, the float64 reference: solved for each pulse, relative error below 1e-8.

    Parameters
    ----------
    flip_angle : Float[np.ndarray, "*any"]
        Nominal flip angle α, radians; its sign does not matter, and 0 gives the limit of weak pulses.
    pulse_duration : Float[np.ndarray, "*any"]
        Seconds, > 0.
    t2s : Float[np.ndarray, "*any"]
        Semi-solid T2, seconds, > 0. All four arguments broadcast.
    b1 : Float[np.ndarray, "*any"]
        Transmit field relative to nominal.
    lineshape : str
        One of `LINESHAPES`. The Lorentzian gives 1/T2s.

    Raises
    ------
    RaofitError
        If B1·α exceeds 1.32π, where no rate reproduces the pulse.

    References
    ----------
    [asslander2022]

    Examples
    --------
    >>> print(f"{linearized_rate(np.pi, 500e-6, 10e-6):.4f}")
    16013.6510
    """
    check_lineshape(lineshape)
    flip_angle, pulse_duration, t2s, b1 = np.broadcast_arrays(*map(np.float64, (flip_angle, pulse_duration, t2s, b1)))
    angle = np.abs(flip_angle * b1).ravel()
    if np.any(angle > _LARGEST_ANGLE * (1 + 1e-12)):
        raise RaofitError(
            f"B1·flip angle is {angle.max() / np.pi:.3g}π, where no linear rate reproduces the saturation; it must not "
            f"exceed {_LARGEST_ANGLE / np.pi:.3g}π"
        )
    ratio = (pulse_duration / t2s).ravel()
    path = angle[:, None] * np.array([0.5, 0.8, 0.95, 1.0])
    chunks = [slice(start, start + _CHUNK) for start in range(0, ratio.size, _CHUNK)]
    rho = [_reduced_rate(ratio[chunk], path[chunk], lineshape)[:, -1] for chunk in chunks]
    return np.concatenate([np.zeros(0), *rho]).reshape(t2s.shape) / t2s


def saturation_coefficients(
    flip_angles: Float[np.ndarray, " pulse"],
    pulse_durations: Float[np.ndarray, " pulse"],
    lineshape: str = "super-lorentzian",
) -> tuple[Float[np.ndarray, "pulse feature"], Float[np.ndarray, "feature polynomial"]]:
    """What makes ρ of every pulse: `ρ = coefficients @ saturation_features(t2s, b1, mixing)`.

    Valid for T2s in `T2S_RANGE` and B1 from 0 to `B1_MAXIMUM`, except that pulses above 0.77π are exact up to B1 = 1.3
    and take the value of B1 = 1.32 beyond. Relative error below 1e-5 everywhere, typically 1e-8.

    Parameters
    ----------
    flip_angles : Float[np.ndarray, " pulse"]
        Nominal flip angles α, radians, |α| ≤ π; 0 where nothing is played out.
    pulse_durations : Float[np.ndarray, " pulse"]
        Seconds, in `PULSE_DURATION_RANGE`; at flip angle 0 any duration serves.
    lineshape : str
        One of `LINESHAPES`. The Lorentzian has ρ = 1 and one feature.

    Returns
    -------
    coefficients, mixing
        float64. The number of features follows from how much the pulses differ: 20 to 60 for a real sequence.

    Raises
    ------
    ProtocolError
        If a pulse is outside the stated ranges.
    """
    check_lineshape(lineshape)
    pulses = np.stack([np.abs(np.float64(flip_angles)), np.float64(pulse_durations)], axis=-1)
    _check_pulses(pulses)
    pulses[:, 1] = np.clip(pulses[:, 1], *PULSE_DURATION_RANGE)
    distinct, inverse = np.unique(pulses, axis=0, return_inverse=True)
    n_polynomials = _FEATURE_TERMS[0] * _FEATURE_TERMS[1]
    if lineshape == "lorentzian":
        return np.ones((len(pulses), 1)), np.eye(1, 2 * n_polynomials)
    is_strong = distinct[:, 0] > _STRONG_FLIP
    weak = _compressed(_chebyshev_series(distinct[~is_strong], B1_MAXIMUM, lineshape))
    strong = _compressed(_chebyshev_series(distinct[is_strong], B1_MAXIMUM_OF_STRONG_PULSES, lineshape))
    coefficients = np.zeros((len(distinct), weak[0].shape[1] + strong[0].shape[1]))
    coefficients[~is_strong, : weak[0].shape[1]] = weak[0]
    coefficients[is_strong, weak[0].shape[1] :] = strong[0]
    nothing = np.zeros((max(len(weak[1]), len(strong[1])), n_polynomials))
    mixing = [np.hstack([weak[1], nothing[: len(weak[1])]]), np.hstack([nothing[: len(strong[1])], strong[1]])]
    return coefficients[inverse.ravel()], np.concatenate(mixing)


def saturation_features(
    t2s: Float[Array, "*any"], b1: Float[Array, "*any"], mixing: Float[np.ndarray, "feature polynomial"]
) -> Float[Array, "feature *any"]:
    """The smooth functions of T2s (s) and B1 that make up ρ; traced by JAX, in the dtype of `t2s`.

    Outside the valid range T2s and B1 are taken at its edge, so values stay finite and derivatives vanish there.
    """
    low, high = np.log(T2S_RANGE)
    log_t2s = jnp.log(jnp.clip(t2s, *T2S_RANGE))
    squared = jnp.square(jnp.clip(b1, 0.0, B1_MAXIMUM))
    n_t2s, n_b1 = _FEATURE_TERMS
    of_t2s = _chebyshev_polynomials((2.0 * log_t2s - (low + high)) / (high - low), n_t2s)
    products = []
    for ceiling, value in (
        (B1_MAXIMUM, squared),
        (B1_MAXIMUM_OF_STRONG_PULSES, _smooth_ceiling(squared, 1.3**2, B1_MAXIMUM_OF_STRONG_PULSES**2)),
    ):
        of_b1 = _chebyshev_polynomials(value * (2.0 / ceiling**2) - 1.0, n_b1)
        products.append((of_t2s[:, None] * of_b1[None, :]).reshape(n_t2s * n_b1, *t2s.shape))
    return jnp.tensordot(jnp.asarray(mixing, dtype=t2s.dtype), jnp.concatenate(products), axes=1)


def _smooth_ceiling(value: Array, start: float, ceiling: float) -> Array:
    """`value` up to `start`, bending to the constant `ceiling`, twice continuously differentiable."""
    width = 2.0 * (ceiling - start)
    x = jnp.clip((value - start) / width, 0.0, 1.0)
    return jnp.minimum(value, start) + width * x * (1.0 - jnp.square(x) * (1.0 - 0.5 * x))


def _chebyshev_polynomials(x: Array, count: int) -> Array:
    """T₀(x) … T_{count−1}(x), first axis. A scan, as the unrolled recurrence takes three times as long to compile."""

    def step(last_two: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        older, newer = last_two
        following = 2.0 * x * newer - older
        return (newer, following), following

    first = jnp.ones_like(x), x
    return jnp.concatenate([jnp.stack(first), jax.lax.scan(step, first, length=count - 2)[1]])


def _check_pulses(pulses: np.ndarray) -> None:
    flip_angles, durations = pulses.T
    if not np.all(flip_angles <= _LARGEST_FLIP):
        index = int(np.argmax(np.where(np.isnan(flip_angles), np.inf, flip_angles)))
        raise ProtocolError(
            f"`flip_angles`: pulse {index} is {flip_angles[index]:.4g} rad, but the linear approximation of the "
            "semi-solid saturation holds up to π; flip angles in degrees must be multiplied by π/180"
        )
    low, high = PULSE_DURATION_RANGE
    is_outside = (flip_angles > 0) & ~((durations >= low * (1 - 1e-6)) & (durations <= high * (1 + 1e-6)))
    if np.any(is_outside):
        index = int(np.argmax(is_outside))
        raise ProtocolError(
            f"`pulse_durations`: pulse {index} lasts {durations[index]:.4g} s, outside {low:g} to {high:g} s, for "
            "which the semi-solid saturation is tabulated; durations are in seconds"
        )


def _compressed(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (pulse, K) and mixing (K, polynomial) with product `series`, K as small as `_NEGLIGIBLE` allows."""
    if not len(series):
        return np.zeros((0, 0)), np.zeros((0, series.shape[1]))
    scale = series[:, :1]  # the mean of ρ: errors count relative to it
    left, singular, right = np.linalg.svd(series / scale, full_matrices=False)
    left = left * singular
    rest = np.sqrt(np.cumsum(left[:, ::-1] ** 2, axis=1)[:, ::-1])  # [pulse, K]: what K features leave out
    count = max(1, int(np.sum(rest.max(axis=0) > _NEGLIGIBLE)))
    return left[:, :count] * scale, right[:count]


def _chebyshev_series(pulses: np.ndarray, b1_maximum: float, lineshape: str) -> np.ndarray:
    """Chebyshev coefficients of ρ in log T2s and B1² for each pulse, flattened to (pulse, polynomial)."""
    if not len(pulses):
        return np.zeros((0, _FEATURE_TERMS[0] * _FEATURE_TERMS[1]))
    table, low, high = _table(lineshape)
    t2s_nodes, b1_nodes = (chebyshev.chebpts1(count + _EXTRA_NODES) for count in _FEATURE_TERMS)
    log_t2s = np.log(T2S_RANGE[0]) + np.log(T2S_RANGE[1] / T2S_RANGE[0]) * (t2s_nodes + 1) / 2
    squared_b1 = b1_maximum**2 * (b1_nodes + 1) / 2
    ratio = 2 * (np.log(pulses[:, 1:]) - log_t2s - low) / (high - low) - 1
    angle = 2 * np.minimum(pulses[:, :1] ** 2 * squared_b1 / _LARGEST_ANGLE**2, 1) - 1
    of_ratio = chebyshev.chebvander(ratio, _TABLE_NODES[0] - 1)
    of_angle = chebyshev.chebvander(angle, _TABLE_NODES[1] - 1) @ table.T
    values = of_ratio @ of_angle.transpose(0, 2, 1)
    from_t2s, from_b1 = (
        np.linalg.pinv(chebyshev.chebvander(nodes, count - 1))
        for nodes, count in zip((t2s_nodes, b1_nodes), _FEATURE_TERMS, strict=True)
    )
    return (from_t2s @ values @ from_b1.T).reshape(len(pulses), -1)


@functools.cache
def _table(lineshape: str) -> tuple[np.ndarray, float, float]:
    """Chebyshev coefficients of ρ in log τ̂ (between the two numbers) and (B1·α)², for all pulses and tissues."""
    low = float(np.log(PULSE_DURATION_RANGE[0] / T2S_RANGE[1]))
    high = float(np.log(PULSE_DURATION_RANGE[1] / T2S_RANGE[0]))
    nodes = [chebyshev.chebpts1(count) for count in _TABLE_NODES]
    ratio = np.exp(low + (high - low) * (nodes[0] + 1) / 2)
    angle = _LARGEST_ANGLE * np.sqrt((nodes[1] + 1) / 2)
    values = _reduced_rate(ratio, np.broadcast_to(angle, _TABLE_NODES), lineshape)
    vander = [chebyshev.chebvander(points, count - 1) for points, count in zip(nodes, _TABLE_NODES, strict=True)]
    return np.linalg.solve(vander[0], np.linalg.solve(vander[1], values.T).T), low, high


def _reduced_rate(ratio: np.ndarray, angle: np.ndarray, lineshape: str) -> np.ndarray:
    """ρ at τ̂ = `ratio` (n,) and B1·α = `angle` (n, m), each row increasing: every root starts from the one before."""
    node, weight = _contour()
    rate, weight = node / ratio[:, None], weight / ratio[:, None]
    green = transformed_greens_function(rate, lineshape)
    rho, found = np.full(len(ratio), 0.1), np.zeros(angle.shape)
    for column in range(angle.shape[1]):
        squared = ((angle[:, column] / ratio) ** 2)[:, None]
        target = np.sum(weight * green / (rate * (rate + squared * green)), axis=-1).real
        for _ in range(_NEWTON_STEPS):
            denominator = rate * (rate + rho[:, None]) + squared
            excess = np.sum(weight / (rate * denominator), axis=-1).real - target
            slope = -np.sum(weight / denominator**2, axis=-1).real
            previous, rho = rho, np.clip(rho - excess / slope, rho / 2, rho * 2)
            if np.all(np.abs(rho - previous) < 1e-11 * rho):
                break
        found[:, column] = rho
    return found


@functools.cache
def _contour() -> tuple[np.ndarray, np.ndarray]:
    """Nodes p and complex weights w of f(1) = Re Σ w·F(p), the inverse Laplace transform on a hyperbola.

    p(u) = 20·(1 + sin(iu − ½)), whose arms keep |arg p| < ½π + ½ < ¾π; trapezoidal rule in u, upper half by symmetry.
    """
    u, step, scale, angle = 0.08 * (np.arange(48) + 0.5), 0.08, 20.0, 0.5
    node = scale * (1 + np.sin(1j * u - angle))
    slope = scale * np.cos(1j * u - angle)
    return node, step / np.pi * np.exp(node) * slope
