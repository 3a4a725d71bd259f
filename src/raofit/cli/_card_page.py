"""What `raofit card` writes: the card as a page, its table, and its figures."""

import csv
from collections.abc import Mapping
from pathlib import Path

from raofit.cli._card_table import (
    INTERVAL_COLUMNS,
    NOT_MEASURED,
    card_cells,
    card_columns,
    card_entries,
    card_rows,
    has_intervals,
    is_weighted,
)
from raofit.cli._crb_page import protocol_paragraphs
from raofit.cli._invocation import command
from raofit.cli._map_estimator import leanings
from raofit.cli._method_words import model_sentences, software_sentence, training_sentences, with_unit
from raofit.estimators.network import NetworkEstimator, describe_protocol
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, readable, versions, write_json
from raofit.plot.card import LEVELS, plot_card_coverage, plot_card_errors
from raofit.plot.style import write_png
from raofit.report import Figure, Paragraph, Report, Section, Snippet, Table, write_report
from raofit.report.methods import methods_blocks

_LEAST_COVERAGE = 0.93  # of intervals of nominal 95 %, below which a sentence says so
_HEADERS = {
    "bias": "mean bias",
    "bias_slope": "slope of bias",
    "rmse": "RMSE",
    "crb_std": "√CRB",
    "constant_rmse": "RMSE of a constant",
    "weighted_squared_bias": "bias² / CRB",
    "weighted_variance": "variance / CRB",
    "slope": "slope of the estimate",
    "coverage_50": "50 %",
    "coverage_68": "68 %",
    "coverage_95": "95 %",
    "calibrated_coverage_95": "95 %, calibrated",
    "interval_factor_95": "half-width of 95 % (SE)",
}


def card_facts(network: NetworkEstimator) -> dict[str, str]:
    """What the network is for and how it came about, `{what: words}`; what its file does not say is left out."""
    made, low, high = network.provenance, *network.snr_range
    recipe = made.get("recipe", {})
    sizes = network.network.sizes
    facts = {
        "model": f"{network.model.name}, {network.model.n_measurements} measurements",
        "estimates": ", ".join(_shown_names(network)),
        "protocol": describe_protocol(network.model.protocol),
        "noise": network.noise_name,
        "SNR": f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}",
        "network": f"{len(sizes) - 2} hidden layers, {network.weights.size} weights",
        "labels": recipe.get("labels"),
        "loss weights": recipe.get("weights"),
        "training data": _training_data(network),
        "training samples": made.get("n_training", recipe.get("n_training")),
        "epochs": made.get("epochs"),
        "training time": f"{made['training_seconds']:.4g} s" if "training_seconds" in made else None,
        "seed": made.get("seed"),
        "versions": ", ".join(f"{name} {version}" for name, version in made.get("versions", {}).items()),
        "card": _measured(network),
        "coverage of intervals": f"measured at {len(card_entries(network))} SNR"
        if has_intervals(network)
        else NOT_MEASURED,
    }
    ranges = zip(network.model.parameters, network.prior.ranges, strict=True)
    facts |= {f"trained range of {with_unit(item)}": f"{low:.4g} to {high:.4g}" for item, (low, high) in ranges}
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def write_card_folder(out: Path, path: Path, network: NetworkEstimator, *, force: bool) -> None:
    """Write `card.csv`, `card.json`, `report.html` and, where something was measured, the figures to a new folder."""
    record = provenance(command(), [path])
    figures = _figures(network)
    with new_folder(out, force=force) as work:
        columns = (*card_columns(network), *INTERVAL_COLUMNS)
        with (work / "card.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("SNR", "parameter", "unit", *columns))
            writer.writerows(card_rows(network, columns))
        content = {"Facts": card_facts(network), "Card": network.card, "Training": network.provenance}
        write_json(work / "card.json", content | record)
        for name, block in figures.items():
            write_png(work / f"{name}.png", block.figure)
        write_report(work / "report.html", card_report(path.name, network, figures, readable(record)))


def card_report(
    name: str, network: NetworkEstimator, figures: Mapping[str, Figure], record: Mapping[str, object]
) -> Report:
    """The page of a network."""
    errors = [_error_table(network), figures["errors"]] if "errors" in figures else [Paragraph(_UNMEASURED, "warning")]
    intervals = [_interval_table(network), figures["coverage"]] if "coverage" in figures else [Paragraph(_NO_INTERVALS)]
    facts = card_facts(network)
    return Report(
        title=f"Card of {name}",
        subtitle=f"{facts['model']}, {network.noise_name} noise, SNR {facts['SNR']}",
        sections=[
            Section("What to know before using it", _remarks(network)),
            Section("Errors", errors),
            Section("Intervals", intervals),
            Section("Training", [_fact_table(network), _range_table(network)]),
            Section("Protocol", protocol_paragraphs(network.model)),
            Section("For your paper", _methods(network)),
        ],
        provenance=record,
    )


def card_blocks(network: NetworkEstimator) -> list[Paragraph | Table]:
    """The tables of the card, for a page that shows what the network made."""
    remarks = [Paragraph(sentence, "warning") for sentence in _missing(network)]
    errors = [_error_table(network)] if card_entries(network) else [Paragraph(_UNMEASURED, "warning")]
    intervals = [_interval_table(network)] if has_intervals(network) else [Paragraph(_NO_INTERVALS)]
    return [*remarks, *errors, *intervals]


def _methods(network: NetworkEstimator) -> list[Paragraph | Snippet]:
    made = versions()
    about = "Estimates are those of a neural network."
    sentences = [*model_sentences(network.model), about, *training_sentences(network), software_sentence(made)]
    return methods_blocks(sentences, made)


_UNMEASURED = "Bias and scatter: not measured. The file holds no card; train the network again with `raofit train`."
_NO_INTERVALS = (
    "Coverage of intervals: not measured. The network was written before it was; standard errors state scatter alone, "
    "so intervals of a parameter with bias hold the truth less often than they say."
)


def _remarks(network: NetworkEstimator) -> list[Paragraph]:
    remarks = [
        Paragraph(
            "What follows was measured in simulations: truths drawn from the training ranges, at the protocol, noise "
            "and SNR the network was trained for. Elsewhere nothing is known of it."
        )
    ]
    remarks += [Paragraph(sentence, "warning") for sentence in leanings(network, network.snr)]
    return remarks + [Paragraph(sentence, "warning") for sentence in _missing(network)]


def _missing(network: NetworkEstimator) -> list[str]:
    """Parameters whose 95 % intervals hold the truth too rarely at some SNR, at the worst of them."""
    sentences = []
    for name in network.parameter_names if has_intervals(network) else ():
        of = min(card_entries(network), key=lambda entry: entry["parameters"][name]["coverage_95"] or 0.0)
        figures = of["parameters"][name]
        share, factor = figures["coverage_95"] or 0.0, figures["interval_factor_95"]
        if share < _LEAST_COVERAGE and factor is not None:
            sentences.append(
                f"Intervals of ±1.96 standard errors hold the true {name} in {share:.0%} of the voxels at SNR "
                f"{of['snr']:.3g}, because standard errors state scatter and not bias; ±{factor:.2f} hold it in 95 %."
            )
    return sentences


def _figures(network: NetworkEstimator) -> dict[str, Figure]:
    entries, figures = card_entries(network), {}
    shown = [item for item in network.model.parameters if item.name in network.parameter_names]
    if entries:
        caption = (
            "Errors against SNR on logarithmic axes: root mean squares over the truths of bias, standard deviation and "
            "RMSE, beside √CRB (what an unbiased estimator scatters at least) and the best constant answer."
        )
        alt = f"{caption} One panel for each of {', '.join(item.name for item in shown)}; numbers are in the table."
        figures["errors"] = Figure(plot_card_errors(entries, shown), caption, alt)
    if has_intervals(network):
        caption = (
            "Share of the intervals that hold the truth against the nominal share. On the gray diagonal they do what "
            "they say. Solid: estimate ± z standard errors; dashed: with the calibrated half-widths."
        )
        alt = f"{caption} One panel per parameter, one color per SNR; numbers are in the table."
        figures["coverage"] = Figure(plot_card_coverage(entries, shown), caption, alt)
    return figures


def _error_table(network: NetworkEstimator) -> Table:
    caption = (
        f"{_measured(network).capitalize()}. Slope of bias: −1 for a constant answer, 0 for one that keeps all "
        "differences between tissues. Efficiency: bound over variance; above 1 only for biased estimators."
    )
    if is_weighted(network):
        caption += " Ratios to the bound are means over the fingerprints, std and √CRB roots of mean squares."
    columns = card_columns(network)
    return Table(_header(columns), card_cells(network, columns), caption)


def _interval_table(network: NetworkEstimator) -> Table:
    levels = ", ".join(map(str, LEVELS))
    caption = (
        f"Share of the intervals estimate ± z·SE of nominal {levels} % that hold the truth; and, of 95 %, with the "
        "calibrated half-width, determined on other draws than those it is tested on. Means over the training ranges: "
        "for a single tissue intervals may hold more or less often."
    )
    return Table(_header(INTERVAL_COLUMNS), card_cells(network, INTERVAL_COLUMNS), caption)


def _header(columns: tuple[str, ...]) -> tuple[str, ...]:
    return ("SNR", "parameter", "unit", *(_HEADERS.get(column, column) for column in columns))


def _fact_table(network: NetworkEstimator) -> Table:
    left_out = ("protocol", "trained range")
    rows = [[name, words] for name, words in card_facts(network).items() if not name.startswith(left_out)]
    return Table(("what", "value"), rows, "How the network was made, as its file says.")


def _range_table(network: NetworkEstimator) -> Table:
    ranges = zip(network.model.parameters, network.prior.ranges, strict=True)
    rows = [[item.name, item.unit, float(low), float(high), item.description] for item, (low, high) in ranges]
    kinds = network.prior.component_names
    words = f" Kinds of tissue: {', '.join(kinds)}." if len(kinds) > 1 else ""
    return Table(
        ("parameter", "unit", "from", "to", "meaning"), rows, f"Ranges the training truths were drawn from.{words}"
    )


def _measured(network: NetworkEstimator) -> str:
    card = network.card
    if not card_entries(network):
        return NOT_MEASURED
    words = f"{card['n_truths']} truths from the training ranges, {card['n_repeats']} noise draws each"
    return words + (f"; measured again with seed {card['seed']} by raofit {card['raofit']}" if "seed" in card else "")


def _training_data(network: NetworkEstimator) -> str | None:
    """Where the measurements it was trained on come from."""
    made = network.provenance
    if not made:
        return None
    of = made.get("training_set")
    if not of:
        return "signals simulated from truths drawn from the training ranges"
    return "a set of fingerprints" + (f", simulated beforehand with seed {of['seed']}" if "seed" in of else "")


def _shown_names(network: NetworkEstimator) -> list[str]:
    parameters = {item.name: item for item in network.model.parameters}
    return [
        f"magnitude of {with_unit(parameters[name])}" if name in network.magnitudes else with_unit(parameters[name])
        for name in network.parameter_names
    ]
