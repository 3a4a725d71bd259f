"""Named priors: the training distributions of published networks, to be used or edited."""

from collections.abc import Callable

import numpy as np

from raofit.core.errors import RaofitError
from raofit.training.mixture import Component, Mixture
from raofit.training.prior import AbstractPrior, Prior

_MICROSECOND = 1e-6
_TISSUE_SHARES = {"tissue": 0.8, "csf": 0.1, "fat": 0.1}


def build(name: str, *, repetition_time: float) -> AbstractPrior:
    """A named prior of magnetization transfer; change it with its `replace`.

    Parameters
    ----------
    name : "qmt-tissue", "qmt-csf", "qmt-fat" and their mixture "qmt-mao2024", for the eight parameters of
        `raofit.models.QMT`; or "qmt-zhang2022", for its tied relaxation times.
    repetition_time : seconds; off-resonance is uniform within ±π/TR, where a balanced sequence tells it apart.

    Raises
    ------
    RaofitError
        If the name is unknown, or the repetition time is not between 0.1 ms and 1 s.

    Examples
    --------
    >>> prior = build("qmt-mao2024", repetition_time=3.5e-3)
    >>> print(prior.component_names, prior.high[0])
    ('tissue', 'csf', 'fat') 0.35

    References: [mao2024], [zhang2022].
    """
    if name not in NAMED_PRIORS:
        raise RaofitError(f"prior `{name}`: expected one of {', '.join(NAMED_PRIORS)}")
    if not 1e-4 <= repetition_time <= 1.0:
        raise RaofitError(f"repetition_time: expected 0.0001 to 1 s, got {repetition_time:g}; give it in seconds")
    return NAMED_PRIORS[name](repetition_time)


def qmt_tissue(repetition_time: float) -> Prior:
    """Brain parenchyma as in [mao2024]: truncated normals around gray and white matter."""
    return Prior.from_dict(
        {
            "m0s": _normal(0.15, 0.15, 0.0, 0.35),
            "R1f": _normal(0.45, 0.2, 0.1, 1.0),
            "R2f": _normal(12.5, 4.0, 1.0, 20.0) | {"above": "R1f"},
            "Rx": _normal(10.0, 5.0, 2.0, 30.0),
            "R1s": _normal(3.0, 0.75, 1.0, 6.0),
            "T2s": _normal(14 * _MICROSECOND, 4 * _MICROSECOND, 5 * _MICROSECOND, 25 * _MICROSECOND),
            "omega0": _off_resonance(repetition_time),
            "B1": _normal(0.9, 0.2, 0.6, 1.3),
        }
    )


def qmt_csf(repetition_time: float) -> Prior:
    """Cerebrospinal fluid as in [mao2024]: hardly a semi-solid pool, normal relaxation times."""
    return _free_pool(
        repetition_time, t1=_normal(4.0, 0.75, 1.0, 7.0), t2=_normal(2.0, 1.0, 0.5, 5.0), b1=_normal(0.9, 0.3, 0.6, 1.3)
    )


def qmt_fat(repetition_time: float) -> Prior:
    """Fat of the scalp and skull as in [mao2024], where B1 is lower."""
    return _free_pool(
        repetition_time,
        t1=_normal(0.4, 0.075, 0.1, 0.7),
        t2=_normal(0.1, 0.02, 0.05, 0.2),
        b1=_normal(0.75, 0.125, 0.6, 1.3),
    )


def qmt_mao2024(repetition_time: float) -> Mixture:
    """Tissue, cerebrospinal fluid and fat in the proportions of [mao2024] (72, 9 and 9 of 90 batches)."""
    builders = {"tissue": qmt_tissue, "csf": qmt_csf, "fat": qmt_fat}
    return Mixture(
        tuple(Component(name, share, builders[name](repetition_time)) for name, share in _TISSUE_SHARES.items())
    )


def qmt_zhang2022(repetition_time: float) -> Prior:
    """Ranges that cover the maps and test grids of [zhang2022], whose own sampling ranges are not published.

    Uniform in m0s, the apparent T1, exchange rate and T2s; log-uniform in T2f, which stays below T1; B1 normal, as the
    name of the published basis file states it.
    """
    return Prior.from_dict(
        {
            "m0s": {"low": 0.0, "high": 0.35},
            "T1": {"low": 0.2, "high": 3.5},
            "T2f": {"low": 20e-3, "high": 500e-3, "scale": "log", "below": "T1"},
            "Rx": {"low": 5.0, "high": 50.0},
            "T2s": {"low": 5 * _MICROSECOND, "high": 25 * _MICROSECOND},
            "omega0": _off_resonance(repetition_time),
            "B1": _normal(0.9, 0.2, 0.6, 1.3),
        }
    )


def _free_pool(repetition_time: float, *, t1: dict, t2: dict, b1: dict) -> Prior:
    return Prior.from_dict(
        {
            "m0s": 1e-3,
            "R1f": t1 | {"of": "reciprocal"},
            "R2f": t2 | {"of": "reciprocal"},
            "Rx": 10.0,
            "R1s": 3.0,
            "T2s": 12 * _MICROSECOND,
            "omega0": _off_resonance(repetition_time),
            "B1": b1,
        }
    )


def _normal(center: float, sd: float, low: float, high: float) -> dict[str, float | str]:
    return {"center": center, "sd": sd, "low": low, "high": high}


def _off_resonance(repetition_time: float) -> dict[str, float]:
    reach = float(np.pi / repetition_time)
    return {"low": -reach, "high": reach}


NAMED_PRIORS: dict[str, Callable[[float], AbstractPrior]] = {
    "qmt-tissue": qmt_tissue,
    "qmt-csf": qmt_csf,
    "qmt-fat": qmt_fat,
    "qmt-mao2024": qmt_mao2024,
    "qmt-zhang2022": qmt_zhang2022,
}
