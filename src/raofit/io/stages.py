"""Finished stages of a long run on disk, so that an interrupted run continues to the same result."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raofit.core.errors import FileError
from raofit.io.output import new_file

Arrays = dict[str, np.ndarray]

_MARKER = "settings.sha256"


class StageFolder:
    """A folder with one NPZ file per finished stage of a run; several processes may work in it.

    Parameters
    ----------
    path : created if missing.
    settings : everything the results depend on; a folder of other settings is refused.

    Raises
    ------
    FileError
        If the folder holds stages of a run with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path = Path(path)
        fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        marker = self.path / _MARKER
        if marker.is_file() and marker.read_text().strip() != fingerprint:
            raise FileError(
                f"{self.path} holds the unfinished run of other settings; delete that folder, or repeat the command it "
                "was started with"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        if not marker.is_file():
            with new_file(marker, force=True) as work:
                work.write_text(fingerprint)

    @property
    def exists(self) -> bool:
        """Whether the folder is still that of the run: nobody finished the run and removed it."""
        return (self.path / _MARKER).is_file()

    def run(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The stored result of stage `name`, or `compute()`, stored in one step when it is complete."""
        path = self.file(name, ".npz")
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        result = {key: np.asarray(value) for key, value in compute().items()}
        with new_file(path, force=True) as work:  # another process may have finished the same stage meanwhile
            np.savez(work, **result)
        return result

    def has(self, name: str) -> bool:
        """Whether stage `name` is stored."""
        return self.file(name, ".npz").is_file()

    def file(self, name: str, suffix: str) -> Path:
        """Where a stage may keep a file of its own, such as a training checkpoint."""
        return self.path / (re.sub(r"[^\w.-]+", "-", name) + suffix)
