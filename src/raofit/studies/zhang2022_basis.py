"""The subspace the study's signals are seen in: leading singular vectors of simulated fingerprints."""

import jax
import numpy as np
from jaxtyping import Array

from raofit.information.subspace import energy_outside, svd_basis
from raofit.models import AbstractSignalModel
from raofit.studies.zhang2022 import RANK
from raofit.training.prior import AbstractPrior


def study_basis(
    model: AbstractSignalModel, prior: AbstractPrior, n_fingerprints: int, *, key: Array
) -> dict[str, np.ndarray]:
    """`basis` (measurement, 13), real, and `energy_outside`, the share that each of the fingerprints loses in it."""
    parameters = prior.sample(key, n_fingerprints)
    signals = np.asarray(jax.block_until_ready(model.signal(parameters)))
    basis = svd_basis(signals, RANK)
    return {"basis": basis, "energy_outside": energy_outside(signals, basis)}
