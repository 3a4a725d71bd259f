"""The named priors are the published ones."""

import jax
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.training.mixture import prior_from_dict
from raofit.training.priors import NAMED_PRIORS, build

TR = 3.5e-3
EIGHT = ("m0s", "R1f", "R2f", "Rx", "R1s", "T2s", "omega0", "B1")
N = 20_000
# mean, standard deviation, low, high before truncation, as printed for the published training set
PUBLISHED = {
    "qmt-tissue": {
        "m0s": (0.15, 0.15, 0, 0.35),
        "R1f": (0.45, 0.2, 0.1, 1),
        "R2f": (12.5, 4, 1, 20),
        "Rx": (10, 5, 2, 30),
        "R1s": (3, 0.75, 1, 6),
        "T2s": (14e-6, 4e-6, 5e-6, 25e-6),
        "B1": (0.9, 0.2, 0.6, 1.3),
    },
    "qmt-csf": {"T1f": (4, 0.75, 1, 7), "T2f": (2, 1, 0.5, 5), "B1": (0.9, 0.3, 0.6, 1.3)},
    "qmt-fat": {"T1f": (0.4, 0.075, 0.1, 0.7), "T2f": (0.1, 0.02, 0.05, 0.2), "B1": (0.75, 0.125, 0.6, 1.3)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_draws_have_the_published_distributions(name):
    """Kolmogorov–Smirnov distance below its 0.1 % critical value, 1.95/√n."""
    prior = build(name, repetition_time=TR)
    assert prior.names == EIGHT
    samples = np.asarray(prior.sample(jax.random.key(5), N), dtype=np.float64)
    drawn = dict(zip(EIGHT, samples.T, strict=True))
    drawn |= {"T1f": 1 / drawn["R1f"], "T2f": 1 / drawn["R2f"]}
    for parameter, (center, sd, low, high) in PUBLISHED[name].items():
        expected = scipy.stats.truncnorm((low - center) / sd, (high - center) / sd, center, sd)
        assert scipy.stats.kstest(drawn[parameter], expected.cdf).statistic < 1.95 / np.sqrt(N), parameter
    uniform = scipy.stats.uniform(-np.pi / TR, 2 * np.pi / TR)
    assert scipy.stats.kstest(drawn["omega0"], uniform.cdf).statistic < 1.95 / np.sqrt(N)
    assert np.all(drawn["R2f"] > drawn["R1f"]) or name != "qmt-tissue"
    if name != "qmt-tissue":
        np.testing.assert_allclose(samples[0, [0, 3, 4, 5]], [1e-3, 10, 3, 12e-6], rtol=1e-6)


def test_the_mixture_has_the_published_shares_and_covers_its_components():
    mixture = build("qmt-mao2024", repetition_time=TR)
    _, component = mixture.sample_with_component(jax.random.key(6), N)
    counts = np.bincount(np.asarray(component), minlength=3)
    expected = N * np.array([0.8, 0.1, 0.1])
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))  # 4 standard deviations at most
    assert mixture.component_names == ("tissue", "csf", "fat")
    np.testing.assert_allclose(mixture.low[1:3], [0.1, 0.2])  # tissue, and 1/(5 s) of fluid
    np.testing.assert_allclose(mixture.high[1:3], [10.0, 20.0])  # 1/(0.1 s) of fat


def test_zhangs_times_are_ordered_and_cover_the_published_grids():
    prior = build("qmt-zhang2022", repetition_time=TR)
    assert prior.names == ("m0s", "T1", "T2f", "Rx", "T2s", "omega0", "B1")
    samples = np.asarray(prior.sample(jax.random.key(7), N))
    assert np.all(samples[:, 2] <= samples[:, 1])
    assert np.all(prior.low[:3] <= [0.0, 0.65, 0.05])
    assert np.all(prior.high[:3] >= [0.25, 2.5, 0.15])


@pytest.mark.parametrize("name", NAMED_PRIORS)
def test_plain_values_round_trip(name):
    prior = build(name, repetition_time=TR)
    assert prior_from_dict(prior.as_dict()) == prior


def test_refusals():
    with pytest.raises(RaofitError, match="prior `qmt`: expected one of qmt-tissue, qmt-csf"):
        build("qmt", repetition_time=TR)
    with pytest.raises(RaofitError, match=r"expected 0\.0001 to 1 s, got 3\.5; give it in seconds"):
        build("qmt-tissue", repetition_time=3.5)
