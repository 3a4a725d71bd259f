"""Welch's tests against a textbook formula, with and without missing draws."""

import numpy as np
import pytest
import scipy.stats

from raofit.studies.welch import welch_p_values


def test_against_the_formula():
    random = np.random.default_rng(0)
    first, second = random.normal(0.0, 1.0, (2, 30, 3)), random.normal(0.4, 3.0, (2, 50, 3))
    found = welch_p_values(first, second)
    assert found.shape == (2, 3)
    parts = [np.var(values, axis=1, ddof=1) / values.shape[1] for values in (first, second)]
    t = (first.mean(axis=1) - second.mean(axis=1)) / np.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 29 + parts[1] ** 2 / 49)
    np.testing.assert_allclose(found, 2 * scipy.stats.t.sf(np.abs(t), freedom), rtol=1e-10)


def test_missing_draws_are_left_out():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(1, 20, 1)), random.normal(size=(1, 20, 1))
    holed = np.concatenate([first, np.full((1, 5, 1), np.nan)], axis=1)
    assert welch_p_values(holed, second)[0, 0] == pytest.approx(welch_p_values(first, second)[0, 0], rel=1e-12)
