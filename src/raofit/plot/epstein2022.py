"""The figures of Epstein et al. (2022) from our results, with the paper's axes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from raofit.core.parameter import Parameter
from raofit.evaluation.bins import BinnedCurve
from raofit.evaluation.tables import mapping_arrows, summarize
from raofit.plot.arrows import plot_arrows
from raofit.plot.curves import Line, plot_binned_curves, plot_curves, plot_tradeoff
from raofit.plot.density import plot_density
from raofit.plot.maps import plot_map_grid
from raofit.plot.planes import plot_planes
from raofit.studies.epstein2022 import SHOWN, TITLES
from raofit.studies.epstein2022_claims import COMPARED, HIGH_SLOW, LOW_SLOW
from raofit.studies.epstein2022_results import StudyResults

_BLACK, _RED, _BLUE, _GREEN = "#000000", "#c8281e", "#1f5fbf", "#1a7f4e"
LINES = {
    "mle": Line(_BLACK),
    "supervised-mle-rician": Line(_RED),
    "supervised-mle-gaussian": Line(_RED, ":"),
    "self-supervised": Line(_RED, "--"),
    "supervised-gt": Line(_BLUE),
    "hybrid": Line("#8a3fa0"),
    "weighted-f": Line(_GREEN),
    "weighted-D_slow": Line(_GREEN),
    "weighted-D_fast": Line(_GREEN),
    "self-supervised-rician": Line("#d98200", "-."),
}
_DISTINCT = {"supervised-mle-gaussian": "#ef8f88", "self-supervised": "#7a1510"}  # points have no line style
_WEIGHTED = "MLE Rician, weighted for the parameter of the panel"
PLANES = (("D_slow", "D_fast"), ("f", "D_fast"), ("f", "D_slow"))
MAP_LIMITS = {"f": (0.0, 0.5), "D_slow": (0.0, 4e-3), "D_fast": (0.0, 300e-3)}
MAP_METHODS = ("mle", "supervised-mle-rician", "self-supervised", "supervised-gt")
BIN_LIMITS = {
    "f": ((-0.08, 0.08), (0.0, 0.16)),
    "D_slow": ((-0.4e-3, 0.4e-3), (0.0, 0.8e-3)),
    "D_fast": ((-60e-3, 65e-3), (0.0, 130e-3)),
}


def titled(by_name: Mapping) -> dict:
    """The same mapping under the titles figures show."""
    return {TITLES[name]: value for name, value in by_name.items()}


def shown_parameters(results: StudyResults) -> tuple[Parameter, ...]:
    """f, D_slow and D_fast."""
    parameters = next(iter(next(iter(results.evaluations.values())).values())).parameters
    return tuple(parameter for parameter in parameters if parameter.name in SHOWN)


def figure_marginal(results: StudyResults, snr: float, methods: Sequence[str] = COMPARED) -> Figure:
    """Figures 2, 3 and 10: bias, std and RMSE of several methods, with the bound and the constant answer."""
    return plot_curves(
        titled(results.curves(snr, methods)), shown_parameters(results), lines=titled(LINES),
        bound=results.bound(snr), constant=results.constant(),
    )  # fmt: skip


def figure_weighted(results: StudyResults, snr: float) -> Figure:
    """Figure 8: in each column the network weighted for that parameter, beside the unweighted one."""
    curves = titled(results.curves(snr, ("supervised-mle-rician",)))
    weighted = results.curves(snr, [f"weighted-{name}" for name in SHOWN])
    curves[_WEIGHTED] = {name: weighted[f"weighted-{name}"][name] for name in SHOWN}
    lines = titled(LINES) | {_WEIGHTED: LINES["weighted-f"]}
    return plot_curves(curves, shown_parameters(results), lines=lines, bound=results.bound(snr))


def figure_mapping(results: StudyResults, snr: float) -> Figure:
    """Figure 4: arrows in three planes, truth labels above conventional fitting."""
    rows = {
        name: [mapping_arrows(results.evaluations[snr][name], results.grid, *plane) for plane in PLANES]
        for name in ("supervised-gt", "mle")
    }
    return plot_arrows(titled(rows), shown_parameters(results), colors=_colors())


def figure_label_noise(results: StudyResults, snr: float) -> Figure:
    """Figure 9: arrows in the plane of f and D_slow, Gaussian above Rician labels."""
    rows = {
        name: [mapping_arrows(results.evaluations[snr][name], results.grid, "f", "D_slow")]
        for name in ("supervised-mle-gaussian", "supervised-mle-rician")
    }
    return plot_arrows(titled(rows), shown_parameters(results), colors=_colors())


def figure_density(results: StudyResults, snr: float) -> Figure:
    """Figure 11: every grid point, truth labels against Rician MLE labels."""
    of = results.evaluations[snr]
    return plot_density(
        of["supervised-gt"], of["supervised-mle-rician"], shown_parameters(results),
        labels=(TITLES["supervised-gt"], TITLES["supervised-mle-rician"]),
    )  # fmt: skip


def figure_planes(results: StudyResults, snr: float) -> Figure:
    """Figure 12: D_slow, truth labels − Rician MLE labels over the plane of f and D_fast."""
    of = results.evaluations[snr]
    fraction, slow, fast = shown_parameters(results)
    names = ("supervised-gt", "supervised-mle-rician")
    return plot_planes(
        of[names[0]], of[names[1]], results.grid, slow, (fraction, fast), indices=(LOW_SLOW, HIGH_SLOW),
        curves=titled(results.curves(snr, names)), lines=titled(LINES),
    )  # fmt: skip


def figure_tradeoff(results: StudyResults, snr: float) -> Figure:
    """Not in the paper: every method as one point of mean |bias| against mean std, with the bound.

    A network weighted for one parameter is shown for that parameter only: it was not trained to know the others.
    """
    summaries = {name: summarize(of) for name, of in results.evaluations[snr].items()}
    points = {name: of for name, of in summaries.items() if name in LINES and not name.startswith("weighted-")}
    weighted = {name: summaries[f"weighted-{name}"][name] for name in SHOWN}
    lines = {name: Line(_DISTINCT.get(name, LINES[name].color)) for name in points}
    bound = {name: summaries["mle"][name]["mean_crb_std"] for name in SHOWN}
    return plot_tradeoff(
        titled(points) | {_WEIGHTED: weighted}, shown_parameters(results),
        lines=titled(lines) | {_WEIGHTED: LINES["weighted-f"]}, bound=bound,
    )  # fmt: skip


def figure_binned(curves: Mapping[str, Mapping[str, BinnedCurve]], parameters: Sequence[Parameter]) -> Figure:
    """Figures 5 and 6: a repeated scan in bins of its reference."""
    shown = [parameter for parameter in parameters if parameter.name in SHOWN]
    return plot_binned_curves(titled(curves), shown, lines=titled(LINES), limits=BIN_LIMITS)


def figure_maps(
    maps: Mapping[str, Float[np.ndarray, "x y z parameter"]],
    parameters: Sequence[Parameter],
    mask: Bool[np.ndarray, "x y z"],
    *,
    first: Mapping[str, str],
) -> Figure:
    """Figure 7: maps of one acquisition.

    Parameters
    ----------
    maps : by method name, and by the keys of `first`.
    first : `{key: column title}` of the leading columns, e.g. the reference.
    """
    shown = [parameter for parameter in parameters if parameter.name in SHOWN]
    names = [parameter.name for parameter in parameters]
    titles = dict(first) | {name: TITLES[name].replace(", ", ",\n") for name in MAP_METHODS}
    columns = {
        title: {parameter.name: maps[key][..., names.index(parameter.name)] for parameter in shown}
        for key, title in titles.items()
    }
    return plot_map_grid(columns, shown, mask, limits=MAP_LIMITS)


def _colors() -> dict[str, str]:
    return {TITLES[name]: line.color for name, line in LINES.items()}
