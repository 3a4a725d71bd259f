"""What a user asks of a tuning, in the words of the command line: knobs with values, an objective with limits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from raofit.cli._compare_estimators import CompareOptions
from raofit.core.errors import RaofitError
from raofit.evaluation.objective import Limit, Measure, Objective
from raofit.recipes.candidates import KNOBS, Axis

_AXIS = "expected KNOB=LOWER:UPPER:COUNT, KNOB=LOWER:UPPER:COUNT:log or KNOB=VALUE,VALUE,..., for instance alpha=0:1:5"
_MOST = 101  # values of one knob


@dataclasses.dataclass(frozen=True)
class TuneOptions:
    """What the user asked for; see `raofit.cli.compare.compare`."""

    compared: CompareOptions
    tune: tuple[str, ...]
    objective: str | None
    n_refinements: int
    train_on: Path | None
    recipe: str | None
    labels: str | None
    realizations: int | None
    snr: str | None


def check_only_tuning(options: TuneOptions) -> None:
    """Raise if there is an option of a tuning without --tune."""
    for name in ("objective", "train_on", "recipe", "labels", "realizations"):
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise RaofitError(f"--{option}: it belongs to a tuning; add --tune, for instance --tune alpha=0:1:5")
    if options.n_refinements:
        raise RaofitError(f"--refine {options.n_refinements}: it belongs to a tuning; add --tune alpha=0:1:5")


def tuned_axes(items: Sequence[str]) -> tuple[Axis, ...]:
    """`["lambda=0.01:1:4:log", "delta=0,1"]` as axes."""
    return tuple(_axis(item) for item in items)


def tuned_snrs(text: str | None) -> tuple[str | None, tuple[float, ...]]:
    """The SNR of the training as `LOW:HIGH`, and those of the comparison, none for the training's.

    Examples
    --------
    >>> tuned_snrs("10:40"), tuned_snrs("10,20,50")
    (('10:40', ()), ('10:50', (10.0, 20.0, 50.0)))
    """
    from raofit.cli.evaluate import snr_values

    if text is None or ":" in text:
        return text, ()
    values = snr_values(text)
    return f"{min(values):g}:{max(values):g}", values


def tuned_objective(text: str | None, names: Sequence[str]) -> Objective:
    """`bias:T1,variance<=1.1` as an objective; a limit without a name is about the same parameter."""
    if text is None:
        raise RaofitError(
            f"--objective is missing: say what is to be small, for instance rmse:{names[0]}, "
            f"worst-bias:{names[0]},variance<=1.1 or mse-crb"
        )
    first, *rest = [part.strip() for part in text.split(",")]
    try:
        measure = _measure(first, names, None)
        return Objective(measure, tuple(_limit(part, names, measure.parameter) for part in rest))
    except RaofitError as error:
        raise RaofitError(f"--objective {text}: {error}") from None


def _axis(item: str) -> Axis:
    knob, equals, rest = item.partition("=")
    knob = knob.strip()
    parts = [part.strip() for part in rest.split(":")]
    is_log = len(parts) == 4 and parts[3] == "log"
    if not equals or knob not in KNOBS:
        raise RaofitError(f"--tune {item}: {_AXIS}; knobs are {', '.join(KNOBS)}")
    is_listed = len(parts) == 1
    try:
        if not is_listed and len(parts) - is_log != 3:
            raise ValueError
        numbers = [float(part) for part in (rest.split(",") if is_listed else parts[:2])]
        count = len(numbers) if is_listed else int(parts[2])
    except ValueError:
        raise RaofitError(f"--tune {item}: {_AXIS}") from None
    if is_listed:
        is_log = knob == "lambda" and min(numbers) > 0
        return _checked(item, knob, numbers, is_log)
    lower, upper = numbers
    if not (lower < upper and 2 <= count <= _MOST):
        raise RaofitError(f"--tune {item}: expected LOWER below UPPER and 2 to {_MOST} values")
    if is_log and lower <= 0:
        raise RaofitError(f"--tune {item}: equal ratios need LOWER > 0, got {lower:g}; leave :log out")
    values = np.geomspace(lower, upper, count) if is_log else np.linspace(lower, upper, count)
    return _checked(item, knob, values.tolist(), is_log)


def _checked(item: str, knob: str, values: Sequence[float], is_log: bool) -> Axis:
    try:
        return Axis(knob, tuple(values), is_log)
    except RaofitError as error:
        raise RaofitError(f"--tune {item}: {error}") from None


def _measure(text: str, names: Sequence[str], default: str | None) -> Measure:
    quantity, colon, name = text.partition(":")
    name = name.strip() if colon else default
    if name is not None and name not in names:
        raise RaofitError(f"`{name}` is not a compared parameter; expected one of {', '.join(names)}")
    return Measure(quantity.strip(), name)  # type: ignore[arg-type]


def _limit(text: str, names: Sequence[str], default: str | None) -> Limit:
    measure, sign, number = text.partition("<=")
    try:
        largest = float(number)
    except ValueError:
        sign = ""
    if not sign:
        raise RaofitError(f"`{text}`: expected a limit such as variance<=1.1")
    return Limit(_measure(measure.strip(), names, default), largest)
