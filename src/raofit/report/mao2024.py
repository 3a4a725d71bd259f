"""The page of `raofit reproduce mao2024`: every figure, every claim, and where our study differs from the paper."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from raofit.core.status import Status
from raofit.evaluation.weighted import OVERALL
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.report.blocks import Block, Figure, Paragraph, Report, Section, Table
from raofit.report.claims import check_tables, claim_table, verdict_counts
from raofit.studies.claims import Claim
from raofit.studies.mao2024 import NLLS, SHOWN, SNRS, TITLES, Scale
from raofit.studies.mao2024_results import StudyResults, slice_numbers
from raofit.studies.mao2024_slice import SliceStudy

_SHOWN_UNITS = {"m0s": "m0s", "R1f": "R1f (1/s)", "R2f": "R2f (1/s)", "Rx": "Rx (1/s)", "R1s": "R1s (1/s)"}


@dataclasses.dataclass(frozen=True)
class StudyPage:
    """What the page is made from.

    Parameters
    ----------
    results, claims : of the study.
    figures : by key: "1", "2", "2-gray-matter", "3", "S1" and, with a slice, "4" and "4-residual".
    scale_name, scale : how much of everything.
    n_training : fingerprints of the training set.
    repetition_time : s.
    minutes : time of the whole run (of the last command, if it was resumed).
    provenance : versions, seed, command.
    """

    results: StudyResults
    claims: Sequence[Claim]
    figures: Mapping[str, MatplotlibFigure]
    scale_name: str
    scale: Scale
    n_training: int
    repetition_time: float
    minutes: float
    provenance: Mapping[str, object]


def study_report(page: StudyPage) -> Report:
    """The whole page."""
    sections = [
        Section("Claims of the paper, aims of this study, and what our numbers say", _claims(page)),
        Section("Bias and variance on held-out fingerprints", _held_out(page.results)),
        Section("Bias that varies with the tissue", [_figure(page, "1")]),
        Section("Bias and standard deviation against SNR", [_figure(page, "2"), _figure(page, "2-gray-matter")]),
        Section("λ, and a tenth of it", [_figure(page, "3")]),
        Section("Outside the training range", [*_outside(page.results), _figure(page, "S1")]),
    ]
    if page.results.measured_slice is not None:
        blocks = [*_slice(page.results.measured_slice), _figure(page, "4"), _figure(page, "4-residual")]
        sections.append(Section("In a measured brain slice", blocks))
    sections.append(Section("How it was done, and where it differs from the paper", _methods(page)))
    return Report(
        title="Bias-Reduced networks for magnetization transfer: the study of Mao et al. (2024), repeated",
        subtitle=(
            f"Six parameters from {page.scale.rank} complex coefficients, SNR 10 to 50, "
            f"{page.n_training:,} training fingerprints, tested on {page.scale.n_held_out:,} others with "
            f"{page.scale.n_draws} noise draws each. Of {len(page.claims)} claims and aims: "
            f"{verdict_counts(page.claims)}."
        ),
        sections=sections,
        provenance=page.provenance,
    )


def _claims(page: StudyPage) -> list[Block]:
    blocks: list[Block] = [claim_table(page.claims, "Numbers in parentheses are 95 % bootstrap intervals.")]
    if page.scale_name == "quick":
        words = "A quick run: networks are hardly trained and few draws were taken; verdicts say nothing."
        blocks.insert(0, Paragraph(words, "warning"))
    return blocks + check_tables(page.claims)


def _held_out(results: StudyResults) -> list[Block]:
    blocks: list[Block] = []
    for snr in SNRS:
        by_method = results.weighted[snr]
        for quantity, words in (
            ("squared_bias", "Mean CRB-weighted squared bias (0 is unbiased)"),
            ("median_squared_bias", "Median CRB-weighted squared bias"),
            ("variance", "Mean CRB-weighted variance (1 is efficient)"),
            ("slope", "Slope of the mean estimate against the truth (1 keeps all differences)"),
        ):
            rows = [
                [TITLES[name], *(_cell(getattr(of[parameter], quantity)) for parameter in (*SHOWN, OVERALL))]
                for name, of in by_method.items()
            ]
            blocks.append(Table(("method", *SHOWN, "mean"), rows, f"{words} at SNR {snr:g}."))
    rows = [[f"{snr:g}", str(ratio)] for snr, ratio in results.bias_ratios.items()]
    header = ("SNR", "ratio of mean CRB-weighted squared bias, Bias-Reduced over MSE-CRB")
    blocks.insert(0, Table(header, rows, "The aim is at most 0.5."))
    return blocks


def _cell(value: object) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}") if isinstance(value, float) else str(value)


def _outside(results: StudyResults) -> list[Block]:
    outside = results.outside
    rows = [
        [TITLES[name], str(outside.squared_bias(name, inside=True)), str(outside.squared_bias(name, inside=False))]
        for name in outside.evaluations
    ]
    caption = (
        f"Mean CRB-weighted squared bias over the six parameters at SNR 20: {int(outside.is_inside.sum())} "
        f"fingerprints within the training range, {int((~outside.is_inside).sum())} outside. Draws that no tissue can "
        f"have were left out ({outside.share_excluded:.0%}): negative fractions, rates or times, values beyond the fit "
        "bounds, and R2f below R1f."
    )
    return [Table(("network", "within", "outside"), rows, caption)]


def _slice(study: SliceStudy) -> list[Block]:
    numbers = slice_numbers(study)
    distances = numbers["median_distance_to_nlls_in_root_crb"]
    statuses = "; ".join(
        f"{count / numbers['n_voxels']:.1%} {Status(code).name.lower().replace('_', ' ')}"
        for code, count in numbers["nlls_status_counts"].items()
    )
    words = (
        f"{numbers['n_voxels']:,} voxels, median SNR {numbers['median_snr']:.3g} (σ from the median residual of least "
        f"squares). Least squares: {statuses}. {numbers['share_flagged']:.1%} of the voxels are flagged: noise of "
        "this σ would leave as much in 1 of 1000. Distances are over the "
        f"{numbers['n_compared']:,} voxels whose fit converged inside its bounds and that are not flagged."
    )
    medians = [
        [TITLES[name], *(of[p] * (1e6 if p == "T2s" else 1.0) for p in SHOWN)] for name, of in numbers["median"].items()
    ]
    seconds = [
        [TITLES[name], numbers["seconds_of_first_call"].get(name, float("nan")), value]
        for name, value in numbers["seconds"].items()
    ]
    return [
        Paragraph(words),
        Table(
            ("method", *SHOWN),
            [[TITLES[name], *(of[parameter] for parameter in SHOWN)] for name, of in distances.items()],
            "Median |method − least squares| in units of √CRB.",
        ),
        Table(("method", *_SHOWN_UNITS.values(), "T2s (µs)"), medians, "Medians over the slice."),
        Table(
            ("method", "first call, compilation included (s)", "time (s)"),
            [[name, "" if np.isnan(first) else f"{first:.2f}", f"{value:.2f}"] for name, first, value in seconds],
            "Time for the whole slice.",
        ),
    ]


def _lambda(recipe: TrainingRecipe) -> str:
    return "–" if recipe.n_realizations == 1 else f"{recipe.variance_factor:g}"


def _methods(page: StudyPage) -> list[Block]:
    scale = page.scale
    rows = []
    for training in scale.trainings:
        recipe, of = training.recipe, page.results.trainings[training.name]
        rows.append(
            [
                TITLES.get(training.name, "common start"), training.initial or "random", recipe.architecture,
                of["weights"], recipe.max_epochs, recipe.batch_size, recipe.n_realizations, _lambda(recipe),
                f"{of['noisy_measurements']:.3g}", f"{of['seconds']:.0f}",
            ]
        )  # fmt: skip
    header = (
        "network", "starts from", "architecture", "weights", "epochs", "batch", "draws of each", "λ",
        "noisy measurements seen", "seconds",
    )  # fmt: skip
    return [
        Table(
            header,
            rows,
            "Trainings. Measurements seen include those of the start; at the scale of a desk they are equal for all "
            "losses, at the scale of the paper they follow its schedule.",
        ),
        Paragraph(
            f"Flip-angle trains and basis are the authors'; TR {1e3 * page.repetition_time:g} ms. The bound is that of "
            "the compressed signal with all eight parameters and the complex M0 unknown, from the real Fisher matrix "
            "(the released code takes the parameters to be complex, which gives larger bounds). Bias is tested without "
            "the share that a finite number of draws adds."
        ),
        Paragraph(
            "Different from the paper and its code: noise is fresh at every step (the code repeats it every epoch); "
            "B1 and |ω0| are trained with a tenth of the weight, because one-step estimation starts from them (the "
            "code leaves these outputs untrained); compact networks at the scale of a desk have smooth outputs without "
            "bounds, and Bias-Reduced trainings there use moments without the bias of few draws. Gray-matter values "
            "are published ones of the same group, those of the paper's supplement not being public. One-step "
            "estimation, the MSE network and the flags are additions."
        ),
        Paragraph(f"The last command took {page.minutes:.1f} minutes."),
    ]


_CAPTIONS = {
    "1": "Paper's figure 1: estimates of white matter at SNR 20 when only R2f varies. Boxes hold the middle half of "
    "the draws; stars mark a significant difference of the two means (Welch's test, Bonferroni).",
    "2": "Paper's figure 2: white matter. |Bias| and standard deviation relative to the truth, axes as in the paper.",
    "2-gray-matter": "The same for gray matter (the paper's is in its supplement).",
    "3": "Paper's figure 3: held-out fingerprints, each at its own SNR from 10 to 50. The outermost bins hold all "
    "values beyond them.",
    "S1": "Supplementary figure 1 at SNR 20.",
    "4": "Paper's figure 4, with its windows, and one-step estimation beside it.",
    "4-residual": "What least squares leaves unexplained: χ² per degree of freedom (1 for noise alone), and flags.",
}


def _figure(page: StudyPage, key: str) -> Figure:
    methods = TITLES[NLLS].lower()
    alt = (
        f"{_CAPTIONS[key]} Networks, {methods} and the bound by color; the numbers are in the tables and summary.json."
    )
    dense = ("1", "3", "4", "S1", "4-residual")
    return Figure(page.figures[key], _CAPTIONS[key], alt, "png" if key in dense else "svg")
