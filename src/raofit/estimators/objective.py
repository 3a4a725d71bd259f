"""Negative log-likelihood of voxels in lanes, with its gradient and Fisher curvature."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.small_matrices import LowerTriangle
from raofit.estimators._solver import Evaluation
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.profile_objective import ProfileObjective
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise, Gaussian, Rician

_LEAST_MAGNITUDE = 1e-3


class Objective(eqx.Module):
    """−log L of measurements in units of σ; a complex sample counts as two real ones.

    Parameters
    ----------
    model : signal model.
    noise : noise model of the measurements after `standardize`, so its σ is 1.
    coordinates : coordinates the gradient and curvature refer to.
    """

    model: AbstractSignalModel
    noise: AbstractNoise
    coordinates: Coordinates
    is_complex: bool = eqx.field(static=True)

    n_notes: ClassVar[int] = 0

    @staticmethod
    def of(
        model: AbstractSignalModel, noise: AbstractNoise, coordinates: Coordinates
    ) -> "Objective | ProfileObjective":
        """The objective of `model` under the family of `noise`; M0 is eliminated where the model leaves it out.

        Raises
        ------
        RaofitError
            If the model's complex M0 meets a noise model of real measurements.
        """
        if model.has_complex_amplitude:
            if not noise.is_complex:
                raise RaofitError(
                    f"model `{model.name}` has an unknown complex M0 and complex measurements: "
                    f"expected ComplexGaussian noise, got {noise.name}"
                )
            return ProfileObjective(model, coordinates)
        unit = Rician(1.0) if noise.is_magnitude else Gaussian(1.0)
        return Objective(model, unit, coordinates, noise.is_complex)

    def standardize(
        self, measurements: Array, inverse_sigma: Float[Array, " voxel"]
    ) -> Float[Array, "voxel real_measurement"]:
        """Measurements over σ, complex ones as real parts followed by imaginary parts.

        A magnitude of zero (integer images hold some) is raised to σ/1000: its density is zero for every signal, and
        only the signal's share of the likelihood matters to the fit.
        """
        scaled = measurements * inverse_sigma[:, None]
        if self.is_complex:
            return self.as_real(scaled, axis=-1)
        return jnp.maximum(scaled, _LEAST_MAGNITUDE) if self.noise.is_magnitude else scaled

    def signal_and_jacobian(
        self, values: Float[Array, "parameter lane"], inverse_sigma: Float[Array, " lane"]
    ) -> tuple[Float[Array, "real_measurement lane"], list[Float[Array, "real_measurement lane"]]]:
        """Standardized signals and their derivatives with respect to each parameter value."""
        signal, jacobian = self.model.lanes_signal_and_jacobian(values)
        columns = [jacobian[:, index] for index in range(values.shape[0])]
        stacked = [self.as_real(part * inverse_sigma, axis=0) for part in [signal, *columns]]
        signal, *columns = jax.lax.optimization_barrier(stacked)  # keeps XLA from recomputing them in every sum below
        return signal, columns

    def __call__(
        self, coordinates: Float[Array, "parameter lane"], data: tuple[Float[Array, "m lane"], Float[Array, " lane"]]
    ) -> Evaluation:
        """Objective, gradient and curvature of every lane."""
        measurement, inverse_sigma = data
        values = self.coordinates.to_values(coordinates)
        signal, columns = self.signal_and_jacobian(values, inverse_sigma)
        objective = -jnp.sum(self.noise.log_density(measurement, signal), axis=0)
        score = self.noise.score(measurement, signal)
        slopes = self.coordinates.slopes(values)
        gradient = [-slope * jnp.sum(score * column, axis=0) for slope, column in zip(slopes, columns, strict=True)]
        curvature = [
            [entry * slopes[j] * slopes[k] for k, entry in enumerate(row)]
            for j, row in enumerate(self._information(signal, columns))
        ]
        spread = jnp.sqrt(jnp.sum(jnp.square(score * signal), axis=0))
        return Evaluation(objective, gradient, curvature, spread)

    def information(
        self, values: Float[Array, "parameter lane"], inverse_sigma: Float[Array, " lane"], _notes: Array
    ) -> LowerTriangle:
        """Fisher information about the parameter values, lower triangle."""
        return self._information(*self.signal_and_jacobian(values, inverse_sigma))

    def diagnostics(
        self,
        objective: Float[Array, " voxel"],
        _notes: Array,
        measurements: Float[Array, "voxel real_measurement"],
        _inverse_sigma: Array,
        n_fitted: int,
    ) -> dict[str, Array]:
        """χ² per degree of freedom where the noise is Gaussian; nothing for magnitudes, which have no χ²."""
        if self.noise.is_magnitude:
            return {}
        n_samples = measurements.shape[-1]
        freedom = n_samples - n_fitted
        chi_square = jnp.maximum(2.0 * objective - n_samples * np.log(2.0 * np.pi), 0.0)
        return {"reduced_chi_square": chi_square / freedom if freedom > 0 else jnp.full_like(objective, jnp.nan)}

    def _information(self, signal: Array, columns: list[Array]) -> LowerTriangle:
        weight = self.noise.information(signal)
        weighted = [weight * column for column in columns]
        return [[jnp.sum(weighted[j] * columns[k], axis=0) for k in range(j + 1)] for j in range(len(columns))]

    def as_real(self, samples: Array, axis: int) -> Array:
        """Samples of complex data as real parts followed by imaginary parts; others unchanged."""
        return jnp.concatenate([samples.real, samples.imag], axis=axis) if self.is_complex else samples
