"""The run behind `raofit map`: check everything, stream the volume, write the folder.

1. `open_input`: measurements, model, mask and network; with the noise level, every fault of the input is found here.
2. `choose_estimator` (maximum likelihood, a network, one step from a network, or a network trained on the spot).
3. `_estimate_slabs`: estimate slab by slab, with the residual the model leaves; finished slabs are kept beside the
   output, so that a run that was interrupted continues from them.
4. `write_maps` and the report go to a temporary folder, renamed at the end.
"""

import dataclasses
import functools
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from raofit import noise
from raofit.cli._crb_page import short_protocol
from raofit.cli._invocation import command
from raofit.cli._map_estimator import ChosenEstimator, check_network, choose_estimator
from raofit.cli._map_files import write_intervals, write_maps
from raofit.cli._map_input import MapInput, open_input
from raofit.cli._map_intervals import MapIntervals, check_level, map_intervals
from raofit.cli._map_page import map_report
from raofit.cli._map_summary import summarize
from raofit.cli._map_viewer import collect_voxels
from raofit.cli._noise_level import NoiseLevel, noise_level
from raofit.cli._options import parse_bounds
from raofit.cli._progress import progress_bar, say
from raofit.core.errors import RaofitError
from raofit.core.parameter import resolve_ranges
from raofit.core.progress import Progress
from raofit.core.status import FALSE_ALARM_RATE
from raofit.core.tasks import RunTasks, in_this_process
from raofit.engine import ResidualCheck, map_volume, slab_axis, slab_edges
from raofit.io.claim import resume_folder
from raofit.io.output import new_folder, require_free_folder
from raofit.io.provenance import provenance
from raofit.io.shards import Shards
from raofit.io.text_formats import count_of
from raofit.models import AbstractSignalModel
from raofit.report import write_report

_LARGEST_SNR = 1e6


@dataclasses.dataclass(frozen=True)
class MapOptions:
    """What the user asked for; see `raofit.cli.map.map_image`, which has the same defaults."""

    images: tuple[Path, ...]
    out: Path
    bval: Path | None = None
    te: str | None = None
    ti: str | None = None
    flip: str | None = None
    mt: str | None = None
    refocusing: str | None = None
    b_max: float | None = None
    trains: Path | None = None
    tr: str | None = None
    basis: Path | None = None
    rank: int | None = None
    mask: Path | None = None
    sigma: str | None = None
    known: tuple[str, ...] = ()
    model: str | None = None
    noise: str | None = None
    estimator: str = "mle"
    network: Path | None = None
    dictionary: Path | None = None
    grid: tuple[str, ...] = ()
    t2_below_t1: bool = True
    bounds: tuple[str, ...] = ()
    snr: float | None = None
    seed: int = 0
    residual: bool = True
    false_alarms: float = FALSE_ALARM_RATE
    intervals: float | None = None
    fill: float = 0.0
    memory_bytes: int = 512 << 20
    force: bool = False


def default_estimator(network: Path | None, dictionary: Path | None, grid: tuple[str, ...]) -> str:
    """The estimator of a user who names none: what the other options are for."""
    if dictionary is not None or grid:
        return "dictionary"
    return "mle" if network is None else "network"


def run_map(options: MapOptions, run: RunTasks) -> None:
    """Make the maps of one series, write their folder, and say on standard output what they show."""
    for sentence in make_maps(options, run):
        print(sentence)
    print(f"Written to {options.out} (open {options.out / 'report.html'})")


def make_maps(options: MapOptions, run: RunTasks = in_this_process) -> list[str]:
    """Make the maps of one series, estimated where `run` says, and write their folder; what they show, in sentences."""
    require_free_folder(options.out, force=options.force)
    started = time.perf_counter()
    _check(options)
    found = open_input(options)
    series, model, mask = found.series, found.model, found.mask
    check_network(options, found)
    bounds = parse_bounds(options.bounds)
    resolve_ranges(model.parameters, bounds, "bounds")
    slab_edges(series.shape, memory_bytes=options.memory_bytes)
    level = noise_level(options.sigma, found, bounds)
    kind = "coefficients" if found.is_complex else "volumes"
    voxels = count_of(int(np.count_nonzero(mask)), "voxel")
    say(f"{series.shape[3]} {kind}, {voxels}; {level.sentence}; median SNR {level.snr:.3g}")
    record = provenance(command(), found.files)
    with progress_bar() as progress:
        chosen = choose_estimator(options, found, bounds, level, progress)
        limits = resolve_ranges(chosen.parameters, _of(chosen, bounds) | dict(chosen.ranges), "bounds")
        check = None
        if options.residual and chosen.gives_all:
            check = ResidualCheck(model, chosen.noise_name, chosen.n_fitted, options.false_alarms)
        intervals = None
        if options.intervals is not None:
            intervals = map_intervals(
                options.intervals, found, chosen, _of(chosen, bounds), limits, level.snr, options.seed
            )
        edges = slab_edges(
            series.shape,
            memory_bytes=options.memory_bytes,
            value_bytes=8 if found.is_complex else 4,
            most_voxels=chosen.slab_voxels,
        )
        settings = _settings(options, model, limits, level, chosen)
        if intervals is not None:
            settings["Intervals"] = {"Level": intervals.level, "Factors": intervals.settings}
        with new_folder(options.out, force=options.force) as work:
            shards = Shards(_resume_folder(options.out, settings, record))
            try:
                estimating, checking = _estimate_slabs(
                    found, level, chosen, check, intervals, edges, shards, run, progress
                )
                summary = summarize(shards.read_all(edges), mask, len(chosen.parameters), limits)
                seconds = {
                    "Seconds": round(time.perf_counter() - started, 2),
                    "SecondsEstimating": round(estimating, 2),
                    "SecondsChecking": round(checking, 2),
                }
                shared = {"Settings": settings} | seconds | record
                write_maps(
                    work, shards, edges, series, model, chosen, check, limits, summary, shared, fill=options.fill
                )
                noted = [*(() if check is None else check.names), *(() if intervals is None else intervals.diagnostics)]
                voxels = collect_voxels(shards.read_all(edges), mask, len(chosen.parameters), noted)
                if intervals is not None:
                    write_intervals(work, shards, edges, series, chosen, intervals, shared, fill=options.fill)
                page = map_report(options, found, level, chosen, check, limits, summary, voxels, shared)
                write_report(work / "report.html", page)
            except KeyboardInterrupt:
                if shards.missing(edges) != edges:
                    say("finished slabs are kept: the same command continues from them.")
                else:
                    shards.remove()
                raise
            except BaseException:
                shards.remove()
                raise
    return [*_no_residual(check, level), *summary.sentences(chosen.parameters)]


def _no_residual(check: ResidualCheck | None, level: NoiseLevel) -> list[str]:
    """A sentence if the measurements are too few to test the model."""
    if check is None or check.degrees_of_freedom > 0:
        return []
    counts = f"{check.model.n_measurements} measurements and {check.n_fitted} parameters"
    return [f"{counts} leave no residual, so nothing here tests the model; {level.sentence}."]


def _check(options: MapOptions) -> None:
    """Raise for options that are wrong whatever the data are."""
    if not 0 < options.false_alarms < 1:
        raise RaofitError(f"--false-alarms {options.false_alarms:g}: expected a share of voxels between 0 and 1")
    check_level(options.intervals)
    if options.snr is not None and not 0 < options.snr < _LARGEST_SNR:
        raise RaofitError(f"--snr {options.snr:g}: expected a signal-to-noise ratio > 0 (and below {_LARGEST_SNR:g})")
    if options.known and options.estimator in ("network", "one-step"):
        raise RaofitError("--known: a network takes no known values; choose --estimator mle or dictionary")
    if options.estimator != "dictionary":
        if options.dictionary is not None or options.grid or not options.t2_below_t1:
            raise RaofitError(
                f"--grid, --dictionary and --no-t2-below-t1 are for --estimator dictionary, found {options.estimator}"
            )
        return
    if options.network is not None:
        raise RaofitError("--network: a dictionary takes no network; leave it out, or choose another --estimator")
    if options.bounds:
        raise RaofitError("--bounds: the limits of a dictionary are the ends of its grid; give them with --grid")


def _of(chosen: ChosenEstimator, bounds: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Bounds of what is estimated."""
    names = {parameter.name for parameter in chosen.parameters}
    return {name: pair for name, pair in bounds.items() if name in names}


def _estimate_slabs(
    found: MapInput,
    level: NoiseLevel,
    chosen: ChosenEstimator,
    check: ResidualCheck | None,
    intervals: MapIntervals | None,
    edges: tuple[tuple[int, int], ...],
    shards: Shards,
    run: RunTasks,
    progress: Progress,
) -> np.ndarray:
    """Seconds spent in the estimator and in the residual check, compilation included, over all who shared the work."""
    mask, axis = found.mask, slab_axis(found.series.shape)
    missing = shards.missing(edges)
    cuts = [(*[slice(None)] * axis, slice(*edge)) for edge in set(edges) - set(missing)]
    slabs = map_volume(
        functools.partial(found.series.read, axis=axis),
        chosen.estimate,
        mask,
        missing,
        sigma=level.sigma,
        known=found.known,
        n_parameters=len(chosen.parameters),
        is_magnitude=noise.NOISE_MODELS[chosen.noise_name].is_magnitude,
        check=check,
        intervals=intervals,
        run=run,
        progress=progress,
        n_done=sum(int(np.count_nonzero(mask[cut])) for cut in cuts),
    )
    seconds = np.zeros(2)
    for slab in slabs:
        shards.save(slab)
        seconds += slab.seconds
    return seconds


def _settings(
    options: MapOptions, model: AbstractSignalModel, limits: np.ndarray, level: NoiseLevel, chosen: ChosenEstimator
) -> dict[str, Any]:
    """Everything the values depend on."""
    names = [parameter.name for parameter in chosen.parameters]
    return {
        "Model": model.name,
        "Protocol": short_protocol(model),
        "Coefficients": model.n_measurements if model.has_complex_amplitude else None,
        "Noise": chosen.noise_name,
        "Sigma": level.sigma if np.ndim(level.sigma) == 0 else str(options.sigma),
        "SigmaMedian": level.median,
        "SigmaSource": level.source,
        "MedianSNR": level.snr,
        "Estimator": chosen.name,
        "EstimatorSettings": chosen.settings,
        "Bounds": dict(zip(names, limits.tolist(), strict=True)),
        "Seed": options.seed,
        "Mask": options.mask,
        "Known": list(options.known),
        "Residual": options.residual,
        "FalseAlarmRate": options.false_alarms,
        "Fill": "NaN" if np.isnan(options.fill) else 0,
        "MemoryBytes": options.memory_bytes,
    }


def _resume_folder(out: Path, settings: dict, record: dict) -> Path:
    """Where finished slabs of exactly this run are kept: another input, setting or version has another folder."""
    identity = {"settings": settings, "inputs": record["Inputs"], "versions": record["Versions"]}
    digest = hashlib.sha256(json.dumps(identity, default=str, sort_keys=True).encode()).hexdigest()
    return resume_folder(out, digest[:12])
