"""What `raofit train --training-set` does: one training, or a start and the training that continues from it.

A hidden folder beside the output holds what is finished (the start's network) and the checkpoint of what is not.
"""

import dataclasses
from pathlib import Path

from raofit.cli._card_table import print_card
from raofit.cli._options import PROTOCOL_OPTIONS
from raofit.cli._progress import progress_bar, say
from raofit.cli._train_files import kept_on_interrupt
from raofit.cli._train_run import TrainOptions
from raofit.core.errors import FileError, RaofitError
from raofit.core.progress import Progress
from raofit.core.tasks import RunTasks
from raofit.estimators.network import NetworkEstimator
from raofit.io.network_file import load_network, save_network
from raofit.io.output import held, require_free_file
from raofit.io.provenance import sha256
from raofit.io.recipe_file import read_training
from raofit.io.stages import StageFolder
from raofit.io.training_set_file import load_training_set
from raofit.recipes.named_trainings import NAMED, Training, named_training
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile

DEFAULT_RECIPE = "compact-bias-reduced"
_OF_THE_SET = ("model", *PROTOCOL_OPTIONS)  # options that a training set answers
_OF_DRAWN_SIGNALS = ("labels", "alpha", "noise", "preset")


def run_set_training(options: TrainOptions, training_set: Path, run: RunTasks) -> None:
    """Train or continue on a simulated set, save, and print the card."""
    require_free_file(options.out, force=options.force)
    _check_options(options)
    stated = stated_training(options)
    samples = load_training_set(training_set)
    training = settled_training(options, stated, samples, training_set)
    initial = None if options.initial is None else load_network(options.initial)
    if initial is not None:
        training = Training(training.recipe)
    path = options.checkpoint or options.out.with_name(f".{options.out.name}.training")
    settings = {
        "training": [None if recipe is None else recipe.as_dict() for recipe in training],
        "training_set": sha256(training_set),
        "initial": None if initial is None else [initial.weights.tolist(), initial.statistics.tolist()],
    }
    with held(path):
        is_resumed = path.is_dir()
        stages = StageFolder(path, settings)
        if is_resumed:
            say(f"Continuing from {path}")
        try:
            with progress_bar() as progress, kept_on_interrupt(path):
                network = _trained(samples, training, initial, stages, run, progress)
        except FileError:
            stages.remove_if_empty()
            raise
        except RaofitError:
            if not is_resumed:
                stages.remove()  # a training that cannot succeed is no use resuming
            raise
        save_network(options.out, network, force=options.force)
        stages.remove()
    print_card(network)
    say(f"Written to {options.out}")


def _trained(
    samples: TrainingSet,
    training: Training,
    initial: NetworkEstimator | None,
    stages: StageFolder,
    run: RunTasks,
    progress: Progress,
) -> NetworkEstimator:
    """The network of the last recipe; a start that is finished is read back, so that resuming changes nothing."""

    def train(recipe: TrainingRecipe, name: str, initial: NetworkEstimator | None) -> NetworkEstimator:
        return train_network(
            samples.model,
            recipe,
            data=samples,
            initial=initial,
            run=run,
            progress=lambda event: progress(dataclasses.replace(event, stage=name)),
            checkpoint=CheckpointFile(stages.file(name, ".checkpoint")),
        )

    if training.start is not None:
        start = stages.file("start", ".raofit")
        if not start.is_file():
            save_network(start, train(training.start, "start", None), force=True)
        initial = load_network(start, model=samples.model)
    return train(training.recipe, "training", initial)


def settled_training(options: TrainOptions, stated: Training, samples: TrainingSet, path: Path) -> Training:
    """The stated training for the parameters of the set, which must be large enough."""
    is_named = (options.recipe or DEFAULT_RECIPE) in NAMED
    training = stated.of_parameters(samples.model.parameter_names) if is_named else stated
    _check_size(path, samples, training)
    return training


def stated_training(options: TrainOptions) -> Training:
    """The named training or the file's, with the options given here."""
    name = options.recipe or DEFAULT_RECIPE
    training = named_training(name) if name in NAMED else read_training(name)
    if training.recipe.noise != "complex-gaussian":
        raise RaofitError(
            f'--recipe {name}: training on a set of fingerprints expects noise = "complex-gaussian", got '
            f'{training.recipe.noise!r}; begin the file with preset = "{DEFAULT_RECIPE}"'
        )
    return training.replacing(**options.stated("seed", "snr"))


def _check_options(options: TrainOptions) -> None:
    for name in _OF_THE_SET:
        if getattr(options, name) is not None:
            raise RaofitError(f"--{name}: the training set states its model and protocol; leave one of the two out")
    for name in _OF_DRAWN_SIGNALS:
        if getattr(options, name) is not None:
            raise RaofitError(f"--{name}: training on a set of fingerprints has its loss in the recipe; use --recipe")


def _check_size(path: Path, samples: TrainingSet, training: Training) -> None:
    stages = (training.recipe, "", ""), (training.start, " of the start", ", in its table `[start]`")
    for recipe, whose, where in stages:
        if recipe is not None and recipe.n_validation + recipe.batch_size > len(samples):
            raise RaofitError(
                f"{path}: the recipe{whose} holds out {recipe.n_validation} fingerprints and trains on batches of "
                f"{recipe.batch_size}, got a set of {len(samples)}; simulate more, or lower `n_validation` and "
                f"`batch_size` in a recipe file{where}"
            )
