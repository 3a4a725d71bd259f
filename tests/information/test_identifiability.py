"""Which parameters a protocol can tell, in figures and in words."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.information.crb import crb
from raofit.information.identifiability import (
    Verdict,
    attainable_precision,
    precision_curve,
    prior_standard_deviation,
    unidentifiable_share,
)
from raofit.models import IVIM, MonoExponentialADC, MonoExponentialT2
from raofit.noise import Gaussian, Rician

PAPER = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]


@pytest.mark.parametrize("noise", [Rician, Gaussian])
def test_the_papers_protocol_does_not_identify_fast_diffusion_at_snr_15(noise):
    precisions = {item.parameter.name: item for item in attainable_precision(IVIM(PAPER), noise(1 / 15))}
    lost = [name for name, item in precisions.items() if item.verdict is Verdict.NOT_IDENTIFIABLE]
    assert lost == ["D_fast"]
    fast = precisions["D_fast"]
    assert fast.standard_deviation == pytest.approx(51e-3, abs=0.5e-3)
    assert fast.prior_standard_deviation == pytest.approx(40.4e-3, abs=0.05e-3)  # (150 − 10)/√12
    assert fast.sentence.startswith("D_fast cannot be identified: the least standard deviation")
    assert f"{fast.standard_deviation:.3g} mm²/s" in fast.sentence
    assert "0.0404 mm²/s" in fast.sentence


def test_at_high_snr_everything_is_identified():
    precisions = attainable_precision(IVIM(PAPER), Rician(1 / 300))
    assert {item.verdict for item in precisions} == {Verdict.IDENTIFIABLE}
    assert "can be identified" in precisions[0].sentence


def test_known_parameters_are_said_to_be_known_and_help_the_others():
    free = attainable_precision(IVIM(PAPER), Rician(1 / 15))
    known = attainable_precision(IVIM(PAPER), Rician(1 / 15), fixed=["S0"])
    assert known[0].verdict is Verdict.KNOWN
    assert known[0].sentence == "S0 is taken as known."
    assert known[1].standard_deviation < free[1].standard_deviation


def test_one_b_value_identifies_nothing():
    precisions = attainable_precision(MonoExponentialADC([500]), Gaussian(0.01))
    assert all(item.verdict is Verdict.NOT_IDENTIFIABLE for item in precisions)
    assert "infinite" in precisions[1].sentence


def test_the_verdict_on_an_amplitude_does_not_depend_on_signal_units():
    small = attainable_precision(IVIM(PAPER), Rician(1 / 15))[0]
    large = attainable_precision(IVIM(PAPER), Rician(1000 / 15), {"S0": 1000.0})[0]
    assert large.ratio == pytest.approx(small.ratio, rel=1e-6)


def test_the_spread_of_a_log_scaled_range_is_that_of_log_uniform_samples():
    parameter = Parameter("T", "s", (1e-3, 5.0), (0.02, 0.2), "T", "time", is_log_scaled=True)
    samples = 0.02 * 10 ** np.random.default_rng(0).uniform(size=400_000)
    # relative standard error of a standard deviation with this kurtosis is about 0.9/√n; four of them
    assert prior_standard_deviation(parameter, (0.02, 0.2)) == pytest.approx(samples.std(), rel=4 * 0.9 / 400_000**0.5)


def test_the_curve_is_the_bound_with_the_others_held():
    model = MonoExponentialT2([0.01, 0.03, 0.1])
    values, deviations = precision_curve(model, Gaussian(0.01), "T2", {"S0": 0.9}, n_points=5)
    np.testing.assert_allclose(values, np.geomspace(0.02, 0.2, 5))
    expected = np.sqrt(crb(model, [0.9, values[2]], Gaussian(0.01))[1])
    assert deviations[2] == pytest.approx(expected, rel=1e-9)


def test_share_of_typical_tissue():
    shares = unidentifiable_share(IVIM(PAPER), Rician(1 / 15))
    generator = np.random.default_rng(1)
    points = generator.uniform([0.8, 0.1, 0.4e-3, 10e-3], [1.2, 0.5, 3e-3, 150e-3], (4000, 4))
    random = np.mean(np.sqrt(crb(IVIM(PAPER), points, Rician(1 / 15))[:, 3]) > 140e-3 / np.sqrt(12))
    # binomial standard error of the random reference is at most 0.5/√4000; four of them
    assert shares["D_fast"] == pytest.approx(random, abs=4 * 0.5 / 4000**0.5)
    assert shares["S0"] == 0.0
    assert unidentifiable_share(IVIM(PAPER), Rician(1e-4))["D_fast"] == 0.0


def test_unusable_points_are_refused():
    with pytest.raises(RaofitError, match="`D` is not a parameter; the model has S0, f"):
        attainable_precision(IVIM(PAPER), Rician(0.1), {"D": 1e-3})
    with pytest.raises(RaofitError, match=r"expected `D_fast` between 0\.002 and 0\.3 mm²/s, got 80"):
        attainable_precision(IVIM(PAPER), Rician(0.1), {"D_fast": 80.0})


def test_an_amplitude_of_zero_is_not_identified():
    precisions = attainable_precision(IVIM(PAPER), Rician(1 / 300), {"S0": 0.0})
    assert precisions[0].parameter.is_amplitude
    assert precisions[0].verdict is Verdict.NOT_IDENTIFIABLE
    assert "cannot be identified" in precisions[0].sentence
