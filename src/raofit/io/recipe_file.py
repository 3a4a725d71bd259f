"""Training recipes in TOML: every field of `TrainingRecipe` by name, checked, unknown names refused."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pydantic

from raofit.core.errors import FileError
from raofit.recipes.training_recipe import TrainingRecipe

_PRESET = "preset"


def read_recipe(path: str | Path) -> TrainingRecipe:
    """The recipe in a TOML file.

    `preset = "paper"` or `"on-the-spot"` (default: paper) states the starting point, every other key one field:

        preset = "on-the-spot"
        snr = [10, 40]
        labels = "mle-rician"
        [ranges]
        D_fast = [0.01, 0.2]

    Raises
    ------
    FileError
        If the file is missing or not TOML, or a key or value is not one a recipe has.
    """
    path = Path(path)
    content = _parsed(path)
    preset = content.pop(_PRESET, "paper")
    presets = {"paper": TrainingRecipe.paper, "on-the-spot": TrainingRecipe.on_the_spot}
    if preset not in presets:
        raise FileError(f"{path}: `preset`: expected one of {', '.join(presets)}, got {preset!r}")
    known = {field.name: field.type for field in dataclasses.fields(TrainingRecipe)}
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise FileError(f"{path}: `{unknown[0]}` is not a recipe setting; expected one of {', '.join(known)}")
    values = {name: _checked(path, name, known[name], value) for name, value in content.items()}
    snr = values.pop("snr", (15.0, 15.0))
    return presets[preset](snr, **values)


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileError(f"{path}: no such file; expected a training recipe in TOML")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: this is not valid TOML ({error})") from error


def _checked(path: Path, name: str, kind: Any, value: Any) -> Any:
    """`value` as the field's type; whole numbers are not taken for text and so on."""
    if name == "snr" and isinstance(value, int | float):
        value = [value, value]
    try:
        return pydantic.TypeAdapter(kind, config={"strict": False}).validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise FileError(f"{path}: `{name}`: {first['msg'].lower()}, got {value!r}") from error
