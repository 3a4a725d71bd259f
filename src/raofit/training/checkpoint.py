"""A training state on disk, replaced in one step so that a kill at any moment leaves the old or the new one whole."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from raofit.core.errors import FileError
from raofit.core.storing import storing

_FORMAT = "raofit training checkpoint 1"


@dataclasses.dataclass(frozen=True)
class CheckpointFile:
    """Arrays of an unfinished training plus a fingerprint of the run they belong to, as one safetensors file."""

    path: Path

    def __init__(self, path: str | os.PathLike):
        object.__setattr__(self, "path", Path(path))

    def save(self, arrays: Mapping[str, np.ndarray], fingerprint: str) -> None:
        """Write to a temporary name in the same folder, then rename.

        Raises
        ------
        FileError
            If the place is not writable or full; the checkpoint that was there is kept.
        """
        content = safetensors.numpy.save(
            {name: np.asarray(array, order="C") for name, array in arrays.items()},
            metadata={"raofit": json.dumps({"format": _FORMAT, "fingerprint": fingerprint})},
        )
        try:
            with storing(self.path):
                self._temporary.write_bytes(content)
                self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def load(self, fingerprint: str) -> dict[str, np.ndarray] | None:
        """The saved arrays, or None if there is no file.

        Raises
        ------
        FileError
            If the file is not a checkpoint, or belongs to another run.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})["raofit"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
            raise FileError(
                f"{self.path}: expected a training checkpoint of raofit, got a file that cannot be read as one; "
                "delete it to start over"
            ) from error
        if header.get("format") != _FORMAT or header.get("fingerprint") != fingerprint:
            raise FileError(
                f"{self.path}: this checkpoint belongs to another training (other data, settings or seed); "
                "delete it to start over, or resume with the settings it was started with"
            )
        return arrays

    def remove(self) -> None:
        """Delete the file once the training has ended, and what a kill in the middle of saving may have left."""
        self.path.unlink(missing_ok=True)
        self._temporary.unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")
