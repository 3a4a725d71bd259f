"""Which basis to see signals in: as small as a rank, an energy, or the loss of information allows."""

import bisect
from collections.abc import Collection

import jax
import numpy as np
from jaxtyping import Float, Inexact

from raofit.core.errors import RaofitError
from raofit.information.crb import bound_from_jacobian
from raofit.information.subspace import crb_svd_basis, rank_for_energy, svd_basis
from raofit.models import AbstractSignalModel

_MOST_SIGNALS = 4096
_MOST_JACOBIANS = 256
_WEIGHT = 0.5


def compression_basis(
    model: AbstractSignalModel,
    parameters: Float[np.ndarray, "voxel parameter"],
    *,
    free: Collection[str] | None = None,
    rank: int | None = None,
    energy: float | None = None,
    crb_loss: float | None = None,
) -> Float[np.ndarray, "measurement coefficient"]:
    """Orthonormal columns in which the signals of these voxels are seen, by one of three rules [mcgivney2014].

    Parameters
    ----------
    parameters : voxels of the kind that will be measured; of very many, some thousands from all over are used.
    free : parameters whose bound matters to `crb_loss`; default: all that are no amplitude.
    rank : this many columns, with the most energy of the signals, each scaled to length 1 (`svd_basis`).
    energy : the fewest columns that keep this share of the energy of these signals, such as 0.9999.
    crb_loss : the fewest columns of `crb_svd_basis` with which the Cramér–Rao bound of each parameter rises by no more
        than this share on average, such as 0.01.

    Returns
    -------
    Float[np.ndarray, "measurement coefficient"]
        Real, float64.

    Raises
    ------
    RaofitError
        If not exactly one rule is given, or it cannot be kept.

    Examples
    --------
    >>> from raofit.models import MonoExponentialT2
    >>> model = MonoExponentialT2(0.01 * np.arange(1, 33))
    >>> voxels = np.stack([np.ones(50), np.geomspace(0.03, 0.3, 50)], axis=1)
    >>> compression_basis(model, voxels, energy=0.9999).shape
    (32, 4)

    References: [mcgivney2014], [mao2023].
    """
    given = {"rank": rank, "energy": energy, "crb_loss": crb_loss}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise RaofitError(
            f"compression: expected one of rank, energy and crb_loss, got {' and '.join(chosen) or 'none'}"
        )
    if crb_loss is not None:
        amplitude = model.amplitude_index
        names = [name for index, name in enumerate(model.parameter_names) if index != amplitude]
        return _by_loss(model, parameters, names if free is None else free, crb_loss)
    with jax.enable_x64(True):
        signals = np.asarray(model.signal(_some(parameters, _MOST_SIGNALS)))
    signals = signals / _lengths(signals)
    return svd_basis(signals, rank) if energy is None else _by_energy(signals, energy)


def _some(parameters: np.ndarray, n_voxels: int) -> np.ndarray:
    """A few voxels from all over, always the same ones."""
    return parameters[np.sort(np.random.default_rng(0).permutation(len(parameters))[:n_voxels])]


def _lengths(signals: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(signals, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def _by_energy(
    signals: Inexact[np.ndarray, "voxel measurement"], energy: float
) -> Float[np.ndarray, "measurement coefficient"]:
    if not 0 < energy < 1:
        raise RaofitError(f"energy: expected a share of the signals' energy between 0 and 1, got {energy:g}")
    basis = svd_basis(signals, None)
    return basis[:, : rank_for_energy(signals, basis, share=energy)]


def _by_loss(
    model: AbstractSignalModel, parameters: np.ndarray, free: Collection[str], crb_loss: float
) -> Float[np.ndarray, "measurement coefficient"]:
    """The fewest columns whose mean bound of every free parameter is at most 1 + `crb_loss` times the samples'."""
    if not crb_loss > 0:
        raise RaofitError(f"crb_loss: expected a relative rise of the bound above 0, such as 0.01, got {crb_loss:g}")
    if not free:
        raise RaofitError("crb_loss: every parameter of the grid is fixed, so no bound can rise; choose `rank`")
    columns = [model.parameter_names.index(name) for name in free]
    with jax.enable_x64(True):
        found = model.signal_and_jacobian(_some(parameters, _MOST_JACOBIANS))
    signals, jacobian = (np.asarray(part) for part in found)
    length = _lengths(signals)
    signals, jacobian = signals / length, jacobian[..., columns] / length[..., None]
    basis = crb_svd_basis(signals, jacobian, None, weight=_WEIGHT)

    def bound(matrix: np.ndarray) -> np.ndarray:
        coefficients = np.concatenate([signals[..., None], jacobian], axis=-1)
        coefficients = np.einsum("mc,amk->ack", matrix, coefficients)
        return bound_from_jacobian(coefficients[..., 0], coefficients[..., 1:], has_complex_amplitude=True)

    reference = bound(basis)
    is_known = np.all(np.isfinite(reference), axis=-1)
    if not is_known.any():
        raise RaofitError("crb_loss: the measurements do not determine these parameters; choose `rank`")

    def is_enough(rank: int) -> bool:
        kept = bound(np.where(np.arange(basis.shape[1]) < rank, basis, 0.0))  # zeros: one shape is compiled
        return bool(np.all(np.mean((kept / reference)[is_known], axis=0) <= 1.0 + crb_loss))

    ranks = range(1, basis.shape[1])
    return basis[:, : 1 + bisect.bisect_left(ranks, True, key=is_enough)]
