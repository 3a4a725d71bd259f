"""Several estimators at the same truths and noise: who errs how much in units of the bound, and who is beaten."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.weighted import WeightedSummary, weighted_summary

_ARRAYS = ("truths", "bias", "std", "n_usable", "share_at_bound", "crb_std")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Evaluations of the same truths by SNR and method; every SNR has the same methods.

    Parameters
    ----------
    evaluations : `{SNR: {method: Evaluation}}` of the same parameters, SNRs from low to high.
    n_left_out : truths without a finite bound, or without two estimates from each method; they are in no evaluation.
    """

    evaluations: Mapping[float, Mapping[str, Evaluation]]
    n_left_out: int = 0

    @property
    def snrs(self) -> tuple[float, ...]:
        """From low to high."""
        return tuple(self.evaluations)

    @property
    def middle_snr(self) -> float:
        """The one that sentences and maps are about."""
        return self.snrs[len(self.snrs) // 2]

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the estimators."""
        return tuple(self.evaluations[self.snrs[0]])

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The compared parameters."""
        return self.evaluations[self.snrs[0]][self.methods[0]].parameters

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def summaries(self) -> dict[float, dict[str, dict[str, WeightedSummary]]]:
        """`{SNR: {method: {parameter or OVERALL: WeightedSummary}}}`; all methods share their bootstrap resamples."""
        return {
            snr: {method: weighted_summary(of, self.names) for method, of in by_method.items()}
            for snr, by_method in self.evaluations.items()
        }

    def points(self, snr: float, name: str) -> dict[str, tuple[float, float]]:
        """(mean CRB-weighted squared bias, mean CRB-weighted variance) of each method."""
        of = self.summaries[snr]
        return {method: (of[method][name].squared_bias.value, of[method][name].variance.value) for method in of}


def compared(evaluations: Mapping[float, Mapping[str, Evaluation]], names: Sequence[str]) -> Comparison:
    """The comparison of parameters that every method estimates, at the truths where all of them can be compared.

    Parameters
    ----------
    evaluations : `{SNR: {method: Evaluation}}`, the same truths and methods at every SNR.
    names : the parameters of interest; those that some method does not estimate are left out.

    Raises
    ------
    RaofitError
        If no parameter is estimated by all, or fewer than 2 truths are left.
    """
    every = [of for by_method in evaluations.values() for of in by_method.values()]
    shared = tuple(name for name in names if all(name in of.parameter_names for of in every))
    if not shared:
        raise RaofitError("compare: expected a parameter that every estimator estimates, found none")
    usable = np.logical_and.reduce([_is_usable(of, shared) for of in every])
    if usable.sum() < 2:
        raise RaofitError(
            f"compare: expected 2 truths or more with a finite Cramér-Rao bound of {', '.join(shared)} and two "
            f"estimates from each estimator, found {usable.sum()} of {usable.size}"
        )
    kept = {
        snr: {method: _part(of, usable, shared) for method, of in evaluations[snr].items()}
        for snr in sorted(evaluations)
    }
    return Comparison(kept, n_left_out=int(np.sum(~usable)))


def better_in_both(points: Mapping[str, tuple[float, float]]) -> dict[str, list[str]]:
    """For each method those that have no more bias and no more variance, and less of one; none: it is on the frontier.

    Parameters
    ----------
    points : `{method: (squared bias, variance)}`; a squared bias below 0 is one that is not seen through the noise of
        its measurement, and counts as 0.
    """
    clipped = {method: (max(bias, 0.0), variance) for method, (bias, variance) in points.items()}
    return {
        method: [
            other for other, theirs in clipped.items() if theirs != own and theirs[0] <= own[0] and theirs[1] <= own[1]
        ]
        for method, own in clipped.items()
    }


def _is_usable(evaluation: Evaluation, names: Sequence[str]) -> Bool[np.ndarray, " truth"]:
    columns = [evaluation.parameter_names.index(name) for name in names]
    is_usable = np.isfinite(evaluation.crb_std[:, columns]) & (evaluation.n_usable[:, columns] >= 2)
    return np.all(is_usable, axis=1)


def _part(evaluation: Evaluation, chosen: Bool[np.ndarray, " truth"], names: Sequence[str]) -> Evaluation:
    """The chosen truths, and the named parameters."""
    columns = [evaluation.parameter_names.index(name) for name in names]
    return dataclasses.replace(
        evaluation,
        **{field: getattr(evaluation, field)[chosen][:, columns] for field in _ARRAYS},
        status_counts={status: counts[chosen] for status, counts in evaluation.status_counts.items()},
        parameters=tuple(evaluation.parameters[column] for column in columns),
    )
