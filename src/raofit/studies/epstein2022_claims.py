"""The statements of Epstein et al. (2022), each as a test on our numbers with a verdict."""

import dataclasses
from typing import Literal

import numpy as np

from raofit.evaluation.tables import Curve, bias_slope, summarize
from raofit.studies.epstein2022 import CONVENTIONAL, SHOWN, TITLES
from raofit.studies.epstein2022_results import StudyResults

Verdict = Literal["supported", "partly supported", "not supported"]

TRUTH, RICIAN, GAUSSIAN, SELF, HYBRID = (
    "supervised-gt",
    "supervised-mle-rician",
    "supervised-mle-gaussian",
    "self-supervised",
    "hybrid",
)
COMPARED = (CONVENTIONAL, RICIAN, GAUSSIAN, SELF, TRUTH)  # the five curves of figures 2 and 3
CLEAR_SLOPE = -0.2  # a fifth of all differences between tissues lost
LOW_SLOW, HIGH_SLOW = 1, 8  # grid values of D_slow the paper looks at: 0.69 and 2.71


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper and what our numbers say.

    Parameters
    ----------
    number : as in the project's fact sheet.
    statement : what the paper says.
    test : what was checked, so that anybody can disagree.
    verdict : outcome over all checks.
    numbers : the figures it rests on.
    reason : why a claim is not, or only partly, supported; empty for a supported one.
    """

    number: int
    statement: str
    test: str
    verdict: Verdict
    numbers: str
    reason: str = ""

    @property
    def is_supported(self) -> bool:
        """Whether every check passed."""
        return self.verdict == "supported"


def judge(checks: list[bool]) -> Verdict:
    """All, some or none of the checks passed."""
    return "supported" if all(checks) else "partly supported" if any(checks) else "not supported"


def all_claims(results: StudyResults) -> list[Claim]:
    """The seven claims in order; results must hold SNR 15 and 30."""
    return [
        claim_slope(results),
        claim_spread(results),
        claim_rician_labels(results),
        claim_better_than_labels(results),
        claim_tuning(results),
        claim_planes(results),
        claim_same_information(results),
    ]


def claim_slope(results: StudyResults) -> Claim:
    """Supervised-truth compresses the parameter space; the others much less."""
    checks, parts = [], []
    for snr in sorted(results.evaluations):
        slopes = {name: _shown(bias_slope(results.evaluations[snr][name]), results, snr) for name in COMPARED}
        for column, parameter in enumerate(SHOWN):
            of_truth = slopes[TRUTH][column]
            others = {name: slopes[name][column] for name in COMPARED if name != TRUTH}
            checks.append(of_truth < CLEAR_SLOPE and all(abs(slope) < 0.5 * abs(of_truth) for slope in others.values()))
            text = ", ".join(f"{TITLES[name]} {slope:+.2f}" for name, slope in others.items())
            parts.append(f"SNR {snr:g}, {parameter}: truth labels {of_truth:+.2f}; {text}{_mark(checks[-1])}")
    return Claim(
        1,
        "The bias of the network trained on the truth falls steeply with the true value in f, D_slow and D_fast; "
        "conventional fitting, MLE-labeled and self-supervised networks are much flatter.",
        f"Slope of bias below {CLEAR_SLOPE} with truth labels, and less than half as steep with each of the others, "
        "for each parameter and SNR.",
        judge(checks),
        _sentences(parts),
    )


def claim_spread(results: StudyResults) -> Claim:
    """Supervised-truth has the least std and RMSE."""
    checks, parts = [], []
    for snr in sorted(results.evaluations):
        tables = {name: summarize(results.evaluations[snr][name]) for name in COMPARED}
        for parameter in SHOWN:
            for quantity in ("mean_std", "mean_rmse"):
                values = {name: table[parameter][quantity] for name, table in tables.items()}
                best = min(values, key=values.__getitem__)
                checks.append(best == TRUTH)
                runner_up = min((name for name in values if name != TRUTH), key=values.__getitem__)
                parts.append(
                    f"SNR {snr:g}, {quantity.removeprefix('mean_')} of {parameter}: truth labels "
                    f"{_value(values[TRUTH], parameter)}, next {TITLES[runner_up]} "
                    f"{_value(values[runner_up], parameter)}{_mark(checks[-1])}"
                )
    return Claim(
        2,
        "The network trained on the truth has the lowest standard deviation and RMSE in all three parameters, at both "
        "SNRs.",
        "Mean std and mean RMSE over the grid, least of the five methods of figures 2 and 3.",
        judge(checks),
        _sentences(parts),
    )


def claim_rician_labels(results: StudyResults) -> Claim:
    """Rician labels help where the signal drowns in noise: high D_slow, low SNR."""
    gaps = {}
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (RICIAN, GAUSSIAN, SELF))
        upper = results.grid.axes["D_slow"] > np.quantile(results.grid.axes["D_slow"], 2 / 3)
        gaps[snr] = {name: float(np.mean(np.abs(of["D_slow"].bias[upper]))) for name, of in curves.items()}
    low, high = min(gaps), max(gaps)
    checks = []
    for name in (GAUSSIAN, SELF):
        checks.append(gaps[low][RICIAN] < gaps[low][name])
        checks.append(abs(gaps[high][name] - gaps[high][RICIAN]) < abs(gaps[low][name] - gaps[low][RICIAN]))
    parts = [
        f"SNR {snr:g}: " + ", ".join(f"{TITLES[name]} {_value(value, 'D_slow')}" for name, value in of.items())
        for snr, of in gaps.items()
    ]
    return Claim(
        3,
        "At high D_slow and SNR 15, Rician MLE labels give less bias than Gaussian MLE labels and than "
        "self-supervision; the difference shrinks at SNR 30.",
        "Mean |bias| of the marginal D_slow curve over its upper third: smaller with Rician labels at SNR 15, and the "
        "gap smaller at SNR 30.",
        judge(checks),
        _sentences(parts),
    )


def claim_better_than_labels(results: StudyResults) -> Claim:
    """The network is more precise than the fits it was trained on."""
    checks, parts = [], []
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (RICIAN, CONVENTIONAL))
        for parameter in SHOWN:
            network, fit = curves[RICIAN][parameter], curves[CONVENTIONAL][parameter]
            shares = [float(np.mean(getattr(network, q) <= getattr(fit, q))) for q in ("std", "rmse")]
            checks.append(min(shares) > 0.5)
            parts.append(
                f"SNR {snr:g}, {parameter}: std no larger at {shares[0]:.0%} and RMSE at {shares[1]:.0%} of the true "
                f"values{_mark(checks[-1])}"
            )
    return Claim(
        4,
        "The network trained on Rician MLE labels has no larger std and RMSE than conventional Rician fitting over "
        "most of the range.",
        "Share of the ten values of each marginal curve where it is no larger: more than half, for std and RMSE.",
        judge(checks),
        _sentences(parts),
    )


def claim_tuning(results: StudyResults) -> Claim:
    """Weights and blends tune the estimator."""
    snr = min(results.evaluations)
    tables = {name: summarize(of) for name, of in results.evaluations[snr].items()}
    plain, weighted = tables[RICIAN]["D_fast"], tables["weighted-D_fast"]["D_fast"]
    checks = [weighted[quantity] < plain[quantity] for quantity in ("mean_abs_bias", "mean_std")]
    parts = [
        "D_fast weighted: "
        + ", ".join(
            f"mean {word} {_value(plain[quantity], 'D_fast')} → {_value(weighted[quantity], 'D_fast')}{_mark(check)}"
            for word, quantity, check in zip(("|bias|", "std"), ("mean_abs_bias", "mean_std"), checks, strict=True)
        )
    ]
    for parameter in SHOWN:
        for word, quantity in (("slope", "bias_slope"), ("std", "mean_std")):
            ends = sorted(tables[name][parameter][quantity] for name in (TRUTH, RICIAN))
            middle = tables[HYBRID][parameter][quantity]
            checks.append(ends[0] <= middle <= ends[1])
            show = (lambda value, _: f"{value:+.2f}") if word == "slope" else _value
            parts.append(
                f"hybrid, {word} of {parameter}: {show(middle, parameter)} between {show(ends[0], parameter)} and "
                f"{show(ends[1], parameter)}{_mark(checks[-1])}"
            )
    return Claim(
        5,
        "Weighting D_fast alone brings a small gain in both bias and std of D_fast; the hybrid of both labels lies "
        "between its parents.",
        f"SNR {snr:g}: mean |bias| and mean std of D_fast both smaller when weighted; slope of bias and mean std of "
        "the hybrid between those of truth labels and Rician MLE labels, for each parameter.",
        judge(checks),
        _sentences(parts),
    )


def claim_planes(results: StudyResults) -> Claim:
    """Which label has less bias in D_slow depends on D_slow, everywhere in the plane of the others."""
    snr = min(results.evaluations)
    shares = []
    for index in (LOW_SLOW, HIGH_SLOW):
        bias = {name: _plane_bias(results, snr, name, index) for name in (TRUTH, RICIAN)}
        shares.append(float(np.mean(np.abs(bias[TRUTH]) > np.abs(bias[RICIAN]))))
    values = 1e3 * results.grid.axes["D_slow"][[LOW_SLOW, HIGH_SLOW]]
    return Claim(
        6,
        "At D_slow = 0.69 truth labels give a larger |bias| of D_slow over the whole plane of f and D_fast; at 2.71 "
        "a smaller one.",
        f"SNR {snr:g}: share of the 100 points of the plane with the larger |bias|: at least 95 % at 0.69, at most 5 % "
        "at 2.71.",
        judge([shares[0] >= 0.95, shares[1] <= 0.05]),
        f"Larger with truth labels at {shares[0]:.0%} of the points at D_slow = {values[0]:.2f} and at {shares[1]:.0%} "
        f"at {values[1]:.2f} (10⁻³ mm²/s).",
    )


def claim_same_information(results: StudyResults) -> Claim:
    """Self-supervision is MLE-labeled training in disguise."""
    checks, parts = [], []
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (GAUSSIAN, SELF, TRUTH))
        for parameter in SHOWN:
            near = _distance(curves[GAUSSIAN][parameter], curves[SELF][parameter])
            far = _distance(curves[GAUSSIAN][parameter], curves[TRUTH][parameter])
            checks.append(near < 0.5 * far)
            parts.append(
                f"SNR {snr:g}, {parameter}: {_value(near, parameter)} apart, against {_value(far, parameter)} to truth "
                f"labels{_mark(checks[-1])}"
            )
    return Claim(
        7,
        "Training on Gaussian MLE labels and self-supervision give the same estimator but for the weighting of the "
        "parameters.",
        "Mean distance of their marginal bias and std curves, less than half of the distance between Gaussian MLE "
        "labels and truth labels.",
        judge(checks),
        _sentences(parts),
    )


def _plane_bias(results: StudyResults, snr: float, name: str, index: int) -> np.ndarray:
    evaluation = results.evaluations[snr][name]
    bias = evaluation.bias[:, evaluation.parameter_names.index("D_slow")]
    return results.grid.marginal(bias, ("D_slow", "f", "D_fast"))[index]


def _distance(first: Curve, second: Curve) -> float:
    return float(np.mean(np.hypot(first.bias - second.bias, first.std - second.std)))


def _shown(values: np.ndarray, results: StudyResults, snr: float) -> list[float]:
    names = next(iter(results.evaluations[snr].values())).parameter_names
    return [float(values[names.index(parameter)]) for parameter in SHOWN]


def _value(value: float, parameter: str) -> str:
    return f"{value:.3f}" if parameter == "f" else f"{1e3 * value:.3g}·10⁻³ mm²/s"


def _mark(passed: bool) -> str:
    return "" if passed else " (fails)"


def _sentences(parts: list[str]) -> str:
    return "; ".join(parts) + "."
