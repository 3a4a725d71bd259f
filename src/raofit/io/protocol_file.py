"""The protocol of a series from what users have: b-value files, lists of times, BIDS sidecars, pulse trains."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from raofit.core.errors import FileError, ProtocolError
from raofit.io.bvalues import read_b_values, read_numbers, require_one_per_volume
from raofit.io.pulse_trains import load_trains

_SECONDS = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "s": 1.0, "": 1.0}
_LONGEST = 10.0  # s; an echo time above it was given in ms


def series_protocol(
    field_names: Sequence[str], images: Sequence[Path], n_volumes: int, *, bval: Path | None, te: str | None
) -> dict[str, Float[np.ndarray, " volume"]]:
    """Acquisition settings of a series for the protocol fields a model asks for.

    Parameters
    ----------
    field_names : `b_values` (s/mm²) and/or `echo_times` (s).
    images : the image files; a file not given explicitly is looked for beside the first one.
    bval : text file of b-values; default: the image's name with `.bval`.
    te : echo times as a file or a list (see `read_times`); default: `EchoTime` of the images' JSON sidecars.

    Raises
    ------
    FileError, ProtocolError
        If settings are missing, unreadable, implausible, or not one per volume.
    """
    protocol = {}
    for name in field_names:
        values, source, what = _setting(name, images, bval, te)
        require_one_per_volume(values, source, what, n_volumes, images[0])
        protocol[name] = values
    return protocol


def stated_protocol(
    field_names: Sequence[str],
    *,
    bval: Path | None = None,
    te: str | None = None,
    trains: Path | None = None,
    tr: str | None = None,
) -> dict[str, Any]:
    """Acquisition settings for the protocol fields a model asks for, without any image.

    Parameters
    ----------
    field_names : `b_values` (s/mm²), `echo_times` (s), or `flip_angles` (rad), `pulse_durations` (s) and
        `repetition_time` (s).
    bval, te : as for `series_protocol`.
    trains : file of flip-angle trains (see `raofit.io.pulse_trains.load_trains`).
    tr : repetition time such as `3.5ms`, in place of the one in `trains`.

    Raises
    ------
    FileError, ProtocolError
        If settings are missing, unreadable or implausible.
    """
    if "flip_angles" in field_names:
        return trains_protocol(field_names, trains, tr)
    return {name: _setting(name, (), bval, te)[0] for name in field_names}


def trains_protocol(field_names: Sequence[str], trains: Path | None, tr: str | None) -> dict[str, Any]:
    """Acquisition settings of a model of pulse trains (see `stated_protocol`).

    Raises
    ------
    FileError, ProtocolError
        If settings are missing, unreadable or implausible.
    """
    if trains is None:
        raise ProtocolError(
            "the flip-angle trains are missing; give them with --trains FILE (.mat, .toml, .json, .csv)"
        )
    found = load_trains(trains).protocol(None if tr is None else _repetition_time(tr))
    return {name: found[name] for name in field_names}


def _repetition_time(text: str) -> float:
    word = text.strip()
    number = word.rstrip("smuµ")
    try:
        value = float(number) * _SECONDS[word[len(number) :]]
    except (ValueError, KeyError):
        raise ProtocolError(f"--tr {text}: expected a time in seconds, or one with a unit as 3.5ms") from None
    if not 0 < value < np.inf:
        raise ProtocolError(f"--tr {text}: expected a repetition time > 0 s")
    return value


def _setting(
    name: str, images: Sequence[Path], bval: Path | None, te: str | None
) -> tuple[Float[np.ndarray, " volume"], str, str]:
    """Values of one protocol field, where they came from, and the word for them."""
    match name:
        case "b_values":
            path = _beside(images, ".bval", "b-values", "--bval FILE") if bval is None else Path(bval)
            return read_b_values(path), str(path), "b-values"
        case "echo_times":
            values, source = _sidecar_times(images) if te is None else (read_times(te), te)
            return values, source, "echo times"
    raise ProtocolError(f"the protocol setting `{name}` cannot be given on the command line; use the library")


def read_times(text: str) -> Float[np.ndarray, " volume"]:
    """Times in seconds from a list such as `12.8ms,25.6ms` or `0.0128 0.0256`, a text file, or a JSON file.

    A JSON file is searched for `EchoTime`: one list, or one number per entry, in seconds as BIDS writes them.

    Raises
    ------
    FileError
        If a file is unreadable or has no times.
    ProtocolError
        If a word is not a time, or a time is negative or too long to be in seconds.
    """
    path = Path(text)
    if path.suffix == ".json":
        values = np.array(list(_echo_times(_read_json(path))))
        if values.size == 0:
            raise FileError(f"{path}: expected the key `EchoTime`; give the sidecar of the series or a list of times")
    elif path.is_file():
        values = read_numbers(path, "times in seconds")
    elif any(character.isdigit() for character in text) and not path.suffix.isalpha():
        values = np.array([_seconds(word) for word in text.replace(",", " ").replace(";", " ").split()])
    else:
        raise FileError(f"{path}: no such file; expected a file of times in seconds, or a list such as 12.8ms,25.6ms")
    return _checked_times(values, text)


def _checked_times(values: np.ndarray, source: str) -> np.ndarray:
    if np.any(values < 0) or not np.all(np.isfinite(values)):
        raise ProtocolError(f"{source}: expected finite times ≥ 0 s, found {values.tolist()}")
    if values.max() > _LONGEST:
        raise ProtocolError(
            f"{source}: {values.max():g} s is too long for an echo time; if it is in milliseconds, "
            f"write {values.max():g}ms or divide by 1000"
        )
    return values


def _seconds(word: str) -> float:
    number = word.rstrip("smuµ")
    unit = word[len(number) :]
    try:
        return float(number) * _SECONDS[unit]
    except (ValueError, KeyError):
        raise ProtocolError(f"echo time {word!r}: expected a number of seconds, or one with a unit as 12.8ms") from None


def _sidecar_times(images: Sequence[Path]) -> tuple[np.ndarray, str]:
    if not images:
        raise ProtocolError("the echo times are missing; give them with --te, as a file or as 12.8ms,25.6ms")
    sidecars = [_beside([image], ".json", "echo times", "--te LIST") for image in images]
    times = np.array([time for sidecar in sidecars for time in _echo_times(_read_json(sidecar))])
    if times.size == 0:
        raise FileError(f"{sidecars[0]}: no `EchoTime` in it; give the echo times with --te")
    source = str(sidecars[0])
    return _checked_times(times, source), source


def _beside(images: Sequence[Path], suffix: str, what: str, option: str) -> Path:
    if not images:
        raise ProtocolError(f"the {what} are missing; give them with {option}")
    stem = images[0].name.removesuffix(".gz").removesuffix(".nii")
    path = images[0].with_name(stem + suffix)
    if not path.is_file():
        raise FileError(f"{images[0]}: no {what}; give them with {option} (there is no {path.name} beside the image)")
    return path


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise FileError(f"{path}: no such file; expected a JSON sidecar")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: this is not valid JSON ({error})") from error


def _echo_times(node: Any) -> Iterator[float]:
    """Every number under a key `EchoTime`, in document order; BIDS writers sometimes quote them."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "EchoTime":
                for item in value if isinstance(value, list) else [value]:
                    yield _seconds(str(item))
            else:
                yield from _echo_times(value)
    elif isinstance(node, list):
        for item in node:
            yield from _echo_times(item)
