"""What `raofit demo` shows: figures, sentences, and its report page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from raofit.core.status import Status
from raofit.evaluation.tables import bound_curves, constant_curves, constant_rmse, marginal_curves, summarize
from raofit.io.provenance import provenance_words
from raofit.plot import style
from raofit.plot.curves import Line, plot_curves, plot_tradeoff
from raofit.plot.maps import plot_map_grid, plot_status_map
from raofit.report import Block, Figure, Layer, Paragraph, Report, Section, Table, Viewer, choose_view

if TYPE_CHECKING:
    from raofit.cli._demo_run import Demo

LIMITS = {"f": (0.0, 0.5), "D_slow": (0.0, 3.5e-3), "D_fast": (0.0, 200e-3)}
ERROR_LIMITS = {"f": (-0.2, 0.2), "D_slow": (-1e-3, 1e-3), "D_fast": (-100e-3, 100e-3)}
_LINES = {"mle": Line("#000000"), "network-truth": Line("#1f5fbf"), "network-mle": Line("#c8281e")}
_WORDS = {
    "mle": "maximum likelihood",
    "network-truth": "network trained on the truth",
    "network-mle": "network trained on maximum-likelihood labels",
}
_SHORT = {"mle": "MLE", "network-truth": "NN (truth)", "network-mle": "NN (MLE)"}


def shown(demo: "Demo") -> tuple:
    """f, D_slow, D_fast."""
    return tuple(parameter for parameter in demo.model.parameters if not parameter.is_amplitude)


def demo_figures(demo: "Demo") -> dict[str, MatplotlibFigure]:
    """Maps, error maps, status, bias–variance curves and plane."""
    from raofit.cli._demo_run import TITLES, volume_of

    mask, parameters = demo.phantom.mask, shown(demo)
    truth = {p.name: demo.phantom.parameters[..., i] for i, p in enumerate(demo.model.parameters)}
    volumes = {
        name: {p.name: volume_of(mask, estimate[p.name].astype(np.float64), np.nan) for p in parameters}
        for name, estimate in demo.maps.items()
    }
    errors = {TITLES[name]: {key: v - truth[key] for key, v in of.items()} for name, of in volumes.items()}
    curves = {_WORDS[name]: marginal_curves(of, demo.grid) for name, of in demo.evaluations.items()}
    lines = {_WORDS[name]: line for name, line in _LINES.items()}
    reference = demo.evaluations["mle"]
    summaries = {_WORDS[name]: summarize(of) for name, of in demo.evaluations.items()}
    bounds = {p.name: summarize(reference)[p.name]["mean_crb_std"] for p in parameters}
    status = volume_of(mask, demo.maps["mle"].status, Status.OUTSIDE_MASK)
    return {
        "maps": plot_map_grid(
            {"Truth": truth} | {TITLES[name]: of for name, of in volumes.items()}, parameters, mask, limits=LIMITS
        ),
        "errors": plot_map_grid(errors, parameters, mask, limits=ERROR_LIMITS, is_error=True),
        "status": plot_status_map(status, mask),
        "bias-variance-curves": plot_curves(
            curves,
            parameters,
            lines=lines,
            bound=bound_curves(reference, demo.grid),
            constant=constant_curves(demo.grid),
        ),
        "bias-variance": plot_tradeoff(summaries, parameters, lines=lines, bound=bounds),
    }


def demo_sentences(demo: "Demo") -> list[str]:
    """What came out, told honestly; the last one is about what cannot be had at all."""
    tables = {name: summarize(of) for name, of in demo.evaluations.items()}
    constant = constant_rmse(demo.grid)
    bound, spread = tables["mle"]["D_fast"]["mean_crb_std"], constant["D_fast"]
    on_bound = np.mean(demo.maps["mle"].status == Status.AT_BOUND)
    slopes = {name: of["D_fast"]["bias_slope"] for name, of in tables.items()}
    verdict = ": D_fast is hardly measured by this scan" if bound > 0.5 * spread else ""
    scan = f"A scan with 10 b-values at SNR {demo.snr:g}, {int(demo.phantom.mask.sum()):,} voxels, mapped three ways."
    limits = (
        f"Maximum likelihood: {on_bound:.1%} of the voxels lie on a fit bound, where the value is a limit and not a "
        "measurement; the status map shows them."
    )
    precision = ", ".join(f"{_WORDS[name]} {1e3 * of['D_slow']['mean_std']:.2f}" for name, of in tables.items())
    kept = ", ".join(f"{1 + slope:.0%} with {_WORDS[name]}" for name, slope in slopes.items())
    least = (
        f"No unbiased estimator can have a standard deviation of D_fast below {1e3 * bound:.0f}·10⁻³ mm²/s here on "
        f"average (Cramér–Rao bound); always answering the mean would be wrong by {1e3 * spread:.0f}{verdict}."
    )
    return [
        scan,
        limits,
        f"Standard deviation of D_slow (10⁻³ mm²/s, mean over a grid of tissues): {precision}.",
        f"The smoother map is not the truer one: of a difference in D_fast between two tissues there remains {kept}.",
        least,
    ]


def demo_report(demo: "Demo", figures: Mapping[str, MatplotlibFigure], record: Mapping[str, Any]) -> Report:
    """The page."""
    sections = [
        Section("In short", [Paragraph(sentence) for sentence in demo_sentences(demo)]),
        Section(
            "Truth and maps",
            [
                _viewer(demo, figures),
                Figure(
                    figures["errors"],
                    "Estimate − truth. Color that fills a whole region is bias; color that changes from voxel to voxel "
                    "is noise.",
                    "Error maps of the three methods: speckle for maximum likelihood, patches of one color for the "
                    "network trained on the truth.",
                ),
            ],
        ),
        Section("Bias and variance against the Cramér–Rao bound", _evaluation(demo, figures)),
        Section("Next", _next()),
    ]
    return Report(
        title="raofit demo: one scan, three estimators, known errors",
        subtitle=f"Simulated IVIM scan, {'×'.join(map(str, demo.scan.shape))} voxels×volumes, SNR {demo.snr:g}; "
        f"{demo.seconds:.0f} s for simulation, training, maps and evaluation.",
        sections=sections,
        provenance=provenance_words(record, seed=demo.seed),
    )


def _viewer(demo: "Demo", figures: Mapping[str, MatplotlibFigure]) -> Viewer:
    """Truth and estimates beside each other, one row and one color scale per parameter."""
    from raofit.cli._demo_run import VOXEL_SIZE, volume_of

    mask = demo.phantom.mask
    view = choose_view(mask, len(shown(demo)) * (1 + 2 * len(demo.maps)))
    layers = []
    for parameter in shown(demo):
        factor, name, unit = style.display_scale(parameter), parameter.name, style.display_unit(parameter)
        index = demo.model.parameter_names.index(name)
        low, high = (factor * limit for limit in LIMITS[name])
        truth = factor * view.take(demo.phantom.parameters[..., index])
        layers.append(Layer(f"{name}, truth", unit, truth, (low, high), group=name, description="truth"))
        for method, estimate in demo.maps.items():
            values, errors = (
                factor * view.take(volume_of(mask, array[:, index].astype(np.float64), np.nan))
                for array in (estimate.values, estimate.standard_errors)
            )
            layers.append(
                Layer(
                    name=f"{name}, {_SHORT[method]}",
                    unit=unit,
                    values=values,
                    limits=(low, high),
                    errors=errors,
                    error_limits=(0.0, 0.5 * high),
                    description=f"estimated by {_WORDS[method]}",
                    bounds=tuple(factor * bound for bound in parameter.bounds),
                    group=name,
                )
            )
    status = view.take(volume_of(mask, demo.maps["mle"].status, Status.OUTSIDE_MASK))
    return Viewer(
        layers,
        view,
        status,
        "Truth of the simulated scan and three estimates ± standard error from the same measurements (MLE: maximum "
        "likelihood; NN: networks trained on the truth and on maximum-likelihood labels). Maps of one parameter share "
        "their colors. The status is that of maximum likelihood.",
        [
            Figure(
                figures["maps"],
                "One slice: the truth the scan was simulated from, and three estimates of it from the same scan.",
                "Maps of f, D_slow and D_fast: truth, maximum likelihood (noisy), network trained on the truth "
                "(smooth), network trained on maximum-likelihood labels (in between).",
            ),
            Figure(
                figures["status"],
                "What maximum likelihood says of each voxel of that slice; shares are of the whole mask.",
                "Status map of the fit with shares per status.",
            ),
        ],
        voxel_size=VOXEL_SIZE,
    )


def _evaluation(demo: "Demo", figures: Mapping[str, MatplotlibFigure]) -> list[Block]:
    blocks: list[Block] = [
        Figure(
            figures["bias-variance"],
            "Mean |bias| against mean standard deviation over a grid of tissues. An unbiased estimator cannot lie left "
            "of the dotted line; a biased one can, and pays on the vertical axis.",
            "One point per method and parameter; the numbers are in the table.",
        ),
        Figure(
            figures["bias-variance-curves"],
            "The same as functions of the true value. A falling line of bias means that different tissues get similar "
            "answers; the dashed line is an estimator that ignores the data.",
            "Curves of bias, standard deviation and RMSE for three methods with the Cramér–Rao bound.",
        ),
    ]
    for parameter in shown(demo):
        factor = style.display_scale(parameter)
        rows = [
            [_WORDS[name], of["bias_slope"], *(factor * of[key] for key in ("mean_abs_bias", "mean_std", "mean_rmse"))]
            for name, of in ((name, summarize(e)[parameter.name]) for name, e in demo.evaluations.items())
        ]
        bound = factor * summarize(demo.evaluations["mle"])[parameter.name]["mean_crb_std"]
        unit = style.display_unit(parameter)
        blocks.append(
            Table(
                ("method", "slope of bias", "mean |bias|", "mean std", "mean RMSE"),
                rows,
                f"{parameter.name}{f' ({unit})' if unit else ''}: means over {len(demo.grid.points)} tissues with "
                f"{demo.evaluations['mle'].n_repeats} noise draws each. Mean √CRB {bound:.3g}.",
            )
        )
    return blocks


def _next() -> list[Block]:
    return [
        Paragraph(
            "The scan is in this folder: raofit map scan.nii.gz --mask mask.nii.gz --out maps does the same for it as "
            "for your own. raofit crb --bval scan.bval --snr 30 tells what this protocol can measure. "
            "raofit reproduce epstein2022 --out study repeats the study that compares training labels."
        )
    ]
