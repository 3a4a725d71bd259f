"""One run at a time writes an output; what runs that were killed left beside it is cleared away or put back.

Beside an output `maps`, all hidden: `.maps.lock`, locked by the run that writes it (the system unlocks it when the run
ends, however it ends); `.maps.XXXXXXXX.partial` (folders) and `.XXXXXXXX.partial.maps` (files), not finished yet;
`.maps.XXXXXXXX.replaced`, the old output, on its way out; `.maps.DIGEST.resume`, finished parts of an unfinished run.
"""

import contextlib
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from raofit.core.errors import FileError

try:
    import fcntl
except ImportError:  # not on Windows: there nothing is locked, and nothing cleared
    fcntl = None

_MARK = "[0-9a-f]" * 8


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Keep other runs from writing `path` while the block runs, after clearing away what killed ones left of it.

    Raises
    ------
    FileError
        If another run is writing it.
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor, is_held = _locked(lock, path)
    try:
        if is_held:
            recover(path)
        yield
    finally:
        lock.unlink(missing_ok=True)  # before it is unlocked: who waits for it finds out that it is gone
        os.close(descriptor)


def recover(path: Path) -> None:
    """Clear away what killed runs left beside `path`, which no living one writes, and put back what they moved away."""
    name = glob.escape(path.name)
    for old in path.parent.glob(f".{name}.{_MARK}.replaced"):
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:  # killed before the new one was in place
            old.replace(path)
    for partial in path.parent.glob(f".{name}.{_MARK}.partial"):
        shutil.rmtree(partial, ignore_errors=True)
    for partial in path.parent.glob(f".{_MARK}.partial.{name}"):
        partial.unlink(missing_ok=True)


def partial_folder(path: Path) -> Path:
    """A name for the unfinished folder `path`."""
    return path.with_name(f".{path.name}.{_mark()}.partial")


def partial_file(path: Path) -> Path:
    """A name for the unfinished file `path`; it keeps the suffix, which some writers look at."""
    return path.with_name(f".{_mark()}.partial.{path.name}")


def replaced_folder(path: Path) -> Path:
    """A name for the old folder `path`."""
    return path.with_name(f".{path.name}.{_mark()}.replaced")


def resume_folder(path: Path, digest: str) -> Path:
    """Where finished parts of the output `path` are kept for the run that `digest` stands for."""
    return path.with_name(f".{path.name}.{digest}.resume")


def remove_resume_folders(path: Path) -> None:
    """Delete finished parts of any run: the output `path` is there."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.resume"):
        shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: Path, path: Path) -> tuple[int, bool]:
    """A descriptor of the lock, to be closed, and whether it is locked: some file systems cannot."""
    while True:
        descriptor = _opened(lock, path)
        try:
            if fcntl is None:
                return descriptor, False
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FileError(
                f"{path}: another run of raofit is writing it; wait until that has ended, or choose another name"
            ) from None
        except OSError:
            return descriptor, False
        if _is_at(descriptor, lock):
            return descriptor, True
        os.close(descriptor)  # its run ended and removed it between the two calls


def _opened(lock: Path, path: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError as error:  # the folder is there, but such as /proc
        raise FileError(f"{path}: cannot write there, {path.parent} takes no files; choose another place") from error


def _is_at(descriptor: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


def _mark() -> str:
    return uuid.uuid4().hex[:8]
