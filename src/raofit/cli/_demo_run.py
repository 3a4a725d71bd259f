"""The run behind `raofit demo`.

1. `_simulate`: a digital phantom becomes a noisy NIfTI scan in scanner units.
2. two networks are trained for its protocol and SNR: one on the truth, one on maximum-likelihood labels;
3. every method maps the scan,
4. and is evaluated on a grid of tissues against the Cramér–Rao bound;
5. `_write` puts scan, maps, networks, table, figures and report into one folder.
"""

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import nibabel
import numpy as np
from jaxtyping import Float

from raofit.cli._demo_page import demo_figures, demo_report, demo_sentences
from raofit.cli._progress import progress_bar
from raofit.core.errors import RaofitError
from raofit.core.seeds import key_of
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation import Evaluation, Grid, evaluate, evaluation_grid
from raofit.evaluation.evaluate import Estimator
from raofit.evaluation.tables import result_columns
from raofit.io.columns import write_csv
from raofit.io.network_file import save_network
from raofit.io.nifti import open_series, write_map
from raofit.io.output import new_folder, require_free_folder
from raofit.io.provenance import provenance
from raofit.models import IVIM
from raofit.noise import Rician
from raofit.plot.style import write_png
from raofit.recipes.train_network import train_networks
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.report import write_report
from raofit.studies.epstein2022 import B_VALUES
from raofit.studies.phantom import Phantom, digital_phantom, simulate_scans

SHAPE = (96, 96, 3)
SCANNER_UNITS = 1000.0  # a scan's S0 is not 1
VOXEL_SIZE = (2.5, 2.5, 5.0)
MLE, TRUTH, LABELS = "mle", "network-truth", "network-mle"
TITLES = {
    MLE: "Maximum likelihood",
    TRUTH: "Network trained\non the truth",
    LABELS: "Network trained\non MLE labels",
}
N_TRAINING, N_VALIDATION = 50_000, 10_000
GRID_VALUES, N_REPEATS = 8, 200


@dataclasses.dataclass(frozen=True)
class Demo:
    """Everything the folder is made from."""

    model: IVIM
    snr: float
    seed: int
    phantom: Phantom
    scan: Float[np.ndarray, "x y z measurement"]
    networks: Mapping[str, NetworkEstimator]
    maps: Mapping[str, Estimate]
    grid: Grid
    evaluations: Mapping[str, Evaluation]
    seconds: float


def run_demo(out: Path, *, snr: float, seed: int, force: bool) -> list[str]:
    """Run the demo, write its folder, and return the sentences to print."""
    if not 1.0 <= snr <= 1000.0:
        raise RaofitError(f"--snr {snr:g}: expected a signal-to-noise ratio between 1 and 1000")
    require_free_folder(out, force=force)
    started = time.perf_counter()
    model = IVIM(B_VALUES)
    scan_key, network_key, grid_key = jax.random.split(key_of(seed), 3)
    phantom, scan = _simulate(model, snr, scan_key)
    with progress_bar() as progress:
        recipes = [
            TrainingRecipe.on_the_spot(snr, labels=labels, n_training=N_TRAINING, n_validation=N_VALIDATION)
            for labels in ("truth", "mle-rician")
        ]
        trained = train_networks(model, recipes, key=network_key, progress=progress)
        networks = dict(zip((TRUTH, LABELS), trained, strict=True))
        voxels = scan[phantom.mask]
        in_scanner_units: dict[str, Estimator] = {
            MLE: MaximumLikelihood(model, Rician(SCANNER_UNITS / snr)),
            **networks,
        }
        maps = {name: estimator.estimate(voxels) for name, estimator in in_scanner_units.items()}
        grid = evaluation_grid(model, n_values=GRID_VALUES)
        at_unit: dict[str, Estimator] = {MLE: MaximumLikelihood(model, Rician(1.0 / snr)), **networks}
        evaluations = {
            name: evaluate(estimator, model, Rician(1.0 / snr), grid.points, N_REPEATS, grid_key, progress=progress)
            for name, estimator in at_unit.items()
        }
    seconds = time.perf_counter() - started
    demo = Demo(model, snr, seed, phantom, scan, networks, maps, grid, evaluations, seconds)
    with new_folder(out, force=force) as folder:
        _write(folder, demo)
    return [*demo_sentences(demo), f"Open {out / 'report.html'} ({seconds:.0f} s)."]


def _simulate(model: IVIM, snr: float, key: jax.Array) -> tuple[Phantom, np.ndarray]:
    phantom = digital_phantom(SHAPE)
    in_units = phantom.parameters * np.array([SCANNER_UNITS, 1.0, 1.0, 1.0])
    phantom = dataclasses.replace(phantom, parameters=in_units)
    return phantom, simulate_scans(phantom, model, Rician(SCANNER_UNITS / snr), 1, key)[0]


def _write(folder: Path, demo: Demo) -> None:
    affine = np.diag([*VOXEL_SIZE, 1.0])
    nibabel.save(nibabel.Nifti1Image(demo.scan, affine), folder / "scan.nii.gz")
    nibabel.save(nibabel.Nifti1Image(demo.phantom.mask.astype(np.uint8), affine), folder / "mask.nii.gz")
    (folder / "scan.bval").write_text(" ".join(f"{b:g}" for b in B_VALUES) + "\n", encoding="utf-8")
    series = open_series([folder / "scan.nii.gz"])
    truth = demo.phantom.parameters[demo.phantom.mask]
    all_values = {"truth": truth} | {name: of.values for name, of in demo.maps.items()}
    for name, values in all_values.items():
        (folder / name).mkdir()
        for column, parameter in enumerate(demo.model.parameters):
            volume = volume_of(demo.phantom.mask, np.nan_to_num(values[:, column]), 0.0)
            write_map(folder / name / f"{parameter.name}.nii.gz", [volume], series)
        if name in demo.maps:
            status = volume_of(demo.phantom.mask, demo.maps[name].status, Status.OUTSIDE_MASK)
            write_map(folder / name / "status.nii.gz", [status], series, np.uint8)
    for name, network in demo.networks.items():
        save_network(folder / f"{name}.safetensors", network)
    write_csv(folder / "bias-variance.csv", result_columns(demo.evaluations))
    figures = demo_figures(demo)
    for name, figure in figures.items():
        write_png(folder / f"{name}.png", figure)
    record = provenance(["raofit", *sys.argv[1:]], [])
    write_report(folder / "report.html", demo_report(demo, figures, record))


def volume_of(mask: np.ndarray, values: np.ndarray, fill: float) -> np.ndarray:
    """Values of the mask's voxels in space."""
    volume = np.full(mask.shape, fill, dtype=values.dtype)
    volume[mask] = values
    return volume
