"""`raofit demo`: a scan whose truth is known, mapped three ways, with what each gets wrong."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    *,
    out: Path = Path("raofit-demo"),
    snr: float = 30.0,
    seed: int = 0,
    force: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Simulate an IVIM scan, map it by maximum likelihood and by two networks, and show what each gets wrong.

    Needs no data and about a minute. Writes the scan as NIfTI, the maps of each method, the trained networks, the
    table of bias and standard deviation, and report.html.

    Parameters
    ----------
    out
        Folder to write.
    snr
        Signal-to-noise ratio of the scan: S0 over sigma.
    seed
        Seed of everything random.
    force
        Replace an existing output folder.
    """
    from raofit.cli._demo_run import run_demo

    for sentence in run_demo(out, snr=snr, seed=seed, force=force):
        print(sentence)
