"""Any signal model seen through a linear basis: measurements are coefficients instead of samples."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import ProtocolError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField


class Compressed(AbstractSignalModel):
    """Coefficients c = Uᴴ·s of the signals of `model` in the subspace spanned by the columns of U.

    With orthonormal columns, white noise of the samples is white noise of the same σ in the coefficients, so every
    estimator, bound and network treats coefficients as it treats samples.

    Parameters
    ----------
    model : the model of the samples.
    basis : Inexact[np.ndarray, "measurement coefficient"]
        Orthonormal columns: real, or complex where the signals are complex.

    Raises
    ------
    ProtocolError
        If the number of rows is not the model's number of measurements, there are more columns than rows, an entry is
        not finite, the columns are not orthonormal (to 1e-3), or they are complex while the signals are real.

    References: [mcgivney2014], [mao2023].
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = ()
    follows_settings: ClassVar[bool] = False

    name: str
    parameters: tuple[Parameter, ...]
    model: AbstractSignalModel
    basis: np.ndarray

    def __init__(self, model: AbstractSignalModel, basis: Inexact[np.ndarray, "measurement coefficient"]):
        self.model = model
        self.name = model.name
        self.parameters = model.parameters
        self.basis = checked_basis(basis, model.n_measurements)
        if np.iscomplexobj(self.basis) and not _is_complex(model):
            raise ProtocolError(
                f"basis: the signals of model `{model.name}` are real, got complex columns; their noise would differ "
                "between the real and the imaginary channel, so use real columns"
            )

    @property
    def has_complex_amplitude(self) -> bool:  # type: ignore[override]
        """Whether the samples have an unknown complex M0."""
        return self.model.has_complex_amplitude

    @property
    def lanes_at_once(self) -> int | None:  # type: ignore[override]
        """As for the samples."""
        return self.model.lanes_at_once

    @property
    def is_differentiable(self) -> bool:  # type: ignore[override]
        """Whether the model of the samples is."""
        return self.model.is_differentiable

    @property
    def n_measurements(self) -> int:
        """Number of coefficients."""
        return self.basis.shape[1]

    @property
    def protocol(self) -> dict[str, np.ndarray]:
        """Acquisition settings of the samples."""
        return self.model.protocol

    def canonical(self, parameters: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """The same voxel with interchangeable compartments in their named order."""
        return self.model.canonical(parameters)

    def mirror_images(self, parameters: Float[Array, " parameter"]) -> Float[Array, "image parameter"]:
        """All voxels that an estimate of `parameters` may stand for."""
        return self.model.mirror_images(parameters)

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Inexact[Array, " coefficient"]:
        """Coefficients of one voxel."""
        return self.lanes_signal(parameters[:, None])[:, 0]

    def lanes_signal(self, parameters: Float[Array, "parameter lane"]) -> Inexact[Array, "coefficient lane"]:
        """Coefficients of many voxels."""
        return self.model.lanes_projection(parameters, self.basis)

    def lanes_signal_and_jacobian(
        self, parameters: Float[Array, "parameter lane"]
    ) -> tuple[Inexact[Array, "coefficient lane"], Inexact[Array, "coefficient parameter lane"]]:
        """Coefficients of many voxels and their derivatives."""
        return self.model.lanes_projection_and_jacobian(parameters, self.basis)


def _is_complex(model: AbstractSignalModel) -> bool:
    """Whether the samples are complex."""
    samples = jax.eval_shape(model.voxel_signal, jax.ShapeDtypeStruct((len(model.parameters),), jnp.float32))
    return np.issubdtype(samples.dtype, np.complexfloating)


def checked_basis(
    basis: Inexact[np.ndarray, "measurement coefficient"], n_measurements: int
) -> Inexact[np.ndarray, "measurement coefficient"]:
    """`basis` in double precision, or a `ProtocolError` that says what is wrong with it."""
    array = np.asarray(basis)
    array = array.astype(np.result_type(array.dtype, np.float64))
    if array.ndim != 2 or array.shape[0] != n_measurements or array.shape[1] > n_measurements:
        hint = "; transpose it" if array.ndim == 2 and array.shape[1] == n_measurements else ""
        raise ProtocolError(
            f"basis: expected {n_measurements} rows (one per measurement) and at most as many columns (one per "
            f"coefficient), got shape {array.shape}{hint}"
        )
    if not np.all(np.isfinite(array)):
        raise ProtocolError("basis: expected finite numbers, got NaN or infinite ones")
    error = np.max(np.abs(array.conj().T @ array - np.eye(array.shape[1])))
    if error > 1e-3:
        raise ProtocolError(
            f"basis: expected orthonormal columns, got an inner product off by {error:.2g}; "
            "orthonormalize it first (numpy.linalg.qr)"
        )
    return array
