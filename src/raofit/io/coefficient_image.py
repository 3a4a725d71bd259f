"""Complex coefficients of a slice or a volume as the series that maps are made of."""

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Complex64

from raofit.core.errors import FileError
from raofit.io.coefficients import load_coefficients
from raofit.io.matlab import open_matlab
from raofit.io.nifti import read_mask

SUFFIXES = (".mat", ".h5", ".hdf5")
_UNKNOWN_SPACE = "aligned"


@dataclasses.dataclass(frozen=True)
class CoefficientImage:
    """Coefficients of every voxel in memory; a single slice (x, y) has the shape (x, y, 1).

    A MATLAB file does not say where its voxels lie. Maps have the identity as their affine: 1 mm, voxel (i, j, k) is
    MATLAB's element (i + 1, j + 1, k + 1), and the axes are not those of the scanner.

    Parameters
    ----------
    paths : the file.
    values : complex coefficients, signal units.
    mask : voxels the file says are to be mapped.
    """

    paths: tuple[Path, ...]
    values: Complex64[np.ndarray, "x y z coefficient"] = dataclasses.field(repr=False)
    mask: Bool[np.ndarray, "x y z"] = dataclasses.field(repr=False)

    affine = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(x, y, z, coefficient)."""
        width, height, depth, n_coefficients = self.values.shape
        return width, height, depth, n_coefficients

    @property
    def header(self) -> nibabel.Nifti1Header:
        """Identity affine, 1 mm."""
        header = nibabel.Nifti1Header()
        header.set_data_shape(self.shape[:3])
        header.set_xyzt_units("mm")
        header.set_sform(np.eye(4), _UNKNOWN_SPACE)
        return header

    def read(
        self, start: int = 0, stop: int | None = None, *, axis: int = 2
    ) -> Complex64[np.ndarray, "x y slice coefficient"]:
        """The part from `start` to `stop` along `axis`."""
        return self.values[(*[slice(None)] * axis, slice(start, stop))]


def is_coefficient_file(path: Path) -> bool:
    """Whether the name of a file is one of coefficients (`.mat`, `.h5`, `.hdf5`)."""
    return path.suffix.lower() in SUFFIXES


def open_coefficients(path: Path, *, n_coefficients: int | None = None) -> CoefficientImage:
    """Open a file of coefficients (see `raofit.io.coefficients.load_coefficients`).

    Raises
    ------
    FileError, ProtocolError
        If the file cannot be used, or does not have `n_coefficients` per voxel.
    """
    found = load_coefficients(path, n_coefficients=n_coefficients)
    is_slice = found.mask.ndim == 2
    values = found.values[:, :, None] if is_slice else found.values
    return CoefficientImage((path,), values, found.mask[:, :, None] if is_slice else found.mask)


def read_coefficient_mask(path: Path, image: CoefficientImage) -> Bool[np.ndarray, "x y z"]:
    """Voxels to map from a NIfTI mask or the variable `mask` of a MATLAB file, of the shape of the image.

    Raises
    ------
    FileError
        If the mask cannot be read, has another shape, or selects nothing.
    """
    if not is_coefficient_file(path):
        return read_mask(path, image)
    values = np.nan_to_num(open_matlab(path, "mask").array(("mask",), "mask"))
    space = image.shape[:3]
    if values.shape not in (space, space[:2] if space[2] == 1 else space):
        raise FileError(
            f"{path}: expected a mask of {'×'.join(map(str, space))} voxels like {image.paths[0]}, "
            f"found {'×'.join(map(str, values.shape))}"
        )
    mask = values.reshape(space) != 0
    if not mask.any():
        raise FileError(f"{path}: the mask selects no voxel (all values are zero or NaN); give a mask that does")
    return mask
