"""Outputs that appear complete or not at all: a temporary neighbor, renamed at the end, by one run at a time."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from raofit.core.errors import FileError
from raofit.core.storing import storing
from raofit.io.claim import claim, partial_file, partial_folder, remove_resume_folders
from raofit.io.exchange import replace

_MARKER = ".raofit"  # tells a folder raofit wrote, which --force may replace, from anybody else's


def require_free(path: Path, *, force: bool) -> None:
    """Raise `FileError` if `path` exists and `force` is false, or if its parent is no folder or cannot be written."""
    path = Path(path)
    if path.parts and path.parts[0].startswith("~"):
        raise FileError(
            f"{path}: the shell left `~` as it is, and a folder of that name is easily deleted with all of your home; "
            "write out the path, or put a blank before it"
        )
    if (path.exists() or path.is_symlink()) and not force:
        raise FileError(f"{path} exists already; choose another name or add --force to replace it")
    _require_name(path)
    if path.is_symlink() and not path.is_file():
        raise FileError(f"{path} is a link, which --force does not replace; give what it points to, or another name")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileError(f"{path} is a pipe or a device, which --force does not replace; choose another name")
    parent = _existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise FileError(f"{path}: cannot write there, {parent} is not a writable folder; choose another place")


def require_free_file(path: Path, *, force: bool) -> None:
    """As `require_free`, and raise if `path` is a folder."""
    require_free(path, force=force)
    if Path(path).is_dir():
        raise FileError(f"{path} is a folder, expected a file to write; choose another name")


def require_free_folder(path: Path, *, force: bool) -> None:
    """As `require_free`, and raise if `path` is not a folder that `--force` may replace."""
    require_free(path, force=force)
    require_replaceable(Path(path))


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
        If `path` exists and `force` is false, if it is not a folder written by this function (or an empty one), if
        another run is writing it, or if the place is not writable or full.
    """
    path = Path(path)
    with _in_place_at_the_end(path, partial_folder, lambda: require_free_folder(path, force=force)) as work:
        work.mkdir()
        (work / _MARKER).touch()
        yield work


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary file name beside `path`, renamed to `path` when the block ends well and deleted when it does not.

    Raises
    ------
    FileError
        If `path` exists and `force` is false, if another run is writing it, or if the place is not writable or full.
    """
    path = Path(path)
    with _in_place_at_the_end(path, partial_file, lambda: require_free_file(path, force=force)) as work:
        yield work


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other runs from `path` while the block writes it or beside it.

    Raises
    ------
    FileError
        If another run does, or if the place is not writable or full.
    """
    _require_name(path)
    with storing(path), parents_of(path), claim(path):
        yield


@contextlib.contextmanager
def _in_place_at_the_end(path: Path, partial: Callable[[Path], Path], check: Callable[[], None]) -> Iterator[Path]:
    """A partial neighbor, renamed to `path` when the block ends well; nothing is left when it does not."""
    check()
    work = partial(path)
    with held(path):
        check()  # what a killed run left is in order again, and another run may have ended meanwhile
        try:
            yield work
            replace(work, path)
            remove_resume_folders(path)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True) if work.is_dir() else work.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """The folders above `path`; those that are new are deleted again when the block fails."""
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _require_name(path: Path) -> None:
    if path.name in ("", ".."):
        raise FileError(f"{path}: expected a name to write, found a place; write out the name of the output itself")


def _existing_parent(path: Path) -> Path:
    parent = path.absolute().parent
    while not os.path.lexists(parent):
        parent = parent.parent
    return parent
