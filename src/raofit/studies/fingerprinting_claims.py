"""The statements of Mao et al. (2024) on fingerprinting and the aims of our study, each as checks with a verdict."""

import dataclasses

import numpy as np

from raofit.evaluation.weighted import OVERALL, WeightedSummary
from raofit.studies.claims import Check, Claim
from raofit.studies.fingerprinting import (
    CONVENTIONAL,
    DICTIONARY,
    ESTIMATED,
    FINE_DICTIONARY,
    MSE,
    MSE_CRB,
    REDUCED,
    SNRS,
    TITLES,
)
from raofit.studies.fingerprinting_results import StudyResults, relative
from raofit.studies.fingerprinting_scans import CALIBRATED, FLUIDS, SCAN_TITLES

SIMILAR = 1.25  # largest ratio of errors called similar
MOST_BIAS_RATIO = 1 / 3
MOST_SQUARED_BIAS, MOST_VARIANCE = 0.02, 1.1
MOST_EXCESS = 0.05
LEAST_SPEED = 50.0
MOST_MINUTES = 10.0
LEAST_FLAGGED = 0.95


def all_claims(results: StudyResults) -> list[Claim]:
    """The statements of the paper, then the aims of this study, in order."""
    of_paper = (claim_closer, claim_similar, claim_fast)
    aims = (claim_bias, claim_conventional, claim_weighting, claim_flags)
    claims = [claim(results) for claim in (*of_paper, *aims)]
    return [dataclasses.replace(claim, number=number) for number, claim in enumerate(claims, start=1)]


def claim_closer(results: StudyResults) -> Claim:
    """Figure 5, maps."""
    checks = []
    for name, scan in results.scans.items():
        near, far = scan.distance(REDUCED), scan.distance(MSE_CRB)
        for index, parameter in enumerate(ESTIMATED):
            numbers = f"{near[index]:.3g} against {far[index]:.3g} √CRB"
            checks.append(Check(f"{parameter}, {SCAN_TITLES[name]}", numbers, bool(near[index] < far[index])))
    return Claim(
        0,
        "Bias-Reduced maps are more similar to those of dictionary matching than MSE-CRB maps (figure 5).",
        "Median |network − dictionary| over the tissue of a digital brain, in units of √CRB, instead of in vivo.",
        tuple(checks),
    )


def claim_similar(results: StudyResults) -> Claim:
    """The supplementary figures of fingerprinting."""
    checks = []
    for tissue, by_method in results.tissues.items():
        bound = relative(by_method[REDUCED], "crb_std")
        network, match = (np.square(relative(by_method[name], "rmse") / bound).mean(axis=0) for name in _PAIR)
        for index, parameter in enumerate(ESTIMATED):
            ratio = float(np.sqrt(network[index] / match[index]))
            numbers = f"RMSE {np.sqrt(network[index]):.3f} against {np.sqrt(match[index]):.3f} √CRB"
            checks.append(Check(f"{tissue}, {parameter}", numbers, 1 / SIMILAR < ratio < SIMILAR))
    return Claim(
        0,
        "In simulation, accuracy and precision of Bias-Reduced are similar to those of dictionary matching "
        "(supplementary figures).",
        f"Root mean square over SNR 10 to 50 of RMSE/√CRB: similar if within a factor of {SIMILAR:g}.",
        tuple(checks),
    )


def claim_fast(results: StudyResults) -> Claim:
    """Computational efficiency."""
    checks = []
    for name in (FINE_DICTIONARY, DICTIONARY):
        speed = results.speed_over(name)
        own, other = (1e6 * results.seconds[method] for method in (REDUCED, name))
        numbers = f"{own:.3g} against {other:.3g} µs: {speed:.0f} times"
        checks.append(Check(f"faster than {results.n_atoms[name]:,} atoms", numbers, speed >= LEAST_SPEED))
    return Claim(
        0,
        f"The network is more efficient than dictionary matching; aim of this study: {LEAST_SPEED:g} times.",
        "Time per voxel in one run, against dictionaries with interpolation: one of the usual size, and one just fine "
        "enough for the accuracy of the other claims.",
        tuple(checks),
    )


def claim_bias(results: StudyResults) -> Claim:
    """The aim for the networks."""
    checks = []
    for snr in SNRS:
        reduced = results.weighted[snr][REDUCED][OVERALL]
        other = results.weighted[snr][MSE_CRB][OVERALL].squared_bias
        ratio = results.bias_ratios[snr]
        numbers = f"{reduced.squared_bias} against {other}, ratio {ratio}"
        checks.append(Check(f"SNR {snr:g}: bias²/CRB at most a third", numbers, ratio.value <= MOST_BIAS_RATIO))
        if snr >= SNRS[1]:
            holds = reduced.squared_bias.value < MOST_SQUARED_BIAS
            checks.append(
                Check(f"SNR {snr:g}: bias²/CRB below {MOST_SQUARED_BIAS:g}", str(reduced.squared_bias), holds)
            )
        holds = reduced.variance.value <= MOST_VARIANCE
        checks.append(Check(f"SNR {snr:g}: variance/CRB at most {MOST_VARIANCE:g}", str(reduced.variance), holds))
    minutes = results.trainings[REDUCED]["seconds"] / 60
    word = f"trained in at most {MOST_MINUTES:g} minutes"
    checks.append(Check(word, f"{minutes:.1f} minutes with its start", minutes <= MOST_MINUTES))
    return Claim(
        0,
        "Aim of this study: Bias-Reduced has at most a third of the mean CRB-weighted squared bias of an MSE-CRB "
        "network of equal size and budget, at a variance close to the bound.",
        "Means over held-out fingerprints and both parameters, fresh noise.",
        tuple(checks),
    )


def claim_conventional(results: StudyResults) -> Claim:
    """Dictionary matching, least squares and one step against the bound."""
    checks = []
    for name in CONVENTIONAL:
        for parameter in ESTIMATED:
            found: WeightedSummary = results.weighted[SNRS[-1]][name][parameter]
            std = float(np.sqrt(found.variance.value))
            numbers = f"std {std:.3f} √CRB, bias²/CRB {found.squared_bias}"
            holds = abs(std - 1) <= MOST_EXCESS and found.squared_bias.value <= MOST_EXCESS
            checks.append(Check(f"{TITLES[name]}, {parameter}", numbers, holds))
    return Claim(
        0,
        "Aim of this study: dictionary matching with interpolation, least squares and one-step estimation are within "
        f"5 % of the Cramér–Rao bound at SNR {SNRS[-1]:g}.",
        "Root of the mean variance over held-out fingerprints, and mean squared bias, in units of the CRB.",
        tuple(checks),
    )


def claim_weighting(results: StudyResults) -> Claim:
    """What the CRB in the loss buys."""
    checks = []
    for snr in SNRS:
        for name in (*ESTIMATED, OVERALL):
            own, plain = (
                found.squared_bias.value + found.variance.value
                for found in (results.weighted[snr][method][name] for method in (MSE_CRB, MSE))
            )
            checks.append(Check(f"SNR {snr:g}, {name}", f"{own:.3g} against {plain:.3g}", own < plain))
    return Claim(
        0,
        "Aim of this study: the MSE-CRB network has a lower CRB-weighted mean squared error than an MSE network of "
        "equal budget.",
        "Mean bias²/CRB + mean variance/CRB over held-out fingerprints.",
        tuple(checks),
    )


def claim_flags(results: StudyResults) -> Claim:
    """Fluid is beyond the training range."""
    scan = results.scans[CALIBRATED]
    checks = []
    for name in (MSE_CRB, REDUCED):
        share = scan.share_flagged(name, *FLUIDS)
        words = f"{TITLES[name]}: at least {LEAST_FLAGGED:.0%} of the fluid is marked"
        checks.append(Check(words, f"{share:.1%}", share >= LEAST_FLAGGED))
    return Claim(
        0,
        "Aim of this study: networks mark what they were not trained for, here cerebrospinal fluid with a T1 above 4 s "
        "and a T2 near 2 s.",
        f"Share of the voxels of fluid with a status other than OK; {SCAN_TITLES[CALIBRATED]}.",
        tuple(checks),
    )


_PAIR = (REDUCED, DICTIONARY)
