"""Map figures: which voxels are shown, in which units, and what is said about the colors."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.plot.maps import (
    STATUS_COLORS,
    fullest_slice,
    limits_in_words,
    plot_histograms,
    plot_map_grid,
    plot_parameter_maps,
    plot_status_map,
    status_legend,
    window,
)
from tests.plot.made import SHOWN

SHAPE = (30, 24, 4)
MASK = np.zeros(SHAPE, dtype=bool)
MASK[10:20, 8:14, 1:] = True
MASK[10, 8, 3] = False
VOLUMES = {
    "f": np.linspace(0.1, 0.5, MASK.size).reshape(SHAPE),
    "D_slow": np.full(SHAPE, 1.5e-3),
    "D_fast": np.where(np.arange(SHAPE[0])[:, None, None] < 12, np.nan, 80e-3) * np.ones(SHAPE),
}
LIMITS = {"f": (0.0, 0.5), "D_slow": (0.0, 4e-3), "D_fast": (0.0, 300e-3)}


def images_of(axes):
    """(background, values) of a map: transposed to row = second array axis."""
    background, values = axes.images
    return background.get_array(), values.get_array()


def test_the_slice_with_most_voxels_is_shown_cut_to_the_mask():
    assert fullest_slice(MASK) == 1
    assert window(MASK) == (slice(8, 22), slice(6, 16))
    axes = plot_parameter_maps(VOLUMES, SHOWN, MASK).axes[0]
    values = images_of(axes)[1]
    assert values.shape == (10, 14)
    np.testing.assert_allclose(values[2:-2, 2:-2], VOLUMES["f"][10:20, 8:14, 1].T)
    assert values.mask[0].all()
    assert axes.images[1].origin == "lower"


def test_diffusivities_are_shown_in_their_display_unit():
    figure = plot_parameter_maps(VOLUMES, SHOWN, MASK, limits=LIMITS, slice_index=2)
    image = figure.axes[1].images[1]
    np.testing.assert_allclose(image.get_array().compressed(), 1.5)
    assert image.get_clim() == (0.0, 4.0)
    assert figure.axes[1].get_title() == r"$D_\mathrm{slow}$ (10⁻³ mm²/s)"


def test_voxels_without_an_estimate_are_told_apart_from_those_outside():
    background = images_of(plot_parameter_maps(VOLUMES, SHOWN, MASK, slice_index=1).axes[2])[0]
    assert (background == 1).sum() == 2 * 6  # x = 10 and 11 inside the mask
    assert (background == 0).sum() == background.size - 60


def test_limits_in_words():
    values = np.array([-1.0, 0.0, 1.0, 2.0, np.nan]) * 1e-3
    words = limits_in_words(values, SHOWN[1], (0.0, 1e-3))
    assert words == "colors from 0 to 1\n25.0% below, 25.0% above\n20.0% no estimate"
    assert "no voxel has an estimate" in limits_in_words(np.array([np.nan]), SHOWN[0], (0.0, 1.0))


def test_a_grid_of_methods_shares_colors_per_row():
    figure = plot_map_grid({"truth": VOLUMES, "fit": VOLUMES}, SHOWN, MASK, limits=LIMITS)
    maps = [axes for axes in figure.axes if len(axes.images) == 2]
    assert len(maps) == 6
    assert [axes.get_title() for axes in maps[:2]] == ["truth", "fit"]
    assert {axes.images[1].get_clim() for axes in maps[2:4]} == {(0.0, 4.0)}


def test_error_maps_diverge_from_zero():
    errors = {name: 0 * volume for name, volume in VOLUMES.items()}
    limits = {name: (-high, high) for name, (_, high) in LIMITS.items()}
    figure = plot_map_grid({"fit": errors}, SHOWN, MASK, limits=limits, is_error=True)
    image = figure.axes[0].images[1]
    red, green, blue, _ = image.cmap(image.norm(0.0))
    assert max(red, green, blue) - min(red, green, blue) < 0.02


def test_status_map_counts_the_whole_mask():
    status = np.where(MASK, Status.OK, Status.OUTSIDE_MASK).astype(np.uint8)
    status[10:20, 8:14, 1] = Status.AT_BOUND
    labels = [patch.get_label().replace("\n", " ") for patch in status_legend(status[MASK])]
    share = 60 / MASK.sum()
    assert labels[0].startswith(f"{1 - share:.1%}   The estimate converged")
    assert " ".join(labels[1].split()).startswith(f"{share:.1%} At least one parameter lies on a bound")
    figure = plot_status_map(status)
    image = figure.axes[0].images[0]
    inside = image.cmap(image.norm(Status.AT_BOUND))
    hexadecimal = "#" + "".join(f"{round(255 * channel):02x}" for channel in inside[:3])
    assert hexadecimal == STATUS_COLORS[Status.AT_BOUND]


def test_every_status_has_a_color_of_its_own():
    assert set(STATUS_COLORS) == set(Status)
    assert len(set(STATUS_COLORS.values())) == len(Status)


def test_histograms_count_every_voxel_with_an_estimate():
    figure = plot_histograms(VOLUMES, SHOWN, MASK, limits=LIMITS, bounds={"f": (0.01, 0.5)})
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [MASK.sum(), MASK.sum(), np.isfinite(VOLUMES["D_fast"][MASK]).sum()]
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [0.01, 0.5]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(RaofitError, match=r"map of `f`: expected the mask's shape \(2, 2, 2\)"):
        plot_parameter_maps(VOLUMES, SHOWN, np.ones((2, 2, 2), dtype=bool))
    with pytest.raises(RaofitError, match="at least one volume"):
        plot_parameter_maps({}, SHOWN)
