"""The signal model of an HDF5 file: what rebuilds it, and whether it is the one expected.

Attributes `model`, and as JSON `parameters`, `units`, `settings` (the model's options); datasets `protocol/NAME` and,
for a compressed model, `basis` (measurement, coefficient).
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from raofit.core.errors import FileError, ProtocolError
from raofit.io.damage import array_of
from raofit.io.text_formats import plain, shown
from raofit.models import REGISTRY, AbstractSignalModel, Compressed, build

_BASIS_TOLERANCE = 1e-6


class StoredModel(NamedTuple):
    """What a file says of its model, as plain values and arrays."""

    name: str
    parameters: list[str]
    settings: dict[str, Any]
    protocol: dict[str, np.ndarray]
    basis: np.ndarray | None

    @staticmethod
    def read(file: h5py.File) -> "StoredModel":
        """The model an open file was made with."""
        group = file.get("protocol")
        names = sorted(group) if isinstance(group, h5py.Group) else []
        return StoredModel(
            name=str(file.attrs["model"]),
            parameters=json.loads(str(file.attrs["parameters"])),
            settings=json.loads(str(file.attrs["settings"])),
            protocol={name: array_of(file, f"protocol/{name}") for name in names},
            basis=array_of(file, "basis") if "basis" in file else None,
        )

    def built(self, path: Path, noun: str, loader: str) -> AbstractSignalModel:
        """The model, if raofit knows it by name.

        Raises
        ------
        FileError
            If it does not.
        """
        if self.name not in REGISTRY:
            raise FileError(
                f"{path}: the {noun} was simulated with the model `{plain(self.name)}`, which raofit does not know by "
                f"name; pass it as {loader}(path, model=...)"
            )
        model = build(self.name, self.protocol)
        return model if self.basis is None else Compressed(model, self.basis)

    def check(self, model: AbstractSignalModel, noun: str) -> None:
        """Raise `ProtocolError` unless the file holds signals of `model`; `noun` is what the file is."""
        if self.name != model.name or self.parameters != list(model.parameter_names):
            raise ProtocolError(
                f"the {noun} is of the model `{plain(self.name)}` with {plain(', '.join(self.parameters))}, "
                f"expected `{model.name}` with {', '.join(model.parameter_names)}; simulate a {noun} for this model"
            )
        expected = {name: np.asarray(values) for name, values in model.protocol.items()}
        for name in sorted(self.protocol.keys() | expected.keys()):
            if not np.array_equal(self.protocol.get(name, ()), expected.get(name, ())):
                raise ProtocolError(
                    f"the {noun} was simulated for another protocol (`{name}` differs); "
                    f"simulate a {noun} for this protocol"
                )
        settings = model_settings(model)
        for name in sorted(self.settings.keys() | settings.keys()):
            if self.settings.get(name) != settings.get(name):
                raise ProtocolError(
                    f"the {noun} was simulated with {plain(name)} = {shown(self.settings.get(name))}, expected "
                    f"{settings.get(name)!r}; pass the model it was simulated with, or simulate a {noun} for this one"
                )
        self._check_basis(model.basis if isinstance(model, Compressed) else None, noun)

    def _check_basis(self, expected: np.ndarray | None, noun: str) -> None:
        basis = self.basis
        if basis is None and expected is None:
            return
        if basis is None or expected is None:
            raise ProtocolError(
                f"the {noun} holds {'samples' if basis is None else 'coefficients in a basis'}, "
                f"expected {'samples' if expected is None else 'coefficients'}; simulate a {noun} as the "
                "measurements are"
            )
        if basis.shape != expected.shape or not np.allclose(basis, expected, atol=_BASIS_TOLERANCE):
            raise ProtocolError(
                f"the {noun} holds coefficients in another basis ({basis.shape[0]}×{basis.shape[1]}, expected "
                f"{expected.shape[0]}×{expected.shape[1]}); simulate a {noun} with the basis of the measurements"
            )


def write_model(file: h5py.File, model: AbstractSignalModel) -> None:
    """Write what `StoredModel.read` reads to an open file."""
    attributes = {
        "model": model.name,
        "parameters": json.dumps(model.parameter_names),
        "units": json.dumps([parameter.unit for parameter in model.parameters], ensure_ascii=False),
        "settings": json.dumps(model_settings(model)),
    }
    for name, value in attributes.items():
        file.attrs[name] = value
    for name, values in model.protocol.items():
        file.create_dataset(f"protocol/{name}", data=values)
    if isinstance(model, Compressed):
        file.create_dataset("basis", data=model.basis)


def model_settings(model: AbstractSignalModel) -> dict[str, Any]:
    """Options of a model that are plain values, such as a form or a lineshape, by field name."""
    inner = model.model if isinstance(model, Compressed) else model
    names = [field.name for field in dataclasses.fields(inner) if not field.name.startswith("_")]
    values = {name: getattr(inner, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}
