"""What a user wants least of, within limits, and which estimator has it: with the Monte Carlo error of the choice.

All measures are over all truths and SNRs of a comparison, b being the Cramér–Rao bound at each of them:

| quantity | formula | unit |
|---|---|---|
| rmse | √mean (bias² + std²) | the parameter's |
| bias | √mean bias² | the parameter's |
| std | √mean std² | the parameter's |
| worst-bias | max abs(bias)/√b | √CRB |
| variance | mean std²/b | CRB |
| mse-crb | mean (bias² + std²)/b | CRB |

In bias² and std² the share of the finite number of noise draws is corrected for, but in the largest bias it is not.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from raofit.core.errors import RaofitError
from raofit.evaluation.blocks import jackknife_error
from raofit.evaluation.comparison import Comparison
from raofit.evaluation.evaluate import Evaluation

Quantity = Literal["rmse", "bias", "std", "worst-bias", "variance", "mse-crb"]
QUANTITIES: tuple[Quantity, ...] = typing.get_args(Quantity)
OF_THE_BOUND: tuple[Quantity, ...] = ("worst-bias", "variance", "mse-crb")  # in its units, so of several parameters too
_ALIKE = 2.0  # standard errors of a difference below which two candidates are not told apart


class UnmetLimitsError(RaofitError):
    """No candidate is within the limits of an objective."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """One number of an estimator.

    Parameters
    ----------
    quantity : see the module.
    parameter : its name; None for all compared parameters, of those quantities that are in units of the bound.

    Raises
    ------
    RaofitError
        If the quantity is unknown, or has a unit and no parameter.
    """

    quantity: Quantity
    parameter: str | None = None

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise RaofitError(f"`{self.quantity}`: expected one of {', '.join(QUANTITIES)}")
        if self.parameter is None and not self.is_relative:
            raise RaofitError(f"`{self.quantity}`: of which parameter? Write {self.quantity}:NAME")

    @property
    def is_relative(self) -> bool:
        """Whether it is in units of the bound, whatever the parameter's unit."""
        return self.quantity in OF_THE_BOUND

    def unit(self, of_parameter: str) -> str:
        """Its unit, given that of the parameter."""
        if not self.is_relative:
            return "" if of_parameter == "1" else of_parameter
        return "√CRB" if self.quantity == "worst-bias" else "CRB"

    def of(self, comparison: Comparison, method: str) -> float:
        """The number of an estimator of the comparison."""
        at_snrs = [by_method[method] for by_method in comparison.evaluations.values()]
        values = np.concatenate([self._at_truths(evaluation) for evaluation in at_snrs])
        if self.quantity == "worst-bias":
            return float(np.max(values))
        mean = float(np.mean(values))
        return mean if self.is_relative else float(np.sqrt(max(mean, 0.0)))

    def _at_truths(self, of: Evaluation) -> np.ndarray:
        """What is averaged, or what the largest is taken of (truth, parameter)."""
        columns = slice(None) if self.parameter is None else [of.parameter_names.index(self.parameter)]
        bound = np.square(of.crb_std)
        values = {
            "rmse": lambda: np.square(of.rmse),
            "bias": lambda: of.weighted_squared_bias * bound,
            "std": lambda: of.weighted_variance * bound,
            "worst-bias": lambda: np.abs(of.bias) / of.crb_std,
            "variance": lambda: of.weighted_variance,
            "mse-crb": lambda: of.weighted_squared_bias + of.weighted_variance,
        }[self.quantity]()
        return values[:, columns]

    def __str__(self) -> str:
        return self.quantity if self.parameter is None else f"{self.quantity}:{self.parameter}"


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a measure may be at most."""

    measure: Measure
    largest: float

    def __post_init__(self) -> None:
        if not 0.0 < self.largest < np.inf:
            raise RaofitError(f"`{self.measure}<={self.largest:g}`: expected a finite limit above 0")

    def __str__(self) -> str:
        return f"{self.measure}<={self.largest:g}"


@dataclasses.dataclass(frozen=True)
class Objective:
    """The measure to have least of, within the limits."""

    measure: Measure
    limits: tuple[Limit, ...] = ()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is made small, then what is limited."""
        return (self.measure, *(limit.measure for limit in self.limits))

    def __str__(self) -> str:
        return ",".join(map(str, (self.measure, *self.limits)))


class Found(NamedTuple):
    """A number with its Monte Carlo standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.error:.1g}".replace("-", "\N{MINUS SIGN}")


class Outcome(NamedTuple):
    """One candidate: its objective, its limited measures, and its distance from the best candidate.

    `excess` is NaN for a candidate beyond a limit; `is_alike` says that it is below two standard errors.
    """

    objective: Found
    limited: tuple[Found, ...]
    is_within: bool
    excess: Found
    is_alike: bool


class Choice(NamedTuple):
    """The chosen candidate, the one with the least objective, and all outcomes."""

    chosen: str
    best: str
    outcomes: Mapping[str, Outcome]

    @property
    def alike(self) -> tuple[str, ...]:
        """Candidates that cannot be told from the best one, which is among them."""
        return tuple(name for name, outcome in self.outcomes.items() if outcome.is_alike)


def choose(objective: Objective, comparisons: Sequence[Comparison], simplicity: Mapping[str, int]) -> Choice:
    """The simplest of the candidates that cannot be told from the one with the least objective within the limits.

    Parameters
    ----------
    comparisons : see `replicates`.
    simplicity : `{candidate: rank}`, the simplest lowest; between equals the lesser objective decides.

    Raises
    ------
    UnmetLimitsError
        If no candidate is within the limits; says which comes closest.
    """
    values = {
        name: np.array([[measure.of(item, name) for item in comparisons] for measure in objective.measures])
        for name in simplicity
    }
    found = {name: [Found(float(row[0]), jackknife_error(row)) for row in rows] for name, rows in values.items()}
    largest = np.array([limit.largest for limit in objective.limits])
    within = [name for name in values if np.all(values[name][1:, 0] <= largest)]
    if not within:
        raise UnmetLimitsError(_closest(objective, found))
    best = min(within, key=lambda name: found[name][0].value)
    outcomes = {}
    for name, rows in values.items():
        difference = rows[0] - values[best][0]
        is_within = name in within
        excess = Found(float(difference[0]), jackknife_error(difference)) if is_within else Found(np.nan, np.nan)
        is_alike = is_within and excess.value <= _ALIKE * excess.error
        outcomes[name] = Outcome(found[name][0], tuple(found[name][1:]), is_within, excess, is_alike)
    alike = [name for name, outcome in outcomes.items() if outcome.is_alike]
    chosen = min(alike, key=lambda name: (simplicity[name], found[name][0].value))
    return Choice(chosen, best, outcomes)


def _closest(objective: Objective, found: Mapping[str, Sequence[Found]]) -> str:
    """The sentence for limits that nobody keeps: the candidate whose worst ratio to a limit is least."""

    def beyond(name: str) -> float:
        return max(of.value / limit.largest for of, limit in zip(found[name][1:], objective.limits, strict=True))

    name = min(found, key=beyond)
    limits = " and ".join(map(str, objective.limits))
    parts = zip(objective.limits, found[name][1:], strict=True)
    reached = " and ".join(f"{limit.measure} = {of}" for limit, of in parts)
    return f"no candidate has {limits}; the closest is {name} with {reached}"
