"""Tuning: train candidates, measure all of them at the same truths and noise, choose, and look closer at the best."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.blocks import replicates
from raofit.evaluation.comparison import Comparison
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.objective import Choice, Measure, Objective, choose
from raofit.recipes.candidates import Axis, Candidate, candidates, refined

Blocks = dict[float, dict[str, list[Evaluation]]]
Train = Callable[[Candidate], NetworkEstimator]
Evaluate = Callable[[Mapping[str, NetworkEstimator]], Blocks]


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Candidates, what they cost, and which one was chosen.

    Parameters
    ----------
    axes : the knobs.
    candidates : in the order of their values.
    objective : what was to be small.
    comparisons : see `raofit.evaluation.blocks.replicates`; the first one has all candidates and references.
    networks : `{candidate: network}`.
    """

    axes: tuple[Axis, ...]
    candidates: tuple[Candidate, ...]
    objective: Objective
    comparisons: tuple[Comparison, ...]
    networks: Mapping[str, NetworkEstimator]

    @property
    def comparison(self) -> Comparison:
        """Of all noise draws."""
        return self.comparisons[0]

    @cached_property
    def choice(self) -> Choice:
        """The simplest of the best."""
        return choose(self.objective, self.comparisons, {one.name: one.simplicity for one in self.candidates})

    def of(self, measure: Measure) -> dict[str, float]:
        """A measure of every candidate."""
        return {one.name: measure.of(self.comparison, one.name) for one in self.candidates}

    @cached_property
    def moments(self) -> dict[str, tuple[float, float]]:
        """(squared bias, variance) of every candidate in units of the bound, of the objective's parameter."""
        parameter = self.objective.measure.parameter
        variance, error = (self.of(Measure(quantity, parameter)) for quantity in ("variance", "mse-crb"))
        return {name: (error[name] - variance[name], variance[name]) for name in variance}

    def columns(self) -> dict[str, np.ndarray]:
        """One row per candidate, for a file."""
        rows = []
        for one in self.candidates:
            outcome = self.choice.outcomes[one.name]
            row: dict[str, object] = {"candidate": one.name} | dict(one.values)
            of_measures = zip(self.objective.measures, (outcome.objective, *outcome.limited), strict=True)
            for measure, found in of_measures:
                row |= {str(measure): found.value, f"{measure}_error": found.error}
            squared_bias, variance = self.moments[one.name]
            row |= {
                "squared_bias": squared_bias, "variance": variance, "is_within_limits": outcome.is_within,
                "excess": outcome.excess.value, "excess_error": outcome.excess.error,
                "is_like_the_best": outcome.is_alike, "is_chosen": one.name == self.choice.chosen,
            }  # fmt: skip
            rows.append(row)
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def tune(
    axes: Sequence[Axis],
    objective: Objective,
    train: Train,
    evaluate: Evaluate,
    names: Sequence[str],
    *,
    references: Blocks,
    n_refinements: int = 0,
) -> Tuning:
    """Choose among all combinations of the values, `n_refinements` times with what lies half way around the best.

    Parameters
    ----------
    train : from a candidate to its network.
    evaluate : blocks of evaluations of some networks, always with the same truths and noise.
    names : the compared parameters; see `compared`.
    references : blocks of other estimators, which are compared but not chosen; `{SNR: {}}` for none.

    Raises
    ------
    UnmetLimitsError
        If no candidate is within the limits of the objective.
    """
    every: list[Candidate] = []
    networks: dict[str, NetworkEstimator] = {}
    blocks: Blocks = {snr: {} for snr in references}
    new = candidates(axes)
    for round_ in range(n_refinements + 1):
        fresh = {one.name: train(one) for one in new}
        for snr, found in evaluate(fresh).items():
            blocks[snr] |= found
        networks |= fresh
        every = sorted([*every, *new], key=lambda one: one.values)
        ordered = {snr: {one.name: of[one.name] for one in every} | references[snr] for snr, of in blocks.items()}
        tuning = Tuning(tuple(axes), tuple(every), objective, replicates(ordered, names), networks)
        best = next(one for one in every if one.name == tuning.choice.best)
        new = refined(axes, every, best)
        if round_ == n_refinements or not new:
            break
    return tuning
