"""Smooth curves: contributions of the nodes in closed form, what they span, and their bounds."""

import numpy as np
import pytest

from raofit.information.smooth_curves import curve_matrix, nearest_nodes


def test_contributions_at_inner_knots_are_those_of_the_uniform_cubic_spline():
    """1/6, 4/6, 1/6 where all knots that matter are equally far apart; ten nodes have knots every 1/7."""
    matrix = curve_matrix(7 * 5 + 1, 10)
    np.testing.assert_allclose(matrix[15], np.r_[np.zeros(3), 1 / 6, 4 / 6, 1 / 6, np.zeros(4)], atol=1e-15)
    np.testing.assert_array_equal(matrix[[0, -1]], np.eye(10)[[0, -1]])


@pytest.mark.parametrize(("n_measurements", "n_nodes"), [(2, 2), (5, 3), (30, 4), (30, 30), (880, 24)])
def test_contributions_add_up_to_one_and_are_not_negative(n_measurements, n_nodes):
    matrix = curve_matrix(n_measurements, n_nodes)
    assert matrix.shape == (n_measurements, n_nodes)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)
    assert np.linalg.matrix_rank(matrix) == n_nodes


@pytest.mark.parametrize(("n_nodes", "degree"), [(2, 1), (3, 2), (4, 3), (9, 3)])
def test_polynomials_up_to_the_degree_are_found(n_nodes, degree):
    places = np.linspace(-1, 1, 50)
    values = 0.5 + 0.3 * places**degree
    matrix = curve_matrix(50, n_nodes)
    np.testing.assert_allclose(matrix @ nearest_nodes(matrix, values), values, atol=1e-9)


def test_nodes_stay_from_0_to_1():
    matrix = curve_matrix(40, 8)
    nodes = nearest_nodes(matrix, np.repeat([0.0, 1.0], 20))
    assert nodes.min() >= 0
    assert nodes.max() <= 1
    np.testing.assert_allclose((matrix @ nodes)[[0, -1]], [0, 1], atol=0.02)
