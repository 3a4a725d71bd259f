"""What damaged files make of the libraries that read them, and datasets that claim more than any memory holds."""

import math

import h5py
import numpy as np

NUMERIC = "biufc"
DAMAGE = (OSError, RuntimeError, LookupError, ArithmeticError, TypeError, ValueError, AttributeError)

_MOST_COMPRESSION = 1100  # deflate makes at most 1032 bytes of one
_UNCHECKED = 1 << 16  # bytes that any dataset may have


def array_of(file: h5py.File, name: str) -> np.ndarray:
    """A dataset of numbers.

    Raises
    ------
    TypeError, ValueError
        If it is none, or claims more numbers than the file can hold.
    """
    item = file[name]
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind not in NUMERIC:
        raise TypeError(f"`{name}` is no dataset of numbers")
    require_stored(item)
    return item[()]


def require_stored(item: h5py.Dataset) -> None:
    """Raise `ValueError` unless the file holds what the dataset claims, compressed or not."""
    claimed = math.prod(item.shape or ()) * item.dtype.itemsize
    if claimed > _UNCHECKED + _MOST_COMPRESSION * item.id.get_storage_size():
        raise ValueError(f"`{item.name}` claims {claimed} bytes, the file holds {item.id.get_storage_size()} of them")
