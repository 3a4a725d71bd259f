"""Magnetic-resonance fingerprinting with gradient-spoiled (FISP) trains."""

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.models._fingerprint_train import (
    INVERSION_EFFICIENCY,
    N_WITH_B1,
    AbstractFingerprintTrain,
    parameters_of_train,
)
from raofit.models._model import ProtocolField, plausible_array, protocol_array
from raofit.models.phase_graph import Relaxation, Steps, echoes
from raofit.models.qmt.model import FLIP_ANGLES

REPETITION_TIMES = ProtocolField(
    name="repetition_times",
    unit="s",
    plausible=(5e-4, 10.0),
    hint="repetition times in ms must be divided by 1000",
    description="time from each pulse to the next",
)
ECHO_TIMES = ProtocolField(
    name="echo_times",
    unit="s",
    plausible=(0.0, 10.0),
    hint="echo times in ms must be divided by 1000",
    description="time from each pulse to its echo",
)
RF_PHASES = ProtocolField(
    name="rf_phases",
    unit="rad",
    plausible=(-1e5, 1e5),
    hint="phases in degrees must be multiplied by π/180",
    description="phase of each pulse; echoes are given relative to it",
)
INVERSION_TIME = ProtocolField(
    name="inversion_time",
    unit="s",
    plausible=(0.0, 10.0),
    hint="an inversion time in ms must be divided by 1000",
    description="time from the inversion to the first pulse",
)
SLICE_PROFILE = ProtocolField(
    name="slice_profile",
    unit="1",
    plausible=(0.0, 3.0),
    hint="a profile is the actual over the nominal flip angle, 1 in a perfect slice",
    description="actual over nominal flip angle at equally spaced places across the slice",
)
_PHASE_TOLERANCE = 1e-9
_FEWEST_STATES = 16


class MRFFISP(AbstractFingerprintTrain):
    r"""Echoes of a gradient-spoiled train after an inversion, by extended phase graphs [jiang2015, weigel2015].

    From equilibrium, an inversion leaves −efficiency times M0; after the inversion time, every pulse turns the
    magnetization by B1·α, an echo follows after TE and the next pulse after TR, and a gradient moves every
    configuration one order up in between (`raofit.models.phase_graph`). M0 = 1; measurements have an unknown complex
    M0. An echo is given in the frame of its pulse's phase, where a 90° pulse makes +1 of +z.

    Parameters of a voxel, in this order: T1, T2 (s), B1 (1; left out if it is known).

    Parameters
    ----------
    flip_angles : Float[Array, " pulse"]
        Nominal flip angles, rad, ≥ 0.
    repetition_times : a number or one per pulse, s.
    echo_times : a number or one per pulse, s, at most the repetition time.
    rf_phases : a number or one per pulse, rad.
    inversion_time : s.
    inversion_efficiency : 1 for a perfect inversion, 0 for a saturation, −1 for none.
    slice_profile : actual over nominal flip angle at equally spaced places across the slice, or its half; the signal
        is the mean over them. 1 is a perfect slice.
    b1 : None for B1 as a parameter, or its known value.
    accuracy : what neglected configurations may contribute to an echo at most, in units of M0. An echo owes to orders
        from k on what was transverse for at least k repetitions on the way up and k on the way down, so at most
        exp(−2·k·TR/T2); what they really contribute is 100 times less in usual trains. The number of states follows
        from the longest T2 of the voxels that are simulated together.
    n_states : configurations to keep in place of what `accuracy` asks for.

    Raises
    ------
    ProtocolError
        If counts differ, or a value is implausible (wrong units, most often).
    RaofitError
        If an option has an impossible value.

    Examples
    --------
    >>> import numpy as np
    >>> fisp = MRFFISP(np.radians([90, 30, 30]), 0.012, inversion_time=0.02)
    >>> print(fisp.signal([1.0, 0.08, 1.0]).real)
    [-0.960397  0.005964  0.052343]

    References: [jiang2015], [weigel2015].
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (
        FLIP_ANGLES,
        REPETITION_TIMES,
        ECHO_TIMES,
        RF_PHASES,
        INVERSION_TIME,
        INVERSION_EFFICIENCY,
        SLICE_PROFILE,
    )
    references: ClassVar[tuple[str, ...]] = ("jiang2015", "weigel2015")
    lanes_at_once: ClassVar[int | None] = 256

    name: str
    flip_angles: np.ndarray
    repetition_times: np.ndarray
    echo_times: np.ndarray
    rf_phases: np.ndarray
    inversion_time: float
    inversion_efficiency: float
    slice_profile: np.ndarray
    b1: float | None
    accuracy: float
    n_states: int | None
    parameters: tuple[Parameter, ...]
    _steps: Steps
    _sizes: tuple[int, ...]
    _longest_t2: np.ndarray

    def __init__(
        self,
        flip_angles: Float[np.ndarray, " pulse"],
        repetition_times: float | Float[np.ndarray, " pulse"],
        *,
        echo_times: float | Float[np.ndarray, " pulse"] = 0.0,
        rf_phases: float | Float[np.ndarray, " pulse"] = 0.0,
        inversion_time: float = 0.0,
        inversion_efficiency: float = 1.0,
        slice_profile: float | Float[np.ndarray, " place"] = 1.0,
        b1: float | None = None,
        accuracy: float = 1e-4,
        n_states: int | None = None,
    ):
        self.flip_angles = protocol_array(flip_angles, FLIP_ANGLES)
        n_pulses = self.flip_angles.size
        self.repetition_times, self.echo_times, self.rf_phases = (
            _one_per_pulse(values, field, n_pulses)
            for values, field in (
                (repetition_times, REPETITION_TIMES),
                (echo_times, ECHO_TIMES),
                (rf_phases, RF_PHASES),
            )
        )
        late = self.echo_times > self.repetition_times
        if np.any(late):
            raise ProtocolError(
                f"`echo_times`: expected at most the repetition time of {self.repetition_times[late][0]:g} s, "
                f"got {self.echo_times[late][0]:g} s for pulse {int(np.flatnonzero(late)[0]) + 1}"
            )
        self.inversion_time = float(plausible_array(np.asarray(inversion_time, dtype=np.float64), INVERSION_TIME))
        self.inversion_efficiency = float(
            plausible_array(np.asarray(inversion_efficiency, dtype=np.float64), INVERSION_EFFICIENCY)
        )
        self.slice_profile = protocol_array(slice_profile, SLICE_PROFILE)
        self.b1, self.accuracy, self.n_states = b1, accuracy, n_states
        self.name = "mrf-fisp" if b1 is None else "mrf-fisp-known-b1"
        self.parameters = parameters_of_train("MRFFISP", b1)
        self._steps = _steps(self)
        self._sizes, self._longest_t2 = _states(self.repetition_times, accuracy, n_states)

    def with_settings(self, settings: Mapping[str, Float[Array, " pulse"]]) -> Self:
        """The same train with other flip angles, repetition times or inversion time, as many values, unchecked.

        The number of configurations follows from the new repetition times; where JAX traces them it stays what it is,
        which is enough as long as they are not shorter than this model's.
        """
        others = sorted(set(settings) - set(_CHANGEABLE))
        if others:
            raise RaofitError(
                f"model `{self.name}`: only {', '.join(f'`{name}`' for name in _CHANGEABLE)} can change, "
                f"got `{others[0]}`; build a new model"
            )
        angles, times, inversion = (settings.get(name, getattr(self, name)) for name in _CHANGEABLE)
        sizes, longest_t2 = self._sizes, self._longest_t2
        if REPETITION_TIMES.name in settings and not isinstance(times, jax.core.Tracer):
            sizes, longest_t2 = _states(times, self.accuracy, self.n_states)
        if not isinstance(inversion, jax.core.Tracer):
            inversion = float(inversion)
        steps = self._steps._replace(flip_angle=angles, interval=_intervals(inversion, times))
        return eqx.tree_at(_what_settings_change, self, (angles, times, inversion, steps, sizes, longest_t2))

    def for_voxels(self, parameters: Float[np.ndarray, "voxel parameter"]) -> Self:
        """The same train with the one number of configurations that the longest T2 of these voxels needs."""
        needed = np.searchsorted(self._longest_t2, np.max(parameters[:, 1]))
        return eqx.tree_at(
            lambda model: (model._sizes, model._longest_t2),  # noqa: SLF001
            self,
            (self._sizes[needed : needed + 1], np.zeros(0)),
        )

    def lanes_order(self, parameters: Float[np.ndarray, "voxel parameter"]) -> np.ndarray:
        """Voxels by T2: those simulated together then need about as many configurations."""
        return np.argsort(parameters[:, 1], kind="stable")

    def _echoes(self, parameters: Array, n_slopes: int) -> Complex[Array, "measurement slope lane"]:
        t1, t2, *rest = parameters
        b1 = rest[0] if rest else jnp.full_like(t1, self.b1)
        share = jnp.asarray(self.slice_profile, dtype=t1.dtype)
        places = [jnp.broadcast_to(values, (share.size, t1.size)).ravel() for values in (t1, t2)]
        found = self._in_place(Relaxation(*places, (share[:, None] * b1).ravel()), n_slopes)
        found = found.reshape(*found.shape[:-1], share.size, t1.size)
        if n_slopes == N_WITH_B1:  # a change of B1 changes each place by its share
            found = found.at[:, N_WITH_B1].multiply(share[:, None])
        found = jnp.mean(found, axis=-2)
        return found if jnp.iscomplexobj(found) else jax.lax.complex(found, jnp.zeros_like(found))

    def _in_place(self, tissue: Relaxation, n_slopes: int) -> Array:
        """With as many states as the longest T2 needs."""
        start = jnp.zeros((1 + n_slopes, tissue.T1.shape[-1]), tissue.T1.dtype).at[0].set(-self.inversion_efficiency)
        branches = [
            lambda tissue, size=size: echoes(self._steps, tissue, start, size, n_slopes) for size in self._sizes
        ]
        needed = jnp.searchsorted(jnp.asarray(self._longest_t2, dtype=tissue.T2.dtype), jnp.max(tissue.T2, initial=0.0))
        return jax.lax.switch(needed, branches, tissue)


_CHANGEABLE = (FLIP_ANGLES.name, REPETITION_TIMES.name, INVERSION_TIME.name)


def _what_settings_change(model: MRFFISP) -> tuple:
    """The parts of a model that are, or follow from, the settings that can change."""
    steps, sizes, longest_t2 = model._steps, model._sizes, model._longest_t2  # noqa: SLF001
    return model.flip_angles, model.repetition_times, model.inversion_time, steps, sizes, longest_t2


def _one_per_pulse(values, field: ProtocolField, n_pulses: int) -> np.ndarray:
    """`values` as one number per pulse, in float64."""
    array = protocol_array(values, field)
    if array.size not in (1, n_pulses):
        raise ProtocolError(f"`{field.name}`: expected one number or {n_pulses}, one per pulse, got {array.size}")
    return np.broadcast_to(array, n_pulses).copy()


def _intervals(inversion_time, repetition_times):
    """Time before each pulse, since the one before it or the inversion; traced if one of them is."""
    is_traced = any(isinstance(values, jax.core.Tracer) for values in (inversion_time, repetition_times))
    join = jnp.concatenate if is_traced else np.concatenate
    return join([jnp.reshape(inversion_time, 1) if is_traced else [inversion_time], repetition_times[:-1]])


def _steps(model: MRFFISP) -> Steps:
    """What precedes each echo; what precedes the first is the inversion time."""
    turns = np.exp(-1j * np.diff(model.rf_phases, prepend=model.rf_phases[0]))
    is_real = np.all(np.abs(np.imag(turns)) < _PHASE_TOLERANCE)
    return Steps(
        interval=_intervals(model.inversion_time, model.repetition_times),
        flip_angle=model.flip_angles,
        turn=np.real(turns) if is_real else turns,
        echo_time=model.echo_times,
    )


def _states(
    repetition_times: np.ndarray, accuracy: float, n_states: int | None
) -> tuple[tuple[int, ...], Float[np.ndarray, " size"]]:
    """Numbers of states to choose from, and the longest T2 that all but the last are enough for.

    Half as many states as pulses are exact: what is above cannot return to order 0 before the train ends.
    """
    most = repetition_times.size // 2 + 1
    if n_states is not None:
        if n_states < 1:
            raise RaofitError(f"MRFFISP `n_states`: expected at least 1, got {n_states}")
        return (min(n_states, most),), np.zeros(0)
    if not 0 < accuracy < 1:
        raise RaofitError(f"MRFFISP `accuracy`: expected a share of M0 between 0 and 1, got {accuracy:g}")
    n_sizes = max(0, math.ceil(math.log2(most / _FEWEST_STATES)))
    sizes = [_FEWEST_STATES * 2**power for power in range(n_sizes)]
    shortest = np.cumsum(np.sort(repetition_times))
    longest = [2.0 * shortest[size - 1] / -math.log(accuracy) for size in sizes]
    return (*sizes, most), np.array(longest)
