"""Training signals and their labels, and how much of the truth the authors' literal labels still hold."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.estimators.literal import LiteralSciPy
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise, Gaussian, Rician
from raofit.recipes.training_data import TrainingData
from raofit.studies.epstein2022 import FIT_START, SHOWN, LabelRecipe
from raofit.studies.fixed_size_fit import FixedSizeFit
from raofit.training.prior import Prior

_LABEL_NOISE: dict[str, type[AbstractNoise]] = {"rician": Rician, "gaussian": Gaussian}
_LITERAL_CHUNK = 2_000
_LEAK_TOLERANCE = 1e-3 * 1e-3  # a D_fast within 1e-3 of its start in the units of the fit, 1e-3 mm²/s


class StoredEstimate(NamedTuple):
    """Labels as they come back from a file."""

    values: Float[np.ndarray, "signal parameter"]
    status: UInt8[np.ndarray, " signal"]


class LabeledData(NamedTuple):
    """Training and validation signals of one SNR, and the labels of both: `{noise model: (training, validation)}`."""

    data: TrainingData
    estimates: Mapping[str, tuple[StoredEstimate, StoredEstimate]]

    def joined(self, kind: str) -> StoredEstimate:
        """Labels of both sets in one."""
        return StoredEstimate(*(np.concatenate(parts) for parts in zip(*self.estimates[kind], strict=True)))


def label_arrays(
    model: AbstractSignalModel,
    data: TrainingData,
    snr: float,
    *,
    recipe: LabelRecipe,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Both kinds of label of both sets, as named arrays for a file."""
    measurements = np.concatenate([np.asarray(part.measurements[:, 0]) for part in data])
    truths = np.concatenate([np.asarray(part.parameters) for part in data])
    split = len(data.training.parameters)
    arrays = {}
    for kind, noise in _LABEL_NOISE.items():
        found = fit_labels(model, noise(1.0 / snr), measurements, truths, recipe=recipe, progress=progress)
        for part, rows in (("training", slice(None, split)), ("validation", slice(split, None))):
            arrays[f"{kind}/{part}/values"], arrays[f"{kind}/{part}/status"] = found.values[rows], found.status[rows]
    return arrays


def labeled_data(data: TrainingData, arrays: Mapping[str, np.ndarray]) -> LabeledData:
    """`data` with the labels of `label_arrays`."""
    estimates = {}
    for kind in _LABEL_NOISE:
        training, validation = (
            StoredEstimate(arrays[f"{kind}/{part}/values"], arrays[f"{kind}/{part}/status"])
            for part in ("training", "validation")
        )
        estimates[kind] = (training, validation)
    return LabeledData(data, estimates)


def fit_labels(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    measurements: np.ndarray,
    truths: np.ndarray,
    *,
    recipe: LabelRecipe,
    progress: Progress | None = None,
) -> Estimate:
    """Maximum-likelihood labels.

    "converged": the library's own fit, which does not see the truth. "literal": the authors' SciPy call, started at the
    truth and stopped by SciPy's default tolerances.
    """
    if recipe == "converged":
        fit = FixedSizeFit(model, type(noise), float(noise.sigma), f"labels, {noise.name}", progress)
        return fit.estimate(measurements)
    fitter = LiteralSciPy(model, noise)
    values, status = np.empty(truths.shape, np.float32), np.empty(len(truths), np.uint8)
    for start in range(0, len(truths), _LITERAL_CHUNK):
        part = slice(start, start + _LITERAL_CHUNK)
        found = fitter.estimate(measurements[part], start=truths[part])
        values[part], status[part] = found.values, found.status
        if progress is not None:
            stage = f"SciPy labels, {noise.name}, SNR {1 / float(noise.sigma):g}"
            progress(ProgressEvent(stage, min(start + _LITERAL_CHUNK, len(truths)), len(truths)))
    return Estimate(values, status, model.parameter_names, lambda: np.full(truths.shape, np.nan))


class LeakRow(NamedTuple):
    """What one label recipe does to one cell (SNR and noise model) of the leak table."""

    snr: float
    noise: str
    recipe: str
    share_on_bound: float
    share_at_start: float
    share_far: float
    rmse: tuple[float, float, float]


# (SNR, noise, recipe) → share on a bound, share with D_fast at its start, RMSE of f, D_slow and D_fast (1e-3 mm²/s):
# measured beforehand on 400 other signals, with a tight SciPy fit from four starts as the converged one; ± 5 %
FACT_SHEET = {
    (15.0, "rician", "literal, truth"): (0.27, 0.11, (0.095, 0.537, 73.1)),
    (15.0, "gaussian", "literal, truth"): (0.22, 0.22, (0.092, 0.511, 64.3)),
    (30.0, "rician", "literal, truth"): (0.095, 0.10, (0.057, 0.280, 48.6)),
    (30.0, "gaussian", "literal, truth"): (0.077, 0.37, (0.054, 0.260, 33.9)),
    (15.0, "rician", "literal, mean"): (None, None, (0.091, 0.547, 76.4)),
    (15.0, "gaussian", "literal, mean"): (None, None, (0.089, 0.505, 67.5)),
    (30.0, "rician", "literal, mean"): (None, None, (0.054, 0.288, 52.9)),
    (30.0, "gaussian", "literal, mean"): (None, None, (0.056, 0.310, 45.6)),
    (15.0, "rician", "converged"): (0.29, None, (0.106, 0.553, 85.8)),
    (15.0, "gaussian", "converged"): (0.29, None, (0.108, 0.536, 83.8)),
    (30.0, "rician", "converged"): (0.098, None, (0.060, 0.287, 53.3)),
    (30.0, "gaussian", "converged"): (0.098, None, (0.060, 0.278, 53.0)),
}


def leak_table(
    model: AbstractSignalModel, snrs: tuple[float, ...], n_signals: int, key: Array, *, progress: Progress | None = None
) -> list[LeakRow]:
    """Literal labels started at the truth and at the mean, and converged labels, on the same signals.

    `share_at_start`: the fit returned the D_fast it was started from (within 1e-6 mm²/s), the truth for the first
    recipe: the label holds knowledge that is not in the measurement. `share_far`: D_fast more than 5e-3 mm²/s from the
    converged label.
    """
    truths = np.asarray(Prior.typical(model).sample(key, n_signals))
    mean = np.tile(np.array(FIT_START, dtype=truths.dtype), (n_signals, 1))
    fast = model.parameter_names.index("D_fast")
    shown = [model.parameter_names.index(name) for name in SHOWN]
    rows = []
    for cell, (snr, kind) in enumerate((snr, kind) for snr in snrs for kind in _LABEL_NOISE):
        noise = _LABEL_NOISE[kind](1.0 / snr)
        noise_key = jax.random.fold_in(key, round(1000 * snr))
        measurements = np.asarray(Rician(1.0 / snr).sample(noise_key, model.signal(truths)))
        converged = FixedSizeFit(model, type(noise), 1.0 / snr).estimate(measurements)
        literal = LiteralSciPy(model, noise)
        found = {
            "literal, truth": (literal.estimate(measurements, start=truths), truths),
            "literal, mean": (literal.estimate(measurements, start=mean), mean),
            "converged": (converged, mean),
        }
        for recipe, (estimate, start) in found.items():
            distance = np.abs(estimate.values[:, fast] - start[:, fast])
            gap = np.abs(estimate.values[:, fast] - converged.values[:, fast])
            squared = np.nanmean(np.square(estimate.values - truths), axis=0)
            rows.append(
                LeakRow(
                    snr,
                    kind,
                    recipe,
                    float(np.mean(estimate.status == Status.AT_BOUND)),
                    float(np.mean(distance < _LEAK_TOLERANCE)),
                    float(np.mean(gap > 5e-3)),
                    tuple(float(np.sqrt(squared[column])) for column in shown),
                )
            )
        if progress is not None:
            progress(ProgressEvent("label leak", cell + 1, len(snrs) * len(_LABEL_NOISE)))
    return rows
