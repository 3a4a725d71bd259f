"""Outputs that appear complete or not at all: a temporary neighbor, renamed at the end."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from raofit.core.errors import FileError

_MARKER = ".raofit"  # tells a folder raofit wrote, which --force may replace, from anybody else's


def require_free(path: Path, *, force: bool) -> None:
    """Raise `FileError` if `path` exists and `force` is false, or if its parent is no folder or cannot be written."""
    path = Path(path)
    if (path.exists() or path.is_symlink()) and not force:
        raise FileError(f"{path} exists already; choose another name or add --force to replace it")
    parent = _existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise FileError(f"{path}: cannot write there, {parent} is not a writable folder; choose another place")


def require_replaceable(path: Path) -> None:
    """Raise `FileError` if `path` is a file, or a folder that holds anything raofit did not write."""
    if path.exists() and not path.is_dir():
        raise FileError(f"{path} is a file, expected a folder to write to; choose another name")
    if path.is_dir() and any(path.iterdir()) and not (path / _MARKER).exists():
        raise FileError(f"{path} was not written by raofit, so --force does not replace it; choose another folder")


@contextlib.contextmanager
def new_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to `path` when the block ends well and deleted when it does not.

    Raises
    ------
    FileError
        If `path` exists and `force` is false, if it is not a folder written by this function (or an empty one), or if
        the place is not writable.
    """
    path = Path(path)
    require_free(path, force=force)
    require_replaceable(path)
    made = _make_parents(path)
    work = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        work.mkdir()
        (work / _MARKER).touch()
        yield work
        replace(work, path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary file name beside `path`, renamed to `path` when the block ends well and deleted when it does not.

    Raises
    ------
    FileError
        If `path` exists and `force` is false, or the place is not writable.
    """
    path = Path(path)
    require_free(path, force=force)
    made = _make_parents(path)
    work = path.with_name(f".{uuid.uuid4().hex[:8]}.partial.{path.name}")  # keeps the suffix writers look at
    try:
        yield work
        replace(work, path)
    except BaseException:
        work.unlink(missing_ok=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def replace(work: Path, path: Path) -> None:
    """Rename `work` to `path`; what was there is removed only after the new one is in place."""
    if not path.is_dir() or path.is_symlink():
        work.replace(path)
        return
    old = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.replaced")
    path.replace(old)
    try:
        work.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _existing_parent(path: Path) -> Path:
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    return parent


def _make_parents(path: Path) -> list[Path]:
    """Create the folders above `path`; return those that are new, innermost first."""
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    return missing
