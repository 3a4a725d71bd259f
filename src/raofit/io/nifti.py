"""NIfTI images in (by slabs, scaled) and maps out (float32, the space of the input)."""

import contextlib
import dataclasses
import gzip
import math
import os
import shutil
import tempfile
import typing
import weakref
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Int
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from raofit.core.errors import FileError
from raofit.io.damage import DAMAGE

_AFFINE_TOLERANCE = 1e-3  # mm: far below a voxel, far above float32 rounding of a header
# a header may claim any size, and a file end before its header does
_UNREADABLE = (*DAMAGE, ImageFileError, HeaderDataError, WrapStructError, EOFError, MemoryError)
_COPY_BYTES = 1 << 22
_SECOND_HEADER = 540  # bytes of a NIfTI-2 header, its first number


class Series(typing.Protocol):
    """Measurements of one space, read a slab at a time: a NIfTI series, or coefficients (`CoefficientImage`).

    `affine` is None where the file does not say where its voxels lie; maps then have that of `header`.
    """

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files the measurements come from."""
        ...

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(x, y, z, volume)."""
        ...

    @property
    def affine(self) -> np.ndarray | None:
        """Voxel indices to scanner millimeters, 4×4."""
        ...

    @property
    def header(self) -> nibabel.Nifti1Header:
        """The space maps inherit."""
        ...

    def read(self, start: int = 0, stop: int | None = None, *, axis: int = 2) -> np.ndarray:
        """The part from `start` to `stop` along `axis`, (x, y, slice, volume)."""
        ...


@dataclasses.dataclass(frozen=True)
class ImageSeries:
    """Volumes of one space, read a slab of slices at a time.

    Parameters
    ----------
    paths : the files the volumes come from, in the order of the measurements.
    shape : (x, y, z, volume).
    affine : voxel indices to scanner millimeters, 4×4.
    header : header of the first file; maps inherit its space.
    images : the opened files.
    volumes : the volumes of the files that belong to the series; None for all.
    """

    paths: tuple[Path, ...]
    shape: tuple[int, int, int, int]
    affine: np.ndarray
    header: nibabel.Nifti1Header = dataclasses.field(repr=False)
    images: tuple[nibabel.Nifti1Pair, ...] = dataclasses.field(repr=False)
    volumes: np.ndarray | None = None

    def take(self, volumes: Int[np.ndarray, " kept"]) -> "ImageSeries":
        """The series of some of the volumes, by index."""
        kept = volumes if self.volumes is None else self.volumes[volumes]
        return dataclasses.replace(self, volumes=kept, shape=(*self.shape[:3], int(kept.size)))

    def read(self, start: int = 0, stop: int | None = None, *, axis: int = 2) -> Float[np.ndarray, "x y slice volume"]:
        """Slices `start` to `stop` of every volume as float32, with the file's scaling applied.

        With another `axis` (0 or 1), that axis is cut in place of the slices.
        """
        stop = self.shape[axis] if stop is None else stop
        n_volumes = sum(_n_volumes(image) for image in self.images)
        space = list(self.shape[:3])
        space[axis] = stop - start
        slab = np.empty((*space, n_volumes), dtype=np.float32)
        first = 0
        for path, image in zip(self.paths, self.images, strict=True):
            last = first + _n_volumes(image)
            try:
                data = image.dataobj[(*[slice(None)] * axis, slice(start, stop))]
            except (*DAMAGE, EOFError) as error:
                raise FileError(f"{path}: the voxels could not be read ({error}); copy the file again") from error
            with np.errstate(over="ignore"):  # inf is told from signal later
                slab[..., first:last] = data.reshape((*slab.shape[:3], last - first))
            first = last
        return slab if self.volumes is None else slab[..., self.volumes]


def open_series(paths: Sequence[Path]) -> ImageSeries:
    """Open one 4-D NIfTI, or several 3-D or 4-D ones whose volumes are joined in the given order.

    Compressed files are unpacked to a temporary file, deleted with the series, so slabs can be read at random.

    Raises
    ------
    FileError
        If a file is missing, truncated, not NIfTI, of complex or color type, a single 3-D image, or if shapes or
        affines differ.
    """
    paths = tuple(Path(path) for path in paths)
    images = tuple(_open(path) for path in paths)
    first = images[0]
    if len(images) == 1 and first.ndim != 4:
        raise FileError(
            f"{paths[0]}: expected a 4-D image (x, y, z, volume), found {first.ndim}-D {_words(first.shape)}; "
            "give the 4-D series, or list one 3-D file per volume"
        )
    for path, image in zip(paths, images, strict=True):
        if image.ndim not in (3, 4):
            raise FileError(f"{path}: expected a 3-D or 4-D image, found {image.ndim}-D {_words(image.shape)}")
        _require_same_space(paths[0], first.shape, first.affine, path, image)
    shape = (*first.shape[:3], sum(_n_volumes(image) for image in images))
    if min(shape) < 1:
        raise FileError(f"{paths[0]}: expected voxels and volumes, found an empty image of shape {_words(shape)}")
    return ImageSeries(paths, shape, first.affine, first.header, images)


def read_mask(path: Path, series: Series) -> Bool[np.ndarray, "x y z"]:
    """Voxels where the mask image is neither zero nor NaN; 3-D, or 4-D with one volume, in the space of `series`.

    Raises
    ------
    FileError
        If the mask cannot be read, has another shape or affine, or selects nothing.
    """
    mask = read_volume(path, series, "mask")
    selected = np.isfinite(mask) & (mask != 0)
    if not selected.any():
        raise FileError(f"{path}: the mask selects no voxel (all values are zero or NaN); give a mask that does")
    return selected


def read_volume(path: Path, series: Series, kind: str) -> Float[np.ndarray, "x y z"]:
    """One volume (a mask, a noise map) in the space of `series`, float32; `kind` names it in messages.

    Raises
    ------
    FileError
        If it cannot be read, holds several volumes, or has another shape or (if the images say theirs) affine.
    """
    image = _open(Path(path))
    if image.ndim not in (3, 4) or _n_volumes(image) != 1:
        raise FileError(f"{path}: expected a {kind} with one volume, found shape {_words(image.shape)}")
    _require_same_space(series.paths[0], series.shape, series.affine, Path(path), image, kind)
    try:
        return np.asarray(image.dataobj, dtype=np.float32).reshape(series.shape[:3])
    except (*DAMAGE, EOFError) as error:
        raise FileError(f"{path}: the voxels could not be read ({error}); copy the file again") from error


def write_map(path: Path, slabs: Iterable[np.ndarray], series: Series, dtype=np.float32) -> None:
    """Write a 3-D map in the space of `series` from consecutive slabs, one in memory at a time.

    Slabs are slices, or rows (along y) of a single slice.

    Affine, qform and sform codes, voxel sizes and units are those of the input; the scaling is 1.
    """
    header = map_header(series, dtype)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":  # no name and no time in the file: the same map is the same bytes
            file = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
        header.write_to(file)
        file.write(b"\0" * (int(header["vox_offset"]) - file.tell()))
        for slab in slabs:
            file.write(np.asarray(slab, dtype=header.get_data_dtype()).tobytes(order="F"))


def map_header(series: Series, dtype) -> nibabel.Nifti1Header:
    """Header of a 3-D single-file map in the space of `series`."""
    kind = nibabel.Nifti2Image if isinstance(series.header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    source = series.header
    header = kind.header_class()
    header.set_data_dtype(dtype)
    header.set_data_shape(series.shape[:3])
    header.set_zooms(source.get_zooms()[:3])
    header.set_xyzt_units(*source.get_xyzt_units()[:1])
    header.set_sform(source.get_sform(), int(source["sform_code"]))
    header.set_qform(source.get_qform(), int(source["qform_code"]), strip_shears=True)
    if source["sform_code"] == 0 and source["qform_code"] == 0:  # keep what the reader falls back to: nothing
        header["pixdim"][0] = source["pixdim"][0]
    header["vox_offset"] = header.single_vox_offset
    header.set_slope_inter(1.0, 0.0)
    header["descrip"] = b"raofit"
    return header


def _open(path: Path) -> nibabel.Nifti1Pair:
    if not path.exists():
        raise FileError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise FileError(f"{path}: expected a NIfTI file, found a folder; give the image itself (.nii or .nii.gz)")
    if path.suffix.lower() != ".gz":
        return _load(path, lambda: nibabel.load(path))
    unpacked = _unpacked(path)
    try:
        image = _load(path, lambda: _of_stream(unpacked))
    except BaseException:
        unpacked.close()
        raise
    weakref.finalize(image, unpacked.close)
    return image


def _load(path: Path, load: Callable[[], object]) -> nibabel.Nifti1Pair:
    """The image that `load()` opens; messages speak of `path`."""
    try:
        image = load()
    except _UNREADABLE as error:
        raise FileError(f"{path}: this is not a readable NIfTI image ({_one_line(error)})") from error
    if not isinstance(image, nibabel.Nifti1Pair):
        raise FileError(f"{path}: expected NIfTI (.nii or .nii.gz), found {type(image).__name__}; convert it first")
    _require_real(path, image)
    _require_complete(path, image)
    return image


def _unpacked(path: Path) -> IO[bytes]:
    """The content of a compressed file, in a temporary one without a name: nothing is left, even of a killed run."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise FileError(f"{path}: the file could not be read ({_one_line(error)}); check its permissions") from error
    unpacked = tempfile.TemporaryFile(prefix="raofit-")  # noqa: SIM115 - it is closed with the image
    try:
        with source, gzip.open(source, "rb") as packed:
            shutil.copyfileobj(packed, unpacked, _COPY_BYTES)
        unpacked.seek(0)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        unpacked.close()
        raise FileError(
            f"{path}: the compressed file is truncated or damaged ({_one_line(error)}); copy it again"
        ) from error
    except OSError as error:
        with contextlib.suppress(OSError):  # what is buffered has no room either
            unpacked.close()
        raise FileError(
            f"{path}: no room to unpack it in {tempfile.gettempdir()} ({_one_line(error)}); make room there, or set "
            "TMPDIR to another folder"
        ) from error
    return unpacked


def _of_stream(stream: IO[bytes]) -> nibabel.Nifti1Pair:
    """The NIfTI-1 or NIfTI-2 image in a file without a name; the first number tells them apart."""
    first = stream.read(4)
    stream.seek(0)
    is_second = _SECOND_HEADER in (int.from_bytes(first, "little"), int.from_bytes(first, "big"))
    return (nibabel.Nifti2Image if is_second else nibabel.Nifti1Image).from_stream(stream)


def _require_complete(path: Path, image: nibabel.Nifti1Pair) -> None:
    holder = image.file_map["image"]
    offset = int(image.dataobj.offset)  # pyright: ignore[reportAttributeAccessIssue]
    expected = offset + math.prod(image.shape) * np.dtype(image.get_data_dtype()).itemsize
    if holder.fileobj is not None:
        found = holder.fileobj.seek(0, os.SEEK_END)
    else:
        file = Path(holder.filename)
        if not file.exists():
            raise FileError(f"{path}: its voxel file {file.name} is missing; keep the .hdr and .img files together")
        if file.suffix.lower() == ".gz":
            return
        found = file.stat().st_size
    if found < expected:
        raise FileError(
            f"{path}: the file is truncated: the header promises {expected} bytes, it has {found}; copy it again"
        )


def _require_real(path: Path, image: nibabel.Nifti1Pair) -> None:
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind not in "iuf":
        kind = "complex" if dtype.kind == "c" else "color"
        raise FileError(f"{path}: expected real numbers, found {kind} voxels ({dtype}); give the magnitude image")


def _require_same_space(
    first_path: Path,
    shape: Sequence[int],
    affine: np.ndarray | None,
    path: Path,
    image: nibabel.Nifti1Pair,
    kind: str = "image",
) -> None:
    if image.shape[:3] != tuple(shape[:3]):
        raise FileError(
            f"{path}: the {kind} has {_words(image.shape[:3])} voxels but {first_path} has "
            f"{_words(shape[:3])}; resample one to the other"
        )
    if not np.all(np.isfinite(image.affine)):
        raise FileError(f"{path}: the header says no place of the {kind} (its affine holds NaN); repair the header")
    if affine is None:
        return
    offset = np.abs(np.asarray(image.affine) - np.asarray(affine)).max()
    if not offset <= _AFFINE_TOLERANCE * max(1.0, float(np.abs(affine).max())):
        raise FileError(
            f"{path}: the {kind} lies elsewhere than {first_path} (their affines differ by up to {offset:.3g} mm); "
            "resample one to the other"
        )


def _n_volumes(image: nibabel.Nifti1Pair) -> int:
    return image.shape[3] if image.ndim == 4 else 1


def _words(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
