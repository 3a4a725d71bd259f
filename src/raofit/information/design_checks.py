"""What can be asked of a protocol design: weights, bounds and nodes, or a sentence about what is wrong with them."""

from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models import AbstractSignalModel


def parameter_weights(
    model: AbstractSignalModel, weights: Mapping[str, float] | None, fixed: Collection[str]
) -> Float[np.ndarray, " parameter"]:
    """One weight per parameter of the model."""
    names = model.parameter_names
    if weights is None:
        weights = {item.name: 1.0 for item in model.parameters if item.name not in fixed and not item.is_amplitude}
    for name, weight in weights.items():
        if name not in names:
            raise RaofitError(f"weights: `{name}` is not a parameter; the model has {', '.join(names)}")
        if not 0 <= weight < np.inf:
            raise RaofitError(f"weights: expected a number ≥ 0 for `{name}`, got {weight:g}")
        if weight > 0 and name in fixed:
            raise RaofitError(f"weights: `{name}` is taken as known, so it has no variance to weigh; leave it out")
    found = np.array([float(weights.get(name, 0.0)) for name in names])
    if not np.any(found > 0):
        raise RaofitError("weights: expected a weight > 0 for at least one parameter, got none")
    return found


def check_settings(
    model: AbstractSignalModel, free: Mapping[str, tuple[float, float]], nodes: Mapping[str, int]
) -> None:
    """Raise unless these are settings within what they can be, and those with nodes are lists of enough values."""
    if not model.follows_settings:
        raise RaofitError(
            f"model `{model.name}`: its settings cannot be designed, because it cannot be differentiated by them; "
            "models written with `jax.numpy` can be"
        )
    if not free:
        raise RaofitError(f"free: expected the bounds of at least one of {', '.join(model.protocol)}, got none")
    plausible = {field.name: field for field in model.protocol_fields}
    for name, (low, high) in free.items():
        if name not in model.protocol:
            raise RaofitError(f"free: `{name}` is not a setting of the model; it has {', '.join(model.protocol)}")
        if not -np.inf < low < high < np.inf:
            raise ProtocolError(f"free: expected finite bounds of `{name}`, lower < upper, got {low:g} to {high:g}")
        field = plausible.get(name)
        if field is not None and not field.plausible[0] <= low < high <= field.plausible[1]:
            least, most = field.plausible
            raise ProtocolError(
                f"free: expected bounds of `{name}` within {least:g} to {most:g} {field.unit}, got {low:g} to "
                f"{high:g}; {field.hint}"
            )
    model.with_settings({name: model.protocol[name] for name in free})  # refuses what cannot change
    for name, n_nodes in nodes.items():
        _check_nodes(model, free, name, n_nodes)


def _check_nodes(model: AbstractSignalModel, free: Mapping[str, tuple[float, float]], name: str, n_nodes: int) -> None:
    if name not in free:
        raise RaofitError(f"nodes: `{name}` is not one of the free settings, which are {', '.join(free)}")
    values = model.protocol[name]
    if values.ndim == 0:
        raise RaofitError(f"nodes: `{name}` is a single number, not a list that could follow a curve; leave it out")
    if not 2 <= n_nodes <= values.size:
        raise RaofitError(f"nodes: expected 2 to {values.size} for the {values.size} `{name}`, got {n_nodes}")


def check_scale(model: AbstractSignalModel, tissues: np.ndarray, weights: np.ndarray) -> None:
    """Raise if a weighted parameter is 0 in a tissue."""
    for name, weight, column in zip(model.parameter_names, weights, tissues.T, strict=True):
        if weight > 0 and np.any(column == 0):
            raise RaofitError(
                f"tissues: `{name}` is 0 in one of them, so its variance relative to its value has no meaning; give it "
                "the weight 0 or another value"
            )
