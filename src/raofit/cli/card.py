"""`raofit card`: what a network file says of itself."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_FLAG = Parameter(negative=())


def card(
    network: str,
    *,
    out: Path | None = None,
    measure: Path | None = None,
    seed: int = 0,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Show the card of a network: its bias, scatter and intervals as measured, and what it was trained on.

    The table has one row per SNR and parameter, over truths drawn from the training prior: mean bias, slope of bias
    against truth (-1: the data are ignored), standard deviation, RMSE, the root of the Cramér-Rao bound, efficiency
    (bound over variance; above 1 only for biased estimators), and the share of the intervals of nominal 50, 68 and 95 %
    that hold the truth. What follows says for which protocol, noise, SNR and tissue the network was trained, and how.

    Parameters
    ----------
    network
        Network file from `raofit train`, or the name of one that comes with raofit.
    out
        Folder for the card as an HTML page, with its table (CSV and JSON) and figures.
    measure
        Measure the card again, on new draws from the training prior, and write the network with it to this file. The
        weights stay as they are. For networks of earlier versions, which lack the coverage of intervals.
    seed
        Seed of the truths and the noise of --measure.
    force
        Replace an existing output folder or file.
    """
    from raofit.cli._card_page import card_facts, write_card_folder
    from raofit.cli._card_table import print_card, print_facts
    from raofit.cli._progress import progress_bar
    from raofit.io.network_file import load_network, save_network
    from raofit.io.output import require_free_file, require_free_folder
    from raofit.io.shipped_networks import network_path
    from raofit.recipes.card import measured_again

    if out is not None:
        require_free_folder(out, force=force)
    if measure is not None:
        require_free_file(measure, force=force)
    path = network_path(network)
    loaded = load_network(path)
    if measure is not None:
        with progress_bar() as progress:
            loaded = measured_again(loaded, seed=seed, progress=progress)
        save_network(measure, loaded, force=force)
        path = measure
    print_card(loaded)
    print_facts(card_facts(loaded))
    if out is not None:
        write_card_folder(out, path, loaded, force=force)
        print(f"Written to {out}")
    if measure is not None:
        print(f"Written to {measure}")
