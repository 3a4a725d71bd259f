"""Numeric arrays of MATLAB files of version 5 to 7, every size checked against the file.

SciPy's reader believes the sizes a file states and may crash on a damaged one. A file is a header of 128 bytes and
elements: type and number of bytes, then the bytes, filled up to a multiple of 8. A matrix is an element of elements
(flags, dimensions, name, real parts, imaginary parts); a compressed one is deflated as a whole.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_HEADER, _ENDIAN = 128, slice(126, 128)
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_IS_COMPLEX = 0x800
_HEAD_BYTES = 1 << 14  # flags, dimensions and name of a matrix


def names_in(path: Path) -> tuple[str, ...]:
    """Names of the variables, in the order of the file.

    Raises
    ------
    ValueError, zlib.error
        If the file is damaged.
    """
    found = (_head(order, matrix)[0] for order, matrix in _matrices(path, _HEAD_BYTES))
    return tuple(name for name in found if name)


def read_array(path: Path, name: str) -> np.ndarray | None:
    """The variable `name` in MATLAB's axis order and class; None for what is no array of numbers.

    Raises
    ------
    ValueError, zlib.error
        If the file is damaged.
    KeyError
        If there is no such variable.
    """
    for order, matrix in _matrices(path):
        found, flags, shape, rest = _head(order, matrix)
        if found != name:
            continue
        kind = _CLASSES.get(flags & 0xFF)
        if kind is None:
            return None
        parts = [_numbers(order, rest, shape).astype(kind)]
        if flags & _IS_COMPLEX:
            parts.append(_numbers(order, rest, shape).astype(kind))
        return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
    raise KeyError(name)


def _matrices(path: Path, most: int = 0) -> Iterator[tuple[str, memoryview]]:
    """Byte order and content of each matrix; of compressed ones the first `most` bytes, 0 for all."""
    content = memoryview(path.read_bytes())
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[_ENDIAN]))
    if order is None:
        raise ValueError("no byte order")
    for kind, data in _elements(order, content[_HEADER:]):
        if kind == _COMPRESSED:
            inflated = memoryview(zlib.decompressobj().decompress(data, most))
            size = int(np.frombuffer(inflated[4:8], order + "u4")[0]) if len(inflated) >= 8 else -1
            if size < 0 or (size > len(inflated) - 8 and len(inflated) != most):
                raise ValueError("a compressed matrix is cut short")
            yield order, inflated[8 : 8 + size]
        elif kind == _MATRIX:
            yield order, data


def _elements(order: str, content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each element; of up to four bytes they may stand in the place of their number."""
    while len(content):
        if len(content) < 8:
            raise ValueError("an element is cut short")
        kind, size = (int(word) for word in np.frombuffer(content[:8], order + "u4"))
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, 4, 8
        else:
            start, end = 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(content) or start + size > end:
            raise ValueError("an element is cut short")
        yield kind, content[start : start + size]
        content = content[end:]


def _head(order: str, matrix: memoryview) -> tuple[str, int, tuple[int, ...], Iterator[tuple[int, memoryview]]]:
    """Name, flags and shape of a matrix, and its elements after them."""
    elements = _elements(order, matrix)
    (_, flags), (_, sizes), (_, name) = next(elements, (0, b"")), next(elements, (0, b"")), next(elements, (0, b""))
    if len(flags) != 8 or len(sizes) % 4:
        raise ValueError("a matrix has no flags or no size")
    shape = tuple(int(size) for size in np.frombuffer(sizes, order + "i4"))
    return bytes(name).decode("latin-1"), int(np.frombuffer(flags, order + "u4")[0]), shape, elements


def _numbers(order: str, elements: Iterator[tuple[int, memoryview]], shape: tuple[int, ...]) -> np.ndarray:
    kind, data = next(elements, (0, b""))
    if kind not in _STORED or len(shape) < 2 or min(shape) < 0:
        raise ValueError("a matrix has no numbers")
    values = np.frombuffer(data, order + _STORED[kind])
    if values.size != math.prod(shape):
        raise ValueError("a matrix has another number of values than its size says")
    return values.reshape(shape, order="F")
