"""Priors: moments, ranges, restrictions, the round trip to plain values, and refusals."""

import functools

import jax
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.models import IVIM, MonoExponentialT2
from raofit.training.distributions import Fixed, LogUniform, Reciprocal, Restricted, TruncatedNormal, Uniform
from raofit.training.mixture import Component, Mixture, prior_from_dict
from raofit.training.prior import Prior

N = 40_000
NORMAL = {"center": 12.5, "sd": 4.0, "low": 1.0, "high": 20.0}
RATES = Prior.from_dict({"R1": {"low": 0.1, "high": 8.0}, "R2": NORMAL | {"above": "R1"}})
TIMES = Prior.from_dict(
    {"T2": {"low": 0.02, "high": 0.5, "scale": "log", "below": "T1"}, "T1": {"low": 0.03, "high": 2.0}}
)
WET = Prior.from_dict({"R1": {"center": 4.0, "sd": 0.75, "low": 1.0, "high": 7.0, "of": "reciprocal"}, "B1": 1.0})
DRY = Prior.from_dict({"R1": {"low": 2.0, "high": 4.0}, "B1": {"low": 0.5, "high": 1.5}})
MIXTURE = Mixture((Component("wet", 6.0, WET), Component("dry", 2.0, DRY)))


def _draw(prior, seed=0):
    return np.asarray(prior.sample(jax.random.key(seed), N))


def _truncnorm(center, sd, low, high):
    return scipy.stats.truncnorm((low - center) / sd, (high - center) / sd, center, sd)


def test_typical_ranges_are_the_papers_for_ivim():
    prior = Prior.typical(IVIM([0, 100]))
    np.testing.assert_allclose(prior.low, [0.8, 0.1, 0.4e-3, 10e-3])
    np.testing.assert_allclose(prior.high, [1.2, 0.5, 3e-3, 150e-3])
    assert prior.is_log == (False, False, False, False)


@pytest.mark.parametrize(
    "prior",
    [Prior.typical(IVIM([0, 100])), Prior.typical(MonoExponentialT2([0.01])), RATES, TIMES, WET, MIXTURE],
    ids=["uniform", "log-uniform", "above", "below", "reciprocal", "mixture"],
)
def test_samples_stay_inside_and_have_the_stated_mean(prior):
    samples = _draw(prior)
    eps = np.finfo(np.float32).eps
    assert samples.dtype == np.float32
    assert np.all(samples >= prior.low * (1 - 4 * eps))
    assert np.all(samples <= prior.high * (1 + 4 * eps))
    # 4 standard errors of the mean, and float32 rounding where there is no spread
    error = 4 * samples.std(axis=0) / np.sqrt(N) + 1e-6 * np.abs(prior.mean)
    np.testing.assert_array_less(np.abs(samples.astype(np.float64).mean(axis=0) - prior.mean), error)


def test_a_margin_widens_ranges_that_are_not_given():
    """Of T2, from 20 to 200 ms, in the logarithm: a quarter of a decade on both sides; S0 from 0.8 to 1.2 by 0.1."""
    model = MonoExponentialT2([0.01])
    prior = Prior.typical(model, margin=0.25)
    np.testing.assert_allclose(prior.low, [0.7, 0.02 * 10**-0.25])
    np.testing.assert_allclose(prior.high, [1.3, 0.2 * 10**0.25])
    given = Prior.typical(model, {"T2": (0.03, 0.3)}, margin=0.25)
    np.testing.assert_allclose([given.low[1], given.high[1]], [0.03, 0.3])


def test_a_margin_ends_at_the_bounds():
    wide = Prior.typical(MonoExponentialT2([0.01]), margin=4.0)
    assert (wide.low[1], wide.high[1]) == (1e-3, 5.0)
    assert wide.low[0] == 0.0


def test_a_log_scaled_parameter_is_uniform_in_its_logarithm():
    prior = Prior.typical(MonoExponentialT2([0.01]))
    t2 = _draw(prior, 1)[:, 1]
    middle = np.sqrt(prior.low[1] * prior.high[1])
    # the share below the geometric middle is binomial around 1/2: 4 standard deviations
    assert abs(np.mean(t2 < middle) - 0.5) < 4 * 0.5 / np.sqrt(N)


@pytest.mark.parametrize("shape", [(12.5, 4.0, 1.0, 20.0), (0.15, 0.15, 0.0, 0.35), (0.0, 1.0, 2.0, 4.0)])
def test_truncated_normals_are_scipys(shape):
    """Mean exact; draws by the Kolmogorov–Smirnov distance, whose 0.1 % critical value is 1.95/√n."""
    expected = _truncnorm(*shape)
    distribution = TruncatedNormal(*shape)
    assert distribution.mean == pytest.approx(expected.mean(), rel=1e-9)
    samples = _draw(Prior(("x",), (distribution,)))[:, 0]
    assert scipy.stats.kstest(samples, expected.cdf).statistic < 1.95 / np.sqrt(N)


def test_the_reciprocal_has_the_distribution():
    times = 1 / _draw(WET)[:, 0]
    assert scipy.stats.kstest(times, _truncnorm(4.0, 0.75, 1.0, 7.0).cdf).statistic < 1.95 / np.sqrt(N)
    np.testing.assert_allclose(WET.ranges[0], (1 / 7, 1.0))


def test_restricted_draws_are_those_of_rejection_of_the_restricted_parameter():
    """Given R1, R2 is its normal cut off below R1: its distribution function there is uniform."""
    r1, r2 = _draw(RATES).astype(np.float64).T
    assert np.all(r2 >= r1)
    uniform = _truncnorm(12.5, 4.0, np.maximum(r1, 1.0), 20.0).cdf(r2)
    assert scipy.stats.kstest(uniform, "uniform").statistic < 1.95 / np.sqrt(N)
    assert scipy.stats.kstest(r1, scipy.stats.uniform(0.1, 7.9).cdf).statistic < 1.95 / np.sqrt(N)
    t2, t1 = _draw(TIMES).T
    assert np.all(t2 <= t1)
    assert np.mean(t2 > 0.9 * 0.5) > 0


def test_components_come_in_their_shares():
    values, component = MIXTURE.sample_with_component(jax.random.key(2), N)
    component = np.asarray(component)
    assert component.dtype == np.uint8
    assert abs(np.mean(component == 0) - 0.75) < 4 * np.sqrt(0.75 * 0.25 / N)  # 4 binomial standard deviations
    np.testing.assert_array_equal(np.asarray(values)[:, 0] > 1.5, component == 1)
    np.testing.assert_array_equal(values, MIXTURE.sample(jax.random.key(2), N))
    np.testing.assert_array_equal(MIXTURE.shares, [0.75, 0.25])
    np.testing.assert_allclose(MIXTURE.low, [1 / 7, 0.5])
    np.testing.assert_allclose(MIXTURE.high, [4.0, 1.5])


@pytest.mark.parametrize("prior", [RATES, TIMES, MIXTURE])
def test_same_key_same_draw_and_under_jit(prior):
    first, second, other = (_draw(prior, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    jitted = jax.jit(functools.partial(prior.sample, n_samples=N))(jax.random.key(3))
    # fusing may move one float32 rounding; of the erf at 4 sd, that is 6e-8/(2·density 1.3e-4) = 2e-4 sd
    np.testing.assert_allclose(jitted, first, rtol=3e-4)


@pytest.mark.parametrize(
    "prior", [Prior.typical(MonoExponentialT2([0.01]), {"T2": (0.03, 0.3)}), RATES, TIMES, WET, MIXTURE]
)
def test_plain_values_round_trip(prior):
    assert prior_from_dict(prior.as_dict()) == prior
    assert hash(prior_from_dict(prior.as_dict())) == hash(prior)


def test_plain_ranges_are_written_as_ever():
    entry = Prior.typical(MonoExponentialT2([0.01]), {"T2": (0.03, 0.3)}).as_dict()["T2"]
    assert entry == {"low": 0.03, "high": 0.3, "scale": "log"}


def test_every_form_of_entry():
    prior = Prior.from_dict(
        {
            "a": 3,
            "b": {"value": 2.0},
            "c": {"low": 0, "high": 1},
            "d": {"low": 1.0, "high": 2.0, "scale": "log", "of": "reciprocal"},
            "e": NORMAL | {"above": "c", "below": "f"},
            "f": LogUniform(20.0, 30.0),
        }
    )
    assert prior.distributions == (
        Fixed(3.0),
        Fixed(2.0),
        Uniform(0.0, 1.0),
        Reciprocal(LogUniform(1.0, 2.0)),
        Restricted(TruncatedNormal(**NORMAL), "c", "f"),
        LogUniform(20.0, 30.0),
    )
    assert prior.is_log == (False, False, False, False, False, True)


def test_parameters_are_replaced_by_name():
    changed = RATES.replace({"R1": 0.5})
    assert changed.names == RATES.names
    assert changed.distributions == (Fixed(0.5), RATES.distributions[1])
    everywhere = MIXTURE.replace({"B1": 0.9})
    assert [item.prior.distributions[1] for item in everywhere.components] == [Fixed(0.9)] * 2
    dry = MIXTURE.replace({"B1": {"low": 0.8, "high": 1.2}}, component="dry")
    assert [item.prior.distributions[1] for item in dry.components] == [Fixed(1.0), Uniform(0.8, 1.2)]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"low": 1.0, "high": 1.0}, r"prior of `T2`: expected finite low < high, got \(1, 1\)"),
        ({"low": 0.0, "high": np.inf}, "finite low < high"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "prior of `T2`: a log-uniform range must start above 0, got 0"),
        ({"low": 0.0, "high": 1.0, "of": "reciprocal"}, "reciprocal to be distributed over values > 0"),
        ({"low": 0.0, "high": 1.0, "scale": "cubic"}, 'expected a number .fixed., .* got .*"?cubic'),
        ({"low": 0.0}, "expected a number .fixed."),
        ({"low": "a", "high": 1.0}, "expected numbers"),
        (np.nan, "expected a finite value, got nan"),
        (NORMAL | {"sd": 0.0}, r"expected a finite center and sd > 0, got center 12\.5 and sd 0"),
        (NORMAL | {"center": -50.0}, r"the range \(1, 20\) holds .* widen the range"),
        (NORMAL | {"above": "T1"}, "above `T1`, expected another parameter without a restriction of its own: S0"),
        (NORMAL | {"above": "T2"}, "above `T2`, expected another parameter"),
        ({"low": 0.0, "high": 1.0, "above": "S0"}, r"may leave no value between 2 and 1; widen its range \(0, 1\)"),
        ({"low": 1.5, "high": 3.0, "below": "S0"}, r"may leave no value between 1\.5 and 0\.5"),
        ({"value": 1.0, "above": "S0"}, "a distribution with a spread"),
    ],
)
def test_refusals(entry, words):
    with pytest.raises(RaofitError, match=words):
        Prior.from_dict({"S0": {"low": 0.5, "high": 2.0}, "T2": entry})


def test_refusals_of_priors_and_mixtures():
    with pytest.raises(RaofitError, match="expected one distribution for each of a, b, got 1"):
        Prior(("a", "b"), (Fixed(1.0),))
    with pytest.raises(RaofitError, match="`R3` is not a parameter; the prior has R1, R2"):
        RATES.replace({"R3": 1.0})
    with pytest.raises(RaofitError, match="`bone` is not a component; the mixture has wet, dry"):
        MIXTURE.replace({"B1": 1.0}, component="bone")
    with pytest.raises(RaofitError, match="expected 1 to 255 components, got 0"):
        Mixture(())
    with pytest.raises(RaofitError, match="different component names, got wet, wet"):
        Mixture((Component("wet", 1.0, WET), Component("wet", 1.0, WET)))
    with pytest.raises(RaofitError, match="a weight > 0 for `wet`, got 0"):
        Mixture((Component("wet", 0.0, WET),))
    with pytest.raises(RaofitError, match=r"the parameters R1, B1 in this order .* got R1, R2 in `rates`"):
        Mixture((Component("wet", 1.0, WET), Component("rates", 1.0, RATES)))
    with pytest.raises(RaofitError, match="expected `weight` and `parameters` in `wet`, got weight"):
        prior_from_dict({"mixture": {"wet": {"weight": 1.0}}})
