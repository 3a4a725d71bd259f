"""Figure 4 of Mao et al. (2024): networks beside least squares in a measured slice, where no truth is known."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.stats
from jaxtyping import Bool, Complex64, Float, UInt8

from raofit.core.status import Status
from raofit.engine.residual import ResidualCheck
from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel
from raofit.noise import ComplexGaussian
from raofit.studies.mao2024 import NLLS, SHOWN

MARKED_BY_CHANCE = 1e-3  # of the voxels of a slice that noise alone explains


@dataclasses.dataclass(frozen=True)
class SliceStudy:
    """What the methods make of a slice; arrays over the voxels of the mask.

    Parameters
    ----------
    mask : where the voxels are.
    values : estimates of the shown parameters by method.
    bound : √CRB of the shown parameters at the least-squares estimate, with `sigma`.
    status : of least squares.
    chi_square : ‖residual‖²/σ² of least squares over its degrees of freedom: 1 on average if the model holds.
    is_flagged : voxels whose χ² would be exceeded by chance in a share of `MARKED_BY_CHANCE`.
    sigma : noise per real channel, from the median of the residuals.
    snr : |M0|/σ per voxel.
    seconds : time of each method for all voxels; of networks the second of two calls, `first_seconds` the first, which
        compiles.
    """

    mask: Bool[np.ndarray, "x y"]
    values: Mapping[str, Float[np.ndarray, "voxel parameter"]]
    bound: Float[np.ndarray, "voxel parameter"]
    status: UInt8[np.ndarray, " voxel"]
    chi_square: Float[np.ndarray, " voxel"]
    is_flagged: Bool[np.ndarray, " voxel"]
    sigma: float
    snr: Float[np.ndarray, " voxel"]
    seconds: Mapping[str, float]
    first_seconds: Mapping[str, float]

    @property
    def is_compared(self) -> Bool[np.ndarray, " voxel"]:
        """Voxels whose fit converged inside the bounds and that the model explains."""
        return (self.status == Status.OK) & ~self.is_flagged

    def distances(self, method: str) -> Float[np.ndarray, "voxel parameter"]:
        """|estimate − least squares| in units of √CRB, over the compared voxels."""
        difference = np.abs(self.values[method] - self.values[NLLS])
        return (difference / self.bound)[self.is_compared]

    def median_distance(self, method: str) -> Float[np.ndarray, " parameter"]:
        """Median of the distances; NaN if no voxel is compared."""
        return np.median(self.distances(method), axis=0) if self.is_compared.any() else np.full(len(SHOWN), np.nan)

    def volume(self, values: Float[np.ndarray, " voxel"]) -> Float[np.ndarray, "x y z"]:
        """Voxel values in space (one slice), NaN outside the mask."""
        volume = np.full((*self.mask.shape, 1), np.nan)
        volume[self.mask, 0] = values
        return volume


def n_degrees_of_freedom(model: AbstractSignalModel) -> int:
    """Real measurements, less the parameters and the complex M0."""
    return 2 * model.n_measurements - len(model.parameters) - 2


def sigma_of_residuals(residual_norms: Float[np.ndarray, " voxel"], n_freedom: int) -> float:
    """Noise per real channel from the median of ‖residual‖, whose square is σ² times χ² where the model holds.

    The median leaves voxels the model does not explain without weight as long as they are few.
    """
    norms = residual_norms[np.isfinite(residual_norms)]
    return float(np.median(norms) / np.sqrt(scipy.stats.chi2.median(n_freedom)))


def rough_sigma(
    model: AbstractSignalModel, estimate: Estimate, measurements: Complex64[np.ndarray, "voxel coefficient"]
) -> float:
    """The same from another estimator's estimates, which leave a little more."""
    check = ResidualCheck(model, ComplexGaussian.name, n_fitted=0, false_alarm_rate=MARKED_BY_CHANCE)
    found = check(estimate, measurements, np.ones(len(measurements), np.float32))
    norms = found.diagnostics["relative_residual"] * np.linalg.norm(measurements, axis=1)
    return sigma_of_residuals(norms, n_degrees_of_freedom(model))


def fit_arrays(estimate: Estimate, measurements: Complex64[np.ndarray, "voxel coefficient"]) -> dict[str, np.ndarray]:
    """What is kept of a chunk of fits."""
    return {
        "values": _shown(estimate.values, estimate.parameter_names),
        "standard_errors": _shown(estimate.standard_errors, estimate.parameter_names),
        "status": estimate.status,
        "residual": estimate.diagnostics["relative_residual"] * np.linalg.norm(measurements, axis=1),
        "amplitude": np.abs(estimate.diagnostics["amplitude"]),
    }


def slice_study(
    model: AbstractSignalModel,
    mask: Bool[np.ndarray, "x y"],
    fits: Mapping[str, np.ndarray],
    nominal_sigma: float,
    others: Mapping[str, Estimate],
    seconds: Mapping[str, float],
    first_seconds: Mapping[str, float],
) -> SliceStudy:
    """The study of a slice: least-squares fits (`fit_arrays`, made with `nominal_sigma`) beside other estimates."""
    n_freedom = n_degrees_of_freedom(model)
    sigma = sigma_of_residuals(fits["residual"], n_freedom)
    total = np.square(fits["residual"] / sigma)
    return SliceStudy(
        mask=mask,
        values={NLLS: fits["values"]}
        | {name: _shown(estimate.values, estimate.parameter_names) for name, estimate in others.items()},
        bound=fits["standard_errors"] * (sigma / nominal_sigma),
        status=fits["status"],
        chi_square=total / n_freedom,
        is_flagged=~(total <= scipy.stats.chi2.ppf(1.0 - MARKED_BY_CHANCE, n_freedom)),
        sigma=sigma,
        snr=fits["amplitude"] / sigma,
        seconds=dict(seconds),
        first_seconds=dict(first_seconds),
    )


def _shown(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    return values[:, [names.index(name) for name in SHOWN]]
