"""Means over the cells of a plane of two parameters, for truths on a grid or drawn at random."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

_MOST_GRID_VALUES = 40
_N_CELLS = 8
_TAIL = 2.0  # percent at either end of random truths that fall into the outermost cells


@dataclasses.dataclass(frozen=True)
class Cells:
    """A plane of two parameters in cells.

    Parameters
    ----------
    x, y : centers of the cells along either axis.
    index : the cell of each truth, the second axis fastest.
    """

    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    index: Int[np.ndarray, " truth"]

    def mean(self, values: Float[np.ndarray, " truth"]) -> Float[np.ndarray, "x y"]:
        """Mean over the truths of each cell; NaN in a cell without any."""
        size = len(self.x) * len(self.y)
        count = np.bincount(self.index, minlength=size)
        total = np.bincount(self.index, weights=values, minlength=size)
        return (total / np.where(count > 0, count, np.nan)).reshape(len(self.x), len(self.y))


def plane_cells(x: Float[np.ndarray, " truth"], y: Float[np.ndarray, " truth"]) -> Cells:
    """Cells around the values of a grid, or eight by eight over truths that are all different.

    Every truth belongs to the cell whose center is nearest along each axis.
    """
    centers = _centers(x), _centers(y)
    first, second = (
        np.abs(values[:, None] - middle).argmin(axis=1) for values, middle in zip((x, y), centers, strict=True)
    )
    return Cells(*centers, first * len(centers[1]) + second)


def _centers(values: np.ndarray) -> np.ndarray:
    different = np.unique(values)
    if len(different) <= _MOST_GRID_VALUES:
        return different
    low, high = np.percentile(values, [_TAIL, 100 - _TAIL])
    half = 0.5 * (high - low) / _N_CELLS
    return low + half * (2 * np.arange(_N_CELLS) + 1)
