"""Starting points for fits: the best-matching signals of a coarse dictionary, one per region of parameter space."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, Int

from raofit.estimators.coordinates import Coordinates
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective
from raofit.information.crb import bound_from_information
from raofit.information.fisher import fisher_information
from raofit.models import AbstractSignalModel
from raofit.noise import Gaussian

_ATOMS_PER_REGION = {1: 64, 2: 128}
_MOST_ATOMS_PER_REGION = 256
_SIMULATED_ATOMS = 4096
_BLOCK = 1024
_UNBOUNDED = 100.0


class Dictionary(eqx.Module):
    """Signals on a low-discrepancy set that fills the bounds, split into regions along the least certain parameter.

    Fits that start in different regions end in different local optima, when there are any. The amplitude is not part
    of the grid: it follows from the match.

    Models with a complex M0 have simulators of many parameters: their atoms fill the typical ranges instead, where
    they lie dense enough for the best |⟨atom, measurement⟩| to begin with, and a region is every n-th atom.

    Parameters
    ----------
    values : parameter vectors (region, atom, parameter), amplitude 1.
    signals : their signals (region, atom, real measurement), scaled to unit length if the model has an amplitude.
    lengths : length of each signal before scaling.
    amplitude_index : position of the amplitude, or None.
    has_complex_amplitude : whether signals match up to a complex factor.
    """

    values: Float[np.ndarray, "region atom parameter"]
    signals: Float[np.ndarray, "region atom real_measurement"]
    lengths: Float[np.ndarray, "region atom"]
    amplitude_index: int | None = eqx.field(static=True)
    has_complex_amplitude: bool = eqx.field(static=True)

    @staticmethod
    def of(
        objective: Objective | ProfileObjective,
        bounds: Float[np.ndarray, "parameter 2"],
        n_regions: int,
        *,
        n_atoms: int | None,
        ranges: Float[np.ndarray, "parameter 2"],
    ) -> "Dictionary":
        """Dictionary of the objective's model inside `bounds`.

        `n_atoms` in all and `ranges`, where they lie, are for models with a complex M0.
        """
        model, coordinates = objective.model, objective.coordinates
        if model.has_complex_amplitude:
            return _simulated(model, coordinates, bounds, n_regions, n_atoms or _SIMULATED_ATOMS, ranges)
        amplitude = model.amplitude_index
        n_shape = len(model.parameters) - (amplitude is not None)
        n_atoms = _ATOMS_PER_REGION.get(n_shape, _MOST_ATOMS_PER_REGION)
        values = _fill(model, coordinates, bounds, n_atoms * max(1, 2 * (n_regions - 1)))
        if n_regions > 1:
            values = values[np.argsort(values[:, _least_certain(model, coordinates, values, bounds)], kind="stable")]
            inner = values[n_atoms:-n_atoms:2]  # the outer regions are half as wide: optima hide at the ends
            values = np.concatenate([values[:n_atoms], inner, values[-n_atoms:]])
        signals = np.asarray(objective.as_real(model.signal(values), axis=-1), dtype=np.float64)
        lengths = np.maximum(np.linalg.norm(signals, axis=-1), np.finfo(np.float32).tiny)
        with np.errstate(invalid="ignore"):  # where bounds admit signals without end
            scaled = signals if amplitude is None else signals / lengths[:, None]
        return Dictionary(
            values=values.reshape(n_regions, -1, values.shape[-1]),
            signals=scaled.reshape(n_regions, -1, scaled.shape[-1]),
            lengths=lengths.reshape(n_regions, -1),
            amplitude_index=amplitude,
            has_complex_amplitude=False,
        )

    def match(
        self, measurements: Float[Array, "voxel real_measurement"], inverse_sigma: Float[Array, " voxel"]
    ) -> Float[Array, "region voxel parameter"]:
        """Best atom of each region for every voxel by least squares, with the amplitude that goes with it."""
        n_voxels = measurements.shape[0]
        n_blocks = -(-n_voxels // _BLOCK)
        padding = n_blocks * _BLOCK - n_voxels
        blocks = jnp.pad(measurements, ((0, padding), (0, 0)), mode="edge").reshape(n_blocks, _BLOCK, -1)
        scales = jnp.pad(inverse_sigma, (0, padding), mode="edge").reshape(n_blocks, _BLOCK)
        starts = jax.lax.map(lambda block: self._match_block(*block), (blocks, scales))
        return jnp.moveaxis(starts, 1, 0).reshape(starts.shape[1], -1, starts.shape[-1])[:, :n_voxels]

    def _match_block(self, measurements: Array, inverse_sigma: Array) -> Array:
        dtype = measurements.dtype
        n_regions, n_atoms, _ = self.values.shape
        signals = jnp.asarray(self.signals, dtype=dtype)
        values = jnp.asarray(self.values, dtype=dtype)
        region = jnp.arange(n_regions)[:, None]
        length = jnp.maximum(jnp.linalg.norm(measurements, axis=-1), jnp.finfo(dtype).tiny)
        atoms = signals.reshape(n_regions * n_atoms, -1)
        product = (atoms @ measurements.T).reshape(n_regions, n_atoms, -1)
        if self.has_complex_amplitude:
            real, imaginary = jnp.split(atoms, 2, axis=-1)
            turned = jnp.concatenate([-imaginary, real], axis=-1)
            quadrature = (turned @ measurements.T).reshape(product.shape)
            explained = (jnp.square(product) + jnp.square(quadrature)) / jnp.square(length)[None, None]
            return values[region, _least(1.0 - explained)]
        if self.amplitude_index is None:
            scale = inverse_sigma[None, None]
            size = jnp.square(jnp.asarray(self.lengths, dtype=dtype))[:, :, None] * jnp.square(scale)
            return values[region, _least(size - 2.0 * product * scale + jnp.square(length)[None, None])]
        best = _least(1.0 - product / length[None, None])
        chosen = signals[region, best]
        amplitude = jnp.sum(chosen * measurements[None], axis=-1)
        amplitude = amplitude / (jnp.asarray(self.lengths, dtype=dtype)[region, best] * inverse_sigma[None])
        return values[region, best].at[..., self.amplitude_index].set(amplitude)


def _simulated(
    model: AbstractSignalModel,
    coordinates: Coordinates,
    bounds: np.ndarray,
    n_regions: int,
    n_atoms: int,
    ranges: np.ndarray,
) -> Dictionary:
    """Atoms of a model with a complex M0."""
    inside = np.clip(ranges, bounds[:, :1], bounds[:, 1:])
    inside = np.where((inside[:, 0] < inside[:, 1])[:, None], inside, bounds)
    values = _fill(model, coordinates, inside, n_atoms // n_regions * n_regions)
    signals = np.asarray(model.signal(values))
    signals = np.concatenate([np.real(signals), np.imag(signals)], axis=-1)
    lengths = np.maximum(np.linalg.norm(signals, axis=-1), np.finfo(np.float32).tiny)

    def by_region(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(array.reshape(-1, n_regions, *array.shape[1:]), 0, 1)

    return Dictionary(
        values=by_region(values),
        signals=by_region(signals / lengths[:, None]),
        lengths=by_region(lengths),
        amplitude_index=None,
        has_complex_amplitude=True,
    )


def _least(mismatch: Float[Array, "region atom voxel"]) -> Int[Array, "region voxel"]:
    """Index of the smallest mismatch along the atoms.

    In float32 the index replaces the last bits of the number, which turns the search into a plain minimum of integers
    (positive floats sort like their bits); the loss of precision is far below the spacing of the atoms.
    """
    n_atoms = mismatch.shape[1]
    if mismatch.dtype != jnp.float32:
        return jnp.argmin(mismatch, axis=1)
    mask = (1 << (n_atoms - 1).bit_length()) - 1
    bits = jax.lax.bitcast_convert_type(jnp.maximum(mismatch, jnp.finfo(jnp.float32).tiny), jnp.int32)
    packed = (bits & ~mask) | jnp.arange(n_atoms, dtype=jnp.int32)[None, :, None]
    return jnp.min(packed, axis=1) & mask


def _fill(model: AbstractSignalModel, coordinates: Coordinates, bounds: np.ndarray, n_atoms: int) -> np.ndarray:
    """A Sobol set over the bounds in fit coordinates; the amplitude is 1, an infinite bound a wide typical range."""
    finite = bounds.copy()
    for row, item in zip(finite, model.parameters, strict=True):
        width = _UNBOUNDED * (item.typical[1] - item.typical[0])
        row[:] = max(row[0], item.typical[0] - width), min(row[1], item.typical[1] + width)
    shape = [index for index in range(len(bounds)) if index != model.amplitude_index]
    values = np.ones((n_atoms, len(bounds)))
    if shape:
        is_log = np.array(coordinates.is_log)[shape]
        low, high = (np.where(is_log, np.log(np.where(is_log, edge, 1.0)), edge) for edge in finite[shape].T)
        power = int(np.ceil(np.log2(n_atoms)))
        unit = scipy.stats.qmc.Sobol(len(shape), scramble=False).random_base2(power)[:n_atoms]
        points = low + (high - low) * (unit + 0.5 / n_atoms)
        values[:, shape] = np.where(is_log, np.exp(np.where(is_log, points, 0.0)), points)
    return values


def _least_certain(model: AbstractSignalModel, coordinates: Coordinates, values: np.ndarray, bounds: np.ndarray) -> int:
    """Index of the shape parameter whose bound on the error, relative to its range, is largest (median over atoms)."""
    information = fisher_information(model, jnp.asarray(values), Gaussian(1.0))
    deviation = np.sqrt(np.asarray(bound_from_information(information, np.zeros(len(bounds), dtype=bool))))
    is_log = np.array(coordinates.is_log)
    edges = np.where(is_log[:, None], np.log(np.where(is_log[:, None], bounds, 1.0)), bounds)
    width = edges[:, 1] - edges[:, 0]
    relative = deviation / np.where(is_log, values, 1.0) / np.where(np.isfinite(width), width, 1.0)
    typical = np.median(relative, axis=0)
    if model.amplitude_index is not None:
        typical[model.amplitude_index] = -np.inf
    return int(np.argmax(typical))
