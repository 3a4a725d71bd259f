"""The page of `raofit reproduce zhang2022`: losses, maps, every claim, and where our study differs from the paper."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from raofit.report.blocks import Block, Figure, Paragraph, Report, Section, Table
from raofit.report.claims import check_tables, claim_table, verdict_counts
from raofit.studies.claims import Claim
from raofit.studies.zhang2022 import (
    BOUND_FLOOR,
    CRB,
    ESTIMATED,
    FIXED,
    GRID_SNRS,
    METHODS,
    PLANES,
    RANK,
    RELATIVE,
    SIZES,
    SNR_RANGE,
    Size,
)
from raofit.studies.zhang2022_results import (
    Evaluations,
    StudyResults,
    interval,
    root,
    spread_mismatch,
    squared_bias,
    squared_error,
)

_UNITS = {"m0s": (1.0, ""), "T1": (1.0, " (s)"), "T2f": (1e3, " (ms)")}


@dataclasses.dataclass(frozen=True)
class StudyPage:
    """What the page is made from.

    Parameters
    ----------
    results, claims : of the study.
    figures : by key: "loss", "shares", and "PLANE-SNR" for every grid.
    scale, size : how it was run.
    pulses : words for the sequence.
    basis : words for where the basis is from.
    n_training : fingerprints each network was trained on.
    minutes : time of the whole run.
    provenance : versions, seed, command.
    """

    results: StudyResults
    claims: Sequence[Claim]
    figures: Mapping[str, MatplotlibFigure]
    scale: str
    size: Size
    pulses: str
    basis: str
    n_training: int
    minutes: float
    provenance: Mapping[str, object]


def study_report(page: StudyPage) -> Report:
    """The whole page."""
    return Report(
        title="Training informed by the Cramér–Rao bound: the study of Zhang et al. (2022), repeated",
        subtitle=(
            f"Quantitative magnetization transfer, {len(METHODS)} networks that differ in their loss alone. "
            f"Of the {len(page.claims)} claims: {verdict_counts(page.claims)}."
        ),
        sections=[
            Section("Claims of the paper and what our numbers say", _claims(page)),
            Section("The loss of each parameter against its ideal of 1", _losses(page)),
            *(Section(_plane_title(plane.name), _plane(page, plane.name)) for plane in PLANES),
            Section("How it was done, and what is not known of the paper", _methods(page)),
        ],
        provenance=page.provenance,
    )


def _claims(page: StudyPage) -> list[Block]:
    blocks: list[Block] = [claim_table(page.claims, "Intervals in parentheses are 95 % bootstrap intervals.")]
    if page.scale == "quick":
        words = "A quick run: networks are small and trained for seconds, so verdicts mean nothing yet."
        blocks.insert(0, Paragraph(words, "warning"))
    elif page.size != SIZES["paper"]:
        words = (
            "Desk scale: compact networks and fewer fingerprints than the publication. --scale paper trains the "
            "published architecture at the published size."
        )
        blocks.insert(0, Paragraph(words))
    return [*blocks, *check_tables(page.claims)]


def _losses(page: StudyPage) -> list[Block]:
    results = page.results
    caption = (
        "Squared errors divided by the Cramér–Rao bound, on validation fingerprints after every epoch, whatever loss "
        "the network is trained with. 1 is an efficient unbiased estimator; a biased one can be below."
    )
    shares = (
        f"The same at the end of training on {len(results.snrs):,} fingerprints no training has seen, split into "
        "variance (solid) and squared bias (hatched): the share of the error that is approximation and not noise."
    )
    return [
        Figure(page.figures["loss"], caption, f"{caption} Curves fall towards 1; numbers are in the tables."),
        Figure(page.figures["shares"], shares, f"{shares} Bars per network and parameter, as in the table."),
        _table(results.held_out, "Held-out fingerprints, SNR uniform in 10–100. Means with 95 % bootstrap intervals; "
               "RMS is the root of the mean square over fingerprints."),
        _trainings(page),
    ]  # fmt: skip


def _trainings(page: StudyPage) -> Table:
    keys = ("n_weights", "training_seconds", "best_epoch", "validation_loss")
    return Table(
        ("network", "weights", "seconds", "best epoch", "its own loss on validation"),
        [[method.title, *(page.results.trainings[method.name][key] for key in keys)] for method in METHODS],
        "Trainings. The losses are in different units and cannot be compared with each other.",
    )


def _plane_title(name: str) -> str:
    first, second = next(plane.axes for plane in PLANES if plane.name == name)
    return f"Maps over {first} and {second}"


def _plane(page: StudyPage, name: str) -> list[Block]:
    plane = next(plane for plane in PLANES if plane.name == name)
    held = ", ".join(f"{key} = {_value(key)}" for key in FIXED if key not in plane.axes)
    shown = GRID_SNRS[0]
    caption = (
        f"Bias, standard deviation and √CRB at SNR {shown:g} over {page.results.n_grid}×{page.results.n_grid} points, "
        f"{page.size.n_draws(plane)} noise draws each with a phase of their own, at {held}. Rows: m0s, T1, T2f. Colors "
        "span the ranges of the authors' notebooks; arrows on a color bar: values go beyond."
    )
    tables = [
        _table(page.results.planes[name, snr], f"Means over the grid at SNR {snr:g}.") for snr in sorted(GRID_SNRS)
    ]
    figure = page.figures[f"{name}-{shown:g}"]
    return [Figure(figure, caption, f"{caption} Numbers are in the tables below.", "png"), *tables]


def _value(name: str) -> str:
    words = {
        "m0s": f"{FIXED['m0s']:g}",
        "T2f": f"{1e3 * FIXED['T2f']:g} ms",
        "Rx": f"{FIXED['Rx']:g}/s",
        "T2s": f"{1e6 * FIXED['T2s']:g} µs",
        "omega0": f"{FIXED['omega0']:g}",
        "B1": f"{FIXED['B1']:g}",
    }
    return words[name]


def _table(evaluations: Evaluations, caption: str) -> Table:
    header = (
        "parameter", "network", "squared error / CRB", "squared bias / CRB", "variance / CRB", "|std/√CRB − 1|",
        "RMS bias", "RMS std", "median √CRB",
    )  # fmt: skip
    rows = []
    for column, name in enumerate(ESTIMATED):
        factor, unit = _UNITS[name]
        for method in METHODS:
            evaluation = evaluations[method.name]
            weighted = [
                str(interval(evaluation, quantity, name))
                for quantity in (
                    squared_error,
                    lambda of: of.weighted_squared_bias,
                    lambda of: of.weighted_variance,
                    spread_mismatch,
                )
            ]
            plain = [root(values[:, column]) for values in (squared_bias(evaluation), evaluation.std**2)]
            plain.append(float(np.median(evaluation.crb_std[:, column])))
            rows.append([f"{name}{unit}", method.title, *weighted, *(factor * value for value in plain)])
    return Table(header, rows, caption)


def _methods(page: StudyPage) -> list[Block]:
    size, results = page.size, page.results
    energy = ""
    if results.energy_outside.size:
        energy = f" The fingerprints lose {results.energy_outside.mean():.2%} of their energy on average."
    network = (
        "The published architecture (fourteen normalized layers, 2.7 million weights) with its training: Adam at 0.01, "
        "halved every 40 epochs"
        if size.network == "zhang2022"
        else f"Compact networks of {results.trainings[CRB.name]['n_weights']:,} weights; Adam with a step that falls "
        f"from 0.002 as a cosine, averaged weights, inputs folded by the sign of ω0, and {BOUND_FLOOR:g} of the "
        "variance of each parameter added to its bound in the MSE-CRB weights (reported losses have no such floor)"
    )
    return [
        Paragraph(
            f"Model: m0s, an apparent T1 of both pools, T2f, exchange rate, T2s, ω0, B1 and complex M0, {page.pulses}. "
            f"Signals are seen in {RANK} real basis vectors, {page.basis}.{energy} The bound takes all parameters and "
            "M0 as unknown. Networks estimate m0s, T1 and T2f (times, no bounds)."
        ),
        Paragraph(
            f"{network}; batches of {size.batch_size}, {size.max_epochs} epochs, {page.n_training:,} fingerprints; "
            f"SNR uniform in {SNR_RANGE[0]:g}–{SNR_RANGE[1]:g}, phase uniform, fresh noise at every step. All networks "
            "share fingerprints, noise, initial weights and number of steps. MSE is in the paper's units (1, s, s), so "
            f"T1 dominates it; “{RELATIVE.title}” divides each parameter by its mean and is our addition: a fairer "
            "competitor."
        ),
        Paragraph(
            "Not published, so chosen here: the sampling ranges of the training set (the prior qmt-zhang2022 covers "
            "the published maps), and what the grids hold fixed. The first grid starts at m0s = 0.005, because "
            "nothing is known of exchange and T2s without a semi-solid pool. Where the prior reaches beyond what "
            "the measurement tells, an estimator that knows the prior can score below 1."
        ),
        Paragraph(
            "The paper's phantom and in-vivo parts cannot be repeated: neither the phantom measurements nor raw "
            "coefficients under a license are public for this sequence. The study of Mao et al. has a brain slice: "
            "raofit reproduce mao2024."
        ),
        Paragraph(f"The whole run took {page.minutes:.1f} minutes."),
    ]
