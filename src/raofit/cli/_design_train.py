"""What `raofit design` does with a train of pulses: nodes of smooth curves, the sequence file, the figure."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from raofit.core.errors import RaofitError
from raofit.information.design import Design
from raofit.io.fingerprint_sequence import write_sequence
from raofit.io.protocol_output import in_file_units, unit_of
from raofit.models import MRFFISP, AbstractSignalModel, HybridState
from raofit.plot.style import write_png
from raofit.plot.trains import plot_trains

NODES = 24
SEQUENCE = "sequence.toml"


def nodes_of(
    model: AbstractSignalModel, bounds: Mapping[str, tuple[float, float]], n_nodes: int | None
) -> dict[str, int]:
    """Nodes of each free setting that has a value per pulse of a train; none for a protocol of volumes.

    Raises
    ------
    RaofitError
        If nodes are asked for where nothing can have them.
    """
    lists = [name for name in bounds if model.protocol[name].ndim > 0] if is_train(model) else []
    if n_nodes is None:
        return {name: min(NODES, model.protocol[name].size) for name in lists}
    if not lists:
        raise RaofitError(
            f"--nodes {n_nodes}: {', '.join(bounds)} of model `{model.name}` cannot follow a curve, only what a train "
            "has for each of its pulses can; leave the option out"
        )
    return dict.fromkeys(lists, n_nodes)


def is_train(model: AbstractSignalModel) -> bool:
    """Whether the protocol is a sequence of pulses with one file, not a list per setting."""
    return isinstance(model, MRFFISP | HybridState)


def changed(found: Design) -> list[str]:
    """Settings that are other than they were."""
    before, after = found.before.protocol, found.after.protocol
    return [name for name in after if not np.array_equal(before[name], after[name])]


def write_train(folder: Path, found: Design) -> None:
    """Write the new train as a sequence file, and a figure of what changed for each pulse."""
    comment = f"Designed for {found.after.name}: a variance bound {found.factor:.3g} times smaller (design.json)."
    write_sequence(folder / SEQUENCE, found.after.protocol, comment)
    shown = [name for name in changed(found) if found.after.protocol[name].ndim > 0]
    before, after = (
        {f"{name.replace('_', ' ')} ({unit_of(name)})": in_file_units(name, item.protocol[name]) for name in shown}
        for item in (found.before, found.after)
    )
    if shown:
        write_png(folder / "design.png", plot_trains(before, after))
