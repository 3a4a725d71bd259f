"""What `raofit train` does for models whose signals are drawn for the training."""

import dataclasses
from pathlib import Path
from typing import Any

from raofit.cli._card_table import print_card
from raofit.cli._options import default_noise, stated_model
from raofit.cli._progress import progress_bar, say
from raofit.cli._train_files import kept_on_interrupt
from raofit.core.errors import FileError, RaofitError
from raofit.core.tasks import RunTasks
from raofit.io.network_file import load_network, save_network
from raofit.io.output import held, require_free_file
from raofit.io.recipe_file import DRAWING, read_recipe
from raofit.models import AbstractSignalModel
from raofit.recipes.named_trainings import NAMED
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.checkpoint import CheckpointFile

DEFAULT_MODEL = "ivim"


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """What the user asked for; see `raofit.cli.train.train`."""

    out: Path
    model: str | None
    bval: Path | None
    te: str | None
    ti: str | None
    flip: str | None
    mt: str | None
    tr: str | None
    refocusing: str | None
    snr: str | None
    labels: str | None
    alpha: float | None
    noise: str | None
    preset: str | None
    recipe: str | None
    initial: Path | None
    seed: int | None
    checkpoint: Path | None
    force: bool

    def stated(self, *names: str) -> dict[str, Any]:
        """Those of the named options that were given, for a recipe."""
        given = {name: getattr(self, name) for name in names}
        if given.get("snr") is not None:
            given["snr"] = snr_range(given["snr"])
        return {name: value for name, value in given.items() if value is not None}


def run_training(options: TrainOptions, run: RunTasks) -> None:
    """Train or continue, save, and print the card."""
    require_free_file(options.out, force=options.force)
    stated = stated_recipe(options)
    name = options.model or DEFAULT_MODEL
    built = stated_model(
        name,
        bval=options.bval,
        te=options.te,
        ti=options.ti,
        flip=options.flip,
        mt=options.mt,
        refocusing=options.refocusing,
        tr=options.tr,
    )
    settings = settled_recipe(options, stated, built)
    initial = None if options.initial is None else load_network(options.initial)
    state = CheckpointFile(options.checkpoint or options.out.with_name(options.out.name + ".checkpoint"))
    with held(state.path):
        is_resumed = state.path.exists()
        if is_resumed:
            say(f"Continuing from {state.path}")
        try:
            with progress_bar() as progress, kept_on_interrupt(state.path):
                network = train_network(built, settings, initial=initial, run=run, progress=progress, checkpoint=state)
        except FileError:
            raise
        except RaofitError:
            if not is_resumed:
                state.remove()  # a training that cannot succeed is no use resuming
            raise
        save_network(options.out, network, force=options.force)
        state.remove()
    print_card(network)
    say(f"Written to {options.out}")


def settled_recipe(options: TrainOptions, stated: TrainingRecipe | None, model: AbstractSignalModel) -> TrainingRecipe:
    """The stated recipe, or the model's own for None, with the options in place of its fields."""
    recipe = TrainingRecipe.for_model(model, 15.0) if stated is None else stated
    recipe = dataclasses.replace(recipe, **options.stated("labels", "alpha", "noise", "seed", "snr"))
    is_signed = options.noise is None and model.has_signs
    return dataclasses.replace(recipe, noise=default_noise(model)) if is_signed else recipe


def stated_recipe(options: TrainOptions) -> TrainingRecipe | None:
    """The recipe of a file or a preset; None for the model's own."""
    if options.recipe is not None and options.preset is not None:
        raise RaofitError("--preset: a recipe file names its own preset; leave one of --preset and --recipe out")
    if options.recipe is None:
        if options.snr is None:
            raise RaofitError("--snr is missing: give the signal-to-noise ratio to train for, for instance 15 or 10:40")
        return None if options.preset is None else DRAWING[options.preset](15.0)
    recipe = None if options.recipe in NAMED else read_recipe(options.recipe)
    if recipe is None or recipe.architecture != "perceptron":
        raise RaofitError(
            f"--recipe {options.recipe}: it trains on simulated fingerprints; give the file that `raofit simulate` "
            "wrote with --training-set"
        )
    return recipe


def snr_range(text: str) -> tuple[float, float]:
    """`15` or `10:40` as a range."""
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise RaofitError(f"--snr {text}: expected a number or LOW:HIGH, for instance 15 or 10:40") from None
