"""Protocol design: the settings at which the Cramér–Rao bound is least, found by its gradient through the simulator."""

import dataclasses
from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.information.crb import crb
from raofit.information.design_checks import check_scale, check_settings, parameter_weights
from raofit.information.design_search import (
    Duration,
    Evaluation,
    Space,
    excess_time,
    exchanged,
    keeps_time,
    local_search,
    relative_weights,
    watched,
    weighted_bound,
)
from raofit.information.identifiability import typical_points
from raofit.models import AbstractSignalModel
from raofit.models._model import check_last_axis
from raofit.noise import AbstractNoise

_N_TISSUES = 64


@dataclasses.dataclass(frozen=True)
class Design:
    """A protocol before and after its design, and what either can tell.

    Parameters
    ----------
    before, after : the model with the given settings, and with the new ones.
    tissues : Float[np.ndarray, "tissue parameter"]
        True values the bound is averaged over.
    weights : Float[np.ndarray, " parameter"]
        Weight of each parameter's relative variance.
    crb_before, crb_after : Float[np.ndarray, "tissue parameter"]
        Cramér–Rao bounds, squared parameter units; 0 for a known parameter.
    duration_before, duration_after : what `duration` says of the settings; None without one.
    """

    before: AbstractSignalModel
    after: AbstractSignalModel
    tissues: Float[np.ndarray, "tissue parameter"]
    weights: Float[np.ndarray, " parameter"]
    crb_before: Float[np.ndarray, "tissue parameter"]
    crb_after: Float[np.ndarray, "tissue parameter"]
    duration_before: float | None
    duration_after: float | None

    @property
    def objective_before(self) -> float:
        """The weighted relative bound of the given settings."""
        return self._objective(self.crb_before)

    @property
    def objective_after(self) -> float:
        """The weighted relative bound of the new settings."""
        return self._objective(self.crb_after)

    @property
    def factor(self) -> float:
        """By how much the objective became smaller."""
        return self.objective_before / self.objective_after

    @property
    def relative_std_before(self) -> Float[np.ndarray, " parameter"]:
        """√ of the mean over tissues of CRB/θ² of each parameter, of the given settings."""
        return np.sqrt(_relative(self.crb_before, self.tissues).mean(axis=0))

    @property
    def relative_std_after(self) -> Float[np.ndarray, " parameter"]:
        """√ of the mean over tissues of CRB/θ² of each parameter, of the new settings."""
        return np.sqrt(_relative(self.crb_after, self.tissues).mean(axis=0))

    def _objective(self, bounds: np.ndarray) -> float:
        used = self.weights > 0
        return float((_relative(bounds, self.tissues)[:, used] @ self.weights[used]).mean())


def design_protocol(
    model: AbstractSignalModel,
    noise: AbstractNoise,
    free: Mapping[str, tuple[float, float]],
    *,
    key: Array,
    tissues: Float[np.ndarray, "tissue parameter"] | None = None,
    nodes: Mapping[str, int] | None = None,
    weights: Mapping[str, float] | None = None,
    fixed: Collection[str] = (),
    duration: Duration | None = None,
    longest: float | None = None,
    n_starts: int = 8,
    progress: Progress | None = None,
) -> Design:
    """Settings of a protocol at which a weighted Cramér–Rao bound is least.

    Minimized is the mean over tissues i of the weighted relative variances,

        J = mean_i Σ_k w_k · CRB_k(θ_i) / θ_ik²,

    over the free settings within their bounds, by sequential quadratic programming on log J in float64. The gradient is
    that of the simulator, taken by JAX. J has many local minima: the search begins at the given settings and at random
    ones, and from the best end it tries every measurement as a repeat of every other (not with nodes, nor for heavy
    simulators of trains). The result is never worse than the given settings, if those keep to the bounds and the time
    budget; settings with nodes are searched from the curve nearest to the given ones.

    Every unknown parameter counts with at least 1e-4 of the largest weight: a protocol that tells one parameter by
    losing all knowledge of another has a small bound that no estimator reaches. Relations between settings (an
    inversion time shorter than the repetition time) are up to the bounds.

    Parameters
    ----------
    model : the model with its present protocol, which states the number of measurements and the settings that stay.
    noise : noise model; its `sigma` is a number, or has one value per tissue.
    free : lower and upper bound of each setting to choose, by its name in `model.protocol`, in its unit there.
    key : JAX random key of the random starts.
    tissues : true values in the units and order of `model.parameters`; default: 64 that fill the typical ranges evenly.
    nodes : number of nodes of each setting that is to be a smooth curve over the measurements, as the pulses of a train
        are: cubic B-splines with equally spaced knots, whose coefficients (the nodes) are then what is free. Default:
        every value of a setting is free.
    weights : w_k by name; default: 1 for every unknown parameter but the amplitude.
    fixed : names of parameters that are known (see `raofit.crb`).
    duration : scan time as a function of `{setting: values}` written with `jax.numpy`; default: any settings take as
        long as any others.
    longest : what `duration` may be at most; default: that of the given settings.
    n_starts : number of searches.
    progress : receives an event per evaluation of the objective; `done` counts the searches that have ended.

    Returns
    -------
    Design
        Bounds and objective there are those of `raofit.crb`.

    Raises
    ------
    RaofitError
        If a name is unknown, a weight is negative or belongs to a known parameter, a weighted parameter is 0 in a
        tissue (its relative variance has no meaning), the model cannot change its settings, or no search ends at
        settings that keep to the time budget.
    ProtocolError
        If bounds are not in order, or outside what the setting can be.

    Examples
    --------
    With S0 known, the decay is best measured at TE = T2:

    >>> from raofit.models import MonoExponentialT2
    >>> from raofit.noise import Gaussian
    >>> t2 = MonoExponentialT2([0.02, 0.2])
    >>> found = design_protocol(
    ...     t2, Gaussian(0.01), {"echo_times": (0.0, 0.5)}, key=jax.random.key(0), tissues=[[1.0, 0.08]], fixed=["S0"]
    ... )
    >>> print(found.after.protocol["echo_times"], round(found.factor, 2))
    [0.08 0.08] 3.38

    References: [kay1993] ch. 3.
    """
    shares, nodes = parameter_weights(model, weights, fixed), dict(nodes or {})
    check_settings(model, free, nodes)
    if n_starts < 1:
        raise RaofitError(f"`n_starts`: expected at least one search, got {n_starts}")
    values = np.atleast_2d(np.asarray(typical_points(model, _N_TISSUES) if tissues is None else tissues, np.float64))
    check_last_axis(values, model.parameter_names)
    check_scale(model, values, shares)
    if longest is not None and duration is None:
        raise RaofitError(f"`longest` is {longest:g}, but there is no `duration` to compare it with; give both")
    before = crb(model, values, noise, fixed=fixed)
    with jax.enable_x64(True):
        space = Space(model, free, nodes)
        objective = weighted_bound(space, noise, values, shares, fixed)
        budget = None if duration is None else float(duration(model.protocol)) if longest is None else longest
        overtime = None if duration is None or budget is None else excess_time(space, duration, budget)
        best = _best_end(space, objective, overtime, key, n_starts, progress)
        if best is None:
            raise RaofitError(f"no settings within the bounds take at most {budget:g}; widen the bounds or the budget")
        if model.lanes_at_once is None and not nodes:
            best = exchanged(objective, overtime, best, model.n_measurements)
        after = model.with_settings(space.rounded(best))
    bounds = crb(after, values, noise, fixed=fixed)
    scales = relative_weights(values, shares)
    is_allowed = space.holds_given and (budget is None or duration is None or duration(model.protocol) <= budget)
    if is_allowed and np.sum(scales * before) <= np.sum(scales * bounds):
        after, bounds = model, before
    durations = (None if duration is None else float(duration(item.protocol)) for item in (model, after))
    return Design(model, after, values, shares, before, bounds, *durations)


def _best_end(
    space: Space,
    objective: Evaluation,
    overtime: Evaluation | None,
    key: Array,
    n_starts: int,
    progress: Progress | None,
) -> np.ndarray | None:
    """Where the best of all searches ends, or the given point if none is better; None if nothing keeps the time."""
    others = np.asarray(jax.random.uniform(key, (n_starts - 1, space.size), dtype=jnp.float64))
    first = objective(space.given)[0]
    ends = [space.given]
    for index, start in enumerate((space.given, *others)):
        seen = objective if progress is None else watched(objective, index, n_starts, first, progress)
        ends.append(local_search(seen, overtime, start))
    kept = [end for end in ends if keeps_time(overtime, end)]
    return min(kept, key=lambda end: objective(end)[0]) if kept else None


def _relative(bounds: np.ndarray, tissues: np.ndarray) -> np.ndarray:
    """CRB/θ²; inf at a value of 0 that is estimated."""
    squared = np.square(tissues)
    return np.where(bounds == 0, 0.0, bounds / np.where(squared > 0, squared, np.finfo(np.float64).tiny))
