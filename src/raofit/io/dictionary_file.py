"""Dictionaries on disk: one HDF5 file with the atoms, what they were made from, and nothing that runs.

Datasets: `axes/NAME` (values of the grid), `exists` (which of their combinations, as nested loops over the axes),
`signals` (atom, coefficient) and, if the atoms are compressed, `compression` (measurement, coefficient). Attributes:
`format`, and as JSON `axes` (their order) and `provenance`. What rebuilds the model is beside them (`stored_model`), a
checksum in front (`seal`).
"""

import json
import math
from pathlib import Path

import h5py
import numpy as np

from raofit.core.errors import FileError, ProtocolError
from raofit.core.progress import Progress
from raofit.estimators.atoms import Atoms
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.damage import DAMAGE, array_of
from raofit.io.output import new_file
from raofit.io.provenance import versions
from raofit.io.seal import USER_BLOCK, is_intact, seal
from raofit.io.stored_model import StoredModel, write_model
from raofit.io.text_formats import absent, plain
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

FORMAT = "raofit dictionary 1"


def save_dictionary(path: str | Path, matching: DictionaryMatching, *, force: bool = False) -> None:
    """Write the atoms of an estimator to `path`, complete or not at all.

    Raises
    ------
    FileError
        If the file exists and `force` is false, or the place is not writable.
    """
    atoms = matching.atoms
    with new_file(Path(path), force=force) as work:
        with h5py.File(work, "w", libver=("earliest", "v110"), userblock_size=USER_BLOCK) as file:
            file.attrs["format"] = FORMAT
            file.attrs["axes"] = json.dumps(atoms.grid.names)
            file.attrs["provenance"] = json.dumps({"versions": versions()})
            write_model(file, matching.model)
            for name, values in atoms.grid.axes.items():
                file.create_dataset(f"axes/{name}", data=values)
            file.create_dataset("exists", data=atoms.grid.exists)
            file.create_dataset("signals", data=atoms.signals)
            if atoms.basis is not None:
                file.create_dataset("compression", data=atoms.basis)
        seal(work)


def load_dictionary(
    path: str | Path,
    noise: AbstractNoise | None = None,
    *,
    model: AbstractSignalModel | None = None,
    is_interpolated: bool = True,
    progress: Progress | None = None,
) -> DictionaryMatching:
    """An estimator with the atoms of a file written by `save_dictionary`.

    Parameters
    ----------
    noise, is_interpolated, progress : as for `DictionaryMatching`.
    model : the model (and protocol) of the measurements. Needed when it is not a registered one: a file holds no code.

    Raises
    ------
    FileError
        If the file is missing, damaged or no dictionary; or its model is not registered and none is given.
    ProtocolError
        If `model` has other parameters, another protocol, other settings or another basis than the file.
    RaofitError
        As `DictionaryMatching`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a dictionary written by `raofit.save_dictionary`")
    if not h5py.is_hdf5(path):
        raise FileError(f"{path}: this is not an HDF5 file; expected a dictionary written by `raofit.save_dictionary`")
    if not is_intact(path):
        raise FileError(f"{path}: this dictionary is damaged or cut short (by its checksum); simulate it again")
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("format")
            if found != FORMAT:
                what = "no dictionary" if found is None else f"the format `{plain(found)}`"
                raise FileError(f"{path}: expected the format `{FORMAT}`, found {what}; simulate the dictionary again")
            stored = StoredModel.read(file)
            built = stored.built(path, "dictionary", "load_dictionary") if model is None else model
            stored.check(built, "dictionary")
            atoms = _atoms(path, file, built)
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error
    except FileError:
        raise
    except DAMAGE as error:
        raise FileError(
            f"{path}: this dictionary is damaged or cut short ({type(error).__name__}: {plain(error)}); "
            "simulate it again"
        ) from error
    return DictionaryMatching(built, atoms, noise, is_interpolated=is_interpolated, progress=progress)


def _atoms(path: Path, file: h5py.File, model: AbstractSignalModel) -> Atoms:
    axes = {name: array_of(file, f"axes/{name}") for name in json.loads(str(file.attrs["axes"]))}
    exists, signals = array_of(file, "exists"), array_of(file, "signals")
    basis = array_of(file, "compression") if "compression" in file else None
    if exists.size != math.prod(values.size for values in axes.values()):
        raise ValueError(f"`exists` has shape {exists.shape}, which is not that of the axes")
    grid = ParameterGrid(axes, where=lambda _: exists.ravel())
    n_columns = model.n_measurements if basis is None else basis.shape[1]
    if signals.shape != (len(grid), n_columns) or not np.all(np.isfinite(signals)):
        raise FileError(
            f"{path}: expected {len(grid)} atoms of {n_columns} finite numbers, found shape {signals.shape}; "
            "simulate the dictionary again"
        )
    return Atoms(grid, grid.parameters(model), signals, basis)
