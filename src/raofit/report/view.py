"""Which voxels of a volume a page holds, and how each plane of them is shown."""

import dataclasses
from collections.abc import Sequence

import nibabel
import numpy as np
from jaxtyping import Bool

PAGE_BYTES = 12 << 20  # of integers; as text in the page at most 4/3 of it
_MARGIN = 2  # voxels around the mask
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))  # towards the lower and the upper end of each world axis
_PLANES = (("axial", 2, 0, 1), ("coronal", 1, 0, 2), ("sagittal", 0, 1, 2))  # name, axis of slices, right, up


@dataclasses.dataclass(frozen=True)
class View:
    """The box around a mask, thinned where it would be too much for a page.

    Voxel lists are in the order of a NIfTI file: x fastest, z slowest.

    Parameters
    ----------
    mask : voxels that are shown, of those the box keeps.
    origin, step : voxel (i, j, k) of the box is voxel `origin + step · (i, j, k)` of the volume.
    bits : of the integer a value is rounded to, 8 or 16.
    """

    mask: Bool[np.ndarray, "x y z"]
    origin: tuple[int, int, int]
    step: tuple[int, int, int]
    bits: int

    def take(self, volume: np.ndarray, start: int = 0, *, axis: int = 2) -> np.ndarray:
        """The list of the shown voxels of a volume, or of its part that begins at `start` along `axis`."""
        ends = [start + volume.shape[axis] if along == axis else volume.shape[along] for along in range(3)]
        places = [
            first + step * np.arange(size)
            for first, step, size in zip(self.origin, self.step, self.mask.shape, strict=True)
        ]
        is_here = (places[axis] >= start) & (places[axis] < ends[axis])
        mask = np.compress(is_here, self.mask, axis=axis)
        places[axis] = places[axis][is_here] - start
        return volume[np.ix_(*places)].T[mask.T]

    @property
    def remark(self) -> str:
        """What the page leaves out, in a sentence; empty if nothing."""
        missing = []
        if self.step[2] > 1:
            missing.append(f"every {_ordinal(self.step[2])} slice")
        if self.step[0] > 1:
            missing.append(f"every {_ordinal(self.step[0])} row and column")
        if not missing and self.bits == 16:
            return ""
        kept = f"holds {' and '.join(missing)} only" if missing else "holds every voxel"
        return (
            f"To stay below {PAGE_BYTES * 4 / 3e6:.0f} MB, this page {kept}, its numbers rounded to {self.bits} bits; "
            "the NIfTI files have everything."
        )


def choose_view(mask: Bool[np.ndarray, "x y z"], n_quantities: int, *, budget_bytes: int = PAGE_BYTES) -> View:
    """The view of a mask with `n_quantities` numbers per voxel that stays within a budget of bytes.

    First numbers lose bits, then slices are left out, then rows and columns.
    """
    origin, ends = [], []
    for axis in range(3):
        inside = np.flatnonzero(np.any(mask, axis=tuple({0, 1, 2} - {axis})))
        first, last = (inside[0], inside[-1]) if inside.size else (0, mask.shape[axis] - 1)
        margin = 0 if axis == 2 else _MARGIN
        origin.append(max(int(first) - margin, 0))
        ends.append(min(int(last) + 1 + margin, mask.shape[axis]))
    box = mask[tuple(slice(*pair) for pair in zip(origin, ends, strict=True))]
    n_voxels = int(np.count_nonzero(box))
    bits = 16 if 2 * n_voxels * n_quantities <= budget_bytes else 8
    apart, within = 1, 1
    while _n_bytes(box, within, apart, n_quantities * bits // 8) > budget_bytes:
        if apart < box.shape[2]:
            apart += 1
        else:
            within += 1
    step = (within, within, apart)
    return View(box[::within, ::within, ::apart], (origin[0], origin[1], origin[2]), step, bits)


def _n_bytes(box: np.ndarray, within: int, apart: int, voxel_bytes: int) -> int:
    return int(np.count_nonzero(box[::within, ::within, ::apart])) * voxel_bytes


def planes(affine: np.ndarray | None, shape: Sequence[int]) -> list[dict]:
    """The planes a box of that shape is worth looking at in, thickest stack of slices last.

    With an affine, planes have their anatomical names and stand as radiologists see them: anterior or superior up, the
    patient's right (or, of sagittal planes, front) on the left. Without one they follow the array.

    Returns
    -------
    dicts of `name`, `slice` (an axis), `right` and `down` (an axis and whether its indices run the other way), and what
    stands at the four edges (`left`, `right`, `top`, `bottom`).
    """
    found = _array_planes() if affine is None else _anatomical_planes(affine)
    return [plane for plane in found if min(shape[plane["right"][0]], shape[plane["down"][0]]) > 1] or found[:1]


def _anatomical_planes(affine: np.ndarray) -> list[dict]:
    towards = nibabel.orientations.io_orientation(affine)
    if not np.all(np.isfinite(towards)):
        return _array_planes()
    axis_of = {int(world): (axis, bool(direction > 0)) for axis, (world, direction) in enumerate(towards)}
    made = []
    for name, slices, right, up in _PLANES:
        (horizontal, grows_right), (vertical, grows_up) = axis_of[right], axis_of[up]
        edges = {
            "left": _LETTERS[right][1],
            "right": _LETTERS[right][0],
            "top": _LETTERS[up][1],
            "bottom": _LETTERS[up][0],
        }
        made.append(
            {
                "name": name,
                "slice": axis_of[slices][0],
                "right": (horizontal, grows_right),  # the world's right (front) is on the left of the picture
                "down": (vertical, grows_up),
                "edges": edges,
            }
        )
    return made


def _array_planes() -> list[dict]:
    names = "ijk"
    made = []
    for slices, right, up in ((2, 0, 1), (1, 0, 2), (0, 1, 2)):
        edges = {"left": "", "right": f"{names[right]} →", "top": f"{names[up]} ↑", "bottom": ""}
        name = f"{names[right]}–{names[up]}"
        made.append({"name": name, "slice": slices, "right": (right, False), "down": (up, True), "edges": edges})
    return made


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
