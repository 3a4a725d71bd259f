"""The files of a map folder: one NIfTI and one JSON sidecar per quantity, and the record of the run."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raofit.cli._map_summary import MapSummary
from raofit.core.status import Status
from raofit.engine import Slab
from raofit.io.nifti import ImageSeries, write_map
from raofit.io.provenance import write_json
from raofit.io.shards import Shards
from raofit.models import AbstractSignalModel


def write_maps(
    folder: Path,
    shards: Shards,
    edges: tuple[tuple[int, int], ...],
    series: ImageSeries,
    model: AbstractSignalModel,
    limits: np.ndarray,
    summary: MapSummary,
    shared: Mapping[str, Any],
    *,
    fill: float,
) -> None:
    """Write NAME.nii.gz and NAME_std.nii.gz per parameter, status.nii.gz, their sidecars, and raofit.json.

    `shared` goes into every sidecar; `fill` stands where there is no estimate.
    """

    def slabs(pick: Callable[[Slab], np.ndarray]) -> Iterator[np.ndarray]:
        for slab in shards.read_all(edges):
            yield np.nan_to_num(pick(slab), nan=fill, posinf=np.inf, neginf=-np.inf)

    for index, parameter in enumerate(model.parameters):
        values = summary.values[:, index]
        sidecar = {"Parameter": parameter.name, "Units": parameter.unit, "Model": model.name}
        write_map(folder / f"{parameter.name}.nii.gz", slabs(lambda slab, k=index: slab.values[..., k]), series)
        statistics = {
            "Description": parameter.description,
            "Bounds": limits[index],
            "Quartiles": np.quantile(values, [0.25, 0.5, 0.75]) if values.size else None,
            "ShareOnBounds": summary.shares_on_bound[index],
        }
        write_json(folder / f"{parameter.name}.json", sidecar | statistics | dict(shared))
        write_map(
            folder / f"{parameter.name}_std.nii.gz", slabs(lambda slab, k=index: slab.standard_errors[..., k]), series
        )
        about = {"Description": f"standard error of {parameter.name} (one standard deviation)"}
        write_json(folder / f"{parameter.name}_std.json", sidecar | about | dict(shared))
    write_map(folder / "status.nii.gz", (slab.status for slab in shards.read_all(edges)), series, np.uint8)
    status = {
        "Description": "outcome of the estimate in each voxel",
        "Units": "1",
        "Levels": {str(int(code)): f"{code.name}: {code.sentence}" for code in Status},
        "Counts": {code.name: count for code, count in summary.counts.items()},
    }
    write_json(folder / "status.json", status | dict(shared))
    write_json(folder / "raofit.json", shared)
