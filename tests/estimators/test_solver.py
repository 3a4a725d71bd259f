"""The lane solver on problems whose constrained minima are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.estimators._solver import Evaluation, minimize

CURVATURE = np.array([[2.0, 0.6], [0.6, 1.0]])


def quadratic(values, data):
    """½(x − c)ᵀH(x − c), the center c given per problem."""
    x, y = values - data
    (a, b), (_, c) = CURVATURE
    gradient = [a * x + b * y, b * x + c * y]
    objective = 0.5 * (x * gradient[0] + y * gradient[1])
    one = jnp.ones_like(x)
    return Evaluation(objective, gradient, [[a * one], [b * one, c * one]], 0.0 * one)


@functools.partial(jax.jit, static_argnames="n_lanes")
def minimized(centers, queued, lower, upper, tolerance, max_iterations, *, n_lanes):
    start, ending = jnp.zeros_like(centers), {"max_iterations": max_iterations, "tolerance": tolerance}
    return minimize(quadratic, start, centers, lower, upper, queued, n_lanes=n_lanes, **ending)


def solve(centers, *, n_lanes=3, queued=None, tolerance=1e-10, max_iterations=50):
    """In the box from −1 to 1; one program for each number of problems and lanes."""
    centers = jnp.asarray(centers, dtype=jnp.float32)
    queued = jnp.ones(len(centers), dtype=bool) if queued is None else jnp.asarray(queued)
    return minimized(centers, queued, -jnp.ones(2), jnp.ones(2), tolerance, max_iterations, n_lanes=n_lanes)


def test_interior_minimum_is_the_center():
    centers = np.random.default_rng(0).uniform(-0.9, 0.9, (40, 2))
    solution = solve(centers)
    assert np.all(np.asarray(solution.is_converged))
    assert np.allclose(solution.values, centers, atol=1e-5)


def test_minimum_on_a_bound_satisfies_the_optimality_conditions():
    """Center (3, 0): on x = 1 the gradient along y vanishes at y = −0.6·(1 − 3) = 1.2, outside; so (1, 1)."""
    solution = solve([[3.0, 0.0], [3.0, -0.8]] * 2)
    assert np.allclose(solution.values, [[1.0, 1.0], [1.0, 0.4]] * 2, atol=1e-5)
    assert np.all(np.asarray(solution.is_converged))


@pytest.mark.parametrize("n_lanes", [1, 3, 64])
def test_the_number_of_lanes_changes_nothing(n_lanes):
    centers = np.random.default_rng(1).uniform(-2, 2, (40, 2))
    reference = solve(centers, n_lanes=40)
    assert np.array_equal(solve(centers, n_lanes=n_lanes).values, reference.values)


def test_problems_outside_the_queue_are_left_alone():
    solution = solve([[0.5, 0.5]] * 4, queued=[True, False, True, False])
    assert np.isinf(np.asarray(solution.objective)).tolist() == [False, True, False, True]
    assert np.asarray(solution.iterations).tolist()[1::2] == [0, 0]


def test_the_iteration_limit_is_reported():
    solution = solve([[0.5, 0.5]] * 4, max_iterations=1)
    assert not np.any(np.asarray(solution.is_converged))
