"""The protocol of a series from what users have: b-value files, lists of times, BIDS sidecars, pulse trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from raofit.core.errors import FileError, ProtocolError
from raofit.io.bvalues import read_b_values, require_one_per_volume
from raofit.io.fingerprint_sequence import load_sequence_for
from raofit.io.listed_settings import LISTED, SECONDS, Listed, checked, in_json, read_listed
from raofit.io.pulse_trains import load_trains

_SEQUENCE_FIELD = "inversion_efficiency"  # every fingerprinting model has it, and no other


def series_protocol(
    field_names: Sequence[str],
    images: Sequence[Path],
    n_volumes: int,
    *,
    bval: Path | None,
    te: str | None,
    ti: str | None = None,
    flip: str | None = None,
    mt: str | None = None,
    tr: str | None = None,
    refocusing: str | None = None,
) -> dict[str, Float[np.ndarray, " volume"]]:
    """Acquisition settings of a series for the protocol fields a model asks for.

    Parameters
    ----------
    field_names : of `b_values` (s/mm²), `echo_times`, `inversion_times`, `repetition_time` (s), `flip_angles` and
        `refocusing_angles` (rad), `mt_states` (1 or 0).
    images : the image files; a file not given explicitly is looked for beside the first one.
    bval : text file of b-values; default: the image's name with `.bval`.
    te, ti, tr : echo, inversion and repetition times as a file or a list (see `read_listed`); default: `EchoTime`,
        `InversionTime`, and `RepetitionTimeExcitation` or `RepetitionTime` of the images' JSON sidecars.
    flip, refocusing : flip angles in degrees, likewise; default: `FlipAngle`, and 180° for refocusing.
    mt : on or off for each volume, likewise; default: `MTState`.

    Raises
    ------
    FileError, ProtocolError
        If settings are missing, unreadable, implausible, or not one per volume.
    """
    texts = _texts(te, ti, flip, mt, tr, refocusing)
    protocol = {}
    for name in field_names:
        values, source, what = _setting(name, images, bval, texts)
        if values.size == 1 and name in LISTED and LISTED[name].is_shared:
            values = np.full(n_volumes, values[0])
        require_one_per_volume(values, source, what, n_volumes, images[0])
        protocol[name] = values
    return protocol


def stated_protocol(
    field_names: Sequence[str],
    *,
    bval: Path | None = None,
    te: str | None = None,
    ti: str | None = None,
    flip: str | None = None,
    mt: str | None = None,
    refocusing: str | None = None,
    trains: Path | None = None,
    tr: str | None = None,
) -> dict[str, Any]:
    """Acquisition settings for the protocol fields a model asks for, without any image.

    Parameters
    ----------
    field_names : as for `series_protocol`; or `flip_angles` (rad), `pulse_durations` (s) and `repetition_time` (s) of
        pulse trains.
    bval, te, ti, flip, mt, refocusing : as for `series_protocol`.
    trains : file of flip-angle trains (see `raofit.io.pulse_trains.load_trains`), or a fingerprinting sequence (see
        `raofit.io.fingerprint_sequence.load_sequence`).
    tr : repetition time such as `3.5ms`; of trains, in place of the one in their file.

    Raises
    ------
    FileError, ProtocolError
        If settings are missing, unreadable or implausible.
    """
    texts = _texts(te, ti, flip, mt, tr, refocusing)
    _refuse_others(field_names, bval, texts, trains)
    if has_trains(field_names):
        return trains_protocol(field_names, trains, tr)
    return {name: _setting(name, (), bval, texts)[0] for name in field_names}


def _refuse_others(
    field_names: Sequence[str], bval: Path | None, texts: Mapping[str, str | None], trains: Path | None
) -> None:
    """Raise for a setting that the model does not have."""
    if trains is not None and not has_trains(field_names):
        raise ProtocolError(f"--trains {trains}: this model has no pulse trains; leave the option out")
    if bval is not None and "b_values" not in field_names:
        raise ProtocolError(f"--bval {bval}: this model has no b-values; leave the option out")
    read = ("repetition_time",) if has_trains(field_names) else field_names
    for name, text in texts.items():
        if text is not None and name not in read:
            listed = LISTED[name]
            raise ProtocolError(f"{listed.option} {text}: this model has no {listed.many}; leave the option out")


def _texts(
    te: str | None, ti: str | None, flip: str | None, mt: str | None, tr: str | None, refocusing: str | None
) -> dict[str, str | None]:
    return {
        "echo_times": te,
        "inversion_times": ti,
        "flip_angles": flip,
        "mt_states": mt,
        "repetition_time": tr,
        "refocusing_angles": refocusing,
    }


def has_trains(field_names: Sequence[str]) -> bool:
    """Whether these settings come from a file of pulse trains, or of a fingerprinting sequence."""
    return "pulse_durations" in field_names or _SEQUENCE_FIELD in field_names


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
    if _SEQUENCE_FIELD in field_names:
        if tr is not None:
            raise ProtocolError(f"--tr {tr}: the repetition times are in {trains}; leave the option out")
        return load_sequence_for(field_names, trains)
    found = load_trains(trains).protocol(None if tr is None else _repetition_time(tr))
    return {name: found[name] for name in field_names}


def _repetition_time(text: str) -> float:
    word = text.strip()
    number = word.rstrip("smuµμ")
    try:
        value = float(number) * SECONDS[word[len(number) :]]
    except (ValueError, KeyError):
        raise ProtocolError(f"--tr {text}: expected a time in seconds, or one with a unit as 3.5ms") from None
    if not 0 < value < np.inf:
        raise ProtocolError(f"--tr {text}: expected a repetition time > 0 s")
    return value


def _setting(
    name: str, images: Sequence[Path], bval: Path | None, texts: Mapping[str, str | None]
) -> tuple[Float[np.ndarray, " volume"], str, str]:
    """Values of one protocol field, where they came from, and the word for them."""
    if name == "b_values":
        path = _beside(images, ".bval", "b-values", "--bval FILE") if bval is None else Path(bval)
        return read_b_values(path), str(path), "b-values"
    if name not in LISTED:
        raise ProtocolError(f"the protocol setting `{name}` cannot be given on the command line; use the library")
    listed, text = LISTED[name], texts[name]
    if text is not None:
        return read_listed(text, listed), text, listed.many
    if name == "refocusing_angles":
        return np.array([np.pi]), "the default of 180°", listed.many
    values, source = _from_sidecars(images, listed)
    return values, source, listed.many


def _from_sidecars(images: Sequence[Path], listed: Listed) -> tuple[np.ndarray, str]:
    """Values from the JSON files beside the images, and the first of these files."""
    if not images:
        is_are = "is" if listed.is_shared else "are"
        word = listed.one if listed.is_shared else listed.many
        raise ProtocolError(
            f"the {word} {is_are} missing; give {'it' if listed.is_shared else 'them'} with {listed.option}, as a file "
            f"or as {listed.example}"
        )
    sidecars = [_beside([image], ".json", listed.many, f"{listed.option} LIST") for image in images]
    values = np.concatenate([in_json(sidecar, listed) for sidecar in sidecars])
    if values.size == 0:
        keys = "` or `".join(listed.keys)
        raise FileError(f"{sidecars[0]}: no `{keys}` in it; give the {listed.many} with {listed.option}")
    if listed.is_shared and np.ptp(values) == 0:
        values = values[:1]
    source = str(sidecars[0])
    return checked(values, source, listed), source


def _beside(images: Sequence[Path], suffix: str, what: str, option: str) -> Path:
    if not images:
        raise ProtocolError(f"the {what} are missing; give them with {option}")
    stem = images[0].name.removesuffix(".gz").removesuffix(".nii")
    path = images[0].with_name(stem + suffix)
    if not path.is_file():
        raise FileError(f"{images[0]}: no {what}; give them with {option} (there is no {path.name} beside the image)")
    return path
