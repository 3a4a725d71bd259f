"""Transverse relaxation from a multi-echo spin-echo train whose refocusing pulses are not perfect."""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField, one_or_each, protocol_array
from raofit.models.inversion_recovery import T1
from raofit.models.t2 import ECHO_TIMES

REFOCUSING_ANGLES = ProtocolField(
    name="refocusing_angles",
    unit="rad",
    plausible=(0.0, 2 * np.pi),
    hint="refocusing angles in degrees must be multiplied by π/180",
    description="nominal flip angle of the refocusing pulses",
)
_UNEQUAL = 0.02  # of the echo spacing; rounded echo times differ by less
_T2 = Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.2), "T_2", "transverse relaxation time", is_log_scaled=True)


class MultiEchoSpinEcho(AbstractSignalModel):
    r"""Echoes of a CPMG train by extended phase graphs: stimulated echoes included [hennig1988], [weigel2015].

    Echo n comes n echo spacings τ after excitation; the n-th refocusing pulse, of B1 times its nominal angle about the
    axis along which the magnetization was excited, comes half a spacing before it, between equal crushers. Pulses are
    instantaneous and the slice profile is rectangular. S0 is the transverse magnetization right after excitation. With
    refocusing by 180° this is S0·exp(−n·τ/T2), whatever T1 is.

    At a refocusing pulse only odd orders of dephasing (in units of one crusher) are populated. With α = B1·angle, the
    pulse mixes the dephasing part F, the rephasing part G and the stored part Z of each order,

        F' = cos²(α/2)·F + sin²(α/2)·G + sin α·Z
        G' = sin²(α/2)·F + cos²(α/2)·G − sin α·Z
        Z' = ½·sin α·(G − F) + cos α·Z,

    the echo is G' of the first order, and from pulse to pulse F moves up by one odd order and G down, both decaying by
    exp(−τ/T2); G of the first order becomes F of the first; Z stays and decays by exp(−τ/T1). Magnetization that
    recovers during the train is of even order at every pulse and reaches no echo.

    The parameters are S0 (signal units), T2 (s), B1 (1) and, with `t1="free"`, T1 (s). Angles of π + x and π − x give
    the same echoes, so where all pulses are equal B1 has the upper bound π/angle. At B1·angle = π the echoes do not
    change with B1 to first order: it cannot be estimated there, and is often found on this bound.

    Parameters
    ----------
    echo_times : Float[Array, " measurement"]
        Times of all echoes of the train, seconds: multiples 1, 2, 3, … of the echo spacing.
    refocusing_angles : nominal angle of all refocusing pulses, or of each, rad.
    t1 : longitudinal relaxation time taken to be known, seconds, or "free". It matters little: at B1 = 0.8 and
        T2 = 80 ms, T1 taken as 1 s where it is 2 s changes T2 by 0.2 %.

    Raises
    ------
    ProtocolError
        If a value is implausible (wrong units, most often), the echo times are not multiples of the first, or there is
        neither one refocusing angle nor one per echo.
    RaofitError
        If `t1` is not a time > 0 or "free".

    Examples
    --------
    >>> print(MultiEchoSpinEcho([0.01, 0.02, 0.03]).signal([1.0, 0.1, 0.8]))
    [0.8184 0.8246 0.6837]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (ECHO_TIMES, REFOCUSING_ANGLES)
    references: ClassVar[tuple[str, ...]] = ("hennig1988", "weigel2015", "lebel2010")

    name: str
    echo_times: np.ndarray
    refocusing_angles: np.ndarray
    t1: float | Literal["free"]
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        echo_times: Float[Array, " measurement"],
        refocusing_angles: float | Float[Array, " measurement"] = np.pi,
        *,
        t1: float | Literal["free"] = 1.0,
    ):
        if t1 != "free" and (isinstance(t1, str) or not 0 < t1 < np.inf):
            raise RaofitError(f'MultiEchoSpinEcho `t1`: expected a time > 0 s or "free", got {t1!r}')
        self.echo_times = protocol_array(echo_times, ECHO_TIMES)
        n_echoes = self.echo_times.size
        spacing = self.echo_times[-1] / n_echoes
        if spacing <= 0 or np.any(np.abs(self.echo_times - spacing * np.arange(1, n_echoes + 1)) > _UNEQUAL * spacing):
            raise ProtocolError(
                "`echo_times`: expected all echoes of one train, at 1, 2, 3, … times the echo spacing, got "
                f"{', '.join(f'{time:g}' for time in self.echo_times[:4])}{', …' if n_echoes > 4 else ''} s; "
                "separate echoes are for MonoExponentialT2 (t2)"
            )
        self.refocusing_angles = one_or_each(refocusing_angles, REFOCUSING_ANGLES, n_echoes)
        self.t1 = t1 if t1 == "free" else float(t1)
        self.name = "t2-epg-t1" if t1 == "free" else "t2-epg"
        amplitude = Parameter(
            "S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal right after excitation", is_amplitude=True
        )
        self.parameters = (amplitude, _T2, _b1(self.refocusing_angles), *((T1,) if t1 == "free" else ()))

    @property
    def is_well_determined(self) -> bool:  # type: ignore[override]
        """Whether T1 is taken to be known; echoes hardly depend on it."""
        return self.t1 != "free"

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, transverse, b1 = parameters[:3]
        longitudinal = parameters[3] if self.t1 == "free" else self.t1
        n_echoes = self.echo_times.size
        spacing = jnp.asarray(self.echo_times[-1] / n_echoes, dtype=parameters.dtype)
        by_t2, by_t1 = jnp.exp(-spacing / transverse), jnp.exp(-spacing / longitudinal)
        half = jnp.exp(-0.5 * spacing / transverse)

        def next_echo(orders: tuple[Array, Array, Array], angle: Array) -> tuple[tuple[Array, Array, Array], Array]:
            """One refocusing pulse, its echo, and the way to the next pulse."""
            dephasing, rephasing, stored = orders
            turned, kept = jnp.square(jnp.sin(0.5 * angle)), jnp.square(jnp.cos(0.5 * angle))
            mixed, projected = jnp.sin(angle), jnp.cos(angle)
            up = kept * dephasing + turned * rephasing + mixed * stored
            down = turned * dephasing + kept * rephasing - mixed * stored
            aside = 0.5 * mixed * (rephasing - dephasing) + projected * stored
            shifted_up = jnp.concatenate([down[:1], up[:-1]])
            shifted_down = jnp.concatenate([down[1:], jnp.zeros_like(down[:1])])
            return (by_t2 * shifted_up, by_t2 * shifted_down, by_t1 * aside), half * down[0]

        # an order that was reached after half of the pulses cannot come back to the first one by the last pulse
        nothing = jnp.zeros(n_echoes // 2 + 1, dtype=parameters.dtype)
        start = (nothing.at[0].set(half), nothing, nothing)
        angles = b1 * jnp.asarray(self.refocusing_angles, dtype=parameters.dtype)
        return amplitude * jax.lax.scan(next_echo, start, angles)[1]


def _b1(angles: np.ndarray) -> Parameter:
    """The parameter B1: up to 180° where all pulses are equal."""
    upper = float(min(1.5, np.pi / max(angles[0], 1e-6))) if np.ptp(angles) == 0 else 1.5
    return Parameter(
        "B1", "1", (0.3, upper), (min(0.7, 0.8 * upper), min(1.2, upper)), "B_1^+", "actual over nominal flip angle"
    )
