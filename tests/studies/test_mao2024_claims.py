"""The claims of Mao 2024 on made results: each holds where it was made to hold, and fails where it was not."""

import dataclasses

import numpy as np
import pytest

from raofit.evaluation.evaluate import Evaluation
from raofit.studies.mao2024 import LOW_LAMBDA, MSE_CRB, NLLS, ONE_STEP, REDUCED, SHOWN, SNRS
from raofit.studies.mao2024_claims import (
    all_claims,
    claim_chain,
    claim_halved,
    claim_lambda,
    claim_least_squares,
    claim_one_step,
    claim_outside,
    claim_slice,
    claim_slope,
    claim_trade,
    claim_variable_bias,
    claim_weighting,
)
from tests.studies.mao2024_made import brain_slice, results


@pytest.fixture(scope="module")
def made():
    return results()


def test_all_claims_hold_where_they_were_made_to(made):
    claims = all_claims(made)
    assert [claim.number for claim in claims] == list(range(1, 12))
    failures = [(claim.statement[:50], check.what, check.numbers) for claim in claims for check in claim.failures]
    assert failures == []


def test_without_a_slice_there_is_no_claim_about_it():
    claims = all_claims(results(with_slice=False))
    assert len(claims) == 10
    assert not any("In vivo" in claim.statement for claim in claims)


def _swapped(by_method, first, second):
    return {**by_method, first: by_method[second], second: by_method[first]}


@pytest.mark.parametrize(
    ("claim", "field", "first", "second"),
    [
        (claim_variable_bias, "boxes", MSE_CRB, REDUCED),
        (claim_trade, "random_snr", MSE_CRB, REDUCED),
        (claim_lambda, "random_snr", LOW_LAMBDA, REDUCED),
        (claim_halved, "held_out", MSE_CRB, REDUCED),
        (claim_slope, "held_out", MSE_CRB, REDUCED),
        (claim_weighting, "held_out", MSE_CRB, "mse"),
        (claim_one_step, "held_out", ONE_STEP, MSE_CRB),
        (claim_chain, "tissues", NLLS, MSE_CRB),
        (claim_least_squares, "tissues", REDUCED, MSE_CRB),
    ],
)
def test_swapped_methods_fail(made, claim, field, first, second):
    content = getattr(made, field)
    if field in ("held_out", "tissues"):
        swapped = {key: _swapped(by_method, first, second) for key, by_method in content.items()}
    else:
        swapped = _swapped(content, first, second)
    changes = {field: swapped}
    if field == "tissues":
        changes["tissue_snrs"] = _swapped(made.tissue_snrs, first, second)
    assert claim(dataclasses.replace(made, **changes)).verdict != "supported"


def test_bias_that_is_no_higher_outside(made):
    same = dataclasses.replace(made.outside, is_inside=~made.outside.is_inside)
    assert claim_outside(dataclasses.replace(made, outside=same)).verdict == "not supported"


def test_a_slice_where_the_other_network_is_closer():
    study = brain_slice()
    swapped = dataclasses.replace(study, values=_swapped(study.values, MSE_CRB, REDUCED))
    assert claim_slice(study).verdict == "supported"
    assert claim_slice(swapped).verdict == "not supported"


def test_flagged_voxels_are_not_compared():
    study = brain_slice()
    assert study.distances(REDUCED).shape == (57, len(SHOWN))
    np.testing.assert_allclose(study.distances(MSE_CRB), 1.0)


def test_ratio_and_its_interval(made):
    """The ratio of the means, which the definition gives as well."""
    for snr in SNRS:
        ratio = made.bias_ratios[snr]
        of = {name: _squared_bias(made.held_out[snr][name]) for name in (REDUCED, MSE_CRB)}
        assert ratio.value == pytest.approx(of[REDUCED] / of[MSE_CRB], rel=1e-9)
        assert ratio.low < ratio.value < ratio.high
        assert ratio.value < 0.5


def _squared_bias(evaluation: Evaluation) -> float:
    bound = evaluation.crb_std[:, : len(SHOWN)] ** 2
    squared = evaluation.bias[:, : len(SHOWN)] ** 2 - evaluation.std[:, : len(SHOWN)] ** 2 / 199
    return float(np.mean(squared / bound))
