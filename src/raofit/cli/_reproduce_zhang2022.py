"""The stages of `raofit reproduce zhang2022`, each kept on disk as soon as it is done."""

import dataclasses
import time
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from raofit.cli._progress import progress_bar
from raofit.cli._reproduce_common import (
    TrainStudyOptions,
    kept_on_interrupt,
    opened_stages,
    train_model,
    training_set,
)
from raofit.cli._reproduce_zhang2022_files import Study, write_study
from raofit.cli._study_runner import StudyRunner
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.packed import pack, unpack
from raofit.io.basis_file import load_basis
from raofit.io.output import require_free_folder
from raofit.io.prior_file import named_prior
from raofit.io.stages import StageFolder
from raofit.io.training_set_file import load_training_set
from raofit.models import AbstractSignalModel, Compressed
from raofit.recipes.training_set import TrainingSet
from raofit.studies import zhang2022 as study
from raofit.studies.zhang2022 import METHODS, PLANES, Method, Plane, Size
from raofit.studies.zhang2022_basis import study_basis
from raofit.studies.zhang2022_claims import all_claims
from raofit.studies.zhang2022_results import (
    StudyResults,
    evaluate_held_out,
    evaluate_plane,
    held_out_snrs,
    plane_signals,
    with_finite_bounds,
)


def run_zhang2022(options: TrainStudyOptions) -> Study:
    """Run or resume the study and write its folder."""
    started = time.perf_counter()
    require_free_folder(options.out, force=options.force)
    size = study.SIZES[options.scale]
    model = _given_model(options)
    settings = {
        "study": "zhang2022",
        "size": dataclasses.asdict(size),
        "seed": options.seed,
        "tr": options.tr,
        "inputs": options.input_hashes,
    }
    stages = opened_stages(options, settings)
    with progress_bar() as progress, kept_on_interrupt(stages.path):
        runner = Runner(options, size, stages, progress, model)
        samples = runner.training_set
        networks = {method.name: runner.network(method) for method in METHODS}
        snrs, held_out = runner.held_out(networks)
        planes = {(plane.name, snr): runner.plane(plane, snr, networks) for plane in PLANES for snr in study.GRID_SNRS}
    results = StudyResults(
        held_out=held_out,
        snrs=snrs,
        planes=planes,
        n_grid=size.n_grid,
        histories={name: network.provenance["history"] for name, network in networks.items()},
        trainings={name: _training(network) for name, network in networks.items()},
        energy_outside=runner.energy_outside,
    )
    finished = Study(
        options=options,
        size=size,
        results=results,
        claims=all_claims(results),
        networks=networks,
        n_training=len(samples) - size.n_validation,
        model=samples.model,
        minutes=(time.perf_counter() - started) / 60,
    )
    write_study(finished)
    stages.remove()
    return finished


class Runner:
    """One stage per result."""

    def __init__(
        self,
        options: TrainStudyOptions,
        size: Size,
        stages: StageFolder,
        progress: Progress,
        model: AbstractSignalModel,
    ):
        self.common = StudyRunner(options.seed, stages, progress)
        self.options = options
        self.size = size
        self.given_model = model
        self.energy_outside = np.zeros(0)

    @cached_property
    def model(self) -> AbstractSignalModel:
        """The signals seen in the study's basis, which is computed here unless the user gave one."""
        if isinstance(self.given_model, Compressed):
            return self.given_model
        prior = named_prior(study.PRIOR, self.given_model)
        stored = self.common.stages.run(
            "basis", lambda: study_basis(self.given_model, prior, self.size.n_basis, key=self.common.key("basis"))
        )
        self.energy_outside = stored["energy_outside"]
        return Compressed(self.given_model, stored["basis"])

    @cached_property
    def training_set(self) -> TrainingSet:
        """The fingerprints of all trainings."""
        return self._samples("training set", self.size.n_samples, self.options.seed)

    def _samples(self, name: str, n_samples: int, seed: int) -> TrainingSet:
        prior = named_prior(study.PRIOR, self.model)
        return training_set(
            self.options,
            self.common.stages,
            self.model,
            prior,
            n_samples,
            seed=seed,
            name=name,
            progress=self.common.named(name),
        )

    def network(self, method: Method) -> NetworkEstimator:
        """A network from its file in the stage folder, or trained and stored there."""
        recipe = study.recipe(method, self.size, seed=self.options.seed)
        return self.common.trained(method.name, self.model, recipe, self.training_set, key=self.common.key("training"))

    def held_out(self, networks: Mapping[str, NetworkEstimator]) -> tuple[np.ndarray, dict[str, Evaluation]]:
        """SNRs and evaluations on fingerprints that no training has seen."""
        # no other seed of the study leads to these draws: seeds of users are small
        samples = with_finite_bounds(self._samples("held-out set", self.size.n_test, self.options.seed + (1 << 30)))
        snrs = held_out_snrs(len(samples), key=self.common.key("held-out SNR"))
        arrays = self.common.stages.run(
            "held-out evaluation",
            lambda: pack(
                evaluate_held_out(
                    networks,
                    samples,
                    snrs,
                    self.size.n_test_draws,
                    key=self.common.key("held-out"),
                    progress=self.common.progress,
                )
            ),
        )
        return snrs, unpack(arrays, self.model)

    def plane(self, plane: Plane, snr: float, networks: Mapping[str, NetworkEstimator]) -> dict[str, Evaluation]:
        """Evaluations on the grid of a plane."""
        points = plane.grid(self.model, self.size.n_grid).points
        signals = self.common.stages.run(
            f"signals {plane.name}",
            lambda: dict(zip(("signals", "bound"), plane_signals(self.model, points), strict=True)),
        )
        arrays = self.common.stages.run(
            f"grid {plane.name} at SNR {snr:g}",
            lambda: pack(
                evaluate_plane(
                    networks, points, (signals["signals"], signals["bound"]), snr, self.size.n_draws(plane),
                    key=self.common.key(f"{plane.name} {snr:g}"),
                    progress=self.common.named(f"grid {plane.name}, SNR {snr:g}"),
                )
            ),
        )  # fmt: skip
        return unpack(arrays, self.model)


def _given_model(options: TrainStudyOptions) -> AbstractSignalModel:
    """The model of the user's files: compressed if they hold a basis."""
    if options.training_set is not None:
        if options.trains is not None or options.basis is not None:
            raise RaofitError("--training-set holds trains and basis; leave out --trains and --basis")
        found = load_training_set(options.training_set).model
        study.check_model(found)
        return found
    if options.trains is None:
        raise RaofitError(
            "the flip-angle train is missing; give it with --trains FILE: the 1142 pulses of the publication are in "
            "docs/control_MT_v3p2_TR3p5ms_discretized.mat of github.com/JakobAsslaender/MRIgeneralizedBloch.jl"
        )
    model = train_model(options, study.MODEL)
    if options.basis is None:
        return model
    return Compressed(model, load_basis(options.basis, model.n_measurements, study.RANK))


def _training(network: NetworkEstimator) -> Mapping[str, float]:
    numbers = {key: network.provenance[key] for key in ("training_seconds", "best_epoch", "validation_loss")}
    return {"n_weights": network.network.n_weights} | numbers
