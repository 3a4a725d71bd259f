"""Tissues of the digital brain slice: an axial slice at the level of the basal ganglia, from formulas alone.

Coordinates are in units of half the field of view (110 mm): x to the right of the picture, y to its lower edge, which
is posterior. The outline of the brain is an ellipse that widens to the back; grooves (sulci and fissures) wind inwards
from it. Cerebrospinal fluid fills a rim and the grooves, and everything closer to it than the thickness of the cortex
is cortex. Deep nuclei, ventricles and a lesion are ellipses, and white matter is all the rest.
"""

import dataclasses
import math

import numpy as np
import scipy.spatial
from jaxtyping import Float, UInt8

NAMES = (
    "outside",
    "white matter",
    "cortex",
    "caudate",
    "putamen",
    "thalamus",
    "lesion",
    "subarachnoid fluid",
    "ventricles",
)
_HALF_WIDTH, _HALF_LENGTH, _WIDER_BEHIND = 0.72, 0.88, 0.06
_RIM, _CORTEX = 0.97, 0.033  # share of the outline where the outer fluid begins; thickness of the cortex (3.6 mm)
_WIDE, _NARROW = 0.015, 0.003  # half the width of a groove at its mouth and at its bottom
_SULCI_PER_SIDE, _POINTS = 16, 60


@dataclasses.dataclass(frozen=True)
class Ellipse:
    """A structure on the right of the picture, mirrored to the left unless `is_single`; `angle` in degrees turns its
    upper end towards the midline.
    """

    name: str
    center: tuple[float, float]
    radii: tuple[float, float]
    angle: float = 0.0
    is_single: bool = False


STRUCTURES = (
    Ellipse("caudate", (0.165, -0.225), (0.052, 0.125), -14.0),
    Ellipse("putamen", (0.315, -0.045), (0.062, 0.19), 14.0),
    Ellipse("thalamus", (0.125, 0.115), (0.088, 0.150), 24.0),
    Ellipse("lesion", (0.255, -0.43), (0.066, 0.042), -35.0, is_single=True),
    Ellipse("ventricles", (0.085, -0.235), (0.042, 0.135), -16.0),
    Ellipse("ventricles", (0.0, 0.085), (0.018, 0.120), is_single=True),
    Ellipse("ventricles", (0.235, 0.340), (0.042, 0.130), 22.0),
)


def region_map(size: int) -> UInt8[np.ndarray, "y x"]:
    """Index into `NAMES` of every voxel of a `size` × `size` grid; a voxel is the tissue at its center."""
    middle = (2.0 * np.arange(size) + 1.0) / size - 1.0
    y, x = np.meshgrid(middle, middle, indexing="ij")
    depth = _share_of_outline(x, y)
    points, half_widths = _grooves()
    distance, nearest = scipy.spatial.KDTree(points).query(np.stack([x, y], axis=-1))
    from_fluid = np.minimum(distance - half_widths[nearest], (_RIM - depth) * _HALF_WIDTH)
    region = np.full((size, size), NAMES.index("white matter"), dtype=np.uint8)
    region[from_fluid < _CORTEX] = NAMES.index("cortex")
    for structure in STRUCTURES:
        region[_inside(structure, x, y)] = NAMES.index(structure.name)
    region[from_fluid < 0] = NAMES.index("subarachnoid fluid")
    region[depth >= 1.0] = NAMES.index("outside")
    return region


def _share_of_outline(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 on the outline of the brain, 0 in its middle."""
    return np.hypot(x / (_HALF_WIDTH * (1.0 + _WIDER_BEHIND * y)), y / _HALF_LENGTH)


def _inside(structure: Ellipse, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across, along = (x if structure.is_single else np.abs(x)) - structure.center[0], y - structure.center[1]
    cosine, sine = math.cos(math.radians(structure.angle)), math.sin(math.radians(structure.angle))
    first, second = across * cosine - along * sine, along * cosine + across * sine
    return np.hypot(first / structure.radii[0], second / structure.radii[1]) < 1.0


def _grooves() -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, " point"]]:
    """Points along the middle of all grooves, and half the width there."""
    random = np.random.default_rng(7)
    grooves = [_sulcus(angle, random) for side in (-1, 1) for angle in _mouths(side, random)]
    for side in (-1, 1):
        grooves += [_bent([(side * px, py) for px, py in corners]) for corners in _FISSURES]
    widths = _WIDE + (_NARROW - _WIDE) * np.linspace(0.0, 1.0, _POINTS)
    return np.concatenate(grooves), np.tile(widths, len(grooves))


# corners (x, y) on the right side: the fissure between the hemispheres before and behind the corpus callosum, grooves
# that leave it, the lateral fissure and its two arms over the insula
_FISSURES = (
    ((0.0, -0.88), (0.0, -0.44)),
    ((0.0, 0.88), (0.0, 0.43)),
    ((0.0, -0.60), (0.07, -0.585), (0.13, -0.54)),
    ((0.0, 0.60), (0.08, 0.59), (0.16, 0.54)),
    ((0.0, 0.72), (0.10, 0.70)),
    ((0.72, 0.04), (0.60, 0.0), (0.49, 0.01)),
    ((0.50, 0.01), (0.485, -0.08), (0.44, -0.17)),
    ((0.50, 0.01), (0.50, 0.10), (0.47, 0.19)),
)


def _mouths(side: int, random: np.random.Generator) -> np.ndarray:
    """Angles at which the sulci of one side leave the outline, away from the midline and the lateral fissure."""
    angles = np.linspace(-76.0, 76.0, _SULCI_PER_SIDE) + random.uniform(-2.5, 2.5, _SULCI_PER_SIDE)
    angles = np.deg2rad(angles[np.abs(angles) > 6.0])
    return angles if side > 0 else np.pi - angles


def _sulcus(angle: float, random: np.random.Generator) -> Float[np.ndarray, "point 2"]:
    """A groove from the outline inwards, bent to one side and winding."""
    way = np.linspace(0.0, 1.0, _POINTS)
    share = 1.0 - random.uniform(0.12, 0.34) * way
    turned = angle + random.uniform(-0.16, 0.16) * way**2 + random.uniform(0.02, 0.05) * np.sin(2.0 * np.pi * way)
    return np.stack([share * _HALF_WIDTH * np.cos(turned), share * _HALF_LENGTH * np.sin(turned)], axis=-1)


def _bent(corners: list[tuple[float, float]]) -> Float[np.ndarray, "point 2"]:
    """Points along straight pieces between corners."""
    way, nodes = np.linspace(0.0, 1.0, _POINTS), np.linspace(0.0, 1.0, len(corners))
    return np.stack([np.interp(way, nodes, values) for values in np.transpose(corners)], axis=-1)
