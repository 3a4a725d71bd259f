"""`raofit reproduce`: a published study, from the first random number to the last figure."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())


def reproduce(
    study: Literal["epstein2022"],  # noqa: ARG001 - one study so far; its name is part of the command
    /,
    *,
    out: Path,
    quick: Annotated[bool, _FLAG] = False,
    labels: Literal["converged", "literal"] = "converged",
    on_bound: Literal["hold-out", "keep"] = "hold-out",
    seed: int = 0,
    scan: Path | None = None,
    bval: Path | None = None,
    mask: Path | None = None,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Repeat a published study and test its claims.

    epstein2022: networks for IVIM trained on the truth, on maximum-likelihood labels, and self-supervised, at SNR 15
    and 30, beside conventional fitting and the Cramér-Rao bound. Writes report.html (figures 2 to 12 of the paper and a
    verdict on each of its claims), summary.json, and the figures, tables and trained networks.

    A run that was interrupted continues where it was, to the same result, when the same command is given again.

    Parameters
    ----------
    study
        Which study.
    out
        Folder to write; it appears when everything in it is complete.
    quick
        Fewer signals, epochs and repeats: about a minute, to see what comes out. Verdicts need the full run.
    labels
        converged: maximum-likelihood labels from a start that does not know the truth. literal: the authors' SciPy
        recipe, started at the truth (one signal at a time: slow).
    on_bound
        Labels on a fit bound: hold them out of training (the paper's rule) or keep them (its released code).
    seed
        Seed of everything random.
    scan
        A repeated scan (4-D NIfTI, every b-value equally often) for figures 5 to 7, in place of the digital phantom.
    bval
        b-values of the scan in s/mm², one per volume; default: the file beside it with the ending .bval.
    mask
        NIfTI mask of the scan.
    force
        Replace an existing output folder.
    """
    from raofit.cli._reproduce_run import ReproduceOptions, run_study
    from raofit.core.errors import RaofitError

    if scan is None and (bval is not None or mask is not None):
        raise RaofitError("--bval and --mask describe a measured scan; give it with --scan, or leave them out")
    result = run_study(ReproduceOptions(out, quick, labels, on_bound, seed, force, scan, bval, mask))
    for claim in result.claims:
        print(f"Claim {claim.number}: {claim.verdict}. {claim.statement}")
    print(f"{result.minutes:.1f} minutes. Report: {out / 'report.html'}")
