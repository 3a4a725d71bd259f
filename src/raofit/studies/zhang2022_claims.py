"""The statements of Zhang et al. (2022), each as checks on our numbers with a verdict.

Claims 1 to 4 are the abstract's; claim 5 gathers what is read off the maps in the authors' notebooks, by eye and so
only roughly: their grids, at SNR 50. Intervals are 95 % bootstrap intervals over fingerprints or grid points.
"""

from collections.abc import Callable, Iterator

import numpy as np

from raofit.evaluation import Evaluation
from raofit.evaluation.bootstrap import Interval
from raofit.studies.claims import Check, Claim
from raofit.studies.zhang2022 import CRB, ESTIMATED, GRID_SNRS, MSE, PLANES
from raofit.studies.zhang2022_results import (
    Evaluations,
    StudyResults,
    interval,
    ratio,
    share_of_bias,
    spread_mismatch,
    squared_bias,
    squared_error,
)

ABOUT_ONE = (0.8, 1.2)
STILL = 0.02  # relative change of a converged loss over the last tenth of the epochs
_SHOWN_SNR = GRID_SNRS[0]


def all_claims(results: StudyResults) -> list[Claim]:
    """The five claims in order."""
    return [claim(results) for claim in (claim_ideal, claim_superior, claim_bias, claim_variance, claim_maps)]


def claim_ideal(results: StudyResults) -> Claim:
    """The loss converges to about 1."""
    evaluation = results.held_out[CRB.name]
    checks = []
    for name in (None, *ESTIMATED):
        loss = interval(evaluation, squared_error, name)
        what = "mean of the three parameters" if name is None else name
        words = str(loss)
        if name is not None:
            words += f"; squared bias is {share_of_bias(evaluation, name).value:.0%} of it"
        checks.append(Check(f"{what}: loss between {ABOUT_ONE[0]:g} and {ABOUT_ONE[1]:g}", words, _is_about_one(loss)))
    change = last_change(results, CRB.name)
    checks.append(
        Check(
            f"last tenth of the epochs: change below {STILL:.0%}",
            f"{change:.1%}".replace("-", "−"),
            abs(change) < STILL,
        )
    )
    return Claim(
        1,
        "Networks trained with MSE-CRB perform close to optimal: their loss converges to approximately 1.",
        "MSE-CRB on fingerprints no training has seen, SNR uniform in 10–100, fresh noise.",
        tuple(checks),
    )


def claim_superior(results: StudyResults) -> Claim:
    """MSE-CRB has a lower loss than MSE."""
    first, second = results.held_out[CRB.name], results.held_out[MSE.name]
    checks = []
    for name in ESTIMATED:
        losses = [str(interval(of, squared_error, name)) for of in (first, second)]
        checks.append(
            _less(
                f"{name}: CRB-weighted squared error",
                ratio(first, second, squared_error, name),
                " against ".join(losses),
            )
        )
    return Claim(
        2,
        "Their performance is superior to that of networks trained with the mean squared error.",
        "Ratio of MSE-CRB, network trained with it over network trained with MSE, on held-out fingerprints; below 1 if "
        "the interval is.",
        tuple(checks),
    )


def claim_bias(results: StudyResults) -> Claim:
    """MSE-CRB has less bias than MSE."""
    checks = []
    for place, evaluations in _places(results):
        first, second = evaluations[CRB.name], evaluations[MSE.name]
        for name in ESTIMATED:
            found = ratio(first, second, _weighted_squared_bias, name)
            checks.append(
                _less(
                    f"{place}, {name}: CRB-weighted squared bias",
                    found,
                    _both(evaluations, _weighted_squared_bias, name),
                )
            )
            plain = ratio(first, second, squared_bias, name)
            checks.append(_less(f"{place}, {name}: squared bias", plain, ""))
    return Claim(
        3,
        "MSE-CRB reduces the bias of the estimates compared to MSE.",
        f"Ratio of mean squared biases (MSE-CRB over MSE), weighted by the CRB and plain, on held-out fingerprints and "
        f"both grids at SNR {_SHOWN_SNR:g}; below 1 if the interval is.",
        tuple(checks),
    )


def claim_variance(results: StudyResults) -> Claim:
    """The variance matches the bound better."""
    checks = []
    for place, evaluations in _places(results):
        for name in ESTIMATED:
            found = ratio(evaluations[CRB.name], evaluations[MSE.name], spread_mismatch, name)
            words = _both(evaluations, spread_mismatch, name)
            checks.append(_less(f"{place}, {name}: |std/√CRB − 1|", found, words))
    return Claim(
        4,
        "MSE-CRB improves the match of the noise variance to the CRB.",
        "Ratio of the mean distance |std/√CRB − 1| (MSE-CRB over MSE), same places; below 1 if the interval is.",
        tuple(checks),
    )


def claim_maps(results: StudyResults) -> Claim:
    """Values read off the authors' maps."""
    return Claim(
        5,
        "Biases on the grids as read off the authors' maps (approximate).",
        f"Both grids at SNR {_SHOWN_SNR:g}. What the grids hold fixed is not published, so only the order of "
        "magnitude can be compared.",
        tuple(_map_checks(results)),
    )


def last_change(results: StudyResults, method: str) -> float:
    """Relative change of the mean MSE-CRB over the last tenth of the epochs (at least one)."""
    losses = np.mean(list(results.histories[method]["mse_crb"].values()), axis=0)
    before = losses[max(0, len(losses) - 1 - max(1, len(losses) // 10))]
    return float(losses[-1] / before - 1)


def _map_checks(results: StudyResults) -> Iterator[Check]:
    (first, second) = (results.planes[plane.name, _SHOWN_SNR] for plane in PLANES)
    fraction = _column(first[CRB.name], "m0s", "bias")
    share = float(np.mean(np.abs(fraction) < 0.01))
    yield Check("MSE-CRB: |bias| of m0s mostly below 0.01 (first grid)", f"{share:.0%} of the points", share > 0.75)
    truth, short = (_column(second[CRB.name], name, "truths") for name in ("T1", "T2f"))
    t1, t2f = (_column(second[CRB.name], name, "bias") for name in ("T1", "T2f"))
    low, high = truth < 2.0, truth > 2.2
    small = float(np.median(np.abs(t1[low])))
    yield Check("MSE-CRB: bias of T1 small for T1 < 2 s (second grid)", f"median |bias| {small:.3f} s", small < 0.05)
    corner = float(t1[(truth > 2.4) & (short < 0.07)].mean())
    yield Check(
        "MSE-CRB: T1 underestimated by up to 0.2 s at T1 ≈ 2.5 s and short T2f",
        _signed(corner, "s"),
        -0.4 < corner < -0.05,
    )
    median = float(np.median(np.abs(t2f[low])))
    yield Check("MSE-CRB: |bias| of T2f below 5 ms for T1 < 2 s", f"median {1e3 * median:.1f} ms", median < 5e-3)
    rise = float(np.quantile(t2f[high], 0.9))
    yield Check(
        "MSE-CRB: bias of T2f rises to +15–20 ms for T1 > 2.2 s",
        f"90 % quantile {_signed(1e3 * rise, 'ms')}",
        5e-3 < rise < 40e-3,
    )
    wide = float(np.mean(np.abs(_column(second[MSE.name], "T2f", "bias")) > 20e-3))
    yield Check(
        "MSE: |bias| of T2f above 20 ms over much of the second grid", f"{wide:.0%} of the points", wide > 1 / 3
    )
    bound, of = _column(first[CRB.name], "m0s", "crb_std"), _column(first[CRB.name], "m0s", "truths")
    ends = float(bound[of < 0.03].mean()), float(bound[of > 0.2].mean())
    numbers = f"{ends[0]:.4f} and {ends[1]:.4f}"
    is_alike = 0.0045 < ends[0] < 0.018 and ends[1] > 0.015 and ends[1] > ends[0]
    yield Check("√CRB of m0s from about 0.009 at low m0s to above 0.02 beyond 0.2", numbers, is_alike)


def _places(results: StudyResults) -> list[tuple[str, Evaluations]]:
    grids = [(f"grid {plane.name}", results.planes[plane.name, _SHOWN_SNR]) for plane in PLANES]
    return [("held-out", results.held_out), *grids]


def _weighted_squared_bias(evaluation: Evaluation) -> np.ndarray:
    return evaluation.weighted_squared_bias


def _column(evaluation: Evaluation, name: str, quantity: str) -> np.ndarray:
    return getattr(evaluation, quantity)[:, evaluation.parameter_names.index(name)]


def _both(evaluations: Evaluations, quantity: Callable[[Evaluation], np.ndarray], name: str) -> str:
    return " against ".join(str(interval(evaluations[method.name], quantity, name)) for method in (CRB, MSE))


def _less(what: str, found: Interval, values: str) -> Check:
    return Check(what, f"ratio {found}" + (f"; {values}" if values else ""), found.high < 1.0)


def _is_about_one(loss: Interval) -> bool:
    return ABOUT_ONE[0] < loss.low and loss.high < ABOUT_ONE[1]


def _signed(value: float, unit: str) -> str:
    return f"{value:+.3g} {unit}".replace("-", "−")
