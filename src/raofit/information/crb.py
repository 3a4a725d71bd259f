"""Cramér–Rao bound: the least variance any unbiased estimator can have."""

from collections.abc import Collection

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import RaofitError
from raofit.information.fisher import Fisher, check_fisher, fisher_information, information_from_jacobian
from raofit.models import AbstractSignalModel, Compressed
from raofit.models._model import check_last_axis
from raofit.noise import AbstractNoise

AMPLITUDE = "M0"
_CHUNK_BYTES = 2**29
_SMALL_BATCH = 64


def crb(
    model: AbstractSignalModel,
    parameters: Float[Array, "*batch parameter"],
    noise: AbstractNoise,
    *,
    fixed: Collection[str] = (),
    basis: Inexact[np.ndarray, "measurement coefficient"] | None = None,
    fisher: Fisher = "real",
) -> Float[np.ndarray, "*batch parameter"]:
    """Cramér–Rao bound on the variance of each parameter, computed in float64.

    A large batch is computed in chunks of bounded memory. For a model with a complex amplitude, the bounds are those
    with M0 unknown, at M0 = 1 (sigma is then 1/SNR); at another M0 they are 1/|M0|² of these.

    Parameters
    ----------
    parameters : true values in the units and order of `model.parameters`.
    noise : noise model; its `sigma` is a number or has the batch shape of `parameters`.
    fixed : names of parameters that are known ("M0" too, where the model has a complex amplitude); the others get
        smaller bounds, these get 0.
    basis : orthonormal columns; the measurements are then the coefficients of the samples in this basis, which say
        less than the samples.
    fisher : "real", or "hermitian" for the bound of [mao2024] on parameters that are taken to be complex, which is
        larger for complex signals and the same for real ones.

    Returns
    -------
    Float[np.ndarray, "*batch parameter"]
        Variances in squared parameter units; `inf` for a parameter the measurements say nothing about.

    Raises
    ------
    RaofitError
        If a fixed name is not a parameter of the model, `fisher` is neither of the two, or complex signals (or
        coefficients in a basis) are to have the noise of magnitudes.
    ProtocolError
        If `basis` does not fit the model (see `raofit.models.Compressed`).

    Examples
    --------
    >>> from raofit.models import IVIM
    >>> from raofit.noise import Gaussian
    >>> ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    >>> print(crb(ivim, [1.0, 0.3, 1.7e-3, 80e-3], Gaussian(1 / 15)) ** 0.5)
    [0.06575 0.06891 0.00039764 0.050868]

    References: [zhang2022], [mao2024], [kay1993] ch. 3.
    """
    names = model.parameter_names + ((AMPLITUDE,) if model.has_complex_amplitude else ())
    unknown = set(fixed) - set(names)
    if unknown:
        raise RaofitError(f"fixed: `{min(unknown)}` is not a parameter; the model has {', '.join(names)}")
    check_fisher(fisher)
    if basis is not None and noise.is_magnitude:
        raise RaofitError(
            f"noise: coefficients in a basis have Gaussian noise, got {noise.name} noise of magnitudes; use "
            "raofit.noise.Gaussian(sigma), or ComplexGaussian(sigma) for complex signals"
        )
    observed = model if basis is None else Compressed(model, basis)
    is_fixed = np.array([name in fixed for name in model.parameter_names])
    is_amplitude_known = model.has_complex_amplitude and AMPLITUDE in fixed
    with jax.enable_x64(True):
        values = np.asarray(parameters, dtype=np.float64)
        check_last_axis(values, model.parameter_names)
        chunks = [
            np.asarray(
                bound_from_information(
                    fisher_information(
                        observed, jnp.asarray(rows), level, fisher=fisher, is_amplitude_known=is_amplitude_known
                    ),
                    is_fixed,
                )
            )
            for rows, level in _chunks(observed, values, noise)
        ]
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate(chunks)[: values[..., 0].size].reshape(values.shape)


def bound_from_jacobian(
    signal: Inexact[Array, "*batch measurement"],
    jacobian: Inexact[Array, "*batch measurement parameter"],
    *,
    sigma: float | Float[np.ndarray, "*batch"] = 1.0,
    fixed: Collection[int] = (),
    has_complex_amplitude: bool = False,
    fisher: Fisher = "real",
) -> Float[np.ndarray, "*batch parameter"]:
    """Cramér–Rao bound from signals and derivatives that are at hand, under Gaussian noise.

    The derivatives may be float32: the linear algebra is done in float64 on a matrix of unit diagonal, so neither
    units nor widely different variances cost digits.

    Parameters
    ----------
    sigma : noise standard deviation per real channel, signal units: a number, or one per voxel.
    fixed : indices of parameters that are known.
    has_complex_amplitude : whether the signal is multiplied by an unknown complex M0, here 1.
    fisher : as for `crb`.

    Returns
    -------
    Float[np.ndarray, "*batch parameter"]
        Variances in float64.

    Examples
    --------
    >>> print(bound_from_jacobian(np.ones(4), np.ones((4, 1)), sigma=0.1))
    [0.0025]
    """
    check_fisher(fisher)
    n_parameters = np.shape(jacobian)[-1]
    is_fixed = np.isin(np.arange(n_parameters), list(fixed))
    is_complex = jnp.iscomplexobj(jacobian) or jnp.iscomplexobj(signal)
    with jax.enable_x64(True):
        dtype = jnp.complex128 if is_complex else jnp.float64
        samples, derivatives = jnp.asarray(signal).astype(dtype), jnp.asarray(jacobian).astype(dtype)
        information = information_from_jacobian(
            samples,
            derivatives,
            jnp.ones(samples.shape),
            eliminates_amplitude=has_complex_amplitude,
            fisher=fisher,
        )
        bound = np.asarray(bound_from_information(information, is_fixed))
    return bound * np.square(np.asarray(sigma, dtype=np.float64))[..., None]


@jax.jit
def bound_from_information(
    information: Inexact[Array, "*batch parameter parameter"], is_fixed: Array | np.ndarray
) -> Float[Array, "*batch parameter"]:
    """Diagonal of the inverse information over the free parameters: 0 for fixed ones, inf where it is singular.

    The matrix, symmetric or Hermitian, is scaled to a unit diagonal first, so units do not matter to its conditioning.
    """
    diagonal = jnp.real(jnp.diagonal(information, axis1=-2, axis2=-1))
    free = jnp.broadcast_to(~is_fixed, diagonal.shape)
    informed = free & (diagonal > 0)
    scale = jnp.where(informed, jnp.sqrt(jnp.where(informed, diagonal, 1.0)), 1.0)
    both = informed[..., :, None] & informed[..., None, :]
    identity = jnp.broadcast_to(jnp.eye(information.shape[-1], dtype=information.dtype), information.shape)
    scales = (scale[..., :, None] * scale[..., None, :]).astype(information.dtype)
    scaled = jnp.where(both, information / scales, identity)
    values, vectors = jnp.linalg.eigh(scaled)
    floor = 10 * scaled.shape[-1] * jnp.finfo(values.dtype).eps
    inverse = jnp.where(values > floor, 1.0 / jnp.where(values > floor, values, 1.0), jnp.inf)
    weight = jnp.square(jnp.abs(vectors))
    share = jnp.where(weight > floor, weight, 0.0) * jnp.where(jnp.isinf(inverse), 0.0, inverse)[..., None, :]
    is_lost = jnp.any((weight > floor) & jnp.isinf(inverse)[..., None, :], axis=-1)
    variance = jnp.where(is_lost, jnp.inf, jnp.sum(share, axis=-1)) / jnp.square(scale)
    return jnp.where(free, jnp.where(informed, variance, jnp.inf), 0.0)


def _chunks(model: AbstractSignalModel, values: np.ndarray, noise: AbstractNoise):
    """The whole batch with its noise, or equal chunks (the last one padded) whose derivatives fit in `_CHUNK_BYTES`.

    A few complex copies of the derivatives exist at once: of the coefficients, if the simulator bounds what it holds of
    the samples; else of the samples.
    """
    n_rows = values[..., 0].size
    n_columns = values.shape[-1]
    if n_rows <= _SMALL_BATCH:
        yield values, noise
        return
    held = model.model if isinstance(model, Compressed) and model.lanes_at_once is None else model
    bytes_per_row = 3 * np.dtype(np.complex128).itemsize * held.n_measurements * (n_columns + 1)
    limit = max(_SMALL_BATCH, _CHUNK_BYTES // bytes_per_row)
    if n_rows <= limit:
        yield values, noise
        return
    n_chunks = -(-n_rows // limit)
    size = -(-n_rows // n_chunks)
    rows = values.reshape(-1, n_columns)
    sigma = np.asarray(noise.sigma)
    levels = None if sigma.ndim == 0 else np.broadcast_to(sigma, values.shape[:-1]).reshape(-1)
    for start in range(0, n_rows, size):
        index = np.minimum(np.arange(start, start + size), n_rows - 1)
        yield rows[index], noise if levels is None else eqx.tree_at(lambda item: item.sigma, noise, levels[index])
