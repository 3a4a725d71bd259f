"""Linear bases, as files of the field hold them."""

from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Inexact

from raofit.core.errors import FileError, ProtocolError
from raofit.io.matlab import open_matlab
from raofit.io.output import new_file
from raofit.models.compressed import checked_basis

_NAMES = ("U", "u", "basis")


def load_basis(
    path: str | Path, n_measurements: int, rank: int | None = None
) -> Inexact[np.ndarray, "measurement coefficient"]:
    """The first `rank` orthonormal basis vectors of a MATLAB file, as columns in double precision.

    The variable is `U` (or `basis`), samples along the rows or along the columns: the axis of length `n_measurements`
    is the samples'.

    Parameters
    ----------
    n_measurements : samples of one signal: pulses of a cycle times cycles.
    rank : basis vectors to keep; None for all.

    Raises
    ------
    FileError
        If the file is missing, damaged, or has no such variable.
    ProtocolError
        If no axis has the length of a signal, there are fewer than `rank` vectors, or they are not orthonormal.
    """
    path = Path(path)
    file = open_matlab(path, "basis")
    basis = file.array(_NAMES, "basis")
    if basis.ndim != 2 or n_measurements not in basis.shape:
        shape = "×".join(map(str, basis.shape))
        raise ProtocolError(
            f"{path}: expected a basis of signals with {n_measurements} samples, found {shape}; "
            "give the basis that belongs to these flip-angle trains"
        )
    columns = basis if basis.shape[0] == n_measurements else basis.T
    kept = columns.shape[1] if rank is None else rank
    if not 1 <= kept <= columns.shape[1]:
        raise ProtocolError(f"{path}: expected a rank from 1 to {columns.shape[1]}, the vectors it has, got {kept}")
    try:
        return checked_basis(columns[:, :kept], n_measurements)
    except ProtocolError as error:
        raise FileError(f"{path}: {error}") from error


def save_basis(path: str | Path, basis: Inexact[np.ndarray, "measurement coefficient"], *, force: bool = False) -> None:
    """Write a basis to a MATLAB file (version 5, variable `U`, samples along the rows), which `load_basis` reads.

    Raises
    ------
    FileError
        If the file exists and `force` is false.
    """
    with new_file(Path(path), force=force) as work, work.open("wb") as stream:
        scipy.io.savemat(stream, {_NAMES[0]: basis})
