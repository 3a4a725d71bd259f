"""Option values that several verbs read: NAME=VALUE lists, bounds, and the settings a model needs."""

import math
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from raofit.core.errors import RaofitError

if TYPE_CHECKING:
    import numpy as np

    from raofit.models import AbstractSignalModel

# Options of `stated_model` that every verb with a protocol of volumes has.
PROTOCOL_OPTIONS = ("bval", "te", "ti", "flip", "mt", "refocusing", "tr")

_SPACINGS = ("linear", "log")
_GRID_EXPECTED = (
    "expected NAME=LOWER:UPPER:COUNT, NAME=LOWER:UPPER:COUNT:log or NAME=VALUE, for instance T1=0.1:4:60:log"
)


def parse_values(items: Iterable[str], option: str) -> dict[str, float]:
    """`["f=0.3,D_fast=0.08", "S0=1"]` as `{name: value}`."""
    values = {}
    for item in _split(items):
        name, value = _name_and_rest(item, option, "f=0.3")
        values[name] = _number(value, item, option)
    return values


def parse_bounds(items: Iterable[str], option: str = "--bounds") -> dict[str, tuple[float, float]]:
    """`["f=0.01:0.9"]` as `{name: (lower, upper)}`."""
    bounds = {}
    for item in _split(items):
        name, pair = _name_and_rest(item, option, "f=0.01:0.9")
        lower, colon, upper = pair.partition(":")
        if not colon:
            raise RaofitError(f"{option} {item}: expected NAME=LOWER:UPPER, for instance f=0.01:0.9")
        bounds[name] = (_number(lower, item, option), _number(upper, item, option))
    return bounds


class GridAxis(NamedTuple):
    """Values of one parameter on a grid: `count` of them from `lower` to `upper`, with equal ratios or equal steps."""

    lower: float
    upper: float
    count: int
    is_log: bool


def parse_grid(items: Iterable[str]) -> dict[str, GridAxis]:
    """`["T1=0.1:4:60:log", "B1=1"]` as `{name: GridAxis}`; one number is an axis of one value."""
    return {name: _grid_axis(rest, item) for item in _split(items) for name, rest in [_grid_parts(item)]}


def protocol_fields(model: str) -> tuple[str, ...]:
    """Names of the acquisition settings a registered model needs; raises `RaofitError` for an unknown model."""
    from raofit.models import REGISTRY

    if model not in REGISTRY:
        raise RaofitError(f"--model {model}: expected one of {', '.join(sorted(REGISTRY))}")
    return tuple(field.name for field in REGISTRY[model].protocol_fields)


def stated_model(
    name: str,
    *,
    bval: Path | None = None,
    te: str | None = None,
    ti: str | None = None,
    flip: str | None = None,
    mt: str | None = None,
    refocusing: str | None = None,
    trains: Path | None = None,
    tr: str | None = None,
    basis: Path | None = None,
    rank: int | None = None,
) -> "AbstractSignalModel":
    """The named model with the protocol in these options, seen through the basis if there is one."""
    from raofit.io.basis_file import load_basis
    from raofit.io.protocol_file import stated_protocol
    from raofit.models import Compressed, build

    protocol = stated_protocol(
        protocol_fields(name), bval=bval, te=te, ti=ti, flip=flip, mt=mt, refocusing=refocusing, trains=trains, tr=tr
    )
    model = build(name, protocol)
    if basis is None:
        if rank is not None:
            raise RaofitError(f"--rank {rank}: there is no basis to take vectors of; give one with --basis")
        return model
    return Compressed(model, load_basis(basis, model.n_measurements, rank))


def default_noise(model: "AbstractSignalModel") -> str:
    """How measurements of a model are distributed unless the user says otherwise."""
    if model.has_complex_amplitude:
        return "complex-gaussian"
    return "gaussian" if model.has_signs else "rician"


def stated_sigma(model: "AbstractSignalModel", values: "np.ndarray", snr: float | None, sigma: float | None) -> float:
    """Sigma from --sigma, or from --snr and the true amplitude."""
    if (snr is None) == (sigma is None):
        raise RaofitError("give the noise level either as --snr (amplitude over sigma) or as --sigma (signal units)")
    if snr is None:
        return typing.cast(float, sigma)
    if not 0 < snr < float("inf"):
        raise RaofitError(f"--snr {snr:g}: expected a signal-to-noise ratio > 0")
    if model.has_complex_amplitude:
        return 1.0 / snr
    index = model.amplitude_index
    if index is None:
        raise RaofitError(f"--snr: model `{model.name}` has no amplitude to relate it to; give --sigma instead")
    if values[index] == 0:
        raise RaofitError(f"--snr {snr:g}: the amplitude it relates to is 0; give --sigma instead")
    return float(values[index]) / snr


def _grid_parts(item: str) -> tuple[str, str]:
    name, equals, rest = item.partition("=")
    if not (equals and name.strip() and rest.strip()):
        raise RaofitError(f"--grid {item}: {_GRID_EXPECTED}")
    return name.strip(), rest.strip()


def _grid_axis(rest: str, item: str) -> GridAxis:
    parts = [part.strip() for part in rest.split(":")]
    spacing = parts.pop() if parts[-1] in _SPACINGS else "linear"
    if len(parts) == 1 and len(rest.split(":")) == 1:
        value = _number(parts[0], item, "--grid")
        lower, upper, count = value, value, 1
    elif len(parts) == 3 and parts[2].isdecimal():
        lower, upper, count = _number(parts[0], item, "--grid"), _number(parts[1], item, "--grid"), int(parts[2])
        if not (lower < upper and count > 1):
            raise RaofitError(f"--grid {item}: expected LOWER below UPPER and two values or more")
    else:
        raise RaofitError(f"--grid {item}: {_GRID_EXPECTED}")
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise RaofitError(f"--grid {item}: expected finite values")
    if spacing == "log" and lower <= 0:
        raise RaofitError(
            f"--grid {item}: equal ratios need LOWER > 0, got {lower:g}; leave :log out, or begin above 0"
        )
    return GridAxis(lower, upper, count, spacing == "log")


def _split(items: Iterable[str]) -> list[str]:
    return [part.strip() for item in items for part in item.split(",") if part.strip()]


def _name_and_rest(item: str, option: str, example: str) -> tuple[str, str]:
    name, equals, rest = item.partition("=")
    if not (equals and name and rest):
        raise RaofitError(f"{option} {item}: expected NAME=VALUE, for instance {example}")
    return name.strip(), rest.strip()


def _number(text: str, item: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RaofitError(f"{option} {item}: expected a number, found {text!r}") from None
