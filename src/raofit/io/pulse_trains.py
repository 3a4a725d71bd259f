"""Flip-angle trains from what users have: MATLAB files of the field, TOML, JSON, CSV."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from raofit.core.errors import FileError, ProtocolError
from raofit.io.matlab import open_matlab
from raofit.io.text_formats import absent, in_backticks, read_csv_columns, read_json, read_toml, shown

_ANGLES = ("alpha", "flip_angles", "flip_angles_rad")
_DURATIONS = ("TRF", "pulse_durations", "pulse_durations_s")
_REPETITION = ("TR", "repetition_time", "repetition_time_s")
_CSV_ANGLES = ("flip_angle_rad", "flip_angle", "alpha")
_CSV_DURATIONS = ("pulse_duration_s", "pulse_duration", "TRF")
_CSV_CYCLE = "cycle"

_LARGEST_ANGLE = 2 * np.pi
_LONGEST = 0.1  # s; a pulse above it was given in ms or µs
_SHORTEST = 1e-7  # s
_LEAST_MICROSECONDS = 10.0  # a pulse of that many ms would be longer than any repetition time of such a train


@dataclasses.dataclass(frozen=True)
class PulseTrains:
    """The pulses of each cycle of a sequence.

    Parameters
    ----------
    flip_angles : Float[np.ndarray, "cycle pulse"]
        Nominal flip angles, radians.
    pulse_durations : Float[np.ndarray, "cycle pulse"]
        Durations of the rectangular pulses, seconds.
    repetition_time : from pulse to pulse, seconds; None if the file does not say it.
    path : the file they are from.
    """

    flip_angles: Float[np.ndarray, "cycle pulse"]
    pulse_durations: Float[np.ndarray, "cycle pulse"]
    repetition_time: float | None
    path: Path

    @property
    def n_measurements(self) -> int:
        """Samples of one signal: one per pulse."""
        return self.flip_angles.size

    def protocol(self, repetition_time: float | None = None) -> dict[str, Any]:
        """The acquisition settings a model of pulse trains needs; `repetition_time` (s) overrides the file's.

        Raises
        ------
        ProtocolError
            If nobody says the repetition time, or it is not longer than every pulse.
        """
        found = self.repetition_time if repetition_time is None else repetition_time
        if found is None:
            raise ProtocolError(
                f"{self.path}: the file does not say the repetition time; give it with --tr, for instance --tr 3.5ms"
            )
        longest = self.pulse_durations.max()
        if not longest < found < np.inf:
            raise ProtocolError(
                f"{self.path}: expected a repetition time longer than the longest pulse, "
                f"got {found:g} s and a pulse of {longest:g} s; check the units of both"
            )
        return {
            "flip_angles": self.flip_angles,
            "pulse_durations": self.pulse_durations,
            "repetition_time": float(found),
        }


def load_trains(path: str | Path) -> PulseTrains:
    """The flip-angle trains of a file, by its ending.

    - `.mat` (any version): `alpha` and `TRF` (or `flip_angles`, `pulse_durations`), and `TR` if it is there. The longer
      axis is the pulses', the other one the cycles'.
    - `.toml`, `.json`: `flip_angles_rad`, `pulse_durations_s` (lists, one per cycle if there are several; one number
      for durations that never change) and `repetition_time_s`.
    - `.csv`: a header with `flip_angle_rad`, `pulse_duration_s` and, for several cycles, `cycle`; one row per pulse.

    Radians and seconds.

    Raises
    ------
    FileError
        If the file is missing, unreadable, or lacks one of the two.
    ProtocolError
        If the values are not finite, in other units (degrees, ms, µs are recognized), not above 0 (durations), or not
        of one shape.
    """
    path = Path(path)
    readers = {".mat": _from_matlab, ".toml": _from_toml, ".json": _from_json, ".csv": _from_csv}
    if path.suffix.lower() not in readers:
        raise FileError(f"{path}: expected flip-angle trains in a file ending in {', '.join(readers)}")
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected flip-angle trains (.mat, .toml, .json or .csv)")
    angles, durations, repetition_time = readers[path.suffix.lower()](path)
    if not (angles.size and durations.size):
        raise FileError(f"{path}: expected one pulse at least, found empty lists")
    if durations.size == 1:
        durations = np.full_like(angles, durations.item())
    if angles.shape != durations.shape or angles.ndim not in (1, 2):
        raise ProtocolError(
            f"{path}: expected as many pulse durations as flip angles, a list or one list per cycle, "
            f"got the shapes {angles.shape} and {durations.shape}"
        )
    _check_angles(path, angles)
    _check_durations(path, durations)
    return PulseTrains(np.atleast_2d(angles), np.atleast_2d(durations), repetition_time, path)


def _check_angles(path: Path, angles: np.ndarray) -> None:
    if not np.isfinite(angles).all():
        raise ProtocolError(f"{path}: expected finite flip angles, found NaN or infinite ones; correct the file")
    largest = np.abs(angles).max()
    if largest > _LARGEST_ANGLE:
        raise ProtocolError(
            f"{path}: a flip angle of {largest:g} rad is more than a full turn; if the angles are in degrees, "
            "multiply them by π/180"
        )


def _check_durations(path: Path, durations: np.ndarray) -> None:
    if not np.isfinite(durations).all():
        raise ProtocolError(f"{path}: expected finite pulse durations, found NaN or infinite ones; correct the file")
    shortest, longest = durations.min(), durations.max()
    if shortest <= 0:
        raise ProtocolError(f"{path}: expected pulse durations > 0 s, found {shortest:g}; correct the file")
    if longest > _LONGEST:
        unit, factor = ("microseconds", "1e6") if longest > _LEAST_MICROSECONDS else ("milliseconds", "1000")
        raise ProtocolError(
            f"{path}: a pulse of {longest:g} s is too long; if the durations are in {unit}, divide them by {factor}"
        )
    if shortest < _SHORTEST:
        raise ProtocolError(
            f"{path}: a pulse of {shortest:g} s is too short for any scanner; give the durations in seconds"
        )


def _from_matlab(path: Path) -> tuple[np.ndarray, np.ndarray, float | None]:
    file = open_matlab(path, "flip angles and pulse durations")
    angles = _pulses_last(file.array(_ANGLES, "flip angles").astype(np.float64))
    durations = _pulses_last(file.array(_DURATIONS, "pulse durations").astype(np.float64))
    if file.first_of(_REPETITION) is None:
        return angles, durations, None
    return angles, durations, _repetition_time(path, file.array(_REPETITION, "repetition time").ravel().tolist())


def _pulses_last(values: np.ndarray) -> np.ndarray:
    """MATLAB's pulses×cycles (or its transpose) as cycles×pulses: a cycle has more pulses than there are cycles."""
    if values.ndim != 2:
        return values
    if 1 in values.shape:
        return values.ravel()
    return values.T if values.shape[0] >= values.shape[1] else values


def _from_toml(path: Path) -> tuple[np.ndarray, np.ndarray, float | None]:
    return _from_mapping(path, read_toml(path))


def _from_json(path: Path) -> tuple[np.ndarray, np.ndarray, float | None]:
    return _from_mapping(path, read_json(path))


def _from_mapping(path: Path, content: Any) -> tuple[np.ndarray, np.ndarray, float | None]:
    if not isinstance(content, Mapping):
        raise FileError(f"{path}: expected the keys `{_ANGLES[-1]}` and `{_DURATIONS[-1]}` with lists of numbers")
    angles, durations = (
        _numbers(path, content[_key(path, content, names, what)], f"the {what}")
        for names, what in ((_ANGLES, "flip angles"), (_DURATIONS, "pulse durations"))
    )
    repetition = next((content[name] for name in _REPETITION if name in content), None)
    return angles, durations, None if repetition is None else _repetition_time(path, repetition)


def _from_csv(path: Path) -> tuple[np.ndarray, np.ndarray, float | None]:
    columns = read_csv_columns(path)
    angles, durations = (
        _numbers(path, columns[_key(path, columns, names, what)], f"the {what}")
        for names, what in ((_CSV_ANGLES, "flip angles"), (_CSV_DURATIONS, "pulse durations"))
    )
    cycles = list(dict.fromkeys(columns.get(_CSV_CYCLE, [])))
    if len(cycles) < 2:
        return angles, durations, None
    is_in = [np.array([cell == cycle for cell in columns[_CSV_CYCLE]]) for cycle in cycles]
    counts = [int(member.sum()) for member in is_in]
    if len(set(counts)) > 1:
        raise ProtocolError(f"{path}: expected cycles of equally many pulses, found {', '.join(map(str, counts))}")
    return np.stack([angles[member] for member in is_in]), np.stack([durations[member] for member in is_in]), None


def _key(path: Path, content: Mapping, names: Sequence[str], what: str) -> str:
    name = next((name for name in names if name in content), None)
    if name is None:
        found = in_backticks(list(content)) or "nothing"
        raise FileError(f"{path}: expected the {what} under {in_backticks(names)}; the file has {found}")
    return name


def _numbers(path: Path, values: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FileError(f"{path}: expected numbers for {what}, in lists of equal length") from None


def _repetition_time(path: Path, value: Any) -> float:
    values = np.unique(_numbers(path, value, "the repetition time"))
    if values.size != 1 or not 0 < values[0] < np.inf:
        raise ProtocolError(f"{path}: expected one repetition time > 0 s, found {shown(values.tolist())}")
    return float(values[0])
