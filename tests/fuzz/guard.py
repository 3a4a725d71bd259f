"""What no reader may do, whatever it is given: raise anything but a sentence, hang, fill the memory, leave files."""

import contextlib
import resource
import signal
import tempfile
import warnings
from pathlib import Path

from raofit.core.errors import RaofitError

SECONDS, BYTES = 5.0, 1 << 30


class Misbehaved(AssertionError):
    """What a reader did, with the seed that repeats it."""


def read_safely(read, path: Path) -> bool:
    """Whether `read(path)` read the file; False if it refused it with one sentence that names the file.

    Raises
    ------
    Misbehaved
        If it did anything else.
    """
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NumPy about numbers too large, of nibabel about headers it repairs
            read(path)
    except RaofitError as error:
        words = str(error)
        if path.name not in words:
            raise Misbehaved(f"the sentence does not name the file: {words}") from error
        if "\n" in words or not words.isprintable():
            raise Misbehaved(f"not one readable sentence: {words[:300]!r}") from error
        return False
    except Exception as error:
        raise Misbehaved(f"{type(error).__name__}: {str(error)[:300]}") from error
    return True


def stray_files(folder: Path) -> list[str]:
    """Files of any reader beside the one it was given, or in the folder for temporary files."""
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())


@contextlib.contextmanager
def own_temporary_folder(folder: Path):
    """Temporary files go to `folder`."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _limits():
    """An alarm after some seconds, and no more than a gigabyte above what the process has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, hard))
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _too_long(*_):
    raise TimeoutError(f"still reading after {SECONDS:g} s")
