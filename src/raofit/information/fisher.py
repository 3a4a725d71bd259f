"""Fisher information of model parameters under a noise model, an unknown complex amplitude eliminated."""

import functools
import typing
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import RaofitError
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

Fisher = Literal["real", "hermitian"]


def fisher_information(
    model: AbstractSignalModel,
    parameters: Float[Array, "*batch parameter"],
    noise: AbstractNoise,
    *,
    fisher: Fisher = "real",
    is_amplitude_known: bool = False,
) -> Inexact[Array, "*batch parameter parameter"]:
    """Fisher information F_jk = Σ_m I(s_m) · Re(∂s_m/∂θ_j* · ∂s_m/∂θ_k), with I the information of one sample.

    Of a model with a complex amplitude, this is what is left about the parameters when M0 is unknown (the Schur
    complement of the information with M0 in it), at M0 = 1; at another M0, it is |M0|² times as much. The two real
    nuisances Re M0 and Im M0 span the derivatives s and i·s, so eliminating them replaces every derivative by its part
    orthogonal to s:

        F_jk = Re Σ_m I_m · d_mj* · d_mk,   d_j = ∂s/∂θ_j − s · (sᴴ ∂s/∂θ_j)/(sᴴ s).

    Parameters
    ----------
    fisher : "real", or "hermitian" for the same sum without its real part, as if the parameters were complex: what
        the published training weights and figures of [mao2024] were computed with.
    is_amplitude_known : leave M0 = 1 out of the unknowns.

    Returns
    -------
    Inexact[Array, "*batch parameter parameter"]
        1/(unit_j · unit_k); traced by JAX, the dtype follows `parameters`.

    Raises
    ------
    RaofitError
        If the model is complex and the noise is that of magnitudes.
    """
    signal, jacobian = model.signal_and_jacobian(parameters)
    check_noise(model, noise, signal)
    eliminates = model.has_complex_amplitude and not is_amplitude_known
    per_sample = noise.information(signal)
    return information_from_jacobian(signal, jacobian, per_sample, eliminates_amplitude=eliminates, fisher=fisher)


@functools.partial(jax.jit, static_argnames=("eliminates_amplitude", "fisher"))
def information_from_jacobian(
    signal: Inexact[Array, "*batch measurement"],
    jacobian: Inexact[Array, "*batch measurement parameter"],
    per_sample: Inexact[Array, "*batch measurement"],
    *,
    eliminates_amplitude: bool,
    fisher: Fisher,
) -> Inexact[Array, "*batch parameter parameter"]:
    """The sums of `fisher_information`; `per_sample` is the information of each sample about its signal."""
    root = jnp.sqrt(jnp.real(per_sample)).astype(jacobian.dtype)
    derivatives = root[..., None] * jacobian
    if eliminates_amplitude:
        samples = root * signal.astype(jacobian.dtype)
        energy = jnp.sum(jnp.square(jnp.abs(samples)), axis=-1).astype(jacobian.dtype)
        direction = samples / jnp.where(energy == 0, 1, energy)[..., None]
        overlap = jnp.einsum("...m,...mk->...k", jnp.conj(direction), derivatives)
        residual = derivatives - samples[..., None] * overlap[..., None, :]
        rounding = 10 * jnp.finfo(residual.dtype).eps * jnp.linalg.norm(derivatives, axis=-2, keepdims=True)
        is_lost = jnp.linalg.norm(residual, axis=-2, keepdims=True) <= rounding
        derivatives = jnp.where(is_lost, 0, residual)
    information = jnp.einsum("...mj,...mk->...jk", jnp.conj(derivatives), derivatives)
    return jnp.real(information) if fisher == "real" else information


def check_fisher(fisher: str) -> None:
    """Raise unless `fisher` names a kind of information."""
    if fisher not in typing.get_args(Fisher):
        raise RaofitError(f'fisher: expected "real" or "hermitian", got "{fisher}"')


def check_noise(model: AbstractSignalModel, noise: AbstractNoise, signal: Inexact[Array, "..."]) -> None:
    """Raise if complex signals, or coefficients, are to have the noise of magnitudes."""
    is_complex = model.has_complex_amplitude or np.issubdtype(signal.dtype, np.complexfloating)
    if noise.is_magnitude and is_complex:
        raise RaofitError(
            f"noise: model `{model.name}` has complex signals, whose noise is Gaussian, got {noise.name} noise of "
            "magnitudes; use raofit.noise.ComplexGaussian(sigma)"
        )
