"""The fitting recipe of Epstein 2022's released code, for faithful reproduction and as a yardstick."""

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.validity import sigma_per_voxel, usable_measurements
from raofit.estimators.estimate import Estimate
from raofit.models import IVIM
from raofit.noise import AbstractNoise

_LARGEST_BESSEL_ARGUMENT = 700.0


class LiteralSciPy:
    """One `scipy.optimize.minimize` call per voxel: L-BFGS-B, finite differences, default tolerances, unscaled.

    The recipe works in µm²/ms (1e-3 mm²/s) and ms/µm². Under Gaussian noise the objective is the plain sum of squares,
    not divided by 2σ², so the default tolerances stop it early; started at the truth, its labels leak the truth
    [epstein2022]. Use `MaximumLikelihood` for anything but reproduction.

    Parameters
    ----------
    model : IVIM with `form="added"`.
    noise : Rician or Gaussian, with one sigma or one per voxel.
    bounds : as for `MaximumLikelihood`; the defaults are the recipe's, with S0 at most 1e4.
    progress : receives a `ProgressEvent` per thousand voxels.
    """

    def __init__(
        self, model: IVIM, noise: AbstractNoise, *, bounds: Ranges | None = None, progress: Progress | None = None
    ):
        self.model = model
        self.noise = noise
        self.parameter_names = model.parameter_names
        self._progress = progress
        self._units = np.array([1.0, 1.0, 1e-3, 1e-3])
        limits = resolve_ranges(model.parameters, bounds, "bounds")
        limits[0, 1] = min(limits[0, 1], 1e4)
        self._bounds = limits / self._units[:, None]

    def estimate(
        self, measurements: Float[Array, "*batch measurement"], *, start: Float[Array, "*#batch parameter"]
    ) -> Estimate:
        """Estimates of every voxel from the given starts (the recipe: the truth, or the middle of the range)."""
        measurements = np.asarray(measurements, dtype=np.float64)
        batch = measurements.shape[:-1]
        if measurements.shape[-1:] != self.model.b_values.shape:
            raise ProtocolError(
                f"expected {self.model.b_values.size} measurements on the last axis, got shape {measurements.shape}"
            )
        rows = measurements.reshape(-1, measurements.shape[-1])
        starts = np.broadcast_to(np.asarray(start, dtype=np.float64) / self._units, (*batch, 4)).reshape(-1, 4)
        sigma = sigma_per_voxel(self.noise.sigma, batch)
        _, _, status = usable_measurements(rows, sigma, is_magnitude=self.noise.is_magnitude)
        values = np.full((rows.shape[0], 4), np.nan)
        for index in np.flatnonzero(status == Status.OK):
            found = scipy.optimize.minimize(
                self._objective, starts[index], args=(rows[index], sigma[index]), bounds=self._bounds
            )
            values[index] = found.x
            is_at_bound = np.any((found.x <= self._bounds[:, 0]) | (found.x >= self._bounds[:, 1]))
            status[index] = Status.AT_BOUND if is_at_bound else Status.OK
            if self._progress is not None and (index + 1) % 1000 == 0:
                self._progress(ProgressEvent("literal SciPy fits", int(index) + 1, rows.shape[0]))
        unknown = np.full((*batch, 4), np.nan)
        return Estimate(
            values=(values * self._units).reshape(*batch, 4),
            status=status.reshape(batch),
            parameter_names=self.parameter_names,
            compute_standard_errors=lambda: unknown,
        )

    def _objective(self, parameters: np.ndarray, measurement: np.ndarray, sigma: float) -> float:
        amplitude, fraction, slow, fast = parameters
        b = self.model.b_values * 1e-3
        signal = amplitude * (fraction * np.exp(-b * (fast + slow)) + (1 - fraction) * np.exp(-b * slow))
        if not self.noise.is_magnitude:
            return float(np.sum((measurement - signal) ** 2))
        argument = measurement * signal / sigma**2
        safe = np.minimum(argument, _LARGEST_BESSEL_ARGUMENT)
        log_bessel = np.where(
            argument < _LARGEST_BESSEL_ARGUMENT,
            np.log(scipy.special.i0(safe)),
            argument - 0.5 * np.log(2 * np.pi * np.maximum(argument, 1.0)),
        )
        log_density = np.log(measurement / sigma**2) - (measurement**2 + signal**2) / (2 * sigma**2) + log_bessel
        return -float(np.sum(log_density))
