"""The measured card of a network on standard output: drawn for a terminal, tab-separated for a pipe."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.coverage import level_words

COLUMNS = ("bias", "bias_slope", "std", "rmse", "crb_std", "constant_rmse", "efficiency")
WEIGHTED_COLUMNS = ("weighted_squared_bias", "weighted_variance", "slope", "bias", "std", "crb_std", "efficiency")
INTERVAL_COLUMNS = (*level_words("coverage"), "calibrated_coverage_95", "interval_factor_95")
NOT_MEASURED = "not measured"


def card_columns(network: NetworkEstimator) -> tuple[str, ...]:
    """Figures of the card to show: over the bound, where every fingerprint's bound was at hand."""
    return WEIGHTED_COLUMNS if is_weighted(network) else COLUMNS


def is_weighted(network: NetworkEstimator) -> bool:
    """Whether the card was measured on fingerprints whose bounds were at hand."""
    return any("slope" in figures for entry in card_entries(network) for figures in entry["parameters"].values())


def card_entries(network: NetworkEstimator) -> list[Mapping]:
    """One entry per SNR, the lowest first; none if the network was never measured."""
    return sorted(network.card.get("entries", []), key=lambda entry: entry["snr"])


def has_intervals(network: NetworkEstimator) -> bool:
    """Whether the coverage of intervals was measured: networks of earlier versions lack it."""
    entries = card_entries(network)
    return bool(entries) and all(
        column in figures
        for entry in entries
        for figures in entry["parameters"].values()
        for column in INTERVAL_COLUMNS
    )


def efficiency(figures: Mapping[str, float | None]) -> float | None:
    """Bound over variance: of the mean ratio over fingerprints where it is known, else of the mean bound and variance.

    1 is an efficient estimator. Only a biased one is above: it scatters less than any unbiased one can.
    """
    weighted_variance = figures.get("weighted_variance")
    if weighted_variance:
        return 1.0 / weighted_variance
    bound, std = figures["crb_std"], figures["std"]
    return None if bound is None or not std else (bound / std) ** 2


def card_cells(network: NetworkEstimator, columns: tuple[str, ...]) -> list[tuple[float | str, ...]]:
    """(SNR, parameter, unit, then one number, or why there is none, per column) for every SNR and parameter."""
    units = {parameter.name: parameter.unit for parameter in network.model.parameters}
    return [
        (float(entry["snr"]), name, units[name], *(_cell(figures, column) for column in columns))
        for entry in card_entries(network)
        for name, figures in entry["parameters"].items()
    ]


def card_rows(network: NetworkEstimator, columns: tuple[str, ...] | None = None) -> list[tuple[str, ...]]:
    """The same as text, of `card_columns` by default."""
    cells = card_cells(network, card_columns(network) if columns is None else columns)
    return [tuple(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in row) for row in cells]


def print_card(network: NetworkEstimator) -> None:
    """Print the card."""
    console = Console(highlight=False)
    if not console.is_terminal:
        columns = (*card_columns(network), *INTERVAL_COLUMNS)
        rows = [("SNR", "parameter", "unit", *columns), *card_rows(network, columns)]
        print("\n".join("\t".join(row) for row in rows))
        return
    measured = f"{network.card.get('n_truths', 0)} truths, {network.card.get('n_repeats', 0)} repeats"
    _print_table(console, f"{network.model.name}: {measured}", network, card_columns(network))
    if has_intervals(network):
        _print_table(console, "intervals that hold the truth", network, INTERVAL_COLUMNS)
    else:
        console.print("Intervals that hold the truth: not measured.")


def print_facts(facts: Mapping[str, str]) -> None:
    """Print what the network was trained for and on, one line each."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print()
        print("\n".join(f"{name}\t{value}" for name, value in facts.items()))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table, markup=False)


def _print_table(console: Console, title: str, network: NetworkEstimator, columns: tuple[str, ...]) -> None:
    table = Table(title=title)
    for name in ("SNR", "parameter", "unit", *columns):
        table.add_column(name.replace("_", " "), justify="left" if name in ("parameter", "unit") else "right")
    for row in card_rows(network, columns):
        table.add_row(*row)
    console.print(table)


def _cell(figures: Mapping[str, float | None], column: str) -> float | str:
    if column != "efficiency" and column not in figures:
        return NOT_MEASURED
    value = efficiency(figures) if column == "efficiency" else figures[column]
    return "unbounded" if value is None else value
