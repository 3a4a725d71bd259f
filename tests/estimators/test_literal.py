"""The literal recipe reproduces the leak of the truth that the fact sheet of Epstein 2022 measured."""

import jax
import numpy as np
import pytest

from raofit.core.status import Status
from raofit.estimators.literal import LiteralSciPy
from raofit.models import IVIM
from raofit.noise import Gaussian, Rician
from tests.oracles import formulas

N = 300


@pytest.mark.parametrize(("kind", "share_at_truth"), [(Rician, 0.11), (Gaussian, 0.22)])
def test_share_of_labels_that_repeat_the_start(kind, share_at_truth):
    """Shares measured on 400 other voxels; both binomial errors together are at most 3.1 %, four of them 12 %."""
    model = IVIM(formulas.PAPER_B_VALUES)
    low, high = np.array([item.typical for item in model.parameters]).T
    truths = np.random.default_rng(5).uniform(low, high, (N, 4))
    measurements = Rician(1 / 15).sample(jax.random.key(5), model.signal(truths))
    estimate = LiteralSciPy(model, kind(1 / 15)).estimate(measurements, start=truths)
    leaked = np.mean(np.abs(estimate["D_fast"] - truths[:, 3]) < 1e-6)
    error = np.sqrt(share_at_truth * (1 - share_at_truth) * (1 / N + 1 / 400))
    assert abs(leaked - share_at_truth) < 4 * error


def test_invalid_voxels_are_marked():
    model = IVIM(formulas.PAPER_B_VALUES)
    measurements = np.asarray(model.signal([[1.0, 0.3, 1.7e-3, 80e-3]] * 2)).copy()
    measurements[0, 0] = np.nan
    estimate = LiteralSciPy(model, Rician(0.05)).estimate(measurements, start=[1.0, 0.3, 1.7e-3, 80e-3])
    assert estimate.status[0] == Status.NON_FINITE
    assert np.all(np.isnan(estimate.values[0]))
    assert np.all(np.isfinite(estimate.values[1]))
