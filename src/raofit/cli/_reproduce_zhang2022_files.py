"""The output folder of `raofit reproduce zhang2022`."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from raofit.cli._reproduce_common import TrainStudyOptions
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.tables import result_columns
from raofit.io.columns import write_csv, write_npz
from raofit.io.network_file import save_network
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.models import AbstractSignalModel
from raofit.plot import zhang2022 as plots
from raofit.plot.style import write_png
from raofit.report import write_report
from raofit.report.zhang2022 import StudyPage, study_report
from raofit.studies.claims import Claim
from raofit.studies.zhang2022 import ESTIMATED, FIXED, GRID_SNRS, PLANES, PRIOR, RANK, SNR_RANGE, Size
from raofit.studies.zhang2022_results import HELD_OUT, Evaluations, StudyResults, summary


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that goes into the output folder."""

    options: TrainStudyOptions
    size: Size
    results: StudyResults
    claims: Sequence[Claim]
    networks: Mapping[str, NetworkEstimator]
    n_training: int
    model: AbstractSignalModel
    minutes: float


def write_study(study: Study) -> None:
    """Write report, summary, figures, tables and networks; the folder appears when everything is in it."""
    options, results = study.options, study.results
    record = provenance(["raofit", *sys.argv[1:]], options.inputs)
    figures = all_figures(results)
    with new_folder(options.out, force=options.force) as folder:
        for name in ("figures", "results", "networks"):
            (folder / name).mkdir()
        for key, figure in figures.items():
            write_png(folder / "figures" / f"{key}.png", figure)
        for name, evaluations in _tables(results).items():
            columns = result_columns(evaluations)
            if name == HELD_OUT:
                columns["snr [1]"] = np.tile(results.snrs, len(evaluations))
            write_csv(folder / "results" / f"{name}.csv", columns)
            write_npz(folder / "results" / f"{name}.npz", columns)
        write_csv(folder / "results" / "loss-per-epoch.csv", loss_columns(results))
        for name, network in study.networks.items():
            save_network(folder / "networks" / f"{name}.safetensors", network)
        write_json(folder / "summary.json", study_summary(study) | {"provenance": record})
        page = StudyPage(
            results=results,
            claims=study.claims,
            figures=figures,
            scale=options.scale,
            size=study.size,
            pulses=_pulses(study.model),
            basis=_basis(options),
            n_training=study.n_training,
            minutes=study.minutes,
            provenance=provenance_words(record, seed=options.seed),
        )
        write_report(folder / "report.html", study_report(page))


def all_figures(results: StudyResults) -> dict[str, Figure]:
    """Every figure by the name of its file."""
    figures = {"loss": plots.figure_loss(results), "shares": plots.figure_shares(results)}
    for plane in PLANES:
        for snr in GRID_SNRS:
            figures[f"{plane.name}-{snr:g}"] = plots.figure_plane(results, plane, snr)
    return figures


def _tables(results: StudyResults) -> dict[str, Evaluations]:
    """Evaluations by the name of their file."""
    planes = {f"{plane}-snr-{snr:g}": evaluations for (plane, snr), evaluations in results.planes.items()}
    return {HELD_OUT: results.held_out} | planes


def loss_columns(results: StudyResults) -> dict[str, np.ndarray]:
    """One row per method and epoch: its own losses, and MSE-CRB of each parameter on the validation set."""
    parts: dict[str, list[np.ndarray]] = {}
    for method, history in results.histories.items():
        n_epochs = len(history["training"])
        rows = {"method": np.full(n_epochs, method), "epoch": np.arange(1, n_epochs + 1)}
        rows |= {f"{name}_loss": np.array(history[name], float) for name in ("training", "validation")}
        rows |= {f"mse_crb_{name} [1]": np.array(history["mse_crb"][name], float) for name in ESTIMATED}
        for key, values in rows.items():
            parts.setdefault(key, []).append(values)
    return {key: np.concatenate(values) for key, values in parts.items()}


def study_summary(study: Study) -> dict:
    """The content of `summary.json`."""
    return {
        "study": "Zhang et al. 2022, Cramér–Rao bound-informed training of neural networks (MRM 88:436)",
        "settings": dataclasses.asdict(study.size)
        | {
            "scale": study.options.scale,
            "seed": study.options.seed,
            "prior": PRIOR,
            "rank": RANK,
            "snr": SNR_RANGE,
            "n_training": study.n_training,
            "grid_fixed": FIXED,
            "grids": {plane.name: dict(plane.ranges) for plane in PLANES},
        },
        "units": {"m0s": "1", "T1": "s", "T2f": "s"},
        **summary(study.results),
        "claims": [dataclasses.asdict(claim) | {"verdict": claim.verdict} for claim in study.claims],
        "minutes": round(study.minutes, 2),
    }


def _pulses(model: AbstractSignalModel) -> str:
    angles, repetition_time = (np.asarray(model.protocol[name]) for name in ("flip_angles", "repetition_time"))
    n_pulses = angles.shape[-1]
    return f"a cycle of {n_pulses} pulses with TR {1e3 * float(repetition_time):g} ms"


def _basis(options: TrainStudyOptions) -> str:
    if options.training_set is not None:
        return "those of the given training set"
    if options.basis is not None:
        return "those of the given basis"
    return "the leading singular vectors of simulated fingerprints"
