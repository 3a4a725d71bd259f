"""Training sets on disk: one HDF5 file with the samples, what they were made from, and nothing that runs.

Datasets: `parameters`, `coefficients` (the signals), `bound`, `component`. Attributes: `format`, and as JSON `prior`,
`provenance`. What rebuilds the model is beside them (`stored_model`), a checksum in front (`seal`). The same set gives
the same bytes: no times, no random order.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from raofit.core.errors import FileError, ProtocolError
from raofit.io.damage import DAMAGE, array_of
from raofit.io.output import new_file
from raofit.io.seal import USER_BLOCK, is_intact, seal
from raofit.io.stored_model import StoredModel, write_model
from raofit.io.text_formats import absent, plain
from raofit.models import AbstractSignalModel
from raofit.recipes.training_set import Chunk, TrainingSet
from raofit.training.mixture import prior_from_dict
from raofit.training.prior import AbstractPrior

FORMAT = "raofit training set 1"
_DATASETS = dict(zip(Chunk._fields, ("parameters", "coefficients", "bound", "component"), strict=True))


class _Stored(NamedTuple):
    """What a file holds, as plain values and arrays."""

    model: StoredModel
    arrays: dict[str, np.ndarray]
    prior: dict[str, Any]
    provenance: dict[str, Any]


def save_training_set(path: str | Path, samples: TrainingSet, *, force: bool = False) -> None:
    """Write a training set to `path`, complete or not at all.

    Raises
    ------
    FileError
        If the file exists and `force` is false, or the place is not writable.
    """
    chunk = Chunk(*(getattr(samples, name) for name in Chunk._fields))
    with new_file(Path(path), force=force) as work:
        write_training_set(work, [chunk], len(samples), samples.model, samples.prior, samples.provenance)


def write_training_set(
    path: Path,
    chunks: Iterable[Chunk],
    n_samples: int,
    model: AbstractSignalModel,
    prior: AbstractPrior,
    provenance: Mapping[str, Any],
) -> None:
    """Write a training set whose samples arrive in chunks; one chunk is in memory at a time."""
    with h5py.File(path, "w", libver=("earliest", "v110"), userblock_size=USER_BLOCK) as file:
        attributes = {
            "format": FORMAT,
            "prior": json.dumps(prior.as_dict()),
            "provenance": json.dumps(provenance, ensure_ascii=False),
        }
        for name, value in attributes.items():
            file.attrs[name] = value
        write_model(file, model)
        datasets: dict[str, h5py.Dataset] = {}
        start = 0
        for chunk in chunks:
            size = len(chunk.parameters)
            for name, array in zip(_DATASETS.values(), chunk, strict=True):
                if name not in datasets:
                    datasets[name] = file.create_dataset(name, (n_samples, *array.shape[1:]), array.dtype)
                datasets[name][start : start + size] = array
            start += size
    seal(path)


def load_training_set(path: str | Path, *, model: AbstractSignalModel | None = None) -> TrainingSet:
    """Read a training set written by `save_training_set` or `raofit simulate`.

    Parameters
    ----------
    model : the model the set must be of. Needed when it is not a registered one: a file holds no code.

    Raises
    ------
    FileError
        If the file is missing, truncated, no training set, or holds numbers that cannot be used; or its model is not
        registered and none is given.
    ProtocolError
        If `model` has other parameters, another protocol or another basis than the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a training set written by `raofit simulate`")
    if not h5py.is_hdf5(path):
        raise FileError(f"{path}: this is not an HDF5 file; expected a training set written by `raofit simulate`")
    if not is_intact(path):
        raise FileError(f"{path}: this training set is damaged or cut short (by its checksum); simulate it again")
    try:
        with h5py.File(path, "r") as file:
            stored = _stored(path, file)
        built = stored.model.built(path, "set", "load_training_set") if model is None else model
        stored.model.check(built, "set")
        _check_numbers(path, stored.arrays)
        return TrainingSet(
            **stored.arrays, model=built, prior=prior_from_dict(stored.prior), provenance=stored.provenance
        )
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error
    except FileError:
        raise
    except DAMAGE as error:
        raise FileError(
            f"{path}: this training set is damaged or cut short ({type(error).__name__}: {plain(error)}); "
            "simulate it again"
        ) from error


def _stored(path: Path, file: h5py.File) -> _Stored:
    found = file.attrs.get("format")
    if found != FORMAT:
        what = "no training set" if found is None else f"the format `{plain(found)}`"
        raise FileError(
            f"{path}: expected the format `{FORMAT}`, found {what}; simulate it with this version of raofit"
        )
    missing = [name for name in _DATASETS.values() if name not in file]
    if missing:
        raise FileError(f"{path}: the dataset `{missing[0]}` is missing; the file has {plain(', '.join(sorted(file)))}")
    texts = {name: json.loads(str(file.attrs[name])) for name in ("prior", "provenance")}
    return _Stored(
        model=StoredModel.read(file),
        arrays={name: array_of(file, dataset) for name, dataset in _DATASETS.items()},
        **texts,
    )


def _check_numbers(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name in ("parameters", "signals"):
        if not np.isfinite(arrays[name]).all():
            raise FileError(f"{path}: `{_DATASETS[name]}` holds NaN or infinite values; simulate the set again")
    if not (arrays["bound"] > 0).all():
        raise FileError(f"{path}: expected bounds > 0, found {arrays['bound'].min():g} or NaN; simulate the set again")
