"""The run behind `raofit evaluate`: resolve the estimators, simulate, and write the folder."""

import dataclasses
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure as MatplotlibFigure
from rich.console import Console
from rich.table import Table as RichTable

from raofit import noise as noise_models
from raofit.cli._options import PROTOCOL_OPTIONS, default_noise, parse_bounds, stated_model
from raofit.cli._progress import progress_bar
from raofit.core.errors import RaofitError
from raofit.core.seeds import key_of
from raofit.core.tasks import RunTasks
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.evaluation import Evaluation, Grid, evaluate, evaluation_grid
from raofit.evaluation.evaluate import Estimator
from raofit.evaluation.tables import (
    COVERAGES,
    bound_curves,
    constant_curves,
    constant_rmse,
    mapping_arrows,
    marginal_curves,
    result_columns,
    summarize,
)
from raofit.io.columns import write_csv, write_npz
from raofit.io.network_file import load_network
from raofit.io.output import new_folder, require_free_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.models import AbstractSignalModel
from raofit.plot.arrows import plot_arrows
from raofit.plot.curves import plot_curves, plot_tradeoff
from raofit.plot.style import write_png
from raofit.report import Figure, Paragraph, Report, Section, Table, write_report

MLE = "maximum likelihood"
QUANTITIES = ("bias_slope", "mean_abs_bias", "mean_std", "mean_rmse", "mean_crb_std", "share_at_bound", "share_failed")
_LARGEST_GRID = 1_000_000


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What the user asked for; see `raofit.cli.evaluate.evaluate`."""

    out: Path
    networks: tuple[Path, ...]
    has_mle: bool
    bounds: tuple[str, ...]
    model: str | None
    bval: Path | None
    te: str | None
    ti: str | None
    flip: str | None
    mt: str | None
    tr: str | None
    refocusing: str | None
    snr: tuple[float, ...]
    noise: str | None
    n_values: int
    n_repeats: int
    coverage: bool
    seed: int
    force: bool


def run_evaluation(options: EvaluateOptions, run: RunTasks) -> None:
    """Evaluate, print the table, and write the folder."""
    require_free_folder(options.out, force=options.force)
    if not options.networks and not options.has_mle:
        raise RaofitError("nothing to evaluate: give --network FILE, --estimator mle, or both")
    networks = load_networks(options.networks)
    first = next(iter(networks.values()), None)
    model = evaluated_model(options, networks)
    snr = _snr(options, first)
    noise_name = evaluated_noise(options, model, first)
    noise = noise_models.build(noise_name, 1.0 / snr)
    grid = checked_grid(options, model)
    estimators: dict[str, Estimator] = {name: network.at(1.0 / snr) for name, network in networks.items()}
    if options.has_mle:
        estimators[MLE] = MaximumLikelihood(model, noise, bounds=parse_bounds(options.bounds) or None)
    key, evaluations = key_of(options.seed), {}
    with progress_bar() as progress:
        for name, estimator in estimators.items():
            evaluations[name] = evaluate(
                estimator, model, noise, grid.points, options.n_repeats, key, coverage=options.coverage, run=run,
                progress=lambda event, name=name: progress(dataclasses.replace(event, stage=name)),
            )  # fmt: skip
    words = f"{model.name}, {model.n_measurements} measurements, {noise_name} noise, SNR {snr:g}"
    _write(options, evaluations, grid, words, model)
    _print(evaluations, words)
    print(f"Written to {options.out}")


def _snr(options: EvaluateOptions, first: NetworkEstimator | None) -> float:
    """The stated SNR, else the middle of the first network's."""
    if len(options.snr) > 1:
        raise RaofitError("--snr: expected one signal-to-noise ratio; several are for --training-set")
    if options.snr:
        return options.snr[0]
    if first is None:
        raise RaofitError("--snr is missing: give the signal-to-noise ratio, for instance 15")
    return first.snr


def load_networks(paths: tuple[Path, ...]) -> dict[str, NetworkEstimator]:
    """Networks by the names of their files."""
    networks = {path.stem: load_network(path) for path in paths}
    if len(networks) < len(paths):
        raise RaofitError("--network: two files have the same name, which their results would share; rename one")
    return networks


def evaluated_noise(options: EvaluateOptions, model: AbstractSignalModel, first: NetworkEstimator | None) -> str:
    """The stated noise, else the first network's, else the model's."""
    return options.noise or (default_noise(model) if first is None else first.noise_name)


def checked_grid(options: EvaluateOptions, model: AbstractSignalModel) -> Grid:
    """The truths of the options, unless there are too many."""
    grid = evaluation_grid(model, n_values=options.n_values)
    if len(grid.points) * options.n_repeats > _LARGEST_GRID * 100:
        raise RaofitError(f"{len(grid.points)} truths × {options.n_repeats} repeats is too much; lower --values")
    return grid


def evaluated_model(options: EvaluateOptions, networks: Mapping[str, NetworkEstimator]) -> AbstractSignalModel:
    """The stated model and protocol, else the first network's; every network must be made for it."""
    first = next(iter(networks.values()), None)
    is_stated = any(getattr(options, name) is not None for name in PROTOCOL_OPTIONS)
    if first is None or is_stated:
        name = options.model or ("ivim" if first is None else first.model.name)
        model = stated_model(
            name,
            bval=options.bval,
            te=options.te,
            ti=options.ti,
            flip=options.flip,
            mt=options.mt,
            refocusing=options.refocusing,
            tr=options.tr,
        )
    else:
        model = first.model
    for path, network in zip(options.networks, networks.values(), strict=True):
        wanted = options.model or model.name
        if network.model.name != wanted:
            raise RaofitError(f"{path}: expected a network for model {wanted}, found one for {network.model.name}")
        order = check_protocol(network, model.protocol)
        if list(order) != sorted(order):
            raise RaofitError(f"{path}: its protocol is the stated one in another order; state it in the network's")
    return model


def _write(
    options: EvaluateOptions, evaluations: Mapping[str, Evaluation], grid: Grid, words: str, model: AbstractSignalModel
) -> None:
    inputs = [path for path in (*options.networks, options.bval) if path is not None]
    record = provenance(["raofit", *sys.argv[1:]], inputs)
    summaries = {name: summarize(of) for name, of in evaluations.items()}
    figures = evaluation_figures(evaluations, grid)
    with new_folder(options.out, force=options.force) as folder:
        columns = result_columns(evaluations)
        write_csv(folder / "evaluation.csv", columns)
        write_npz(folder / "evaluation.npz", columns)
        settings = {"what": words, "seed": options.seed, "n_repeats": options.n_repeats, "protocol": model.protocol}
        units = {parameter.name: parameter.unit for parameter in model.parameters}
        content = settings | {"units": units, "methods": summaries, "constant_answer_rmse": constant_rmse(grid)}
        write_json(folder / "summary.json", content | {"provenance": record})
        for name, figure in figures.items():
            write_png(folder / f"{name}.png", figure)
        write_report(folder / "report.html", evaluation_report(evaluations, grid, words, figures, record))


def evaluation_figures(evaluations: Mapping[str, Evaluation], grid: Grid) -> dict[str, MatplotlibFigure]:
    """Curves, trade-off and, with two or more varied parameters, mapping arrows."""
    first = next(iter(evaluations.values()))
    shown = tuple(parameter for parameter in first.parameters if parameter.name in grid.varied)
    summaries = {name: summarize(of) for name, of in evaluations.items()}
    bounds = {p.name: next(iter(summaries.values()))[p.name]["mean_crb_std"] for p in shown}
    figures = {
        "tradeoff": plot_tradeoff(summaries, shown, bound=bounds),
        "curves": plot_curves(
            {name: marginal_curves(of, grid) for name, of in evaluations.items()},
            shown,
            bound=bound_curves(first, grid),
            constant=constant_curves(grid),
        ),
    }
    planes = list(itertools.combinations(grid.varied, 2))[:3]
    if planes:
        arrows = {name: [mapping_arrows(of, grid, *plane) for plane in planes] for name, of in evaluations.items()}
        figures["mapping"] = plot_arrows(arrows, shown)
    return figures


_CAPTIONS = {
    "tradeoff": "Mean |bias| against mean standard deviation. No unbiased estimator lies left of the dotted line.",
    "curves": "Bias, standard deviation and RMSE against the true value, averaged over noise and the other parameters.",
    "mapping": "Arrows from the truth to the mean estimate: where they run together, tissues become indistinguishable.",
}


def evaluation_report(
    evaluations: Mapping[str, Evaluation],
    grid: Grid,
    words: str,
    figures: Mapping[str, MatplotlibFigure],
    record: Mapping,
) -> Report:
    """The page of an evaluation."""
    first = next(iter(evaluations.values()))
    constant = constant_rmse(grid)
    tables = []
    for parameter in first.parameters:
        if parameter.name not in grid.varied:
            continue
        rows = [
            [name, *(summarize(of)[parameter.name][quantity] for quantity in QUANTITIES[:4]), *_shares(of, parameter)]
            for name, of in evaluations.items()
        ]
        bound = summarize(first)[parameter.name]["mean_crb_std"]
        unit = "" if parameter.unit == "1" else f" ({parameter.unit})"
        caption = (
            f"{parameter.name}{unit}. Mean √CRB {bound:.3g}; RMSE of the best constant answer "
            f"{constant[parameter.name]:.3g}."
        )
        header = ("method", "slope of bias", "mean |bias|", "mean std", "mean RMSE", "on a bound", "without estimate")
        tables.append(Table(header, rows, caption))
    intervals = [] if first.coverage is None else [Section("Intervals", [_coverage_table(evaluations, grid)])]
    intro = Paragraph(
        f"{len(grid.points)} combinations of true values, {first.n_repeats} noise draws each. Standard deviations are "
        "over the noise (ddof 0). A slope of bias of 0 keeps differences between tissues, −1 removes them. RMSE alone "
        "favors estimators that answer the mean: read it with the other columns."
    )
    shown = [Figure(figure, _CAPTIONS[name], _CAPTIONS[name]) for name, figure in figures.items()]
    return Report(
        title="Bias and variance of " + ", ".join(evaluations),
        subtitle=words,
        sections=[Section("In numbers", [intro, *tables]), *intervals, Section("In pictures", shown)],
        provenance=provenance_words(record),
    )


def _coverage_table(evaluations: Mapping[str, Evaluation], grid: Grid) -> Table:
    rows = [
        [parameter.name, name, *(_percent(summarize(of)[parameter.name][quantity]) for quantity in COVERAGES)]
        for parameter in next(iter(evaluations.values())).parameters
        if parameter.name in grid.varied
        for name, of in evaluations.items()
    ]
    header = ("parameter", "method", "50 %", "68 %", "95 %", "truths away from bounds", "95 % there")
    caption = (
        "Share of the intervals estimate ± 0.67, 0.99 and 1.96 standard errors, of nominal 50, 68 and 95 %, that hold "
        "the truth: mean over all truths; and of those away from bounds, where less than 1 % of the estimates are on "
        "one. Standard errors state scatter: bias makes intervals miss."
    )
    return Table(header, rows, caption)


def _shares(evaluation: Evaluation, parameter) -> list[str]:
    numbers = summarize(evaluation)[parameter.name]
    return [_percent(numbers["share_at_bound"]), _percent(numbers["share_failed"])]


def _percent(share: float) -> str:
    """A share in words; nothing for one that nothing could be counted for."""
    return "" if share != share else f"{share:.1%}"


def _print(evaluations: Mapping[str, Evaluation], words: str) -> None:
    """The table on standard output: drawn for a terminal, tab-separated for a pipe."""
    has_coverage = next(iter(evaluations.values())).coverage is not None
    quantities = (*QUANTITIES, *COVERAGES) if has_coverage else QUANTITIES
    header = ("method", "parameter", "unit", *quantities)
    rows = [
        (name, parameter.name, parameter.unit, *(f"{numbers[quantity]:.4g}" for quantity in quantities))
        for name, evaluation in evaluations.items()
        for parameter, numbers in zip(evaluation.parameters, summarize(evaluation).values(), strict=True)
    ]
    console = Console(highlight=False)
    if not console.is_terminal:
        print("\n".join("\t".join(row) for row in [header, *rows]))
        return
    table = RichTable(title=words)
    for name in header:
        table.add_column(name, justify="left" if name in ("method", "parameter", "unit") else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
