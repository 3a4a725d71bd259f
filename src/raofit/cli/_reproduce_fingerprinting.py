"""The stages of `raofit reproduce mao2024 --experiment mrf`, each kept on disk as soon as it is done."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import jax
import numpy as np

from raofit.cli._options import protocol_fields
from raofit.cli._progress import progress_bar
from raofit.cli._reproduce_common import TrainStudyOptions, kept_on_interrupt, opened_stages, training_set
from raofit.cli._reproduce_fingerprinting_files import Study, write_study
from raofit.cli._study_runner import StudyRunner
from raofit.core.progress import Progress
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.estimators.one_step import OneStep
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.evaluation.evaluate import Estimator, Evaluation
from raofit.evaluation.packed import pack, unpack
from raofit.information.subspace import svd_basis
from raofit.io.output import require_free_folder
from raofit.io.protocol_file import stated_protocol
from raofit.io.stages import Arrays, StageFolder
from raofit.models import AbstractSignalModel, Compressed, build
from raofit.noise import ComplexGaussian
from raofit.recipes.training_set import TrainingSet
from raofit.studies import fingerprinting as study
from raofit.studies.brain_phantom import brain_phantom
from raofit.studies.fingerprinting import DICTIONARY, FINE_DICTIONARY, NETWORKS, NLLS, ONE_STEP, REDUCED, SNRS, Scale
from raofit.studies.fingerprinting_claims import all_claims
from raofit.studies.fingerprinting_results import StudyResults, training_record
from raofit.studies.fingerprinting_scans import (
    B1_IGNORED,
    CALIBRATED,
    DICTIONARY_B1,
    NLLS_B1,
    SIGMA,
    UNDERSAMPLED,
    ScanName,
    ScanStudy,
    measurements,
    ordered,
    with_free_b1,
)
from raofit.studies.mao2024_experiments import at_snrs, evaluate_on, simulated

_HELD_OUT_SEED = 1_000_003  # added to the study's seed: no fingerprint of training is tested
_B1_AXIS = np.arange(0.76, 1.2401, 0.02)
_N_REPEATS = 3  # of a timing


def run_fingerprinting(options: TrainStudyOptions) -> Study:
    """Run or resume the study and write its folder."""
    started = time.perf_counter()
    require_free_folder(options.out, force=options.force)
    scale = study.SCALES[options.scale]
    trains = Path(study.SEQUENCE) if options.trains is None else options.trains
    train = build(study.MODEL, stated_protocol(protocol_fields(study.MODEL), trains=trains))
    settings = {
        "study": "mao2024 mrf",
        "scale": dataclasses.asdict(scale),
        "seed": options.seed,
        "sequence": trains,
        "undersampling": options.undersampling,
        "inputs": options.input_hashes,
    }
    stages = opened_stages(options, settings)
    with progress_bar() as progress, kept_on_interrupt(stages.path):
        runner = Runner(options, scale, train, stages, progress)
        axes = study.plane_axes(scale.n_plane)
        results = StudyResults(
            held_out=runner.held_out(),
            tissues=runner.tissues(),
            snrs=runner.snrs,
            plane_axes=axes,
            is_possible=study.plane_points(axes)[1],
            plane=runner.plane(axes),
            scans={name: runner.scan(name) for name in runner.scan_names},
            seconds=runner.seconds(),
            n_atoms={name: len(runner.grid(name)) for name in (DICTIONARY, FINE_DICTIONARY)},
            trainings=training_record(runner.networks, scale, len(runner.samples)),
        )
    minutes = (time.perf_counter() - started) / 60
    claims = all_claims(results)
    finished = Study(options, scale, runner.model, str(trains), results, claims, runner.networks, minutes)
    write_study(finished)
    stages.remove()
    return finished


class Runner:
    """One stage per result; what a finished stage needs is not made again."""

    def __init__(
        self,
        options: TrainStudyOptions,
        scale: Scale,
        train: AbstractSignalModel,
        stages: StageFolder,
        progress: Progress,
    ):
        self.common = StudyRunner(options.seed, stages, progress)
        self.options = options
        self.scale = scale
        self.train = train
        self.prior = study.prior()
        self.snrs = np.linspace(*study.SNR_RANGE, scale.n_snrs)
        self.scan_names: tuple[ScanName, ...] = (CALIBRATED, B1_IGNORED)
        if options.undersampling is not None:
            self.scan_names += (UNDERSAMPLED,)

    @cached_property
    def model(self) -> Compressed:
        """The train seen through singular vectors of its own fingerprints."""

        def compute() -> Arrays:
            parameters = self.prior.sample(self.common.key("basis"), self.scale.n_basis)
            return {"basis": svd_basis(np.asarray(self.train.signal(parameters)), self.scale.rank)}

        return Compressed(self.train, self.common.stages.run("basis", compute)["basis"])

    def _samples(self, name: str, n_samples: int, seed: int) -> TrainingSet:
        return training_set(
            self.options, self.common.stages, self.model, self.prior, n_samples, seed=seed, name=name,
            progress=self.common.named(name),
        )  # fmt: skip

    @cached_property
    def samples(self) -> TrainingSet:
        """The fingerprints of all trainings."""
        return self._samples("training set", self.scale.n_training, self.options.seed)

    @cached_property
    def networks(self) -> dict[str, NetworkEstimator]:
        """Trained in their order."""
        found: dict[str, NetworkEstimator] = {}
        for training in self.scale.trainings:
            initial = None if training.initial is None else found[training.initial]
            found[training.name] = self.common.trained(
                training.name, self.model, training.recipe, self.samples, initial=initial
            )
        return found

    def grid(self, name: str) -> ParameterGrid:
        """Of a dictionary."""
        return study.dictionary_grid(self.scale.n_atoms if name == DICTIONARY else self.scale.n_fine_atoms)

    @cached_property
    def dictionary(self) -> DictionaryMatching:
        """Atoms in the basis of the measurements."""
        return DictionaryMatching(self.model, self.grid(DICTIONARY), progress=self.common.named("dictionary"))

    @cached_property
    def least_squares(self) -> MaximumLikelihood:
        """With M0 eliminated, sigma decides on nothing but when a fit has converged."""
        return MaximumLikelihood(
            self.model, ComplexGaussian(1.0 / SNRS[-1]), progress=self.common.named("least squares")
        )

    @cached_property
    def one_step(self) -> OneStep:
        """From the Bias-Reduced network."""
        return OneStep(self.model, ComplexGaussian(1.0 / SNRS[-1]), self.networks[REDUCED])

    def estimator(self, method: str) -> Estimator:
        """The method of that name."""
        makers: Mapping[str, Callable[[], Estimator]] = {
            ONE_STEP: lambda: self.one_step, NLLS: lambda: self.least_squares, DICTIONARY: lambda: self.dictionary,
        }  # fmt: skip
        return makers[method]() if method in makers else self.networks[method]

    def _stage(self, name: str, compute: Callable[[], Evaluation]) -> Evaluation:
        stored = self.common.stages.run(name, lambda: pack({"one": compute()}))
        return unpack(stored, self.model)["one"]

    def held_out(self) -> dict[float, dict[str, Evaluation]]:
        """All methods on fingerprints of the training ranges; methods at the same SNR see the same noise."""
        samples = self._samples("held-out set", self.scale.n_held_out, self.options.seed + _HELD_OUT_SEED)
        first = samples.take(np.arange(min(self.scale.n_fits, len(samples))))
        found: dict[float, dict[str, Evaluation]] = {}
        for snr in SNRS:
            key = self.common.key(f"noise at {snr:g}")
            found[snr] = {}
            for method in study.METHODS:
                is_fit = method in (ONE_STEP, NLLS)
                of, n_draws = (first, self.scale.n_fit_draws) if is_fit else (samples, self.scale.n_draws)
                stage = f"{method} at SNR {snr:g}"

                def compute(method=method, of=of, n_draws=n_draws, snr=snr, key=key, stage=stage) -> Evaluation:
                    return evaluate_on(of, self.estimator(method), snr, n_draws, key, self.common.named(stage))

                found[snr][method] = self._stage(stage, compute)
        return found

    def tissues(self) -> dict[str, dict[str, Evaluation]]:
        """Bias and standard deviation against SNR."""
        found: dict[str, dict[str, Evaluation]] = {}
        for tissue, values in study.tissue_values().items():
            samples = simulated(self.model, np.array([values]), self.prior)
            key = self.common.key(tissue)
            found[tissue] = {
                method: self._stage(
                    f"{tissue} {method}",
                    lambda method=method, samples=samples, key=key: at_snrs(
                        samples, self.estimator(method), self.snrs, self.scale.n_snr_draws, key
                    ),
                )
                for method in study.METHODS
            }
        return found

    def plane(self, axes: Mapping[str, np.ndarray]) -> dict[str, Evaluation]:
        """Bias and standard deviation over T1 and T2."""
        points, _ = study.plane_points(axes)
        key = self.common.key("plane")

        def compute(method: str) -> Evaluation:
            samples = simulated(self.model, points, self.prior)
            return evaluate_on(
                samples, self.estimator(method), study.PLANE_SNR, self.scale.n_plane_draws, key,
                self.common.named(f"plane, {method}"),
            )  # fmt: skip

        return {
            method: self._stage(f"plane {method}", lambda method=method: compute(method))
            for method in study.PLANE_METHODS
        }

    def scan(self, name: ScanName) -> ScanStudy:
        """A scan of the digital brain by every method."""
        phantom = brain_phantom(self.scale.phantom_size)
        truths = phantom.parameters[phantom.mask]

        def compute() -> Arrays:
            measured = measurements(
                phantom, self.model, name, acceleration=self.options.undersampling, key=self.common.key(f"scan {name}")
            )
            arrays = {}
            for method in study.METHODS:
                estimate = self.estimator(method).estimate(measured)
                arrays |= {f"{method}/values": ordered(estimate), f"{method}/status": estimate.status}
            for method, estimator in (self.with_b1() if name == B1_IGNORED else {}).items():
                estimate = estimator.estimate(measured, known={"B1": truths[:, 2]})
                arrays |= {f"{method}/values": ordered(estimate), f"{method}/status": estimate.status}
            unit_bound = simulated(self.model, truths[:, :2], self.prior).bound
            return arrays | {"bound": np.sqrt(unit_bound) * SIGMA / np.abs(phantom.amplitude[phantom.mask])[:, None]}

        arrays = self.common.stages.run(f"scan {name}", compute)
        methods = [key.removesuffix("/values") for key in arrays if key.endswith("/values")]
        return ScanStudy(
            mask=phantom.mask,
            region=phantom.region[phantom.mask],
            names=phantom.names,
            truths=truths[:, :2],
            values={method: arrays[f"{method}/values"] for method in methods},
            status={method: arrays[f"{method}/status"] for method in methods},
            bound=arrays["bound"],
        )

    def with_b1(self) -> dict[str, DictionaryMatching | MaximumLikelihood]:
        """Dictionary matching and least squares that take a measured map of B1."""
        model = Compressed(with_free_b1(self.train), self.model.basis)
        coarse = study.dictionary_grid((self.scale.n_atoms[0] // 2, self.scale.n_atoms[1] // 2))
        grid = ParameterGrid({**coarse.axes, "B1": _B1_AXIS}, where=lambda values: values["T2"] < values["T1"])
        noise, progress = ComplexGaussian(1.0 / SNRS[-1]), self.common.named("with the B1 map")
        return {
            DICTIONARY_B1: DictionaryMatching(model, grid, progress=progress),
            NLLS_B1: MaximumLikelihood(model, noise, progress=progress),
        }

    def seconds(self) -> dict[str, float]:
        """Seconds per voxel of each method, the best of a few calls after one that compiles."""

        def compute() -> Arrays:
            n_timed = self.scale.n_timed
            parameters = self.prior.sample(self.common.key("timed"), n_timed)
            signals = np.asarray(self.model.signal(parameters))
            noisy = np.asarray(ComplexGaussian(1.0 / study.PLANE_SNR).sample(self.common.key("timed noise"), signals))
            few = noisy[: n_timed // 8]  # fills the chunks of one-step estimation
            found = {
                method: _seconds_per_voxel(self.estimator(method), noisy if method in _FAST else few)
                for method in study.METHODS
            }
            fine = DictionaryMatching(
                self.model, self.grid(FINE_DICTIONARY), progress=self.common.named("fine dictionary")
            )
            found[FINE_DICTIONARY] = _seconds_per_voxel(fine, noisy)
            return {name: np.array(seconds) for name, seconds in found.items()}

        return {name: float(value) for name, value in self.common.stages.run("seconds", compute).items()}


_FAST = (*NETWORKS, DICTIONARY)


def _seconds_per_voxel(estimator: Estimator, noisy: np.ndarray) -> float:
    taken = []
    for _ in range(1 + _N_REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(estimator.estimate(noisy).values)
        taken.append(time.perf_counter() - started)
    return min(taken[1:]) / len(noisy)
