"""Evaluation on measured data: one scan repeated many times is its own reference (Epstein 2022, §3.5, figs. 5 to 7).

1. `split_repeats` sorts the volumes into single acquisitions,
2. `reference_fit` fits all of them together: the supersampled reference,
3. `estimate_repeats` applies each method to each single acquisition,
4. `binned` gathers bias, standard deviation and RMSE in bins of the reference,
5. `resimulate` draws the same scan again from the reference, so that bins can be compared with simulation.
"""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError
from raofit.core.parameter import Parameter
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.evaluation.bins import BinnedCurve, bin_by_reference, within_ranges
from raofit.evaluation.evaluate import Estimator
from raofit.models import IVIM, AbstractSignalModel
from raofit.noise import Rician

N_BINS = 10  # the paper's text; its released code has 11


def split_repeats(
    volumes: Float[np.ndarray, "*space volume"], b_values: Float[np.ndarray, " volume"]
) -> tuple[Float[np.ndarray, " measurement"], Float[np.ndarray, "repeat *space measurement"]]:
    """Single acquisitions from a repeated scan: occurrence k of every b-value belongs to acquisition k.

    Returns
    -------
    The b-values of one acquisition, ascending, and the acquisitions.

    Raises
    ------
    ProtocolError
        If b-values are not all repeated equally often, or fewer than twice.
    """
    single, counts = np.unique(b_values, return_counts=True)
    if counts.min() != counts.max() or counts.min() < 2:
        found = ", ".join(f"b = {b:g}: {n}" for b, n in zip(single, counts, strict=True))
        raise ProtocolError(
            f"repeated scan: expected every b-value the same number of times (at least 2), found {found}; leave out "
            "the volumes of incomplete repeats"
        )
    order = np.stack([np.flatnonzero(b_values == b) for b in single], axis=-1)
    return single, np.stack([volumes[..., index] for index in order])


def sigma_of_repeats(repeats: Float[np.ndarray, "repeat voxel measurement"]) -> Float[np.ndarray, " voxel"]:
    """Noise standard deviation of each voxel: that of its lowest b-value over the repeats (ddof 0, as in the code)."""
    return repeats[..., 0].std(axis=0)


def reference_fit(
    model: IVIM, repeats: Float[np.ndarray, "repeat voxel measurement"], sigma: Float[np.ndarray, " voxel"]
) -> Estimate:
    """Rician maximum likelihood on all acquisitions together."""
    supersampled = IVIM(np.tile(model.b_values, len(repeats)), form=model.form)
    joined = np.moveaxis(repeats, 0, 1).reshape(repeats.shape[1], -1)
    return MaximumLikelihood(supersampled, Rician(sigma)).estimate(joined)


@dataclasses.dataclass(frozen=True)
class AmplitudeNormalized:
    """An estimator that sees each measurement divided by its own first value (the lowest b), as the paper's code does.

    The amplitude estimate is multiplied back; estimates of the wrapped estimator are otherwise unchanged.
    """

    estimator: Estimator
    amplitude_index: int

    def estimate(self, measurements: Float[np.ndarray, "voxel measurement"]) -> Estimate:
        """Estimates of a batch of voxels; a voxel whose first value is not positive has no estimate."""
        first = measurements[..., :1]
        divided = np.where(first > 0, measurements / np.where(first > 0, first, 1.0), np.nan)
        found = self.estimator.estimate(divided.astype(np.float32))
        values = np.array(found.values)
        values[..., self.amplitude_index] *= first[..., 0]

        def compute_standard_errors() -> np.ndarray:
            errors = np.array(found.standard_errors)
            errors[..., self.amplitude_index] *= first[..., 0]
            return errors

        return Estimate(values, found.status, found.parameter_names, compute_standard_errors, found.diagnostics)


def estimate_repeats(
    estimators: Mapping[str, Estimator],
    repeats: Float[np.ndarray, "repeat voxel measurement"],
    *,
    stage: str = "repeated scan",
    progress: Progress | None = None,
) -> dict[str, Float[np.ndarray, "repeat voxel parameter"]]:
    """Every method on every single acquisition; an estimator sees all of them as one batch, repeat by repeat."""
    rows = repeats.reshape(-1, repeats.shape[-1])
    values = {}
    for done, (name, estimator) in enumerate(estimators.items()):
        values[name] = estimator.estimate(rows).values.reshape(*repeats.shape[:2], -1)
        if progress is not None:
            progress(ProgressEvent(stage, done + 1, len(estimators), name))
    return values


def binned(
    reference: Float[np.ndarray, "voxel parameter"],
    estimates: Mapping[str, Float[np.ndarray, "repeat voxel parameter"]],
    parameters: tuple[Parameter, ...],
) -> dict[str, dict[str, BinnedCurve]]:
    """Curves per method and parameter (amplitude left out), over voxels whose reference is in all typical ranges.

    Ten bins that end at the range, errors measured from each voxel's own reference: the paper's text. (Its code has
    eleven bins centered on the ends of the range and measures from the bin's center.)
    """
    ranges = np.array([(-np.inf, np.inf) if p.is_amplitude else p.typical for p in parameters])
    kept = within_ranges(reference, ranges)
    return {
        name: {
            parameter.name: bin_by_reference(
                reference[kept, column], values[:, kept, column], parameter.typical, n_bins=N_BINS
            )
            for column, parameter in enumerate(parameters)
            if not parameter.is_amplitude
        }
        for name, values in estimates.items()
    }


def resimulate(
    model: AbstractSignalModel,
    reference: Float[np.ndarray, "voxel parameter"],
    sigma: Float[np.ndarray, " voxel"],
    n_repeats: int,
    key: Array,
) -> Float[np.ndarray, "repeat voxel measurement"]:
    """The scan simulated from its own reference, with each voxel's noise."""
    signal = np.asarray(model.signal(reference.astype(np.float32)))
    noise = Rician(sigma.astype(np.float32))
    return np.stack([np.asarray(noise.sample(each, signal)) for each in jax.random.split(key, n_repeats)])
