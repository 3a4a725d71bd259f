"""The figure of a designed train shows both trains, pulse by pulse."""

import numpy as np

from raofit.plot.trains import plot_trains


def test_each_setting_has_a_row_with_both_trains():
    before = {"flip angles (degrees)": np.full(30, 20.0), "repetition times (seconds)": np.full(30, 0.012)}
    after = {name: values * np.linspace(0.5, 2, 30) for name, values in before.items()}
    figure = plot_trains(before, after)
    assert [axes.get_ylabel() for axes in figure.axes] == list(before)
    assert figure.axes[-1].get_xlabel() == "pulse"
    for axes, name in zip(figure.axes, before, strict=True):
        drawn = {line.get_label(): line for line in axes.lines}
        np.testing.assert_array_equal(drawn["before"].get_ydata(), before[name])
        np.testing.assert_array_equal(drawn["after"].get_ydata(), after[name])
        np.testing.assert_array_equal(drawn["after"].get_xdata(), np.arange(1, 31))
        assert axes.get_ylim()[1] > after[name].max()
