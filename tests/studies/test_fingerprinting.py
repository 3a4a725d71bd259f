"""The fingerprinting study: what it simulates, the numbers it reads off, and the verdicts it draws from them."""

import dataclasses

import jax
import numpy as np
import pytest

from raofit import svd_basis
from raofit.core.status import Status
from raofit.evaluation.weighted import OVERALL
from raofit.models import MRFFISP, Compressed
from raofit.studies.brain_phantom import brain_phantom
from raofit.studies.fingerprinting import (
    DICTIONARY,
    ESTIMATED,
    MSE,
    MSE_CRB,
    NLLS,
    RANGES,
    REDUCED,
    SCALES,
    dictionary_grid,
    plane_axes,
    plane_points,
    prior,
    tissue_values,
)
from raofit.studies.fingerprinting_claims import all_claims, claim_bias, claim_conventional, claim_fast, claim_flags
from raofit.studies.fingerprinting_results import scan_numbers, summary
from raofit.studies.fingerprinting_scans import (
    B1_IGNORED,
    CALIBRATED,
    PARENCHYMA,
    SIGMA,
    UNDERSAMPLED,
    measurements,
    upright,
)
from raofit.studies.mao2024_recipes import n_inputs
from tests.studies.fingerprinting_made import BIAS, SECONDS, results

FLIP_ANGLES = np.radians(10 + 50 * np.sin(np.pi * np.arange(60) / 60))


@pytest.fixture(scope="module")
def made():
    return results()


@pytest.fixture(scope="module")
def model():
    train = MRFFISP(FLIP_ANGLES, 0.012, echo_times=0.003, inversion_time=0.02, b1=1.0)
    signals = np.asarray(train.signal(prior().sample(jax.random.key(0), 256)))
    return Compressed(train, svd_basis(signals, 5))


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_networks_are_compared_at_equal_budget_and_size(scale):
    budgets = {name: n_inputs(scale.trainings, name, scale.n_training) for name in (MSE, MSE_CRB, REDUCED)}
    assert max(budgets.values()) - min(budgets.values()) <= 0.01 * max(budgets.values())
    assert len({(training.recipe.architecture, training.recipe.hidden) for training in scale.trainings}) == 1


def test_the_plane_and_the_dictionary_reach_beyond_the_training_ranges():
    axes = plane_axes(12)
    points, is_possible = plane_points(axes)
    grid = dictionary_grid((40, 40))
    for index, name in enumerate(ESTIMATED):
        low, high = RANGES[name]
        assert axes[name][0] < low < high < axes[name][-1]
        assert grid.axes[name][0] < axes[name][0] < axes[name][-1] < grid.axes[name][-1]
        assert set(points[:, index]) <= set(axes[name])
    assert np.all(points[:, 1] < points[:, 0])
    assert is_possible.sum() == len(points) == 144 - 6  # T2 up to 450 ms meets T1 from 200 ms in six combinations
    for values in tissue_values().values():
        assert all(RANGES[name][0] < value < RANGES[name][1] for name, value in zip(ESTIMATED, values, strict=True))


def test_a_scan_is_the_signal_of_each_voxel_and_white_noise(model):
    phantom = brain_phantom(32)
    found = measurements(phantom, model, CALIBRATED, key=jax.random.key(1))
    rows = phantom.parameters[phantom.mask]
    expected = np.asarray(model.signal(rows[:, :2])) * phantom.amplitude[phantom.mask][:, None]
    noise = (found - expected) / SIGMA
    channels = np.concatenate([noise.real.ravel(), noise.imag.ravel()])
    assert np.std(channels) == pytest.approx(1, abs=4 / np.sqrt(2 * channels.size))  # standard error of a std
    ignored = measurements(phantom, model, B1_IGNORED, key=jax.random.key(1))
    is_middle = np.abs(rows[:, 2] - 1.0) < 0.01
    change = np.linalg.norm(ignored - found, axis=1) / SIGMA
    assert np.median(change[is_middle]) < 0.1 * np.median(change[~is_middle])  # the same noise: B1 is what differs
    aliased = measurements(phantom, model, UNDERSAMPLED, acceleration=4.0, key=jax.random.key(1))
    whole = measurements(phantom, model, UNDERSAMPLED, acceleration=1.0, key=jax.random.key(1))
    np.testing.assert_allclose(whole, found, atol=1e-5)
    assert np.std(aliased - whole) > 0.2 * SIGMA


def test_pictures_are_upright():
    phantom = brain_phantom(32)
    volume = upright(phantom.region)
    assert volume.shape == (32, 32, 1)
    np.testing.assert_array_equal(volume[5, 31 - 3, 0], phantom.region[3, 5])  # rows count from above


def test_all_claims_hold_of_results_in_which_they_do(made):
    claims = all_claims(made)
    assert [claim.number for claim in claims] == list(range(1, 8))
    assert [claim.verdict for claim in claims] == ["supported"] * 7


def _with_held_out(made, snr, method, **changes):
    held_out = {key: dict(by_method) for key, by_method in made.held_out.items()}
    found = held_out[snr][method]
    held_out[snr][method] = dataclasses.replace(
        found, **{name: factor * getattr(found, name) for name, factor in changes.items()}
    )
    return dataclasses.replace(made, held_out=held_out)


@pytest.mark.parametrize(
    ("snr", "method", "changes", "claim", "words"),
    [
        (20.0, REDUCED, {"bias": 1.6}, claim_bias, "SNR 20: bias²/CRB below 0.02"),
        (10.0, REDUCED, {"bias": 4.0}, claim_bias, "SNR 10: bias²/CRB at most a third"),
        (10.0, REDUCED, {"std": 1.06}, claim_bias, "SNR 10: variance/CRB at most 1.1"),
        (50.0, DICTIONARY, {"std": 1.06}, claim_conventional, "Dictionary matching, T1"),
        (50.0, NLLS, {"std": 0.9}, claim_conventional, "Non-linear least squares, T2"),
    ],
)
def test_a_claim_fails_where_a_number_does(made, snr, method, changes, claim, words):
    failures = [check.what for check in claim(_with_held_out(made, snr, method, **changes)).failures]
    assert words in failures
    assert all(f"SNR {snr:g}" in what or claim is claim_conventional for what in failures)


def test_speed_flags_and_minutes_decide_too(made):
    slow = dataclasses.replace(made, seconds={**SECONDS, REDUCED: SECONDS[DICTIONARY] / 49})
    assert [check.what for check in claim_fast(slow).failures] == ["faster than 12,345 atoms"]
    late = {**made.trainings, REDUCED: {**made.trainings[REDUCED], "seconds": 601.0}}
    assert [check.what for check in claim_bias(dataclasses.replace(made, trainings=late)).failures] == [
        "trained in at most 10 minutes"
    ]
    scan = made.scans[CALIBRATED]
    unmarked = dataclasses.replace(scan, status=scan.status | {REDUCED: np.zeros_like(scan.status[REDUCED])})
    claim = claim_flags(dataclasses.replace(made, scans={**made.scans, CALIBRATED: unmarked}))
    assert [check.what.split(":")[0] for check in claim.failures] == ["Bias-Reduced"]


def test_numbers_are_those_of_the_arrays(made):
    content = summary(made)
    found = made.held_out[20.0][MSE_CRB]
    expected = (np.square(found.bias) - np.square(found.std) / 199) / np.square(found.crb_std)
    numbers = content["held_out"]["20"][MSE_CRB]
    assert numbers["T2"]["squared_bias"]["value"] == pytest.approx(expected[:, 1].mean(), rel=1e-9)
    assert numbers[OVERALL]["squared_bias"]["value"] == pytest.approx(expected.mean(), rel=1e-9)
    assert content["microseconds_per_voxel"][DICTIONARY] == pytest.approx(50)
    assert made.speed_over(DICTIONARY) == pytest.approx(250)
    image = made.plane_image(MSE_CRB, "crb_std", "T1")
    assert np.isnan(image[~made.is_possible]).all()
    np.testing.assert_allclose(image[made.is_possible], 0.05)


def test_a_scan_in_numbers(made):
    scan = made.scans[CALIBRATED]
    numbers = scan_numbers(scan)
    assert set(numbers["median_error"][REDUCED]) == {name for name in PARENCHYMA if scan.is_in(name).any()}
    distance = numbers["median_distance_to_dictionary_in_root_crb"][MSE_CRB]["T1"]
    assert distance == pytest.approx(BIAS[MSE_CRB] - BIAS[DICTIONARY])  # errors have the same sign in each voxel
    spread = numbers["spread"][MSE_CRB]["white matter"]["T2"]
    assert spread == pytest.approx(0.04 * BIAS[MSE_CRB], rel=1e-6)  # ± the same error
    assert numbers["share_flagged"][REDUCED] == {"tissue": 0.0, "fluid": 1.0}
    assert np.isnan(scan.volume(scan.values[NLLS][:, 0])).sum() == scan.mask.size - scan.mask.sum()
    assert scan.status[NLLS].max() == Status.OK
