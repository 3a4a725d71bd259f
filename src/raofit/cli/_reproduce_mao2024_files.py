"""The output folder of `raofit reproduce mao2024`."""

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from raofit.evaluation.tables import result_columns
from raofit.evaluation.weighted import weighted_columns
from raofit.io.columns import write_csv, write_npz
from raofit.io.network_file import save_network
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.plot import mao2024 as plots
from raofit.plot.mao2024_slice import figure_residual, figure_slice
from raofit.plot.style import write_png
from raofit.report import write_report
from raofit.report.mao2024 import StudyPage, study_report
from raofit.studies.mao2024 import SHOWN, TISSUES
from raofit.studies.mao2024_results import summary, tissue_columns
from raofit.studies.mao2024_slice import SliceStudy

if TYPE_CHECKING:
    from raofit.cli._reproduce_mao2024 import Study


def write_study(study: "Study") -> None:
    """Write report, summary, figures, tables and networks; the folder appears when everything is in it."""
    options = study.options
    record = provenance(["raofit", *sys.argv[1:]], options.inputs)
    figures = all_figures(study)
    with new_folder(options.out, force=options.force) as folder:
        for name in ("figures", "results", "networks"):
            (folder / name).mkdir()
        for key, figure in figures.items():
            write_png(folder / "figures" / f"figure-{key}.png", figure)
        for name, network in study.networks.items():
            save_network(folder / "networks" / f"{name}.raofit", network)
        _write_tables(folder / "results", study)
        if study.training_set_file.is_file():
            shutil.copyfile(study.training_set_file, folder / "training-set.h5")
        write_json(folder / "summary.json", study_summary(study) | {"provenance": record})
        page = StudyPage(
            results=study.results,
            claims=study.claims,
            figures=figures,
            scale_name=options.scale,
            scale=study.scale,
            n_training=study.n_training,
            repetition_time=float(study.model.protocol["repetition_time"]),
            minutes=study.minutes,
            provenance=provenance_words(record, seed=options.seed),
        )
        write_report(folder / "report.html", study_report(page))


def all_figures(study: "Study") -> dict[str, Figure]:
    """Every figure by its number in the paper."""
    results, parameters = study.results, study.model.parameters
    white, gray = TISSUES
    figures = {
        "1": plots.figure_boxes(results.boxes, results.box_p_values, parameters),
        "2": plots.figure_snr(results.tissues[white], results.tissue_snrs, parameters),
        "2-gray-matter": plots.figure_snr(results.tissues[gray], results.tissue_snrs, parameters),
        "3": plots.figure_histograms(results.random_snr, parameters),
        "S1": plots.figure_outside(results.outside, parameters),
    }
    if results.measured_slice is not None:
        figures["4"] = figure_slice(results.measured_slice, parameters)
        figures["4-residual"] = figure_residual(results.measured_slice)
    return figures


def study_summary(study: "Study") -> dict:
    """The content of `summary.json`."""
    return {
        "study": "Mao et al. 2024, Bias-Reduced Neural Networks for Parameter Estimation in Quantitative MRI",
        "scale": study.options.scale,
        "seed": study.options.seed,
        "settings": dataclasses.asdict(study.scale) | {"n_training": study.n_training},
        "units": {parameter.name: parameter.unit for parameter in study.model.parameters},
        **summary(study.results),
        "claims": [dataclasses.asdict(claim) | {"verdict": claim.verdict} for claim in study.claims],
        "minutes": round(study.minutes, 2),
    }


def _write_tables(folder: Path, study: "Study") -> None:
    results = study.results
    write_csv(folder / "held-out.csv", weighted_columns(results.weighted))
    write_csv(folder / "tissues.csv", tissue_columns(results))
    for snr, evaluations in results.held_out.items():
        write_npz(folder / f"held-out-snr-{snr:g}.npz", result_columns(evaluations))
    write_npz(folder / "outside.npz", result_columns(results.outside.evaluations))
    if results.measured_slice is not None:
        write_npz(folder / "slice.npz", _slice_columns(results.measured_slice))


def _slice_columns(study: SliceStudy) -> dict[str, np.ndarray]:
    """One row per voxel of the mask."""
    x, y = np.nonzero(study.mask)
    columns = {"x": x, "y": y, "status": study.status, "chi_square": study.chi_square, "is_flagged": study.is_flagged}
    columns |= {"snr": study.snr}
    for method, values in study.values.items():
        columns |= {f"{method}_{name}": values[:, index] for index, name in enumerate(SHOWN)}
    return columns | {f"root_crb_{name}": study.bound[:, index] for index, name in enumerate(SHOWN)}
