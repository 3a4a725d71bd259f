"""Magnetic-resonance fingerprinting with balanced trains in the hybrid state."""

from collections.abc import Mapping
from typing import ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.models._fingerprint_train import INVERSION_EFFICIENCY, AbstractFingerprintTrain, parameters_of_train
from raofit.models._model import ProtocolField, plausible_array, protocol_array
from raofit.models.phase_graph import Relaxation
from raofit.models.qmt.model import FLIP_ANGLES, REPETITION_TIME
from raofit.models.radial_relaxation import Train, echoes, repeated_start

IS_REPEATED = ProtocolField(
    name="is_repeated",
    unit="1",
    plausible=(0.0, 1.0),
    hint="1 is a train that is repeated without a pause, 0 one that is played once from equilibrium",
    description="whether the train is repeated until every repetition is like the one before",
)


class HybridState(AbstractFingerprintTrain):
    r"""Echoes of a balanced train of slowly varying flip angles, in closed form [asslander2019, asslander2019b].

    On resonance, with an RF phase that alternates between 0 and π, the magnetization stays along the direction of polar
    angle θ, half the flip angle, and its length r(t) relaxes along it (`raofit.models.radial_relaxation`). Between
    pulses n and n + 1, θ = B1·(αₙ + αₙ₊₁)/4; after the last pulse, B1·α less the θ before it. The echo is r·sin θ half
    a repetition time after each pulse. M0 = 1; measurements have an unknown complex M0. An echo is given in the frame
    of its pulse's phase, and is positive where r is.

    A train that is played once starts from r(0) = −efficiency: 1 is a perfect inversion, −1 none. One that is repeated
    without a pause has r(0) = −efficiency·r(T): antiperiodic with a perfect inversion before each repetition, periodic
    with none. In both cases a preparation, of half the first flip angle, takes the magnetization to the first θ; it
    and the inversion take no time.

    The hybrid state is an approximation. After an abrupt start, echoes are off by up to about
    TR·((1/T2 − 1/T1)/4 + 1/(2·T1)) of M0, alternating and decaying; for smooth trains that start at small flip angles,
    the error falls with TR². Finite pulses, slice profiles and off-resonance are left out.

    Parameters of a voxel, in this order: T1, T2 (s), B1 (1; left out if it is known).

    Parameters
    ----------
    flip_angles : Float[Array, " pulse"]
        Nominal flip angles, rad, ≥ 0; twice the polar angle.
    repetition_time : from pulse to pulse, s.
    inversion_efficiency : 1 for a perfect inversion, 0 for a saturation, −1 for none.
    is_repeated : whether the train is repeated for ever, or played once from equilibrium.
    b1 : None for B1 as a parameter, or its known value.

    Raises
    ------
    ProtocolError
        If a value is implausible (wrong units, most often).
    RaofitError
        If an option has an impossible value.

    Examples
    --------
    >>> import numpy as np
    >>> hybrid = HybridState(np.radians([20, 40, 60, 60]), 0.0045)
    >>> print(hybrid.signal([1.0, 0.08, 1.0]).real)
    [-0.257229 -0.413718 -0.479921 -0.469693]

    References: [asslander2019], [asslander2019b].
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (
        FLIP_ANGLES,
        REPETITION_TIME,
        INVERSION_EFFICIENCY,
        IS_REPEATED,
    )
    references: ClassVar[tuple[str, ...]] = ("asslander2019", "asslander2019b")
    lanes_at_once: ClassVar[int | None] = 1024

    name: str
    flip_angles: np.ndarray
    repetition_time: float
    inversion_efficiency: float
    is_repeated: bool
    b1: float | None
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        flip_angles: Float[np.ndarray, " pulse"],
        repetition_time: float,
        *,
        inversion_efficiency: float = 1.0,
        is_repeated: bool = False,
        b1: float | None = None,
    ):
        self.flip_angles = protocol_array(flip_angles, FLIP_ANGLES)
        self.repetition_time = _number(repetition_time, REPETITION_TIME)
        self.inversion_efficiency = _number(inversion_efficiency, INVERSION_EFFICIENCY)
        repeated = _number(is_repeated, IS_REPEATED)
        if repeated not in (0.0, 1.0):
            raise ProtocolError(f"`{IS_REPEATED.name}`: expected 0 or 1, got {repeated:g}; {IS_REPEATED.hint}")
        self.is_repeated = bool(repeated)
        self.b1 = b1
        self.name = "mrf-hybrid-state" if b1 is None else "mrf-hybrid-state-known-b1"
        self.parameters = parameters_of_train("HybridState", b1)

    def with_settings(self, settings: Mapping[str, Float[Array, " pulse"]]) -> Self:
        """The same train with other flip angles, the one setting that can change after the model is built."""
        others = sorted(set(settings) - {FLIP_ANGLES.name})
        if others:
            raise RaofitError(
                f"model `{self.name}`: only `flip_angles` can change, got `{others[0]}`; build a new model"
            )
        return eqx.tree_at(lambda model: model.flip_angles, self, settings[FLIP_ANGLES.name])

    def _echoes(self, parameters: Array, n_slopes: int) -> Complex[Array, "measurement slope lane"]:
        t1, t2, *rest = parameters
        tissue = Relaxation(t1, t2, rest[0] if rest else jnp.full_like(t1, self.b1))
        angles = jnp.asarray(self.flip_angles, dtype=t1.dtype)
        following = jnp.append(angles[1:], 2.0 * angles[-1] - angles[-2:][0])
        train = Train(0.25 * (angles + following), 0.5 * self.repetition_time)
        if self.is_repeated:
            start = repeated_start(train, tissue, self.inversion_efficiency, n_slopes)
        else:
            start = jnp.zeros((1 + n_slopes, t1.shape[-1]), t1.dtype).at[0].set(-self.inversion_efficiency)
        found = echoes(train, tissue, start)
        return jax.lax.complex(found, jnp.zeros_like(found))


def _number(value, field: ProtocolField) -> float:
    return float(plausible_array(np.asarray(value, dtype=np.float64), field))
