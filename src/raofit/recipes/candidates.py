"""Candidates of a tuning: recipes that differ in nothing but the share of labels, or the price of variance.

| knob | field of the recipe | 0 | 1 |
|---|---|---|---|
| alpha | `alpha`, with labels | plain training on the truth | plain training on the labels [epstein2022] |
| lambda | `variance_factor` | variance costs nothing | bias² and variance cost the same [mao2024] |
| delta | `tolerated_variance` | all variance counts | variance up to the bound is free [mao2024] |
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from raofit.core.errors import RaofitError
from raofit.recipes.training_recipe import LabelKind, TrainingRecipe

_FIELDS = {"alpha": "alpha", "lambda": "variance_factor", "delta": "tolerated_variance"}
KNOBS = tuple(_FIELDS)


@dataclasses.dataclass(frozen=True)
class Axis:
    """Values of one knob; with `is_log`, equal ratios are what refining halves.

    Raises
    ------
    RaofitError
        If the knob is unknown, or a value is one it cannot have.
    """

    knob: str
    values: tuple[float, ...]
    is_log: bool = False

    def __post_init__(self) -> None:
        if self.knob not in KNOBS:
            raise RaofitError(f"knob `{self.knob}`: expected one of {', '.join(KNOBS)}")
        object.__setattr__(self, "values", tuple(sorted({_short(value) for value in self.values})))
        highest = 1.0 if self.knob == "alpha" else np.inf
        wrong = [value for value in self.values if not (0.0 <= value <= highest and np.isfinite(value))]
        if wrong:
            expected = "a share from 0 to 1" if self.knob == "alpha" else "a finite number of 0 or more"
            raise RaofitError(f"{self.knob}: expected {expected}, got {wrong[0]:g}")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A value for each knob, in the order of `KNOBS`."""

    values: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """`alpha=0.25`, or `lambda=0.1,delta=1`."""
        return ",".join(f"{knob}={value:g}".replace("e+", "e") for knob, value in self.values)

    @property
    def simplicity(self) -> int:
        """0 for the simplest: a plain training on truth (α = 0) or on labels (1); plain squared errors (λ = 1, δ = 0),
        the publication's λ = δ = 1 (1).
        """
        of = dict(self.values)
        if "alpha" in of:
            return {0.0: 0, 1.0: 1}.get(of["alpha"], 2)
        if of.get("lambda", 1.0) != 1.0:
            return 2
        return {0.0: 0, 1.0: 1}.get(of.get("delta", 0.0), 2)

    def recipe(self, base: TrainingRecipe, labels: LabelKind = "truth") -> TrainingRecipe:
        """The recipe with these values: at α = 0 that of the truth, at α > 0 that of `labels`."""
        of = dict(self.values)
        changes = {_FIELDS[knob]: value for knob, value in of.items()}
        if "alpha" not in of:
            return dataclasses.replace(base, **changes)
        plain = {"labels": "truth", "alpha": TrainingRecipe.alpha}
        return dataclasses.replace(base, **(plain if of["alpha"] == 0.0 else {"labels": labels} | changes))


def candidates(axes: Sequence[Axis]) -> list[Candidate]:
    """Every combination of the values.

    Raises
    ------
    RaofitError
        If a knob is there twice, α is combined with another one, or there are fewer than 2 combinations.

    Examples
    --------
    >>> [one.name for one in candidates([Axis("lambda", (0.1, 1.0)), Axis("delta", (1.0,))])]
    ['lambda=0.1,delta=1', 'lambda=1,delta=1']
    """
    knobs = [axis.knob for axis in axes]
    twice = [knob for knob in KNOBS if knobs.count(knob) > 1]
    if twice:
        raise RaofitError(f"{twice[0]}: given twice; give the values of a knob once")
    if "alpha" in knobs and len(knobs) > 1:
        raise RaofitError(
            "alpha belongs to trainings on labels, lambda and delta to trainings with several noise draws per sample, "
            "which labels do not have; tune one of the two"
        )
    ordered = sorted(axes, key=lambda axis: KNOBS.index(axis.knob))
    found = [
        Candidate(tuple(zip([axis.knob for axis in ordered], values, strict=True)))
        for values in itertools.product(*(axis.values for axis in ordered))
    ]
    if len(found) < 2:
        raise RaofitError(f"expected 2 candidates or more to choose from, got {len(found)}")
    return found


def refined(axes: Sequence[Axis], tried: Iterable[Candidate], best: Candidate) -> list[Candidate]:
    """New candidates half way between the best one and its neighbors, knob by knob."""
    known, found = set(tried), []
    for axis in axes:
        of = dict(best.values)
        line = sorted(
            dict(other.values)[axis.knob]
            for other in known
            if dict(other.values) | {axis.knob: None} == of | {axis.knob: None}
        )
        index = line.index(of[axis.knob])
        for neighbor in (*line[max(index - 1, 0) : index], *line[index + 1 : index + 2]):
            pair = of[axis.knob], neighbor
            middle = np.sqrt(pair[0] * pair[1]) if axis.is_log and min(pair) > 0 else sum(pair) / 2
            new = Candidate(tuple((of | {axis.knob: _short(middle)}).items()))
            if new not in known:
                found.append(new)
    return found


def _short(value: float) -> float:
    """Six digits, which is what the name states."""
    return float(f"{value:.6g}")
