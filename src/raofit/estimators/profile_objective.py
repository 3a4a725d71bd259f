"""Negative log-likelihood of complex measurements with the unknown complex M0 eliminated: variable projection."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from raofit.core.small_matrices import LowerTriangle
from raofit.estimators._solver import Evaluation
from raofit.estimators.coordinates import Coordinates
from raofit.models import AbstractSignalModel

_N_AMPLITUDE = 2  # real and imaginary part
_ROUNDINGS = 32.0  # a simulated signal, or the cosine of many radians, is known to some machine epsilons only


class ProfileObjective(eqx.Module):
    r"""½‖y − M̂0·s(θ)‖² with the best amplitude M̂0 = sᴴy/‖s‖² for every θ (y, M0 in units of σ).

    With residual r = y − M̂0·s and projected derivatives q_j = M̂0·(I − s·sᴴ/‖s‖²)·∂s/∂θ_j, the gradient is
    −Re(q_jᴴ·r), exactly, and the curvature Re(q_jᴴ·q_k): the Fisher information about θ with M0 unknown, which is
    Kaufman's approximation of the Hessian. The constant log(2πσ²) per sample is left out, and r is formed before it
    is squared, so single precision is enough.

    One evaluation of the model serves everything: the information and M̂0 travel with the solution as notes.

    Parameters
    ----------
    model : signal model at M0 = 1.
    coordinates : coordinates the gradient and curvature refer to.

    References: [golub2003], [kaufman1975].
    """

    model: AbstractSignalModel
    coordinates: Coordinates

    is_complex: ClassVar[bool] = True

    @property
    def n_notes(self) -> int:
        """Lower triangle of the information about the parameter values, then M̂0."""
        n_parameters = len(self.model.parameters)
        return n_parameters * (n_parameters + 1) // 2 + _N_AMPLITUDE

    def standardize(
        self, measurements: Complex[Array, "voxel measurement"], inverse_sigma: Float[Array, " voxel"]
    ) -> Float[Array, "voxel real_measurement"]:
        """Measurements over σ as real parts followed by imaginary parts."""
        return self.as_real(measurements * inverse_sigma[:, None], axis=-1)

    def as_real(self, samples: Array, axis: int) -> Array:
        """Real parts followed by imaginary parts."""
        return jnp.concatenate([samples.real, samples.imag], axis=axis)

    def __call__(
        self, coordinates: Float[Array, "parameter lane"], data: tuple[Float[Array, "m lane"], Float[Array, " lane"]]
    ) -> Evaluation:
        """Objective, gradient and curvature of every lane."""
        measurement, _ = data
        values = self.coordinates.to_values(coordinates)
        found = self.model.lanes_signal_and_jacobian(values)
        n_samples, dtype = measurement.shape[0] // 2, jnp.result_type(measurement.dtype, jnp.complex64)
        signal, jacobian = jax.lax.optimization_barrier([part.astype(dtype) for part in found])
        observed = jax.lax.complex(measurement[:n_samples], measurement[n_samples:])
        energy = jnp.maximum(jnp.sum(_square(signal), axis=0), jnp.finfo(values.dtype).tiny)
        amplitude = jnp.sum(signal.conj() * observed, axis=0) / energy
        fitted = amplitude[None] * signal
        residual = observed - fitted
        overlap = jnp.sum(signal.conj()[:, None] * jacobian, axis=0) / energy[None]
        projected = amplitude[None, None] * (jacobian - signal[:, None] * overlap[None])
        columns = [projected[:, index] for index in range(values.shape[0])]
        information = [
            [jnp.sum((columns[j].conj() * columns[k]).real, axis=0) for k in range(j + 1)] for j in range(len(columns))
        ]
        slopes = self.coordinates.slopes(values)
        return Evaluation(
            objective=0.5 * jnp.sum(_square(residual), axis=0),
            gradient=[
                -slope * jnp.sum((column.conj() * residual).real, axis=0)
                for slope, column in zip(slopes, columns, strict=True)
            ],
            curvature=[
                [entry * slopes[j] * slopes[k] for k, entry in enumerate(row)] for j, row in enumerate(information)
            ],
            spread=_ROUNDINGS * jnp.sqrt(jnp.sum(_square(residual) * _square(fitted), axis=0)),
            notes=(*(entry for row in information for entry in row), amplitude.real, amplitude.imag),
        )

    def information(
        self,
        values: Float[Array, "parameter voxel"],
        _inverse_sigma: Array,
        notes: Float[Array, "voxel note"],
    ) -> LowerTriangle:
        """Fisher information about the parameter values, lower triangle: what the solution noted."""
        columns = iter(notes.T)
        return [[next(columns) for _ in range(j + 1)] for j in range(values.shape[0])]

    def diagnostics(
        self,
        objective: Float[Array, " voxel"],
        notes: Float[Array, "voxel note"],
        measurements: Float[Array, "voxel real_measurement"],
        inverse_sigma: Float[Array, " voxel"],
        n_fitted: int,
    ) -> dict[str, Array]:
        """M̂0 in measurement units, χ² per degree of freedom, and ‖r‖/‖y‖."""
        freedom = measurements.shape[-1] - n_fitted - _N_AMPLITUDE
        undetermined = jnp.full_like(objective, jnp.nan)
        return {
            "amplitude": jax.lax.complex(notes[:, -2] / inverse_sigma, notes[:, -1] / inverse_sigma),
            "reduced_chi_square": 2.0 * objective / freedom if freedom > 0 else undetermined,
            "relative_residual": jnp.sqrt(2.0 * objective) / jnp.linalg.norm(measurements, axis=-1),
        }


def _square(samples: Complex[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.square(samples.real) + jnp.square(samples.imag)
