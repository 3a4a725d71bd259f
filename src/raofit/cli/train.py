"""`raofit train`: a network for a protocol, with its measured bias and variance."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_PROTOCOL = Parameter(group="Protocol")
_TRAINING = Parameter(group="Training")
_OUTPUT = Parameter(group="Output")


def train(
    *,
    out: Annotated[Path, _OUTPUT],
    model: str = "ivim",
    bval: Annotated[Path | None, _PROTOCOL] = None,
    te: Annotated[str | None, _PROTOCOL] = None,
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
    preset: Annotated[Literal["on-the-spot", "paper"] | None, _TRAINING] = None,
    recipe: Annotated[Path | None, _TRAINING] = None,
    seed: Annotated[int | None, _TRAINING] = None,
    checkpoint: Annotated[Path | None, _OUTPUT] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Train a network for a protocol, save it, and print its bias and standard deviation as measured.

    The table has, for the lowest, middle and highest SNR of the training: the mean bias, the slope of bias against
    truth (-1: the answer ignores the data; 0: bias does not depend on the truth), the standard deviation, the RMSE, the
    Cramér-Rao bound, and the RMSE of the best constant answer.

    A training that was interrupted continues where it was when the same command is given again.

    Parameters
    ----------
    out
        Network file to write (safetensors).
    model
        Signal model: adc, ivim, ivim-total, t2 or t2star.
    bval
        Text file of b-values in s/mm².
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms.
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
        on-the-spot: ready in well under a minute, for scanner units; paper: sixteen restarts of the network of Epstein
        et al. 2022, for signals with S0 near 1.
    recipe
        TOML file with any setting of a recipe; options given here take precedence.
    seed
        Seed of everything random.
    checkpoint
        File that holds the state of an unfinished training; default: OUT with .checkpoint added.
    force
        Replace an existing network file.
    """
    import dataclasses

    from raofit import models
    from raofit.cli._card_table import print_card
    from raofit.cli._options import protocol_fields
    from raofit.cli._progress import progress_bar, say
    from raofit.core.errors import RaofitError
    from raofit.io.network_file import save_network
    from raofit.io.output import require_free
    from raofit.io.protocol_file import stated_protocol
    from raofit.io.recipe_file import read_recipe
    from raofit.recipes.train_network import train_network
    from raofit.recipes.training_recipe import TrainingRecipe
    from raofit.training.checkpoint import CheckpointFile

    require_free(out, force=force)
    if recipe is not None and preset is not None:
        raise RaofitError("--preset: a recipe file names its own preset; leave one of --preset and --recipe out")
    if snr is None and recipe is None:
        raise RaofitError("--snr is missing: give the signal-to-noise ratio to train for, for instance 15 or 10:40")
    built = models.build(model, stated_protocol(protocol_fields(model), bval=bval, te=te))
    if recipe is not None:
        start = read_recipe(recipe)
    else:
        start = TrainingRecipe.paper(15.0) if preset == "paper" else TrainingRecipe.on_the_spot(15.0)
    snr_range = None if snr is None else _snr_range(snr)
    given = {"labels": labels, "alpha": alpha, "noise": noise, "seed": seed, "snr": snr_range}
    settings = dataclasses.replace(start, **{name: value for name, value in given.items() if value is not None})
    state = CheckpointFile(checkpoint or out.with_name(out.name + ".checkpoint"))
    is_resumed = state.path.exists()
    if is_resumed:
        say(f"Continuing from {state.path}")
    try:
        with progress_bar() as progress:
            network = train_network(built, settings, progress=progress, checkpoint=state)
    except RaofitError:
        if not is_resumed:
            state.remove()  # a training that cannot succeed is no use resuming
        raise
    save_network(out, network, force=force)
    state.remove()
    print_card(network)
    say(f"Written to {out}")


def _snr_range(text: str) -> tuple[float, float]:
    """`15` or `10:40` as a range."""
    from raofit.core.errors import RaofitError

    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise RaofitError(f"--snr {text}: expected a number or LOW:HIGH, for instance 15 or 10:40") from None
