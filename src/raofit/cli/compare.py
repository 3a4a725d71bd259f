"""`raofit compare`: estimators between bias and variance, in units of the Cramér-Rao bound."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_ESTIMATOR = Parameter(group="Estimator")
_SIMULATION = Parameter(group="Simulation")
_WORKERS = Parameter(group="Workers")
_OUTPUT = Parameter(group="Output")


def compare(
    *,
    out: Annotated[Path, _OUTPUT],
    network: Annotated[tuple[Path, ...], _FLAG, _ESTIMATOR] = (),
    estimator: Annotated[tuple[Literal["mle", "dictionary"], ...], _FLAG, _ESTIMATOR] = (),
    bounds: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    grid: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    training_set: Annotated[Path | None, _SIMULATION] = None,
    model: Annotated[str | None, _SIMULATION] = None,
    bval: Annotated[Path | None, _SIMULATION] = None,
    te: Annotated[str | None, _SIMULATION] = None,
    ti: Annotated[str | None, _SIMULATION] = None,
    flip: Annotated[str | None, _SIMULATION] = None,
    tr: Annotated[str | None, _SIMULATION] = None,
    refocusing: Annotated[str | None, _SIMULATION] = None,
    snr: Annotated[str | None, _SIMULATION] = None,
    noise: Annotated[Literal["rician", "gaussian", "complex-gaussian"] | None, _SIMULATION] = None,
    values: Annotated[int, _SIMULATION] = 10,
    repeats: Annotated[int, _SIMULATION] = 500,
    seed: Annotated[int, _SIMULATION] = 0,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Draw estimators between bias and variance, in units of the Cramér-Rao bound, at several SNRs.

    An efficient unbiased estimator has a squared bias of 0 and a variance of 1; only bias buys less variance. Prints a
    table and a sentence per estimator, and writes frontier.csv and summary.json (squared bias, variance and slope of
    the mean estimate, with bootstrap intervals), evaluation.csv (one row per SNR, estimator and truth), frontier.png,
    maps of bias and standard deviation over two true values, and report.html. All estimators see the same noise.

    Truths are a grid over the typical ranges of the parameters; for models of pulse trains also fingerprints that
    `raofit simulate` wrote and that no network was trained on (--training-set).

    Parameters
    ----------
    out
        Folder to write.
    network
        Network file from `raofit train`; may be given several times, for networks of one model and protocol.
    estimator
        mle: maximum likelihood (not on a training set); dictionary: dictionary matching; may be given several times.
    bounds
        Bounds of maximum likelihood as NAME=LOWER:UPPER in the parameter's unit.
    grid
        Values of the dictionary as NAME=LOWER:UPPER:COUNT, with :log for equal ratios, or NAME=VALUE; default: the
        typical ranges and half of them on either side.
    training_set
        Held-out fingerprints written by `raofit simulate`; the first thousand of the prior's first component are used.
    model
        Signal model, as for `raofit evaluate`; default: the first network's, or ivim.
    bval
        Text file of b-values in s/mm²; default: those of the network.
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms; default: those of the network.
    ti
        Inversion times, likewise.
    flip
        Flip angles of the volumes in degrees: a file, or a list such as 3,20.
    tr
        Repetition time in seconds, or as 15ms.
    refocusing
        Refocusing angle of the echo train in degrees (t2-epg), one or one per echo; default: 180.
    snr
        Signal-to-noise ratios (S0 over sigma), such as 10,20,50; default: lowest, middle and highest of the first
        network's training.
    noise
        Noise of the measurements; default: the first network's, or that of the model.
    values
        True values per parameter, over its typical range; the amplitude is 1.
    repeats
        Noise draws per truth, 2 or more.
    seed
        Seed of the noise.
    workers
        Processes of this machine that share the work, by Dask; results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Replace an existing output folder.
    """
    from raofit.cli._compare_estimators import CompareOptions
    from raofit.cli._compare_run import run_comparison
    from raofit.cli._evaluate_run import EvaluateOptions
    from raofit.cli._workers import sharing
    from raofit.cli.evaluate import snr_values

    evaluated = EvaluateOptions(
        out=out,
        networks=network,
        has_mle="mle" in estimator,
        bounds=bounds,
        model=model,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        tr=tr,
        refocusing=refocusing,
        snr=snr_values(snr),
        noise=noise,
        n_values=values,
        n_repeats=repeats,
        seed=seed,
        coverage=False,
        force=force,
    )
    with sharing(workers, scheduler) as run:
        run_comparison(CompareOptions(evaluated, estimators=estimator, grid=grid, training_set=training_set), run)
