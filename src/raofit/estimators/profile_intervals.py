"""Intervals of maximum likelihood from the likelihood itself, which also hold near bounds.

A standard error describes a likelihood that is a parabola. Where it is not, at low SNR or near a bound, the interval is
the set of values that the measurement does not speak against:

    1. with one parameter held at x, all others are fitted again: the profile −log L_p(x);
    2. the interval ends where 2·(log L(x̂) − log L_p(x)) reaches the quantile of χ² with one degree of freedom
       [venzon1988];
    3. where it does not inside the bounds, the bound is the end.

Each end is looked for from the estimate to the bound, and found by the Illinois method on √(2·(log L(x̂) − log L_p(x))),
which is a straight line for a parabola. Where the values that the measurement allows lie in several pieces, as those of
magnitudes of inversion recovery, the interval holds all of them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num
from scipy.special import ndtri

from raofit.core.errors import RaofitError
from raofit.estimators.estimate import Estimate
from raofit.estimators.known import Known
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.standard_errors import averaged_names
from raofit.information.crb import crb

_REACHES = (0.25, 0.6, 1.0, 1.4, 2.0, 3.2, 5.0, 8.0, 14.0, 1e6)  # half-widths by the standard error; then the bound
_ITERATIONS = 4
_FURTHEST = 2.0
_LARGEST_RISE = 1e12  # of −log L; beyond, the place makes no finite signal


class Intervals(NamedTuple):
    """Lower and upper ends (..., parameter), physical units; NaN where there is no estimate."""

    lower: Float[np.ndarray, "*batch parameter"]
    upper: Float[np.ndarray, "*batch parameter"]


def profile_intervals(
    fit: MaximumLikelihood,
    measurements: Num[np.ndarray, "*batch measurement"],
    estimate: Estimate | None = None,
    *,
    level: float = 0.95,
    known: Known | None = None,
) -> Intervals:
    """Intervals inside the fit's bounds that hold each parameter with probability `level`, by profile likelihood.

    An end that is a bound says that the measurement does not exclude it. Takes 28 fits per parameter and voxel.

    Parameters
    ----------
    fit : the estimator, with its noise and bounds.
    measurements : as for `fit.estimate`.
    estimate : what `fit.estimate(measurements, known=known)` gave; None to do that here.
    level : between 0 and 1.
    known : parameters held at given values, as for `fit.estimate`; their intervals are these values.

    Raises
    ------
    RaofitError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> from raofit.models import MonoExponentialT2
    >>> from raofit.noise import Gaussian
    >>> fit = MaximumLikelihood(MonoExponentialT2([0.01, 0.05, 0.1]), Gaussian(0.01))
    >>> ends = profile_intervals(fit, np.array([0.9048, 0.6065, 0.3679]))
    >>> print(np.round([ends.lower[1], ends.upper[1]], 3))
    [0.094 0.106]

    References: [venzon1988] §1.
    """
    if not 0 < level < 1:
        raise RaofitError(f"`level`: expected a probability between 0 and 1, got {level:g}")
    measurements = np.asarray(measurements)
    known = dict(known or {})
    found = fit.estimate(measurements, known=known) if estimate is None else estimate
    lower, upper = found.values.astype(np.float64), found.values.astype(np.float64)
    target = float(ndtri(0.5 + 0.5 * level))
    for name in fit.parameter_names:
        if name not in known:
            profile = _Profile(fit, measurements, found, name, known)
            lower[..., profile.index], upper[..., profile.index] = profile.end(0, target), profile.end(1, target)
    return Intervals(lower, upper)


class _Profile:
    """The profile likelihood of one parameter of many voxels."""

    def __init__(self, fit: MaximumLikelihood, measurements: np.ndarray, estimate: Estimate, name: str, known: Known):
        self._fit, self._measurements, self._name, self._known = fit, measurements, name, known
        self.index = fit.parameter_names.index(name)
        self._is_alone = len(known) + 1 == len(fit.parameter_names)
        typical = np.array([parameter.typical_value for parameter in fit.model.parameters])
        self._has_estimate = np.all(np.isfinite(estimate.values), axis=-1)
        self._values = np.where(self._has_estimate[..., None], estimate.values, typical).astype(np.float64)
        self._center = self._values[..., self.index]
        self._error = np.asarray(estimate.standard_errors[..., self.index], dtype=np.float64)
        if not self._is_alone and name in averaged_names(fit.model, fit.bounds):  # the scale at the estimate itself
            self._error = np.sqrt(crb(fit.model, self._values, fit.noise, fixed=known)[..., self.index])
        if fit.model.parameters[self.index].is_amplitude:  # the only one that may have no upper bound
            strongest = np.max(np.abs(measurements), axis=-1)
            self._error = np.where(np.isfinite(self._error), self._error, strongest)
        self._least = np.asarray(estimate.diagnostics["objective"], dtype=np.float64)

    def end(self, side: int, target: float) -> Float[np.ndarray, "*batch"]:
        """The lower (0) or upper (1) end: where √(2·Δ) is `target`, or the bound if it never is."""
        bound = float(self._fit.bounds[self.index, side])
        if self._is_alone:  # nothing to fit again: a parabola
            return np.where(self._has_estimate, self._place(side, target, bound), np.nan)
        inner = outer = _Point(self._center, np.full(self._center.shape, -target), self._values)
        is_inside = np.ones(self._center.shape, dtype=bool)
        before = last = outer
        for reach in _REACHES:  # outwards all the way: what the measurement allows may lie in several pieces
            place = self._place(side, reach * target, bound)
            before, last = last, self._point(place, _continued(before, last, place), target)
            was_inside, is_inside = is_inside, last.height < 0
            outer = last.where(was_inside, outer)
            inner = last.where(is_inside, inner)
        for _ in range(_ITERATIONS):
            span = np.where(is_inside, 1.0, outer.height - inner.height)
            share = np.clip(-inner.height / span, 0.0, 1.0)
            start = inner.values + share[..., None] * (outer.values - inner.values)
            last = self._point(inner.place + share * (outer.place - inner.place), start, target)
            is_outer = last.height >= 0
            inner = inner.halved().where(is_outer, last)  # Illinois: the end that stays counts half
            outer = last.where(is_outer, outer.halved())
        return np.where(self._has_estimate, np.where(is_inside, bound, last.place), np.nan)

    def _place(self, side: int, reach: float, bound: float) -> Float[np.ndarray, "*batch"]:
        """`reach` standard errors from the estimate, or the bound if that is nearer or there is no standard error."""
        way = np.where(np.isfinite(self._error), reach * self._error, np.inf)
        if side == 0:
            return np.maximum(self._center - way, bound)
        return np.minimum(self._center + way, bound if np.isfinite(bound) else np.finfo(np.float32).max)

    def _point(
        self, place: Float[np.ndarray, "*batch"], start: Float[np.ndarray, "*batch parameter"], target: float
    ) -> "_Point":
        """√(2·Δ) − `target` with the parameter held at `place`, and all parameters as fitted there."""
        start = start.copy()
        start[..., self.index] = place
        held = {**self._known, self._name: place}
        fitted = self._fit.estimate(self._measurements, start=start.astype(np.float32), known=held)
        rise = np.asarray(fitted.diagnostics["objective"], dtype=np.float64) - self._least
        height = np.sqrt(2.0 * np.clip(np.nan_to_num(rise, nan=np.inf), 0.0, _LARGEST_RISE)) - target
        values = np.where(np.isfinite(fitted.values), fitted.values, self._values)
        return _Point(place, np.where(self._has_estimate, height, 0.0), values)


def _continued(before: "_Point", last: "_Point", place: Float[np.ndarray, "*batch"]) -> np.ndarray:
    """All parameters as they would be at `place` if they went on in a straight line, no further than twice as far.

    So a fit begins on the side of a kink (of a magnitude, where its signal is zero) on which the profile is.
    """
    step = last.place - before.place
    share = np.clip((place - last.place) / np.where(step == 0, np.inf, step), 0.0, _FURTHEST)
    return last.values + share[..., None] * (last.values - before.values)


class _Point(NamedTuple):
    """A value of the parameter in every voxel, how far √(2·Δ) is above its target there, and all parameters there."""

    place: Float[np.ndarray, "*batch"]
    height: Float[np.ndarray, "*batch"]
    values: Float[np.ndarray, "*batch parameter"]

    def where(self, is_this: np.ndarray, other: "_Point") -> "_Point":
        """Itself in some voxels, the other one elsewhere."""
        masks = (is_this, is_this, is_this[..., None])
        return _Point(*(np.where(mask, *pair) for mask, pair in zip(masks, zip(self, other, strict=True), strict=True)))

    def halved(self) -> "_Point":
        """The same place, whose height counts half."""
        return self._replace(height=0.5 * self.height)
