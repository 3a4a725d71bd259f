"""The files of a map folder: one NIfTI and one JSON sidecar per quantity, and the record of the run."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raofit.cli._map_estimator import ChosenEstimator
from raofit.cli._map_intervals import SIDES, MapIntervals
from raofit.cli._map_summary import MapSummary
from raofit.core.status import Status
from raofit.engine import ResidualCheck, Slab
from raofit.io.nifti import Series, write_map
from raofit.io.provenance import write_json
from raofit.io.shards import Shards
from raofit.models import AbstractSignalModel

_DIAGNOSTICS = {
    "residual": (
        "1",
        "reduced chi-square of the measurement at the estimate: 1 where the model explains all but the noise",
    ),
    "relative_residual": ("1", "length of what the model leaves unexplained, over the length of the measurement"),
    "M0": ("a.u.", "magnitude of the complex amplitude that fits best at the estimate"),
    "M0_phase": ("rad", "phase of the complex amplitude that fits best at the estimate"),
}
_FALSE_ALARMS = (
    "share of the voxels that noise alone would mark as a misfit (codes 5 to 9) if the model and sigma were right"
)


def write_maps(
    folder: Path,
    shards: Shards,
    edges: tuple[tuple[int, int], ...],
    series: Series,
    model: AbstractSignalModel,
    chosen: ChosenEstimator,
    check: ResidualCheck | None,
    limits: np.ndarray,
    summary: MapSummary,
    shared: Mapping[str, Any],
    *,
    fill: float,
) -> None:
    """Write NAME.nii.gz and NAME_std.nii.gz per parameter, the residual maps, status.nii.gz, sidecars, raofit.json.

    `shared` goes into every sidecar; `fill` stands where there is no estimate.
    """

    def slabs(pick: Callable[[Slab], np.ndarray]) -> Iterator[np.ndarray]:
        for slab in shards.read_all(edges):
            yield np.nan_to_num(pick(slab), nan=fill, posinf=np.inf, neginf=-np.inf)

    for index, parameter in enumerate(chosen.parameters):
        values = summary.values[:, index]
        sidecar = {"Parameter": parameter.name, "Units": parameter.unit, "Model": model.name}
        write_map(folder / f"{parameter.name}.nii.gz", slabs(lambda slab, k=index: slab.values[..., k]), series)
        statistics = {
            "Description": parameter.description,
            "Bounds": limits[index],
            "Quartiles": _quartiles(values),
            "ShareOnBounds": summary.shares_on_bound[index],
        }
        write_json(folder / f"{parameter.name}.json", sidecar | statistics | dict(shared))
        write_map(
            folder / f"{parameter.name}_std.nii.gz", slabs(lambda slab, k=index: slab.standard_errors[..., k]), series
        )
        about = {
            "Description": f"standard error of {parameter.name} (one standard deviation of its scatter, not its bias; "
            "`raofit map --intervals 0.95` writes intervals that hold the truth)"
        }
        write_json(folder / f"{parameter.name}_std.json", sidecar | about | dict(shared))
    for name in () if check is None else check.names:
        write_map(folder / f"{name}.nii.gz", slabs(lambda slab, name=name: slab.diagnostics[name]), series)
        unit, description = _DIAGNOSTICS[name]
        values = summary.diagnostics[name]
        content = {"Units": unit, "Description": description, "Quartiles": _quartiles(values)}
        judged = _judged(check, summary) if name == "residual" else {}
        write_json(folder / f"{name}.json", content | judged | dict(shared))
    write_map(folder / "status.nii.gz", (slab.status for slab in shards.read_all(edges)), series, np.uint8)
    status = {
        "Description": "outcome of the estimate in each voxel",
        "Units": "1",
        "Levels": {str(int(code)): f"{code.name}: {code.sentence}" for code in Status},
        "Counts": {code.name: count for code, count in summary.counts.items()},
    }
    if check is not None:
        status |= {"FalseAlarmRate": check.false_alarm_rate, "FalseAlarmRateDescription": _FALSE_ALARMS}
    write_json(folder / "status.json", status | dict(shared))
    write_json(folder / "raofit.json", shared)


def write_intervals(
    folder: Path,
    shards: Shards,
    edges: tuple[tuple[int, int], ...],
    series: Series,
    chosen: ChosenEstimator,
    intervals: MapIntervals,
    shared: Mapping[str, Any],
    *,
    fill: float,
) -> None:
    """Write NAME_lower.nii.gz and NAME_upper.nii.gz per parameter, with sidecars."""
    for parameter in chosen.parameters:
        for side in SIDES:
            name = f"{parameter.name}_{side}"
            slabs = (np.nan_to_num(slab.diagnostics[name], nan=fill) for slab in shards.read_all(edges))
            write_map(folder / f"{name}.nii.gz", slabs, series)
            content = {
                "Description": f"{side} end of the interval of {parameter.name}",
                "Units": parameter.unit,
                "Level": intervals.level,
                "Method": intervals.sentence,
            }
            write_json(folder / f"{name}.json", content | dict(shared))


def _quartiles(values: np.ndarray) -> np.ndarray | None:
    finite = values[np.isfinite(values)]
    return np.quantile(finite, [0.25, 0.5, 0.75]) if finite.size else None


def _judged(check: ResidualCheck, summary: MapSummary) -> dict[str, Any]:
    """Above which reduced chi-square a voxel is marked, and how many are."""
    return {
        "DegreesOfFreedom": check.degrees_of_freedom,
        "FalseAlarmRate": check.false_alarm_rate,
        "Threshold": check.threshold,
        "ThresholdDescription": check.threshold_sentence,
        "ShareAboveThreshold": summary.misfit_share,
    }
