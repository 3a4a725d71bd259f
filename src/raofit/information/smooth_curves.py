"""Smooth curves over the measurements of a protocol: a train of hundreds of pulses from a few numbers."""

import numpy as np
import scipy.interpolate
import scipy.optimize
from jaxtyping import Float

_DEGREE = 3


def curve_matrix(n_measurements: int, n_nodes: int) -> Float[np.ndarray, "measurement node"]:
    """What each node contributes to each measurement: cubic B-splines with equally spaced knots.

    The curve begins at the first node and ends at the last; the others pull it towards them. Contributions are ≥ 0 and
    add up to 1, so the curve stays between the least and the largest node: what bounds the nodes bounds every
    measurement. It has continuous second derivatives (with fewer than 4 nodes, it is a parabola or a line).
    """
    degree = min(_DEGREE, n_nodes - 1)
    inner = np.linspace(0.0, 1.0, n_nodes - degree + 1)
    knots = np.r_[np.zeros(degree), inner, np.ones(degree)]
    places = np.linspace(0.0, 1.0, n_measurements)
    return scipy.interpolate.BSpline.design_matrix(places, knots, degree).toarray()


def nearest_nodes(
    matrix: Float[np.ndarray, "measurement node"], values: Float[np.ndarray, " measurement"]
) -> Float[np.ndarray, " node"]:
    """Nodes from 0 to 1 whose curve is nearest to `values`, by least squares."""
    return np.clip(scipy.optimize.lsq_linear(matrix, values, bounds=(0.0, 1.0)).x, 0.0, 1.0)
