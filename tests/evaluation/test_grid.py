"""Grids of truths and their marginal means."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation import Grid, evaluation_grid
from raofit.models import IVIM, MonoExponentialT2

B_VALUES = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]


def test_the_papers_test_set():
    grid = evaluation_grid(IVIM(B_VALUES))
    assert grid.shape == (1, 10, 10, 10)
    assert grid.points.shape == (1000, 4)
    np.testing.assert_array_equal(grid.points[:, 0], 1.0)
    assert grid.varied == ("f", "D_slow", "D_fast")
    np.testing.assert_allclose(grid.axes["D_slow"][[0, 1, 8, 9]], [0.4e-3, 0.689e-3, 2.711e-3, 3e-3], rtol=1e-3)
    np.testing.assert_allclose(grid.axes["D_fast"][[0, 9]], [10e-3, 150e-3])
    assert len(np.unique(grid.points, axis=0)) == 1000


def test_log_scaled_parameters_are_spaced_in_their_logarithm():
    values = evaluation_grid(MonoExponentialT2([0.01, 0.1]), n_values=5).axes["T2"]
    np.testing.assert_allclose(values[1:] / values[:-1], (0.2 / 0.02) ** 0.25)


def test_ranges_and_fixed_values():
    grid = evaluation_grid(IVIM(B_VALUES), n_values=3, ranges={"f": (0.0, 0.2)}, fixed={"D_fast": 0.05})
    assert grid.shape == (1, 3, 3, 1)
    np.testing.assert_allclose(grid.axes["f"], [0, 0.1, 0.2])
    np.testing.assert_array_equal(grid.points[:, 3], 0.05)
    with pytest.raises(RaofitError, match="`T1` is not a parameter"):
        evaluation_grid(IVIM(B_VALUES), fixed={"T1": 1.0})


def test_marginals_are_plain_means_over_the_other_axes():
    grid = Grid({"a": np.arange(2.0), "b": np.arange(3.0), "c": np.arange(4.0)})
    a, b, c = grid.points.T
    values = 100 * a + 10 * b**2 + c**3
    np.testing.assert_allclose(grid.marginal(values, ["b"]), 50 + 10 * np.arange(3.0) ** 2 + 9)
    table = grid.marginal(values, ("c", "a"))
    assert table.shape == (4, 2)
    np.testing.assert_allclose(table, np.arange(4.0)[:, None] ** 3 + 100 * np.arange(2.0) + 10 * 5 / 3)
    with pytest.raises(RaofitError, match="`d` is not one"):
        grid.marginal(values, ["d"])


def test_a_missing_point_is_not_averaged_away():
    grid = Grid({"a": np.arange(2.0), "b": np.arange(3.0)})
    values = np.zeros(6)
    values[4] = np.nan
    assert np.isnan(grid.marginal(values, ["a"])).tolist() == [False, True]
