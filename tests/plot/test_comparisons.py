"""Arrows, densities and planes: two methods, or truth and estimate, point by point."""

import numpy as np
import pytest

from raofit.evaluation.tables import mapping_arrows, marginal_curves
from raofit.plot.arrows import plot_arrows
from raofit.plot.curves import default_lines
from raofit.plot.density import plot_density
from raofit.plot.planes import plane_difference, plot_planes
from raofit.plot.style import nice_limits
from tests.plot.made import GRID, SHOWN, evaluation

FIT, NETWORK = evaluation(), evaluation(shrink=0.5, relative_std=0.05)


def test_arrows_start_at_the_truth_and_end_at_the_mean_estimate():
    arrows = mapping_arrows(NETWORK, GRID, "f", "D_fast")
    figure = plot_arrows({"network": [arrows]}, SHOWN)
    (axes,) = figure.axes
    (quiver,) = (item for item in axes.collections if hasattr(item, "U"))
    np.testing.assert_allclose(quiver.U, 0.5 * (0.3 - quiver.X), atol=1e-12)
    np.testing.assert_allclose(quiver.V, 0.5 * (80 - quiver.Y), atol=1e-9)
    assert quiver.scale == 1
    assert quiver.angles == "xy"


def test_the_axes_extend_a_quarter_beyond_the_box_or_as_far_as_arrows_reach():
    inside = plot_arrows({"network": [mapping_arrows(NETWORK, GRID, "f", "D_fast")]}, SHOWN).axes[0]
    assert inside.get_xlim() == pytest.approx((0.0, 0.6))
    outward = mapping_arrows(evaluation(shrink=-1.0), GRID, "f", "D_fast")
    low, high = plot_arrows({"network": [outward]}, SHOWN).axes[0].get_xlim()
    assert low < -0.1
    assert high > 0.7


def test_density_counts_every_grid_point():
    figure = plot_density(FIT, NETWORK, SHOWN, labels=("fit", "network"))
    for axes in figure.axes[:9]:
        mesh = axes.collections[0]
        assert mesh.get_array().shape == (39, 39)
        assert np.nansum(mesh.get_array()) == len(GRID.points)
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), axes.lines[0].get_ydata())
    std = figure.axes[3].collections[0].get_array()
    assert np.nansum(np.tril(np.nan_to_num(std), -1)) == 0  # the network's std is smaller: all below the line


def test_plane_difference_picks_the_value_and_orders_the_plane():
    difference = plane_difference(NETWORK, FIT, GRID, "D_slow", 1, "bias", ("D_fast", "f"))
    assert difference.shape == (4, 4)
    np.testing.assert_allclose(difference, 0.5 * (1.7e-3 - GRID.axes["D_slow"][1]))
    std = plane_difference(NETWORK, FIT, GRID, "f", 3, "std", ("D_slow", "D_fast"))
    np.testing.assert_allclose(std, -0.05 * 0.5)


def test_planes_figure_shows_the_differences():
    curves = {"network": marginal_curves(NETWORK, GRID), "fit": marginal_curves(FIT, GRID)}
    figure = plot_planes(
        NETWORK,
        FIT,
        GRID,
        SHOWN[1],
        (SHOWN[0], SHOWN[2]),
        indices=(0, 3),
        curves=curves,
        lines=default_lines(list(curves)),
    )
    left, middle, right = figure.axes[:3]
    np.testing.assert_allclose(left.collections[0].get_array(), 0.5 * 1.3)
    np.testing.assert_allclose(right.collections[0].get_array(), -0.5 * 1.3)
    assert left.collections[0].get_clim() == pytest.approx((-0.65, 0.65))
    np.testing.assert_allclose(middle.lines[0].get_ydata(), 1e3 * curves["network"]["D_slow"].bias)


def test_nice_limits_ignore_a_few_outliers_and_round_outward():
    values = np.concatenate([np.linspace(0.103, 0.497, 99), [50.0]])
    low, high = nice_limits(values)
    assert (low, high) == pytest.approx((0.11, 0.49), abs=0.011)
    assert nice_limits(np.array([np.nan])) == (0.0, 1.0)
    low, high = nice_limits(np.full(5, 3.0))
    assert (low, high) == pytest.approx((2.97, 3.03))  # two different labels in three digits
    assert nice_limits(np.zeros(4)) == (0.0, 1.0)
