"""The atoms of a dictionary: simulated signals of every combination of a grid, compressed if wanted."""

import bisect
import dataclasses

import jax
import numpy as np
from jaxtyping import Float, Inexact

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.information.crb import bound_from_jacobian
from raofit.information.subspace import crb_svd_basis, rank_for_energy, svd_basis
from raofit.models import AbstractSignalModel, Compressed

_BLOCK = 4096
_BASIS_ATOMS = 4096
_JACOBIAN_ATOMS = 256
_WEIGHT = 0.5


@dataclasses.dataclass(frozen=True)
class Atoms:
    """Noise-free signals on a grid, amplitude 1, in double precision.

    Parameters
    ----------
    grid : where they lie.
    parameters : their parameter vectors.
    signals : their samples, or coefficients where there is a basis.
    basis : real orthonormal columns the samples were projected on, or None.
    """

    grid: ParameterGrid
    parameters: Float[np.ndarray, "atom parameter"]
    signals: Inexact[np.ndarray, "atom coefficient"]
    basis: Float[np.ndarray, "measurement coefficient"] | None

    @staticmethod
    def of(
        model: AbstractSignalModel,
        grid: ParameterGrid,
        *,
        rank: int | None = None,
        energy: float | None = None,
        crb_loss: float | None = None,
        progress: Progress | None = None,
    ) -> "Atoms":
        """Simulated atoms; `rank`, `energy` and `crb_loss` as for `DictionaryMatching`.

        Raises
        ------
        RaofitError
            If the grid does not fit the model, a signal is not finite, or the compression asked for is impossible.
        """
        given = {"rank": rank, "energy": energy, "crb_loss": crb_loss}
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) > 1:
            raise RaofitError(f"compression: expected one of rank, energy and crb_loss, got {' and '.join(chosen)}")
        parameters = grid.parameters(model)
        basis = None
        if rank is not None:
            basis = svd_basis(_unit_signals(model, parameters), rank)
        elif energy is not None:
            basis = _basis_by_energy(_unit_signals(model, parameters), energy)
        elif crb_loss is not None:
            basis = _basis_by_loss(model, grid, parameters, crb_loss)
        observed = model if basis is None else Compressed(model, basis)
        return Atoms(grid, parameters, _simulated(observed, parameters, progress), basis)


def _simulated(model: AbstractSignalModel, parameters: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """Signals in double precision, a block of atoms at a time, so that compressed ones never exist as samples."""
    size = min(_BLOCK, len(parameters))
    blocks = []
    for start in range(0, len(parameters), size):
        block = parameters[start : start + size]
        padded = np.pad(block, ((0, size - len(block)), (0, 0)), mode="edge")
        with jax.enable_x64(True):
            blocks.append(np.asarray(model.signal(padded))[: len(block)])
        if progress is not None:
            progress(ProgressEvent("dictionary", start + len(block), len(parameters)))
    signals = np.concatenate(blocks)
    is_finite = np.all(np.isfinite(signals), axis=-1)
    if not is_finite.all():
        wrong = parameters[np.argmin(is_finite)]
        where = ", ".join(f"{name} = {value:g}" for name, value in zip(model.parameter_names, wrong, strict=True))
        raise RaofitError(f"grid: the signal of model `{model.name}` is not finite at {where}; leave it out by `where`")
    return signals


def _some(parameters: np.ndarray, n_atoms: int) -> np.ndarray:
    """A few atoms from all over the grid, always the same ones."""
    return parameters[np.sort(np.random.default_rng(0).permutation(len(parameters))[:n_atoms])]


def _unit_signals(model: AbstractSignalModel, parameters: np.ndarray) -> np.ndarray:
    """Signals of some atoms, of length 1 as the search sees them."""
    signals = _simulated(model, _some(parameters, _BASIS_ATOMS))
    return signals / _lengths(signals)


def _lengths(signals: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(signals, axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def _basis_by_energy(signals: np.ndarray, energy: float) -> Float[np.ndarray, "measurement coefficient"]:
    if not 0 < energy < 1:
        raise RaofitError(f"energy: expected a share of the atoms' energy between 0 and 1, got {energy:g}")
    basis = svd_basis(signals, None)
    return basis[:, : rank_for_energy(signals, basis, share=energy)]


def _basis_by_loss(
    model: AbstractSignalModel, grid: ParameterGrid, parameters: np.ndarray, crb_loss: float
) -> Float[np.ndarray, "measurement coefficient"]:
    """The fewest columns whose mean bound of every parameter is at most 1 + `crb_loss` times that of the samples."""
    if not crb_loss > 0:
        raise RaofitError(f"crb_loss: expected a relative rise of the bound above 0, such as 0.01, got {crb_loss:g}")
    free = [model.parameter_names.index(name) for name, axis in grid.axes.items() if len(axis) > 1]
    if not free:
        raise RaofitError("crb_loss: every parameter of the grid is fixed, so no bound can rise; choose `rank`")
    with jax.enable_x64(True):
        found = model.signal_and_jacobian(_some(parameters, _JACOBIAN_ATOMS))
    signals, jacobian = (np.asarray(part) for part in found)
    length = _lengths(signals)
    signals, jacobian = signals / length, jacobian[..., free] / length[..., None]
    basis = crb_svd_basis(signals, jacobian, None, weight=_WEIGHT)

    def bound(matrix: np.ndarray) -> np.ndarray:
        coefficients = np.concatenate([signals[..., None], jacobian], axis=-1)
        coefficients = np.einsum("mc,amk->ack", matrix, coefficients)
        return bound_from_jacobian(coefficients[..., 0], coefficients[..., 1:], has_complex_amplitude=True)

    reference = bound(basis)
    is_known = np.all(np.isfinite(reference), axis=-1)
    if not is_known.any():
        raise RaofitError("crb_loss: the measurements do not determine the parameters of the grid; choose `rank`")

    def is_enough(rank: int) -> bool:
        kept = bound(np.where(np.arange(basis.shape[1]) < rank, basis, 0.0))  # zeros: one shape is compiled
        return bool(np.all(np.mean((kept / reference)[is_known], axis=0) <= 1.0 + crb_loss))

    ranks = range(1, basis.shape[1])
    return basis[:, : 1 + bisect.bisect_left(ranks, True, key=is_enough)]
