"""The digital brain slice: anatomy that hangs together, values of the literature, images by any model of T1 and T2."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.models import IVIM, MRFFISP
from raofit.studies.brain_phantom import TISSUES, brain_phantom, simulate_images
from raofit.studies.brain_regions import STRUCTURES

PHANTOM = brain_phantom(128)
FLUIDS = ("subarachnoid fluid", "ventricles")
SMALL = brain_phantom(32)
ANGLES = np.radians([20.0, 40.0, 60.0, 30.0])


def test_every_region_is_there_and_outside_has_no_signal():
    assert set(PHANTOM.names[1:]) == set(TISSUES)
    assert set(np.unique(PHANTOM.region)) == set(range(len(PHANTOM.names)))
    np.testing.assert_array_equal(PHANTOM.mask, PHANTOM.region > 0)
    np.testing.assert_array_equal(PHANTOM.amplitude[~PHANTOM.mask], 0.0)
    assert np.all(np.abs(PHANTOM.amplitude[PHANTOM.mask]) > 0.5)


def test_deep_structures_are_mirror_images_and_the_lesion_is_not():
    for name in ("caudate", "putamen", "thalamus", "ventricles"):
        found = PHANTOM.mask_of(name)
        np.testing.assert_array_equal(found, found[:, ::-1])
    lesion = PHANTOM.mask_of("lesion")
    assert not np.any(lesion & lesion[:, ::-1])


def neighbors(region):
    """Pairs of regions that touch along an edge of a voxel."""
    pairs = np.concatenate(
        [
            np.stack([region[1:], region[:-1]], -1).reshape(-1, 2),
            np.stack([region[:, 1:], region[:, :-1]], -1).reshape(-1, 2),
        ]
    )
    return {
        frozenset((PHANTOM.names[a], PHANTOM.names[b])) for a, b in np.unique(np.sort(pairs, axis=1), axis=0) if a != b
    }


def test_cortex_lies_between_white_matter_and_the_fluid_around_it():
    touching = neighbors(PHANTOM.region)
    assert {frozenset(("cortex", "white matter")), frozenset(("cortex", "subarachnoid fluid"))} <= touching
    assert frozenset(("white matter", "subarachnoid fluid")) not in touching
    assert {"subarachnoid fluid"} == {other for pair in touching if "outside" in pair for other in pair - {"outside"}}
    assert {"white matter"} == {other for pair in touching if "lesion" in pair for other in pair - {"lesion"}}


def test_anatomy_does_not_depend_on_the_grid():
    # voxels on a border belong by chance: of n in a ribbon two voxels thick, n ± sqrt(n)/2, which is below 1 %
    finer = brain_phantom(256)
    for name in ("white matter", "cortex", "subarachnoid fluid"):
        assert PHANTOM.mask_of(name).mean() == pytest.approx(finer.mask_of(name).mean(), rel=0.02)
    putamen = next(item for item in STRUCTURES if item.name == "putamen")
    area = 2.0 * np.pi * np.prod(putamen.radii) / 4.0  # two ellipses in a square of side 2
    assert PHANTOM.mask_of("putamen").mean() == pytest.approx(area, rel=0.05)


@pytest.mark.parametrize("name", TISSUES)
def test_values_vary_smoothly_about_those_of_the_table(name):
    tissue, inside = TISSUES[name], PHANTOM.mask_of(name)
    maps = (PHANTOM.parameters[..., 0], PHANTOM.parameters[..., 1], np.abs(PHANTOM.amplitude))
    means = (tissue.T1, tissue.T2, tissue.proton_density)
    for values, mean, spread in zip(maps, means, (0.03, 0.03, 0.015), strict=True):
        relative = values / mean - 1.0
        assert np.abs(relative[inside]).max() <= 4.0 * spread  # 8 waves of variance 1/8 each: at most 4
        step = np.abs(np.diff(relative, axis=0))[inside[1:] & inside[:-1]]
        # the shortest wave is 16 voxels long: 2π/16 of its amplitude of ½ per voxel, 8 waves at most
        assert step.max() < 8 * 0.5 * 2 * np.pi / 16 * spread


def test_spread_in_white_matter_is_the_stated_one():
    inside = PHANTOM.mask_of("white matter")
    relative = PHANTOM.parameters[inside, :2].std(axis=0) / PHANTOM.parameters[inside, :2].mean(axis=0)
    # 8 waves, some of them longer than a hemisphere: about 4 independent places, so the spread is known to 1/sqrt(8)
    np.testing.assert_allclose(relative, 0.03, rtol=0.35)


def test_tissue_is_within_the_training_range_and_fluid_beyond_it():
    for name in TISSUES:
        t1, t2, _ = PHANTOM.parameters[PHANTOM.mask_of(name)].T
        is_within = (t1 > 0.3) & (t1 < 3.0) & (t2 > 0.02) & (t2 < 0.3)
        np.testing.assert_array_equal(is_within, name not in FLUIDS)


def test_b1_is_highest_in_the_middle():
    b1 = np.where(PHANTOM.mask, PHANTOM.parameters[..., 2], np.nan)
    assert 0.79 < np.nanmin(b1) < 0.82
    assert 1.18 < np.nanmax(b1) < 1.2
    np.testing.assert_allclose(np.unravel_index(np.nanargmax(b1), b1.shape), (63.5, 63.5), atol=6)


def test_phase_is_smooth():
    inside = PHANTOM.mask[1:] & PHANTOM.mask[:-1]
    step = np.angle(PHANTOM.amplitude[1:] * PHANTOM.amplitude[:-1].conj())[inside]
    assert 0.001 < np.abs(step).mean() < 0.1


@pytest.mark.parametrize("b1", [None, 0.9])
def test_images_are_amplitude_times_signal(b1):
    model = MRFFISP(ANGLES, 0.012, inversion_time=0.02, b1=b1)
    images = simulate_images(SMALL, model)
    assert images.shape == (4, 32, 32)
    assert images.dtype == np.complex64
    np.testing.assert_array_equal(images[:, ~SMALL.mask], 0.0)
    for y, x in ((16, 16), (10, 20), (24, 12)):
        t1, t2, map_b1 = SMALL.parameters[y, x]
        signal = MRFFISP(ANGLES, 0.012, inversion_time=0.02).signal([t1, t2, map_b1 if b1 is None else b1])
        np.testing.assert_allclose(images[:, y, x], SMALL.amplitude[y, x] * signal, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(RaofitError, match=r"T1, T2, B1 .*`ivim`.*`S0`"):
        simulate_images(SMALL, IVIM([0, 100]))
    with pytest.raises(RaofitError, match=r"`size` of at least 32 voxels, got 16"):
        brain_phantom(16)
    with pytest.raises(RaofitError, match=r"white matter, cortex.*got `pons`"):
        SMALL.mask_of("cortex", "pons")
