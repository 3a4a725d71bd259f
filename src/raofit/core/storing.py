"""What a place that cannot be written to means for the person who chose it."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from raofit.core.errors import FileError

_NAMES = {"EACCES", "EDQUOT", "EFBIG", "EIO", "ENAMETOOLONG", "ENOSPC", "EPERM", "EROFS"}
_OF_THE_PLACE = {number for number, name in errno.errorcode.items() if name in _NAMES}


def is_of_the_place(error: BaseException) -> bool:
    """Whether it is about a full disk, a folder that is read only, or the like, and so no defect of raofit."""
    return isinstance(error, OSError) and error.errno in _OF_THE_PLACE


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Name `path` and say what to do where the block cannot write.

    Raises
    ------
    FileError
        In place of the system's error.
    """
    try:
        yield
    except OSError as error:
        if not is_of_the_place(error):
            raise
        reason = os.strerror(error.errno or 0).lower()
        raise FileError(f"{path}: could not be written ({reason}); make room, or choose another place") from error
