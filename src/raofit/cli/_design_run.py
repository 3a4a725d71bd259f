"""What `raofit design` does around the search: bounds in user units, tissues, the tables, the files."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from raofit.cli._design_train import SEQUENCE, changed, is_train, write_train
from raofit.cli._invocation import command
from raofit.core.errors import RaofitError
from raofit.information.design import Design
from raofit.information.identifiability import typical_points
from raofit.io.listed_settings import LISTED
from raofit.io.output import new_folder
from raofit.io.protocol_output import file_name, in_file_units, unit_of, write_setting
from raofit.io.provenance import provenance, write_json
from raofit.models import AbstractSignalModel, build

N_TISSUES = 64
N_TISSUES_OF_TRAINS = 16  # a train has hundreds of pulses to simulate
_MOST_SHOWN = 20
_TIMES = ("repetition_time", "repetition_times", "inversion_time")


def bounds_of(model: AbstractSignalModel, free: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Bounds in the model's units; every corner of them must be a protocol the model accepts.

    Raises
    ------
    RaofitError, ProtocolError
        If a name is no setting of the model, or a corner is no protocol.
    """
    found = {}
    for name, pair in free.items():
        if name not in model.protocol:
            raise RaofitError(f"--free {name}: model `{model.name}` has {', '.join(model.protocol)}")
        is_angle = name in LISTED and LISTED[name].is_angle
        found[name] = (float(np.deg2rad(pair[0])), float(np.deg2rad(pair[1]))) if is_angle else pair
    for corner in itertools.product(*found.values()):
        changed = {name: np.full_like(model.protocol[name], value) for name, value in zip(found, corner, strict=True)}
        build(model.name, model.protocol | changed)
    return found


def tissues_at(model: AbstractSignalModel, values: Mapping[str, float]) -> Float[np.ndarray, "tissue parameter"]:
    """Tissues that fill the typical ranges, all with these values; the amplitude is the typical one."""
    points = typical_points(model, N_TISSUES_OF_TRAINS if is_train(model) else N_TISSUES)
    for index, parameter in enumerate(model.parameters):
        if parameter.name in values:
            points[:, index] = values[parameter.name]
        elif parameter.is_amplitude:
            points[:, index] = parameter.typical_value
    return np.unique(points, axis=0)


def sets_time(bounds: Mapping[str, tuple[float, float]]) -> bool:
    """Whether `scan_time` depends on a free setting."""
    return any(name in _TIMES for name in bounds)


def scan_time(settings: Mapping[str, Float[Array, " measurement"]]) -> Float[Array, ""]:
    """Sum of the repetition times, s, and of a train also the inversion time."""
    return jnp.sum(jnp.stack([jnp.sum(jnp.asarray(settings[name])) for name in _TIMES if name in settings]))


def in_order(model: AbstractSignalModel) -> dict[str, np.ndarray]:
    """The protocol; volumes that differ in one setting only can be in any order, and are sorted by it."""
    protocol = model.protocol
    return {name: np.sort(values) for name, values in protocol.items()} if len(protocol) == 1 else protocol


def print_design(found: Design) -> None:
    """Settings and precision before and after on standard output: drawn for a terminal, tab-separated for a pipe."""
    settings = [("setting", "unit", "before", "after")]
    before, after = in_order(found.before), in_order(found.after)
    for name in after:
        if np.array_equal(before[name], after[name]):
            continue
        settings.append((name, unit_of(name), _listed(name, before[name]), _listed(name, after[name])))
    precision = [("parameter", "weight", "least relative std before", "after")]
    for parameter, weight, old, new in zip(
        found.before.parameters, found.weights, found.relative_std_before, found.relative_std_after, strict=True
    ):
        precision.append((parameter.name, f"{weight:g}", f"{old:.2%}", f"{new:.2%}"))
    console = Console(highlight=False)
    for rows in (settings, precision):
        if not console.is_terminal:
            print("\n".join("\t".join(row) for row in rows))
            continue
        table = Table(box=SIMPLE_HEAD)
        for name in rows[0]:
            table.add_column(name)
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
    console.print(_sentence(found), soft_wrap=not console.is_terminal, markup=False)


def write_design_folder(out: Path, found: Design, sigma: float, inputs: Sequence[Path], *, force: bool) -> None:
    """Write one file per setting of the new protocol and `design.json` to a new folder."""
    record = provenance(command(), inputs)
    before, after = in_order(found.before), in_order(found.after)
    with new_folder(out, force=force) as work:
        if is_train(found.after):
            write_train(work, found)
        else:
            for name, values in after.items():
                write_setting(work, name, values)
        content = {
            "Model": found.after.name,
            "Sigma": sigma,
            "Weights": dict(zip(found.before.parameter_names, found.weights, strict=True)),
            "Tissues": found.tissues,
            "Settings": {
                name: {
                    "Units": unit_of(name),
                    "File": SEQUENCE if is_train(found.after) else file_name(name),
                    "Before": in_file_units(name, before[name]),
                    "After": in_file_units(name, after[name]),
                }
                for name in (changed(found) if is_train(found.after) else after)
            },
            "RelativeStdBefore": dict(zip(found.before.parameter_names, found.relative_std_before, strict=True)),
            "RelativeStdAfter": dict(zip(found.before.parameter_names, found.relative_std_after, strict=True)),
            "ObjectiveBefore": found.objective_before,
            "ObjectiveAfter": found.objective_after,
            "Factor": found.factor,
        }
        write_json(work / "design.json", content | record)


def _listed(name: str, values: np.ndarray) -> str:
    shown = np.atleast_1d(in_file_units(name, values))
    if shown.size > _MOST_SHOWN:
        return f"{shown.min():.4g} to {shown.max():.4g}, mean {shown.mean():.4g}"
    return " ".join(f"{value:.4g}" for value in shown)


def _sentence(found: Design) -> str:
    """What the tables mean."""
    time = "" if found.duration_after is None else f" in {found.duration_after:.4g} s of {found.duration_before:.4g} s"
    if np.isinf(found.factor):
        return f"The given protocol cannot tell these parameters; the new one can{time}."
    return (
        f"The weighted variance bound is {found.factor:.3g} times smaller{time}: the new protocol says as much as "
        f"{found.factor:.3g} repeats of the given one."
    )
