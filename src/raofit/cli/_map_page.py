"""The report page of a map folder: pictures, counts in words, precision, and what not to trust."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from raofit import noise
from raofit.cli._card_page import card_blocks
from raofit.cli._crb_page import precision_table, protocol_paragraphs
from raofit.cli._map_estimator import ChosenEstimator
from raofit.cli._map_input import MapInput
from raofit.cli._map_methods import map_methods
from raofit.cli._map_residual_page import (
    DIAGNOSTICS,
    misfit_doubt,
    residual_blocks,
    residual_figure,
    residual_limits,
)
from raofit.cli._map_summary import MapSummary
from raofit.cli._map_viewer import MapVoxels, diagnostic_layers, parameter_layers, place_of, voxel_size
from raofit.cli._noise_level import NoiseLevel
from raofit.core.status import Status
from raofit.engine import ResidualCheck
from raofit.information.identifiability import Precision, Verdict, attainable_precision, prior_standard_deviation
from raofit.io.provenance import readable
from raofit.io.text_formats import count_of, share_of
from raofit.plot import style
from raofit.plot.maps import plot_histograms, plot_parameter_maps, plot_status_map
from raofit.report import Badge, Figure, Paragraph, Report, Section, Table, Viewer

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions

_MANY_ON_BOUND = 0.05
_MANY_LOST = 0.25
_MANY_WITHOUT = 0.05
_HUGE = 1e30  # shows an infinite standard error as one beyond the colors
_TAIL = 5.0  # interquartile ranges from the median


def map_report(
    options: "MapOptions",
    found: MapInput,
    level: NoiseLevel,
    chosen: ChosenEstimator,
    check: ResidualCheck | None,
    limits: np.ndarray,
    summary: MapSummary,
    voxels: MapVoxels,
    shared: Mapping[str, Any],
) -> Report:
    """The page as data."""
    model, series = found.model, found.series
    names = ", ".join(path.name for path in options.images[:3]) + (" …" if len(options.images) > 3 else "")
    shape = "×".join(map(str, series.shape))
    precisions = _precisions(model, chosen, level, limits, summary)
    concerns = doubts(chosen, check, summary, precisions, limits)
    sections = [
        Section("In short", _in_short(chosen, level, summary, concerns)),
        Section("Maps", [_viewer(found, chosen, check, limits, summary, voxels, options.intervals)]),
        Section("What happened in each voxel", _status(summary)),
    ]
    if check is not None:
        sections.append(Section("What the model leaves unexplained", residual_blocks(check, level, chosen, summary)))
    if precisions:
        noise_level = f"SNR {level.snr:.3g}" if model.has_complex_amplitude else f"sigma = {level.median:.4g}"
        caption = (
            "Least standard deviation of any unbiased estimate (Cramér-Rao bound) in a voxel with the median "
            f"estimates of the voxels without reservation and {noise_level}, beside the spread of the "
            "parameter's typical range."
        )
        sections.append(Section("Attainable precision", [precision_table(precisions, caption, value="median")]))
    if chosen.network is not None:
        sections.append(Section("Card of the network", card_blocks(chosen.network)))
    sections.append(Section("How it was done", _method(model, level, chosen, limits, shared)))
    sections.append(Section("For your paper", map_methods(found, level, chosen, check, limits, summary, shared)))
    kind = "coefficients" if found.is_complex else "volumes"
    return Report(f"Maps of {names}", f"{model.name}, {chosen.name}, {shape} voxels×{kind}", sections, readable(shared))


def doubts(
    chosen: ChosenEstimator,
    check: ResidualCheck | None,
    summary: MapSummary,
    precisions: tuple[Precision, ...],
    limits: np.ndarray,
) -> list[str]:
    """Sentences about parameters that should not be trusted, and why; empty if there are none."""
    found = list(chosen.warnings)
    n_without = sum(count for status, count in summary.counts.items() if not status.is_usable)
    if n_without > _MANY_WITHOUT * summary.n_voxels:
        share = share_of(n_without, summary.n_voxels)
        found.append(f"{share} of the voxels have no estimate (see the status map).")
    of_unseen = (Status.OUT_OF_RANGE, Status.OUT_OF_RANGE_MISFIT)
    unseen = sum(summary.counts.get(status, 0) for status in of_unseen) / max(summary.n_voxels, 1)
    if unseen > _MANY_ON_BOUND:
        found.append(f"{unseen:.0%} of the voxels are unlike anything the network was trained on (see the status map).")
    if check is not None and (sentence := misfit_doubt(check, summary)):
        found.append(sentence)
    lost = {item.parameter.name: item.sentence for item in precisions if item.verdict is Verdict.NOT_IDENTIFIABLE}
    for index, parameter in enumerate(chosen.parameters):
        reasons = []
        on_bound = summary.shares_on_bound[index]
        if chosen.n_fitted and on_bound.sum() > _MANY_ON_BOUND:
            low, high = limits[index]
            unit = "" if parameter.unit == "1" else f" {parameter.unit}"
            reasons.append(
                f"it lies on its lower bound ({low:g}{unit}) in {on_bound[0]:.0%} and on its upper bound "
                f"({high:g}{unit}) in {on_bound[1]:.0%} of the voxels"
            )
        spread = prior_standard_deviation(parameter, parameter.typical)
        share = float(np.mean(~(summary.standard_errors[:, index] <= spread))) if len(summary.values) else 0.0
        if not parameter.is_amplitude and share > _MANY_LOST:
            reasons.append(f"its standard error exceeds the spread of its typical range in {share:.0%} of them")
        if parameter.name in lost:
            found.append(f"At the median of these maps, {lost[parameter.name]}")
        if reasons:
            found.append(f"{parameter.name}: {'; '.join(reasons)}. Read averages over regions, not single voxels.")
    return found


def _in_short(chosen, level, summary, concerns) -> list:
    n_good = sum(count for status, count in summary.counts.items() if status.is_usable)
    n_ok, voxels = summary.counts.get(Status.OK, 0), count_of(summary.n_voxels, "voxel")
    blocks: list = [
        Paragraph(
            f"There is an estimate in {n_good} of {voxels} of the mask ({share_of(n_good, summary.n_voxels)}), in "
            f"{n_ok} of them without any reservation. {_capital(level.sentence)}; the median SNR is {level.snr:.3g}."
        )
    ]
    blocks += [Paragraph(f"Do not trust blindly: {sentence}", "warning") for sentence in concerns]
    if not concerns:
        blocks.append(Paragraph("Nothing in these maps speaks against any parameter as a whole.", "good"))
    rows = []
    for index, parameter in enumerate(chosen.parameters):
        values = summary.values[:, index]
        quartiles = np.quantile(values, [0.25, 0.5, 0.75]) if values.size else [np.nan] * 3
        errors = summary.standard_errors[:, index]
        error = float(np.median(errors)) if errors.size else float("nan")
        rows.append((parameter.name, parameter.unit, *(f"{value:.4g}" for value in quartiles), f"{error:.3g}"))
    header = ("parameter", "unit", "lower quartile", "median", "upper quartile", "median standard error")
    blocks.append(Table(header, rows, "Parameters over the voxels with an estimate."))
    return blocks


def _viewer(found, chosen, check, limits, summary, voxels, interval_level: float | None) -> Viewer:
    parameters = chosen.parameters
    spans = {parameter.name: _span(summary.values[:, index]) for index, parameter in enumerate(parameters)}
    if found.model.has_complex_amplitude:  # the windows of the field, so that maps of different runs compare
        spans = {parameter.name: parameter.typical for parameter in parameters}
    error_spans = {
        parameter.name: _span(summary.standard_errors[:, index]) for index, parameter in enumerate(parameters)
    }
    bounds = {parameter.name: tuple(pair) for parameter, pair in zip(parameters, limits.tolist(), strict=True)}
    layers = parameter_layers(voxels, parameters, spans, error_spans, bounds)
    figures = [*_figures(parameters, spans, error_spans, bounds, summary)]
    if check is not None:
        described = [item for item in DIAGNOSTICS if item.name in voxels.diagnostics]
        layers += diagnostic_layers(voxels, described, residual_limits(check, summary))
        figures.append(residual_figure(check, summary))
    place = place_of(found.series)
    caption = (
        "All maps with one cursor: each panel shows the estimate ± standard error of that voxel, over a histogram of "
        "all voxels with the color bar under it. Gray is outside the mask, magenta a voxel without an estimate. "
    )
    caption += (
        "The file does not say where the patient is: planes are those of the array."
        if place is None
        else "Letters are the nearest anatomical directions; the patient's right is on the left."
    )
    words = "" if interval_level is None else f"{100 * interval_level:g} %"
    return Viewer(layers, voxels.view, voxels.status, caption, figures, place, voxel_size(found.series), words)


def _figures(parameters, spans, error_spans, bounds, summary) -> list[Figure]:
    """One slice, for readers without scripts."""
    mask = summary.slice_status != Status.OUTSIDE_MASK
    values = {parameter.name: summary.slice_values[..., index] for index, parameter in enumerate(parameters)}
    errors = {
        parameter.name: np.where(np.isinf(summary.slice_errors[..., index]), _HUGE, summary.slice_errors[..., index])
        for index, parameter in enumerate(parameters)
    }
    sample = {parameter.name: summary.values[:, index] for index, parameter in enumerate(parameters)}
    where = f"slice {summary.slice_index} (counted from 0), the one with the most voxels in the mask"
    names = ", ".join(parameter.name for parameter in parameters)
    return [
        Figure(plot_parameter_maps(values, parameters, mask, limits=spans), f"Maps, {where}.", f"Maps of {names}."),
        Figure(
            plot_parameter_maps(errors, parameters, mask, limits=error_spans, quantity="SE of"),
            f"Standard errors (SE), {where}.",
            f"Maps of the standard errors of {names}.",
        ),
        Figure(
            plot_histograms(sample, parameters, limits=spans, bounds=bounds),
            "Distribution over all voxels with an estimate; a dashed line is a fit bound.",
            f"Histograms of {names}.",
        ),
        Figure(
            plot_status_map(summary.slice_status),
            f"Status of every voxel of slice {summary.slice_index}.",
            "Map of the status codes with their legend.",
        ),
    ]


def _span(values: np.ndarray) -> tuple[float, float]:
    """Color limits: the middle 96 %, without a tail that would take the contrast from everything else."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, median, high = np.quantile(finite, [0.25, 0.5, 0.75])
    reach = _TAIL * max(high - low, 1e-3 * abs(median))
    return style.nice_limits(np.clip(finite, median - reach, median + reach))


def _status(summary) -> list:
    rows = []
    for status, count in summary.counts.items():
        tone = "good" if status is Status.OK else "warning" if status.is_usable else "bad"
        badge = Badge(status.name.replace("_", " ").lower(), tone)
        rows.append((badge, int(status), count, share_of(count, summary.n_voxels), status.sentence))
    header = ("status", "code", "voxels", "share", "meaning")
    return [Table(header, rows, "Outcome of all voxels in the mask; the code is the value in status.nii.gz.")]


def _method(model, level, chosen, limits, shared) -> list:
    blocks = [Paragraph(sentence) for sentence in chosen.sentences]
    blocks.append(Paragraph(f"{_capital(level.sentence)}. It is the standard deviation of one Gaussian channel."))
    blocks.append(
        Paragraph(
            f"Estimates took {shared['SecondsEstimating']:.1f} s, residuals {shared['SecondsChecking']:.1f} s (with "
            f"compilation), everything {shared['Seconds']:.1f} s."
        )
    )
    blocks += protocol_paragraphs(model)
    rows = [
        (parameter.name, parameter.unit, f"{low:g}", f"{high:g}", parameter.description)
        for parameter, (low, high) in zip(chosen.parameters, limits, strict=True)
    ]
    blocks.append(Table(("parameter", "unit", "lower bound", "upper bound", "meaning"), rows, "Parameters and bounds."))
    return blocks


def _precisions(model, chosen, level, limits, summary) -> tuple[Precision, ...]:
    """Precision at the median of the voxels that are OK; nothing if there is no estimate or no sigma."""
    if not len(summary.values):
        return ()
    medians = np.median(summary.values[summary.is_ok] if summary.is_ok.any() else summary.values, axis=0)
    sigma = 1.0 / level.snr if model.has_complex_amplitude else level.median
    if not (np.all(np.isfinite(medians)) and sigma > 0):
        return ()
    inside = np.clip(medians.astype(np.float64), limits[:, 0], limits[:, 1])
    at = {parameter.name: value for parameter, value in zip(chosen.parameters, inside.tolist(), strict=True)}
    by_name = dict(zip(at, limits.tolist(), strict=True))
    return attainable_precision(model, noise.build(chosen.noise_name, sigma), at, fixed=chosen.fixed, bounds=by_name)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
