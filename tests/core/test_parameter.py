"""Parameters and the ranges given for them."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter, resolve_ranges

FRACTION = Parameter("f", "1", (0.0, 1.0), (0.1, 0.5), "f", "fraction")
TIME = Parameter("T2", "s", (1e-3, 5.0), (0.01, 1.0), "T_2", "time", is_log_scaled=True)


def test_typical_value_is_the_middle_arithmetic_or_geometric():
    assert FRACTION.typical_value == pytest.approx(0.3)
    assert TIME.typical_value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("bounds", "typical"), [((0.2, 1.0), (0.1, 0.5)), ((0.0, 0.4), (0.1, 0.5)), ((0.0, 1.0), (0.5, 0.1))]
)
def test_typical_range_outside_the_bounds_is_refused(bounds, typical):
    with pytest.raises(RaofitError, match="`f`: expected lower bound <= typical low"):
        Parameter("f", "1", bounds, typical, "f", "fraction")


def test_log_scale_needs_a_positive_bound():
    with pytest.raises(RaofitError, match="lower bound > 0"):
        Parameter("T2", "s", (0.0, 5.0), (0.01, 1.0), "T_2", "time", is_log_scaled=True)


def test_ranges_by_name_override_the_declared_ones():
    resolved = resolve_ranges([FRACTION, TIME], {"T2": (0.01, 0.3)}, "bounds")
    np.testing.assert_array_equal(resolved, [[0.0, 1.0], [0.01, 0.3]])


def test_ranges_in_order_replace_all():
    np.testing.assert_array_equal(resolve_ranges([FRACTION, TIME], [(0, 0.5), (0.1, 1)], "bounds")[:, 1], [0.5, 1])


def test_no_ranges_means_the_declared_ones():
    np.testing.assert_array_equal(resolve_ranges([FRACTION], None, "typical"), [[0.1, 0.5]])


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"T1": (0, 1)}, "`T1` is not a parameter; the model has f, T2"),
        ([(0, 1)], r"one \(low, high\) pair for each of f, T2, got shape \(1, 2\)"),
        ({"f": (0.5, 0.5)}, "expected low < high"),
        ({"f": (np.nan, 0.5)}, "expected low < high"),
    ],
)
def test_unusable_ranges_are_refused(ranges, words):
    with pytest.raises(RaofitError, match=words):
        resolve_ranges([FRACTION, TIME], ranges, "bounds")
