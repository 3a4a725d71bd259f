"""Variables of MATLAB files (v7.3, which is HDF5, and the older v5 to v7), always in MATLAB's axis order.

An array that MATLAB calls 176×146×15 has the shape (176, 146, 15) here. The HDF5 library shows the axes of a v7.3 file
reversed, (15, 146, 176), because MATLAB stores the first axis contiguously; they are turned back on reading.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from raofit.core.errors import FileError
from raofit.io import matlab_v5
from raofit.io.damage import DAMAGE, NUMERIC, require_stored
from raofit.io.text_formats import absent, in_backticks

_V5_HEADER, _V73_HEADER = b"MATLAB 5.0", b"MATLAB 7.3"
_COMPLEX_FIELDS = ("real", "imag")


@dataclasses.dataclass(frozen=True)
class MatlabFile:
    """A MATLAB file that could be opened, and the names of its variables."""

    path: Path
    names: tuple[str, ...]
    is_hdf5: bool

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of `names` that is a variable of the file."""
        return next((name for name in names if name in self.names), None)

    def array(self, names: Sequence[str], what: str) -> np.ndarray:
        """The first of `names` that is there, as a numeric array; `what` names it in messages.

        Raises
        ------
        FileError
            If none is there, or it is not a numeric array, or the file is damaged.
        """
        name = self.first_of(names)
        if name is None:
            raise FileError(
                f"{self.path}: expected the {what} in a variable {_either(names)}; the file has "
                f"{in_backticks(self.names) or 'no variables'}"
            )
        values = _read_hdf5(self.path, name) if self.is_hdf5 else _read_v5(self.path, name)
        if values is None or values.dtype.kind not in NUMERIC or values.size == 0:
            kind = "a struct, cell, text or sparse matrix" if values is None or values.size else "an empty array"
            raise FileError(f"{self.path}: expected `{name}` to be a numeric array, found {kind}; save it as numbers")
        return values


def open_matlab(path: str | Path, what: str) -> MatlabFile:
    """The MATLAB file at `path`; `what` says in messages what it should hold.

    Raises
    ------
    FileError
        If the file is missing, truncated, or not a MATLAB file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a MATLAB file with the {what}")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                names = tuple(str(name) for name in file)
            return MatlabFile(path, tuple(name for name in names if not name.startswith("#")), is_hdf5=True)
        with path.open("rb") as stream:
            header = stream.read(len(_V5_HEADER))
        if header == _V5_HEADER:
            return MatlabFile(path, matlab_v5.names_in(path), is_hdf5=False)
        if header == _V73_HEADER:
            raise _damaged(path)
    except (*DAMAGE, zlib.error) as error:
        raise _damaged(path) from error
    raise FileError(f"{path}: this is not a MATLAB file; expected one with the {what}, saved by MATLAB (any version)")


def _read_hdf5(path: Path, name: str) -> np.ndarray | None:
    """A variable of a v7.3 file, its axes turned back to MATLAB's; None for what is no array of numbers."""
    try:
        with h5py.File(path, "r") as file:
            item = file[name]
            if not isinstance(item, h5py.Dataset) or item.attrs.get("MATLAB_class") in (b"char", b"cell"):
                return None
            if item.shape is None or item.attrs.get("MATLAB_empty"):
                return np.empty(0)
            if item.dtype.kind not in NUMERIC and item.dtype.names != _COMPLEX_FIELDS:
                return None
            require_stored(item)
            values = item[()]
    except DAMAGE as error:
        raise _damaged(path) from error
    if values.dtype.names == _COMPLEX_FIELDS:
        real, imaginary = (values[field] for field in _COMPLEX_FIELDS)
        values = real + 1j * imaginary
    return np.asarray(values).T


def _read_v5(path: Path, name: str) -> np.ndarray | None:
    try:
        return matlab_v5.read_array(path, name)
    except (*DAMAGE, zlib.error) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> FileError:
    return FileError(f"{path}: this MATLAB file is damaged or cut short; copy or save it again")


def _either(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
