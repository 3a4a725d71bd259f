"""A checksum in front of HDF5 files that raofit writes: the HDF5 library may crash on damaged ones, so it sees none."""

import hashlib
from pathlib import Path

USER_BLOCK = 512  # bytes that HDF5 leaves to others at the start of a file

_WORDS = b"raofit HDF5 file, SHA-256 of all bytes after the first 512: "
_SIGNATURE, _MATLAB = b"\x89HDF\r\n\x1a\n", b"MATLAB"  # how a file begins without a user block, or with MATLAB's
_READ_BYTES = 1 << 20


def seal(path: Path) -> None:
    """State the checksum of a finished file in its user block."""
    words = _sealing(path)
    with path.open("r+b") as file:
        file.write(words)


def is_intact(path: Path) -> bool:
    """Whether the file is as it was sealed, or was never sealed: from before files were, or from MATLAB."""
    with path.open("rb") as file:
        head = file.read(USER_BLOCK)
    return head.startswith((_SIGNATURE, _MATLAB)) or head == _sealing(path)


def _sealing(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(USER_BLOCK)
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return (_WORDS + digest.hexdigest().encode() + b"\n").ljust(USER_BLOCK, b"\0")
