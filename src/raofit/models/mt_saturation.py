"""Magnetization-transfer saturation from spoiled gradient echoes with and without an off-resonance pulse."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField, one_or_each, protocol_array
from raofit.models.inversion_recovery import T1
from raofit.models.spoiled_gradient_echo import FLIP_ANGLES, REPETITION_TIME

MT_STATES = ProtocolField(
    name="mt_states",
    unit="1",
    plausible=(0.0, 1.0),
    hint="1 stands for a volume with the MT pulse, 0 for one without",
    description="whether each volume has the MT pulse",
)
_AMPLITUDE = Parameter(
    "S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal of full magnetization", is_amplitude=True
)
_SATURATION = Parameter(
    "MTsat",
    "%",
    (0.0, 30.0),
    (0.5, 6.0),
    r"\mathrm{MT_{sat}}",
    "share of the magnetization that the MT pulse saturates",
)
_PERCENT = 0.01
_DARKEST = 1e-6  # of the brightest volume: what a signal of 0 is replaced by in the closed form


class MTSaturation(AbstractSignalModel):
    r"""Spoiled gradient echoes of which some have an MT pulse that saturates the share δ of the magnetization per TR.

        S = S0 · α·TR/T1 / (α²/2 + δ·m + TR/T1),   m = 1 with the MT pulse, 0 without,   δ = MTsat/100     [helms2008]

    This is the rational approximation in which MTsat is defined: small flip angles, and TR far below T1. At 20° it
    reads a T1 of 1 s 1 % too long. S0 contains the decay during the echo time. The parameters are S0 (signal units),
    T1 (s) and MTsat (%). Flip angles are nominal: T1 and MTsat of a place with another B1 are apparent values.

    Parameters
    ----------
    flip_angles : Float[Array, " measurement"]
        Flip angles, rad, in the order of the volumes.
    repetition_time : seconds, one for all volumes or one for each.
    mt_states : Float[Array, " measurement"]
        1 for a volume with the MT pulse, 0 for one without.

    Raises
    ------
    ProtocolError
        If a value is implausible (wrong units, most often), a state is neither 0 nor 1, no volume has the pulse, or
        those without have fewer than two different pairs of flip angle and repetition time.

    Examples
    --------
    >>> print(MTSaturation(np.deg2rad([6, 6, 20]), [28e-3, 28e-3, 18e-3], [1, 0, 0]).signal([1000.0, 1.0, 3.0]))
    [46.19  87.57  79.61 ]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (FLIP_ANGLES, REPETITION_TIME, MT_STATES)
    references: ClassVar[tuple[str, ...]] = ("helms2008",)
    has_closed_form: ClassVar[bool] = True
    is_well_determined: ClassVar[bool] = True

    name: str
    flip_angles: np.ndarray
    repetition_time: np.ndarray
    mt_states: np.ndarray
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        flip_angles: Float[Array, " measurement"],
        repetition_time: float | Float[Array, " measurement"],
        mt_states: Float[Array, " measurement"],
    ):
        self.flip_angles = protocol_array(flip_angles, FLIP_ANGLES)
        self.repetition_time = one_or_each(repetition_time, REPETITION_TIME, self.flip_angles.size)
        self.mt_states = one_or_each(mt_states, MT_STATES, self.flip_angles.size)
        is_on = self.mt_states == 1
        if not np.all(is_on | (self.mt_states == 0)):
            raise ProtocolError(f"mt_states: expected 0 or 1 for each volume, got {self.mt_states.tolist()}")
        pairs = np.stack([self.flip_angles, self.repetition_time], axis=-1)[~is_on]
        if not is_on.any() or len(np.unique(pairs, axis=0)) < 2:
            raise ProtocolError(
                "expected a volume with the MT pulse, and two without that differ in flip angle or repetition time; "
                f"got MT states {self.mt_states.astype(int).tolist()} at "
                f"{np.rad2deg(self.flip_angles).round(3).tolist()}°"
            )
        self.name = "mtsat"
        self.parameters = (_AMPLITUDE, T1, _SATURATION)

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, relaxation_time, saturation = parameters
        angles, times, states = self._settings(parameters.dtype)
        recovery = times / relaxation_time
        return amplitude * angles * recovery / (0.5 * jnp.square(angles) + _PERCENT * saturation * states + recovery)

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """Straight line α²/(2TR) = (S0/T1)·α/S − 1/T1 where the pulse is off, then the mean δ where it is on.

        With two volumes without the pulse and one with it, these are the formulas of [helms2008].
        """
        angles, times, states = self._settings(measurement.dtype)
        floor = jnp.maximum(_DARKEST * jnp.max(measurement), jnp.finfo(measurement.dtype).tiny)
        x = angles / jnp.maximum(measurement, floor)
        y = 0.5 * jnp.square(angles) / times
        off = 1.0 - states
        count = jnp.sum(off)
        mean_x, mean_y = jnp.sum(off * x) / count, jnp.sum(off * y) / count
        spread = jnp.sum(off * jnp.square(x - mean_x))
        slope = jnp.sum(off * (x - mean_x) * (y - mean_y)) / jnp.where(spread > 0, spread, 1.0)
        rate = jnp.clip(slope * mean_x - mean_y, 1.0 / T1.bounds[1], 1.0 / T1.bounds[0])
        saturation = jnp.sum(states * times * (slope * x - rate - y)) / jnp.sum(states)
        return jnp.stack([slope / rate, 1.0 / rate, saturation / _PERCENT])

    def _settings(self, dtype) -> tuple[Array, ...]:
        return tuple(
            jnp.asarray(field, dtype=dtype) for field in (self.flip_angles, self.repetition_time, self.mt_states)
        )
