"""Does the model explain the measurement? The residual at the estimate, and a mark where noise alone is not enough."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float, Inexact

from raofit.core.status import FALSE_ALARM_RATE, with_misfit
from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel
from raofit.noise import NOISE_MODELS
from raofit.noise.sigma_estimation import magnitude_variance_factor
from raofit.noise.squared_residual import magnitude_sum_limit

_SMALLEST_BATCH = 256
_AT_ONCE_VALUES = 1 << 24  # simulated samples held at once


@dataclasses.dataclass(frozen=True)
class ResidualCheck:
    r"""Adds to an estimate what it leaves unexplained.

    Diagnostics `residual` (χ²/ν), `relative_residual` (‖y − ŷ‖/‖y‖) and, where the model leaves out a complex M0, `M0`
    and `M0_phase` (magnitude in signal units and phase in radians of M̂0 = sᴴy/‖s‖²). A voxel is marked where χ² exceeds
    what noise exceeds with the probability `false_alarm_rate`: its status then is `MISFIT`, or that of its other
    reservation and the misfit (`AT_BOUND_MISFIT`, ...).

    χ² = Σ |y − ŷ|²/Var(y) with ŷ the expected measurement: the signal at the estimate, M̂0 times it, or the mean of a
    magnitude. For Gaussian noise χ² is exactly what its name says, with ν degrees of freedom. Magnitudes have the mean
    and variance of the Rician distribution [koay2006], and the limit of each voxel follows from its signal at the
    estimate (`raofit.noise.squared_residual`): near the noise floor it is above the quantile of χ². Where all of them
    lie on the floor, the fit explains more of the noise than its parameters count, and fewer voxels are marked.

    ν is the number of real measurements less the numbers fitted to the voxel. A network fits none, so that its own
    error may add to χ²: the mark then says that the model does not explain the measurement at this estimate.

    An estimate so far off that the model has no finite signal there explains nothing: its χ² is infinite.

    Where an estimate stands for several mirror images (`model.mirror_images`), the one that explains the measurement
    best counts.

    Parameters
    ----------
    model, noise_name : what the measurements should be like.
    n_fitted : parameters fitted to each voxel (complex M0 left aside): all for maximum likelihood, 0 for a network.
    false_alarm_rate : share of voxels that would be marked if noise were all there is.

    References: [koay2006] eqs. 9, 17.
    """

    model: AbstractSignalModel
    noise_name: str
    n_fitted: int
    false_alarm_rate: float = FALSE_ALARM_RATE

    @property
    def names(self) -> tuple[str, ...]:
        """The diagnostics it adds."""
        amplitude = ("M0", "M0_phase") if self.model.has_complex_amplitude else ()
        return ("residual", "relative_residual", *amplitude)

    @property
    def degrees_of_freedom(self) -> int:
        """ν; the residual says nothing where it is not positive."""
        n_real = self.model.n_measurements * (2 if NOISE_MODELS[self.noise_name].is_complex else 1)
        return n_real - self.n_fitted - (2 if self.model.has_complex_amplitude else 0)

    @property
    def threshold(self) -> float:
        """The χ²/ν above which a voxel is marked, magnitudes near the noise floor aside; infinite unless ν > 0."""
        freedom = self.degrees_of_freedom
        return float(scipy.special.chdtri(freedom, self.false_alarm_rate)) / freedom if freedom > 0 else np.inf

    @property
    def threshold_sentence(self) -> str:
        """The threshold in words, and where it is another one."""
        if self.degrees_of_freedom <= 0:
            return "There are no more measurements than parameters, so no residual is too large."
        sentence = (
            f"Noise alone makes the reduced chi-square exceed {self.threshold:.3g} in {self.false_alarm_rate:.2%} of "
            f"the voxels ({self.degrees_of_freedom} degrees of freedom)."
        )
        if NOISE_MODELS[self.noise_name].is_magnitude:
            sentence += " Where magnitudes are near the noise floor the threshold follows their Rician distribution."
        return sentence

    def __call__(
        self,
        estimate: Estimate,
        measurements: Inexact[np.ndarray, "voxel measurement"],
        sigma: Float[np.ndarray, " voxel"],
    ) -> Estimate:
        """`estimate` with the residual diagnostics and marks; its own diagnostics spare the simulation of M0·s."""
        known = estimate.diagnostics
        if self.model.has_complex_amplitude and {"amplitude", "objective", "relative_residual"} <= set(known):
            chi_square, relative = 2.0 * known["objective"], known["relative_residual"]
            amplitude, signals = known["amplitude"], None
        else:
            chi_square, relative, amplitude, signals = self._simulated(estimate.values, measurements, sigma)
        freedom = self.degrees_of_freedom
        reduced = chi_square / freedom if freedom > 0 else np.full_like(chi_square, np.nan)
        noted = dict(zip(self.names, (reduced, relative, np.abs(amplitude), np.angle(amplitude)), strict=False))
        is_misfit = chi_square > self._limits(signals, sigma)
        return dataclasses.replace(
            estimate,
            status=np.where(is_misfit, with_misfit(estimate.status), estimate.status),
            compute_standard_errors=lambda: estimate.standard_errors,
            diagnostics={**known, **noted},
        )

    def _limits(self, signals: np.ndarray | None, sigma: np.ndarray) -> Float[np.ndarray, " voxel"] | float:
        """The χ² above which each voxel is marked."""
        freedom = self.degrees_of_freedom
        if freedom <= 0:
            return np.inf
        if signals is None or not NOISE_MODELS[self.noise_name].is_magnitude:
            return self.threshold * freedom
        return magnitude_sum_limit(np.abs(signals) / sigma[:, None], self.n_fitted, self.false_alarm_rate)

    def _simulated(
        self, values: np.ndarray, measurements: np.ndarray, sigma: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """χ², relative residual, amplitude and signal of every voxel; NaN where there is no estimate."""
        size = max(_SMALLEST_BATCH, _AT_ONCE_VALUES // (2 * self.model.n_measurements))
        parts = [
            self._of_chunk(
                values[start : start + size], measurements[start : start + size], sigma[start : start + size]
            )
            for start in range(0, len(values), size)
        ]
        if not parts:
            return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, self.model.n_measurements))
        chi_square, relative, amplitude, signals = map(np.concatenate, zip(*parts, strict=True))
        return chi_square, relative, amplitude, signals

    def _of_chunk(self, values: np.ndarray, measured: np.ndarray, sigma: np.ndarray):
        has_estimate = np.all(np.isfinite(values), axis=-1)
        stand_in = np.array([parameter.typical_value for parameter in self.model.parameters], dtype=np.float32)
        filled = np.where(has_estimate[:, None], values, stand_in).astype(np.float32)
        images = np.moveaxis(np.asarray(jax.vmap(self.model.mirror_images)(jnp.asarray(filled))), 1, 0)
        signals = self._signals(images.reshape(-1, images.shape[-1])).reshape(*images.shape[:2], -1)
        has_signal = np.all(np.isfinite(signals), axis=-1)
        signals = np.where(has_signal[..., None], signals, 0).astype(np.result_type(signals, np.float64))
        amplitude = np.full(images.shape[:2], np.nan)
        expected, variance = signals, np.square(sigma)[:, None]
        if self.model.has_complex_amplitude:
            energy = np.maximum(np.sum(np.square(np.abs(signals)), axis=-1), np.finfo(np.float32).tiny)
            amplitude = np.sum(signals.conj() * measured, axis=-1) / energy
            expected = amplitude[..., None] * signals
        elif NOISE_MODELS[self.noise_name].is_magnitude:
            ratio = np.abs(signals) / sigma[:, None]
            factor = magnitude_variance_factor(ratio)
            expected = sigma[:, None] * np.sqrt(2.0 + np.square(ratio) - factor)
            variance = factor * variance
        squared = np.square(np.abs(measured - expected))
        chi_square = np.where(has_signal, np.sum(squared / variance, axis=-1), np.inf)
        size = np.sqrt(np.sum(np.square(np.abs(measured)), axis=-1))
        relative = np.sqrt(np.sum(squared, axis=-1)) / np.maximum(size, np.finfo(np.float32).tiny)
        best = (np.argmin(chi_square, axis=0), np.arange(len(values)))
        found = (np.where(has_estimate, array[best], np.nan) for array in (chi_square, relative, amplitude))
        return *found, signals[best]

    def _signals(self, rows: np.ndarray) -> np.ndarray:
        """Signals of rows of parameters, in batches of few sizes: a simulator takes long to compile."""
        lanes = self.model.lanes_at_once
        if lanes is None:
            length = max(_SMALLEST_BATCH, 1 << max(len(rows) - 1, 0).bit_length())
        else:
            length = -(-len(rows) // lanes) * lanes
        padded = np.pad(rows, ((0, length - len(rows)), (0, 0)), mode="edge")
        return np.asarray(self.model.signal(padded))[: len(rows)]
