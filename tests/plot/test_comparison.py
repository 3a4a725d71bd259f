"""The frontier and the maps of errors show the numbers of the comparison, and the page says what they mean."""

import numpy as np
import pytest

from raofit.evaluation.comparison import compared
from raofit.evaluation.weighted import OVERALL
from raofit.plot.comparison import plot_error_planes, plot_frontier
from raofit.plot.style import new_figure
from raofit.report import render_report
from raofit.report.comparison import ComparisonPage, buys, comparison_report
from tests.plot.made import GRID, evaluation

NAMES = ("f", "D_slow", "D_fast")
BY_METHOD = {"fit": evaluation(relative_std=0.2), "network": evaluation(shrink=0.5, relative_std=0.05)}


@pytest.fixture(scope="module")
def comparison():
    worse = {"fit": evaluation(relative_std=0.3), "network": evaluation(shrink=0.6, relative_std=0.05)}
    return compared({10.0: worse, 50.0: BY_METHOD}, NAMES)


def test_a_point_per_method_and_snr(comparison):
    figure = plot_frontier(comparison)
    assert len(figure.axes) == 4
    for axes, name in zip(figure.axes, (*NAMES, OVERALL), strict=True):
        paths = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        for method in ("fit", "network"):
            bias, variance = np.array([comparison.points(snr, name)[method] for snr in (10.0, 50.0)]).T
            np.testing.assert_allclose(paths[method].get_xdata(), np.maximum(bias, 0.0))
            np.testing.assert_allclose(paths[method].get_ydata(), variance)
        star = next(line for line in axes.lines if line.get_marker() == "*")
        assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.0, 1.0)
        assert axes.get_xscale() == "symlog"
        assert axes.get_xlim()[1] > paths["network"].get_xdata().max()
    dotted = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 120)
    np.testing.assert_allclose(dotted.get_xdata() + dotted.get_ydata(), 1.0)


def test_one_parameter_has_no_mean_panel():
    assert len(plot_frontier(compared({10.0: BY_METHOD}, ["f"])).axes) == 1


def test_maps_are_means_over_the_other_parameters_on_one_scale(comparison):
    f, slow, _ = comparison.parameters
    figure = plot_error_planes(comparison, 50.0, slow, f)
    shown = [axes.collections[0] for axes in figure.axes if axes.get_visible() and axes.get_xlabel()]
    assert len(shown) == 5  # bias of two methods, std of two and the bound
    column = BY_METHOD["fit"].parameter_names.index("D_slow")
    images = [getattr(BY_METHOD[m], quantity) for quantity in ("bias", "std") for m in BY_METHOD]
    for mesh, values in zip(shown, [*images, BY_METHOD["fit"].crb_std], strict=True):
        expected = 1e3 * GRID.marginal(values[:, column], ("D_slow", "f"))
        np.testing.assert_allclose(mesh.get_array(), expected.T, atol=1e-12)
    assert shown[0].get_clim() == shown[1].get_clim()
    assert shown[0].get_clim()[0] == -shown[0].get_clim()[1]
    assert shown[2].get_clim() == shown[3].get_clim() == shown[4].get_clim()


def test_sentences_say_what_bias_buys(comparison):
    """The fit: variance 1 · 10/9, a scatter of 1.054; the network: 1/16 · 10/9, a scatter of 0.264, half the slope."""
    fit, network = buys(comparison, {"network": (20.0, 60.0)})
    assert "fit, SNR 50: with a systematic error of 0 √CRB it has 5 % more scatter" in fit
    assert "keeps 100 % of the differences" in fit
    assert "on the frontier, with the least bias" in fit
    assert "buys 74 % less scatter" in network
    assert "keeps 50 % of the differences" in network
    assert "It was trained for SNR 20 to 60, not for 10." in network


def test_who_is_beaten_is_told():
    first, second = buys(compared({10.0: {"fit": evaluation(), "noisy": evaluation(relative_std=0.4)}}, NAMES), {})
    assert "the least bias and the least variance and the least mean squared error" in first
    assert second.endswith("Less bias and less variance: fit.")


def test_the_page_holds_figures_tables_and_sentences(comparison):
    figures = {"frontier": new_figure(1, 1), "plane-D_slow": new_figure(1, 1)}
    page = ComparisonPage(comparison, {"network": (20.0, 60.0)}, "ivim", "64 truths", figures, {"seed": 3})
    text = render_report(comparison_report(page))
    assert text.count("<figure") == 2
    assert text.count("<table") >= 4
    for words in ("buys 74 % less scatter", "64 truths, 10 noise draws each", "ivim, SNR 10, 50", "Mean of f, D_slow"):
        assert words in text
