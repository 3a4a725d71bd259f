"""Settings in TOML, JSON and CSV files; what cannot be read is a `FileError` that names the file."""

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

from raofit.core.errors import FileError


def is_file(text: str | Path) -> bool:
    """Whether the text names a file; False also where it is too long for a name, as a list of numbers may be."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: this is not valid TOML ({error})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file, with or without a byte order mark."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: this is not valid JSON ({error})") from error


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
