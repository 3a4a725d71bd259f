"""Quantitative magnetization transfer with hybrid-state pulse trains."""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField, plausible_array
from raofit.models.qmt.lineshapes import LINESHAPES
from raofit.models.qmt.propagation import Tissue
from raofit.models.qmt.saturation import saturation_coefficients, saturation_features
from raofit.models.qmt.train import Basis, Train, Voxels, blocked, echoes

Inversion = Literal["crushed", "spoiled", "none"]
INVERSIONS: tuple[Inversion, ...] = ("crushed", "spoiled", "none")

FLIP_ANGLES = ProtocolField(
    name="flip_angles",
    unit="rad",
    plausible=(0.0, 2 * np.pi),
    hint="flip angles in degrees must be multiplied by π/180",
    description="nominal flip angle of each pulse",
)
PULSE_DURATIONS = ProtocolField(
    name="pulse_durations",
    unit="s",
    plausible=(1e-6, 1e-2),
    hint="durations in µs must be divided by 1e6, those in ms by 1000",
    description="duration of each rectangular pulse",
)
REPETITION_TIME = ProtocolField(
    name="repetition_time",
    unit="s",
    plausible=(5e-4, 3e-2),
    hint="a repetition time in ms must be divided by 1000",
    description="time between the centers of consecutive pulses",
)


class QMT(AbstractSignalModel):
    r"""Echoes of a periodic train of pulses in two exchanging pools: the generalized Bloch model, linearized.

    A free pool (m0f = 1 − m0s) and a semi-solid pool exchange at the rate Rx; the semi-solid saturates with the rate
    R2sl(T2s, pulse) that ends every rectangular pulse at the zs of the full generalized Bloch equations
    [asslander2022]. An echo is sampled half a repetition time after each pulse; the phase of the RF increases by π from
    pulse to pulse, and the signal is given in that frame. Each cycle, an inversion pulse and the pulses that follow it,
    is repeated until it is in its own steady state; the echoes of all cycles are concatenated. M0 = 1; measurements
    have an unknown complex M0.

    Parameters of a voxel, in this order: m0s (1), R1f, R2f, Rx, R1s (1/s), T2s (s), omega0 (rad/s), B1 (1).

    Parameters
    ----------
    flip_angles : Float[Array, "pulse"] or Float[Array, "cycle pulse"]
        Nominal flip angles, rad, ≥ 0; the first of each cycle is the inversion.
    pulse_durations : same shape, s, > 0 and shorter than the repetition time.
    repetition_time : s.
    r1s : "free", or "tied": both pools relax with one apparent rate R1, which takes the place of R1f, and R1s is no
        parameter [zhang2022].
    relaxation : "rates" (R1f, R2f in 1/s), or "times" (T1f, T2f in s).
    lineshape : "super-lorentzian", "gaussian" or "lorentzian", of the semi-solid.
    inversion : the first pulse of a cycle is between "crushed" gradients (it also refocuses), or "spoiled" (all
        transverse magnetization is lost before and after it), or an ordinary pulse: "none".

    Raises
    ------
    ProtocolError
        If shapes differ, or a value is implausible (wrong units, most often).
    RaofitError
        If an option is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.r_[np.pi, np.full(99, np.pi / 2)]
    >>> qmt = QMT(train, np.full(100, 500e-6), 4e-3)
    >>> print(qmt.signal([0.1, 1.0, 15.0, 30.0, 6.5, 10e-6, 0.0, 1.0])[-1].real)
    0.0604
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (FLIP_ANGLES, PULSE_DURATIONS, REPETITION_TIME)
    references: ClassVar[tuple[str, ...]] = ("asslander2022", "zhang2022", "mao2024")
    has_complex_amplitude: ClassVar[bool] = True
    follows_settings: ClassVar[bool] = False
    lanes_at_once: ClassVar[int | None] = 256

    name: str
    flip_angles: np.ndarray
    pulse_durations: np.ndarray
    repetition_time: float
    r1s: Literal["free", "tied"]
    relaxation: Literal["rates", "times"]
    lineshape: str
    inversion: Inversion
    parameters: tuple[Parameter, ...]
    _train: Train
    _has_strong: bool
    _mixing: np.ndarray

    def __init__(
        self,
        flip_angles: Float[np.ndarray, "*cycle pulse"],
        pulse_durations: Float[np.ndarray, "*cycle pulse"],
        repetition_time: float,
        *,
        r1s: Literal["free", "tied"] = "free",
        relaxation: Literal["rates", "times"] = "rates",
        lineshape: str = "super-lorentzian",
        inversion: Inversion = "crushed",
    ):
        _check_choice("r1s", r1s, ("free", "tied"))
        _check_choice("relaxation", relaxation, ("rates", "times"))
        _check_choice("lineshape", lineshape, LINESHAPES)
        _check_choice("inversion", inversion, INVERSIONS)
        self.repetition_time = float(_checked(repetition_time, REPETITION_TIME, 0)[()])
        self.flip_angles = np.atleast_2d(_checked(flip_angles, FLIP_ANGLES, 2))
        self.pulse_durations = np.atleast_2d(_checked(pulse_durations, PULSE_DURATIONS, 2))
        if self.flip_angles.shape != self.pulse_durations.shape:
            raise ProtocolError(
                f"expected one pulse duration per flip angle, got {self.pulse_durations.shape} durations and "
                f"{self.flip_angles.shape} flip angles (cycle, pulse)"
            )
        if self.pulse_durations.max() >= self.repetition_time:
            raise ProtocolError(
                f"expected pulses shorter than the repetition time of {self.repetition_time:g} s, "
                f"got a duration of {self.pulse_durations.max():g} s"
            )
        self.name = "qmt" + ("-tied" if r1s == "tied" else "") + ("-times" if relaxation == "times" else "")
        self.r1s, self.relaxation, self.lineshape, self.inversion = r1s, relaxation, lineshape, inversion
        self.parameters = _parameters(r1s, relaxation, self.repetition_time)
        coefficients, self._mixing = saturation_coefficients(
            self.flip_angles.ravel(), self.pulse_durations.ravel(), lineshape
        )
        self._train = Train.of(
            self.flip_angles,
            self.pulse_durations,
            self.repetition_time,
            coefficients.reshape(*self.flip_angles.shape, -1),
        )
        self._has_strong = self._train.has_strong

    @property
    def n_measurements(self) -> int:
        """Number of echoes of all cycles."""
        return self.flip_angles.size

    def tissue(self, parameters: Float[Array, "parameter *lane"]) -> Tissue:
        """The eight parameters of the physics from those of this parametrization."""
        m0s, longitudinal, transverse, exchange, *rest = parameters
        if self.relaxation == "times":
            longitudinal, transverse = 1.0 / longitudinal, 1.0 / transverse
        semisolid, rest = (longitudinal, rest) if self.r1s == "tied" else (rest[0], rest[1:])
        if self.r1s == "free" and self.relaxation == "times":
            semisolid = 1.0 / semisolid
        return Tissue(m0s, longitudinal, transverse, exchange, semisolid, *rest)

    def mirror_images(self, parameters: Float[Array, " parameter"]) -> Float[Array, "2 parameter"]:
        """Parameters with both signs of omega0: their signals are complex conjugates, s(−ω0) = s(ω0)*."""
        index = self.parameter_names.index("omega0")
        return jnp.stack([parameters, parameters.at[index].multiply(-1.0)])

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Complex[Array, " measurement"]:
        """Signal of one voxel."""
        return self.lanes_signal(parameters[:, None])[:, 0]

    def lanes_signal(self, parameters: Float[Array, "parameter lane"]) -> Complex[Array, "measurement lane"]:
        """Signals of many voxels, voxel axis last."""
        return self._in_time(self._echoes(parameters, None, with_jacobian=False)[0])

    def lanes_signal_and_jacobian(
        self, parameters: Float[Array, "parameter lane"]
    ) -> tuple[Complex[Array, "measurement lane"], Complex[Array, "measurement parameter lane"]]:
        """Signals of many voxels and their derivatives, voxel axis last."""
        signal, jacobian = self._echoes(parameters, None, with_jacobian=True)
        return self._in_time(signal), self._in_time(jacobian)

    def voxel_signal_and_jacobian(
        self, parameters: Float[Array, " parameter"]
    ) -> tuple[Complex[Array, " measurement"], Complex[Array, "measurement parameter"]]:
        """Signal of one voxel and its derivatives."""
        signal, jacobian = self.lanes_signal_and_jacobian(parameters[:, None])
        return signal[..., 0], jacobian[..., 0]

    def lanes_projection(
        self, parameters: Float[Array, "parameter lane"], basis: np.ndarray
    ) -> Complex[Array, "coefficient lane"]:
        """Coefficients of many voxels in an orthonormal basis."""
        return _in_basis(self._echoes(parameters, basis, with_jacobian=False)[0], basis)

    def lanes_projection_and_jacobian(
        self, parameters: Float[Array, "parameter lane"], basis: np.ndarray
    ) -> tuple[Complex[Array, "coefficient lane"], Complex[Array, "coefficient parameter lane"]]:
        """Coefficients of many voxels in an orthonormal basis and their derivatives."""
        signal, jacobian = self._echoes(parameters, basis, with_jacobian=True)
        return _in_basis(signal, basis), _in_basis(jacobian, basis)

    def _echoes(self, parameters: Array, basis: np.ndarray | None, *, with_jacobian: bool):
        voxels = Voxels.of(
            self.tissue(parameters),
            lambda t2s, b1: saturation_features(t2s, b1, self._mixing),
            self.repetition_time,
        )
        rows = None if basis is None else self._rows(basis)
        signal, by_tissue = echoes(
            self._train, self.inversion, voxels, rows, has_strong=self._has_strong, with_jacobian=with_jacobian
        )
        return signal, by_tissue if by_tissue is None else self._by_parameters(by_tissue, parameters)

    def _by_parameters(self, by_tissue: Float[Array, "*rows 8 lane"], parameters: Array) -> Array:
        """The chain rule from the eight parameters of the physics to those of this parametrization."""
        if self.r1s == "free" and self.relaxation == "rates":
            return by_tissue
        n_parameters = parameters.shape[0]
        directions = jnp.eye(n_parameters, dtype=parameters.dtype)[..., None] + jnp.zeros_like(parameters)[None]
        slopes = jax.vmap(lambda direction: jnp.stack(jax.jvp(self.tissue, (parameters,), (direction,))[1]))(directions)
        return jnp.einsum("...tl,ptl->...pl", by_tissue, slopes)

    def _rows(self, basis: np.ndarray) -> Basis:
        """Rows of the basis by cycle and block; a complex one as its real and imaginary columns side by side."""
        columns = jnp.concatenate([jnp.real(basis), jnp.imag(basis)], axis=1) if np.iscomplexobj(basis) else basis
        by_cycle = columns.reshape(*self.flip_angles.shape, -1)
        return Basis(by_cycle[:, 0], blocked(by_cycle))

    def _in_time(self, parts: Float[Array, "cycle echo 2 *rest"]) -> Complex[Array, "measurement *rest"]:
        kept = parts[:, : self.flip_angles.shape[1]]
        kept = kept.reshape(kept.shape[0] * kept.shape[1], *kept.shape[2:])
        return jax.lax.complex(kept[:, 0], kept[:, 1])


def _in_basis(parts: Float[Array, "coefficient 2 *rest"], basis: np.ndarray) -> Complex[Array, "coefficient *rest"]:
    """Uᴴ·(x + iy) from the projections of x and y onto the real and imaginary columns of U."""
    if not np.iscomplexobj(basis):
        return jax.lax.complex(parts[:, 0], parts[:, 1])
    (x_real, y_real), (x_imag, y_imag) = (jnp.moveaxis(part, 1, 0) for part in jnp.split(parts, 2))
    return jax.lax.complex(x_real + y_imag, y_real - x_imag)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RaofitError(f"QMT `{name}`: expected one of {', '.join(choices)}, got {value!r}")


def _checked(values, field: ProtocolField, most_axes: int) -> np.ndarray:
    """`values` checked against `field`, in float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > most_axes or array.size == 0 or (most_axes and array.ndim == 0):
        wanted = "one number" if most_axes == 0 else "an array (pulse,) or (cycle, pulse)"
        raise ProtocolError(f"`{field.name}`: expected {wanted} in {field.unit}, got shape {array.shape}")
    return plausible_array(array, field)


def _parameters(r1s: str, relaxation: str, repetition_time: float) -> tuple[Parameter, ...]:
    nyquist = np.pi / repetition_time
    is_time, is_tied = relaxation == "times", r1s == "tied"
    longitudinal = ("T1" if is_time else "R1") + ("" if is_tied else "f")
    pools = "both pools" if is_tied else "the free pool"

    def relaxing(name: str, symbol: str, bounds, typical, description: str) -> Parameter:
        unit = "s" if is_time else "1/s"
        if is_time:
            bounds, typical = tuple(1.0 / end for end in bounds[::-1]), tuple(1.0 / end for end in typical[::-1])
        return Parameter(name, unit, bounds, typical, symbol, description)

    letter = "T" if is_time else "R"
    kind = "time" if is_time else "rate"
    listed = [
        Parameter("m0s", "1", (0.0, 0.8), (0.0, 0.35), "m_0^s", "fraction of the semi-solid pool"),
        relaxing(
            longitudinal,
            f"{letter}_1" + ("" if is_tied else "^f"),
            (0.05, 10.0),
            (0.1, 1.0),
            f"longitudinal relaxation {kind} of {pools}",
        ),
        relaxing(
            f"{letter}2f", f"{letter}_2^f", (0.2, 100.0), (1.0, 20.0), f"transverse relaxation {kind} of the free pool"
        ),
        Parameter("Rx", "1/s", (0.1, 150.0), (2.0, 30.0), r"R_\mathrm{x}", "exchange rate between the pools"),
        relaxing(
            f"{letter}1s", f"{letter}_1^s", (0.1, 30.0), (1.0, 6.0), f"longitudinal relaxation {kind} of the semi-solid"
        ),
        Parameter("T2s", "s", (2e-6, 40e-6), (5e-6, 25e-6), "T_2^s", "transverse relaxation time of the semi-solid"),
        Parameter(
            "omega0",
            "rad/s",
            (-1.2 * nyquist, 1.2 * nyquist),
            (-nyquist, nyquist),
            r"\omega_0",
            "off-resonance frequency",
        ),
        Parameter("B1", "1", (0.3, 1.7), (0.6, 1.3), r"B_1^+", "actual over nominal flip angle"),
    ]
    return tuple(item for index, item in enumerate(listed) if not (is_tied and index == 4))
