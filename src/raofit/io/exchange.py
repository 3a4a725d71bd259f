"""A finished folder takes the name of another in one step, where the system can exchange two names."""

import ctypes
import os
import shutil
import sys
from pathlib import Path

from raofit.io.claim import replaced_folder

_AT_CURRENT_FOLDER, _EXCHANGE = -100, 2  # of Linux, see renameat2(2)


def replace(work: Path, path: Path) -> None:
    """Give a file or folder `work` the name `path`; what was there is removed afterwards.

    At every moment `path` is the old or the new one, whole. Only folders on systems that cannot exchange names are gone
    for a moment; if the run is killed just then, the next one puts the old folder back (`claim`).
    """
    if not path.is_dir() or path.is_symlink():
        work.replace(path)
        return
    if _exchanged(work, path):
        shutil.rmtree(work, ignore_errors=True)
        return
    old = replaced_folder(path)
    path.replace(old)
    try:
        work.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two names could be exchanged."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if exchange is None:
        return False
    sys.audit("os.rename", one, other, -1, -1)  # as any other renaming
    names = _AT_CURRENT_FOLDER, os.fsencode(one), _AT_CURRENT_FOLDER, os.fsencode(other)
    return exchange(*names, ctypes.c_uint(_EXCHANGE)) == 0
