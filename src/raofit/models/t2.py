"""Transverse relaxation: mono-exponential decay over the echoes of a spin-echo train."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.parameter import Parameter
from raofit.models._log_linear import log_linear_decay
from raofit.models._model import AbstractSignalModel, ProtocolField, protocol_array

ECHO_TIMES = ProtocolField(
    name="echo_times",
    unit="s",
    plausible=(0.0, 2.0),
    hint="echo times in ms must be divided by 1000",
    description="time from excitation to each echo",
)


class MonoExponentialT2(AbstractSignalModel):
    """Mono-exponential spin-echo signal S(TE) = S0 · exp(−TE/T2).

    The parameters are S0 (signal units) and T2 (s).

    Parameters
    ----------
    echo_times : Float[Array, " measurement"]
        Echo times, seconds, ≥ 0.

    Examples
    --------
    >>> print(MonoExponentialT2([0.0, 0.1]).signal([1.0, 0.1]))
    [1.  0.367879]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (ECHO_TIMES,)
    references: ClassVar[tuple[str, ...]] = ("bids2016",)
    has_closed_form: ClassVar[bool] = True
    is_well_determined: ClassVar[bool] = True

    name: str
    echo_times: np.ndarray
    parameters: tuple[Parameter, ...]

    def __init__(self, echo_times: Float[Array, " measurement"]):
        self.name = "t2"
        self.echo_times = protocol_array(echo_times, ECHO_TIMES)
        self.parameters = (
            Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal at TE = 0", is_amplitude=True),
            Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.2), "T_2", "transverse relaxation time", is_log_scaled=True),
        )

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, relaxation_time = parameters
        return amplitude * jnp.exp(-jnp.asarray(self.echo_times, dtype=parameters.dtype) / relaxation_time)

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """Weighted straight line through the logarithm of the measurement."""
        weighting = jnp.asarray(self.echo_times, dtype=measurement.dtype)
        amplitude, rate = log_linear_decay(measurement, weighting, jnp.ones_like(weighting))
        return jnp.stack([amplitude, 1.0 / jnp.maximum(rate, 1e-3)])
