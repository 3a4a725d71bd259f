"""`raofit train`: a network for a protocol, with its measured bias and variance."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_PROTOCOL = Parameter(group="Protocol")
_TRAINING = Parameter(group="Training")
_WORKERS = Parameter(group="Workers")
_OUTPUT = Parameter(group="Output")


def train(
    *,
    out: Annotated[Path, _OUTPUT],
    training_set: Annotated[Path | None, _TRAINING] = None,
    model: str | None = None,
    bval: Annotated[Path | None, _PROTOCOL] = None,
    te: Annotated[str | None, _PROTOCOL] = None,
    ti: Annotated[str | None, _PROTOCOL] = None,
    flip: Annotated[str | None, _PROTOCOL] = None,
    mt: Annotated[str | None, _PROTOCOL] = None,
    tr: Annotated[str | None, _PROTOCOL] = None,
    refocusing: Annotated[str | None, _PROTOCOL] = None,
    snr: Annotated[str | None, _TRAINING] = None,
    labels: Annotated[
        Literal[
            "truth",
            "mle-rician",
            "mle-gaussian",
            "literal-rician",
            "literal-gaussian",
            "self-supervised",
            "self-supervised-rician",
        ]
        | None,
        _TRAINING,
    ] = None,
    alpha: Annotated[float | None, _TRAINING] = None,
    noise: Annotated[Literal["rician", "gaussian", "complex-gaussian"] | None, _TRAINING] = None,
    preset: Annotated[Literal["on-the-spot", "near-unbiased", "paper"] | None, _TRAINING] = None,
    recipe: Annotated[str | None, _TRAINING] = None,
    initial: Annotated[Path | None, _TRAINING] = None,
    seed: Annotated[int | None, _TRAINING] = None,
    checkpoint: Annotated[Path | None, _OUTPUT] = None,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Train a network for a protocol, save it, and print its bias and standard deviation as measured.

    The table has, for the lowest, middle and highest SNR of the training: the mean bias, the slope of bias against
    truth (-1: the answer ignores the data; 0: bias does not depend on the truth), the standard deviation, the RMSE, the
    Cramér-Rao bound, and the RMSE of the best constant answer.

    Quantitative magnetization transfer is trained on fingerprints that `raofit simulate` wrote: --training-set and
    --recipe, and nothing about the model. The table then has squared bias and variance over the Cramér-Rao bound (0 and
    1 for an efficient estimator) and the slope of the mean estimate against the truth. The networks that come with
    raofit are trained by `raofit train --training-set SET --recipe compact-bias-reduced --out NETWORK`.

    A training that was interrupted continues where it was when the same command is given again.

    Parameters
    ----------
    out
        Network file to write (safetensors).
    training_set
        Fingerprints written by `raofit simulate`; they state model, protocol and basis.
    model
        Signal model: adc, ivim (the default), ivim-total, mtsat, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed,
        t1-vfa, t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star.
    bval
        Text file of b-values in s/mm².
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms.
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
        SNR (S0 over sigma) of the training: a number, or LOW:HIGH.
    labels
        What the network is told to answer: truth (least RMSE, biased towards the mean); mle-rician or mle-gaussian
        (maximum-likelihood estimates: less biased); self-supervised (no labels).
    alpha
        Share of the labels' loss, the rest being the truth's: 0.5 with mle-rician is the hybrid of the paper.
    noise
        Noise of the measurements.
    preset
        on-the-spot: ready in well under a minute, for scanner units; near-unbiased: as quick, with errors in units of
        the Cramér-Rao bound (the default of mtsat, t1-ir, t1-vfa, t2, t2star and t2-epg, whose parameters the data
        determine; on-the-spot is the others'); paper: sixteen restarts of the network of Epstein et al. 2022, for
        signals with S0 near 1.
    recipe
        TOML file with any setting of a recipe; options given here take precedence. For a training set also a name:
        compact-bias-reduced (the default; first trains compact-mse-crb, from which it starts), compact-mse-crb,
        fingerprinting-bias-reduced (first trains fingerprinting-mse-crb), fingerprinting-mse-crb, mao2024-bias-reduced
        (first trains mao2024-mse-crb), mao2024-mse-crb, or zhang2022.
    initial
        Network file, or the name of a network that comes with raofit, to start from in place of random weights.
    seed
        Seed of everything random.
    checkpoint
        Where the state of an unfinished training is kept: a file, or a folder for a training set; default: beside OUT.
    workers
        Processes of this machine that share the fits of labels and the measurement of the card, by Dask; the network
        itself is trained in this one. Results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Replace an existing network file.
    """
    from raofit.cli._train_run import TrainOptions, run_training
    from raofit.cli._train_set_run import run_set_training
    from raofit.cli._workers import sharing

    options = TrainOptions(
        out=out,
        model=model,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        mt=mt,
        tr=tr,
        refocusing=refocusing,
        snr=snr,
        labels=labels,
        alpha=alpha,
        noise=noise,
        preset=preset,
        recipe=recipe,
        initial=initial,
        seed=seed,
        checkpoint=checkpoint,
        force=force,
    )
    with sharing(workers, scheduler) as run:
        if training_set is None:
            run_training(options, run)
        else:
            run_set_training(options, training_set, run)
