"""Curves, slopes, arrows, baselines and rows from evaluations with known bias and variance."""

import numpy as np
import pytest

from raofit.core.parameter import Parameter
from raofit.evaluation import Evaluation, Grid
from raofit.evaluation.tables import (
    bias_slope,
    bound_curves,
    constant_curves,
    constant_rmse,
    mapping_arrows,
    marginal_curves,
    result_columns,
    summarize,
)

PARAMETERS = (
    Parameter("S0", "a.u.", (0.0, 2.0), (0.8, 1.2), "S_0", "amplitude", is_amplitude=True),
    Parameter("x", "s", (0.0, 10.0), (1.0, 3.0), "x", "first"),
    Parameter("y", "1", (0.0, 10.0), (0.0, 4.0), "y", "second"),
)
GRID = Grid({"S0": np.array([1.0]), "x": np.linspace(1, 3, 5), "y": np.linspace(0, 4, 4)})


def made(bias, std):
    """An evaluation with the given bias(truths) and std(truths)."""
    truths = GRID.points
    return Evaluation(
        truths=truths,
        bias=bias(truths),
        std=std(truths),
        n_usable=np.full(truths.shape, 9),
        share_at_bound=np.full(truths.shape, 0.25),
        status_counts={},
        n_repeats=10,
        parameters=PARAMETERS,
        crb_std=2.0 * np.ones_like(truths),
    )


def shrinking(truths):
    center = np.array([1.0, 2.0, 2.0])
    return (center - truths) * np.array([0.0, 0.4, 0.0]) + np.array([0.1, 0.0, 0.5])


LINEAR = made(shrinking, lambda truths: 0.1 * truths)


def test_slope_of_bias():
    slopes = bias_slope(LINEAR)
    assert np.isnan(slopes[0])
    np.testing.assert_allclose(slopes[1:], [-0.4, 0.0], atol=1e-12)


def test_marginal_curves_average_per_point_values():
    curves = marginal_curves(LINEAR, GRID)
    assert list(curves) == ["x", "y"]
    np.testing.assert_allclose(curves["x"].bias, 0.4 * (2 - GRID.axes["x"]))
    np.testing.assert_allclose(curves["y"].bias, 0.5)
    np.testing.assert_allclose(curves["x"].std, 0.1 * GRID.axes["x"])
    expected = np.hypot(0.5, 0.1 * GRID.axes["y"])
    np.testing.assert_allclose(curves["y"].rmse, expected)


def test_rmse_curves_are_means_of_rmse_not_roots_of_means():
    uneven = made(lambda t: np.where(t[:, 2:] > 1.9, 1.0, 0.0) * np.ones_like(t), lambda t: 0 * t)
    np.testing.assert_allclose(marginal_curves(uneven, GRID)["x"].rmse, 0.5)


def test_baselines():
    curves = constant_curves(GRID)
    np.testing.assert_allclose(curves["x"].bias, 2 - GRID.axes["x"])
    np.testing.assert_allclose(curves["x"].rmse, np.abs(2 - GRID.axes["x"]))
    np.testing.assert_array_equal(curves["x"].std, 0)
    np.testing.assert_allclose(constant_curves(GRID, {"x": 0.0, "y": 0.0})["x"].bias, -GRID.axes["x"])
    assert constant_rmse(GRID)["x"] == pytest.approx(np.sqrt(np.mean((GRID.axes["x"] - 2) ** 2)))
    bound = bound_curves(LINEAR, GRID)["y"]
    np.testing.assert_array_equal(bound.bias, 0)
    np.testing.assert_array_equal(bound.std, 2)
    np.testing.assert_array_equal(bound.rmse, 2)


def test_arrows_point_from_truth_to_mean_estimate():
    arrows = mapping_arrows(LINEAR, GRID, "y", "x")
    assert arrows.x.shape == (4, 5)
    np.testing.assert_allclose(arrows.x[:, 0], GRID.axes["y"])
    np.testing.assert_allclose(arrows.y[0], GRID.axes["x"])
    np.testing.assert_allclose(arrows.x_shift, 0.5)
    np.testing.assert_allclose(arrows.y + arrows.y_shift, 0.6 * arrows.y + 0.8)


def test_summary():
    of = summarize(LINEAR)
    assert of["x"]["bias_slope"] == pytest.approx(-0.4)
    assert of["x"]["mean_abs_bias"] == pytest.approx(0.4 * np.mean(np.abs(GRID.axes["x"] - 2)))
    assert of["y"]["mean_std"] == pytest.approx(0.2)
    assert of["S0"]["mean_rmse"] == pytest.approx(np.hypot(0.1, 0.1))
    assert of["y"]["mean_crb_std"] == 2
    assert of["y"]["share_at_bound"] == 0.25
    assert of["y"]["share_failed"] == pytest.approx(0.1)


def test_rows_have_units_and_never_rmse_alone():
    columns = result_columns({"one": LINEAR, "two": LINEAR})
    assert columns["method"].tolist() == ["one"] * 20 + ["two"] * 20
    assert {"true_x [s]", "bias_x [s]", "std_x [s]", "rmse_x [s]", "crb_std_x [s]", "share_at_bound_x [1]"} < set(
        columns
    )
    np.testing.assert_array_equal(columns["bias_x [s]"][:20], LINEAR.bias[:, 1])
    assert {len(column) for column in columns.values()} == {40}
