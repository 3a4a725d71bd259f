"""Longitudinal relaxation from spoiled gradient echoes at several flip angles."""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField, one_or_each, protocol_array
from raofit.models.inversion_recovery import T1

FLIP_ANGLES = ProtocolField(
    name="flip_angles",
    unit="rad",
    plausible=(0.0, np.pi),
    hint="flip angles in degrees must be multiplied by π/180",
    description="nominal flip angle of each volume",
)
REPETITION_TIME = ProtocolField(
    name="repetition_time",
    unit="s",
    plausible=(1e-3, 5.0),
    hint="a repetition time in ms must be divided by 1000",
    description="time from one pulse to the next",
)
B1 = Parameter("B1", "1", (0.3, 1.7), (0.7, 1.3), "B_1^+", "actual over nominal flip angle")


class SpoiledGradientEcho(AbstractSignalModel):
    r"""Steady state of a perfectly spoiled gradient echo, at several flip angles α (variable flip angle, DESPOT1).

        S(α) = S0 · sin(B1·α) · (1 − E1) / (1 − E1·cos(B1·α)),   E1 = exp(−TR/T1)     [fram1987]

    S0 contains the decay during the echo time. The parameters are S0 (signal units), T1 (s) and, with `b1="free"`, B1
    (1). With `b1="known"` the flip angles are the actual ones: multiply the nominal ones by B1 where it is not 1. At
    small angles B1 and T1 say the same: twice the B1 looks like four times the T1.

    Parameters
    ----------
    flip_angles : Float[Array, " measurement"]
        Flip angles, rad, 0 to π, in the order of the volumes.
    repetition_time : seconds, one for all volumes or one for each.
    b1 : "known", or "free" for a third parameter, which only large flip angles tell from T1.

    Raises
    ------
    ProtocolError
        If a value is implausible (wrong units, most often).
    RaofitError
        If `b1` is neither of the two.

    Examples
    --------
    >>> print(SpoiledGradientEcho([0.05, 0.35], 15e-3).signal([1.0, 1.0]))
    [0.0462  0.0684]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (FLIP_ANGLES, REPETITION_TIME)
    references: ClassVar[tuple[str, ...]] = ("fram1987",)
    has_closed_form: ClassVar[bool] = True

    name: str
    flip_angles: np.ndarray
    repetition_time: np.ndarray
    b1: Literal["known", "free"]
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        flip_angles: Float[Array, " measurement"],
        repetition_time: float | Float[Array, " measurement"],
        *,
        b1: Literal["known", "free"] = "known",
    ):
        if b1 not in ("known", "free"):
            raise RaofitError(f'SpoiledGradientEcho `b1`: expected "known" or "free", got {b1!r}')
        self.flip_angles = protocol_array(flip_angles, FLIP_ANGLES)
        self.repetition_time = one_or_each(repetition_time, REPETITION_TIME, self.flip_angles.size)
        self.b1 = b1
        self.name = "t1-vfa" if b1 == "known" else "t1-vfa-b1"
        amplitude = Parameter(
            "S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal of full magnetization", is_amplitude=True
        )
        self.parameters = (amplitude, T1) if b1 == "known" else (amplitude, T1, B1)

    @property
    def is_well_determined(self) -> bool:  # type: ignore[override]
        """Whether B1 is known; if not, only large flip angles tell it from T1."""
        return self.b1 == "known"

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, relaxation_time = parameters[:2]
        angles = jnp.asarray(self.flip_angles, dtype=parameters.dtype)
        angles = angles if self.b1 == "known" else parameters[2] * angles
        recovery = -jnp.expm1(-jnp.asarray(self.repetition_time, dtype=parameters.dtype) / relaxation_time)
        # 1 − E1·cos α without the difference of two numbers near 1
        denominator = recovery + 2.0 * (1.0 - recovery) * jnp.square(jnp.sin(0.5 * angles))
        return amplitude * jnp.sin(angles) * recovery / denominator

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """Straight line S/sin α = E1·S/tan α + S0·(1 − E1) by unweighted least squares.

        B1 is taken to be 1, and TR to be the mean one where volumes differ.
        """
        angles = jnp.asarray(self.flip_angles, dtype=measurement.dtype)
        is_usable = (jnp.sin(angles) > 1e-3).astype(measurement.dtype)
        y = is_usable * measurement / jnp.maximum(jnp.sin(angles), 1e-3)
        x = y * jnp.cos(angles)
        count = jnp.maximum(jnp.sum(is_usable), 1.0)
        mean_x, mean_y = jnp.sum(x) / count, jnp.sum(y) / count
        spread = jnp.sum(is_usable * jnp.square(x - mean_x))
        slope = jnp.sum(is_usable * (x - mean_x) * (y - mean_y)) / jnp.where(spread > 0, spread, 1.0)
        repetition_time = self.repetition_time.mean()
        slope = jnp.clip(slope, *(np.exp(-repetition_time / bound) for bound in T1.bounds))
        found = jnp.stack([(mean_y - slope * mean_x) / (1.0 - slope), -repetition_time / jnp.log(slope)])
        return found if self.b1 == "known" else jnp.append(found, 1.0)
