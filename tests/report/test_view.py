"""Which voxels a page holds, and how their planes stand."""

import numpy as np
import pytest

from raofit.report.view import choose_view, planes


def ball(shape=(20, 24, 12)):
    axes = np.meshgrid(*(np.linspace(-1.3, 1.3, size) for size in shape), indexing="ij")
    return sum(axis**2 for axis in axes) < 1


def test_the_box_is_the_mask_with_a_margin():
    mask = np.zeros((30, 30, 9), dtype=bool)
    mask[10:14, 5:9, 3:5] = True
    view = choose_view(mask, 8)
    assert (view.origin, view.step, view.bits) == ((8, 3, 3), (1, 1, 1), 16)
    assert view.mask.shape == (8, 8, 2)
    assert view.remark == ""


def test_budgets_cost_first_bits_then_slices_then_columns():
    mask = np.ones((20, 20, 10), dtype=bool)
    sizes = []
    for budget in (64_000, 40_000, 20_000, 2_000):
        view = choose_view(mask, 8, budget_bytes=budget)
        assert np.count_nonzero(view.mask) * 8 * view.bits // 8 <= budget
        sizes.append((view.bits, view.step))
    assert sizes == [(16, (1, 1, 1)), (8, (1, 1, 1)), (8, (1, 1, 2)), (8, (2, 2, 10))]
    assert "every 2nd row and column" in view.remark
    assert "rounded to 8 bits" in view.remark


def test_a_whole_volume_stays_within_the_page():
    view = choose_view(np.ones((220, 220, 210), dtype=bool), 10)  # 10⁷ voxels, ten numbers each
    assert np.count_nonzero(view.mask) * 10 <= 12 << 20
    assert view.step == (1, 1, 9)
    assert "every 9th slice" in view.remark


@pytest.mark.parametrize("budget", [10**6, 4000])
def test_lists_are_those_of_the_mask_and_slabs_join(budget):
    mask = ball()
    volume = np.arange(mask.size).reshape(mask.shape)
    view = choose_view(mask, 2, budget_bytes=budget)
    whole = view.take(volume)
    first, step = np.array(view.origin), np.array(view.step)
    places = np.argwhere(view.mask)[np.lexsort(np.argwhere(view.mask).T)] * step + first  # x fastest
    np.testing.assert_array_equal(whole, volume[tuple(places.T)])
    cuts = [(0, 5), (5, 6), (6, 12)]
    parts = [view.take(volume[:, :, start:stop], start) for start, stop in cuts]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_rows_of_a_single_slice_join():
    mask = ball()[:, :, 5:6]
    volume = np.arange(mask.size).reshape(mask.shape)
    view = choose_view(mask, 2)
    parts = [view.take(volume[:, start : start + 5], start, axis=1) for start in range(0, 24, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), view.take(volume))


def corner(plane, shape):
    """The voxel in the upper left of a picture."""
    voxel = [0, 0, 0]
    for side in ("right", "down"):
        axis, is_reversed = plane[side]
        voxel[axis] = shape[axis] - 1 if is_reversed else 0
    return voxel


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_anatomical_planes_stand_as_radiologists_see_them(signs, order):
    shape = (6, 7, 8)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = 2.0 * sign
    found = {plane["name"]: plane for plane in planes(affine, shape)}
    upper_left = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}  # right and anterior, right and superior, …
    for name, worlds in upper_left.items():
        at = (affine @ [*corner(found[name], shape), 1.0])[:3]
        corners = np.array([(affine @ [i, j, k, 1.0])[:3] for i in (0, 5) for j in (0, 6) for k in (0, 7)])
        for world in worlds:
            assert at[world] == corners[:, world].max()
    assert found["axial"]["edges"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert found["sagittal"]["edges"] == {"left": "A", "right": "P", "top": "S", "bottom": "I"}


def test_without_an_affine_planes_are_those_of_the_array():
    (plane,) = planes(None, (5, 6, 1))
    assert (plane["slice"], plane["right"], plane["down"]) == (2, (0, False), (1, True))
    assert plane["edges"]["top"] == "j ↑"
