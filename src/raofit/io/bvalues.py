"""b-values of a diffusion series, as FSL and scanners write them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from raofit.core.errors import FileError, ProtocolError
from raofit.io.text_formats import absent, read_text

_LARGEST = 50_000.0  # s/mm²
_SMALLEST_MAXIMUM = 10.0  # s/mm²; a series that never exceeds it is in ms/µm²


def read_b_values(path: Path) -> Float[np.ndarray, " volume"]:
    """Read b-values in s/mm² from a text file: a row, a column, or both; blanks, commas and newlines separate.

    Raises
    ------
    FileError
        If the file is missing or holds something else than numbers.
    ProtocolError
        If the numbers are negative, or cannot be s/mm² (s/m² and ms/µm² are recognized).
    """
    values = read_numbers(path, "b-values")
    if np.any(values < 0):
        raise ProtocolError(f"{path}: expected b-values ≥ 0 s/mm², found {values.min():g}; correct the file")
    if values.max() > _LARGEST:
        raise ProtocolError(
            f"{path}: b = {values.max():g} cannot be in s/mm² (at most {_LARGEST:g}); "
            "it looks like s/m²: divide the file's values by 1e6"
        )
    if 0 < values.max() < _SMALLEST_MAXIMUM:
        raise ProtocolError(
            f"{path}: the largest b-value is {values.max():g}, too small for s/mm²; "
            "it looks like ms/µm²: multiply the file's values by 1000"
        )
    return values


def read_numbers(path: Path, what: str) -> Float[np.ndarray, " volume"]:
    """Finite numbers separated by blanks, commas, semicolons or newlines; `what` names them in messages.

    Raises
    ------
    FileError
        If the file is missing, binary, empty, or holds a word that is not a finite number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a text file of {what}, one number per volume")
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: expected a text file of {what}, found binary data") from error
    words = text.replace(",", " ").replace(";", " ").split()
    if not words:
        raise FileError(f"{path}: expected {what}, one number per volume, found an empty file")
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            raise FileError(f"{path}: expected {what} as numbers, found {word[:40]!r}") from None
    array = np.array(values)
    if not np.all(np.isfinite(array)):
        raise FileError(f"{path}: expected finite {what}, found {array[~np.isfinite(array)][0]:g}")
    return array


def require_one_per_volume(values: np.ndarray, source: str, what: str, n_volumes: int, image: Path) -> None:
    """Raise `ProtocolError` unless there is one value per volume; the message names both files and both counts."""
    if values.size != n_volumes:
        raise ProtocolError(
            f"{source} has {values.size} {what} but {image} has {n_volumes} volumes; give one per volume, in order"
        )
