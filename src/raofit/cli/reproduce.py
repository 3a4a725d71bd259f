"""`raofit reproduce`: a published study, from the first random number to the last figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from raofit.cli._reproduce_common import TrainStudyOptions

Study = Literal["epstein2022", "zhang2022", "mao2024"]

_FLAG = Parameter(negative=())
_IVIM = Parameter(group="epstein2022")
_TRAINS = Parameter(group="zhang2022 and mao2024")
_MRF = Parameter(group="mao2024 --experiment mrf")
_OF_TRAINS = ("zhang2022", "mao2024")
_OWNERS = {
    "labels": ("epstein2022",),
    "on-bound": ("epstein2022",),
    "scan": ("epstein2022",),
    "bval": ("epstein2022",),
    "mask": ("epstein2022",),
    "scale": _OF_TRAINS,
    "trains": _OF_TRAINS,
    "tr": _OF_TRAINS,
    "basis": _OF_TRAINS,
    "coefficients": ("mao2024",),
    "training-set": _OF_TRAINS,
    "workers": _OF_TRAINS,
    "scheduler": _OF_TRAINS,
    "experiment": ("mao2024",),
    "undersampling": ("mao2024",),
}
_NOT_OF_MRF = ("basis", "tr", "coefficients", "training-set")  # all of this follows from its sequence


def reproduce(
    study: Study,
    /,
    *,
    out: Path,
    quick: Annotated[bool, _FLAG] = False,
    seed: int = 0,
    force: Annotated[bool, _FLAG] = False,
    labels: Annotated[Literal["converged", "literal"] | None, _IVIM] = None,
    on_bound: Annotated[Literal["hold-out", "keep"] | None, _IVIM] = None,
    scan: Annotated[Path | None, _IVIM] = None,
    bval: Annotated[Path | None, _IVIM] = None,
    mask: Annotated[Path | None, _IVIM] = None,
    scale: Annotated[Literal["desk", "paper"] | None, _TRAINS] = None,
    trains: Annotated[Path | None, _TRAINS] = None,
    tr: Annotated[str | None, _TRAINS] = None,
    basis: Annotated[Path | None, _TRAINS] = None,
    coefficients: Annotated[Path | None, _TRAINS] = None,
    training_set: Annotated[Path | None, _TRAINS] = None,
    workers: Annotated[int | None, _TRAINS] = None,
    scheduler: Annotated[str | None, _TRAINS] = None,
    experiment: Annotated[Literal["qmt", "mrf"] | None, _TRAINS] = None,
    undersampling: Annotated[float | None, _MRF] = None,
) -> None:
    """Repeat a published study and test its claims.

    epstein2022: networks for IVIM trained on the truth, on maximum-likelihood labels, and self-supervised, at SNR 15
    and 30, beside conventional fitting and the Cramér-Rao bound.

    zhang2022: networks for magnetization transfer trained with errors weighted by the Cramér-Rao bound, beside plain
    mean squared error.

    mao2024: Bias-Reduced networks for magnetization transfer beside those, least squares and the bound, in simulations
    and (with --coefficients) in a measured brain slice. With --experiment mrf: the same for T1 and T2 from a
    fingerprinting train, beside dictionary matching, in simulations and in a digital brain.

    Writes report.html (the figures of the paper and a verdict on each of its claims), summary.json, and the figures,
    tables and trained networks. A run that was interrupted continues where it was, to the same result, when the same
    command is given again.

    Parameters
    ----------
    study
        Which study.
    out
        Folder to write; it appears when everything in it is complete.
    quick
        Fewer signals, epochs and repeats: to see what comes out. Verdicts need the full run.
    seed
        Seed of everything random.
    force
        Replace an existing output folder.
    labels
        converged (default): maximum-likelihood labels from a start that does not know the truth. literal: the authors'
        SciPy recipe, started at the truth (one signal at a time: slow).
    on_bound
        Labels on a fit bound: hold them out of training (default, the paper's rule) or keep them (its released code).
    scan
        A repeated scan (4-D NIfTI, every b-value equally often) for figures 5 to 7, in place of the digital phantom.
    bval
        b-values of the scan in s/mm², one per volume; default: the file beside it with the ending .bval.
    mask
        NIfTI mask of the scan.
    scale
        desk (default): compact networks, under an hour on two cores. paper: the published sizes, for a GPU.
    trains
        Flip angles (rad) and pulse durations (s): control.mat of github.com/andrewwmao/BiasReducedNetworks. With
        --experiment mrf: a sequence file (TOML, JSON, CSV) or fisp-880 (default).
    tr
        Repetition time, for instance 3.5ms; default: the file's, or that of the papers.
    basis
        Basis of the signals: basis.mat of the same place.
    coefficients
        Measured coefficients of a brain slice: coeffs.mat of the same place.
    training_set
        A set from `raofit simulate`, in place of simulating one.
    workers
        Processes of this machine that share the simulation of training sets, by Dask.
    scheduler
        Dask scheduler whose workers share it, such as tcp://host:8786.
    experiment
        qmt (default): magnetization transfer. mrf: fingerprinting, with a sequence of our own.
    undersampling
        Acceleration of one more scan of the digital brain, with the aliasing of undersampled echoes, for instance 8.
    """
    from raofit.core.errors import RaofitError

    given = {
        "labels": labels, "on-bound": on_bound, "scan": scan, "bval": bval, "mask": mask, "scale": scale,
        "trains": trains, "tr": tr, "basis": basis, "coefficients": coefficients, "training-set": training_set,
        "workers": workers, "scheduler": scheduler, "experiment": experiment, "undersampling": undersampling,
    }  # fmt: skip
    _check(study, experiment, {name for name, value in given.items() if value is not None})
    if study == "epstein2022":
        if scan is None and (bval is not None or mask is not None):
            raise RaofitError("--bval and --mask describe a measured scan; give it with --scan, or leave them out")
        from raofit.cli._reproduce_run import ReproduceOptions, run_study

        held, recipe = on_bound or "hold-out", labels or "converged"
        result = run_study(ReproduceOptions(out, quick, recipe, held, seed, force, scan, bval, mask))
        _print_result(result.claims, result.minutes, out)
        return
    from raofit.cli._reproduce_common import TrainStudyOptions
    from raofit.cli._workers import sharing

    if undersampling is not None and not 1 <= undersampling < float("inf"):
        raise RaofitError(f"--undersampling {undersampling:g}: expected an acceleration of at least 1, such as 8")
    if quick and scale is not None:
        raise RaofitError(f"--quick and --scale {scale} contradict each other; give one of them")
    with sharing(workers, scheduler) as run:
        options = TrainStudyOptions(
            out, "quick" if quick else scale or "desk", seed, force, trains, tr, basis, coefficients, training_set,
            run, undersampling,
        )  # fmt: skip
        _run_of_trains("mrf" if experiment == "mrf" else study, options)


def _check(study: Study, experiment: str | None, given: set[str]) -> None:
    """Raise unless every given option belongs to the study."""
    from raofit.core.errors import RaofitError

    for name, owners in _OWNERS.items():
        if name in given and study not in owners:
            raise RaofitError(f"--{name} belongs to {' and '.join(owners)}, not to {study}; leave it out")
    if experiment == "mrf":
        for name in _NOT_OF_MRF:
            if name in given:
                raise RaofitError(f"--{name} belongs to --experiment qmt, not to mrf; leave it out")
    elif "undersampling" in given:
        raise RaofitError("--undersampling belongs to --experiment mrf; give that as well, or leave it out")


def _run_of_trains(study: str, options: "TrainStudyOptions") -> None:
    if study == "zhang2022":
        from raofit.cli._reproduce_zhang2022 import run_zhang2022 as run
    elif study == "mrf":
        from raofit.cli._reproduce_fingerprinting import run_fingerprinting as run
    else:
        from raofit.cli._reproduce_mao2024 import run_mao2024 as run
    result = run(options)
    _print_result(result.claims, result.minutes, options.out)


def _print_result(claims, minutes: float, out: Path) -> None:
    for claim in claims:
        print(f"Claim {claim.number}: {claim.verdict}. {claim.statement}")
    print(f"{minutes:.1f} minutes. Report: {out / 'report.html'}")
