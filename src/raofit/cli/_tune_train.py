"""The candidates of `raofit compare --tune`: one training after another, on the same data and from the same start.

Each candidate is the network that `raofit train` makes with its recipe: measurements are drawn once, labels are fitted
once, the compiled step is the same for all. A hidden folder beside the output holds the labels, the networks that are
finished, and the checkpoint of the one that is not.
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from raofit.cli._progress import progress_bar, say
from raofit.cli._train_run import TrainOptions, settled_recipe, stated_recipe
from raofit.cli._train_set_run import settled_training, stated_training
from raofit.cli._tune_options import TuneOptions
from raofit.core.errors import RaofitError
from raofit.core.tasks import RunTasks
from raofit.estimators.network import NetworkEstimator
from raofit.io.network_file import load_network, save_network
from raofit.io.provenance import sha256
from raofit.io.stages import StageFolder
from raofit.io.training_set_file import load_training_set
from raofit.models import AbstractSignalModel
from raofit.recipes.candidates import Axis, Candidate, candidates
from raofit.recipes.named_trainings import Training
from raofit.recipes.train_network import recipe_data, train_network
from raofit.recipes.training_data import LabelPair, TrainingData, label_data
from raofit.recipes.training_recipe import LabelKind, TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile
from raofit.training.targets import Labels

REALIZATIONS = 8  # where neither the options nor a recipe state them


@dataclasses.dataclass(frozen=True)
class CandidateTraining:
    """How a candidate is trained.

    Parameters
    ----------
    model : signal model.
    training : the recipe that candidates change, and that of the network they start from.
    labels : of candidates with α > 0.
    samples : fingerprints to train on; None for a model whose signals are drawn.
    source : what the samples were read from.
    """

    model: AbstractSignalModel
    training: Training
    labels: LabelKind
    samples: TrainingSet | None = None
    source: Path | None = None

    @property
    def recipe(self) -> TrainingRecipe:
        """The one that candidates change."""
        return self.training.recipe

    def folder(self, path: Path, run: RunTasks) -> "CandidateFolder":
        """Where these candidates are kept, and their labels and cards computed; a folder of others is refused."""
        settings = {
            "training": [None if recipe is None else recipe.as_dict() for recipe in self.training],
            "labels": self.labels,
            "model": self.model.name,
            "protocol": {name: np.asarray(value).tolist() for name, value in self.model.protocol.items()},
            "training_set": None if self.source is None else sha256(self.source),
        }
        return CandidateFolder(self, StageFolder(path, settings), run)


@dataclasses.dataclass(frozen=True)
class CandidateFolder:
    """Finished and unfinished candidates on disk."""

    training: CandidateTraining
    stages: StageFolder
    run: RunTasks

    def file(self, candidate: Candidate) -> Path:
        """The network file of a finished candidate."""
        return self.stages.file(candidate.name, ".raofit")

    def train(self, candidate: Candidate) -> NetworkEstimator:
        """The candidate's network: trained, continued, or read back."""
        of = self.training
        return self._network(candidate.name, candidate.recipe(of.recipe, of.labels), self._start)

    @cached_property
    def _start(self) -> NetworkEstimator | None:
        start = self.training.training.start
        return None if start is None else self._network("start", start, None)

    def _network(self, name: str, recipe: TrainingRecipe, initial: NetworkEstimator | None) -> NetworkEstimator:
        file, model = self.stages.file(name, ".raofit"), self.training.model
        if not file.is_file():
            data: TrainingData | TrainingSet = self.training.samples or self._data
            labels = self._labels if recipe.labels != "truth" else None
            state = CheckpointFile(self.stages.file(name, ".checkpoint"))
            with progress_bar() as progress:
                network = train_network(
                    model,
                    recipe,
                    data=data,
                    labels=labels,
                    initial=initial,
                    run=self.run,
                    progress=lambda event: progress(dataclasses.replace(event, stage=f"{event.stage} {name}")),
                    checkpoint=state,
                )
            save_network(file, network, force=True)
            state.remove()
        return load_network(file, model=model)

    @cached_property
    def _data(self) -> TrainingData:
        return recipe_data(self.training.model, self.training.recipe)

    @cached_property
    def _labels(self) -> LabelPair:
        """Of both sets, fitted once for all candidates."""

        def fitted() -> dict[str, np.ndarray]:
            say(f"Fitting the labels ({of.labels}) of {sum(len(part.sigma) for part in self._data)} measurements")
            recipe = dataclasses.replace(of.recipe, labels=of.labels)
            pair = label_data(of.model, recipe, self._data, run=self.run)
            return {f"{name}.{field}": getattr(getattr(pair, name), field) for name, field in _LABEL_ARRAYS}

        of = self.training
        stored = self.stages.run("labels", fitted)
        parts = (Labels(stored[f"{name}.values"], stored[f"{name}.is_kept"]) for name in LabelPair._fields)
        return LabelPair(*parts)


_LABEL_ARRAYS = [(name, field) for name in LabelPair._fields for field in Labels._fields]


def candidate_training(options: TuneOptions, axes: Sequence[Axis], model: AbstractSignalModel) -> CandidateTraining:
    """How the candidates of the options are trained; raises what is wrong before anything is trained."""
    is_blend = any(axis.knob == "alpha" for axis in axes)
    if options.realizations is not None and (is_blend or options.realizations < 2):
        raise RaofitError(
            f"--realizations {options.realizations}: "
            + ("labels belong to one measurement; leave it out with --tune alpha" if is_blend else "expected 2 or more")
        )
    if options.labels is not None and not is_blend:
        raise RaofitError(f"--labels {options.labels}: alpha blends labels; lambda and delta train on the truth")
    if options.train_on is None:
        found = _drawn(options, model, is_blend=is_blend)
    else:
        found = _on_set(options, options.train_on, model, is_blend=is_blend)
    if not is_blend:
        _check_moments(found.recipe)
    for one in candidates(axes):
        one.recipe(found.recipe, found.labels)
    return found


def _drawn(options: TuneOptions, model: AbstractSignalModel, *, is_blend: bool) -> CandidateTraining:
    """Signals are drawn for the training."""
    if model.has_complex_amplitude:
        raise RaofitError(
            f"--train-on is missing: `{model.name}` is trained on fingerprints; give a file of `raofit simulate`"
        )
    stated = _stated(options)
    recipe = stated_recipe(stated)
    if recipe is None and not is_blend:
        unbiased = {"bias_moments": "unbiased", "variance_moments": "unbiased"}
        recipe = TrainingRecipe.near_unbiased(15.0, n_realizations=REALIZATIONS, **unbiased)
    recipe = settled_recipe(stated, recipe, model)
    if options.realizations is not None:
        recipe = dataclasses.replace(recipe, n_realizations=options.realizations)
    given = options.labels or (recipe.labels if is_blend and recipe.labels != "truth" else None)
    labels = given or ("mle-rician" if recipe.noise == "rician" else "mle-gaussian")
    if labels.startswith("self-supervised") or (not is_blend and recipe.labels != "truth"):
        raise RaofitError(
            f"--recipe {options.recipe}: labels {recipe.labels!r} cannot be tuned; expected those of a fit for alpha, "
            "and the truth for lambda and delta"
        )
    training = Training(dataclasses.replace(recipe, labels="truth"))
    return CandidateTraining(model, training, labels)  # type: ignore[arg-type]


def _on_set(options: TuneOptions, path: Path, model: AbstractSignalModel, *, is_blend: bool) -> CandidateTraining:
    """Fingerprints of `raofit simulate`, none of which may be among those of the comparison."""
    held_out = options.compared.training_set
    if is_blend:
        raise RaofitError(
            "--tune alpha: fingerprints have no labels to blend with; tune lambda or delta with --train-on"
        )
    if held_out is None:
        raise RaofitError(
            "--training-set is missing: candidates are compared on fingerprints none of them was trained on; simulate "
            "others with another seed (raofit simulate --seed)"
        )
    stated = stated_training(_stated(options))
    samples = load_training_set(path)
    if (samples.model.name, samples.model.n_measurements) != (model.name, model.n_measurements):
        raise RaofitError(
            f"{path}: expected fingerprints of `{model.name}` with {model.n_measurements} measurements as in "
            f"{held_out}, found `{samples.model.name}` with {samples.model.n_measurements}"
        )
    if _have_common_rows(samples.parameters, load_training_set(held_out).parameters):
        raise RaofitError(
            f"{held_out}: some of its fingerprints are in {path} too, which tells nothing of others; simulate it with "
            "another seed (raofit simulate --seed)"
        )
    training = settled_training(_stated(options), stated, samples, path)
    if options.realizations is not None:
        training = training._replace(recipe=dataclasses.replace(training.recipe, n_realizations=options.realizations))
    return CandidateTraining(samples.model, training, "truth", samples, path)


def _check_moments(recipe: TrainingRecipe) -> None:
    """Raise if λ and δ would do nothing, or not what they say."""
    if recipe.n_realizations < 2:
        raise RaofitError(
            "--tune lambda, delta: a variance takes several noise draws per sample, and the recipe has "
            f"n_realizations = {recipe.n_realizations}; add --realizations {REALIZATIONS}"
        )
    if recipe.weights != "inverse-crb":
        raise RaofitError(
            "--tune lambda, delta: they are in units of the Cramér-Rao bound, so the recipe needs "
            f'weights = "inverse-crb", got "{recipe.weights}"'
        )


def _have_common_rows(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether a row of one is one of the other's."""
    return not {row.tobytes() for row in np.ascontiguousarray(first)}.isdisjoint(
        row.tobytes() for row in np.ascontiguousarray(second, dtype=first.dtype)
    )


def _stated(options: TuneOptions) -> TrainOptions:
    """The same as options of `raofit train`."""
    of = options.compared.evaluated
    return TrainOptions(
        out=of.out,
        model=of.model,
        bval=of.bval,
        te=of.te,
        ti=of.ti,
        flip=of.flip,
        mt=of.mt,
        tr=of.tr,
        refocusing=of.refocusing,
        snr=options.snr,
        labels=None,
        alpha=None,
        noise=of.noise,
        preset=None,
        recipe=options.recipe,
        initial=None,
        seed=of.seed,
        checkpoint=None,
        force=of.force,
    )
