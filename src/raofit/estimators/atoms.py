"""The atoms of a dictionary: simulated signals of every combination of a grid, compressed if wanted."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float, Inexact

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.information.compression import compression_basis
from raofit.models import AbstractSignalModel, Compressed

_BLOCK = 4096


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
        parameters = grid.parameters(model)
        basis = None
        if (rank, energy, crb_loss) != (None, None, None):
            free = [name for name, axis in grid.axes.items() if len(axis) > 1]
            basis = compression_basis(model, parameters, free=free, rank=rank, energy=energy, crb_loss=crb_loss)
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
