"""Protocol design: the settings at which the Cramér–Rao bound is least, found by its gradient through the simulator."""

import dataclasses
from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError, RaofitError
from raofit.information.crb import crb
from raofit.information.design_search import (
    Duration,
    Space,
    excess_time,
    exchanged,
    keeps_time,
    local_search,
    weighted_bound,
)
from raofit.information.identifiability import typical_points
from raofit.models import AbstractSignalModel
from raofit.models._model import check_last_axis
from raofit.noise import AbstractNoise

_N_TISSUES = 64
_DIGITS = 6  # of a setting, as a share of its range


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
    weights: Mapping[str, float] | None = None,
    fixed: Collection[str] = (),
    duration: Duration | None = None,
    longest: float | None = None,
    n_starts: int = 8,
) -> Design:
    """Settings of a protocol at which a weighted Cramér–Rao bound is least.

    Minimized is the mean over tissues i of the weighted relative variances,

        J = mean_i Σ_k w_k · CRB_k(θ_i) / θ_ik²,

    over the free settings within their bounds, by sequential quadratic programming on log J in float64. The gradient is
    that of the simulator, taken by JAX. J has many local minima: the search begins at the given settings and at random
    ones, and from the best end it tries every measurement as a repeat of every other (not for heavy simulators of
    trains). So the result is never worse than the given settings, if those keep to the bounds and the time budget.

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
    weights : w_k by name; default: 1 for every unknown parameter but the amplitude.
    fixed : names of parameters that are known (see `raofit.crb`).
    duration : scan time as a function of `{setting: values}` written with `jax.numpy`; default: any settings take as
        long as any others.
    longest : what `duration` may be at most; default: that of the given settings.
    n_starts : number of searches.

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
    shares = _weights(model, weights, fixed)
    _check_settings(model, free, n_starts)
    values = np.atleast_2d(np.asarray(typical_points(model, _N_TISSUES) if tissues is None else tissues, np.float64))
    check_last_axis(values, model.parameter_names)
    _check_scale(model, values, shares)
    if longest is not None and duration is None:
        raise RaofitError(f"`longest` is {longest:g}, but there is no `duration` to compare it with; give both")
    before = crb(model, values, noise, fixed=fixed)
    with jax.enable_x64(True):
        space = Space(model, free)
        objective = weighted_bound(space, noise, values, shares, fixed)
        budget = None if duration is None else float(duration(model.protocol)) if longest is None else longest
        overtime = None if duration is None or budget is None else excess_time(space, duration, budget)
        others = np.asarray(jax.random.uniform(key, (n_starts - 1, space.size), dtype=jnp.float64))
        ends = [local_search(objective, overtime, start) for start in (space.given, *others)]
        kept = [end for end in (space.given, *ends) if keeps_time(overtime, end)]
        if not kept:
            raise RaofitError(f"no settings within the bounds take at most {budget:g}; widen the bounds or the budget")
        best = min(kept, key=lambda end: objective(end)[0])
        if model.lanes_at_once is None:
            best = exchanged(objective, overtime, best, model.n_measurements)
        rounded = space.settings(np.round(best, _DIGITS))
        after = model.with_settings({name: np.asarray(item) for name, item in rounded.items()})
    return Design(
        model,
        after,
        values,
        shares,
        before,
        crb(after, values, noise, fixed=fixed),
        None if duration is None else float(duration(model.protocol)),
        None if duration is None else float(duration(after.protocol)),
    )


def _relative(bounds: np.ndarray, tissues: np.ndarray) -> np.ndarray:
    """CRB/θ²; inf at a value of 0 that is estimated."""
    squared = np.square(tissues)
    return np.where(bounds == 0, 0.0, bounds / np.where(squared > 0, squared, np.finfo(np.float64).tiny))


def _weights(
    model: AbstractSignalModel, weights: Mapping[str, float] | None, fixed: Collection[str]
) -> Float[np.ndarray, " parameter"]:
    """One weight per parameter of the model."""
    names = model.parameter_names
    if weights is None:
        weights = {item.name: 1.0 for item in model.parameters if item.name not in fixed and not item.is_amplitude}
    for name, weight in weights.items():
        if name not in names:
            raise RaofitError(f"weights: `{name}` is not a parameter; the model has {', '.join(names)}")
        if not 0 <= weight < np.inf:
            raise RaofitError(f"weights: expected a number ≥ 0 for `{name}`, got {weight:g}")
        if weight > 0 and name in fixed:
            raise RaofitError(f"weights: `{name}` is taken as known, so it has no variance to weigh; leave it out")
    found = np.array([float(weights.get(name, 0.0)) for name in names])
    if not np.any(found > 0):
        raise RaofitError("weights: expected a weight > 0 for at least one parameter, got none")
    return found


def _check_settings(model: AbstractSignalModel, free: Mapping[str, tuple[float, float]], n_starts: int) -> None:
    if not model.follows_settings:
        raise RaofitError(
            f"model `{model.name}`: its settings cannot be designed, because it cannot be differentiated by them; "
            "models written with `jax.numpy` can be"
        )
    if not free:
        raise RaofitError(f"free: expected the bounds of at least one of {', '.join(model.protocol)}, got none")
    if n_starts < 1:
        raise RaofitError(f"`n_starts`: expected at least one search, got {n_starts}")
    plausible = {field.name: field for field in model.protocol_fields}
    for name, (low, high) in free.items():
        if name not in model.protocol:
            raise RaofitError(f"free: `{name}` is not a setting of the model; it has {', '.join(model.protocol)}")
        if not -np.inf < low < high < np.inf:
            raise ProtocolError(f"free: expected finite bounds of `{name}`, lower < upper, got {low:g} to {high:g}")
        field = plausible.get(name)
        if field is not None and not field.plausible[0] <= low < high <= field.plausible[1]:
            least, most = field.plausible
            raise ProtocolError(
                f"free: expected bounds of `{name}` within {least:g} to {most:g} {field.unit}, got {low:g} to "
                f"{high:g}; {field.hint}"
            )


def _check_scale(model: AbstractSignalModel, tissues: np.ndarray, weights: np.ndarray) -> None:
    for name, weight, column in zip(model.parameter_names, weights, tissues.T, strict=True):
        if weight > 0 and np.any(column == 0):
            raise RaofitError(
                f"tissues: `{name}` is 0 in one of them, so its variance relative to its value has no meaning; give it "
                "the weight 0 or another value"
            )
