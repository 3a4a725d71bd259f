"""Grids of parameters: order, constraints, neighbors, nearest values, and one sentence for every fault."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.models import IVIM, MonoExponentialT2

AXES = {"T1": np.geomspace(0.1, 10.0, 5), "T2": np.geomspace(0.01, 1.0, 4), "B1": [0.8, 1.0, 1.3]}


def _below(values):
    return values["T2"] < values["T1"]


def test_atoms_are_in_the_order_of_nested_loops():
    grid = ParameterGrid(AXES, where=_below)
    expected = [(t1, t2, b1) for t1 in AXES["T1"] for t2 in AXES["T2"] for b1 in AXES["B1"] if t2 < t1]
    np.testing.assert_array_equal(np.stack(list(grid.values.values()), axis=-1), expected)
    assert len(grid) == len(expected) < np.prod(grid.shape)
    assert grid.exists.sum() == len(grid)


def test_an_atom_is_found_by_its_place():
    grid = ParameterGrid(AXES, where=_below)
    np.testing.assert_array_equal(grid.atom_at(grid.indices), np.arange(len(grid)))
    outside = np.array([[-1, 0, 0], [5, 0, 0], [4, 0, 3], [0, 3, 0]])  # the last one: T2 = 1 > T1 = 0.1
    np.testing.assert_array_equal(grid.atom_at(outside), -1)


def test_the_natural_scale_is_the_logarithm_of_equal_ratios():
    grid = ParameterGrid(AXES | {"f": np.linspace(0.1, 0.5, 3), "g": 2.0})
    assert grid.is_log == {"T1": True, "T2": True, "B1": False, "f": False, "g": False}
    np.testing.assert_array_equal(grid.nearest("T1", np.array([0.0, 0.1, 0.17, 0.18, 99.0])), [0, 0, 0, 1, 4])
    np.testing.assert_array_equal(grid.nearest("B1", np.array([0.1, 0.89, 0.91, 1.16, 9.0])), [0, 0, 1, 2, 2])


FAULTS = [
    ({}, None, "expected values for at least one parameter"),
    ({"T2": []}, None, r"expected a list of values for `T2`.*shape \(0,\)"),
    ({"T2": [[0.1]]}, None, r"expected a list of values for `T2`"),
    ({"T2": [0.1, np.nan]}, None, "expected finite values for `T2`, got nan"),
    ({"T2": [0.1, 0.3, 0.2]}, None, "expected increasing values for `T2`, got 0.2 after 0.3; sort them"),
    ({"T2": [0.1, 0.2]}, lambda values: values["T1"] > 0, "`where` asks for 'T1'; the axes are T2"),
    ({"T2": [0.1, 0.2]}, lambda values: values["T2"] > 1, "`where` leaves none of 2 combinations"),
    ({"T2": [0.1, 0.2]}, lambda values: values["T2"], "expected `where` to return a boolean.*float64"),
]


@pytest.mark.parametrize(("axes", "where", "message"), FAULTS)
def test_a_faulty_grid_is_refused(axes, where, message):
    with pytest.raises(RaofitError, match=message):
        ParameterGrid(axes, where=where)


MISFITS = [
    ({"T2": [0.1], "T9": [1.0]}, "`T9` is not a parameter of model `t2`; give values for T2"),
    ({"T2": [0.1], "S0": [1.0]}, "the amplitude `S0` follows from the match"),
    ({"T2": [0.1, 9.0]}, r"expected `T2` from 0.001 to 5 s \(its bounds\), got 0.1 to 9"),
]


@pytest.mark.parametrize(("axes", "message"), MISFITS)
def test_a_grid_that_does_not_fit_the_model_is_refused(axes, message):
    with pytest.raises(RaofitError, match=message):
        ParameterGrid(axes).parameters(MonoExponentialT2([0.01, 0.02]))


def test_a_parameter_without_values_is_asked_for():
    with pytest.raises(RaofitError, match=r"also needs `D_fast` \(mm²/s\); give an axis"):
        ParameterGrid({"f": [0.1], "D_slow": [1e-3]}).parameters(IVIM([0, 100, 800]))
