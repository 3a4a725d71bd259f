"""Settings users write as lists, text files or BIDS sidecars: times with their unit, angles in degrees, on or off."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from raofit.core.errors import FileError, ProtocolError
from raofit.io.bvalues import read_numbers
from raofit.io.text_formats import absent, names_a_file, read_json, shown

SECONDS = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "s": 1.0, "": 1.0}
_DEGREES = {"deg": 1.0, "°": 1.0, "": 1.0}
_STATES = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


@dataclasses.dataclass(frozen=True)
class Listed:
    """A setting that users write as a list, a text file, or BIDS sidecars.

    Parameters
    ----------
    one, many : words for a value and for the values.
    option : the option it is given with.
    keys : names in JSON sidecars, the first one found counts.
    example : a list as one writes it.
    units : what a word may end with, and the factor to seconds or degrees; or the words for on and off.
    limits : least (of the largest) and largest value in that unit.
    too_small, too_large : what to do about a value outside.
    is_shared : whether one value may stand for all volumes.
    """

    one: str
    many: str
    option: str
    keys: tuple[str, ...]
    example: str
    units: Mapping[str, float]
    limits: tuple[float, float]
    too_small: str = ""
    too_large: str = ""
    is_shared: bool = False

    @property
    def is_angle(self) -> bool:
        """Whether values are angles; times otherwise."""
        return self.units is _DEGREES

    @property
    def is_state(self) -> bool:
        """Whether values are on (1) or off (0)."""
        return self.units is _STATES

    @property
    def values(self) -> str:
        """What the values are, in words."""
        return "on or off" if self.is_state else f"{'angles' if self.is_angle else 'times'} in {self.unit}"

    @property
    def unit(self) -> str:
        """The unit of values as written."""
        return "degrees" if self.is_angle else "seconds"


def _times(one: str, option: str, keys: tuple[str, ...], longest: float, *, is_shared: bool = False) -> Listed:
    advice = "if it is in milliseconds, write {value:g}ms or divide by 1000"
    example = "15ms" if is_shared else "12.8ms,25.6ms"
    return Listed(one, one + "s", option, keys, example, SECONDS, (0.0, longest), too_large=advice, is_shared=is_shared)


def _angles(one: str, option: str, keys: tuple[str, ...], *, is_shared: bool = False) -> Listed:
    return Listed(
        one, one + "s", option, keys, "180" if is_shared else "3,20", _DEGREES, (1.0, 360.0),
        too_small="if it is in radians, multiply by 180/π", too_large="angles are in degrees", is_shared=is_shared,
    )  # fmt: skip


LISTED = {
    "echo_times": _times("echo time", "--te", ("EchoTime",), 10.0),
    "inversion_times": _times("inversion time", "--ti", ("InversionTime",), 30.0),
    "repetition_time": _times(
        "repetition time", "--tr", ("RepetitionTimeExcitation", "RepetitionTime"), 60.0, is_shared=True
    ),
    "flip_angles": _angles("flip angle", "--flip", ("FlipAngle",)),
    "mt_states": Listed("MT state", "MT states", "--mt", ("MTState",), "on,off,off", _STATES, (0.0, 1.0)),
    "refocusing_angles": _angles("refocusing angle", "--refocusing", ("RefocusingFlipAngle",), is_shared=True),
}


def read_listed(text: str, listed: Listed) -> Float[np.ndarray, " volume"]:
    """Values of a setting, in seconds or radians, from a list, a text file, or a JSON file.

    A list is such as `12.8ms,25.6ms`, `0.0128 0.0256` or `3,20`; times without a unit are in seconds, angles in
    degrees. A JSON file is searched for the key BIDS has for them: one list, or one number per entry.

    Raises
    ------
    FileError
        If a file is unreadable or has no such values.
    ProtocolError
        If a word is not a time or an angle, or a value is negative or cannot be in its unit.
    """
    path = Path(text)
    if path.suffix == ".json":
        values = in_json(path, listed)
        if values.size == 0:
            raise FileError(
                f"{path}: expected the key `{'` or `'.join(listed.keys)}`; give the sidecar of the series or a list of "
                f"{listed.many}"
            )
    elif names_a_file(text):
        values = read_numbers(path, listed.values)
    elif listed.is_state or (any(character.isdigit() for character in text) and not path.suffix.isalpha()):
        words = text.replace(",", " ").replace(";", " ").split()
        values = np.array([_number(word, listed) for word in words])
    else:
        what = f"expected a file of {listed.values}, or a list such as {listed.example}"
        raise FileError(f"{path}: {absent(path)}; {what}")
    return checked(values, text, listed)


def checked(values: np.ndarray, source: str, listed: Listed) -> np.ndarray:
    """`values` in seconds or radians, or a `ProtocolError`."""
    if listed.is_state:
        if not np.all((values == 0) | (values == 1)):
            raise ProtocolError(f"{source}: expected 1 (on) or 0 (off), found {shown(values.tolist())}")
        return values
    if np.any(values < 0) or not np.all(np.isfinite(values)):
        kind = "angles ≥ 0°" if listed.is_angle else "times ≥ 0 s"
        raise ProtocolError(f"{source}: expected finite {kind}, found {shown(values.tolist())}")
    low, high = listed.limits
    unit, largest = "°" if listed.is_angle else " s", values.max()
    article = "an" if listed.one[0] in "aeiou" else "a"
    if largest > high:
        advice = listed.too_large.format(value=largest)
        word = "large" if listed.is_angle else "long"
        raise ProtocolError(f"{source}: {largest:g}{unit} is too {word} for {article} {listed.one}; {advice}")
    if largest < low:
        raise ProtocolError(
            f"{source}: {largest:g}{unit} is too small for the largest {listed.one}; {listed.too_small}"
        )
    return np.deg2rad(values) if listed.is_angle else values


def _number(word: str, listed: Listed) -> float:
    if listed.is_state:
        if word.lower() not in listed.units:
            raise ProtocolError(f"{listed.one} {shown(word)}: expected on or off, such as {listed.example}")
        return listed.units[word.lower()]
    number = word.rstrip("smuµμdeg°")
    try:
        return float(number) * listed.units[word[len(number) :]]
    except (ValueError, KeyError):
        unit = "" if listed.is_angle else ", or one with a unit as 12.8ms"
        raise ProtocolError(f"{listed.one} {shown(word)}: expected a number of {listed.unit}{unit}") from None


def in_json(path: Path, listed: Listed) -> np.ndarray:
    """Numbers, as written, under the first of the keys that a JSON file has anywhere; none if it has no such key.

    Raises
    ------
    FileError
        If there is no such file, or it is no JSON.
    ProtocolError
        If a value under the key is no number.
    """
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a JSON sidecar")
    content = read_json(path)
    try:
        found = (np.array(list(_under(content, key, listed))) for key in listed.keys)
        return next((values for values in found if values.size), np.array([]))
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error
    except RecursionError as error:
        raise FileError(f"{path}: this is no JSON sidecar (nested too deeply)") from error


def _under(node: Any, key: str, listed: Listed) -> Iterator[float]:
    """Every number under `key`, in document order; BIDS writers sometimes quote them."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == key:
                for item in value if isinstance(value, list) else [value]:
                    yield _number(str(item), listed)
            else:
                yield from _under(value, key, listed)
    elif isinstance(node, list):
        for item in node:
            yield from _under(item, key, listed)
