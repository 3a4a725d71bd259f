"""Numbers as few bytes inside a page: rounded on a scale that is even near the middle and relative far from it."""

import base64
import dataclasses
import gzip

import numpy as np
from jaxtyping import Float, UInt8, UInt16

_LEAST_SCALE = 1e-3  # of the range of all but the outermost percent of the values
_REACH = {8: 1e2, 16: 1e5}  # interquartile ranges from the median


@dataclasses.dataclass(frozen=True)
class Codes:
    """Values as the integers q = 0, 1, … of

        value = center + scale · sinh(start + step · q).

    The largest integer stands for "no value" (NaN) and the one below for infinity.

    Parameters
    ----------
    integers : one per value, 8 or 16 bits.
    center, scale : median and interquartile range of the values (or a thousandth of the range of 99 % of them, if that
        is more), in their unit.
    start, step : where the integers lie on the scale.
    """

    integers: UInt8[np.ndarray, " voxel"] | UInt16[np.ndarray, " voxel"]
    center: float
    scale: float
    start: float
    step: float

    @property
    def bits(self) -> int:
        """Bits of an integer."""
        return 8 * self.integers.dtype.itemsize

    def values(self) -> Float[np.ndarray, " voxel"]:
        """The rounded values."""
        rounded = self.center + self.scale * np.sinh(self.start + self.step * self.integers.astype(np.float64))
        none, infinite = _reserved(self.bits)
        return np.where(self.integers == none, np.nan, np.where(self.integers == infinite, np.inf, rounded))

    def rounding(self, value: float) -> float:
        """The most a value near `value` may be wrong by, in its unit."""
        return float(np.expm1(0.5 * self.step) * np.hypot(self.scale, value - self.center))

    def text(self) -> str:
        """The integers as base64 of gzip; of 16 bits, all high bytes before all low ones, which packs better."""
        packed = self.integers.astype(self.integers.dtype.newbyteorder(">")).view(np.uint8)
        planes = packed.reshape(-1, self.bits // 8).T
        return pack(planes)


def encode(values: Float[np.ndarray, " voxel"], bits: int) -> Codes:
    """The codes of some values.

    An integer of 16 bits is wrong by at most 0.02 %, one of 8 bits by 2.2 %, of the root sum of squares of
    `scale` and the distance from the median. Values farther from the median than 10⁵ (of 8 bits, 100) times `scale` are
    kept at that distance; −∞ has no value.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    none, infinite = _reserved(bits)
    center, scale, start, step = 0.0, 1.0, 0.0, 0.0
    if finite.size:
        least, low, center, high, most = np.quantile(finite, [0.005, 0.25, 0.5, 0.75, 0.995]).tolist()
        scale = max(high - low, _LEAST_SCALE * (most - least)) or _LEAST_SCALE * float(np.ptp(finite)) or 1.0
        ends = np.clip((np.array([finite.min(), finite.max()]) - center) / scale, -_REACH[bits], _REACH[bits])
        start, stop = np.arcsinh(ends).tolist()
        step = (stop - start) / (infinite - 1)
    integers = np.full(values.shape, none, dtype=np.uint8 if bits == 8 else np.uint16)
    is_finite = np.isfinite(values)
    places = (np.arcsinh((values[is_finite] - center) / scale) - start) / (step or 1.0)
    integers[is_finite] = np.rint(np.clip(places, 0, infinite - 1)).astype(integers.dtype)
    integers[values == np.inf] = infinite
    return Codes(integers, center, scale, start, step)


def pack(integers: UInt8[np.ndarray, "..."]) -> str:
    """Bytes as base64 of gzip, the same for the same bytes."""
    return base64.b64encode(gzip.compress(np.ascontiguousarray(integers).tobytes(), compresslevel=6, mtime=0)).decode(
        "ascii"
    )


def _reserved(bits: int) -> tuple[int, int]:
    """The integers of "no value" and of infinity."""
    return 2**bits - 1, 2**bits - 2
