"""Evaluation of every method on the paper's grid, and the numbers of `summary.json`."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool

from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.evaluation import Evaluation, Grid, evaluate, evaluation_grid
from raofit.evaluation.evaluate import Estimator
from raofit.evaluation.tables import Curve, bound_curves, constant_curves, constant_rmse, marginal_curves, summarize
from raofit.models import AbstractSignalModel
from raofit.noise import Rician
from raofit.studies.epstein2022 import CLIPPED, CONVENTIONAL, METHODS, RAISED, Size
from raofit.studies.epstein2022_labels import LabeledData
from raofit.studies.fixed_size_fit import BATCH


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """Everything the figures, the claims and the summary are made from.

    Parameters
    ----------
    grid : the 1000 points of the test set.
    evaluations : `{SNR: {method name: Evaluation}}`.
    label_bounds : `{SNR: {"rician" or "gaussian": {parameter name: share of labels on its bounds}}}`; the key "any"
        counts labels with at least one parameter on a bound.
    restart_losses : validation loss of each restart at the first SNR.
    """

    grid: Grid
    evaluations: Mapping[float, Mapping[str, Evaluation]]
    label_bounds: Mapping[float, Mapping[str, Mapping[str, float]]]
    restart_losses: np.ndarray

    def curves(self, snr: float, methods: Sequence[str]) -> dict[str, dict[str, Curve]]:
        """Marginal curves of some methods, in that order."""
        return {name: marginal_curves(self.evaluations[snr][name], self.grid) for name in methods}

    def bound(self, snr: float) -> dict[str, Curve]:
        """The marginal Cramér–Rao bound."""
        return bound_curves(next(iter(self.evaluations[snr].values())), self.grid)

    def constant(self) -> dict[str, Curve]:
        """The estimator that always answers the mean of the truths."""
        return constant_curves(self.grid)


@dataclasses.dataclass(frozen=True)
class Clipped:
    """An estimator whose values are cut to the fit bounds of its model."""

    estimator: Estimator
    model: AbstractSignalModel

    def estimate(self, measurements: np.ndarray) -> Estimate:
        """Estimates within the bounds."""
        found = self.estimator.estimate(measurements)
        low, high = np.array([parameter.bounds for parameter in self.model.parameters]).T
        return dataclasses.replace(found, values=np.clip(found.values, low, high))


def evaluate_methods(
    model: AbstractSignalModel,
    estimators: Mapping[str, Estimator],
    snr: float,
    size: Size,
    key: Array,
    *,
    progress: Progress | None = None,
) -> dict[str, Evaluation]:
    """Every estimator on the same noisy measurements of the grid."""
    noise, points = Rician(1.0 / snr), evaluation_grid(model).points
    noise_key = jax.random.fold_in(key, round(1000 * snr))
    evaluations = {}
    for done, (name, estimator) in enumerate(estimators.items()):
        evaluations[name] = evaluate(estimator, model, noise, points, size.n_repeats, noise_key, chunk_size=BATCH)
        if progress is not None:
            progress(ProgressEvent(f"evaluation, SNR {snr:g}", done + 1, len(estimators), name))
    return evaluations


def on_bounds(model: AbstractSignalModel, values: np.ndarray) -> Bool[np.ndarray, "signal parameter"]:
    """Which estimates lie on a fit bound, to 1e-5 of its width (1e-9 where there is no upper bound)."""
    low, high = np.array([parameter.bounds for parameter in model.parameters]).T
    tolerance = np.where(np.isfinite(high), 1e-5 * (high - low), 1e-9)
    return (values <= low + tolerance) | (values >= high - tolerance)


def label_bound_shares(model: AbstractSignalModel, data: LabeledData) -> dict[str, dict[str, float]]:
    """Share of both kinds of label on a bound, per parameter and for any parameter."""
    shares = {}
    for kind in data.estimates:
        values, status = data.joined(kind)
        at_bound = on_bounds(model, values)
        shares[kind] = {name: float(np.mean(at_bound[:, i])) for i, name in enumerate(model.parameter_names)}
        shares[kind]["any"] = float(np.mean(status == Status.AT_BOUND))
    return shares


def summary(results: StudyResults) -> dict:
    """`{SNR: {method: {parameter: numbers}}}` plus the error of the best constant answer.

    Every entry has bias_slope, mean_abs_bias, mean_std, mean_rmse, mean_crb_std, share_at_bound, share_failed, and
    `share_of_labels_on_bound`: of the labels the network was made from, or of the estimates for conventional fitting;
    null where there are none.
    """
    kinds = {method.name: method.target for method in METHODS}
    kinds |= {name: kinds[of] for name, of in CLIPPED.items()}
    by_snr = {}
    for snr, evaluations in results.evaluations.items():
        methods = {}
        for name, evaluation in evaluations.items():
            kind = "rician" if kinds.get(name) == "hybrid" else kinds.get(name)
            shares = results.label_bounds[snr].get(str(kind))
            methods[name] = summarize(evaluation)
            for parameter, numbers in methods[name].items():
                of_labels = (
                    numbers["share_at_bound"] if name in (CONVENTIONAL, RAISED) else shares and shares[parameter]
                )
                numbers["share_of_labels_on_bound"] = of_labels
        by_snr[f"{snr:g}"] = {"methods": methods, "labels_on_bound": results.label_bounds[snr]}
    return {"snr": by_snr, "constant_answer_rmse": constant_rmse(results.grid)}
