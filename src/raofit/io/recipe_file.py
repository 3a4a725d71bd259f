"""Training recipes in TOML: every field of `TrainingRecipe` by name, checked, unknown names refused."""

import dataclasses
from pathlib import Path
from typing import Any

import pydantic

from raofit.core.errors import FileError, RaofitError
from raofit.io.text_formats import absent, plain, read_toml, shown
from raofit.recipes.named_trainings import NAMED, Training, named_training
from raofit.recipes.training_recipe import TrainingRecipe

_PRESET, _START = "preset", "start"
DRAWING = {  # these draw their own signals
    "paper": TrainingRecipe.paper,
    "on-the-spot": TrainingRecipe.on_the_spot,
    "near-unbiased": TrainingRecipe.near_unbiased,
}
_FIELDS = {field.name: field.type for field in dataclasses.fields(TrainingRecipe)}


def read_recipe(path: str | Path) -> TrainingRecipe:
    """The recipe in a TOML file, without that of a start; see `read_training`."""
    return read_training(path).recipe


def read_training(path: str | Path) -> Training:
    """The recipe in a TOML file, and that of the network it starts from.

    `preset` states the starting point, every other key one field: "paper" (the default), "on-the-spot" or
    "near-unbiased" for models whose signals are drawn for the training, and the names of
    `raofit.recipes.named_trainings` for simulated sets:

        preset = "on-the-spot"
        snr = [10, 40]
        labels = "mle-rician"
        [ranges]
        D_fast = [0.01, 0.2]

    The table `start` changes the training of the network that a Bias-Reduced one starts from; what both must agree in,
    such as layers and SNR, it takes from the recipe:

        preset = "compact-bias-reduced"
        snr = [20, 80]
        variance_factor = 0.1
        [start]
        max_epochs = 40

    Raises
    ------
    FileError
        If the file is missing or not TOML, or a key or value is not one a recipe has.
    RaofitError
        If values contradict each other.
    """
    path = Path(path)
    content = _parsed(path)
    preset = content.pop(_PRESET, "paper")
    if not isinstance(preset, str) or preset not in (*DRAWING, *NAMED):
        raise FileError(f"{path}: `preset`: expected one of {', '.join((*DRAWING, *NAMED))}, got {shown(preset)}")
    start = content.pop(_START, {})
    if not isinstance(start, dict):
        raise FileError(f"{path}: `{_START}`: expected a table of recipe settings, got {shown(start)}")
    values, start_values = _fields(path, content), _fields(path, start)
    if start_values and preset not in NAMED:
        raise FileError(f"{path}: the preset `{preset}` starts from random weights; leave the table `{_START}` out")
    try:
        if preset in NAMED:
            return named_training(preset, values, start_values)
        snr = values.pop("snr", (15.0, 15.0))
        return Training(DRAWING[preset](snr, **values))
    except RaofitError as error:
        raise RaofitError(f"{path}: {error}") from error


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a training recipe in TOML, or one of {', '.join(NAMED)}")
    return read_toml(path)


def _fields(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The fields stated in `content`, as their types."""
    unknown = sorted(set(content) - set(_FIELDS))
    if unknown:
        raise FileError(f"{path}: `{plain(unknown[0])}` is not a recipe setting; expected one of {', '.join(_FIELDS)}")
    return {name: _checked(path, name, _FIELDS[name], value) for name, value in content.items()}


def _checked(path: Path, name: str, kind: Any, value: Any) -> Any:
    """`value` as the field's type; whole numbers are not taken for text and so on."""
    if name == "snr" and isinstance(value, int | float):
        value = [value, value]
    try:
        return pydantic.TypeAdapter(kind, config={"strict": False}).validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise FileError(f"{path}: `{name}`: {first['msg'].lower()}, got {shown(value)}") from error
