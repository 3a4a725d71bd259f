"""The part of a map's report about what the model leaves unexplained."""

import numpy as np

from raofit.cli._map_estimator import ChosenEstimator
from raofit.cli._map_summary import MapSummary
from raofit.cli._noise_level import NoiseLevel
from raofit.core.parameter import Parameter
from raofit.core.status import Status
from raofit.engine import ResidualCheck
from raofit.plot.maps import plot_parameter_maps
from raofit.report import Figure, Paragraph

_FAR_MORE = 10.0  # times the false-alarm rate
_LEAST_SHARE = 0.01
_UNLIMITED = (-np.inf, np.inf)

DIAGNOSTICS = (
    Parameter("residual", "1", _UNLIMITED, (0.0, 3.0), r"\chi^2/\nu", "reduced chi-square"),
    Parameter("relative_residual", "1", _UNLIMITED, (0.0, 0.1), r"\|y-\hat y\|/\|y\|", "relative residual"),
    Parameter("M0", "a.u.", _UNLIMITED, (0.0, 1.0), r"|M_0|", "magnitude", is_amplitude=True),
    Parameter("M0_phase", "rad", _UNLIMITED, (-np.pi, np.pi), r"\arg M_0", "phase"),
)


def misfit_doubt(check: ResidualCheck, summary: MapSummary) -> str | None:
    """A sentence if far more voxels are unexplained than noise makes."""
    share = summary.misfit_share or 0.0
    if share <= max(_FAR_MORE * check.false_alarm_rate, _LEAST_SHARE):
        return None
    return (
        f"{share:.0%} of the voxels are not explained by the model at their estimate, where noise alone makes "
        f"{check.false_alarm_rate:.1%} (see the residual map)."
    )


def residual_blocks(
    check: ResidualCheck, level: NoiseLevel, chosen: ChosenEstimator, summary: MapSummary
) -> list[Paragraph]:
    """How much noise alone would leave, and how much is left."""
    values, relative = summary.diagnostics["residual"], summary.diagnostics["relative_residual"]
    middle = "none" if not relative.size else f"{np.nanmedian(relative):.2%} of the measurement"
    blocks: list[Paragraph] = []
    if check.degrees_of_freedom > 0 and values.size:
        blocks.append(
            Paragraph(
                f"{check.threshold_sentence} {summary.misfit_share or 0.0:.2%} of the voxels are beyond, and marked as "
                f"misfits. Median reduced chi-square {np.nanmedian(values):.3g}; median residual {middle}."
            )
        )
    else:
        blocks.append(Paragraph("There are no more measurements than parameters: any residual is rounding."))
    if level.source == "residuals":
        blocks.append(
            Paragraph(
                "Sigma is itself from the residuals of fits to these data, so it contains what the model misses in "
                "the typical voxel: it is rather too large than too small, and the marked voxels are those that the "
                "model explains worse than it explains most."
            )
        )
    if chosen.n_fitted == 0:
        blocks.append(
            Paragraph(
                "The network does not fit the voxel: its own error adds to the residual, so a marked voxel may also be "
                "one that a fit would explain."
            )
        )
    return blocks


def residual_limits(check: ResidualCheck, summary: MapSummary) -> dict[str, tuple[float, float]]:
    """Where the colors of the residual maps begin and end: the reduced chi-square up to twice its threshold."""
    limits = {item.name: item.typical for item in DIAGNOSTICS if item.name in summary.diagnostics}
    for name in ("residual", "relative_residual", "M0"):
        finite = summary.diagnostics.get(name, np.zeros(0))
        finite = finite[np.isfinite(finite)]
        if finite.size and np.quantile(finite, 0.98) > 0:
            limits[name] = (0.0, float(np.quantile(finite, 0.98)))
    if check.degrees_of_freedom > 0:
        limits["residual"] = (0.0, max(2.0 * check.threshold, 1.0))
    return limits


def residual_figure(check: ResidualCheck, summary: MapSummary) -> Figure:
    """One slice of the residual maps."""
    mask = summary.slice_status != Status.OUTSIDE_MASK
    shown = [item for item in DIAGNOSTICS if item.name in summary.diagnostics]
    volumes = {item.name: summary.slice_diagnostics[item.name] for item in shown}
    return Figure(
        plot_parameter_maps(volumes, shown, mask, limits=residual_limits(check, summary)),
        f"Residuals of slice {summary.slice_index}: reduced chi-square (colors up to twice the threshold), and the "
        "residual over the measurement" + (", with the complex M0 that fits best." if len(shown) > 2 else "."),
        "Maps of the residual and, where there is one, of the amplitude.",
    )
