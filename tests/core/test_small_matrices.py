"""Unrolled LDLᵀ against NumPy's solvers."""

import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.small_matrices import factorize, inverse_diagonal, solve


def lanes(matrices):
    size = matrices.shape[-1]
    return [[jnp.asarray(matrices[:, j, k]) for k in range(j + 1)] for j in range(size)]


@pytest.fixture(params=[1, 2, 3, 4, 6])
def systems(request):
    generator = np.random.default_rng(request.param)
    roots = generator.normal(size=(50, request.param, request.param + 2))
    return roots @ roots.swapaxes(-1, -2), generator.normal(size=(50, request.param))


def test_solution_matches_numpy(systems):
    matrices, right = systems
    factor, pivots = factorize(lanes(matrices), 1e-9)
    found = np.stack(solve(factor, pivots, [jnp.asarray(column) for column in right.T]), axis=-1)
    expected = np.linalg.solve(matrices, right[..., None])[..., 0]
    condition = np.linalg.cond(matrices)[:, None]
    assert np.all(
        np.abs(found - expected) < 50 * np.finfo(np.float32).eps * condition * np.abs(expected).max(-1)[:, None]
    )


def test_inverse_diagonal_matches_numpy(systems):
    matrices, _ = systems
    found = np.stack(inverse_diagonal(*factorize(lanes(matrices), 1e-9)), axis=-1)
    expected = np.diagonal(np.linalg.inv(matrices), axis1=-2, axis2=-1)
    assert np.all(np.abs(found / expected - 1) < 50 * np.finfo(np.float32).eps * np.linalg.cond(matrices)[:, None])


def test_singular_matrix_gives_the_least_pivot():
    singular = np.ones((1, 2, 2))
    _, pivots = factorize(lanes(singular), 1e-3)
    assert float(pivots[1][0]) == pytest.approx(1e-3)
