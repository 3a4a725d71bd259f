"""Numbers in a page: how far rounding goes, and that what has no value stays so."""

import base64
import gzip

import numpy as np
import pytest

from raofit.report.codes import encode


def heavy_tailed(n=5000):
    generator = np.random.default_rng(0)
    return np.concatenate([generator.normal(3.0, 0.2, n), 10.0 ** generator.uniform(-3, 3, 50), [-40.0, 0.0]])


@pytest.mark.parametrize(("bits", "most"), [(8, 0.022), (16, 0.0002)])
def test_rounding_is_within_what_is_said(bits, most):
    values = heavy_tailed()
    codes = encode(values, bits)
    within = np.abs(values - codes.center) <= 100 * codes.scale  # what lies farther may be moved
    errors = np.abs(codes.values() - values)[within]
    allowed = np.array([codes.rounding(value) for value in values[within]])
    assert np.all(errors <= allowed)
    assert np.all(allowed <= most * np.hypot(codes.scale, values[within] - codes.center))
    assert codes.integers.nbytes == values.size * bits // 8


def test_values_that_are_very_far_stay_far():
    values = np.append(heavy_tailed(), 1e30)
    kept = encode(values, 16).values()
    assert kept[-1] == pytest.approx(1e5 * encode(values, 16).scale, rel=1e-3)
    assert np.abs(kept - values)[:5000].max() < 1e-4


@pytest.mark.parametrize("bits", [8, 16])
def test_no_value_and_infinity(bits):
    kept = encode(np.array([np.nan, 1.0, np.inf, 2.0, -np.inf]), bits).values()
    np.testing.assert_allclose(kept, [np.nan, 1.0, np.inf, 2.0, np.nan])
    assert np.all(np.isnan(encode(np.full(3, np.nan), bits).values()))


def test_equal_values_are_exact():
    np.testing.assert_array_equal(encode(np.full(4, 0.3), 8).values(), np.full(4, 0.3))


def test_the_text_has_all_high_bytes_first():
    codes = encode(heavy_tailed(), 16)
    packed = np.frombuffer(gzip.decompress(base64.b64decode(codes.text())), np.uint8).astype(int)
    high, low = np.split(packed, 2)
    np.testing.assert_array_equal(256 * high + low, codes.integers)
    assert codes.text() == encode(heavy_tailed(), 16).text()
