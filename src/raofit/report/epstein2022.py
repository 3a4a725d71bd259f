"""The page of `raofit reproduce epstein2022`: every figure, every claim, and where our study differs from the paper."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as MatplotlibFigure

from raofit.report.blocks import Block, Figure, Paragraph, Report, Section, Table
from raofit.report.claims import check_tables, claim_table, verdict_counts
from raofit.studies.claims import Claim
from raofit.studies.epstein2022 import FULL, SHOWN, TITLES, LabelRecipe, Size
from raofit.studies.epstein2022_labels import FACT_SHEET, LeakRow
from raofit.studies.epstein2022_reasons import reasons
from raofit.studies.epstein2022_results import StudyResults, summary


@dataclasses.dataclass(frozen=True)
class StudyPage:
    """What the page is made from.

    Parameters
    ----------
    results, claims, leak : of the study.
    figures : by key: "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "tradeoff-15", "tradeoff-30".
    size, labels, on_bound : how it was run.
    scan : words for the scan of figures 5 to 7, e.g. "a digital phantom (2000 voxels)".
    has_truth : whether the scan's truth is known (the phantom) and leads figure 7.
    minutes : time of the whole run.
    provenance : versions, seed, command.
    """

    results: StudyResults
    claims: Sequence[Claim]
    leak: Sequence[LeakRow]
    figures: Mapping[str, MatplotlibFigure]
    size: Size
    labels: LabelRecipe
    on_bound: str
    scan: str
    has_truth: bool
    minutes: float
    provenance: Mapping[str, object]


def study_report(page: StudyPage) -> Report:
    """The whole page."""
    return Report(
        title="Choice of training label matters: the study of Epstein et al. (2022), repeated",
        subtitle=_subtitle(page),
        sections=[
            Section("Claims of the paper and what our numbers say", _claims(page)),
            Section("Estimators at SNR 15", _at_snr(page, 15.0, "2")),
            Section("Estimators at SNR 30", _at_snr(page, 30.0, "3")),
            Section("Information lost to bias", [_figure(page, "4"), _figure(page, "9")]),
            Section("Tuning: weights and blends", [_figure(page, "8"), _figure(page, "10")]),
            Section("Without marginalization", [_figure(page, "11"), _figure(page, "12")]),
            Section("The same on a repeated scan", _scan(page)),
            Section("Labels: how many lie on a bound, and how much truth they leak", _labels(page)),
            Section("How it was done, and where it differs from the paper", _methods(page)),
        ],
        provenance=page.provenance,
    )


def _subtitle(page: StudyPage) -> str:
    return (
        f"IVIM at SNR 15 and 30, {len(TITLES)} estimators, {page.size.n_train + page.size.n_validation:,} training "
        f"signals each, {page.size.n_repeats} noise repeats at {len(page.results.grid.points)} grid points. "
        f"Of the paper's {len(page.claims)} claims: {verdict_counts(page.claims)}."
    )


def _claims(page: StudyPage) -> list[Block]:
    blocks: list[Block] = [
        claim_table(page.claims, "Diffusivities here and below are in 10⁻³ mm²/s."),
    ]
    if page.size.n_train < FULL.n_train:
        blocks.insert(
            0, Paragraph("A quick run: networks are trained on fewer signals, verdicts are a preview.", "warning")
        )
    why = reasons(page.results)
    blocks += [
        Paragraph(f"Claim {claim.number} is {claim.verdict}. {why[claim.number]}")
        for claim in page.claims
        if claim.failures
    ]
    return [*blocks, *check_tables(page.claims)]


def _at_snr(page: StudyPage, snr: float, figure: str) -> list[Block]:
    return [
        _figure(page, figure),
        _figure(page, f"tradeoff-{snr:g}"),
        *_summary_tables(page, snr),
    ]


def _summary_tables(page: StudyPage, snr: float) -> list[Table]:
    methods = summary(page.results)["snr"][f"{snr:g}"]["methods"]
    constant = summary(page.results)["constant_answer_rmse"]
    tables = []
    for parameter in SHOWN:
        factor, unit = (1.0, "") if parameter == "f" else (1e3, " (10⁻³ mm²/s)")
        rows = []
        for name, numbers in methods.items():
            of = numbers[parameter]
            share = of["share_of_labels_on_bound"]
            values = [factor * of[key] for key in ("mean_abs_bias", "mean_std", "mean_rmse")]
            on_bound = "" if share is None else f"{share:.1%}"
            rows.append([TITLES[name], of["bias_slope"], *values, on_bound])
        tables.append(
            Table(
                ("method", "slope of bias", "mean |bias|", "mean std", "mean RMSE", "labels on a bound"),
                rows,
                f"{parameter}{unit} at SNR {snr:g}, over the grid. Mean √CRB "
                f"{factor * methods['mle'][parameter]['mean_crb_std']:.3g}; RMSE of the best constant answer "
                f"{factor * constant[parameter]:.3g}.",
            )
        )
    return tables


def _scan(page: StudyPage) -> list[Block]:
    words = (
        f"The scan is {page.scan}. All repeats fitted together are the reference; every method then sees single "
        "acquisitions. Ten bins over the training range, errors measured from each voxel's own reference, voxels kept "
        "whose reference lies inside all training ranges, as the paper's text has it (its code has eleven bins and "
        "measures from their centers)."
    )
    return [Paragraph(words), _figure(page, "5"), _figure(page, "6"), _figure(page, "7")]


def _labels(page: StudyPage) -> list[Block]:
    header = (
        "SNR", "likelihood", "recipe", "on a bound", "D_fast left at its start", "D_fast > 5 from converged",
        "RMSE f", "RMSE D_slow", "RMSE D_fast", "fact sheet: on a bound, at start, RMSE",
    )  # fmt: skip
    rows = []
    for row in page.leak:
        scaled = (row.rmse[0], 1e3 * row.rmse[1], 1e3 * row.rmse[2])
        at_start = "" if row.recipe == "converged" else f"{row.share_at_start:.2f}"
        far = "" if row.recipe == "converged" else f"{row.share_far:.2f}"
        rows.append([f"{row.snr:g}", row.noise, row.recipe, row.share_on_bound, at_start, far, *scaled, _fact(row)])
    losses = page.results.restart_losses
    return [
        Paragraph(
            "The authors' labels come from SciPy's L-BFGS-B with finite differences and default tolerances, started at "
            "the truth. Where it stops at once, the label is the truth: knowledge no measurement contains. The "
            "converged fit does not see the truth and goes to the optimum; its labels are noisier and fairer."
        ),
        Table(
            header, rows,
            f"{page.size.n_leak} random signals per cell; diffusivities in 10⁻³ mm²/s. The last column was measured on "
            "other signals and has 5 % sampling error; in it, converged means a tight SciPy fit.",
        ),
        Paragraph(
            f"Sixteen restarts choose the network all others start from. Validation losses of the "
            f"{len(losses)} restarts: {losses.min():.4g} (chosen) to {losses.max():.4g}."
        ),
    ]  # fmt: skip


def _fact(row: LeakRow) -> str:
    share, at_start, rmse = FACT_SHEET[row.snr, row.noise, row.recipe]
    parts = ["–" if value is None else f"{value:g}" for value in (share, at_start)]
    return ", ".join([*parts, " / ".join(f"{value:g}" for value in rmse)])


def _methods(page: StudyPage) -> list[Block]:
    size = page.size
    recipe = (
        "Labels are converged maximum-likelihood estimates from a start that does not know the truth."
        if page.labels == "converged"
        else "Labels follow the authors' released recipe: SciPy L-BFGS-B, finite differences, default tolerances, "
        "started at the truth."
    )
    held = (
        "Signals whose label lies on a bound are held out of training and ignored in validation, the paper's rule (its "
        "released code has it switched off)."
        if page.on_bound == "hold-out"
        else "Signals whose label lies on a bound are kept, as in the released code."
    )
    return [
        Paragraph(
            f"{size.n_train:,} training and {size.n_validation:,} validation signals per SNR, parameters uniform over "
            "S0 0.8–1.2, f 0.1–0.5, D_slow 0.4–3 and D_fast 10–150 (10⁻³ mm²/s), Rician noise with σ = 1/SNR. "
            f"{recipe} {held} Networks have three hidden layers of ten ELU units and the absolute value at the output; "
            f"Adam with step 10⁻³, batches of {size.batch_size}, at most {size.max_epochs} epochs, stopped after "
            f"{size.patience} without a better validation loss."
        ),
        Paragraph(
            "Different from the released code, and closer to the paper's text: early stopping watches the validation "
            "loss and restores the best weights (the code watches the training loss and keeps the last epoch's); the "
            "best of the restarts is chosen by validation loss (the code always takes the last). Conventional fitting "
            "is converged and starts from a coarse grid, not from the mean of the test set. The Cramér–Rao bound, the "
            "constant answer and the self-supervised network with Rician likelihood are additions."
        ),
        Paragraph(f"The whole run took {page.minutes:.1f} minutes."),
    ]


_CAPTIONS = {
    "2": "Paper's figure 2: bias, standard deviation and RMSE at SNR 15 against the true value; each point is a mean "
    "over noise and over the other parameters. The three panels of a column span the same height.",
    "3": "Paper's figure 3: as before, at SNR 30.",
    "tradeoff-15": "Every estimator of the study at SNR 15: mean |bias| against mean standard deviation over the grid. "
    "Arcs join equal root of the summed squares.",
    "tradeoff-30": "The same at SNR 30.",
    "4": "Paper's figure 4, SNR 15: arrows from the truth to the mean estimate, averaged over noise and the parameter "
    "not shown. Arrows that run together are tissues that become indistinguishable.",
    "9": "Paper's figure 9, SNR 15: the same for networks trained on Gaussian and on Rician MLE labels.",
    "8": "Paper's figure 8, SNR 15: in each column, the network whose loss weights that parameter 10⁶ times more.",
    "10": "Paper's figure 10, SNR 15: the hybrid loss with equal shares of both labels.",
    "11": "Paper's figure 11, SNR 15: every grid point; below the line the network with MLE labels has the "
    "smaller value.",
    "12": "Paper's figure 12, SNR 15: D_slow; outer columns show truth labels − Rician MLE labels at two values of "
    "D_slow (dotted lines in the middle column).",
    "5": "Paper's figure 5: single acquisitions of the scan against the reference.",
    "6": "Paper's figure 6: the same scan simulated from its own reference, with each voxel's noise.",
    "7": "Paper's figure 7: maps of one acquisition.",
}


def _figure(page: StudyPage, key: str) -> Figure:
    methods = "the compared estimators"
    alt = f"{_CAPTIONS[key]} Curves or marks for {methods}; the numbers are in the tables and in summary.json."
    caption = _CAPTIONS[key] + (" The first column is the truth." if key == "7" and page.has_truth else "")
    return Figure(page.figures[key], caption, alt)
