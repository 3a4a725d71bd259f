"""The page of `raofit reproduce mao2024 --experiment mrf`."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as MatplotlibFigure

from raofit.evaluation.weighted import OVERALL
from raofit.report.blocks import Block, Figure, Paragraph, Report, Section, Table
from raofit.report.claims import check_tables, claim_table, verdict_counts
from raofit.studies.claims import Claim
from raofit.studies.fingerprinting import ESTIMATED, PLANE_SNR, RANGES, SNRS, TITLES, Scale
from raofit.studies.fingerprinting_results import StudyResults, scan_numbers
from raofit.studies.fingerprinting_scans import DICTIONARY_B1, NLLS_B1, SCAN_TITLES, SIGMA, UNDERSAMPLED, ScanStudy

_WORDS = {**TITLES, DICTIONARY_B1: "Dictionary matching with the B1 map", NLLS_B1: "Least squares with the B1 map"}


@dataclasses.dataclass(frozen=True)
class StudyPage:
    """What the page is made from.

    Parameters
    ----------
    results, claims : of the study.
    figures : by the name of their file.
    scale_name, scale : how much of everything.
    sequence, n_pulses : name of the train, and its length.
    undersampling : acceleration of the undersampled scan, or None.
    minutes : time of the whole run (of the last command, if it was resumed).
    provenance : versions, seed, command.
    """

    results: StudyResults
    claims: Sequence[Claim]
    figures: Mapping[str, MatplotlibFigure]
    scale_name: str
    scale: Scale
    sequence: str
    n_pulses: int
    undersampling: float | None
    minutes: float
    provenance: Mapping[str, object]


def study_report(page: StudyPage) -> Report:
    """The whole page."""
    results = page.results
    sections = [
        Section("Claims of the paper, aims of this study, and what our numbers say", _claims(page)),
        Section("Bias and variance on held-out fingerprints", _held_out(results)),
        Section("Bias and standard deviation against SNR", [_figure(page, "snr")]),
        Section("Bias and standard deviation over T1 and T2", [_figure(page, f"plane-{name}") for name in ESTIMATED]),
        *(_scan(page, name, scan) for name, scan in results.scans.items()),
        Section("Time", [_times(results)]),
        Section("How it was done", _methods(page)),
    ]
    return Report(
        title="T1 and T2 by fingerprinting: networks, dictionary matching and least squares",
        subtitle=(
            f"{page.n_pulses} pulses ({page.sequence}) seen through {page.scale.rank} complex coefficients, SNR 10 to "
            f"50. Of {len(page.claims)} claims and aims: {verdict_counts(page.claims)}."
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
    rows = [[f"{snr:g}", str(ratio)] for snr, ratio in results.bias_ratios.items()]
    header = ("SNR", "ratio of mean CRB-weighted squared bias, Bias-Reduced over MSE-CRB")
    blocks: list[Block] = [Table(header, rows, "The aim is at most a third.")]
    for quantity, words in (
        ("squared_bias", "Mean CRB-weighted squared bias (0 is unbiased)"),
        ("variance", "Mean CRB-weighted variance (1 is efficient)"),
    ):
        rows = [
            [
                TITLES[method],
                *(str(getattr(results.weighted[snr][method][name], quantity)) for snr in SNRS for name in _COLUMNS),
            ]
            for method in results.weighted[SNRS[0]]
        ]
        names = [f"{'mean' if name == OVERALL else name}, SNR {snr:g}" for snr in SNRS for name in _COLUMNS]
        blocks.append(Table(("method", *names), rows, f"{words}."))
    return blocks


def _scan(page: StudyPage, name: str, scan: ScanStudy) -> Section:
    numbers = scan_numbers(scan)
    title = SCAN_TITLES[name]
    regions = list(next(iter(numbers["median_error"].values())))
    tables = []
    for parameter in ESTIMATED:
        rows = [
            [
                _WORDS[method],
                *(
                    f"{_percent(numbers['median_error'][method][region][parameter])} ± "
                    f"{100 * numbers['spread'][method][region][parameter]:.1f}"
                    for region in regions
                ),
            ]
            for method in scan.values
        ]
        words = (
            f"Error of {parameter} in percent of the truth: median ± half the width of the middle 68 % of the voxels."
        )
        tables.append(Table(("method", *regions), rows, words))
    flags = [
        [_WORDS[method], *(f"{share:.1%}" for share in of.values())] for method, of in numbers["share_flagged"].items()
    ]
    flag_words = "Voxels with a status other than OK. Fluid is beyond the training range and beyond the dictionary."
    blocks: list[Block] = [
        *tables,
        Table(("method", "tissue", "fluid"), flags, flag_words),
        *(_figure(page, f"{kind}-{name}", title) for kind in ("boxes", "maps", "differences")),
    ]
    if name == UNDERSAMPLED:
        words = (
            f"One of {page.undersampling:g} spiral arms per echo, turned by the golden angle, one coil, no iterative "
            "reconstruction: errors follow the signal and are correlated in space. No estimator here knows of them."
        )
        blocks.insert(0, Paragraph(words))
    return Section(f"A digital brain: {title}", blocks)


def _times(results: StudyResults) -> Table:
    rows = [
        [TITLES[name], f"{1e6 * seconds:.3g}", f"{results.speed_over(name):.3g}"]
        for name, seconds in results.seconds.items()
    ]
    sizes = " and ".join(f"{n_atoms:,}" for n_atoms in results.n_atoms.values())
    words = f"Compilation and simulation of the dictionaries ({sizes} atoms) not included."
    return Table(("method", "time per voxel (µs)", "in units of Bias-Reduced"), rows, words)


def _methods(page: StudyPage) -> list[Block]:
    trainings = page.results.trainings
    rows = []
    for training in page.scale.trainings:
        recipe, of = training.recipe, trainings[training.name]
        rows.append(
            [
                TITLES.get(training.name, "common start"), training.initial or "random", of["weights"],
                recipe.max_epochs, recipe.batch_size, recipe.n_realizations, f"{of['noisy_measurements']:.3g}",
                f"{of['seconds']:.0f}",
            ]
        )  # fmt: skip
    header = (
        "network", "starts from", "weights", "epochs", "batch", "draws of each", "noisy measurements seen", "seconds",
    )  # fmt: skip
    ranges = ", ".join(f"{name} {1e3 * low:g} to {1e3 * high:g} ms" for name, (low, high) in RANGES.items())
    blocks: list[Block] = [
        Table(header, rows, "Trainings; measurements and seconds include those of the start."),
        Paragraph(
            f"Training ranges: {ranges}, log-uniform, T2 below T1; B1 known and 1. The basis is that of the leading "
            f"singular vectors of {page.scale.n_basis:,} fingerprints. The plane is at SNR {PLANE_SNR:g}. Scans have "
            f"σ = M0/{1 / SIGMA:.0f}, with the M0 of fluid. The publication's sequence, ranges and data are not "
            "public: nothing here repeats its numbers."
        ),
        Paragraph(f"The last command took {page.minutes:.1f} minutes."),
    ]
    return [_figure(page, "sequence"), *blocks] if "sequence" in page.figures else blocks


_COLUMNS = (*ESTIMATED, OVERALL)
_PLANE_WORDS = f"Bias and standard deviation of {{}} at SNR {PLANE_SNR:g} in units of √CRB; framed: the training range."
_CAPTIONS = {
    "sequence": "The train: flip angles, and the signals of two tissues.",
    "snr": "|Bias| and standard deviation against SNR in percent of the truth.",
    **{f"plane-{name}": _PLANE_WORDS.format(name) for name in ESTIMATED},
    "maps": "Maps of the digital brain.",
    "differences": "Estimate minus truth in percent of the truth.",
    "boxes": "Errors in white matter and cortex. Boxes hold the middle half of the voxels.",
}


def _figure(page: StudyPage, key: str, words: str = "") -> Figure:
    caption = _CAPTIONS.get(key) or f"{_CAPTIONS[key.split('-')[0]]} {words}."
    alt = f"{caption} The numbers are in the tables and in summary.json."
    return Figure(page.figures[key], caption, alt, "svg" if key in ("sequence", "snr") else "png")


def _percent(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")
