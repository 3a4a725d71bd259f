"""The output folder of `raofit reproduce mao2024 --experiment mrf`."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from raofit.cli._reproduce_common import TrainStudyOptions
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.tables import result_columns
from raofit.evaluation.weighted import weighted_columns
from raofit.io.columns import write_csv, write_npz
from raofit.io.network_file import save_network
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.models import Compressed
from raofit.plot import fingerprinting as plots
from raofit.plot.style import write_png
from raofit.report import write_report
from raofit.report.fingerprinting import StudyPage, study_report
from raofit.studies.claims import Claim
from raofit.studies.fingerprinting import ESTIMATED, RANGES, Scale
from raofit.studies.fingerprinting_results import StudyResults, summary
from raofit.studies.fingerprinting_scans import ScanStudy


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that goes into the output folder."""

    options: TrainStudyOptions
    scale: Scale
    model: Compressed
    sequence: str
    results: StudyResults
    claims: Sequence[Claim]
    networks: Mapping[str, NetworkEstimator]
    minutes: float


def write_study(study: Study) -> None:
    """Write report, summary, figures, tables and networks; the folder appears when everything is in it."""
    options = study.options
    record = provenance(["raofit", *sys.argv[1:]], options.inputs)
    figures = plots.all_figures(study.model.model, study.results)
    with new_folder(options.out, force=options.force) as folder:
        for name in ("figures", "results", "networks"):
            (folder / name).mkdir()
        _write_figures(folder / "figures", figures)
        for name, network in study.networks.items():
            save_network(folder / "networks" / f"{name}.raofit", network)
        _write_tables(folder / "results", study)
        write_json(folder / "summary.json", study_summary(study) | {"provenance": record})
        page = StudyPage(
            results=study.results,
            claims=study.claims,
            figures=figures,
            scale_name=options.scale,
            scale=study.scale,
            sequence=study.sequence,
            n_pulses=study.model.model.n_measurements,
            undersampling=options.undersampling,
            minutes=study.minutes,
            provenance=provenance_words(record, seed=options.seed),
        )
        write_report(folder / "report.html", study_report(page))


def study_summary(study: Study) -> dict:
    """The content of `summary.json`."""
    return {
        "study": "Fingerprinting after Mao et al. 2024, with a sequence and a brain of our own",
        "scale": study.options.scale,
        "seed": study.options.seed,
        "sequence": study.sequence,
        "undersampling": study.options.undersampling,
        "settings": dataclasses.asdict(study.scale),
        "training_ranges": RANGES,
        "units": dict.fromkeys(ESTIMATED, "s"),
        **summary(study.results),
        "claims": [dataclasses.asdict(claim) | {"verdict": claim.verdict} for claim in study.claims],
        "minutes": round(study.minutes, 2),
    }


def _write_figures(folder: Path, figures: Mapping[str, Figure]) -> None:
    for key, figure in figures.items():
        write_png(folder / f"{key}.png", figure)


def _write_tables(folder: Path, study: Study) -> None:
    results = study.results
    write_csv(folder / "held-out.csv", weighted_columns(results.weighted))
    for snr, evaluations in results.held_out.items():
        write_npz(folder / f"held-out-snr-{snr:g}.npz", result_columns(evaluations))
    write_npz(folder / "plane.npz", result_columns(results.plane))
    for tissue, evaluations in results.tissues.items():
        columns = result_columns(evaluations) | {"snr [1]": np.tile(results.snrs, len(evaluations))}
        write_csv(folder / f"{tissue.replace(' ', '-')}.csv", columns)
    for name, scan in results.scans.items():
        write_npz(folder / f"scan-{name}.npz", scan_columns(scan))


def scan_columns(scan: ScanStudy) -> dict[str, np.ndarray]:
    """One row per voxel of the mask."""
    y, x = np.nonzero(scan.mask)
    columns = {"x": x, "y": y, "region": np.array(scan.names)[scan.region]}
    for index, name in enumerate(ESTIMATED):
        columns |= {f"{name} [s]": scan.truths[:, index], f"root_crb_{name} [s]": scan.bound[:, index]}
        columns |= {f"{method}_{name} [s]": values[:, index] for method, values in scan.values.items()}
    return columns | {f"{method}_status": status for method, status in scan.status.items()}
