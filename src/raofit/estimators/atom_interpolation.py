"""Between the atoms of a grid: the maximum of a quadratic through the squared correlations around the best atom."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Inexact, Int

from raofit.estimators.parameter_grid import ParameterGrid

_SWEEPS = 30


class Peak(NamedTuple):
    """Where the maximum lies, along the axes of interest, in their natural scale."""

    coordinates: Float[np.ndarray, "voxel axis"]
    amplitude: Inexact[np.ndarray, " voxel"]
    is_edge: Bool[np.ndarray, "voxel axis"]


class _Samples(NamedTuple):
    """Squared correlation times ‖y‖², and amplitude, of some atoms."""

    explained: Float[np.ndarray, " voxel"]
    amplitude: Inexact[np.ndarray, " voxel"]


class _Quadratic(NamedTuple):
    """Gradient and second derivatives, in mean steps of the grid."""

    gradient: Inexact[np.ndarray, "voxel axis"]
    curvature: Inexact[np.ndarray, "voxel axis axis"]


def peak_near(
    grid: ParameterGrid,
    axes: list[int],
    indices: Int[np.ndarray, "voxel axis"],
    signals: Inexact[np.ndarray, "atom coefficient"],
    measurements: Inexact[np.ndarray, "voxel coefficient"],
    atoms: Int[np.ndarray, " voxel"],
    *,
    is_interpolated: bool = True,
) -> Peak:
    """Maximum of |⟨a(θ), y⟩|²/‖a(θ)‖² near the best atom, and the amplitude ⟨a, y⟩/‖a‖² there.

    Differences between the atom, its neighbors along each axis and those along each pair of axes give the gradient and
    the second derivatives at the atom. The maximum is sought inside the box between the neighbors. Along an axis on
    which a neighbor is missing (the end of the grid, or what its `where` leaves out) the atom is an edge: the value
    stays.

    Parameters
    ----------
    axes : indices of the axes of the grid to interpolate along.
    indices : places of the best atoms on all axes.
    signals, measurements : real or complex vectors; the amplitude is real or complex with them.
    is_interpolated : False for the atom itself and its edges.
    """
    coordinates = [grid.coordinate(grid.names[axis]) for axis in axes]
    steps = np.eye(len(grid.shape), dtype=int)[axes]
    neighbors = [(grid.atom_at(indices + step), grid.atom_at(indices - step)) for step in steps]
    is_edge = np.stack([(after < 0) | (before < 0) for after, before in neighbors], axis=-1)
    center = np.stack([line[indices[:, axis]] for axis, line in zip(axes, coordinates, strict=True)], axis=-1)

    def sample(chosen: np.ndarray) -> _Samples:
        vectors = signals[np.maximum(chosen, 0)]
        product = np.sum(vectors.conj() * measurements, axis=-1)
        energy = np.maximum(np.sum(np.abs(vectors) ** 2, axis=-1), np.finfo(np.float64).tiny)
        return _Samples(np.abs(product) ** 2 / energy, product / energy)

    here = sample(atoms)
    if not is_interpolated:
        return Peak(center, here.amplitude, is_edge)
    widths = np.stack([_gaps(line, indices[:, axis]) for axis, line in zip(axes, coordinates, strict=True)], axis=1)
    mean = np.mean(widths, axis=-1)
    after, before = np.moveaxis(widths / mean[..., None], -1, 0)
    around = [(sample(next_one), sample(previous)) for next_one, previous in neighbors]
    corners = {}
    for first in range(len(axes)):
        for second in range(first):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            chosen = [grid.atom_at(indices + one * steps[first] + other * steps[second]) for one, other in signs]
            has_all = np.all([item >= 0 for item in chosen], axis=0)
            corners[first, second] = has_all, [sample(item) for item in chosen]
    explained, amplitude = (
        _quadratic(
            here[field],
            [tuple(side[field] for side in pair) for pair in around],
            {pair: (has_all, [item[field] for item in items]) for pair, (has_all, items) in corners.items()},
            (after, before),
            is_edge,
        )
        for field in range(2)
    )
    offset = _highest(explained, np.where(is_edge, 0.0, -before), np.where(is_edge, 0.0, after))
    change = np.einsum("vi,vi->v", amplitude.gradient, offset)
    change = change + 0.5 * np.einsum("vi,vij,vj->v", offset, amplitude.curvature, offset)
    return Peak(center + offset * mean, here.amplitude + change, is_edge)


def _gaps(line: np.ndarray, index: np.ndarray) -> Float[np.ndarray, "voxel 2"]:
    """Distance to the next and to the previous value of an axis (at its ends, the one there is)."""
    gaps = np.diff(line)
    return np.stack([gaps[np.minimum(index, len(gaps) - 1)], gaps[np.maximum(index - 1, 0)]], axis=-1)


def _quadratic(here, around, corners, gaps, is_edge) -> _Quadratic:
    """Derivatives by differences over unequal steps, exact for a quadratic; zero along edges."""
    n_voxels, n_axes = is_edge.shape
    gradient = np.zeros((n_voxels, n_axes), here.dtype)
    curvature = np.zeros((n_voxels, n_axes, n_axes), here.dtype)
    after, before = gaps
    for axis, (upper, lower) in enumerate(around):
        rise, fall = (upper - here) / after[:, axis], (here - lower) / before[:, axis]
        width = after[:, axis] + before[:, axis]
        gradient[:, axis] = (before[:, axis] * rise + after[:, axis] * fall) / width
        curvature[:, axis, axis] = 2.0 * (rise - fall) / width
    for (first, second), (has_all, values) in corners.items():
        width = (after + before)[:, first] * (after + before)[:, second]
        mixed = np.where(has_all, (values[0] - values[1] - values[2] + values[3]) / width, 0.0)
        curvature[:, first, second] = curvature[:, second, first] = mixed
    gradient[is_edge] = 0.0
    curvature[is_edge[:, :, None] | is_edge[:, None, :]] = 0.0
    return _Quadratic(gradient, curvature)


def _highest(quadratic: _Quadratic, lower: np.ndarray, upper: np.ndarray) -> Float[np.ndarray, "voxel axis"]:
    """Maximum of g·d + ½ dᵀHd inside a box, by coordinate ascent from the unconstrained maximum, clipped.

    Where H is not negative definite, its mixed derivatives are left out; an axis along which it does not bend down
    keeps 0.
    """
    gradient, curvature = quadratic
    n_axes = gradient.shape[1]
    diagonal = np.einsum("vii->vi", curvature)
    bends = diagonal < 0
    scale = np.where(bends, np.sqrt(np.where(bends, -diagonal, 1.0)), 1.0)
    unit = np.where(bends[:, :, None] & bends[:, None, :], -curvature / (scale[:, :, None] * scale[:, None, :]), 0.0)
    identity = np.eye(n_axes, dtype=bool)
    unit = np.where(identity, 1.0, unit)
    is_concave = np.linalg.eigvalsh(unit)[:, 0] > 1e-6
    unit = np.where(is_concave[:, None, None] | identity, unit, 0.0)
    target = np.where(bends, gradient / scale, 0.0)
    low, high = lower * scale, upper * scale
    offset = np.clip(np.linalg.solve(unit, target[..., None])[..., 0], low, high)
    for _ in range(_SWEEPS if n_axes > 1 else 0):
        for axis in range(n_axes):
            rest = target[:, axis] - np.einsum("vj,vj->v", unit[:, axis], offset) + offset[:, axis]
            offset[:, axis] = np.clip(rest, low[:, axis], high[:, axis])
    return offset / scale
