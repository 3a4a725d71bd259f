"""Status codes: sentences for people, stable numbers for files."""

import numpy as np
import pytest

from raofit.core.status import Status, with_misfit


@pytest.mark.parametrize("status", Status)
def test_every_code_has_its_sentence(status):
    assert status.sentence.endswith(".")
    assert 0 <= status <= np.iinfo(np.uint8).max


def test_sentences_differ():
    assert len({status.sentence for status in Status}) == len(Status)


def test_codes_written_to_files_never_change():
    assert {status.name: int(status) for status in Status} == {
        "OK": 0,
        "AT_BOUND": 1,
        "NOT_CONVERGED": 2,
        "NOT_IDENTIFIABLE": 3,
        "OUT_OF_RANGE": 4,
        "MISFIT": 5,
        "AT_BOUND_MISFIT": 6,
        "NOT_CONVERGED_MISFIT": 7,
        "NOT_IDENTIFIABLE_MISFIT": 8,
        "OUT_OF_RANGE_MISFIT": 9,
        "NON_FINITE": 10,
        "NON_POSITIVE": 11,
        "NEGATIVE": 12,
        "NO_SIGMA": 13,
        "OUTSIDE_MASK": 20,
    }


def test_only_voxels_with_an_estimate_are_usable():
    assert [status.name for status in Status if status.is_usable] == [
        "OK",
        "AT_BOUND",
        "NOT_CONVERGED",
        "NOT_IDENTIFIABLE",
        "OUT_OF_RANGE",
        "MISFIT",
        "AT_BOUND_MISFIT",
        "NOT_CONVERGED_MISFIT",
        "NOT_IDENTIFIABLE_MISFIT",
        "OUT_OF_RANGE_MISFIT",
    ]


def test_a_misfit_hides_no_other_reservation():
    codes = np.array(list(Status), np.uint8)
    found = [Status(int(code)) for code in with_misfit(codes)]
    for before, after in zip(Status, found, strict=True):
        assert after.is_misfit == before.is_usable
        assert after.name.removesuffix("MISFIT").removesuffix("_") in (before.name.removesuffix("_MISFIT"), "")
    assert found[Status.AT_BOUND] is Status.AT_BOUND_MISFIT
    np.testing.assert_array_equal(with_misfit(with_misfit(codes)), with_misfit(codes))
