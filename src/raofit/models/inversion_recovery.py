"""Longitudinal relaxation from inversion recovery, of magnitude images or of images with their sign."""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField, one_or_each, protocol_array

INVERSION_TIMES = ProtocolField(
    name="inversion_times",
    unit="s",
    plausible=(0.0, 20.0),
    hint="inversion times in ms must be divided by 1000",
    description="time from inversion to readout of each volume",
)
REPETITION_TIME = ProtocolField(
    name="repetition_time",
    unit="s",
    plausible=(1e-2, 60.0),
    hint="a repetition time in ms must be divided by 1000",
    description="time from one inversion to the next",
)
_GRID = 128  # values of T1, 5 % apart
POLARITIES = ("magnitude", "signed")

T1 = Parameter("T1", "s", (0.01, 10.0), (0.2, 4.0), "T_1", "longitudinal relaxation time", is_log_scaled=True)
_FACTOR = Parameter(
    "inversion_factor", "1", (0.5, 2.5), (1.5, 2.0), r"\kappa", "share of the recovered signal that inversion took away"
)
_EFFICIENCY = Parameter(
    "inversion_efficiency", "1", (0.25, 1.25), (0.75, 1.0), r"\eta", "efficiency of the inversion; 1 is a perfect one"
)


class InversionRecovery(AbstractSignalModel):
    r"""Inversion recovery with an unknown inversion: three parameters.

    Without a repetition time,

        S(TI) = S0 · (1 − κ·exp(−TI/T1)),

    which is the common a + b·exp(−TI/T1) with a = S0 and b = −κ·S0: it holds for any repetition time, flip angle and
    inversion [barral2010]. κ is 2 after perfect inversion from equilibrium, 1 after saturation. With a repetition time,

        S(TI) = S0 · (1 − 2·η·exp(−TI/T1) + exp(−TR/T1)),

    where η is the efficiency of the inversion (1: perfect) and a 90° pulse reads the signal after TI. It is the same
    family of signals, with the same T1: κ = 2η/(1 + exp(−TR/T1)). S0 is then the signal at full recovery; the formula
    is that of a perfect inversion, and at η < 1 its last term should be (2η − 1) times as large.

    With `polarity="magnitude"` the signal is |S|. Its slope jumps where S passes zero, and is that of S there; Rician
    noise leaves a magnitude so small no information about T1 anyway.

    The parameters are S0 (signal units), T1 (s) and `inversion_factor` (κ, 1) or `inversion_efficiency` (η, 1).

    Parameters
    ----------
    inversion_times : Float[Array, " measurement"]
        Times from inversion to readout, seconds, ≥ 0, in the order of the volumes.
    repetition_time : time from one inversion to the next, seconds, longer than the inversion time: one for all, or one
        per volume; or None.
    polarity : "magnitude", or "signed" for real-valued images, whose noise is Gaussian.

    Raises
    ------
    ProtocolError
        If a time is implausible (wrong units, most often), or TR is not longer than TI.
    RaofitError
        If `polarity` is neither of the two.

    Examples
    --------
    >>> print(InversionRecovery([0.1, 0.7, 5.0]).signal([1.0, 1.0, 2.0]))
    [0.80967  0.00683  0.98652 ]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (INVERSION_TIMES,)
    references: ClassVar[tuple[str, ...]] = ("barral2010",)
    has_closed_form: ClassVar[bool] = True
    is_well_determined: ClassVar[bool] = True
    preferred_start: ClassVar[Literal["closed-form"]] = "closed-form"

    name: str
    inversion_times: np.ndarray
    repetition_time: np.ndarray | None
    polarity: Literal["magnitude", "signed"]
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        inversion_times: Float[Array, " measurement"],
        repetition_time: float | Float[Array, " measurement"] | None = None,
        *,
        polarity: Literal["magnitude", "signed"] = "magnitude",
    ):
        if polarity not in POLARITIES:
            raise RaofitError(f'InversionRecovery `polarity`: expected "magnitude" or "signed", got {polarity!r}')
        self.inversion_times = protocol_array(inversion_times, INVERSION_TIMES)
        self.repetition_time = None
        if repetition_time is not None:
            self.repetition_time = one_or_each(repetition_time, REPETITION_TIME, self.inversion_times.size)
            worst = np.argmax(self.inversion_times - self.repetition_time)
            if self.repetition_time[worst] <= self.inversion_times[worst]:
                raise ProtocolError(
                    f"`repetition_time`: expected more than the inversion time of {self.inversion_times[worst]:g} s, "
                    f"got {self.repetition_time[worst]:g} s"
                )
        self.polarity = polarity
        has_tr = repetition_time is not None
        self.name = "t1-ir" + ("-tr" if has_tr else "") + ("-signed" if polarity == "signed" else "")
        described = "signal after full recovery" if has_tr else "signal after a long inversion time"
        amplitude = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", described, is_amplitude=True)
        self.parameters = (amplitude, T1, _EFFICIENCY if has_tr else _FACTOR)

    @property
    def has_signs(self) -> bool:  # type: ignore[override]
        """Whether signals are real-valued images rather than magnitudes."""
        return self.polarity == "signed"

    @property
    def protocol(self) -> dict[str, np.ndarray]:
        """Inversion times, and the repetition time if it is part of the model."""
        times = {"inversion_times": self.inversion_times}
        return times if self.repetition_time is None else times | {"repetition_time": self.repetition_time}

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, relaxation_time, inversion = parameters
        decay = jnp.exp(-jnp.asarray(self.inversion_times, dtype=parameters.dtype) / relaxation_time)
        if self.repetition_time is None:
            recovered = 1.0 - inversion * decay
        else:
            repetition = jnp.asarray(self.repetition_time, dtype=parameters.dtype)
            recovered = 1.0 - 2.0 * inversion * decay + jnp.exp(-repetition / relaxation_time)
        return amplitude * (jnp.abs(recovered) if self.polarity == "magnitude" else recovered)

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """The best of a grid of T1, with a + b·exp(−TI/T1) by linear least squares on each [barral2010].

        Of a magnitude, every sign pattern is tried too: negative before some inversion time and positive after it.
        """
        starts, left = self._lines(measurement)
        return starts[jnp.argmin(left)]

    def closed_form_starts(self, measurement: Float[Array, " measurement"]) -> Float[Array, "start parameter"]:
        """The best line of every sign pattern: magnitudes have a local optimum for many of them."""
        return self._lines(measurement)[0]

    def _lines(
        self, measurement: Float[Array, " measurement"]
    ) -> tuple[Float[Array, "pattern parameter"], Float[Array, " pattern"]]:
        """The best line of each sign pattern, and the sum of squares it leaves."""
        times = jnp.asarray(self.inversion_times, dtype=measurement.dtype)
        grid = jnp.asarray(np.geomspace(*T1.bounds, _GRID), dtype=measurement.dtype)
        decay = jnp.exp(-times / grid[:, None])
        centered = decay - jnp.mean(decay, axis=1, keepdims=True)
        if self.polarity == "magnitude":
            rank = jnp.argsort(jnp.argsort(times))
            signs = jnp.where(rank < jnp.arange(times.size)[:, None], -1.0, 1.0).astype(measurement.dtype)
        else:
            signs = jnp.ones((1, times.size), dtype=measurement.dtype)
        patterns = signs * measurement
        spread = jnp.sum(jnp.square(centered), axis=1)
        slopes = (centered @ patterns.T) / jnp.where(spread > 0, spread, 1.0)[:, None]
        variance = jnp.sum(jnp.square(patterns - jnp.mean(patterns, axis=1, keepdims=True)), axis=1)
        left = variance - jnp.square(slopes) * spread[:, None]
        best = jnp.argmin(left, axis=0)
        each = jnp.arange(len(patterns))
        slope = slopes[best, each]
        offset = jnp.mean(patterns, axis=1) - slope * jnp.mean(decay[best], axis=1)
        offset = jnp.where(jnp.abs(offset) > 1e-6 * jnp.abs(slope), offset, 1e-6 * jnp.abs(slope) + 1e-30)
        amplitude = jnp.abs(offset) if self.polarity == "magnitude" else jnp.maximum(offset, 0.0)
        inversion = -slope / offset
        if self.repetition_time is not None:
            repetition = jnp.mean(jnp.asarray(self.repetition_time, dtype=measurement.dtype))
            share = 1.0 + jnp.exp(-repetition / grid[best])
            amplitude, inversion = amplitude / share, 0.5 * share * inversion
        return jnp.stack([amplitude, grid[best], inversion], axis=-1), left[best, each]
