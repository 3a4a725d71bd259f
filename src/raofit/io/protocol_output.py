"""Settings of a protocol as text files that every verb reads: in s/mm², seconds and degrees."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from raofit.io.listed_settings import LISTED


def file_name(name: str) -> str:
    """Name of the file of a setting."""
    return "protocol.bval" if name == "b_values" else f"{name}.txt"


def unit_of(name: str) -> str:
    """Unit of a setting as users read it: angles are in degrees, and what is not listed is a time."""
    if name in LISTED:
        return LISTED[name].unit
    return "s/mm²" if name == "b_values" else "seconds"


def in_file_units(name: str, values: Float[np.ndarray, " volume"]) -> Float[np.ndarray, " volume"]:
    """`values` of a model's setting in `unit_of` it."""
    return np.rad2deg(values) if name in LISTED and LISTED[name].is_angle else values


def write_setting(folder: Path, name: str, values: Float[np.ndarray, " volume"]) -> Path:
    """Write one setting to its file in `folder`, six digits per volume, and return the file's path."""
    path = folder / file_name(name)
    path.write_text(" ".join(f"{value:.6g}" for value in in_file_units(name, values)) + "\n", encoding="utf-8")
    return path
