"""Apparent diffusion coefficient: mono-exponential diffusion decay."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.parameter import Parameter
from raofit.models._log_linear import log_linear_decay
from raofit.models._model import AbstractSignalModel, ProtocolField, protocol_array
from raofit.models.ivim import B_VALUES


class MonoExponentialADC(AbstractSignalModel):
    """Mono-exponential diffusion signal S(b) = S0 · exp(−b·ADC).

    The parameters are S0 (signal units) and ADC (mm²/s).

    Parameters
    ----------
    b_values : Float[Array, " measurement"]
        Diffusion weightings, s/mm², ≥ 0.

    Examples
    --------
    >>> print(MonoExponentialADC([0, 1000]).signal([1.0, 1e-3]))
    [1.  0.367879]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (B_VALUES,)
    references: ClassVar[tuple[str, ...]] = ("lebihan1986",)
    has_closed_form: ClassVar[bool] = True

    name: str
    b_values: np.ndarray
    parameters: tuple[Parameter, ...]

    def __init__(self, b_values: Float[Array, " measurement"]):
        self.name = "adc"
        self.b_values = protocol_array(b_values, B_VALUES)
        self.parameters = (
            Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal at b = 0", is_amplitude=True),
            Parameter("ADC", "mm²/s", (0.0, 10e-3), (0.2e-3, 3e-3), r"\mathrm{ADC}", "apparent diffusion coefficient"),
        )

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, diffusivity = parameters
        return amplitude * jnp.exp(-jnp.asarray(self.b_values, dtype=parameters.dtype) * diffusivity)

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """Weighted straight line through the logarithm of the measurement."""
        weighting = jnp.asarray(self.b_values, dtype=measurement.dtype)
        amplitude, rate = log_linear_decay(measurement, weighting, jnp.ones_like(weighting))
        return jnp.stack([amplitude, rate])
