"""What `raofit evaluate --training-set` does: networks on held-out fingerprints, in units of the Cramér–Rao bound."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from raofit import noise as noise_models
from raofit.cli._evaluate_run import EvaluateOptions, load_networks
from raofit.cli._options import PROTOCOL_OPTIONS
from raofit.cli._progress import progress_bar
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.seeds import key_of
from raofit.core.tasks import RunTasks
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation import Evaluation, evaluate
from raofit.evaluation.weighted import WeightedSummary, weighted_summary
from raofit.io.columns import write_csv
from raofit.io.output import new_folder, require_free_folder
from raofit.io.provenance import provenance, write_json
from raofit.io.training_set_file import load_training_set
from raofit.recipes.training_set import TrainingSet

_FIGURES = ("squared_bias", "variance", "slope")
_MOST = 1000
_OF_THE_SET = ("model", *PROTOCOL_OPTIONS, "noise")


def run_set_evaluation(options: EvaluateOptions, training_set: Path, run: RunTasks) -> None:
    """Evaluate, print the table, and write the folder."""
    require_free_folder(options.out, force=options.force)
    check_set_options(options)
    if not options.networks:
        raise RaofitError("nothing to evaluate: give --network FILE")
    samples = load_training_set(training_set)
    networks = set_networks(options, samples)
    chosen = held_out(samples, training_set)
    summaries: dict[float, dict[str, dict[str, WeightedSummary]]] = {}
    with progress_bar() as progress:
        for snr in options.snr or trained_snrs(next(iter(networks.values()))):
            summaries[snr] = {}
            for name, network in networks.items():

                def show(event: ProgressEvent, stage: str = f"{name}, SNR {snr:g}") -> None:
                    progress(dataclasses.replace(event, stage=stage))

                found = _evaluated(network, chosen, snr, options, run, show)
                summaries[snr][name] = weighted_summary(found, found.parameter_names)
    rows = [
        {"snr": snr, "method": name, "parameter": parameter} | _figures(summary)
        for snr, methods in summaries.items()
        for name, parameters in methods.items()
        for parameter, summary in parameters.items()
    ]
    record = provenance(["raofit", *sys.argv[1:]], [*options.networks, training_set])
    with new_folder(options.out, force=options.force) as folder:
        write_csv(folder / "evaluation.csv", {name: [row[name] for row in rows] for name in rows[0]})
        settings = {"n_fingerprints": len(chosen), "n_repeats": options.n_repeats, "seed": options.seed}
        write_json(folder / "summary.json", settings | {"rows": rows, "provenance": record})
    print_weighted(rows)
    print(f"Written to {options.out}")


def held_out(samples: TrainingSet, path: Path) -> TrainingSet:
    """The first fingerprints of the prior's first component."""
    chosen = samples.take(np.flatnonzero(samples.component == 0)[:_MOST])
    if len(chosen) < 2:
        raise RaofitError(f"{path}: expected 2 fingerprints or more of the first component, got {len(chosen)}")
    return chosen


def trained_snrs(network: NetworkEstimator) -> tuple[float, ...]:
    """Lowest, middle and highest SNR of its training."""
    return tuple(sorted({network.snr_range[0], network.snr, network.snr_range[1]}))


def _evaluated(
    network: NetworkEstimator,
    samples: TrainingSet,
    snr: float,
    options: EvaluateOptions,
    run: RunTasks,
    show: Progress,
) -> Evaluation:
    """All networks see the same noise."""
    return evaluate(
        network,
        samples.model,
        noise_models.build(network.noise_name, 1.0 / snr),
        samples.parameters,
        options.n_repeats,
        key_of(options.seed),
        signals=samples.signals,
        bound=samples.bound / snr**2,
        magnitudes=network.magnitudes,
        run=run,
        progress=show,
    )


def set_networks(options: EvaluateOptions, samples: TrainingSet) -> dict[str, NetworkEstimator]:
    """The networks, each of which must be made for the set's model."""
    networks = load_networks(options.networks)
    for path, network in zip(options.networks, networks.values(), strict=True):
        own, given = network.model, samples.model
        if (own.name, own.n_measurements) != (given.name, given.n_measurements) or not own.has_complex_amplitude:
            raise RaofitError(
                f"{path}: expected a network for the training set's model `{given.name}` with {given.n_measurements} "
                f"complex measurements, found one for `{own.name}` with {own.n_measurements}"
            )
    return networks


def check_set_options(options: EvaluateOptions) -> None:
    """Raise if an option says what the set states, or asks for what would take days."""
    if options.has_mle or options.bounds:
        raise RaofitError(
            "--estimator mle: fitting every noise draw of this model would take days; evaluate networks on a training "
            "set, and fit with raofit.MaximumLikelihood"
        )
    if options.coverage:
        raise RaofitError(
            "--coverage: intervals are not counted on a training set; `raofit card` shows what was measured in training"
        )
    for name in _OF_THE_SET:
        if getattr(options, name) is not None:
            raise RaofitError(f"--{name}: the training set states its model and protocol; leave one of the two out")


def _figures(summary: WeightedSummary) -> dict[str, float]:
    figures = {}
    for name in _FIGURES:
        interval = getattr(summary, name)
        figures |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return figures


def print_weighted(rows: Sequence[Mapping]) -> None:
    """The table on standard output: drawn for a terminal, tab-separated for a pipe."""
    header = ("snr", "method", "parameter", *_FIGURES)
    texts = [
        [f"{row[name]:.4g}" if isinstance(row[name], float) else str(row[name]) for name in header] for row in rows
    ]
    console = Console(highlight=False)
    if not console.is_terminal:
        print("\n".join("\t".join(row) for row in [header, *texts]))
        return
    table = Table(title="In units of the Cramér-Rao bound")
    for name in header:
        table.add_column(name, justify="left" if name in ("method", "parameter") else "right")
    for row in texts:
        table.add_row(*row)
    console.print(table)
