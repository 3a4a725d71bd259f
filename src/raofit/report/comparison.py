"""The page of `raofit compare`."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from raofit.evaluation.comparison import Comparison, better_in_both
from raofit.evaluation.weighted import OVERALL, WeightedSummary
from raofit.report.blocks import Badge, Block, Figure, Paragraph, Report, Section, Table

FRONTIER = "frontier"
_EXPLAINED = (
    "All numbers are in units of the Cramér-Rao bound at each truth, averaged over the truths: a squared bias of 0 and "
    "a variance of 1 belong to an efficient unbiased estimator, and their sum is the mean squared error. Only a biased "
    "estimator has a variance below 1. A slope of the mean estimate of 1 keeps differences between tissues, 0 removes "
    "them. Parentheses are 95 % bootstrap intervals over the truths."
)
_FRONTIER_WORDS = (
    "Mean CRB-weighted variance against mean CRB-weighted squared bias. The star is the efficient unbiased estimator, "
    "the dotted line a mean squared error equal to the bound; marks grow with the SNR."
)
_PLANE_WORDS = (
    "Bias and standard deviation of {} at SNR {:g} over two true values, means over the others. Outermost colors "
    "include what lies beyond them."
)


@dataclasses.dataclass(frozen=True)
class ComparisonPage:
    """What the page is made from.

    Parameters
    ----------
    comparison : of at least one estimator.
    snr_ranges : `{method: (low, high)}` of the training, for networks.
    words : model, protocol and noise.
    truths : what the truths are, in words.
    figures : `frontier`, and `plane-NAME` or `curves`.
    provenance : versions, seed, command.
    sections : before the others.
    """

    comparison: Comparison
    snr_ranges: Mapping[str, tuple[float, float]]
    words: str
    truths: str
    figures: Mapping[str, MatplotlibFigure]
    provenance: Mapping[str, object]
    sections: Sequence[Section] = ()


def comparison_report(page: ComparisonPage) -> Report:
    """The whole page."""
    comparison = page.comparison
    sentences = [Paragraph(text) for text in buys(comparison, page.snr_ranges)]
    tables: list[Block] = [_table(comparison, name) for name in (*_overall(comparison), *comparison.names)]
    snrs = ", ".join(f"{snr:g}" for snr in comparison.snrs)
    others = [key for key in page.figures if key != FRONTIER]
    sections = [
        *page.sections,
        Section("The frontier", [_figure(page, FRONTIER), *sentences, Paragraph(_truth_words(page))]),
        Section("In numbers", [Paragraph(_EXPLAINED), *tables]),
        Section("Where the errors are", [_figure(page, key) for key in others]),
    ]
    return Report(
        title="Bias against variance: " + ", ".join(comparison.methods),
        subtitle=f"{page.words}, SNR {snrs}",
        sections=sections,
        provenance=page.provenance,
    )


def buys(comparison: Comparison, snr_ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """One sentence or more per estimator, at the middle SNR: what its bias buys, and whether another one is better."""
    snr = comparison.middle_snr
    name = _overall(comparison)[0] if _overall(comparison) else comparison.names[0]
    points = comparison.points(snr, name)
    better = better_in_both(points)
    sentences = []
    for method in comparison.methods:
        of = comparison.summaries[snr][method][name]
        beyond = [f"{level:g}" for level in comparison.snrs if _is_beyond(level, snr_ranges.get(method))]
        parts = [f"{method}, SNR {snr:g}: {_price(of)}.", _verdict(method, better, points)]
        if beyond:
            low, high = snr_ranges[method]
            trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            parts.append(f"It was trained for SNR {trained}, not for {', '.join(beyond)}.")
        sentences.append(" ".join(part for part in parts if part))
    return sentences


def _price(of: WeightedSummary) -> str:
    """Scatter and systematic error as root mean squares in units of √CRB."""
    scatter, systematic = np.sqrt(of.variance.value), np.sqrt(max(of.squared_bias.value, 0.0))
    error = np.hypot(scatter, systematic)
    change = f"{_percent(abs(scatter - 1.0))} {'less' if scatter < 1.0 else 'more'}"
    verb = "buys" if scatter < 1.0 else "has"
    return (
        f"with a systematic error of {systematic:.2g} √CRB it {verb} {change} scatter than an efficient unbiased "
        f"estimator, a root mean square error of {error:.3g} √CRB in all, and keeps {_percent(of.slope.value)} of "
        "the differences between tissues"
    )


def _percent(share: float) -> str:
    return f"{round(100 * share) + 0:d} %".replace("-", "\N{MINUS SIGN}")


def _verdict(method: str, better: Mapping[str, list[str]], points: Mapping[str, tuple[float, float]]) -> str:
    if len(points) < 2:
        return ""
    if better[method]:
        return f"Less bias and less variance: {', '.join(better[method])}."
    most = {
        "bias": {name: max(bias, 0.0) for name, (bias, _) in points.items()},
        "variance": {name: variance for name, (_, variance) in points.items()},
        "mean squared error": {name: max(bias, 0.0) + variance for name, (bias, variance) in points.items()},
    }
    least = [words for words, values in most.items() if values[method] == min(values.values())]
    return "It is on the frontier" + (f", with the least {' and the least '.join(least)}." if least else ".")


def _is_beyond(snr: float, trained: tuple[float, float] | None) -> bool:
    return trained is not None and not 0.999 * trained[0] <= snr <= 1.001 * trained[1]


def _truth_words(page: ComparisonPage) -> str:
    first = next(iter(page.comparison.evaluations[page.comparison.middle_snr].values()))
    left_out = page.comparison.n_left_out
    rest = f" {left_out} truths without a finite bound or without estimates are left out." if left_out else ""
    return f"{page.truths}, {first.n_repeats} noise draws each, the same for all estimators.{rest}"


def _overall(comparison: Comparison) -> tuple[str, ...]:
    return (OVERALL,) if len(comparison.names) > 1 else ()


def _table(comparison: Comparison, name: str) -> Table:
    header = ("method", "SNR", "squared bias", "variance", "squared error", "slope", "frontier")
    rows = []
    for snr in comparison.snrs:
        points = comparison.points(snr, name)
        better = better_in_both(points)
        for method, of in comparison.summaries[snr].items():
            found = of[name]
            verdict = Badge("beaten", "plain") if better[method] else Badge("on it", "good")
            error = f"{sum(points[method]):.3g}".replace("-", "\N{MINUS SIGN}")
            cells = [str(found.squared_bias), str(found.variance), error, str(found.slope), verdict]
            rows.append([method, f"{snr:g}", *cells])
    title = f"Mean of {', '.join(comparison.names)}" if name == OVERALL else name
    return Table(header, rows, f"{title}.")


def _figure(page: ComparisonPage, key: str) -> Figure:
    snr = page.comparison.middle_snr
    if key == FRONTIER:
        caption = _FRONTIER_WORDS
    elif key == "curves":
        caption = f"Bias, standard deviation and RMSE against the true value at SNR {snr:g}."
    else:
        caption = _PLANE_WORDS.format(key.removeprefix("plane-"), snr)
    alt = f"{caption} The numbers are in the tables and in the files beside this page."
    return Figure(page.figures[key], caption, alt, "png" if key.startswith("plane-") else "svg")
