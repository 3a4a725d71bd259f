"""What runs the stages of every study of fingerprints: random keys and progress by name, networks kept in files."""

import dataclasses
import zlib

import jax

from raofit.core.progress import Progress
from raofit.core.seeds import key_of
from raofit.estimators.network import NetworkEstimator
from raofit.io.network_file import load_network, save_network
from raofit.io.stages import StageFolder
from raofit.models import AbstractSignalModel
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile


class StudyRunner:
    """One stage per result; randomness comes from the seed and the stage's name alone."""

    def __init__(self, seed: int, stages: StageFolder, progress: Progress):
        self.seed = seed
        self.stages = stages
        self.progress = progress

    def key(self, name: str) -> jax.Array:
        """Key of a named stage."""
        return jax.random.fold_in(key_of(self.seed), zlib.crc32(name.encode()))

    def named(self, stage: str) -> Progress:
        """Progress under the name of the stage."""
        return lambda event: self.progress(dataclasses.replace(event, stage=stage))

    def trained(
        self,
        name: str,
        model: AbstractSignalModel,
        recipe: TrainingRecipe,
        samples: TrainingSet,
        *,
        key: jax.Array | None = None,
        initial: NetworkEstimator | None = None,
    ) -> NetworkEstimator:
        """A network from its file in the stage folder, or trained (resumable) and stored; default key: its stage's."""
        stage = f"network {name}"
        path = self.stages.file(stage, ".raofit")
        if not path.is_file():
            checkpoint = CheckpointFile(self.stages.file(stage, ".checkpoint"))
            network = train_network(
                model,
                recipe,
                data=samples,
                key=self.key(stage) if key is None else key,
                initial=initial,
                progress=self.named(stage),
                checkpoint=checkpoint,
            )
            save_network(path, network, force=True)
            checkpoint.remove()
        return load_network(path)
