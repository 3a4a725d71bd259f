"""The statements of Epstein et al. (2022), each as checks on our numbers with a verdict.

Numbers are in the units of the figures: diffusivities in 1e-3 mm²/s.
"""

import numpy as np

from raofit.evaluation.tables import Curve, bias_slope, summarize
from raofit.studies.claims import Check, Claim
from raofit.studies.epstein2022 import CONVENTIONAL, SHOWN, TITLES
from raofit.studies.epstein2022_results import StudyResults

TRUTH, RICIAN, GAUSSIAN, SELF, HYBRID = (
    "supervised-gt",
    "supervised-mle-rician",
    "supervised-mle-gaussian",
    "self-supervised",
    "hybrid",
)
COMPARED = (CONVENTIONAL, RICIAN, GAUSSIAN, SELF, TRUTH)  # the five curves of figures 2 and 3
CLEAR_SLOPE = -0.1  # a tenth of every difference between tissues lost
LOW_SLOW, HIGH_SLOW = 1, 8  # grid values of D_slow the paper looks at: 0.69 and 2.71


def all_claims(results: StudyResults) -> list[Claim]:
    """The seven claims in order; results must hold SNR 15 and 30."""
    claims = (
        claim_slope, claim_spread, claim_rician_labels, claim_better_than_labels, claim_tuning, claim_planes,
        claim_same_information,
    )  # fmt: skip
    return [claim(results) for claim in claims]


def claim_slope(results: StudyResults) -> Claim:
    """Supervised-truth compresses the parameter space; the others much less."""
    checks = []
    for snr in sorted(results.evaluations):
        slopes = {name: _shown(bias_slope(results.evaluations[snr][name]), results, snr) for name in COMPARED}
        for column, parameter in enumerate(SHOWN):
            of_truth = slopes[TRUTH][column]
            where = f"SNR {snr:g}, {parameter}"
            checks.append(
                Check(
                    f"{where}: truth labels, below {_minus(f'{CLEAR_SLOPE:g}')}",
                    _signed(of_truth),
                    of_truth < CLEAR_SLOPE,
                )
            )
            for name in COMPARED[:-1]:
                slope = slopes[name][column]
                numbers = f"{_signed(slope)} against {_signed(of_truth)}"
                is_flatter = abs(slope) < 0.5 * abs(of_truth)
                checks.append(Check(f"{where}: {TITLES[name]}, less than half as steep", numbers, is_flatter))
    return Claim(
        1,
        "The bias of the network trained on the truth falls clearly with the true value in f, D_slow and D_fast; "
        "conventional fitting, MLE-labeled and self-supervised networks are much flatter.",
        f"Slope of bias against truth over the grid: below {_minus(f'{CLEAR_SLOPE:g}')} with truth labels, and less "
        "than half as steep with each of the others.",
        tuple(checks),
    )


def claim_spread(results: StudyResults) -> Claim:
    """Supervised-truth has the least std and RMSE."""
    checks = []
    for snr in sorted(results.evaluations):
        tables = {name: summarize(results.evaluations[snr][name]) for name in COMPARED}
        for parameter in SHOWN:
            for word, quantity in (("std", "mean_std"), ("RMSE", "mean_rmse")):
                values = {name: table[parameter][quantity] for name, table in tables.items()}
                other = min((name for name in values if name != TRUTH), key=values.__getitem__)
                numbers = f"{_value(values[TRUTH], parameter)}; next {TITLES[other]} {_value(values[other], parameter)}"
                checks.append(Check(f"SNR {snr:g}, {word} of {parameter}", numbers, values[TRUTH] < values[other]))
    return Claim(
        2,
        "The network trained on the truth has the lowest standard deviation and RMSE in all three parameters, at both "
        "SNRs.",
        "Mean std and mean RMSE over the grid, least of the five methods of figures 2 and 3.",
        tuple(checks),
    )


def claim_rician_labels(results: StudyResults) -> Claim:
    """Rician labels help where the signal drowns in noise: high D_slow, low SNR."""
    bias = {}
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (RICIAN, GAUSSIAN, SELF))
        upper = results.grid.axes["D_slow"] > np.quantile(results.grid.axes["D_slow"], 2 / 3)
        bias[snr] = {name: float(np.mean(np.abs(of["D_slow"].bias[upper]))) for name, of in curves.items()}
    low, high = min(bias), max(bias)
    checks = []
    for name in (GAUSSIAN, SELF):
        gaps = {snr: of[name] - of[RICIAN] for snr, of in bias.items()}
        numbers = f"{_value(bias[low][RICIAN], 'D_slow')} against {_value(bias[low][name], 'D_slow')}"
        checks.append(Check(f"SNR {low:g}: less |bias| than {TITLES[name]}", numbers, gaps[low] > 0))
        numbers = f"difference {_value(gaps[low], 'D_slow')} at SNR {low:g}, {_value(gaps[high], 'D_slow')} at {high:g}"
        checks.append(Check(f"smaller difference at SNR {high:g}: {TITLES[name]}", numbers, gaps[high] < gaps[low]))
    return Claim(
        3,
        "At high D_slow and SNR 15, Rician MLE labels give less bias than Gaussian MLE labels and than "
        "self-supervision; the difference shrinks at SNR 30.",
        "Mean |bias| of the marginal D_slow curve over its upper third.",
        tuple(checks),
    )


def claim_better_than_labels(results: StudyResults) -> Claim:
    """The network is more precise than the fits it was trained on."""
    checks = []
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (RICIAN, CONVENTIONAL))
        for parameter in SHOWN:
            network, fit = curves[RICIAN][parameter], curves[CONVENTIONAL][parameter]
            for word, quantity in (("std", "std"), ("RMSE", "rmse")):
                share = float(np.mean(getattr(network, quantity) <= getattr(fit, quantity)))
                checks.append(Check(f"SNR {snr:g}, {word} of {parameter}", f"{share:.0%} of the values", share > 0.5))
    return Claim(
        4,
        "The network trained on Rician MLE labels has no larger std and RMSE than conventional Rician fitting over "
        "most of the range.",
        "Share of the ten true values of each marginal curve where it is no larger: more than half.",
        tuple(checks),
    )


def claim_tuning(results: StudyResults) -> Claim:
    """Weights and blends tune the estimator."""
    snr = min(results.evaluations)
    tables = {name: summarize(of) for name, of in results.evaluations[snr].items()}
    plain, weighted = tables[RICIAN]["D_fast"], tables["weighted-D_fast"]["D_fast"]
    checks = []
    for word, quantity in (("|bias|", "mean_abs_bias"), ("std", "mean_std")):
        numbers = f"{_value(plain[quantity], 'D_fast')} → {_value(weighted[quantity], 'D_fast')}"
        checks.append(
            Check(f"D_fast weighted: smaller mean {word} of D_fast", numbers, _less(weighted, plain, quantity))
        )
    for parameter in SHOWN:
        for word, quantity in (("slope of bias", "bias_slope"), ("std", "mean_std")):
            low, high = sorted(tables[name][parameter][quantity] for name in (TRUTH, RICIAN))
            middle = tables[HYBRID][parameter][quantity]
            texts = [
                _signed(value) if quantity == "bias_slope" else _value(value, parameter)
                for value in (middle, low, high)
            ]
            numbers = f"{texts[0]} between {texts[1]} and {texts[2]}"
            checks.append(Check(f"hybrid between its parents: {word} of {parameter}", numbers, low <= middle <= high))
    return Claim(
        5,
        "Weighting D_fast alone brings a small gain in both bias and std of D_fast; the hybrid of both labels lies "
        "between its parents.",
        f"SNR {snr:g}, means over the grid; the parents are truth labels and Rician MLE labels.",
        tuple(checks),
    )


def claim_planes(results: StudyResults) -> Claim:
    """Which label has less bias in D_slow depends on D_slow, everywhere in the plane of the others."""
    snr = min(results.evaluations)
    checks = []
    for index, is_larger in ((LOW_SLOW, True), (HIGH_SLOW, False)):
        bias = {name: _plane_bias(results, snr, name, index) for name in (TRUTH, RICIAN)}
        larger = float(np.mean(np.abs(bias[TRUTH]) > np.abs(bias[RICIAN])))
        higher = float(np.mean(bias[TRUTH] > bias[RICIAN]))
        value = 1e3 * results.grid.axes["D_slow"][index]
        word = "larger" if is_larger else "smaller"
        sign = "higher" if is_larger else "lower"
        of_size = larger if is_larger else 1 - larger
        of_sign = higher if is_larger else 1 - higher
        checks.append(Check(f"D_slow = {value:.2f}: {word} |bias|", f"{of_size:.0%} of the plane", of_size >= 0.95))
        checks.append(
            Check(f"D_slow = {value:.2f}: {sign} bias, with sign", f"{of_sign:.0%} of the plane", of_sign >= 0.95)
        )
    return Claim(
        6,
        "At D_slow = 0.69 truth labels give a higher bias of D_slow than Rician MLE labels over the whole plane of f "
        "and D_fast; at 2.71 the opposite.",
        f"SNR {snr:g}, at least 95 % of the 100 points of the plane. The paper's figure 12 shows signed bias; its text "
        "can also be read as the size of the bias, so both are checked.",
        tuple(checks),
    )


def claim_same_information(results: StudyResults) -> Claim:
    """Self-supervision is MLE-labeled training in disguise."""
    checks = []
    for snr in sorted(results.evaluations):
        curves = results.curves(snr, (GAUSSIAN, SELF, TRUTH))
        for parameter in SHOWN:
            near = _distance(curves[GAUSSIAN][parameter], curves[SELF][parameter])
            far = _distance(curves[GAUSSIAN][parameter], curves[TRUTH][parameter])
            numbers = f"{_value(near, parameter)} apart, {_value(far, parameter)} to truth labels"
            checks.append(Check(f"SNR {snr:g}, {parameter}", numbers, near < 0.5 * far))
    return Claim(
        7,
        "Training on Gaussian MLE labels and self-supervision give the same estimator but for the weighting of the "
        "parameters.",
        "Mean distance of their marginal bias and std curves: less than half of the distance between Gaussian MLE "
        "labels and truth labels.",
        tuple(checks),
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


def _less(first: dict[str, float], second: dict[str, float], quantity: str) -> bool:
    return first[quantity] < second[quantity]


def _value(value: float, parameter: str) -> str:
    return _minus(f"{value:.3f}" if parameter == "f" else f"{1e3 * value:.3g}")


def _signed(value: float) -> str:
    return _minus(f"{value:+.2f}")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
