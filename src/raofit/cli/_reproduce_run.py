"""The stages of `raofit reproduce epstein2022`, each kept on disk as soon as it is done."""

import dataclasses
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np

from raofit.cli._progress import progress_bar, say
from raofit.cli._reproduce_common import kept_on_interrupt
from raofit.cli._reproduce_files import write_study
from raofit.cli._reproduce_scan import ScanStudy, load_scan, phantom_scan, run_scan
from raofit.core.progress import Progress
from raofit.core.seeds import key_of
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation import evaluation_grid
from raofit.evaluation.evaluate import Estimator
from raofit.evaluation.packed import pack, unpack
from raofit.io.network_file import load_network, save_network
from raofit.io.output import require_free_folder
from raofit.io.stages import StageFolder
from raofit.models import IVIM
from raofit.noise import Rician
from raofit.recipes.training_data import simulate_data
from raofit.studies.claims import Claim
from raofit.studies.epstein2022 import (
    CLIPPED,
    CONVENTIONAL,
    FULL,
    METHODS,
    QUICK,
    RAISED,
    RAISED_BOUNDS,
    SNRS,
    LabelRecipe,
    Method,
    Size,
    paper_model,
)
from raofit.studies.epstein2022_claims import all_claims
from raofit.studies.epstein2022_labels import LabeledData, LeakRow, label_arrays, labeled_data, leak_table
from raofit.studies.epstein2022_networks import method_recipe, train_first, train_labeled, train_self_supervised
from raofit.studies.epstein2022_results import Clipped, StudyResults, evaluate_methods, label_bound_shares
from raofit.studies.fixed_size_fit import FixedSizeFit
from raofit.training.checkpoint import CheckpointFile
from raofit.training.targets import OnBound


@dataclasses.dataclass(frozen=True)
class ReproduceOptions:
    """What the user asked for."""

    out: Path
    is_quick: bool
    labels: LabelRecipe
    on_bound: OnBound
    seed: int
    force: bool
    scan: Path | None
    bval: Path | None
    mask: Path | None

    @property
    def size(self) -> Size:
        """How much of everything."""
        return QUICK if self.is_quick else FULL


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that goes into the output folder."""

    options: ReproduceOptions
    results: StudyResults
    claims: list[Claim]
    leak: list[LeakRow]
    scan: ScanStudy
    networks: Mapping[float, Mapping[str, NetworkEstimator]]
    minutes: float


def run_study(options: ReproduceOptions) -> Study:
    """Run or resume the study and write its folder.

    Unfinished stages lie in a hidden folder beside the output, so an interrupted run continues when the same command is
    given again; it is deleted when the output is complete.
    """
    started = time.perf_counter()
    require_free_folder(options.out, force=options.force)
    scan = None if options.scan is None else load_scan(options.scan, options.bval, options.mask)
    work = options.out.with_name(f".{options.out.name}.stages")
    if work.is_dir():
        say(f"Continuing the unfinished run in {work}")
    settings = {
        "size": dataclasses.asdict(options.size),
        "labels": options.labels,
        "on_bound": options.on_bound,
        "seed": options.seed,
        "scan": None if scan is None else scan.description,
    }
    stages = StageFolder(work, settings)
    with progress_bar() as progress, kept_on_interrupt(work):
        runner = Runner(options, stages, progress)
        data, networks = {}, {}
        for snr in SNRS:
            data[snr] = runner.labels(snr)
            networks[snr] = runner.networks(snr, data[snr], networks.get(SNRS[0]))
        results = StudyResults(
            grid=evaluation_grid(runner.model),
            evaluations={snr: runner.evaluations(snr, networks[snr]) for snr in SNRS},
            label_bounds={snr: label_bound_shares(runner.model, data[snr]) for snr in SNRS},
            restart_losses=np.array(networks[SNRS[0]]["supervised-gt"].provenance["members_validation_loss"]),
        )
        leak = runner.leak()
        if scan is None:
            scan = phantom_scan(options.size, runner.key("phantom"))
        scan_study = run_scan(scan, networks[min(SNRS)], runner)
    minutes = (time.perf_counter() - started) / 60
    study = Study(options, results, all_claims(results), leak, scan_study, networks, minutes)
    write_study(study)
    stages.remove()
    return study


class Runner:
    """One stage per method; randomness comes from the seed and the stage's name alone."""

    def __init__(self, options: ReproduceOptions, stages: StageFolder, progress: Progress):
        self.options = options
        self.size = options.size
        self.stages = stages
        self.progress = progress
        self.model = paper_model()

    def key(self, name: str) -> jax.Array:
        """Key of a named stage."""
        return jax.random.fold_in(key_of(self.options.seed), zlib.crc32(name.encode()))

    def named(self, stage: str) -> Progress:
        """Progress under the name of the stage."""
        return lambda event: self.progress(dataclasses.replace(event, stage=stage))

    def recipe(self, method: Method, snr: float):
        """The training recipe of a method."""
        return method_recipe(method, snr, self.size, labels=self.options.labels, on_bound=self.options.on_bound)

    def labels(self, snr: float, model: IVIM | None = None) -> LabeledData:
        """Training signals and both kinds of label."""
        model = model or self.model
        data = simulate_data(model, self.recipe(METHODS[0], snr), key=self.key("data"))
        name = f"labels at SNR {snr:.4g}" + ("" if model is self.model else " for the scan")
        arrays = self.stages.run(
            name,
            lambda: label_arrays(model, data, snr, recipe=self.options.labels, progress=self.named(name)),
        )
        return labeled_data(data, arrays)

    def networks(
        self, snr: float, data: LabeledData, first: Mapping[str, NetworkEstimator] | None, model: IVIM | None = None
    ) -> dict[str, NetworkEstimator]:
        """All networks of one SNR; `first` are those of the SNR where the start was chosen."""
        model = model or self.model
        label = f"SNR {snr:.4g}" + ("" if model is self.model else " for the scan")
        truth = METHODS[0]
        trained: dict[str, NetworkEstimator] = {}
        if first is None:
            recipe = self.recipe(truth, snr)
            trained |= self._trained(
                f"restarts, {label}",
                (truth,),
                lambda progress, checkpoint: [
                    train_first(model, recipe, data, self.key("first"), progress=progress, checkpoint=checkpoint)
                ],
            )
        initial = trained[truth.name] if first is None else first[truth.name]
        labeled = [m for m in METHODS if not m.target.startswith("self") and m.name not in trained]
        recipes = [self.recipe(method, snr) for method in labeled]
        trained |= self._trained(
            f"labeled networks, {label}",
            labeled,
            lambda progress, checkpoint: train_labeled(
                model, recipes, data, initial, self.key("labeled"), progress=progress, checkpoint=checkpoint
            ),
        )
        for method in (m for m in METHODS if m.target.startswith("self")):
            trained |= self._trained(
                f"{method.name}, {label}",
                (method,),
                lambda progress, checkpoint, method=method: [
                    train_self_supervised(
                        model, self.recipe(method, snr), data, initial, self.key("self"), progress=progress,
                        checkpoint=checkpoint,
                    )
                ],
            )  # fmt: skip
        return {method.name: trained[method.name] for method in METHODS}

    def _trained(self, stage: str, methods, train: Callable) -> dict[str, NetworkEstimator]:
        """Networks from their files in the stage folder, or trained and stored there."""
        paths = {method.name: self.stages.file(f"{stage}, {method.name}", ".safetensors") for method in methods}
        if not all(path.is_file() for path in paths.values()):
            checkpoint = CheckpointFile(self.stages.file(stage, ".checkpoint"))
            for path, network in zip(paths.values(), train(self.named(stage), checkpoint), strict=True):
                save_network(path, network, force=True)
            checkpoint.remove()
        return {name: load_network(path) for name, path in paths.items()}

    def evaluations(self, snr: float, networks: Mapping[str, NetworkEstimator]) -> dict:
        """Conventional fitting and every network on the grid."""
        estimators: dict[str, Estimator] = {CONVENTIONAL: FixedSizeFit(self.model, Rician, 1.0 / snr)}
        estimators |= networks
        estimators[RAISED] = FixedSizeFit(self.model, Rician, 1.0 / snr, bounds=RAISED_BOUNDS)
        estimators |= {name: Clipped(networks[of], self.model) for name, of in CLIPPED.items()}
        arrays = self.stages.run(
            f"evaluation at SNR {snr:g}",
            lambda: pack(
                evaluate_methods(self.model, estimators, snr, self.size, self.key("grid"), progress=self.progress)
            ),
        )
        return unpack(arrays, self.model)

    def leak(self) -> list[LeakRow]:
        """The label-leak table."""

        def compute() -> dict[str, np.ndarray]:
            rows = leak_table(
                self.model, tuple(sorted(SNRS)), self.size.n_leak, self.key("leak"), progress=self.progress
            )
            return {name: np.array([getattr(row, name) for row in rows]) for name in LeakRow._fields}

        stored = self.stages.run("label leak", compute)
        columns = [stored[name].tolist() for name in LeakRow._fields]
        return [LeakRow(*row[:-1], tuple(row[-1])) for row in zip(*columns, strict=True)]
