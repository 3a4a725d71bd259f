"""Maximum likelihood in batches of one size, so that a study compiles it once for all its stages."""

import dataclasses

import numpy as np
from jaxtyping import Float

from raofit.core.parameter import Ranges
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

BATCH = 32_768


@dataclasses.dataclass(frozen=True)
class FixedSizeFit:
    """`MaximumLikelihood` on rows in batches of `BATCH`, the last one filled up.

    Parameters
    ----------
    noise : kind of noise.
    sigma : one number, or one per voxel; rows beyond the last voxel start again at the first (repeated scans).
    bounds : as for `MaximumLikelihood`.
    """

    model: AbstractSignalModel
    noise: type[AbstractNoise]
    sigma: float | Float[np.ndarray, " voxel"]
    stage: str = "maximum likelihood"
    progress: Progress | None = None
    bounds: Ranges | None = None

    def estimate(self, measurements: Float[np.ndarray, "row measurement"]) -> Estimate:
        """Estimates of every row, with the diagnostic `is_at_bound`; standard errors are not kept."""
        n_rows = len(measurements)
        parts = []
        for start in range(0, n_rows, BATCH):
            index = np.minimum(np.arange(start, start + BATCH), n_rows - 1)
            sigma = np.resize(np.asarray(self.sigma, dtype=np.float32), n_rows)[index]
            fit = MaximumLikelihood(self.model, self.noise(sigma), bounds=self.bounds)
            parts.append(fit.estimate(np.asarray(measurements)[index]))
            if self.progress is not None:
                self.progress(ProgressEvent(self.stage, min(start + BATCH, n_rows), n_rows))
        values, status, at_bound = (
            np.concatenate(arrays)[:n_rows]
            for arrays in zip(*((p.values, p.status, p.diagnostics["is_at_bound"]) for p in parts), strict=True)
        )
        return Estimate(
            values, status, self.model.parameter_names, lambda: np.full_like(values, np.nan), {"is_at_bound": at_bound}
        )
