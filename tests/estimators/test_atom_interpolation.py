"""The quadratic around an atom: exact differences over unequal steps, and its maximum inside a box."""

import numpy as np
import scipy.optimize

from raofit.estimators.atom_interpolation import _highest, _Quadratic, _quadratic

GENERATOR = np.random.default_rng(0)
N, AXES = 40, 3
GRADIENT = GENERATOR.normal(size=(N, AXES))
FACTORS = GENERATOR.normal(size=(N, AXES, AXES))
CURVATURE = -np.einsum("vij,vkj->vik", FACTORS, FACTORS)
AFTER, BEFORE = GENERATOR.uniform(0.5, 2.0, (2, N, AXES))


def _value(offset):
    return np.einsum("vi,vi->v", GRADIENT, offset) + 0.5 * np.einsum("vi,vij,vj->v", offset, CURVATURE, offset)


def test_differences_are_exact_for_a_quadratic():
    """Unequal steps and mixed derivatives; rounding of differences: 1e-12."""
    unit = np.eye(AXES)
    around = [(_value(AFTER * row), _value(-BEFORE * row)) for row in unit]

    def corner(first, second, signs):
        one, other = (AFTER if sign > 0 else -BEFORE for sign in signs)
        return _value(one * unit[first] + other * unit[second])

    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    pairs = [(first, second) for first in range(AXES) for second in range(first)]
    corners = {pair: (np.ones(N, bool), [corner(*pair, sign) for sign in signs]) for pair in pairs}
    found = _quadratic(np.zeros(N), around, corners, (AFTER, BEFORE), np.zeros((N, AXES), bool))
    np.testing.assert_allclose(found.gradient, GRADIENT, atol=1e-12)
    np.testing.assert_allclose(found.curvature, CURVATURE, atol=1e-12)


def test_the_maximum_is_that_inside_the_box():
    """SciPy's bounded minimizer is the witness. 30 sweeps come within 1 % of the rise on flat ridges."""
    found = _highest(_Quadratic(GRADIENT, CURVATURE), -BEFORE, AFTER)
    assert np.all((found >= -BEFORE - 1e-12) & (found <= AFTER + 1e-12))
    reached = _value(found)
    for voxel in range(N):
        witness = scipy.optimize.minimize(
            lambda d, v=voxel: -(GRADIENT[v] @ d + 0.5 * d @ CURVATURE[v] @ d),
            np.zeros(AXES),
            jac=lambda d, v=voxel: -(GRADIENT[v] + CURVATURE[v] @ d),
            bounds=list(zip(-BEFORE[voxel], AFTER[voxel], strict=True)),
            method="L-BFGS-B",
        )
        assert reached[voxel] >= -witness.fun * 0.99 - 1e-9


def test_an_axis_that_does_not_bend_down_stays():
    curvature = np.array([[[1.0, 0.5], [0.5, -2.0]]])
    found = _highest(_Quadratic(np.array([[1.0, 1.0]]), curvature), -np.ones((1, 2)), np.ones((1, 2)))
    np.testing.assert_allclose(found, [[0.0, 0.5]])
