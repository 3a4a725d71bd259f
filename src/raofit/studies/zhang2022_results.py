"""Errors of every network on held-out fingerprints and on the two grids, and the numbers of `summary.json`.

A network's output does not depend on the scale of its input, so |M0| is 1 everywhere and σ is 1/SNR: the paper's
|M0| = 0.5 with σ = 0.01 is SNR 50.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Complex, Float

from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation import Evaluation, evaluate
from raofit.evaluation.bootstrap import Interval, bootstrap_interval
from raofit.evaluation.tables import bias_slope
from raofit.information.crb import bound_from_jacobian
from raofit.models import AbstractSignalModel
from raofit.noise import ComplexGaussian
from raofit.recipes.training_set import TrainingSet
from raofit.studies.zhang2022 import ESTIMATED, SNR_RANGE, Plane

Evaluations = Mapping[str, Evaluation]
HELD_OUT = "held-out"


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """Everything the figures, the claims and the summary are made from.

    Parameters
    ----------
    held_out : `{method: Evaluation}` on fingerprints of the prior, each at its own SNR.
    snrs : those SNRs.
    planes : `{(plane name, SNR): {method: Evaluation}}`, points of the plane's grid.
    n_grid : values per axis of the grids.
    histories : `{method: history}` of the trainings: losses per epoch.
    trainings : `{method: {"training_seconds": …, "best_epoch": …, "n_weights": …}}`.
    energy_outside : share of each basis fingerprint's energy outside the basis; empty if the basis was given.
    """

    held_out: Evaluations
    snrs: Float[np.ndarray, " truth"]
    planes: Mapping[tuple[str, float], Evaluations]
    n_grid: int
    histories: Mapping[str, Mapping[str, Any]]
    trainings: Mapping[str, Mapping[str, float]]
    energy_outside: Float[np.ndarray, " fingerprint"]

    @property
    def parameters(self):
        """m0s, T1 and T2f."""
        return next(iter(self.held_out.values())).parameters

    def image(self, plane: Plane, snr: float, method: str, quantity: str, name: str) -> Float[np.ndarray, "x y"]:
        """A quantity of one parameter, such as `bias`, `std` or `crb_std`, over the plane's first and second axis."""
        evaluation = self.planes[plane.name, snr][method]
        values = getattr(evaluation, quantity)[:, evaluation.parameter_names.index(name)]
        return values.reshape(self.n_grid, self.n_grid)


def with_finite_bounds(samples: TrainingSet) -> TrainingSet:
    """The fingerprints at which all estimated parameters have a finite bound."""
    columns = [samples.model.parameter_names.index(name) for name in ESTIMATED]
    return samples.take(np.flatnonzero(np.isfinite(samples.bound[:, columns]).all(axis=1)))


def held_out_snrs(n_samples: int, *, key: Array) -> Float[np.ndarray, " truth"]:
    """An SNR for each fingerprint, uniform as in training."""
    return np.asarray(jax.random.uniform(key, (n_samples,), minval=SNR_RANGE[0], maxval=SNR_RANGE[1]))


def evaluate_held_out(
    networks: Mapping[str, NetworkEstimator],
    samples: TrainingSet,
    snrs: Float[np.ndarray, " truth"],
    n_draws: int,
    *,
    key: Array,
    progress: Progress | None = None,
) -> dict[str, Evaluation]:
    """Every network on the same noisy fingerprints; all are of one prior that no training drew from before."""
    return _evaluate_all(
        networks, samples.parameters, (samples.signals, samples.bound), 1.0 / snrs, n_draws, key, "held-out", progress
    )


def plane_signals(
    model: AbstractSignalModel, points: Float[np.ndarray, "truth parameter"]
) -> tuple[Complex[np.ndarray, "truth coefficient"], Float[np.ndarray, "truth parameter"]]:
    """Signals at M0 = 1 and bounds at σ = 1 of all points."""
    signals, jacobian = model.signal_and_jacobian(np.asarray(points, np.float32))
    return np.asarray(signals), bound_from_jacobian(signals, jacobian, has_complex_amplitude=True)


def evaluate_plane(
    networks: Mapping[str, NetworkEstimator],
    points: Float[np.ndarray, "truth parameter"],
    known: tuple[np.ndarray, np.ndarray],
    snr: float,
    n_draws: int,
    *,
    key: Array,
    progress: Progress | None = None,
) -> dict[str, Evaluation]:
    """Every network on the same noisy measurements of a grid; `known` is from `plane_signals`."""
    sigma = np.full(len(points), 1.0 / snr)
    return _evaluate_all(networks, points, known, sigma, n_draws, key, f"grids, SNR {snr:g}", progress)


def _evaluate_all(networks, truths, known, sigma, n_draws, key, stage, progress) -> dict[str, Evaluation]:
    signals, unit_bound = known
    bound = np.asarray(unit_bound, np.float64) * np.square(sigma)[:, None]
    noise = ComplexGaussian(sigma.astype(np.float32))
    evaluations = {}
    for done, (name, network) in enumerate(networks.items(), start=1):
        evaluations[name] = evaluate(
            network, network.model, noise, truths, n_draws, key, signals=signals, bound=bound, chunk_size=65_536
        )
        if progress is not None:
            progress(ProgressEvent(stage, done, len(networks), name))
    return evaluations


def squared_error(evaluation: Evaluation) -> Float[np.ndarray, "truth parameter"]:
    """CRB-weighted squared error, squared bias and variance together: MSE-CRB of each fingerprint and parameter."""
    return evaluation.weighted_squared_bias + evaluation.weighted_variance


def squared_bias(evaluation: Evaluation) -> Float[np.ndarray, "truth parameter"]:
    """(E[x̂] − x)² in the parameter's unit squared, right on average for any number of draws."""
    return evaluation.weighted_squared_bias * np.square(evaluation.crb_std)


def spread_mismatch(evaluation: Evaluation) -> Float[np.ndarray, "truth parameter"]:
    """|√(variance/CRB) − 1|: how far the standard deviation is from the bound's."""
    return np.abs(np.sqrt(evaluation.weighted_variance) - 1.0)


def interval(evaluation: Evaluation, quantity: Callable[[Evaluation], np.ndarray], name: str | None) -> Interval:
    """Bootstrap interval over truths of the mean of a quantity of one parameter, or of all three."""
    values = quantity(evaluation)
    column = values.mean(axis=1) if name is None else values[:, evaluation.parameter_names.index(name)]
    return bootstrap_interval(column)


def ratio(
    first: Evaluation, second: Evaluation, quantity: Callable[[Evaluation], np.ndarray], name: str
) -> Interval:  # fmt: skip
    """Mean of the first over mean of the second, with a paired bootstrap interval."""
    columns = [quantity(of)[:, of.parameter_names.index(name)] for of in (first, second)]
    return bootstrap_interval(np.stack(columns, axis=1), lambda means: means[:, 0] / means[:, 1])


def share_of_bias(evaluation: Evaluation, name: str) -> Interval:
    """What share of the CRB-weighted squared error is squared bias: the error of approximation, not of noise."""
    column = evaluation.parameter_names.index(name)
    parts = np.stack([evaluation.weighted_squared_bias[:, column], squared_error(evaluation)[:, column]], axis=1)
    return bootstrap_interval(parts, lambda means: means[:, 0] / means[:, 1])


def summary(results: StudyResults) -> dict[str, Any]:
    """All numbers by place (held-out fingerprints, each grid at each SNR), method and parameter; intervals are 95 %."""
    places: dict[str, Evaluations] = {HELD_OUT: results.held_out}
    places |= {f"{plane}, SNR {snr:g}": evaluations for (plane, snr), evaluations in results.planes.items()}
    return {
        "results": {
            place: {method: _numbers(evaluation) for method, evaluation in evaluations.items()}
            for place, evaluations in places.items()
        },
        "trainings": {
            name: dict(results.trainings[name]) | {"history": results.histories[name]} for name in results.trainings
        },
        "energy_outside_basis": {
            "mean": float(results.energy_outside.mean()),
            "largest": float(results.energy_outside.max()),
        }
        if results.energy_outside.size
        else None,
    }


_QUANTITIES: dict[str, Callable[[Evaluation], np.ndarray]] = {
    "mse_crb": squared_error,
    "weighted_squared_bias": lambda evaluation: evaluation.weighted_squared_bias,
    "weighted_variance": lambda evaluation: evaluation.weighted_variance,
    "spread_mismatch": spread_mismatch,
}


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    slopes = bias_slope(evaluation)
    numbers: dict[str, Any] = {}
    for column, name in enumerate(evaluation.parameter_names):
        numbers[name] = {key: interval(evaluation, of, name)._asdict() for key, of in _QUANTITIES.items()} | {
            "median_mse_crb": float(np.median(squared_error(evaluation)[:, column])),
            "share_of_bias": share_of_bias(evaluation, name)._asdict(),
            "root_mean_squared_bias": root(squared_bias(evaluation)[:, column]),
            "root_mean_variance": root(np.square(evaluation.std[:, column])),
            "root_mean_crb": root(np.square(evaluation.crb_std[:, column])),
            "bias_slope": float(slopes[column]) if np.isfinite(slopes[column]) else None,
        }
    numbers["mean"] = {key: interval(evaluation, of, None)._asdict() for key, of in _QUANTITIES.items()}
    return numbers


def root(values: Float[np.ndarray, " truth"] | Sequence[float]) -> float:
    """Root of the mean; 0 if the mean of noise-corrected squares is negative."""
    return float(np.sqrt(max(float(np.mean(values)), 0.0)))
