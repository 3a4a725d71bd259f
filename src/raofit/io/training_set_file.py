"""Training sets on disk: one HDF5 file with the samples, what they were made from, and nothing that runs.

Datasets: `parameters`, `coefficients` (the signals), `bound`, `component`, and what rebuilds the model: `protocol/NAME`
and, for a compressed model, `basis` (measurement, coefficient). Attributes: `format`, `model`, and as JSON
`parameters`, `units`, `settings` (the model's options), `prior`, `provenance`. The same set gives the same bytes: no
times, no random order.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from raofit.core.errors import FileError, ProtocolError
from raofit.io.output import new_file
from raofit.models import REGISTRY, AbstractSignalModel, Compressed, build
from raofit.recipes.training_set import Chunk, TrainingSet
from raofit.training.mixture import prior_from_dict
from raofit.training.prior import AbstractPrior

FORMAT = "raofit training set 1"
_DATASETS = dict(zip(Chunk._fields, ("parameters", "coefficients", "bound", "component"), strict=True))
_BASIS_TOLERANCE = 1e-6


class _Stored(NamedTuple):
    """What a file holds, as plain values and arrays."""

    model: str
    parameters: list[str]
    settings: dict[str, Any]
    protocol: dict[str, np.ndarray]
    basis: np.ndarray | None
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
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        attributes = {
            "format": FORMAT,
            "model": model.name,
            "parameters": json.dumps(model.parameter_names),
            "units": json.dumps([parameter.unit for parameter in model.parameters], ensure_ascii=False),
            "settings": json.dumps(model_settings(model)),
            "prior": json.dumps(prior.as_dict()),
            "provenance": json.dumps(provenance, ensure_ascii=False),
        }
        for name, value in attributes.items():
            file.attrs[name] = value
        for name, values in model.protocol.items():
            file.create_dataset(f"protocol/{name}", data=values)
        if isinstance(model, Compressed):
            file.create_dataset("basis", data=model.basis)
        datasets: dict[str, h5py.Dataset] = {}
        start = 0
        for chunk in chunks:
            size = len(chunk.parameters)
            for name, array in zip(_DATASETS.values(), chunk, strict=True):
                if name not in datasets:
                    datasets[name] = file.create_dataset(name, (n_samples, *array.shape[1:]), array.dtype)
                datasets[name][start : start + size] = array
            start += size


def model_settings(model: AbstractSignalModel) -> dict[str, Any]:
    """Options of a model that are plain values, such as a form or a lineshape, by field name."""
    inner = model.model if isinstance(model, Compressed) else model
    names = [field.name for field in dataclasses.fields(inner) if not field.name.startswith("_")]
    values = {name: getattr(inner, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}


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
        raise FileError(f"{path}: no such file; expected a training set written by `raofit simulate`")
    if not h5py.is_hdf5(path):
        raise FileError(f"{path}: this is not an HDF5 file; expected a training set written by `raofit simulate`")
    try:
        with h5py.File(path, "r") as file:
            stored = _stored(path, file)
        built = _model_of(path, stored) if model is None else model
        _check_model(stored, built)
        _check_numbers(path, stored.arrays)
        return TrainingSet(
            **stored.arrays, model=built, prior=prior_from_dict(stored.prior), provenance=stored.provenance
        )
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error
    except FileError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(
            f"{path}: this training set is damaged or cut short ({type(error).__name__}: {error}); simulate it again"
        ) from error


def _stored(path: Path, file: h5py.File) -> _Stored:
    found = file.attrs.get("format")
    if found != FORMAT:
        what = "no training set" if found is None else f"the format `{found}`"
        raise FileError(
            f"{path}: expected the format `{FORMAT}`, found {what}; simulate it with this version of raofit"
        )
    missing = [name for name in _DATASETS.values() if name not in file]
    if missing:
        raise FileError(f"{path}: the dataset `{missing[0]}` is missing; the file has {', '.join(sorted(file))}")
    plain = {name: json.loads(str(file.attrs[name])) for name in ("parameters", "settings", "prior", "provenance")}
    return _Stored(
        model=str(file.attrs["model"]),
        protocol={name: _array(file, f"protocol/{name}") for name in _group(file, "protocol")},
        basis=_array(file, "basis") if "basis" in file else None,
        arrays={name: _array(file, dataset) for name, dataset in _DATASETS.items()},
        **plain,
    )


def _array(file: h5py.File, name: str) -> np.ndarray:
    item = file[name]
    if not isinstance(item, h5py.Dataset):
        raise TypeError(f"`{name}` is no dataset")
    return item[()]


def _group(file: h5py.File, name: str) -> list[str]:
    group = file.get(name)
    return sorted(group) if isinstance(group, h5py.Group) else []


def _model_of(path: Path, stored: _Stored) -> AbstractSignalModel:
    if stored.model not in REGISTRY:
        raise FileError(
            f"{path}: the set was simulated with the model `{stored.model}`, which raofit does not know by name; "
            "pass it as load_training_set(path, model=...)"
        )
    model = build(stored.model, stored.protocol)
    return model if stored.basis is None else Compressed(model, stored.basis)


def _check_model(stored: _Stored, model: AbstractSignalModel) -> None:
    """Raise `ProtocolError` unless the samples are signals of `model`."""
    if stored.model != model.name or stored.parameters != list(model.parameter_names):
        raise ProtocolError(
            f"the set is of the model `{stored.model}` with {', '.join(stored.parameters)}, "
            f"expected `{model.name}` with {', '.join(model.parameter_names)}; simulate a set for this model"
        )
    expected = {name: np.asarray(values) for name, values in model.protocol.items()}
    for name in sorted(stored.protocol.keys() | expected.keys()):
        if not np.array_equal(stored.protocol.get(name, ()), expected.get(name, ())):
            raise ProtocolError(
                f"the set was simulated for another protocol (`{name}` differs); simulate a set for this protocol"
            )
    settings = model_settings(model)
    for name in sorted(stored.settings.keys() | settings.keys()):
        if stored.settings.get(name) != settings.get(name):
            raise ProtocolError(
                f"the set was simulated with {name} = {stored.settings.get(name)!r}, expected {settings.get(name)!r}; "
                "pass the model it was simulated with, or simulate a set for this one"
            )
    _check_basis(stored.basis, model.basis if isinstance(model, Compressed) else None)


def _check_basis(basis: np.ndarray | None, expected: np.ndarray | None) -> None:
    if basis is None and expected is None:
        return
    if basis is None or expected is None:
        raise ProtocolError(
            f"the set holds {'samples' if basis is None else 'coefficients in a basis'}, "
            f"expected {'samples' if expected is None else 'coefficients'}; simulate a set as the measurements are"
        )
    if basis.shape != expected.shape or not np.allclose(basis, expected, atol=_BASIS_TOLERANCE):
        raise ProtocolError(
            f"the set holds coefficients in another basis ({basis.shape[0]}×{basis.shape[1]}, expected "
            f"{expected.shape[0]}×{expected.shape[1]}); simulate a set with the basis of the measurements"
        )


def _check_numbers(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name in ("parameters", "signals"):
        if not np.isfinite(arrays[name]).all():
            raise FileError(f"{path}: `{_DATASETS[name]}` holds NaN or infinite values; simulate the set again")
    if not (arrays["bound"] > 0).all():
        raise FileError(f"{path}: expected bounds > 0, found {arrays['bound'].min():g} or NaN; simulate the set again")
