"""Undersampling errors: none with full sampling, linear in the image, right on average, energy in closed form."""

import jax
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.studies.undersampling import sampled_share, undersampled

KEY = jax.random.key(3)
ECHOES, SHAPE, ACCELERATION = 610, (24, 20), 6.0
IMAGE = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float64).cumsum(axis=1)
IMAGE = IMAGE[0] + 1j * IMAGE[1]
POWER = np.abs(np.fft.fft2(IMAGE, norm="ortho")) ** 2
SHARE = sampled_share(SHAPE, ACCELERATION)


@pytest.fixture(scope="module")
def errors():
    """Of a series of equal images."""
    series = np.broadcast_to(IMAGE, (ECHOES, *SHAPE))
    return undersampled(series, ACCELERATION, key=KEY) - series


def test_full_sampling_and_no_strength_return_the_images():
    images = np.broadcast_to(IMAGE, (40, *SHAPE)).astype(np.complex64)
    np.testing.assert_array_equal(undersampled(images, 1.0, key=KEY), images)
    np.testing.assert_array_equal(undersampled(images, 20.0, key=KEY, strength=0.0), images)
    assert undersampled(images, 20.0, key=KEY).dtype == np.complex64
    assert np.abs(undersampled(images, 20.0, key=KEY) - images).max() > 0.1


def test_error_is_linear_in_image_and_strength(errors):
    random = np.random.default_rng(1)
    other = random.normal(size=(40, *SHAPE))
    series = np.broadcast_to(IMAGE, other.shape)
    mixed = undersampled(2.0 * series - 3j * other, ACCELERATION, key=KEY)
    apart = 2.0 * undersampled(series, ACCELERATION, key=KEY) - 3j * undersampled(other, ACCELERATION, key=KEY)
    np.testing.assert_allclose(mixed, apart, atol=1e-10)
    half = undersampled(series, ACCELERATION, key=KEY, strength=0.5) - series
    np.testing.assert_allclose(half, 0.5 * errors[:40], atol=1e-10)


def test_error_is_zero_on_average_over_rotations(errors):
    # 610 golden turns spread a share p of them over a cell to within 2 turns, so its mean weight is 1 ± 2/(610·p)
    worst = np.sqrt(np.sum(POWER * np.where(SHARE < 1, 2.0 / (ECHOES * SHARE), 0.0) ** 2))
    assert np.linalg.norm(errors.mean(axis=0)) < worst
    assert worst < 0.1 * np.linalg.norm(errors, axis=(1, 2)).mean()


def test_energy_of_the_error_follows_from_the_acceleration(errors):
    expected = np.sum(POWER * (1.0 / SHARE - 1.0))
    # as above: the mean square weight error of a cell is off by at most 2/610·|1/p² − 2/p|
    tolerance = np.sum(POWER * np.where(SHARE < 1, 2.0 / ECHOES * np.abs(1.0 / SHARE**2 - 2.0 / SHARE), 0.0))
    found = np.mean(np.sum(np.abs(errors) ** 2, axis=(1, 2)))
    assert abs(found - expected) < tolerance
    assert tolerance < 0.05 * expected


@pytest.mark.parametrize("lag", [1, 2, 5, 34])
def test_correlation_between_echoes_is_that_of_two_arcs(errors, lag):
    apart = (lag * (3 - np.sqrt(5)) / 2) % 1.0
    overlap = np.maximum(SHARE - apart, 0.0) + np.maximum(SHARE - (1.0 - apart), 0.0)
    expected = np.sum(POWER * np.where(SHARE < 1, overlap / SHARE**2 - 1.0, 0.0)) / np.sum(POWER * (1.0 / SHARE - 1.0))
    products = np.sum(errors[lag:] * errors[:-lag].conj(), axis=(1, 2)).real
    found = products.mean() / np.mean(np.sum(np.abs(errors) ** 2, axis=(1, 2)))
    assert found == pytest.approx(expected, abs=0.05)  # 2/610 of weights up to 1/p² = 36, relative to 1/p = 6, twice
    assert abs(expected) < 0.5 or lag == 34  # nearly uncorrelated but for arms that nearly coincide


def test_every_key_starts_at_another_angle():
    images = np.broadcast_to(IMAGE, (2, *SHAPE))
    first, again, other = (undersampled(images, ACCELERATION, key=jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_share_is_that_of_places_within_half_a_cell_of_a_spiral():
    acceleration, turns = 30.0, np.linspace(0.0, 2.0, 200_001)
    arm = acceleration * turns * np.exp(2j * np.pi * turns)
    shares = sampled_share((64, 64), acceleration)
    angles = np.exp(2j * np.pi * np.linspace(0.0, 1.0, 3600, endpoint=False))
    for radius in (3, 8, 24):
        near = arm[np.abs(np.abs(arm) - radius) < 1.0]
        distance = np.abs(radius * angles[:, None] - near[:: max(1, len(near) // 3000)]).min(axis=1)
        assert np.mean(distance < 0.5) == pytest.approx(shares[0, radius], rel=0.02)  # the arm bends


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(RaofitError, match=r"\(echo, y, x\), got \(24, 20\)"):
        undersampled(IMAGE, 2.0, key=KEY)
    with pytest.raises(RaofitError, match=r"`acceleration` of at least 1 \(full sampling\), got 0.5"):
        undersampled(IMAGE[None], 0.5, key=KEY)
    with pytest.raises(RaofitError, match=r"`strength` of at least 0 \(no error\), got -1"):
        undersampled(IMAGE[None], 2.0, key=KEY, strength=-1.0)
