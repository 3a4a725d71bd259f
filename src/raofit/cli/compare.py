"""`raofit compare`: estimators between bias and variance, in units of the Cramér-Rao bound."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_ESTIMATOR = Parameter(group="Estimator")
_SIMULATION = Parameter(group="Simulation")
_TUNING = Parameter(group="Tuning")
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
    mt: Annotated[str | None, _SIMULATION] = None,
    tr: Annotated[str | None, _SIMULATION] = None,
    refocusing: Annotated[str | None, _SIMULATION] = None,
    snr: Annotated[str | None, _SIMULATION] = None,
    noise: Annotated[Literal["rician", "gaussian", "complex-gaussian"] | None, _SIMULATION] = None,
    values: Annotated[int, _SIMULATION] = 10,
    repeats: Annotated[int, _SIMULATION] = 500,
    seed: Annotated[int, _SIMULATION] = 0,
    tune: Annotated[tuple[str, ...], _FLAG, _TUNING] = (),
    objective: Annotated[str | None, _TUNING] = None,
    refine: Annotated[int, _TUNING] = 0,
    labels: Annotated[
        Literal["mle-rician", "mle-gaussian", "literal-rician", "literal-gaussian"] | None, _TUNING
    ] = None,
    realizations: Annotated[int | None, _TUNING] = None,
    recipe: Annotated[str | None, _TUNING] = None,
    train_on: Annotated[Path | None, _TUNING] = None,
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

    With --tune, trains one network per value of a knob of the loss, and chooses the one with the least of what you
    name (--objective). Candidates are trained on the same measurements and labels, each as `raofit train` would, and
    compared with each other and with the estimators given. Also writes chosen.raofit, candidates/, tune.csv and
    tune.png. Differences that the noise draws cannot tell are said to be such, and the simplest candidate is chosen.
    What was interrupted continues when the same command is given again.

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
    mt
        Which volumes have the MT pulse (mtsat): a list such as on,off,off.
    tr
        Repetition time in seconds, or as 15ms.
    refocusing
        Refocusing angle of the echo train in degrees (t2-epg), one or one per echo; default: 180.
    snr
        Signal-to-noise ratios (S0 over sigma), such as 10,20,50; default: lowest, middle and highest of the first
        network's training. With --tune also LOW:HIGH, the SNR of the training; of a list, its lowest to its highest.
    noise
        Noise of the measurements; default: the first network's, or that of the model.
    values
        True values per parameter, over its typical range; the amplitude is 1.
    repeats
        Noise draws per truth, 2 or more.
    seed
        Seed of the noise, and with --tune of the trainings.
    tune
        Knob and values, as KNOB=LOWER:UPPER:COUNT, with :log for equal ratios, or KNOB=VALUE,VALUE,...:
        alpha=0:1:5 blends the losses of two trainings, on the truth (0: least scatter, leans to the mean) and on
        maximum-likelihood labels (1: least bias); lambda=0.01:1:4:log is the price of variance beside squared bias,
        delta=0,1 the variance that is free, in units of the Cramér-Rao bound. lambda and delta may be tuned together.
    objective
        What is to be small, over all truths and SNRs: rmse:NAME, bias:NAME (root mean square), std:NAME, in the unit
        of the parameter; worst-bias:NAME (the largest, in √CRB), variance:NAME or mse-crb:NAME (means, in units of the
        bound), also of all parameters without :NAME. Limits follow after commas, for the same parameter unless they
        name another one: 'worst-bias:D_slow,variance<=1.1', in quotes.
    refine
        Rounds of candidates half way between the best one and its neighbors.
    labels
        Labels that alpha blends with the truth; default: maximum likelihood of the noise.
    realizations
        Noise draws per sample that lambda and delta measure variance with; default: the recipe's, or 8.
    recipe
        Training recipe, as for `raofit train`; default: that of the model, near-unbiased for lambda and delta, and
        compact-bias-reduced for fingerprints.
    train_on
        Fingerprints written by `raofit simulate` to train on, others than those of --training-set.
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
    from raofit.cli._tune_options import TuneOptions, check_only_tuning
    from raofit.cli._tune_run import run_tuning
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
        mt=mt,
        tr=tr,
        refocusing=refocusing,
        snr=() if tune else snr_values(snr),
        noise=noise,
        n_values=values,
        n_repeats=repeats,
        seed=seed,
        coverage=False,
        force=force,
    )
    compared = CompareOptions(evaluated, estimators=estimator, grid=grid, training_set=training_set)
    options = TuneOptions(
        compared,
        tune=tune,
        objective=objective,
        n_refinements=refine,
        train_on=train_on,
        recipe=recipe,
        labels=labels,
        realizations=realizations,
        snr=snr,
    )
    if not tune:
        check_only_tuning(options)
    with sharing(workers, scheduler) as run:
        if tune:
            run_tuning(options, run)
        else:
            run_comparison(compared, run)
