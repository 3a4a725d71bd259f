"""Volumes through an estimator: placement, chunks, statuses, and neighbors that stay as they are."""

import tracemalloc

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.engine import map_volume, slab_axis, slab_edges
from raofit.estimators.estimate import Estimate


def mean_and_spread(measurements, sigma, known):
    """A stand-in estimator: two parameters with known values; it refuses what the engine must keep from it."""
    assert np.all(np.isfinite(measurements))
    assert np.all(sigma > 0)
    values = np.stack([measurements.mean(axis=-1), measurements.std(axis=-1)], axis=-1)
    status = np.where(values[:, 1] > 1.0, Status.AT_BOUND, Status.OK).astype(np.uint8)
    return Estimate(values, status, ("mean", "spread"), lambda: np.stack([sigma, 2 * sigma], axis=-1))


def run(volume, mask, *, edges=None, sigma=0.5, is_magnitude=True, **options):
    edges = ((0, volume.shape[2]),) if edges is None else edges
    slabs = list(
        map_volume(
            lambda start, stop: volume[:, :, start:stop],
            mean_and_spread,
            mask,
            edges,
            sigma=sigma,
            n_parameters=2,
            is_magnitude=is_magnitude,
            **options,
        )
    )
    join = lambda pick: np.concatenate([pick(slab) for slab in slabs], axis=2)  # noqa: E731
    return join(lambda s: s.values), join(lambda s: s.standard_errors), join(lambda s: s.status)


@pytest.fixture
def volume():
    return np.random.default_rng(0).uniform(1, 5, (6, 5, 7, 4)).astype(np.float32)


@pytest.fixture
def mask():
    return np.random.default_rng(1).uniform(size=(6, 5, 7)) < 0.6


def test_estimates_stand_where_the_voxels_are(volume, mask):
    values, errors, status = run(volume, mask)
    np.testing.assert_array_equal(values[mask, 0], volume[mask].mean(axis=-1))
    np.testing.assert_array_equal(errors[mask], np.tile(np.float32([0.5, 1.0]), (mask.sum(), 1)))
    assert np.all(np.isnan(values[~mask]))
    assert np.all(status[~mask] == Status.OUTSIDE_MASK)
    assert set(np.unique(status[mask])) == {Status.OK, Status.AT_BOUND}


@hypothesis.given(thickness=st.integers(1, 7), chunk=st.integers(1, 300))
def test_the_cut_does_not_matter(thickness, chunk):
    generator = np.random.default_rng(2)
    volume = generator.uniform(1, 5, (6, 5, 7, 4)).astype(np.float32)
    mask = generator.uniform(size=(6, 5, 7)) < 0.6
    edges = tuple((start, min(start + thickness, 7)) for start in range(0, 7, thickness))
    for found, expected in zip(run(volume, mask, edges=edges, chunk_voxels=chunk), run(volume, mask), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_noise_map_reaches_its_voxels(volume, mask):
    sigma = np.random.default_rng(3).uniform(0.1, 1.0, mask.shape).astype(np.float32)
    errors = run(volume, mask, sigma=sigma, edges=((0, 3), (3, 7)))[1]
    np.testing.assert_array_equal(errors[mask, 0], sigma[mask])


FAULTS = {
    Status.NON_FINITE: [[np.nan, 1, 1, 1], [np.inf, 1, 1, 1], [-np.inf, 1, 1, 1], [np.nan] * 4],
    Status.NON_POSITIVE: [[0, 0, 0, 0], [-1, 0, -1, -1]],
    Status.NEGATIVE: [[1, -1e-6, 1, 1]],
}


@pytest.mark.parametrize(("status", "values"), [(status, values) for status, rows in FAULTS.items() for values in rows])
def test_bad_voxels_are_marked_and_disturb_no_neighbor(volume, mask, status, values):
    mask[2, 2, 3] = True
    before = run(volume, mask)
    volume[2, 2, 3] = values
    after = run(volume, mask)
    assert after[2][2, 2, 3] == status
    assert np.all(np.isnan(after[0][2, 2, 3]))
    assert np.all(np.isnan(after[1][2, 2, 3]))
    others = np.ones(mask.shape, bool)
    others[2, 2, 3] = False
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new[others], old[others])


def test_negative_values_are_fine_for_real_valued_measurements(volume, mask):
    mask[2, 2, 3] = True
    volume[2, 2, 3] = [1, -1, 1, 1]
    assert run(volume, mask, is_magnitude=False)[2][2, 2, 3] in (Status.OK, Status.AT_BOUND)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_voxels_without_sigma_are_marked(volume, mask, value):
    mask[1, 1, 1] = True
    sigma = np.full(mask.shape, 0.5)
    sigma[1, 1, 1] = value
    values, _, status = run(volume, mask, sigma=sigma)
    assert status[1, 1, 1] == Status.NO_SIGMA
    assert np.all(np.isnan(values[1, 1, 1]))


def test_progress_counts_the_mask(volume, mask):
    events = []
    run(volume, mask, edges=((0, 3), (3, 7)), chunk_voxels=50, progress=events.append, n_done=7)
    done = [event.done for event in events]
    assert done == sorted(done)
    assert events[-1].done == mask.sum() + 7
    assert {event.total for event in events} == {int(mask.sum())}


@hypothesis.given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 40), st.integers(1, 20)),
    memory=st.integers(1, 10**7),
)
def test_slabs_cover_the_volume_within_the_budget(shape, memory):
    edges = slab_edges(shape, memory_bytes=memory)
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == shape[slab_axis(shape)]
    layer_bytes = 4 * 4 * np.prod(shape) // shape[slab_axis(shape)]
    assert all(stop - start == 1 or (stop - start) * layer_bytes <= memory for start, stop in edges)


def test_a_single_slice_is_cut_along_its_rows(volume, mask):
    volume, mask = volume[:, :, 3:4], mask[:, :, 3:4]
    edges = slab_edges((*mask.shape, volume.shape[3]), most_voxels=2 * mask.shape[0])
    assert edges == ((0, 2), (2, 4), (4, 5))
    whole = next(
        map_volume(
            lambda start, stop: volume[:, start:stop], mean_and_spread, mask, ((0, 5),), sigma=0.5, n_parameters=2,
            is_magnitude=True,
        )
    )  # fmt: skip
    slabs = list(
        map_volume(
            lambda start, stop: volume[:, start:stop], mean_and_spread, mask, edges, sigma=0.5, n_parameters=2,
            is_magnitude=True,
        )
    )  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([slab.values for slab in slabs], axis=1), whole.values)
    np.testing.assert_array_equal(np.concatenate([slab.status for slab in slabs], axis=1), whole.status)


def test_a_budget_must_be_positive():
    with pytest.raises(RaofitError, match="expected a budget > 0"):
        slab_edges((1, 1, 1, 1), memory_bytes=0)


def peak_bytes(depth):
    mask = np.ones((64, 64, depth), bool)
    slab = np.ones((64, 64, 4, 8), np.float32)
    edges = tuple((start, start + 4) for start in range(0, depth, 4))
    tracemalloc.start()
    slabs = map_volume(
        lambda start, stop: slab, mean_and_spread, mask, edges, sigma=1.0, n_parameters=2, is_magnitude=True
    )
    for _ in slabs:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_volume():
    peak_bytes(8)  # first-call caches
    assert peak_bytes(256) < 1.1 * peak_bytes(8)
