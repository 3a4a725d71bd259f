"""NIfTI images in and maps out."""

import gzip

import nibabel
import numpy as np
import pytest

from raofit.core.errors import FileError
from raofit.io.nifti import open_series, read_mask, read_volume, write_map

AFFINE = np.array([[-0.78, 0.0, -0.23, 55.2], [0.0, 0.78, -0.62, -49.1], [-0.03, 0.09, 5.21, 5.3], [0, 0, 0, 1.0]])


def save(path, data, affine=AFFINE, **header):
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=header.pop("sform", 1))
    image.set_qform(affine, code=header.pop("qform", 2))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


@pytest.fixture
def volumes():
    return np.random.default_rng(0).normal(100, 20, (5, 4, 3, 6)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slabs_are_the_slices_of_the_file(tmp_path, volumes, suffix):
    series = open_series([save(tmp_path / f"a{suffix}", volumes)])
    assert series.shape == (5, 4, 3, 6)
    np.testing.assert_array_equal(series.read(), volumes)
    np.testing.assert_array_equal(series.read(1, 2), volumes[:, :, 1:2])


def test_scaling_of_integers_is_applied(tmp_path, volumes):
    image = nibabel.Nifti1Image(volumes.astype(np.int16), AFFINE)
    image.header.set_slope_inter(0.5, -3.0)
    nibabel.save(image, tmp_path / "a.nii")
    stored = nibabel.load(tmp_path / "a.nii")
    expected = np.asarray(stored.dataobj.get_unscaled()) * 0.5 - 3.0
    assert stored.dataobj.slope == 0.5
    np.testing.assert_allclose(open_series([tmp_path / "a.nii"]).read(), expected, rtol=1e-6)


def test_files_are_joined_in_the_given_order(tmp_path, volumes):
    paths = [save(tmp_path / f"{index}.nii", volumes[..., index]) for index in range(3)]
    paths.append(save(tmp_path / "rest.nii.gz", volumes[..., 3:]))
    series = open_series(paths)
    np.testing.assert_array_equal(series.read(0, 3), volumes)


def test_a_map_keeps_the_space_of_its_input(tmp_path, volumes):
    series = open_series([save(tmp_path / "a.nii.gz", volumes, sform=1, qform=2)])
    values = volumes[..., 0]
    for suffix in (".nii", ".nii.gz"):
        path = tmp_path / f"map{suffix}"
        write_map(path, (values[:, :, z : z + 1] for z in range(3)), series)
        written = nibabel.load(path)
        np.testing.assert_array_equal(np.asarray(written.dataobj), values)
        np.testing.assert_array_equal(written.affine, series.affine)
        assert written.get_data_dtype() == np.float32
        assert (written.header["sform_code"], written.header["qform_code"]) == (1, 2)
        assert written.header.get_zooms() == pytest.approx(series.header.get_zooms()[:3])
        assert written.header.get_xyzt_units()[0] == "mm"
        assert (written.dataobj.slope, written.dataobj.inter) == (1.0, 0.0)
        np.testing.assert_allclose(written.get_qform(), series.header.get_qform(), atol=1e-5)


def test_a_map_of_an_image_without_orientation_has_the_same_affine(tmp_path, volumes):
    image = nibabel.Nifti1Image(volumes, None)
    image.header["pixdim"][1:4] = (2.0, 3.0, 4.0)
    nibabel.save(image, tmp_path / "a.nii")
    series = open_series([tmp_path / "a.nii"])
    write_map(tmp_path / "map.nii", [volumes[..., 0]], series)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "map.nii").affine, series.affine)


def test_reading_and_writing_stay_within_one_slab(tmp_path):
    """A file of holes: 1 GiB of voxels, of which one slice at a time is in memory."""
    import resource

    header = nibabel.Nifti1Header()
    header.set_data_shape((256, 256, 64, 64))
    header.set_data_dtype(np.float32)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "large.nii"
    with path.open("wb") as file:
        header.write_to(file)
        file.truncate(352 + 256 * 256 * 64 * 64 * 4)
    series = open_series([path])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_map(tmp_path / "map.nii", (series.read(z, z + 1).sum(axis=-1) for z in range(0, 64, 4)), series)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # KiB; one slice of all volumes is 16 MiB


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.nii: no such file"):
        open_series([tmp_path / "nowhere.nii"])


def test_folder(tmp_path):
    with pytest.raises(FileError, match="found a folder"):
        open_series([tmp_path])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_file(tmp_path, volumes, suffix, share):
    path = save(tmp_path / f"a{suffix}", volumes)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileError, match=r"truncated|not a readable NIfTI"):
        open_series([path])


@pytest.mark.parametrize("n_bytes", [0, 1, 347])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_less_than_a_header(tmp_path, suffix, n_bytes):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes(n_bytes) if suffix == ".nii" else gzip.compress(bytes(n_bytes)))
    with pytest.raises(FileError, match="this is not a readable NIfTI image"):
        open_series([path])


def test_an_empty_compressed_file(tmp_path):
    (tmp_path / "a.nii.gz").touch()
    with pytest.raises(FileError, match="this is not a readable NIfTI image"):
        open_series([tmp_path / "a.nii.gz"])


def test_damaged_compression(tmp_path, volumes):
    path = save(tmp_path / "a.nii.gz", volumes)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(FileError, match="truncated or damaged"):
        open_series([path])


def test_something_else_than_nifti(tmp_path):
    (tmp_path / "a.nii").write_text("not an image")
    with pytest.raises(FileError, match="not a readable NIfTI"):
        open_series([tmp_path / "a.nii"])
    with gzip.open(tmp_path / "b.nii.gz", "wb") as file:
        file.write(b"not an image" * 100)
    with pytest.raises(FileError, match="not a readable NIfTI"):
        open_series([tmp_path / "b.nii.gz"])


def test_single_three_dimensional_image(tmp_path, volumes):
    with pytest.raises(FileError, match=r"expected a 4-D image .* found 3-D 5×4×3"):
        open_series([save(tmp_path / "a.nii", volumes[..., 0])])


def test_complex_image(tmp_path, volumes):
    with pytest.raises(FileError, match=r"expected real numbers, found complex voxels"):
        open_series([save(tmp_path / "a.nii", volumes.astype(np.complex64))])


def _written_header(path, volumes, **fields):
    image = nibabel.Nifti2Image(volumes, np.eye(4))
    for name, value in fields.items():
        image.header[name] = value
    with path.open("wb") as file:
        image.header.write_to(file)
        file.write(b"\0" * (544 - file.tell()) + volumes.tobytes(order="F"))
    return path


def test_a_header_that_claims_what_no_file_holds(tmp_path, volumes):
    """Sizes whose product is beyond 64 bits (2⁷⁰ voxels), or below zero."""
    huge = _written_header(tmp_path / "huge.nii", volumes, dim=[4, 2**20, 2**20, 2**20, 2**10, 1, 1, 1])
    with pytest.raises(FileError, match=r"huge\.nii: the file is truncated: the header promises"):
        open_series([huge])
    negative = _written_header(tmp_path / "negative.nii", volumes, dim=[4, 5, -4, 3, 6, 1, 1, 1])
    with pytest.raises(FileError, match=r"negative\.nii: expected voxels and volumes, found an empty image"):
        open_series([negative])


def test_a_header_without_a_place(tmp_path, volumes):
    path = _written_header(tmp_path / "nowhere.nii", volumes, srow_x=[1, 0, 0, np.nan])
    with pytest.raises(FileError, match=r"nowhere\.nii: the header says no place of the image"):
        open_series([path])


def test_volumes_of_another_shape_or_place_name_both_files(tmp_path, volumes):
    first = save(tmp_path / "first.nii", volumes)
    smaller = save(tmp_path / "smaller.nii", volumes[:4])
    moved = AFFINE.copy()
    moved[0, 3] += 1.0
    elsewhere = save(tmp_path / "elsewhere.nii", volumes, moved)
    with pytest.raises(FileError, match=r"smaller\.nii: the image has 4×4×3 voxels but .*first\.nii has 5×4×3"):
        open_series([first, smaller])
    with pytest.raises(FileError, match=r"elsewhere\.nii: the image lies elsewhere than .*first\.nii .*1 mm"):
        open_series([first, elsewhere])


def test_masks_of_any_number_and_with_nan(tmp_path, volumes):
    series = open_series([save(tmp_path / "a.nii", volumes)])
    mask = np.zeros((5, 4, 3), np.float32)
    mask[1, 2, 0], mask[2, 2, 1], mask[3, 3, 2], mask[0, 0, 0] = 255.0, 0.3, -1.0, np.nan
    expected = np.zeros((5, 4, 3), bool)
    expected[1, 2, 0] = expected[2, 2, 1] = expected[3, 3, 2] = True
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.nii", mask), series), expected)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m4.nii.gz", mask[..., None]), series), expected)


def test_unusable_masks(tmp_path, volumes):
    series = open_series([save(tmp_path / "a.nii", volumes)])
    with pytest.raises(FileError, match="selects no voxel"):
        read_mask(save(tmp_path / "zero.nii", np.zeros((5, 4, 3), np.uint8)), series)
    with pytest.raises(FileError, match=r"thin\.nii: the mask has 5×4×2 voxels but .*a\.nii has 5×4×3"):
        read_mask(save(tmp_path / "thin.nii", np.ones((5, 4, 2), np.uint8)), series)
    with pytest.raises(FileError, match=r"m\.nii: the mask lies elsewhere than .*a\.nii"):
        read_mask(save(tmp_path / "m.nii", np.ones((5, 4, 3), np.uint8), np.diag([2.0, 2, 2, 1])), series)
    with pytest.raises(FileError, match=r"expected a noise map with one volume, found shape 5×4×3×6"):
        read_volume(tmp_path / "a.nii", series, "noise map")


def test_the_same_map_is_the_same_bytes_whenever_it_is_written(tmp_path, volumes, monkeypatch):
    series = open_series([save(tmp_path / "a.nii", volumes)])
    for name, seconds in (("early.nii.gz", 1e9), ("late.nii.gz", 2e9)):
        monkeypatch.setattr("time.time", lambda seconds=seconds: seconds)
        write_map(tmp_path / name, [volumes[..., 0]], series)
    assert (tmp_path / "early.nii.gz").read_bytes() == (tmp_path / "late.nii.gz").read_bytes()


def test_a_compressed_file_with_an_ending_in_capitals(tmp_path, volumes):
    path = save(tmp_path / "a.nii.gz", volumes)
    expected = open_series([path]).read()
    np.testing.assert_array_equal(open_series([path.rename(tmp_path / "A.NII.GZ")]).read(), expected)
