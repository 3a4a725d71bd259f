"""Fisher information of model parameters under a noise model."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


def fisher_information(
    model: AbstractSignalModel, parameters: Float[Array, "*batch parameter"], noise: AbstractNoise
) -> Float[Array, "*batch parameter parameter"]:
    """Fisher information F_jk = Σ_m I(s_m) · Re(∂s_m/∂θ_j* · ∂s_m/∂θ_k), with I the information of one sample.

    Traced by JAX; the dtype follows `parameters`. Units: 1/(unit_j · unit_k).
    """
    signal, jacobian = model.signal_and_jacobian(parameters)
    weighted = noise.information(signal)[..., None] * jacobian
    return jnp.real(jnp.einsum("...mj,...mk->...jk", jnp.conj(jacobian), weighted))
