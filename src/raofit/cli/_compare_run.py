"""The run behind `raofit compare`: compare, print, and write the folder."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from raofit.cli._compare_estimators import CompareOptions, Measured, measured_comparison
from raofit.cli._evaluate_set_run import print_weighted
from raofit.cli._invocation import command
from raofit.core.tasks import RunTasks
from raofit.evaluation import Evaluation
from raofit.evaluation.comparison import Comparison
from raofit.evaluation.tables import Curve, result_columns
from raofit.evaluation.weighted import plain_summaries, weighted_columns
from raofit.io.columns import write_csv
from raofit.io.output import new_folder, require_free_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.plot.comparison import plot_error_planes, plot_frontier
from raofit.plot.curves import plot_curves
from raofit.plot.style import write_png
from raofit.report import Section, write_report
from raofit.report.comparison import FRONTIER, ComparisonPage, buys, comparison_report


def run_comparison(options: CompareOptions, run: RunTasks) -> None:
    """Compare, print the table and the sentences, and write the folder."""
    of = options.evaluated
    require_free_folder(of.out, force=of.force)
    measured = measured_comparison(options, run)
    with write_comparison(options, measured):
        pass
    columns = weighted_columns(measured.comparison.summaries)
    print_weighted([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    print("\n".join(buys(measured.comparison, measured.snr_ranges)))
    print(f"Written to {of.out}")


@contextlib.contextmanager
def write_comparison(
    options: CompareOptions,
    measured: Measured,
    *,
    sections: Sequence[Section] = (),
    more: Mapping[str, object] | None = None,
    inputs: Sequence[Path | None] = (),
) -> Iterator[Path]:
    """The folder of a comparison, to which the block may add files before it gets its name.

    Parameters
    ----------
    sections : before those of the comparison on its page.
    more : keys of the summary.
    inputs : further files for the record.
    """
    of, comparison = options.evaluated, measured.comparison
    every = [path for path in (*of.networks, of.bval, options.training_set, *inputs) if path is not None]
    record = provenance(command(), every)
    figures = _figures(comparison)
    page = ComparisonPage(
        comparison=comparison,
        snr_ranges=measured.snr_ranges,
        words=measured.words,
        truths=measured.truths,
        figures=figures,
        provenance=provenance_words(record, seed=of.seed),
        sections=sections,
    )
    content = {
        "what": measured.words, "truths": measured.truths, "n_left_out": comparison.n_left_out,
        "n_repeats": of.n_repeats, "seed": of.seed, "sentences": buys(comparison, measured.snr_ranges),
        "snr": {
            f"{snr:g}": {name: plain_summaries(found) for name, found in by_method.items()}
            for snr, by_method in comparison.summaries.items()
        },
        "provenance": record,
    }  # fmt: skip
    with new_folder(of.out, force=of.force) as folder:
        write_csv(folder / "frontier.csv", weighted_columns(comparison.summaries))
        write_csv(folder / "evaluation.csv", _all_truths(comparison))
        write_json(folder / "summary.json", content | dict(more or {}))
        for name, figure in figures.items():
            write_png(folder / f"{name}.png", figure)
        write_report(folder / "report.html", comparison_report(page))
        yield folder


def _all_truths(comparison: Comparison) -> dict[str, np.ndarray]:
    """One row per SNR, method and truth."""
    tables = {snr: result_columns(by_method) for snr, by_method in comparison.evaluations.items()}
    first = next(iter(tables.values()))
    snrs = [np.full(len(table["method"]), snr) for snr, table in tables.items()]
    return {"snr": np.concatenate(snrs)} | {
        key: np.concatenate([table[key] for table in tables.values()]) for key in first
    }


def _figures(comparison: Comparison) -> dict[str, Figure]:
    """The frontier, and maps of bias and standard deviation over each parameter and another one."""
    figures = {FRONTIER: plot_frontier(comparison)}
    parameters, snr = comparison.parameters, comparison.middle_snr
    for parameter in parameters:
        other = next((item for item in parameters if item is not parameter), None)
        if other is None:
            figures["curves"] = plot_curves(_curves(comparison.evaluations[snr]), parameters)
        else:
            figures[f"plane-{parameter.name}"] = plot_error_planes(comparison, snr, parameter, other)
    return figures


def _curves(by_method: Mapping[str, Evaluation]) -> dict[str, dict[str, Curve]]:
    """Of the only parameter, at each truth."""
    curves = {}
    for method, of in by_method.items():
        order = np.argsort(of.truths[:, 0])
        columns = (of.truths, of.bias, of.std, of.rmse)
        curves[method] = {of.parameter_names[0]: Curve(*(values[order, 0] for values in columns))}
    return curves
