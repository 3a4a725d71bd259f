"""Dictionary matching: the simulated signal that explains a measurement best, and the quadratic around it."""

import concurrent.futures
from collections.abc import Iterator

import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Num

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.threads import n_threads
from raofit.core.validity import sigma_per_voxel, usable_measurements
from raofit.estimators._batches import rows_of
from raofit.estimators.atom_interpolation import peak_near
from raofit.estimators.atom_search import AtomSearch
from raofit.estimators.atoms import Atoms
from raofit.estimators.estimate import Estimate
from raofit.estimators.known import Known, known_rows
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.information.crb import crb
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise, ComplexGaussian, Gaussian

_CHUNK = 8192


class DictionaryMatching:
    r"""argmax over atoms a of |⟨a, y⟩|/‖a‖, the best scaled atom by least squares [ma2013].

    Which atom is found does not depend on how: it is that of a search through all atoms in double precision, the first
    one where scores are equal to 1e-14·‖y‖. Products in single precision, and angles to the centers of groups of atoms,
    only rule out atoms that lie behind by more than the rounding of such a product can be; those that are left are
    compared in double precision. How much can be ruled out depends on the noise: measurements that resemble no atom
    take the full product.

    With a real amplitude that cannot be negative, ⟨a, y⟩ itself is maximized. If interchangeable compartments are to
    keep their named order, leave the other order out of the grid (`where`).

    Parameters
    ----------
    model : any signal model with an amplitude: real (a parameter), or complex and unknown.
    grid : where the atoms lie; or atoms that exist already. Simulated here, with parallel threads where the model is
        heavy.
    noise : noise of the measurements, for standard errors and for the check of magnitudes; None if it is not known:
        standard errors are then NaN. The match itself is least squares for every noise.
    rank, energy, crb_loss : how the atoms are compressed [mcgivney2014], one of them at most (none: not at all):
        to `rank` directions; to the fewest that keep this share of the atoms' energy, such as 0.9999 (`svd_basis`);
        or to the fewest with which the Cramér–Rao bound of each parameter rises by no more than this share on average,
        such as 0.01 (`crb_svd_basis`).
    is_interpolated : whether values lie between atoms, at the maximum of a quadratic through the squared correlations
        of the best atom and its neighbors, in the natural scale of each axis; never beyond a neighbor.
    progress : called while atoms are simulated and voxels matched.

    Raises
    ------
    RaofitError
        If the grid does not fit the model, the model has no amplitude, a signal is not finite, the compression asked
        for is impossible, or the noise is of another kind than the signals.

    Examples
    --------
    >>> from raofit.models import MonoExponentialT2
    >>> model = MonoExponentialT2([0.01, 0.02, 0.04, 0.08])
    >>> matching = DictionaryMatching(model, ParameterGrid({"T2": np.geomspace(0.01, 0.5, 100)}))
    >>> print(matching.estimate(model.signal([3.0, 0.07])).values)
    [3.0  0.07]

    References: [ma2013], [mcgivney2014].
    """

    def __init__(
        self,
        model: AbstractSignalModel,
        grid: ParameterGrid | Atoms,
        noise: AbstractNoise | None = None,
        *,
        rank: int | None = None,
        energy: float | None = None,
        crb_loss: float | None = None,
        is_interpolated: bool = True,
        progress: Progress | None = None,
    ):
        if not model.has_complex_amplitude and model.amplitude_index is None:
            raise RaofitError(
                f"model `{model.name}` has no amplitude: expected one parameter with is_amplitude=True, or a complex M0"
            )
        if isinstance(grid, Atoms):
            self.atoms = grid
        else:
            self.atoms = Atoms.of(model, grid, rank=rank, energy=energy, crb_loss=crb_loss, progress=progress)
        is_complex = model.has_complex_amplitude or np.iscomplexobj(self.atoms.signals)
        if noise is not None and is_complex and not noise.is_complex:
            raise RaofitError(
                f"noise: model `{model.name}` has complex signals, expected ComplexGaussian noise, got {noise.name}"
            )
        self.model = model
        self.grid = self.atoms.grid
        self._indices = self.grid.indices
        self.noise = noise
        self.is_interpolated = is_interpolated
        self.parameter_names = model.parameter_names
        self._progress = progress
        self._is_complex = is_complex or (noise is not None and noise.is_complex)
        self._signals = self._as_vectors(self.atoms.signals)
        self._searches: dict[tuple[int, ...], tuple[AtomSearch, np.ndarray]] = {}

    def estimate(
        self,
        measurements: Num[Array, "*batch measurement"],
        *,
        known: Known | None = None,
    ) -> Estimate:
        """Estimates of every voxel.

        Parameters
        ----------
        measurements : last axis as the model's; NaN, infinite, all-zero and (for magnitudes) negative voxels are
            marked in the status and not matched.
        known : parameters that are measured otherwise, a map or one number each (`{"B1": map}`): a voxel is matched
            among the atoms of its nearest value on that axis, which is also its value in the result. Where it lies
            beyond the axis by more than half a step, the status is `AT_BOUND`; where it is NaN, `NON_FINITE`.

        Returns
        -------
        Estimate
            A value at an edge of the grid, where it ends or `where` leaves out a neighbor, is not interpolated and
            makes the status `AT_BOUND`. Standard errors are √CRB at the matched atom, with the amplitude found (at the
            estimate itself for magnitudes), 0 for fixed and known parameters. Diagnostics: `atom` (index, −1 without
            estimate), `is_at_bound` (per parameter), `relative_residual` (‖y − M0·a‖/‖y‖ at the atom), and for a
            complex M0 `amplitude`, its estimate (its angle is the phase).

        Raises
        ------
        ProtocolError
            If the last axis does not have one value per measurement, complex values come where magnitudes or real ones
            are due, or sigma or a map has another batch shape.
        RaofitError
            If a known name is no axis of the grid, or no atom has its value.
        """
        measurements = np.asarray(measurements)
        rows = rows_of(measurements, self.model)
        batch = measurements.shape[:-1]
        if np.iscomplexobj(rows) and not self._is_complex:
            raise ProtocolError(
                f"model `{self.model.name}`: expected real measurements, got complex ones; take magnitudes, or pass "
                "ComplexGaussian noise"
            )
        sigma = sigma_per_voxel(1.0 if self.noise is None else self.noise.sigma, batch)
        known_values = self._known_values(known or {}, batch)
        groups = self._groups(known_values)
        n_done, found = 0, []
        starts = range(0, max(len(rows), 1), _CHUNK)
        with concurrent.futures.ThreadPoolExecutor(n_threads()) as pool:
            for part in pool.map(lambda start: self._match(rows, sigma, known_values, groups, start), starts):
                found.append(part)
                n_done += len(part["status"])
                if self._progress is not None:
                    self._progress(ProgressEvent("dictionary matching", n_done, len(rows)))
        joined = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        amplitude = joined["amplitude"]
        if not self.model.has_complex_amplitude:
            del joined["amplitude"]
        fixed = {name for name, axis in self.grid.axes.items() if len(axis) == 1} | set(known_values)
        shaped = {name: array.reshape((*batch, *array.shape[1:])) for name, array in joined.items()}
        values, status = shaped.pop("values"), shaped.pop("status")
        return Estimate(
            values,
            status,
            self.parameter_names,
            lambda: self._standard_errors(joined, np.abs(amplitude), sigma, fixed).reshape(values.shape),
            shaped,
        )

    def _as_vectors(self, samples: np.ndarray) -> np.ndarray:
        """Samples as the search sees them: with a real amplitude, real and imaginary parts are separate samples."""
        if self.model.has_complex_amplitude:
            return samples.astype(np.complex128)
        if self._is_complex:
            return np.concatenate([np.real(samples), np.imag(samples)], axis=-1).astype(np.float64)
        return samples.astype(np.float64)

    @property
    def _is_signed(self) -> bool:
        index = self.model.amplitude_index
        return not self.model.has_complex_amplitude and self.model.parameters[index].bounds[0] >= 0

    def _known_values(self, known: Known, batch: tuple[int, ...]) -> dict[str, Float[np.ndarray, " voxel"]]:
        for name in known:
            if name not in self.grid.axes:
                raise RaofitError(f"known: `{name}` is no axis of the grid; it has {', '.join(self.grid.names)}")
        return known_rows(known, batch)

    def _groups(self, known_values: dict[str, np.ndarray]) -> Int[np.ndarray, "voxel known"] | None:
        """Place of every voxel on the known axes; the searches they need are made ready."""
        if not known_values:
            self._search_of((), ())
            return None
        groups = np.stack([self.grid.nearest(name, np.nan_to_num(v)) for name, v in known_values.items()], axis=-1)
        for place in np.unique(groups, axis=0):
            self._search_of(tuple(known_values), tuple(place))
        return groups

    def _search_of(self, names: tuple[str, ...], place: tuple[int, ...]) -> tuple[AtomSearch, np.ndarray]:
        """Search among the atoms at a place on the named axes, and the indices of these atoms."""
        key = tuple(dict(zip(names, place, strict=True)).get(name, -1) for name in self.grid.names)
        if key not in self._searches:
            wanted = np.array(key)
            members = np.flatnonzero(np.all((wanted < 0) | (self._indices == wanted), axis=1))
            if not len(members):
                values = ", ".join(
                    f"{name} = {self.grid.axes[name][at]:g}" for name, at in zip(names, place, strict=True)
                )
                raise RaofitError(f"known: the grid has no atom with {values}; see its `where`")
            self._searches[key] = AtomSearch(self._signals[members], is_signed=self._is_signed), members
        return self._searches[key]

    def _match(
        self,
        rows: Inexact[np.ndarray, "voxel measurement"],
        sigma: Float[np.ndarray, " voxel"],
        known_values: dict[str, np.ndarray],
        groups: np.ndarray | None,
        start: int,
    ) -> dict[str, np.ndarray]:
        """Results of one chunk of voxels by name."""
        chunk = slice(start, start + _CHUNK)
        is_magnitude = self.noise is not None and self.noise.is_magnitude
        samples, _, status = usable_measurements(rows[chunk], sigma[chunk], is_magnitude=is_magnitude)
        known_here = {name: values[chunk] for name, values in known_values.items()}
        for values in known_here.values():
            status[~np.isfinite(values)] = Status.NON_FINITE
        samples = samples.astype(np.result_type(samples.dtype, np.float64))
        observed = self._as_vectors(samples if self.atoms.basis is None else samples @ self.atoms.basis)
        atom = np.zeros(len(status), dtype=np.int64)
        for members, search, candidates in self._parts(
            known_here, None if groups is None else groups[chunk], len(status)
        ):
            atom[members] = candidates[search.best(observed[members])[0]]
        free = [
            index for index, (name, axis) in enumerate(self.grid.axes.items())
            if len(axis) > 1 and name not in known_here
        ]  # fmt: skip
        values = self.atoms.parameters[atom]
        is_at_bound = np.zeros(values.shape, dtype=bool)
        vectors = self._signals[atom]
        energy = np.sum(np.abs(vectors) ** 2, axis=-1)
        amplitude = np.sum(vectors.conj() * observed, axis=-1) / np.where(energy > 0, energy, 1.0)
        explained = np.abs(amplitude) ** 2 * energy / np.sum(np.abs(samples) ** 2, axis=-1)
        if free:
            peak = peak_near(
                self.grid,
                free,
                self._indices[atom],
                self._signals,
                observed,
                atom,
                is_interpolated=self.is_interpolated,
            )
            amplitude = peak.amplitude
            for index, coordinate, is_edge in zip(free, peak.coordinates.T, peak.is_edge.T, strict=True):
                name = self.grid.names[index]
                column = self.parameter_names.index(name)
                between = np.exp(coordinate) if self.grid.is_log[name] else coordinate
                values[:, column] = between if self.is_interpolated else values[:, column]
                is_at_bound[:, column] = is_edge
        for name, given in known_here.items():
            is_at_bound[:, self.parameter_names.index(name)] = self._is_beyond(name, given)
        if self.model.amplitude_index is not None:
            low, high = self.model.parameters[self.model.amplitude_index].bounds
            is_at_bound[:, self.model.amplitude_index] = (amplitude <= low) | (amplitude >= high)
            amplitude = np.clip(amplitude, low, high)
            values[:, self.model.amplitude_index] = amplitude
        return self._marked(
            {
                "values": values,
                "amplitude": amplitude,
                "atom": atom,
                "is_at_bound": is_at_bound,
                "relative_residual": np.sqrt(np.maximum(1.0 - explained, 0.0)),
            },
            status,
        )

    def _parts(
        self, known: dict[str, np.ndarray], groups: np.ndarray | None, n_voxels: int
    ) -> Iterator[tuple[np.ndarray, AtomSearch, np.ndarray]]:
        """Voxels that share their known values, with the search they need and its atoms."""
        if groups is None:
            yield np.arange(n_voxels), *self._search_of((), ())
            return
        places, part_of = np.unique(groups, axis=0, return_inverse=True)
        for number, place in enumerate(places):
            yield np.flatnonzero(part_of.ravel() == number), *self._search_of(tuple(known), tuple(place))

    def _is_beyond(self, name: str, values: np.ndarray) -> np.ndarray:
        """Whether known values lie farther beyond the ends of their axis than half its outermost step."""
        axis = self.grid.axes[name]
        steps = np.diff(axis) if len(axis) > 1 else np.zeros(1)
        return (values < axis[0] - 0.5 * steps[0]) | (values > axis[-1] + 0.5 * steps[-1])

    def _marked(self, found: dict[str, np.ndarray], status: np.ndarray) -> dict[str, np.ndarray]:
        """Results with a status for each voxel, blank where there is no estimate."""
        is_ok = status == Status.OK
        is_lost = is_ok & (found["amplitude"] == 0)
        is_bound = is_ok & np.any(found["is_at_bound"], axis=-1)
        status = np.where(is_bound, Status.AT_BOUND, np.where(is_lost, Status.NOT_IDENTIFIABLE, status))
        blank = {"atom": -1, "is_at_bound": False}
        for name, array in found.items():
            array[~is_ok] = blank.get(name, np.nan)
        return found | {"status": status.astype(np.uint8)}

    def _standard_errors(
        self, found: dict[str, np.ndarray], amplitude: np.ndarray, sigma: np.ndarray, fixed: set[str]
    ) -> Float[np.ndarray, "voxel parameter"]:
        errors = np.full(found["values"].shape, np.nan)
        members = np.flatnonzero(found["atom"] >= 0)
        if self.noise is None or not len(members):
            return errors
        if self.noise.is_magnitude:
            noise = type(self.noise)(sigma[members])
            errors[members] = np.sqrt(crb(self.model, found["values"][members], noise, fixed=fixed))
            return errors
        used, which = np.unique(found["atom"][members], return_inverse=True)
        unit = ComplexGaussian(1.0) if self.noise.is_complex else Gaussian(1.0)
        bound = crb(self.model, self.atoms.parameters[used], unit, fixed=fixed, basis=self.atoms.basis)
        scale = np.divide(
            sigma[members], amplitude[members], out=np.full(len(members), np.inf), where=amplitude[members] > 0
        )
        factor = np.repeat(scale[:, None], bound.shape[1], axis=1)
        if self.model.amplitude_index is not None:
            factor[:, self.model.amplitude_index] = sigma[members]
        deviation = np.sqrt(bound)[which]
        errors[members] = np.where(deviation > 0, deviation * factor, 0.0)
        return errors
