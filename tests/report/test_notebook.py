"""Maps in a notebook: which files, colors and links the viewers have, and what they say."""

import json
import shutil
import sys

import nibabel
import numpy as np
import pytest

import raofit
from raofit.core.errors import FileError, RaofitError
from raofit.core.status import Status
from raofit.plot.maps import STATUS_COLORS

pytest.importorskip("ipyniivue", reason="needs the extra notebook")
STATUS = np.full((10, 10, 1), Status.OK, np.uint8)
STATUS[0], STATUS[1], STATUS[9] = Status.OUTSIDE_MASK, Status.NO_SIGMA, Status.AT_BOUND
RAMP = np.linspace(1.0, 2.0, 80).reshape(8, 10, 1)  # of the voxels with an estimate


def save(folder, name, data, **content):
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2.0, 2.0, 3.0, 1.0])), folder / f"{name}.nii.gz")
    (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def maps(tmp_path):
    """T2 and S0 as `raofit map` files them; 1e6 where there is no estimate."""
    for name, unit, scale in (("T2", "s", 0.1), ("S0", "a.u.", 100.0)):
        for end, share in (("", 1.0), ("_std", 0.01)):
            data = np.full(STATUS.shape, 1e6, np.float32)
            data[2:] = share * scale * RAMP
            save(tmp_path, name + end, data, Parameter=name, Units=unit)
    save(tmp_path, "residual", np.ones(STATUS.shape, np.float32), Units="1")
    save(tmp_path, "status", STATUS, Units="1")
    (tmp_path / "raofit.json").write_text(json.dumps({"Settings": {"Bounds": {"S0": [0, None], "T2": [0.001, 5]}}}))
    return tmp_path


def contents(box):
    """Heading and viewer of each child."""
    return [(child.children[0].value, child.children[1]) for child in box.children]


def test_every_map_has_its_viewer_with_name_and_unit(maps):
    shown = contents(raofit.show_maps(maps, height=222))
    headings = ["S0 (a.u.)", "standard error of S0 (a.u.)", "T2 (s)", "standard error of T2 (s)"]
    assert [heading for heading, _ in shown[:-1]] == headings
    files = [[volume.path.name for volume in viewer.volumes] for _, viewer in shown]
    names = ("S0", "S0_std", "T2", "T2_std")
    assert files == [*([f"{name}.nii.gz", "status.nii.gz"] for name in names), ["status.nii.gz"]]
    assert all(volume.path.parent == maps for _, viewer in shown for volume in viewer.volumes)
    assert {viewer.height for _, viewer in shown} == {222}


def test_colors_span_the_voxels_with_an_estimate(maps):
    """Middle 96 % of a ramp from 0.1 to 0.2, rounded outward by at most 0.001; errors begin at 0."""
    shown = contents(raofit.show_maps(str(maps), ["T2"]))
    assert len(shown) == 3
    values, errors = (viewer.volumes[0] for _, viewer in shown[:2])
    assert (values.cal_min, values.cal_max) == pytest.approx((0.102, 0.198), abs=1.01e-3)
    assert errors.cal_min == 0
    assert errors.cal_max == pytest.approx(0.00198, abs=1.01e-5)
    assert values.colormap != errors.colormap


def test_voxels_without_an_estimate_are_covered_in_their_color(maps):
    shown = contents(raofit.show_maps(maps, ["T2"], standard_errors=False))
    assert len(shown) == 2
    (_, viewer), (legend, last) = shown
    for volume, covered in ((viewer.volumes[1], Status.NON_FINITE), (last.volumes[0], Status.OK)):
        table = np.asarray(volume.colormap_label.lut).reshape(-1, 4)
        for status in Status:
            red, green, blue, alpha = table[int(status) - int(volume.colormap_label.min)]
            assert f"#{red:02x}{green:02x}{blue:02x}" == STATUS_COLORS[status]
            assert alpha == (255 if status >= covered else 0)
    for status in Status:
        assert (status.sentence in legend) == np.any(status == STATUS)


def test_viewers_are_linked(maps):
    viewers = [viewer for _, viewer in contents(raofit.show_maps(maps))]
    for viewer in viewers:
        assert list(viewer.other_nv) == [other for other in viewers if other is not viewer]
        assert viewer.sync_opts == {"2d": True, "3d": True}


def test_faults(maps, tmp_path, monkeypatch):
    with pytest.raises(RaofitError, match=r"no map of T1, f; there are S0, T2$"):
        raofit.show_maps(maps, ["T1", "T2", "f"])
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, tmp_path / "missing"):
        with pytest.raises(FileError, match=r"expected an output folder of raofit map, found none in it; give what"):
            raofit.show_maps(folder)
    (empty / "raofit.json").write_text("[1]")
    with pytest.raises(FileError, match="expected an output folder"):
        raofit.show_maps(empty)
    damaged = shutil.copytree(maps, tmp_path / "damaged")
    (damaged / "T2.nii.gz").write_bytes((maps / "T2.nii.gz").read_bytes()[:60])
    with pytest.raises(FileError, match=r"T2\.nii\.gz: "):
        raofit.show_maps(damaged)
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    with pytest.raises(RaofitError, match=r"pip install 'raofit\[notebook\]'"):
        raofit.show_maps(maps)
