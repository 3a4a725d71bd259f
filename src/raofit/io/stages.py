"""Finished stages of a long run on disk, so that an interrupted run continues to the same result."""

import contextlib
import errno
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raofit.core.errors import FileError
from raofit.core.storing import storing
from raofit.io.claim import partial_file, partial_folder, recover
from raofit.io.output import parents_of

Arrays = dict[str, np.ndarray]

_MARKER = "settings.sha256"
_MADE_BY_ANOTHER = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT)  # or cleared away by it: try again


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
        self._fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        recover(self.path)
        with storing(self.path), parents_of(self.path):
            while (found := self._found()) is None:
                self._create()
        if found != self._fingerprint:
            raise FileError(
                f"{self.path} holds the unfinished run of other settings; delete that folder, or repeat the command it "
                "was started with"
            )

    @property
    def exists(self) -> bool:
        """Whether the folder is still that of the run: nobody finished the run and removed it."""
        return self._found() == self._fingerprint

    def run(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The stored result of stage `name`, or `compute()`, stored in one step when it is complete."""
        path = self.file(name, ".npz")
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        result = {key: np.asarray(value) for key, value in compute().items()}
        work = partial_file(path)
        try:
            with storing(path):
                np.savez(work, **result)
                if self.exists:
                    work.replace(path)
        except FileNotFoundError:  # the folder was removed meanwhile
            if self.exists:
                raise
        finally:
            work.unlink(missing_ok=True)
        return result

    def has(self, name: str) -> bool:
        """Whether stage `name` is stored."""
        return self.file(name, ".npz").is_file()

    def file(self, name: str, suffix: str) -> Path:
        """Where a stage may keep a file of its own, such as a training checkpoint."""
        return self.path / (re.sub(r"[^\w.-]+", "-", name) + suffix)

    def remove(self) -> None:
        """Delete the folder; in one step, so that no later run takes a part of it for a folder of its own."""
        old = partial_folder(self.path)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(old)
        shutil.rmtree(old, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Delete the folder unless there is anything in it that the same command can continue from."""
        if [path.name for path in self.path.glob("*")] == [_MARKER]:
            self.remove()

    def _found(self) -> str | None:
        """What the folder says of its run; None if it is not there or empty."""
        with contextlib.suppress(FileNotFoundError):
            return (self.path / _MARKER).read_text().strip()
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / _MARKER).exists():
            raise FileError(f"{self.path} does not say which run it belongs to; delete that folder")
        return None

    def _create(self) -> None:
        """Make the folder with its marker in one step; several processes may do so at the same time."""
        work = partial_folder(self.path)
        try:
            work.mkdir(parents=True)
            (work / _MARKER).write_text(self._fingerprint)
            work.rename(self.path)
        except OSError as error:
            if error.errno not in _MADE_BY_ANOTHER:
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
