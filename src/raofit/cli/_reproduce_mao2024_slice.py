"""Figure 4 of `raofit reproduce mao2024`: a measured slice through networks, one-step estimation and least squares."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.estimators.one_step import OneStep
from raofit.io.coefficients import Coefficients, load_coefficients
from raofit.io.stages import StageFolder
from raofit.models import Compressed
from raofit.noise import ComplexGaussian
from raofit.studies.mao2024 import MSE_CRB, NLLS, ONE_STEP, REDUCED, Scale
from raofit.studies.mao2024_slice import SliceStudy, fit_arrays, rough_sigma, slice_study

_LOOKED_AT = 512  # voxels behind the first look at the noise


def load_slice(path: Path, rank: int) -> Coefficients:
    """The measured coefficients of one slice.

    Raises
    ------
    RaofitError
        If there is more than one slice, or the coefficients do not fit the basis.
    """
    found = load_coefficients(path, n_coefficients=rank)
    if found.mask.ndim != 2:
        raise RaofitError(f"{path}: expected one slice (x, y, coefficient), got {found.mask.ndim} axes of space")
    return found


def run_slice(
    measured: Coefficients,
    model: Compressed,
    networks: Mapping[str, NetworkEstimator],
    scale: Scale,
    stages: StageFolder,
    progress: Progress,
) -> SliceStudy:
    """All methods on the voxels of the mask; fits are kept chunk by chunk."""
    voxels = measured.values[measured.mask]
    estimates: dict[str, Estimate] = {}
    seconds: dict[str, float] = {}
    first_seconds: dict[str, float] = {}
    for name in (MSE_CRB, REDUCED):
        first_seconds[name] = _timed(networks[name], voxels)[1]
        estimates[name], seconds[name] = _timed(networks[name], voxels)
    looked_at = np.linspace(0, len(voxels) - 1, min(_LOOKED_AT, len(voxels))).astype(int)
    look = networks[REDUCED].estimate(voxels[looked_at])
    nominal = stages.run("slice, noise", lambda: {"sigma": np.array(rough_sigma(model, look, voxels[looked_at]))})
    sigma = float(nominal["sigma"])
    fits = _fits(voxels, model, sigma, scale.slice_chunk, stages, progress)
    seconds[NLLS] = float(fits.pop("seconds"))
    step = OneStep(model, ComplexGaussian(sigma), networks[REDUCED], progress=progress)
    estimates[ONE_STEP], seconds[ONE_STEP] = _timed(step, voxels)
    return slice_study(model, measured.mask, fits, sigma, estimates, seconds, first_seconds)


def _fits(
    voxels: np.ndarray, model: Compressed, sigma: float, size: int, stages: StageFolder, progress: Progress
) -> dict[str, np.ndarray]:
    """Least squares of all voxels, in chunks of one size, and the seconds it took in all."""
    fit = MaximumLikelihood(model, ComplexGaussian(sigma))
    parts = []
    for start in range(0, len(voxels), size):
        count = min(size, len(voxels) - start)
        chunk = voxels[np.minimum(np.arange(start, start + size), len(voxels) - 1)]

        def compute(chunk: np.ndarray = chunk, count: int = count) -> dict[str, np.ndarray]:
            started = time.perf_counter()
            found = {name: values[:count] for name, values in fit_arrays(fit.estimate(chunk), chunk).items()}
            return found | {"seconds": np.array(time.perf_counter() - started)}

        parts.append(stages.run(f"slice, least squares, voxels from {start}", compute))
        progress(ProgressEvent("slice, least squares", start + count, len(voxels)))
    total = {"seconds": np.sum([part["seconds"] for part in parts])}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "seconds"} | total


def _timed(estimator, voxels: np.ndarray) -> tuple[Estimate, float]:
    started = time.perf_counter()
    estimate = estimator.estimate(voxels)
    return estimate, time.perf_counter() - started
