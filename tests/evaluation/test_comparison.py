"""Which truths and parameters are compared, who is beaten, and means over cells of a plane."""

import dataclasses

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.cells import plane_cells
from raofit.evaluation.comparison import better_in_both, compared
from tests.plot.made import GRID, MODEL, evaluation

NAMES = ("f", "D_slow", "D_fast")


def test_points_are_the_means_over_the_bound():
    """Bias 0 and std 0.1·truth against a bound of 0.2·truth: variance 1/4 · 10/9, bias² −variance/10."""
    found = compared({20.0: {"a": evaluation()}, 10.0: {"a": evaluation()}}, NAMES)
    assert found.snrs == (10.0, 20.0)
    assert found.middle_snr == 20.0
    assert found.names == NAMES
    bias, variance = found.points(10.0, "D_slow")["a"]
    assert variance == pytest.approx(0.25 * 10 / 9)
    assert bias == pytest.approx(-variance / 10)


def test_truths_without_a_bound_or_estimates_are_left_out_for_all():
    whole = evaluation()
    bound, count = whole.crb_std.copy(), whole.n_usable.copy()
    bound[3, 1] = np.inf
    count[5, 2] = 1
    worse = dataclasses.replace(whole, crb_std=bound)
    found = compared(
        {10.0: {"a": worse, "b": dataclasses.replace(whole, n_usable=count)}, 20.0: {"a": whole, "b": whole}}, NAMES
    )
    assert found.n_left_out == 2
    kept = np.delete(GRID.points[:, 1:], [3, 5], axis=0)
    for by_method in found.evaluations.values():
        for of in by_method.values():
            np.testing.assert_array_equal(of.truths, kept)
            assert of.n_usable.shape == of.crb_std.shape == kept.shape


def test_only_parameters_that_all_estimate_are_compared():
    some = compared({10.0: {"a": evaluation()}}, ["f", "D_fast"]).evaluations[10.0]["a"]
    found = compared({10.0: {"a": evaluation(), "some": some}}, NAMES)
    assert found.names == ("f", "D_fast")
    other = compared({10.0: {"a": evaluation()}}, ["D_slow"]).evaluations[10.0]["a"]
    with pytest.raises(RaofitError, match="a parameter that every estimator estimates"):
        compared({10.0: {"other": other, "some": some}}, NAMES)


def test_a_bound_that_is_nowhere_finite_is_refused():
    whole = evaluation()
    nothing = dataclasses.replace(whole, crb_std=np.full_like(whole.crb_std, np.inf))
    with pytest.raises(RaofitError, match=f"found 0 of {len(GRID.points)}"):
        compared({10.0: {"a": nothing}}, NAMES)


def test_beaten_means_more_of_one_and_no_less_of_the_other():
    better = better_in_both({"a": (0.0, 1.0), "b": (0.5, 0.5), "c": (0.6, 0.5), "d": (-0.1, 1.0), "e": (0.0, 1.2)})
    assert better == {"a": [], "b": [], "c": ["b"], "d": [], "e": ["a", "d"]}


def test_cells_of_a_grid_are_its_points():
    truths = GRID.points
    x, y = (MODEL.parameter_names.index(name) for name in ("D_fast", "f"))
    cells = plane_cells(truths[:, x], truths[:, y])
    np.testing.assert_array_equal(cells.x, GRID.axes["D_fast"])
    np.testing.assert_array_equal(cells.y, GRID.axes["f"])
    values = truths[:, x] + 3 * truths[:, y] ** 2 + truths[:, 2]
    np.testing.assert_allclose(cells.mean(values), GRID.marginal(values, ("D_fast", "f")))


def test_cells_of_random_truths_hold_all_of_them():
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 1, (2, 2000))
    cells = plane_cells(x, y)
    mean = cells.mean(x)
    assert mean.shape == (8, 8)
    # 5 standard errors of the 2 % and 98 % quantiles of 2000 truths
    np.testing.assert_allclose(cells.x, 0.02 + 0.06 * np.arange(1, 17, 2), atol=5 * np.sqrt(0.02 * 0.98 / 2000))
    # cells are 0.12 wide, with 20 truths or more: 5 standard errors of the mean x in one are 5/8/√(12·20)
    np.testing.assert_allclose(mean[1:-1], np.broadcast_to(cells.x[1:-1, None], (6, 8)), atol=5 / 8 / np.sqrt(12 * 20))
    assert len(cells.index) == 2000
    empty = plane_cells(np.where(x < 0.5, 0.0, 1.0), np.where(x < 0.5, 0.0, 1.0)).mean(x)
    assert np.isnan(empty[0, 1])
    assert empty[1, 1] == pytest.approx(x[x >= 0.5].mean())
