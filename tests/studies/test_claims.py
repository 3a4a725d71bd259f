"""Claims are judged by the numbers: evaluations made to hold them, and made to break one at a time."""

import dataclasses

import numpy as np
import pytest

from raofit.evaluation import Evaluation, evaluation_grid
from raofit.evaluation.packed import pack, unpack
from raofit.studies.epstein2022 import CLIPPED, CONVENTIONAL, METHODS, RAISED, SNRS, TITLES, paper_model
from raofit.studies.epstein2022_claims import all_claims
from raofit.studies.epstein2022_reasons import reasons
from raofit.studies.epstein2022_results import StudyResults, summary

MODEL = paper_model()
GRID = evaluation_grid(MODEL)
NAMES = (CONVENTIONAL, *(method.name for method in METHODS), RAISED, *CLIPPED)
SPREAD = np.array([0.1, 0.1, 0.5e-3, 40e-3])


def made(slope, spread, floor=0.0):
    """Bias = slope · (truth − center), less `floor` of D_slow in its upper half; std = spread · a typical std."""
    truths = GRID.points
    bias = slope * (truths - truths.mean(axis=0))
    bias[:, 2] -= floor * np.maximum(truths[:, 2] - 1.7e-3, 0.0)
    return Evaluation(
        truths=truths,
        bias=bias,
        std=spread * np.broadcast_to(SPREAD, truths.shape),
        n_usable=np.full(truths.shape, 10),
        share_at_bound=np.full(truths.shape, 0.1),
        status_counts={},
        n_repeats=10,
        parameters=MODEL.parameters,
        crb_std=np.broadcast_to(SPREAD, truths.shape),
    )


def as_in_the_paper(snr):
    floor = 0.15 if snr == 15 else 0.02
    evaluations = {name: made(-0.02, 1.0) for name in NAMES}
    return evaluations | {
        CONVENTIONAL: made(-0.01, 1.2),
        "supervised-gt": made(-0.5, 0.4),
        "supervised-mle-gaussian": made(-0.02, 1.0, floor),
        "self-supervised": made(-0.02, 1.02, floor),
        "hybrid": made(-0.25, 0.7),
        "weighted-D_fast": made(-0.01, 0.95),
    }


def results(changes=None, snr=15.0):
    evaluations = {value: as_in_the_paper(value) for value in SNRS}
    evaluations[snr] |= changes or {}
    shares = {"S0": 0.0, "f": 0.14, "D_slow": 0.02, "D_fast": 0.12, "any": 0.29}
    bounds = {value: {"rician": shares, "gaussian": shares} for value in SNRS}
    return StudyResults(GRID, evaluations, bounds, np.array([0.09, 0.08]))


def verdicts(study):
    return [claim.verdict for claim in all_claims(study)]


def test_the_papers_world_supports_all_but_the_size_reading_of_claim_6():
    claims = all_claims(results())
    assert [claim.number for claim in claims] == [1, 2, 3, 4, 5, 6, 7]
    assert verdicts(results()) == ["supported"] * 5 + ["partly supported", "supported"]
    (failed,) = claims[5].failures
    assert failed.what == "D_slow = 2.71: smaller |bias|"


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (1, {"supervised-gt": made(-0.05, 0.4)}),
        (1, {"self-supervised": made(-0.3, 1.0)}),
        (2, {"self-supervised": made(-0.02, 0.3)}),
        (3, {"supervised-mle-rician": made(-0.02, 1.0, 0.3)}),
        (4, {"supervised-mle-rician": made(-0.02, 1.3)}),
        (5, {"weighted-D_fast": made(-0.02, 1.5)}),
        (5, {"hybrid": made(-0.6, 0.7)}),
        (6, {"supervised-gt": made(0.5, 0.4)}),
        (7, {"self-supervised": made(-0.5, 0.4)}),
    ],
)
def test_a_claim_falls_with_its_numbers(number, changes):
    before, after = (all_claims(study)[number - 1] for study in (results(), results(changes)))
    assert len(after.failures) > len(before.failures)
    assert after.verdict != "supported"


def test_every_check_states_its_numbers():
    for claim in all_claims(results()):
        for check in claim.checks:
            assert any(character.isdigit() for character in check.numbers)
            assert "-" not in check.numbers


def test_reasons_exist_for_every_claim_and_hold_the_measured_numbers():
    texts = reasons(results({RAISED: made(-0.13, 1.0)}))
    assert sorted(texts) == [1, 2, 3, 4, 5, 6, 7]
    assert "from −0.01 to −0.13" in texts[1]


def test_summary_has_everything_for_each_snr_method_and_parameter():
    table = summary(results())
    assert set(table["snr"]) == {"15", "30"}
    for of_snr in table["snr"].values():
        assert set(of_snr["methods"]) == set(NAMES) == set(TITLES)
        for name, of_method in of_snr["methods"].items():
            assert set(of_method) == {"S0", "f", "D_slow", "D_fast"}
            for numbers in of_method.values():
                assert {"bias_slope", "mean_abs_bias", "mean_std", "mean_rmse", "share_of_labels_on_bound"} <= set(
                    numbers
                )
            share = of_method["f"]["share_of_labels_on_bound"]
            expected = {"supervised-gt": None, "self-supervised": None, "self-supervised-rician": None}
            fits = {CONVENTIONAL: 0.1, RAISED: 0.1}
            assert share == pytest.approx((expected | fits).get(name, 0.14))
    assert table["constant_answer_rmse"]["D_fast"] == pytest.approx(np.std(GRID.axes["D_fast"]))


def test_evaluations_survive_their_file():
    original = {"fit": made(-0.1, 1.0), "network": made(-0.2, 0.5)}
    restored = unpack(pack(original), MODEL)
    assert list(restored) == ["fit", "network"]
    for name, evaluation in original.items():
        for field in dataclasses.fields(evaluation):
            if isinstance(getattr(evaluation, field.name), np.ndarray):
                np.testing.assert_array_equal(getattr(restored[name], field.name), getattr(evaluation, field.name))
        np.testing.assert_array_equal(restored[name].rmse, evaluation.rmse)
