"""The stages of `raofit reproduce mao2024`, each kept on disk as soon as it is done."""

import dataclasses
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np

from raofit.cli._progress import progress_bar
from raofit.cli._reproduce_common import (
    TrainStudyOptions,
    compressed_model,
    kept_on_interrupt,
    opened_stages,
    training_set,
)
from raofit.cli._reproduce_mao2024_files import write_study
from raofit.cli._reproduce_mao2024_slice import load_slice, run_slice
from raofit.cli._study_runner import StudyRunner
from raofit.core.progress import Progress
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.estimators.one_step import OneStep
from raofit.evaluation.evaluate import Estimator, Evaluation
from raofit.evaluation.packed import pack, unpack
from raofit.io.output import require_free_folder
from raofit.io.stages import StageFolder
from raofit.models import Compressed
from raofit.noise import ComplexGaussian
from raofit.recipes.training_set import TrainingSet
from raofit.studies.claims import Claim
from raofit.studies.mao2024 import (
    LOW_LAMBDA,
    MSE_CRB,
    NETWORKS,
    NLLS,
    ONE_STEP,
    OUTSIDE_SNR,
    REDUCED,
    SCALES,
    SNR_RANGE,
    SNRS,
    STEPS,
    TISSUES,
    Scale,
)
from raofit.studies.mao2024_claims import all_claims
from raofit.studies.mao2024_experiments import (
    at_snrs,
    box_estimates,
    box_parameters,
    evaluate_on,
    is_inside,
    outside_parameters,
    simulated,
    z_distance,
)
from raofit.studies.mao2024_recipes import Training
from raofit.studies.mao2024_results import OutsideStudy, StudyResults, training_record
from raofit.training.prior import Prior
from raofit.training.priors import build as named_prior

_HELD_OUT_SEED = 1_000_003  # added to the study's seed: no fingerprint of training is tested


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that goes into the output folder."""

    options: TrainStudyOptions
    scale: Scale
    model: Compressed
    results: StudyResults
    claims: list[Claim]
    networks: Mapping[str, NetworkEstimator]
    n_training: int
    minutes: float
    training_set_file: Path


def run_mao2024(options: TrainStudyOptions) -> Study:
    """Run or resume the study and write its folder."""
    started = time.perf_counter()
    require_free_folder(options.out, force=options.force)
    scale = SCALES[options.scale]
    model = compressed_model(options, "qmt", scale.rank)
    measured = None if options.coefficients is None else load_slice(options.coefficients, scale.rank)
    settings = {
        "study": "mao2024",
        "scale": dataclasses.asdict(scale),
        "seed": options.seed,
        "repetition_time": options.tr,
        "inputs": options.input_hashes,
    }
    stages = opened_stages(options, settings)
    with progress_bar() as progress, kept_on_interrupt(stages.path):
        runner = Runner(options, scale, model, stages, progress)
        samples = runner.training_set()
        networks = {}
        for training in scale.trainings:
            networks[training.name] = runner.network(training, samples, networks)
        results = StudyResults(
            **runner.held_out(networks),
            boxes=runner.boxes(networks),
            **runner.tissues(networks),
            outside=runner.outside(networks),
            measured_slice=None if measured is None else run_slice(measured, model, networks, scale, stages, progress),
            trainings=training_record(networks, scale, len(samples)),
        )
    minutes = (time.perf_counter() - started) / 60
    made = stages.file("training set", ".h5")
    study = Study(options, scale, model, results, all_claims(results), networks, len(samples), minutes, made)
    write_study(study)
    stages.remove()
    return study


class Runner:
    """One stage per experiment."""

    def __init__(
        self, options: TrainStudyOptions, scale: Scale, model: Compressed, stages: StageFolder, progress: Progress
    ):
        self.common = StudyRunner(options.seed, stages, progress)
        self.options = options
        self.scale = scale
        self.model = model
        repetition_time = float(model.protocol["repetition_time"])
        self.prior = named_prior("qmt-mao2024", repetition_time=repetition_time)
        tissue = named_prior("qmt-tissue", repetition_time=repetition_time)
        if not isinstance(tissue, Prior):
            raise TypeError("expected a prior of one component")
        self.tissue = tissue

    def training_set(self) -> TrainingSet:
        """The user's set, or a simulated one."""
        stage = "training set"
        return training_set(
            self.options, self.common.stages, self.model, self.prior, self.scale.n_training, seed=self.options.seed,
            name=stage, progress=self.common.named(stage),
        )  # fmt: skip

    def network(
        self, training: Training, samples: TrainingSet, networks: Mapping[str, NetworkEstimator]
    ) -> NetworkEstimator:
        """A network from its file in the stage folder, or trained and stored there."""
        initial = None if training.initial is None else networks[training.initial]
        return self.common.trained(training.name, self.model, training.recipe, samples, initial=initial)

    def held_out(self, networks: Mapping[str, NetworkEstimator]) -> dict:
        """Networks and one-step estimation on fingerprints of tissue: at each SNR, and each at its own."""
        stage = "held-out set"
        samples = training_set(
            self.options, self.common.stages, self.model, self.tissue, self.scale.n_held_out,
            seed=self.options.seed + _HELD_OUT_SEED, name=stage, progress=self.common.named(stage),
        )  # fmt: skip
        first = samples.take(np.arange(min(self.scale.n_one_step, len(samples))))
        held_out = {}
        for snr in SNRS:
            held_out[snr] = {
                name: self._evaluated(
                    f"{name} at SNR {snr:g}", samples, lambda name=name: networks[name], snr, self.scale.n_draws
                )
                for name in NETWORKS
            } | {
                name: self._evaluated(
                    f"{name} at SNR {snr:g}",
                    first,
                    lambda of=of, snr=snr: self._one_step(networks[of], snr),
                    snr,
                    self.scale.n_one_step_draws,
                )
                for name, of in STEPS.items()
            }
        key = self.common.key("random SNR")
        snrs = np.asarray(jax.random.uniform(key, (len(samples),), minval=SNR_RANGE[0], maxval=SNR_RANGE[1]))
        random_snr = {
            name: self._evaluated(
                f"{name} at random SNR", samples, lambda name=name: networks[name], snrs, self.scale.n_draws
            )
            for name in (MSE_CRB, REDUCED, LOW_LAMBDA)
        }
        return {"held_out": held_out, "random_snr": random_snr}

    def boxes(self, networks: Mapping[str, NetworkEstimator]) -> dict[str, np.ndarray]:
        """Figure 1."""

        def compute() -> dict[str, np.ndarray]:
            samples = simulated(self.model, box_parameters(), self.tissue)
            key = self.common.key("boxes")
            return {
                name: box_estimates(samples, networks[name], self.scale.n_box_draws, key) for name in (MSE_CRB, REDUCED)
            }

        return self.common.stages.run("boxes", compute)

    def tissues(self, networks: Mapping[str, NetworkEstimator]) -> dict:
        """Figure 2."""
        many, few = np.linspace(*SNR_RANGE, self.scale.n_snrs), np.array(self.scale.nlls_snrs)
        sigma = 1.0 / few.max()  # with M0 eliminated, sigma decides on nothing but when a fit has converged
        methods: dict[str, tuple[Estimator, np.ndarray, int]] = {
            name: (networks[name], many, self.scale.n_snr_draws) for name in (MSE_CRB, REDUCED)
        }
        methods[ONE_STEP] = (self._one_step(networks[REDUCED], few.max()), few, self.scale.n_nlls_draws)
        fit = MaximumLikelihood(
            self.model, ComplexGaussian(sigma), progress=self.common.named("least squares of tissues")
        )
        methods[NLLS] = (fit, few, self.scale.n_nlls_draws)
        by_tissue: dict[str, dict[str, Evaluation]] = {}
        for tissue, values in TISSUES.items():

            def compute(tissue: str = tissue, values: tuple[float, ...] = values) -> dict[str, np.ndarray]:
                samples = simulated(self.model, np.array([values]), self.tissue)
                key = self.common.key(tissue)
                found = {
                    name: at_snrs(samples, estimator, snrs, n_draws, key)
                    for name, (estimator, snrs, n_draws) in methods.items()
                }
                return pack(found)

            by_tissue[tissue] = unpack(self.common.stages.run(tissue, compute), self.model)
        return {"tissues": by_tissue, "tissue_snrs": {name: snrs for name, (_, snrs, _) in methods.items()}}

    def outside(self, networks: Mapping[str, NetworkEstimator]) -> OutsideStudy:
        """Supplementary figure 1."""
        seed = zlib.crc32(b"outside") + self.options.seed
        parameters, share = outside_parameters(self.model, self.tissue, self.scale.n_outside, seed)

        def compute() -> dict[str, np.ndarray]:
            samples = simulated(self.model, parameters, self.tissue)
            key = self.common.key("outside")
            found = {
                name: evaluate_on(samples, networks[name], OUTSIDE_SNR, self.scale.n_outside_draws, key)
                for name in (MSE_CRB, REDUCED)
            }
            return pack(found)

        evaluations = unpack(self.common.stages.run("outside", compute), self.model)
        return OutsideStudy(z_distance(parameters, self.tissue), is_inside(parameters, self.tissue), share, evaluations)

    def _one_step(self, network: NetworkEstimator, snr: float) -> OneStep:
        return OneStep(self.model, ComplexGaussian(1.0 / snr), network)

    def _evaluated(
        self, stage: str, samples: TrainingSet, make: Callable[[], Estimator], snr, n_draws: int
    ) -> Evaluation:
        """A stage of one method on a set; methods at the same SNR see the same noise."""
        noise = self.common.key(f"noise at {snr:g}" if np.ndim(snr) == 0 else "noise at random SNR")
        stored = self.common.stages.run(
            stage,
            lambda: pack({"one": evaluate_on(samples, make(), snr, n_draws, noise, self.common.named(stage))}),
        )
        return unpack(stored, self.model)["one"]
