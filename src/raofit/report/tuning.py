"""The choice of `raofit compare --tune`, in sentences, a table and a figure."""

from matplotlib.figure import Figure as MatplotlibFigure

from raofit.evaluation.objective import Found, Measure
from raofit.recipes.tuning import Tuning
from raofit.report.blocks import Badge, Cell, Figure, Paragraph, Section, Table

TUNING = "tune"
_WORDS = {
    "rmse": "root mean squared error of {}",
    "bias": "root mean squared bias of {}",
    "std": "standard deviation of {}",
    "worst-bias": "largest bias of {}",
    "variance": "mean variance of {}",
    "mse-crb": "CRB-weighted mean squared error of {}",
}
_CAPTION = (
    "What the candidates cost. Bars are two Monte Carlo standard errors; the ring is the chosen candidate, "
    "hollow marks are beyond a limit (dashed line). On the right, squared bias and variance in units of the "
    "Cramér-Rao bound, means over truths and SNRs."
)
_EXPLAINED = (
    "All candidates were trained on the same measurements (labels fitted once) from the same start, and measured at "
    "the same truths and noise, which no training saw. Errors are those of the finite number of noise draws, by the "
    "jackknife over ten blocks of them; another training seed or other truths move the numbers further. Candidates "
    "whose difference from the best one is below two standard errors are not told apart, and the simplest is chosen."
)


def verdicts(tuning: Tuning) -> list[str]:
    """What was chosen and why, and what should give pause."""
    choice, objective = tuning.choice, tuning.objective
    chosen = choice.outcomes[choice.chosen]
    limited = [
        f"{measured(tuning, limit.measure, found)} (at most {limit.largest:g})"
        for limit, found in zip(objective.limits, chosen.limited, strict=True)
    ]
    within = f", {' and '.join(limited)}" if limited else ""
    found = [f"Chosen: {choice.chosen}, {measured(tuning, objective.measure, chosen.objective)}{within}."]
    others = [name for name in choice.alike if name != choice.chosen]
    if others:
        n_repeats = tuning.comparison.evaluations[tuning.comparison.middle_snr][choice.chosen].n_repeats
        found.append(
            f"{n_repeats} noise draws per truth cannot tell it from {', '.join(others)}; the simplest is chosen."
        )
    if choice.chosen != choice.best:
        excess = choice.outcomes[choice.chosen].excess
        found.append(f"{choice.best} has the least, by {excess}.")
    n_beyond = sum(not outcome.is_within for outcome in choice.outcomes.values())
    if n_beyond:
        found.append(f"{n_beyond} of {len(choice.outcomes)} candidates are beyond a limit.")
    if any(of.value + 2 * of.error > limit.largest for limit, of in zip(objective.limits, chosen.limited, strict=True)):
        found.append("It is within its Monte Carlo error of a limit: more --repeats would tell on which side.")
    found += _at_an_end(tuning)
    return found


def measured(tuning: Tuning, measure: Measure, found: Found) -> str:
    """`root mean squared error of f 0.0812 ± 0.0003`."""
    of = measure.parameter or "all parameters"
    units = {parameter.name: parameter.unit for parameter in tuning.comparison.parameters}
    unit = measure.unit(units.get(measure.parameter or "", ""))
    return f"{_WORDS[measure.quantity].format(of)} {found}{f' {unit}' if unit else ''}"


def tuning_section(tuning: Tuning, figure: MatplotlibFigure) -> Section:
    """The section on the page of the comparison."""
    alt = f"{_CAPTION} The numbers are in the table."
    paragraphs = [Paragraph(text) for text in verdicts(tuning)]
    blocks = [*paragraphs, Figure(figure, _CAPTION, alt), _table(tuning), Paragraph(_EXPLAINED)]
    return Section(f"The choice for {tuning.objective}", blocks)


def _at_an_end(tuning: Tuning) -> list[str]:
    """Whether the best is the first or last value of a knob that has more beyond."""
    values = {knob: value for one in tuning.candidates if one.name == tuning.choice.best for knob, value in one.values}
    found = []
    for axis in tuning.axes:
        tried, value = sorted({dict(one.values)[axis.knob] for one in tuning.candidates}), values[axis.knob]
        is_last = value == tried[-1] and not (axis.knob == "alpha" and value == 1.0)
        if len(tried) > 1 and (is_last or (value == tried[0] and value > 0.0)):
            end = "largest" if is_last else "smallest"
            found.append(f"The best {axis.knob} is the {end} that was tried: a better one may lie beyond.")
    return found


def _table(tuning: Tuning) -> Table:
    measures = tuning.objective.measures
    units = {parameter.name: parameter.unit for parameter in tuning.comparison.parameters}
    heads = [
        f"{measure}" + (f" ({unit})" if (unit := measure.unit(units.get(measure.parameter or "", ""))) else "")
        for measure in measures
    ]
    rows: list[list[Cell]] = []
    for one in tuning.candidates:
        outcome = tuning.choice.outcomes[one.name]
        squared_bias, variance = tuning.moments[one.name]
        excess = str(outcome.excess) if outcome.is_within else ""
        rows.append(
            [
                one.name,
                str(outcome.objective),
                *map(str, outcome.limited),
                squared_bias,
                variance,
                excess,
                _verdict(tuning, one.name),
            ]
        )
    header = ("candidate", *heads, "bias² / CRB", "variance / CRB", "above the least", "verdict")
    return Table(header, rows, "Candidates, with Monte Carlo standard errors; means over truths and SNRs.")


def _verdict(tuning: Tuning, name: str) -> Badge:
    outcome = tuning.choice.outcomes[name]
    if name == tuning.choice.chosen:
        return Badge("chosen", "good")
    if not outcome.is_within:
        return Badge("beyond a limit", "warning")
    return Badge("as good" if outcome.is_alike else "worse", "plain")
