"""The output folder of `raofit reproduce epstein2022`."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from raofit.cli._reproduce_scan import ScanStudy
from raofit.evaluation.tables import result_columns
from raofit.io.columns import write_csv, write_npz
from raofit.io.network_file import save_network
from raofit.io.output import new_folder
from raofit.io.provenance import provenance, provenance_words, write_json
from raofit.plot import epstein2022 as plots
from raofit.plot.style import write_png
from raofit.report import write_report
from raofit.report.epstein2022 import StudyPage, study_report
from raofit.studies.epstein2022 import SNRS
from raofit.studies.epstein2022_labels import LeakRow
from raofit.studies.epstein2022_results import summary

if TYPE_CHECKING:
    from raofit.cli._reproduce_run import Study

LOW, HIGH = min(SNRS), max(SNRS)


def write_study(study: "Study") -> None:
    """Write report, summary, figures, tables and networks; the folder appears when everything is in it."""
    options = study.options
    record = provenance(["raofit", *sys.argv[1:]], [] if options.scan is None else [options.scan])
    figures = all_figures(study)
    with new_folder(options.out, force=options.force) as folder:
        for name in ("figures", "results", "networks"):
            (folder / name).mkdir()
        for key, figure in figures.items():
            number = f"{int(key):02d}" if key.isdigit() else key
            write_png(folder / "figures" / f"figure-{number}.png", figure)
        for snr, evaluations in study.results.evaluations.items():
            columns = result_columns(evaluations)
            write_csv(folder / "results" / f"snr-{snr:g}.csv", columns)
            write_npz(folder / "results" / f"snr-{snr:g}.npz", columns)
            for name, network in study.networks[snr].items():
                save_network(folder / "networks" / f"snr-{snr:g}-{name}.safetensors", network)
        _write_leak(folder / "results" / "label-leak.csv", study.leak)
        _write_bins(folder / "results" / "scan-bins.csv", study.scan)
        write_json(folder / "summary.json", study_summary(study) | {"provenance": record})
        page = StudyPage(
            results=study.results,
            claims=study.claims,
            leak=study.leak,
            figures=figures,
            size=options.size,
            labels=options.labels,
            on_bound=options.on_bound,
            scan=study.scan.scan.words,
            has_truth=study.scan.scan.truth is not None,
            minutes=study.minutes,
            provenance=provenance_words(record, seed=options.seed),
        )
        write_report(folder / "report.html", study_report(page))


def all_figures(study: "Study") -> dict[str, Figure]:
    """Every figure by its number in the paper, and the two that are ours."""
    results, scan = study.results, study.scan
    maps = {name: scan.volume(values) for name, values in scan.first_maps.items()}
    maps["reference"] = scan.volume(scan.reference)
    first = {"reference": "Reference\n(all repeats)"}
    if scan.scan.truth is not None:
        maps["truth"] = scan.volume(scan.scan.truth)
        first = {"truth": "Truth"} | first
    return {
        "2": plots.figure_marginal(results, LOW),
        "3": plots.figure_marginal(results, HIGH),
        "4": plots.figure_mapping(results, LOW),
        "5": plots.figure_binned(scan.measured, scan.model.parameters),
        "6": plots.figure_binned(scan.simulated, scan.model.parameters),
        "7": plots.figure_maps(maps, scan.model.parameters, scan.scan.mask, first=first),
        "8": plots.figure_weighted(results, LOW),
        "9": plots.figure_label_noise(results, LOW),
        "10": plots.figure_marginal(results, LOW, ("supervised-mle-rician", "supervised-gt", "hybrid")),
        "11": plots.figure_density(results, LOW),
        "12": plots.figure_planes(results, LOW),
        f"tradeoff-{LOW:g}": plots.figure_tradeoff(results, LOW),
        f"tradeoff-{HIGH:g}": plots.figure_tradeoff(results, HIGH),
    }


def study_summary(study: "Study") -> dict:
    """The content of `summary.json`."""
    options = study.options
    return {
        "study": "Epstein et al. 2022, Choice of training label matters (MELBA 2024:002)",
        "settings": dataclasses.asdict(options.size)
        | {"labels": options.labels, "on_bound": options.on_bound, "seed": options.seed, "quick": options.is_quick},
        "units": {"S0": "a.u.", "f": "1", "D_slow": "mm²/s", "D_fast": "mm²/s"},
        **summary(study.results),
        "restart_validation_losses": study.results.restart_losses,
        "claims": [dataclasses.asdict(claim) | {"verdict": claim.verdict} for claim in study.claims],
        "label_leak": [row._asdict() for row in study.leak],
        "scan": {"what": study.scan.scan.words, "measured_snr": study.scan.snr},
        "minutes": round(study.minutes, 2),
    }


def _write_leak(path: Path, rows: list[LeakRow]) -> None:
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in LeakRow._fields[:-1]}
    rmse = np.array([row.rmse for row in rows])
    for column, name in enumerate(("rmse_f [1]", "rmse_D_slow [mm²/s]", "rmse_D_fast [mm²/s]")):
        columns[name] = rmse[:, column]
    write_csv(path, columns)


def _write_bins(path: Path, scan: ScanStudy) -> None:
    rows: dict[str, list] = {}
    units = {parameter.name: parameter.unit for parameter in scan.model.parameters}
    for source, methods in (("measured", scan.measured), ("simulated", scan.simulated)):
        for method, curves in methods.items():
            for name, curve in curves.items():
                for row in zip(curve.center, curve.bias, curve.std, curve.rmse, curve.n_voxels, strict=True):
                    cells = (source, method, name, units[name], *row)
                    header = ("source", "method", "parameter", "unit", "center", "bias", "std", "rmse", "n_voxels")
                    for key, cell in zip(header, cells, strict=True):
                        rows.setdefault(key, []).append(cell)
    write_csv(path, {key: np.array(values) for key, values in rows.items()})
