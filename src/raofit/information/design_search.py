"""The search behind protocol design: free settings as a point of the unit cube, the bound there, and its minimum."""

import itertools
from collections.abc import Callable, Collection, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from raofit.information.crb import AMPLITUDE
from raofit.information.fisher import fisher_information
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

Duration = Callable[[Mapping[str, Float[Array, " measurement"]]], Float[Array, ""]]
Evaluation = Callable[[np.ndarray], tuple[float, np.ndarray]]

_RIDGE = 1e-12  # of the information scaled to a unit diagonal: a protocol without an answer has a large finite bound
LEAST_WEIGHT = 1e-4  # of the largest
_MOST_STEPS = 500
_TOLERANCE = 1e-9  # of the logarithm of the objective
_EXCHANGE_GAIN = 1e-6  # likewise
_OVERTIME = 1e-6  # share of the time budget that rounding may add


class Space:
    """Free settings as one vector in the unit cube: 0 is a lower bound, 1 an upper one."""

    def __init__(self, model: AbstractSignalModel, free: Mapping[str, tuple[float, float]]):
        self.model = model
        self.free = dict(free)
        self.shapes = {name: model.protocol[name].shape for name in free}
        self.size = sum(model.protocol[name].size for name in free)
        inside = [(model.protocol[name] - low) / (high - low) for name, (low, high) in self.free.items()]
        self.given = np.clip(np.concatenate([item.ravel() for item in inside]), 0.0, 1.0)

    def settings(self, point: Float[Array, " size"]) -> dict[str, Array]:
        """Settings by name."""
        found, start = {}, 0
        for name, (low, high) in self.free.items():
            stop = start + int(np.prod(self.shapes[name]))
            found[name] = low + (high - low) * point[start:stop].reshape(self.shapes[name])
            start = stop
        return found


def weighted_bound(
    space: Space, noise: AbstractNoise, tissues: np.ndarray, weights: np.ndarray, fixed: Collection[str]
) -> Evaluation:
    """The logarithm of J at a point of the unit cube, and its gradient."""
    model = space.model
    unknown = np.array([index for index, name in enumerate(model.parameter_names) if name not in fixed])
    raised = np.maximum(weights, LEAST_WEIGHT * weights.max())
    scales = np.where(tissues == 0, 0.0, raised / np.square(np.where(tissues == 0, 1.0, tissues)))

    def logarithm(point: Array, tissues: Array) -> Array:
        information = fisher_information(
            model.with_settings(space.settings(point)), tissues, noise, is_amplitude_known=AMPLITUDE in fixed
        )
        variance = _smooth_bound(information[..., unknown[:, None], unknown])
        return jnp.log(jnp.mean(jnp.sum(scales[:, unknown] * variance, axis=-1)))

    traced = jax.jit(jax.value_and_grad(logarithm))

    def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = traced(jnp.asarray(point), jnp.asarray(tissues))
        return float(value), np.asarray(gradient)

    return evaluate


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
