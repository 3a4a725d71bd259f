"""Training every network of the study: sixteen restarts choose the start, then all others begin from there.

1. `train_first` trains Supervised-truth at SNR 30 from random weights, all starts as one program; the best on
   validation is the network of that SNR *and* the start of all others [epstein2022, §3.4].
2. `train_labeled` trains all label-trained networks of one SNR as members of one program: they differ in labels,
   weights and α only.
3. `train_self_supervised` trains one network whose loss is in signal space.
"""

from collections.abc import Sequence

from jax import Array

from raofit.core.progress import Progress
from raofit.estimators.network import NetworkEstimator
from raofit.models import AbstractSignalModel
from raofit.recipes.train_network import train_network, train_networks
from raofit.recipes.training_data import LabelPair
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.studies.epstein2022 import EMPHASIS, HYBRID_SHARE, LabelRecipe, Method, Size
from raofit.studies.epstein2022_labels import LabeledData
from raofit.training.checkpoint import CheckpointFile
from raofit.training.targets import OnBound, estimate_labels

_LABELS = {"truth": "truth", "self": "self-supervised", "self-rician": "self-supervised-rician"}


def method_recipe(
    method: Method, snr: float, size: Size, *, labels: LabelRecipe = "converged", on_bound: OnBound = "hold-out"
) -> TrainingRecipe:
    """The paper's training of one method."""
    noise = "gaussian" if method.target == "gaussian" else "rician"
    prefix = "mle" if labels == "converged" else "literal"
    return TrainingRecipe.paper(
        snr,
        labels=_LABELS.get(method.target, f"{prefix}-{noise}"),
        alpha=HYBRID_SHARE if method.target == "hybrid" else 1.0,
        emphasis=method.emphasis,
        emphasis_factor=EMPHASIS,
        n_training=size.n_train,
        n_validation=size.n_validation,
        restarts=size.n_restarts,
        batch_size=size.batch_size,
        max_epochs=size.max_epochs,
        patience=size.patience,
        on_bound=on_bound,
    )


def train_first(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    data: LabeledData,
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> NetworkEstimator:
    """The best of the restarts; its provenance lists the validation loss of each."""
    return train_network(model, recipe, key=key, data=data.data, progress=progress, checkpoint=checkpoint)


def train_labeled(
    model: AbstractSignalModel,
    recipes: Sequence[TrainingRecipe],
    data: LabeledData,
    initial: NetworkEstimator,
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> list[NetworkEstimator]:
    """All label-trained networks of one SNR from the same start, in order."""
    labels = {}
    for recipe in recipes:
        if recipe.labels != "truth":
            stored = data.estimates[recipe.labels.split("-")[1]]
            labels[recipe.labels] = LabelPair(*(estimate_labels(part, on_bound=recipe.on_bound) for part in stored))
    return train_networks(
        model, recipes, key=key, data=data.data, labels=labels, initial=initial, progress=progress,
        checkpoint=checkpoint,
    )  # fmt: skip


def train_self_supervised(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    data: LabeledData,
    initial: NetworkEstimator,
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> NetworkEstimator:
    """One network whose loss compares signals."""
    return train_network(
        model, recipe, key=key, data=data.data, initial=initial, progress=progress, checkpoint=checkpoint
    )
