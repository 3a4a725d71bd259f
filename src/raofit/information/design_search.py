"""The search behind protocol design: free settings as a point of the unit cube, the bound there, and its minimum."""

import itertools
from collections.abc import Callable, Collection, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from raofit.core.progress import Progress, ProgressEvent
from raofit.information.crb import AMPLITUDE
from raofit.information.fisher import fisher_information
from raofit.information.smooth_curves import curve_matrix, nearest_nodes
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

Duration = Callable[[Mapping[str, Float[Array, " measurement"]]], Float[Array, ""]]
Evaluation = Callable[[np.ndarray], tuple[float, np.ndarray]]

_DIGITS = 6  # of an entry of the unit cube
_RIDGE = 1e-12  # of the information scaled to a unit diagonal: a protocol without an answer has a large finite bound
LEAST_WEIGHT = 1e-4  # of the largest
_MOST_STEPS = 500
_TOLERANCE = 1e-9  # of the logarithm of the objective
_EXCHANGE_GAIN = 1e-6  # likewise
_OVERTIME = 1e-6  # share of the time budget that rounding may add


class Space:
    """Free settings as one vector in the unit cube: 0 is a lower bound, 1 an upper one.

    A setting with nodes is the smooth curve through as many entries (`raofit.information.smooth_curves`), the others
    have an entry per value. `given` is the given protocol, or what is nearest to it; `holds_given` says whether that
    is within the bounds.
    """

    def __init__(self, model: AbstractSignalModel, free: Mapping[str, tuple[float, float]], nodes: Mapping[str, int]):
        self.model = model
        self.free = dict(free)
        self.shapes = {name: model.protocol[name].shape for name in free}
        self.curves = {name: curve_matrix(model.protocol[name].size, n_nodes) for name, n_nodes in nodes.items()}
        self.sizes = {name: nodes.get(name, model.protocol[name].size) for name in free}
        self.size = sum(self.sizes.values())
        self.given = np.concatenate([self._entries(name) for name in free])
        self.holds_given = all(
            np.all((low <= model.protocol[name]) & (model.protocol[name] <= high)) for name, (low, high) in free.items()
        )

    def _entries(self, name: str) -> np.ndarray:
        """The entries of a setting of the given protocol."""
        low, high = self.free[name]
        inside = np.clip((self.model.protocol[name].ravel() - low) / (high - low), 0.0, 1.0)
        return nearest_nodes(self.curves[name], inside) if name in self.curves else inside

    def settings(self, point: Float[Array, " size"]) -> dict[str, Array]:
        """Settings by name."""
        found, start = {}, 0
        for name, (low, high) in self.free.items():
            stop = start + self.sizes[name]
            entries = jnp.asarray(point[start:stop])
            if name in self.curves:
                entries = self.curves[name] @ entries
            found[name] = low + (high - low) * entries.reshape(self.shapes[name])
            start = stop
        return found

    def rounded(self, point: Float[np.ndarray, " size"]) -> dict[str, np.ndarray]:
        """Settings by name from entries of a few digits, within their bounds to the last digit."""
        found = self.settings(np.round(point, _DIGITS))
        return {name: np.clip(np.asarray(values), *self.free[name]) for name, values in found.items()}


def weighted_bound(
    space: Space, noise: AbstractNoise, tissues: np.ndarray, weights: np.ndarray, fixed: Collection[str]
) -> Evaluation:
    """The logarithm of J at a point of the unit cube, and its gradient."""
    unknown = np.array([index for index, name in enumerate(space.model.parameter_names) if name not in fixed])
    scales = relative_weights(tissues, weights)
    lowest = {name: np.full(space.shapes[name], low) for name, (low, _) in space.free.items()}
    model = space.model.with_settings(lowest).for_voxels(tissues)  # short repetitions need the largest simulation

    @eqx.filter_jit  # arrays of the model are arguments: as constants, all trains would need programs of their own
    @jax.value_and_grad
    def logarithm(point: Array, model: AbstractSignalModel, noise: AbstractNoise, tissues: Array, scales: Array):
        information = fisher_information(
            model.with_settings(space.settings(point)), tissues, noise, is_amplitude_known=AMPLITUDE in fixed
        )
        variance = _smooth_bound(information[..., unknown[:, None], unknown])
        return jnp.log(jnp.mean(jnp.sum(scales[:, unknown] * variance, axis=-1)))

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = logarithm(jnp.asarray(point), model, noise, jnp.asarray(tissues), jnp.asarray(scales))
        return float(value), np.asarray(gradient)

    return evaluate


def relative_weights(tissues: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, "tissue parameter"]:
    """w_k/θ_ik² with the least weight that every parameter has; 0 where a value is 0."""
    raised = np.maximum(weights, LEAST_WEIGHT * weights.max())
    return np.where(tissues == 0, 0.0, raised / np.square(np.where(tissues == 0, 1.0, tissues)))


def _smooth_bound(information: Float[Array, "tissue k k"]) -> Float[Array, "tissue k"]:
    """Diagonal of the inverse; differentiable, and finite where the information is singular."""
    diagonal = jnp.diagonal(information, axis1=-2, axis2=-1)
    scale = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    identity = jnp.eye(scale.shape[-1], dtype=scale.dtype)
    scaled = information / (scale[..., :, None] * scale[..., None, :]) + _RIDGE * identity
    return jnp.diagonal(jnp.linalg.inv(scaled), axis1=-2, axis2=-1) / jnp.square(scale)


def excess_time(space: Space, duration: Duration, budget: float) -> Evaluation:
    """By which share of the budget a point of the unit cube exceeds it, and the gradient of that."""
    given = {name: values for name, values in space.model.protocol.items() if name not in space.free}
    traced = jax.jit(jax.value_and_grad(lambda point: duration(given | space.settings(point)) / budget - 1.0))

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = traced(jnp.asarray(point))
        return float(value), np.asarray(gradient)

    return evaluate


def watched(objective: Evaluation, index: int, n_searches: int, first: float, progress: Progress) -> Evaluation:
    """The objective as search `index` of `n_searches` sees it, with an event per evaluation.

    Parameters
    ----------
    first : the logarithm that gains are relative to.
    """
    found: list[float] = []

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(point)
        found.append(value)
        gain = np.exp(first - min(found))
        progress(ProgressEvent("searches", index, n_searches, f"evaluation {len(found)}, {gain:.3f} times smaller"))
        return value, gradient

    return evaluate


def local_search(objective: Evaluation, overtime: Evaluation | None, start: np.ndarray) -> np.ndarray:
    """Where one local search ends, within the unit cube."""
    constraints = ()
    if overtime is not None:
        constraints = (
            {"type": "ineq", "fun": lambda point: -overtime(point)[0], "jac": lambda point: -overtime(point)[1]},
        )
    found = scipy.optimize.minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * start.size,
        constraints=constraints,
        options={"maxiter": _MOST_STEPS, "ftol": _TOLERANCE},
    )
    return np.clip(found.x, 0.0, 1.0)


def exchanged(objective: Evaluation, overtime: Evaluation | None, point: np.ndarray, n_measurements: int) -> np.ndarray:
    """A local minimum from which no measurement wants to be a repeat of another one.

    How often each setting is repeated is a question of whole numbers, which a gradient cannot answer: so every
    measurement is tried as a copy of every other, and the search goes on from the best of these as long as that helps.
    """
    if point.size % n_measurements:
        return point
    value = objective(point)[0]
    pairs = list(itertools.permutations(range(n_measurements), 2))
    while pairs:
        tables = np.repeat(point.reshape(1, -1, n_measurements), len(pairs), axis=0)
        for table, (index, other) in zip(tables, pairs, strict=True):
            table[:, index] = table[:, other]
        trials = [objective(table.ravel())[0] for table in tables]
        found = local_search(objective, overtime, tables[np.argmin(trials)].ravel())
        if not (keeps_time(overtime, found) and objective(found)[0] < value - _EXCHANGE_GAIN):
            break
        point, value = found, objective(found)[0]
    return point


def keeps_time(overtime: Evaluation | None, point: np.ndarray) -> bool:
    """Whether a point keeps to the time budget, if there is one."""
    return overtime is None or overtime(point)[0] <= _OVERTIME
