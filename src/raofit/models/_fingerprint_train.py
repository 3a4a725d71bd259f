"""What the fingerprinting trains share: their parameters, and signals of many voxels from one recursion."""

import abc
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Complex, Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField

INVERSION_EFFICIENCY = ProtocolField(
    name="inversion_efficiency",
    unit="1",
    plausible=(-1.0, 1.0),
    hint="1 is a perfect inversion, 0 a saturation, −1 none at all",
    description="the inversion leaves −efficiency times the equilibrium magnetization",
)
_PARAMETERS = (
    Parameter("T1", "s", (0.01, 10.0), (0.3, 4.0), "T_1", "longitudinal relaxation time", is_log_scaled=True),
    Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.5), "T_2", "transverse relaxation time", is_log_scaled=True),
    Parameter("B1", "1", (0.3, 1.7), (0.7, 1.2), "B_1^+", "actual over nominal flip angle"),
)
N_WITH_B1 = len(_PARAMETERS)


class AbstractFingerprintTrain(AbstractSignalModel):
    """Echoes of a train of pulses as a function of T1, T2 (s) and B1 (1; left out if it is known)."""

    has_complex_amplitude: ClassVar[bool] = True

    flip_angles: np.ndarray

    @abc.abstractmethod
    def _echoes(
        self, parameters: Float[Array, "parameter lane"], n_slopes: int
    ) -> Complex[Array, "measurement slope lane"]:
        """Signals, then their derivatives by the first `n_slopes` of T1, T2 and B1."""

    @property
    def n_measurements(self) -> int:
        """Number of echoes."""
        return self.flip_angles.size

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Complex[Array, " measurement"]:
        """Signal of one voxel."""
        return self.lanes_signal(parameters[:, None])[:, 0]

    def voxel_signal_and_jacobian(
        self, parameters: Float[Array, " parameter"]
    ) -> tuple[Complex[Array, " measurement"], Complex[Array, "measurement parameter"]]:
        """Signal of one voxel and its derivatives."""
        signal, jacobian = self.lanes_signal_and_jacobian(parameters[:, None])
        return signal[..., 0], jacobian[..., 0]

    def lanes_signal(self, parameters: Float[Array, "parameter lane"]) -> Complex[Array, "measurement lane"]:
        """Signals of many voxels, voxel axis last."""
        return self._echoes(parameters, 0)[:, 0]

    def lanes_signal_and_jacobian(
        self, parameters: Float[Array, "parameter lane"]
    ) -> tuple[Complex[Array, "measurement lane"], Complex[Array, "measurement parameter lane"]]:
        """Signals of many voxels and their derivatives, voxel axis last."""
        found = self._echoes(parameters, len(self.parameters))
        return found[:, 0], found[:, 1:]


def parameters_of_train(model: str, b1: float | None) -> tuple[Parameter, ...]:
    """T1 and T2, and B1 unless it is known.

    Raises
    ------
    RaofitError
        If the known B1 of the model is none.
    """
    if b1 is not None and not 0 < b1 < 3:
        raise RaofitError(f"{model} `b1`: expected actual over nominal flip angle, about 1, got {b1:g}")
    return _PARAMETERS if b1 is None else _PARAMETERS[:-1]
