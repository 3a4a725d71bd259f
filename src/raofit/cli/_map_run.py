"""The run behind `raofit map`: check everything, stream the volume, write the folder.

1. `_prepare`: open the image, read protocol, mask and noise level; every fault of the input is found here.
2. `choose_estimator` (maximum likelihood, a network file, or a network trained on the spot).
3. `_finished_slabs`: estimate slab by slab; finished slabs are kept beside the output, so that a run that was
   interrupted continues from them.
4. `write_maps` and the report go to a temporary folder, renamed at the end.
"""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from raofit import models, noise
from raofit.cli._invocation import command
from raofit.cli._map_estimator import ChosenEstimator, choose_estimator, open_network
from raofit.cli._map_files import write_maps
from raofit.cli._map_page import map_report
from raofit.cli._map_summary import summarize
from raofit.cli._noise_level import NoiseLevel, noise_level
from raofit.cli._options import parse_bounds, protocol_fields
from raofit.cli._progress import progress_bar, say
from raofit.core.errors import RaofitError
from raofit.core.parameter import resolve_ranges
from raofit.engine import map_volume, slab_edges
from raofit.io.nifti import ImageSeries, open_series, read_mask
from raofit.io.output import new_folder, require_free, require_replaceable
from raofit.io.protocol_file import series_protocol
from raofit.io.provenance import provenance
from raofit.io.shards import Shards
from raofit.report import write_report


@dataclasses.dataclass(frozen=True)
class MapOptions:
    """What the user asked for; see `raofit.cli.map.map_image`."""

    images: tuple[Path, ...]
    out: Path
    bval: Path | None
    te: str | None
    b_max: float | None
    mask: Path | None
    sigma: str | None
    model: str
    noise: str
    estimator: str
    network: Path | None
    bounds: tuple[str, ...]
    snr: float | None
    seed: int
    fill: float
    memory_bytes: int
    force: bool


def run_map(options: MapOptions) -> None:
    """Make the maps of one series and write their folder."""
    require_free(options.out, force=options.force)
    require_replaceable(options.out)
    started = time.perf_counter()
    series = open_series(options.images)
    protocol = series_protocol(
        protocol_fields(options.model), options.images, series.shape[3], bval=options.bval, te=options.te
    )
    if options.b_max is not None:
        series, protocol = _up_to(options.b_max, series, protocol)
    model = models.build(options.model, protocol)
    bounds = parse_bounds(options.bounds)
    limits = resolve_ranges(model.parameters, bounds, "bounds")
    network = None if options.network is None else open_network(options.network, model)
    mask = np.ones(series.shape[:3], dtype=bool) if options.mask is None else read_mask(options.mask, series)
    noise_name = options.noise if network is None else network.noise_name
    edges = slab_edges(series.shape, memory_bytes=options.memory_bytes)
    level = noise_level(options.sigma, series, mask, model, noise_name, bounds)
    say(f"{series.shape[3]} volumes, {np.count_nonzero(mask)} voxels; {level.sentence}; median SNR {level.snr:.3g}")
    files = (*options.images, options.bval, options.mask, options.network, options.te, options.sigma)
    inputs = [Path(file) for file in files if file is not None and Path(file).is_file()]
    record = provenance(command(), inputs)
    with progress_bar() as progress:
        chosen = choose_estimator(options, model, noise_name, bounds, level, network, progress)
        settings = _settings(options, model, noise_name, limits, level, chosen)
        with new_folder(options.out, force=options.force) as work:
            shards = Shards(_resume_folder(options.out, settings, record))
            try:
                _estimate_slabs(series, mask, level, chosen, edges, shards, progress)
                summary = summarize(shards.read_all(edges), mask, model, limits)
                shared = {"Settings": settings, "Seconds": round(time.perf_counter() - started, 2)} | record
                write_maps(work, shards, edges, series, model, limits, summary, shared, fill=options.fill)
                write_report(
                    work / "report.html", map_report(options, model, series, level, chosen, limits, summary, shared)
                )
            except KeyboardInterrupt:
                if shards.missing(edges) != edges:
                    say("finished slabs are kept: the same command continues from them.")
                else:
                    shards.remove()
                raise
            except BaseException:
                shards.remove()
                raise
            shards.remove()
    for sentence in summary.sentences(model):
        print(sentence)
    print(f"Written to {options.out} (open {options.out / 'report.html'})")


def _up_to(b_max: float, series: ImageSeries, protocol: dict) -> tuple[ImageSeries, dict]:
    """The volumes whose b-value is not above `b_max`, and their protocol."""
    if "b_values" not in protocol:
        raise RaofitError("--b-max: this model has no b-values; leave it out")
    kept = np.flatnonzero(protocol["b_values"] <= b_max)
    if not kept.size:
        raise RaofitError(f"--b-max {b_max:g}: no volume is left, the lowest b-value is {protocol['b_values'].min():g}")
    return series.take(kept), {name: values[kept] for name, values in protocol.items()}


def _estimate_slabs(
    series: ImageSeries,
    mask: np.ndarray,
    level: NoiseLevel,
    chosen: ChosenEstimator,
    edges: tuple[tuple[int, int], ...],
    shards: Shards,
    progress,
) -> None:
    missing = shards.missing(edges)
    n_done = sum(int(np.count_nonzero(mask[:, :, start:stop])) for start, stop in set(edges) - set(missing))
    slabs = map_volume(
        series.read,
        chosen.estimate,
        mask,
        missing,
        sigma=level.sigma,
        n_parameters=chosen.n_parameters,
        is_magnitude=noise.NOISE_MODELS[chosen.noise_name].is_magnitude,
        progress=progress,
        n_done=n_done,
    )
    for slab in slabs:
        shards.save(slab)


def _settings(options: MapOptions, model, noise_name: str, limits, level: NoiseLevel, chosen) -> dict[str, Any]:
    """Everything the values depend on."""
    return {
        "Model": model.name,
        "Protocol": model.protocol,
        "Noise": noise_name,
        "Sigma": level.sigma if np.ndim(level.sigma) == 0 else str(options.sigma),
        "SigmaMedian": level.median,
        "SigmaSource": level.source,
        "MedianSNR": level.snr,
        "Estimator": chosen.name,
        "EstimatorSettings": chosen.settings,
        "Bounds": dict(zip(model.parameter_names, limits.tolist(), strict=True)),
        "Seed": options.seed,
        "Mask": options.mask,
        "Fill": "NaN" if np.isnan(options.fill) else 0,
        "MemoryBytes": options.memory_bytes,
    }


def _resume_folder(out: Path, settings: dict, record: dict) -> Path:
    """Where finished slabs of exactly this run are kept: another input, setting or version has another folder."""
    identity = {"settings": settings, "inputs": record["Inputs"], "versions": record["Versions"]}
    digest = hashlib.sha256(json.dumps(identity, default=str, sort_keys=True).encode()).hexdigest()
    return out.with_name(f".{out.name}.{digest[:12]}.resume")
