"""The statements of Mao et al. (2024) and the aims of this study, each as checks on our numbers with a verdict."""

import dataclasses

import numpy as np

from raofit.evaluation.bootstrap import Interval
from raofit.evaluation.weighted import OVERALL
from raofit.studies.claims import Check, Claim
from raofit.studies.mao2024 import (
    LOW_LAMBDA,
    MSE,
    MSE_CRB,
    NLLS,
    ONE_STEP,
    REDUCED,
    SHOWN,
    SNRS,
    TEST_LEVEL,
    TISSUES,
    TITLES,
)
from raofit.studies.mao2024_results import StudyResults, relative
from raofit.studies.mao2024_slice import SliceStudy

EXCEPTION = "T2s"  # the parameter the paper makes an exception of
MOST_VARIANCE = 1.2
MOST_EXCESS = 0.1
MOST_SQUARED_BIAS, MOST_SQUARED_BIAS_NLLS = 0.1, 0.05
SIMILAR = 1.25  # largest ratio of errors called similar
WHITE = next(iter(TISSUES))


def all_claims(results: StudyResults) -> list[Claim]:
    """The statements of the paper, then the aims of this study, in order."""
    of_paper = (claim_variable_bias, claim_least_squares, claim_trade, claim_lambda, claim_outside)
    aims = (claim_halved, claim_slope, claim_weighting, claim_one_step, claim_chain)
    claims = [claim(results) for claim in of_paper]
    if results.measured_slice is not None:
        claims.append(claim_slice(results.measured_slice))
    claims += [claim(results) for claim in aims]
    return [dataclasses.replace(claim, number=number) for number, claim in enumerate(claims, start=1)]


def claim_variable_bias(results: StudyResults) -> Claim:
    """Figure 1."""
    checks = []
    spread = {name: np.std(results.box_bias[name], axis=0) for name in (MSE_CRB, REDUCED)}
    size = {name: np.mean(np.abs(results.box_bias[name]), axis=0) for name in (MSE_CRB, REDUCED)}
    is_significant = results.box_p_values < TEST_LEVEL
    for index, name in enumerate(SHOWN):
        if name == EXCEPTION:
            continue
        for word, of in (("spread of the bias over R2f", spread), ("mean |bias|", size)):
            numbers = f"{_value(of[REDUCED][index], name)} against {_value(of[MSE_CRB][index], name)}"
            checks.append(Check(f"{name}, {word}", numbers, bool(of[REDUCED][index] < of[MSE_CRB][index])))
        n_different = int(is_significant[:, index].sum())
        checks.append(
            Check(f"{name}: the networks differ", f"at {n_different} of {len(is_significant)} R2f", n_different > 0)
        )
    return Claim(
        0,
        "Bias-Reduced training significantly reduces the variable bias throughout parameter space in all parameters "
        "but T2s (figure 1).",
        "White matter at SNR 20 with eight values of R2f: standard deviation over R2f and mean size of the bias, "
        f"Bias-Reduced against MSE-CRB; Welch's t-tests between their means at {TEST_LEVEL:.1e} (Bonferroni).",
        tuple(checks),
    )


def claim_least_squares(results: StudyResults) -> Claim:
    """Figure 2."""
    checks = []
    for tissue, by_method in results.tissues.items():
        errors = {name: _relative_rmse(results, tissue, name) for name in (REDUCED, NLLS)}
        bound = np.sqrt(np.mean(np.square(relative(by_method[NLLS], "crb_std")), axis=0))
        for index, name in enumerate(SHOWN):
            network, fit = errors[REDUCED][index], errors[NLLS][index]
            numbers = f"{network:.1%} against {fit:.1%}, efficient {bound[index]:.1%}"
            if name == EXCEPTION:
                is_closer = abs(network - bound[index]) < abs(fit - bound[index])
                checks.append(Check(f"{tissue}, {name}: closer to the efficient estimator", numbers, bool(is_closer)))
            else:
                checks.append(Check(f"{tissue}, {name}: similar", numbers, bool(1 / SIMILAR < network / fit < SIMILAR)))
    return Claim(
        0,
        "Bias-Reduced performs like least squares in all parameters but T2s, where it is closer to an efficient "
        "estimator (figure 2).",
        f"RMSE relative to the truth, root mean square over the SNRs of least squares: similar if within a factor of "
        f"{SIMILAR:g}.",
        tuple(checks),
    )


def claim_trade(results: StudyResults) -> Claim:
    """Figure 3, the first sentence."""
    of, checks = results.weighted_at_random_snr, []
    for name in (*SHOWN, OVERALL):
        rows = {method: of[method][name] for method in (MSE_CRB, REDUCED, LOW_LAMBDA)}
        for quantity, word, is_least in (
            ("variance", "least variance/CRB", True),
            ("squared_bias", "most bias²/CRB", False),
        ):
            values: dict[str, Interval] = {method: getattr(row, quantity) for method, row in rows.items()}
            others = [values[REDUCED].value, values[LOW_LAMBDA].value]
            own = values[MSE_CRB].value
            numbers = "; ".join(f"{TITLES[method]} {value}" for method, value in values.items())
            holds = own < min(others) if is_least else own > max(others)
            checks.append(Check(f"{name}: MSE-CRB has the {word}", numbers, holds))
    return Claim(
        0,
        "MSE-CRB offers the lowest variance but the highest bias, compared with Bias-Reduced at both λ (figure 3).",
        "Means over held-out fingerprints of tissue, each at its own SNR of 10 to 50; 95 % bootstrap intervals.",
        tuple(checks),
    )


def claim_lambda(results: StudyResults) -> Claim:
    """Figure 3, the second sentence."""
    of = results.weighted_at_random_snr
    low, one = of[LOW_LAMBDA], of[REDUCED]
    checks = [
        Check(
            f"{name}: less bias²/CRB at λ/10",
            f"{low[name].squared_bias} against {one[name].squared_bias}",
            low[name].squared_bias.value < one[name].squared_bias.value,
        )
        for name in (*SHOWN, OVERALL)
    ]
    checks += [
        Check(
            f"{name}: more fingerprints above the CRB at λ/10",
            f"{low[name].share_above} against {one[name].share_above}",
            low[name].share_above.value > one[name].share_above.value,
        )
        for name in (*SHOWN, OVERALL)
    ]
    return Claim(
        0,
        "A tenth of λ reduces the overall bias slightly, at the cost of more fingerprints whose variance exceeds "
        "the CRB (figure 3).",
        "As before; shares of fingerprints with a measured variance above the CRB.",
        tuple(checks),
    )


def claim_outside(results: StudyResults) -> Claim:
    """Supplementary figure 1."""
    checks = []
    for method in (MSE_CRB, REDUCED):
        inside, outside = (results.outside.squared_bias(method, inside=side) for side in (True, False))
        numbers = f"outside {outside}, inside {inside}"
        checks.append(Check(f"{TITLES[method]}: more bias²/CRB outside", numbers, outside.value > inside.value))
    return Claim(
        0,
        "Bias is higher outside the training range, for both networks (supplementary figure 1).",
        f"{results.outside.is_inside.size} fingerprints from the untruncated distributions of tissue, "
        f"{int((~results.outside.is_inside).sum())} of them beyond the truncation; mean over the six parameters.",
        tuple(checks),
    )


def claim_slice(study: SliceStudy) -> Claim:
    """Figure 4."""
    checks = []
    distances = {name: study.median_distance(name) for name in (MSE_CRB, REDUCED)}
    for index, name in enumerate(SHOWN):
        near, far = distances[REDUCED][index], distances[MSE_CRB][index]
        is_closer = bool(near < far)
        is_exception = name == EXCEPTION
        word = "not closer to least squares" if is_exception else "closer to least squares than MSE-CRB"
        checks.append(Check(f"{name}: {word}", f"{near:.3g} against {far:.3g} √CRB", is_closer != is_exception))
    return Claim(
        0,
        "In vivo, the Bias-Reduced network is more consistent with least squares than the MSE-CRB network in all "
        "parameters but T2s (figure 4).",
        f"Median |network − least squares| in units of √CRB, over the {int(study.is_compared.sum()):,} voxels whose "
        "fit converged inside its bounds and that the model explains.",
        tuple(checks),
    )


def claim_halved(results: StudyResults) -> Claim:
    """The first aim of this study."""
    checks = []
    for snr in SNRS:
        of = results.weighted[snr]
        ratio = results.bias_ratios[snr]
        numbers = f"{of[REDUCED][OVERALL].squared_bias} against {of[MSE_CRB][OVERALL].squared_bias}, ratio {ratio}"
        checks.append(Check(f"SNR {snr:g}: bias²/CRB at most half", numbers, ratio.value <= 0.5))
        variance = of[REDUCED][OVERALL].variance
        numbers = str(variance)
        checks.append(
            Check(f"SNR {snr:g}: variance/CRB at most {MOST_VARIANCE:g}", numbers, variance.value <= MOST_VARIANCE)
        )
    return Claim(
        0,
        "Aim of this study: Bias-Reduced at least halves the mean CRB-weighted squared bias of an MSE-CRB network of "
        f"equal budget at every SNR, with a mean CRB-weighted variance of at most {MOST_VARIANCE:g}.",
        "Means over held-out fingerprints of tissue and the six parameters, fresh noise.",
        tuple(checks),
    )


def claim_slope(results: StudyResults) -> Claim:
    """The second aim."""
    checks = []
    for snr in SNRS:
        for name in SHOWN:
            slopes = {method: results.weighted[snr][method][name].slope for method in (REDUCED, MSE_CRB)}
            is_closer = abs(slopes[REDUCED].value - 1) < abs(slopes[MSE_CRB].value - 1)
            checks.append(Check(f"SNR {snr:g}, {name}", f"{slopes[REDUCED]} against {slopes[MSE_CRB]}", is_closer))
    return Claim(
        0,
        "Aim of this study: the slope of the mean estimate against the truth is closer to 1 with Bias-Reduced than "
        "with MSE-CRB, in every parameter.",
        "Least-squares slope over held-out fingerprints of tissue.",
        tuple(checks),
    )


def claim_weighting(results: StudyResults) -> Claim:
    """What the CRB in the loss buys."""
    checks = []
    for snr in SNRS:
        for name in (*SHOWN, OVERALL):
            own, plain = (_weighted_error(results, snr, method, name) for method in (MSE_CRB, MSE))
            checks.append(Check(f"SNR {snr:g}, {name}", f"{own:.3g} against {plain:.3g}", own < plain))
    return Claim(
        0,
        "Aim of this study: the MSE-CRB network has a lower CRB-weighted mean squared error than an MSE network of "
        "equal budget.",
        "Mean bias²/CRB + mean variance/CRB over held-out fingerprints of tissue; the MSE weighs each parameter by the "
        "square of its mean.",
        tuple(checks),
    )


def claim_one_step(results: StudyResults) -> Claim:
    """What one scoring step adds."""
    checks = []
    for snr in SNRS:
        if snr < 20:
            continue
        found = results.weighted[snr][ONE_STEP][OVERALL]
        std = np.sqrt(found.variance.value)
        checks.append(
            Check(
                f"SNR {snr:g}: std within {MOST_EXCESS:.0%} of √CRB",
                f"{std:.3f}, variance/CRB {found.variance}",
                abs(std - 1) <= MOST_EXCESS,
            )
        )
        checks.append(
            Check(
                f"SNR {snr:g}: bias²/CRB below {MOST_SQUARED_BIAS:g}",
                str(found.squared_bias),
                found.squared_bias.value < MOST_SQUARED_BIAS,
            )
        )
    return Claim(
        0,
        "Aim of this study: one scoring step from the Bias-Reduced network is within 10 % of the Cramér–Rao bound, "
        f"with a CRB-weighted squared bias below {MOST_SQUARED_BIAS:g}, at SNR 20 and above.",
        "Means over the first held-out fingerprints and the six parameters; the root of the mean variance/CRB.",
        tuple(checks),
    )


def claim_chain(results: StudyResults) -> Claim:
    """Least squares on white matter, which tests everything from simulator to bound."""
    evaluation, snrs = results.tissues[WHITE][NLLS], results.tissue_snrs[NLLS]
    n_draws = evaluation.n_repeats
    noise = 3 / np.sqrt(2 * n_draws)
    ratio = np.sqrt(evaluation.weighted_variance[:, : len(SHOWN)])
    bias = evaluation.weighted_squared_bias[:, : len(SHOWN)].mean(axis=1)
    checks = [
        Check(
            f"SNR {snr:g}: std within 10 % of √CRB",
            ", ".join(f"{name} {value:.2f}" for name, value in zip(SHOWN, row, strict=True)),
            bool(np.all(np.abs(row - 1) <= MOST_EXCESS + noise)),
        )
        for snr, row in zip(snrs, ratio, strict=True)
    ]
    checks.append(
        Check(
            f"SNR {snrs[-1]:g}: bias²/CRB below {MOST_SQUARED_BIAS_NLLS:g}",
            f"{bias[-1]:.3f}",
            bool(bias[-1] < MOST_SQUARED_BIAS_NLLS),
        )
    )
    return Claim(
        0,
        "Aim of this study: least squares of white matter, from starts that do not know the truth, attains the "
        "Cramér–Rao bound without bias.",
        f"{n_draws} noise draws per SNR: 10 % plus the {noise:.0%} that chance adds to a standard deviation (3 sigma); "
        "bias as the mean over the six parameters.",
        tuple(checks),
    )


def _relative_rmse(results: StudyResults, tissue: str, method: str) -> np.ndarray:
    """Root mean square over the SNRs of least squares, per parameter, relative to the truth."""
    evaluation = results.tissues[tissue][method]
    wanted = results.tissue_snrs[NLLS]
    own = results.tissue_snrs[method]
    rows = [int(np.argmin(np.abs(own - snr))) for snr in wanted]
    return np.sqrt(np.mean(np.square(relative(evaluation, "rmse")[rows]), axis=0))


def _weighted_error(results: StudyResults, snr: float, method: str, name: str) -> float:
    found = results.weighted[snr][method][name]
    return found.squared_bias.value + found.variance.value


def _value(value: float, name: str) -> str:
    """In µs for T2s, else in the parameter's unit."""
    return f"{1e6 * value:.3g} µs" if name == "T2s" else f"{value:.3g}"
