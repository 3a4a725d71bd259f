"""What `raofit crb` shows: a table on standard output, and a folder with table, plot and page."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from raofit.cli._invocation import command
from raofit.estimators.network import describe_protocol
from raofit.information.fisher import Fisher
from raofit.information.identifiability import Precision, Verdict, precision_curve
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, readable, write_json
from raofit.models import AbstractSignalModel, Compressed
from raofit.noise import AbstractNoise
from raofit.plot import style
from raofit.report import Badge, Figure, Paragraph, Report, Section, Table, write_report
from raofit.report.blocks import Tone

HEADER = ("parameter", "unit", "true value", "least std", "% of value", "typical std", "verdict")
_TONES: dict[Verdict, Tone] = {
    Verdict.KNOWN: "plain",
    Verdict.IDENTIFIABLE: "good",
    Verdict.WEAK: "warning",
    Verdict.NOT_IDENTIFIABLE: "bad",
}
_MOST_COLUMNS = 4
_MOST_LISTED = 40
_STYLES = {"plain": "", "good": "green", "warning": "yellow", "bad": "bold red"}


def precision_rows(precisions: Sequence[Precision]) -> list[tuple]:
    """One row per parameter under `HEADER`; the verdict is the last cell, as a `Badge`."""
    return [
        (
            item.parameter.name,
            item.parameter.unit,
            f"{item.value:.4g}",
            "known" if item.is_fixed else f"{item.standard_deviation:.4g}",
            "" if item.is_fixed or item.value == 0 else f"{item.standard_deviation / abs(item.value):.1%}",
            f"{item.prior_standard_deviation:.4g}",
            Badge(item.verdict.value, _TONES[item.verdict]),
        )
        for item in precisions
    ]


def summary_sentences(precisions: Sequence[Precision], shares: Mapping[str, float]) -> list[tuple[str, Tone]]:
    """What the table means in words, the parameters that are not identified first, each with its tone."""
    sentences: list[tuple[str, Tone]] = []
    for verdict in (Verdict.NOT_IDENTIFIABLE, Verdict.WEAK):
        for item in precisions:
            share = shares[item.parameter.name]
            note = f" Over all typical tissue, it cannot be identified in {share:.0%} of cases." if share > 0 else ""
            sentences += [(item.sentence + note, _TONES[verdict])] if item.verdict is verdict else []
    return sentences or [("Every parameter can be identified at this noise level.", "good")]


def print_precision(
    model: AbstractSignalModel, noise: AbstractNoise, precisions: Sequence[Precision], shares: Mapping[str, float]
) -> None:
    """The table and its meaning on standard output: drawn for a terminal, tab-separated for a pipe."""
    console = Console(highlight=False)
    if console.is_terminal:
        table = RichTable(title=title(model, noise, precisions), box=SIMPLE_HEAD)
        for name in HEADER:
            is_text = name in ("parameter", "unit", "verdict")
            table.add_column(
                name.replace(" ", "\n"), justify="left" if is_text else "right", no_wrap=name != "parameter"
            )
        for *cells, verdict in precision_rows(precisions):
            table.add_row(*cells, f"[{_STYLES[verdict.tone]}]{verdict.text}[/]" if _STYLES[verdict.tone] else "known")
        console.print(table)
    else:
        print("\t".join(HEADER))
        for *cells, verdict in precision_rows(precisions):
            print("\t".join([*cells, verdict.text]))
    for sentence, _ in summary_sentences(precisions, shares):
        console.print(sentence, soft_wrap=not console.is_terminal, markup=False)


def write_crb_folder(
    out: Path,
    model: AbstractSignalModel,
    noise: AbstractNoise,
    precisions: Sequence[Precision],
    shares: Mapping[str, float],
    *,
    fixed: Sequence[str] = (),
    fisher: Fisher = "real",
    force: bool,
) -> None:
    """Write `crb.csv`, `crb.json`, `crb.png` and `report.html` to a new folder."""
    at = {item.parameter.name: item.value for item in precisions}
    figure = precision_figure(model, noise, precisions, at, fixed, fisher)
    record = provenance(command(), [])
    with new_folder(out, force=force) as work:
        with (work / "crb.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows([*cells, verdict.text] for *cells, verdict in precision_rows(precisions))
        content = {
            "Model": model.name,
            "Protocol": short_protocol(model),
            "Fisher": fisher,
            "Known": list(fixed),
            "Noise": noise.name,
            "Sigma": float(noise.sigma),
            "Parameters": {
                item.parameter.name: {
                    "Units": item.parameter.unit,
                    "TrueValue": item.value,
                    "SqrtCRB": item.standard_deviation,
                    "PriorStandardDeviation": item.prior_standard_deviation,
                    "Verdict": item.verdict.value,
                    "UnidentifiableShare": shares[item.parameter.name],
                }
                for item in precisions
            },
        }
        write_json(work / "crb.json", content | record)
        style.write_png(work / "crb.png", figure)
        write_report(work / "report.html", _report(model, noise, precisions, shares, figure, record))


def title(model: AbstractSignalModel, noise: AbstractNoise, precisions: Sequence[Precision]) -> str:
    """Model, protocol size and noise in a line."""
    sigma = float(noise.sigma)
    index = model.amplitude_index
    amplitude = 1.0 if model.has_complex_amplitude else None if index is None else precisions[index].value
    snr = "" if amplitude is None else f" (SNR {amplitude / sigma:.4g})"
    return f"{model.name}, {model.n_measurements} measurements, {noise.name} noise of sigma {sigma:.4g}{snr}"


def precision_figure(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    precisions: Sequence[Precision],
    at: Mapping[str, float],
    fixed: Sequence[str],
    fisher: Fisher = "real",
) -> MatplotlibFigure:
    """√CRB of each estimated parameter over its typical range; the dashed line is the spread of that range."""
    shown = [item for item in precisions if not item.is_fixed]
    columns = min(len(shown), _MOST_COLUMNS)
    rows = -(-len(shown) // columns)
    figure = style.new_figure(2.7 * columns + 0.4, 2.4 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, item in zip(panels, shown, strict=False):
        parameter = item.parameter
        factor = style.display_scale(parameter)
        values, deviations = precision_curve(model, noise, parameter.name, at, fixed=fixed, fisher=fisher)
        finite = np.where(np.isfinite(deviations), deviations, np.nan)
        axes.plot(factor * values, factor * finite, color="#35608d", label="√CRB")
        prior = factor * item.prior_standard_deviation
        axes.axhline(prior, color=style.PALETTE[1], linestyle="--", linewidth=1.2, label="spread of typical range")
        axes.plot(factor * item.value, factor * item.standard_deviation, "o", color="#35608d", markersize=5)
        axes.set_ylim(0, 1.15 * max(prior, np.nanmax(factor * finite, initial=0.0)))
        if parameter.is_log_scaled:
            axes.set_xscale("log")
        style.quiet(axes).set_xlabel(style.axis_label(parameter))
        axes.set_ylabel(style.axis_label(parameter, "std of"))
    style.legend_below(figure, figure.axes[0].get_legend_handles_labels()[0])
    return figure


def protocol_paragraphs(model: AbstractSignalModel) -> list[Paragraph]:
    """One line per protocol setting; many values by their number and range."""
    samples = model.model if isinstance(model, Compressed) else model
    units = {field.name: f" ({field.unit})" for field in samples.protocol_fields}
    return [
        Paragraph(f"{name}{units.get(name, '')}: {describe_protocol({name: values}).removeprefix(f'{name} = ')}")
        for name, values in model.protocol.items()
    ]


def short_protocol(model: AbstractSignalModel) -> dict[str, np.ndarray | str]:
    """Protocol values, or their number and range where they are many: the input files have them all."""
    return {
        name: values if values.size <= _MOST_LISTED else describe_protocol({name: values}).removeprefix(f"{name} = ")
        for name, values in model.protocol.items()
    }


def precision_table(precisions: Sequence[Precision], caption: str, *, value: str = "true value") -> Table:
    """The precision rows as a report table; `value` is the heading of the values the bound is of."""
    return Table([value if name == "true value" else name for name in HEADER], precision_rows(precisions), caption)


def _report(model, noise, precisions, shares, figure, record) -> Report:
    sentences = summary_sentences(precisions, shares)
    protocol = protocol_paragraphs(model)
    return Report(
        title="Attainable precision",
        subtitle=title(model, noise, precisions),
        sections=[
            Section("What this protocol can tell", [Paragraph(text, tone) for text, tone in sentences]),
            Section(
                "Precision of one voxel",
                [
                    precision_table(
                        precisions,
                        "Least standard deviation of any unbiased estimate (√CRB), beside the standard deviation "
                        "of the typical range.",
                    ),
                    Figure(
                        figure,
                        "Least standard deviation while the true value runs over the typical range, the other "
                        "parameters as in the table (dot). Above the dashed line, knowing the typical range tells more "
                        "than measuring a voxel.",
                        "One curve of the Cramér-Rao standard deviation per parameter, with the typical spread.",
                    ),
                ],
            ),
            Section("Protocol", protocol),
        ],
        provenance=readable(record),
    )
