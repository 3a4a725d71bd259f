"""`raofit evaluate`: bias, standard deviation and RMSE of estimators on simulated truths."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_ESTIMATOR = Parameter(group="Estimator")
_SIMULATION = Parameter(group="Simulation")
_WORKERS = Parameter(group="Workers")
_OUTPUT = Parameter(group="Output")


def evaluate(
    *,
    out: Annotated[Path, _OUTPUT],
    network: Annotated[tuple[Path, ...], _FLAG, _ESTIMATOR] = (),
    estimator: Annotated[Literal["mle"] | None, _ESTIMATOR] = None,
    bounds: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    training_set: Annotated[Path | None, _SIMULATION] = None,
    model: Annotated[str | None, _SIMULATION] = None,
    bval: Annotated[Path | None, _SIMULATION] = None,
    te: Annotated[str | None, _SIMULATION] = None,
    ti: Annotated[str | None, _SIMULATION] = None,
    flip: Annotated[str | None, _SIMULATION] = None,
    mt: Annotated[str | None, _SIMULATION] = None,
    tr: Annotated[str | None, _SIMULATION] = None,
    refocusing: Annotated[str | None, _SIMULATION] = None,
    snr: Annotated[str | None, _SIMULATION] = None,
    noise: Annotated[Literal["rician", "gaussian", "complex-gaussian"] | None, _SIMULATION] = None,
    values: Annotated[int, _SIMULATION] = 10,
    repeats: Annotated[int, _SIMULATION] = 500,
    coverage: Annotated[bool, _FLAG, _SIMULATION] = False,
    seed: Annotated[int, _SIMULATION] = 0,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Measure bias, standard deviation and RMSE of estimators over a grid of true values, beside the Cramér-Rao bound.

    Prints a table and writes evaluation.csv and evaluation.npz (one row per truth), summary.json, figures and
    report.html. All estimators see the same noisy measurements.

    Networks for quantitative magnetization transfer are evaluated on fingerprints that `raofit simulate` wrote and that
    they were not trained on (--training-set), in units of the Cramér-Rao bound: evaluation.csv and summary.json hold
    squared bias and variance over the bound and the slope of the mean estimate, with bootstrap intervals.

    Parameters
    ----------
    out
        Folder to write.
    network
        Network file from `raofit train`; may be given several times to compare networks of one protocol.
    estimator
        mle: evaluate maximum likelihood, alone or beside the networks.
    bounds
        Bounds of maximum likelihood as NAME=LOWER:UPPER in the parameter's unit.
    training_set
        Held-out fingerprints written by `raofit simulate`; the first thousand of the prior's first component are used.
    model
        Signal model: adc, ivim, ivim-total, mrf-fisp, mrf-fisp-known-b1, mrf-hybrid-state, mrf-hybrid-state-known-b1,
        mtsat, qmt, qmt-times, qmt-tied, qmt-tied-times, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed, t1-vfa,
        t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star; default: the network's, or ivim.
    bval
        Text file of b-values in s/mm²; default: those of the network.
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms; default: those of the network.
    ti
        Inversion times, likewise.
    flip
        Flip angles of the volumes in degrees: a file, or a list such as 3,20.
    mt
        Which volumes have the MT pulse (mtsat): a list such as on,off,off.
    tr
        Repetition time in seconds, or as 15ms.
    refocusing
        Refocusing angle of the echo train in degrees (t2-epg), one or one per echo; default: 180.
    snr
        Signal-to-noise ratio (S0 over sigma); default: the middle of the network's training. With a training set
        several, such as 10,20,50; default: lowest, middle and highest of the first network's training.
    noise
        Noise of the measurements; default: the network's, or rician.
    values
        True values per parameter, over its typical range; the amplitude is 1.
    repeats
        Noise draws per combination of true values.
    coverage
        Also count the intervals of nominal 50, 68 and 95 % that hold the truth: estimate ± 0.67, 0.99 and 1.96 standard
        errors. Standard errors of networks are then those of the stated SNR.
    seed
        Seed of the noise.
    workers
        Processes of this machine that share the work, by Dask; results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Replace an existing output folder.
    """
    from raofit.cli._evaluate_run import EvaluateOptions, run_evaluation
    from raofit.cli._evaluate_set_run import run_set_evaluation
    from raofit.cli._workers import sharing

    options = EvaluateOptions(
        out=out,
        networks=network,
        has_mle=estimator == "mle",
        bounds=bounds,
        model=model,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        mt=mt,
        tr=tr,
        refocusing=refocusing,
        snr=snr_values(snr),
        noise=noise,
        n_values=values,
        n_repeats=repeats,
        coverage=coverage,
        seed=seed,
        force=force,
    )
    with sharing(workers, scheduler) as run:
        if training_set is None:
            run_evaluation(options, run)
        else:
            run_set_evaluation(options, training_set, run)


def snr_values(text: str | None) -> tuple[float, ...]:
    """`15` or `10,20,50` as numbers; none for None."""
    from raofit.core.errors import RaofitError

    if text is None:
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < value < float("inf") for value in found):
        raise RaofitError(f"--snr {text}: expected signal-to-noise ratios > 0, for instance 15 or 10,20,50")
    return found
