"""The measured card of a network on standard output: drawn for a terminal, tab-separated for a pipe."""

from rich.console import Console
from rich.table import Table

from raofit.estimators.network import NetworkEstimator

COLUMNS = ("bias", "bias_slope", "std", "rmse", "crb_std", "constant_rmse")
WEIGHTED_COLUMNS = ("weighted_squared_bias", "weighted_variance", "slope", "bias", "std", "crb_std")


def card_columns(network: NetworkEstimator) -> tuple[str, ...]:
    """Figures of the card to show: over the bound, where every fingerprint's bound was at hand."""
    first = next(iter(network.card["entries"][0]["parameters"].values()))
    return WEIGHTED_COLUMNS if "slope" in first else COLUMNS


def card_rows(network: NetworkEstimator) -> list[tuple[str, ...]]:
    """(SNR, parameter, unit, then one text per column of `card_columns`) for every SNR and parameter."""
    columns = card_columns(network)
    units = {parameter.name: parameter.unit for parameter in network.model.parameters}
    return [
        (f"{entry['snr']:.4g}", name, units[name], *(_text(figures[column]) for column in columns))
        for entry in network.card["entries"]
        for name, figures in entry["parameters"].items()
    ]


def print_card(network: NetworkEstimator) -> None:
    """Print the card."""
    header = ("SNR", "parameter", "unit", *card_columns(network))
    console = Console(highlight=False)
    if not console.is_terminal:
        print("\n".join("\t".join(row) for row in [header, *card_rows(network)]))
        return
    table = Table(title=f"{network.model.name}: {network.card['n_truths']} truths, {network.card['n_repeats']} repeats")
    for name in header:
        table.add_column(name, justify="left" if name in ("parameter", "unit") else "right")
    for row in card_rows(network):
        table.add_row(*row)
    console.print(table)


def _text(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:.4g}"
