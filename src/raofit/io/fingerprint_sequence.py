"""Sequences of fingerprinting from TOML, JSON or CSV, spoiled or balanced: degrees and milliseconds in the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from raofit.core.errors import FileError, ProtocolError
from raofit.io.text_formats import absent, plain, read_csv_columns, read_json, read_toml

_FOLDER = Path(__file__).parents[1] / "sequences"


class _Key(NamedTuple):
    """A setting in a file: the model's name of it, the factor to its SI unit, its value where the file has none."""

    field: str
    factor: float
    default: float | None


_SPOILED = {
    "flip_angles_deg": _Key("flip_angles", np.pi / 180, None),
    "repetition_times_ms": _Key("repetition_times", 1e-3, None),
    "echo_times_ms": _Key("echo_times", 1e-3, 0.0),
    "rf_phases_deg": _Key("rf_phases", np.pi / 180, 0.0),
    "inversion_time_ms": _Key("inversion_time", 1e-3, 0.0),
    "inversion_efficiency": _Key("inversion_efficiency", 1.0, 1.0),
    "slice_profile": _Key("slice_profile", 1.0, 1.0),
}
_BALANCED = {
    "flip_angles_deg": _SPOILED["flip_angles_deg"],
    "repetition_time_ms": _Key("repetition_time", 1e-3, None),
    "inversion_efficiency": _SPOILED["inversion_efficiency"],
    "is_repeated": _Key("is_repeated", 1.0, 0.0),
}
_SCALARS = ("repetition_time_ms", "inversion_time_ms", "inversion_efficiency", "is_repeated")
_PER_ROW = 12
_LARGEST_DEGREES, _LEAST_DEGREES = 360.0, 7.0


def shipped_sequences() -> dict[str, Path]:
    """Sequences that come with the package, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def load_sequence(path: str | Path) -> dict[str, Any]:
    """The acquisition settings of a fingerprinting model in a file, or of a sequence that comes with the package.

    With `repetition_times_ms`, they are those of gradient-spoiled pulses, `raofit.models.MRFFISP`; with
    `repetition_time_ms`, those of balanced pulses, `raofit.models.HybridState`.

    - `.toml`, `.json`: `flip_angles_deg` (list) and one of
        - `repetition_times_ms` (a number or a list); where they differ from 0, 0, 0, 1 and 1: `echo_times_ms`,
          `rf_phases_deg` (numbers or lists), `inversion_time_ms`, `inversion_efficiency` and `slice_profile` (list);
        - `repetition_time_ms` (a number); where they differ from 1 and false: `inversion_efficiency` and `is_repeated`.
    - `.csv`: a header with some of these names and one row per pulse; what is one number, in its first row.
    - the name of a shipped sequence: `fisp-880` (spoiled), `hybrid-840` (balanced).

    Returns
    -------
    dict[str, Any]
        Settings by the model's names, in radians and seconds.

    Raises
    ------
    FileError
        If the file is missing, unreadable, or lacks one of the two.
    ProtocolError
        If values are not finite, negative times, or flip angles in radians.

    Examples
    --------
    >>> sequence = load_sequence("fisp-880")
    >>> print(len(sequence["flip_angles"]), sequence["repetition_times"])
    880 [0.012]
    """
    path = shipped_sequences().get(str(path), Path(path))
    readers = {".toml": read_toml, ".json": _from_json, ".csv": _from_csv}
    if path.suffix.lower() not in readers:
        raise FileError(
            f"{path}: expected a fingerprinting sequence in a file ending in {', '.join(readers)}, "
            f"or {' or '.join(shipped_sequences())}"
        )
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a fingerprinting sequence")
    content = readers[path.suffix.lower()](path)
    keys = _BALANCED if "repetition_time_ms" in content else _SPOILED
    unknown = [key for key in content if key not in keys]
    missing = [key for key, entry in keys.items() if entry.default is None and key not in content]
    if unknown or missing:
        problem = f"there is no setting `{plain(unknown[0])}`" if unknown else f"no `{missing[0]}` in it"
        spoiled, balanced = (", ".join(f"`{key}`" for key in kind) for kind in (_SPOILED, _BALANCED))
        raise FileError(f"{path}: {problem}; a sequence has {spoiled}, or if its pulses are balanced {balanced}")
    return {entry.field: _setting(path, key, content.get(key, entry.default), entry) for key, entry in keys.items()}


def load_sequence_for(field_names: Sequence[str], path: str | Path) -> dict[str, Any]:
    """The settings `field_names` of a model from a sequence file (see `load_sequence`).

    Raises
    ------
    FileError, ProtocolError
        As `load_sequence`, and if the sequence is spoiled and the model is of balanced pulses, or the reverse.
    """
    found = load_sequence(path)
    if sorted(found) != sorted(field_names):
        spoiled = "gradient-spoiled pulses (`repetition_times_ms`, for mrf-fisp)"
        balanced = "balanced pulses (`repetition_time_ms`, for mrf-hybrid-state)"
        present, wanted = (balanced, spoiled) if "repetition_time" in found else (spoiled, balanced)
        raise ProtocolError(
            f"{path}: this is a sequence of {present}, and the model is one of {wanted}; choose the other model, or "
            f"another file"
        )
    return {name: found[name] for name in field_names}


def write_sequence(path: str | Path, settings: Mapping[str, Any], comment: str) -> None:
    """Write the settings of `raofit.models.MRFFISP` or `HybridState` to a TOML file that `load_sequence` reads.

    Numbers have seven digits; a list of equal numbers becomes one number. `comment` is the first line.
    """
    keys = _BALANCED if "repetition_time" in settings else _SPOILED
    lines = [f"# {comment}"]
    for key, entry in keys.items():
        words = [f"{value:.7g}" for value in np.ravel(settings[entry.field]) / entry.factor]
        lines.append(f"{key} = {words[0] if len(set(words)) == 1 else _wrapped(words)}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _wrapped(words: list[str]) -> str:
    rows = [", ".join(words[start : start + _PER_ROW]) for start in range(0, len(words), _PER_ROW)]
    return "[\n" + "".join(f"  {row},\n" for row in rows) + "]"


def _setting(path: Path, key: str, values: Any, entry: _Key) -> np.ndarray | float:
    try:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        raise FileError(f"{path}: expected numbers for `{key}`") from None
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise ProtocolError(f"{path}: expected a list of finite numbers for `{key}`; correct the file")
    if key.endswith("_ms") and array.min() < 0:
        raise ProtocolError(f"{path}: expected times ≥ 0 ms for `{key}`, found {array.min():g}; correct the file")
    if key == "flip_angles_deg" and not _LEAST_DEGREES <= array.max() <= _LARGEST_DEGREES:
        advice = "multiply radians by 180/π" if array.max() < _LEAST_DEGREES else "they are in degrees"
        raise ProtocolError(f"{path}: the largest flip angle is {array.max():g}°; {advice}")
    array = array * entry.factor
    if key not in _SCALARS:
        return array
    if np.ptp(array) > 0:
        raise ProtocolError(f"{path}: expected one number for `{key}`, found {array.size}")
    return float(array[0])


def _from_json(path: Path) -> Mapping[str, Any]:
    content = read_json(path)
    if not isinstance(content, Mapping):
        raise FileError(f"{path}: expected settings by name, such as `flip_angles_deg`")
    return content


def _from_csv(path: Path) -> Mapping[str, Any]:
    columns = read_csv_columns(path)
    return {name: cells[:1] if name in _SCALARS else cells for name, cells in columns.items()}
