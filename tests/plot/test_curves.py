"""Curve figures show the numbers they are given, in display units."""

import numpy as np
import pytest

from raofit.evaluation.bins import bin_by_reference
from raofit.evaluation.tables import bound_curves, constant_curves, marginal_curves, summarize
from raofit.plot.curves import Line, plot_binned_curves, plot_curves, plot_tradeoff
from tests.plot.made import GRID, SHOWN, evaluation

CURVES = {
    "fit": marginal_curves(evaluation(), GRID),
    "network": marginal_curves(evaluation(shrink=0.5, relative_std=0.05), GRID),
}


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_curves_hold_the_data_in_display_units():
    figure = plot_curves(CURVES, SHOWN)
    panels = np.array(figure.axes).reshape(3, 3)
    for row, quantity in enumerate(("bias", "std", "rmse")):
        for column, (name, factor) in enumerate((("f", 1), ("D_slow", 1e3), ("D_fast", 1e3))):
            drawn = lines_of(panels[row, column])
            assert set(drawn) == {"fit", "network"}
            np.testing.assert_allclose(drawn["network"].get_xdata(), factor * GRID.axes[name])
            np.testing.assert_allclose(
                drawn["network"].get_ydata(), factor * getattr(CURVES["network"][name], quantity), atol=1e-12
            )


def test_axis_labels_have_units():
    panels = plot_curves(CURVES, SHOWN).axes
    assert panels[0].get_ylabel() == "bias of $f$"
    assert panels[4].get_ylabel() == r"std of $D_\mathrm{slow}$ (10⁻³ mm²/s)"
    assert panels[8].get_xlabel() == r"true $D_\mathrm{fast}$ (10⁻³ mm²/s)"


def test_panels_of_a_column_span_the_same_height_and_hold_the_curves():
    panels = np.array(plot_curves(CURVES, SHOWN).axes).reshape(3, 3)
    for column in panels.T:
        spans = [np.diff(axes.get_ylim())[0] for axes in column]
        np.testing.assert_allclose(spans, spans[0])
        for axes in column:
            low, high = axes.get_ylim()
            for line in lines_of(axes).values():
                assert low <= line.get_ydata().min()
                assert line.get_ydata().max() <= high


def test_bound_and_constant_are_drawn_where_they_mean_something():
    bound, constant = bound_curves(evaluation(), GRID), constant_curves(GRID)
    panels = np.array(plot_curves(CURVES, SHOWN, bound=bound, constant=constant).axes).reshape(3, 3)
    assert [len(axes.lines) for axes in panels[:, 0]] == [2 + 1 + 1, 2 + 1, 2 + 2]  # methods, zero line, references


def test_an_infinite_bound_is_not_drawn():
    bound = bound_curves(evaluation(), GRID)
    bound["f"].std[:] = np.inf
    panels = np.array(plot_curves(CURVES, SHOWN, bound=bound).axes).reshape(3, 3)
    assert np.isnan(panels[1, 0].lines[0].get_ydata()).all()


def test_a_method_may_have_some_parameters_only():
    curves = {"fit": CURVES["fit"], "weighted": {"f": CURVES["network"]["f"]}}
    panels = np.array(plot_curves(curves, SHOWN, lines={"weighted": Line("#00ff00")}).axes).reshape(3, 3)
    assert lines_of(panels[0, 0])["weighted"].get_color() == "#00ff00"
    assert set(lines_of(panels[0, 1])) == {"fit"}


def test_tradeoff_points():
    summaries = {"fit": summarize(evaluation()), "network": summarize(evaluation(shrink=0.5, relative_std=0.05))}
    figure = plot_tradeoff(summaries, SHOWN, bound={"f": 0.02, "D_slow": 1.0, "D_fast": 0.01})
    marks = {line.get_label(): line for line in figure.axes[1].lines if line.get_marker() == "o"}
    of = summaries["network"]["D_slow"]
    assert marks["network"].get_xdata()[0] == pytest.approx(1e3 * of["mean_std"])
    assert marks["network"].get_ydata()[0] == pytest.approx(1e3 * of["mean_abs_bias"])
    vertical = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert vertical[0].get_xdata() == pytest.approx([0.02, 0.02])
    assert not [line for line in figure.axes[1].lines if len(line.get_xdata()) == 2]  # beyond the panel


def test_binned_curves_show_voxel_counts_and_fixed_limits():
    reference = np.linspace(0.1, 0.5, 40)
    curve = bin_by_reference(reference, np.stack([reference, reference + 0.02]), (0.1, 0.5))
    figure = plot_binned_curves({"fit": {"f": curve}}, SHOWN, limits={"f": ((-0.08, 0.08), (0.0, 0.16))})
    bias, std, rmse, counts = figure.axes
    np.testing.assert_allclose(bias.lines[0].get_ydata(), 0.01)
    assert bias.get_ylim() == (-0.08, 0.08)
    assert std.get_ylim() == rmse.get_ylim() == (0.0, 0.16)
    assert sum(bar.get_height() for bar in counts.patches) == 40
