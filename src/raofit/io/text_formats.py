"""Settings in TOML, JSON and CSV files; what cannot be read is a `FileError` that names the file."""

import csv
import json
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raofit.core.errors import FileError

_MOST_SHOWN, _MOST_LETTERS, _MOST_NAMES = 60, 200, 8


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file, with or without a byte order mark."""
    return _parsed(path, tomllib.loads, "TOML")


def read_json(path: Path) -> Any:
    """The content of a JSON file, with or without a byte order mark."""
    return _parsed(path, json.loads, "JSON")


def read_csv_columns(path: Path) -> dict[str, list[str]]:
    """The cells below each name in the header of a CSV file with one row per pulse."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: this is not a CSV file ({error})") from error
    if not rows:
        raise FileError(f"{path}: expected a header and one row per pulse, found no rows")
    return {name: [row[name] for row in rows] for name in rows[0] if name}


def absent(path: Path) -> str:
    """What is wrong with a path where a file was expected."""
    if path.is_dir():
        return "this is a folder"
    return "this is a pipe or a device" if path.exists() else "no such file"


def read_text(path: Path) -> str:
    """The text of a file, with or without a byte order mark.

    Raises
    ------
    FileError
        If the system does not give it: a folder, a link to nowhere, a file of somebody else.
    UnicodeDecodeError
        If it is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise FileError(f"{path}: the file could not be read ({reason}); check the path and its permissions") from error


def names_a_file(text: str | Path) -> bool:
    """Whether there is a file of that name; a list of many values is longer than a name may be."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def shown(value: Any) -> str:
    """A value of a file as a message shows it: at most some 60 characters, on one line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number with thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def plain(text: object) -> str:
    """A text of a file, or an error about it, as a message shows it: at most some 200 characters, on one line."""
    return repr(str(text)[:_MOST_LETTERS])[1:-1]


def count_of(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count_of(1, "voxel"), count_of(0, "voxel")
    ('1 voxel', '0 voxels')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def share_of(count: float, total: float) -> str:
    """A share in percent; a few are not none, and all but a few not all.

    Examples
    --------
    >>> share_of(1, 4), share_of(1, 3000), share_of(2999, 3000), share_of(0, 0)
    ('25.0%', '< 0.1%', '> 99.9%', '0.0%')
    """
    share = count / total if total else 0.0
    if 0 < share < 0.0005:
        return "< 0.1%"
    return "> 99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


def in_backticks(names: Sequence[str]) -> str:
    """Names of a file as a message shows them: the first ones, in backticks."""
    words = [f"`{plain(name)}`" for name in names[:_MOST_NAMES]]
    return ", ".join([*words, "…"] if len(names) > _MOST_NAMES else words)


def _parsed(path: Path, parse: Callable[[str], Any], kind: str) -> Any:
    try:
        return parse(read_text(path))
    except FileError:
        raise
    except RecursionError as error:
        raise FileError(f"{path}: this is not valid {kind} (nested too deeply)") from error
    except ValueError as error:  # of the format, the encoding, or a number with thousands of digits
        raise FileError(f"{path}: this is not valid {kind} ({error})") from error
