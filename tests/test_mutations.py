"""The oracles notice wrong physics: each mutation of the source makes its check fail."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.models import IVIM
from raofit.noise import Rician
from tests import checks

SCORE, DENSITY, INFORMATION = Rician.score, Rician.log_density, Rician.information


def _with_fast_pool_alone(self, parameters):
    amplitude, fraction, slow, fast = parameters
    b = jnp.asarray(self.b_values, dtype=parameters.dtype)
    return amplitude * (fraction * jnp.exp(-b * fast) + (1.0 - fraction) * jnp.exp(-b * slow))


def _with_weighting_by_both(self, parameters):
    amplitude, fraction, slow, fast = parameters
    b = jnp.asarray(self.b_values, dtype=parameters.dtype)
    return amplitude * (fraction * jnp.exp(-b * (fast + slow)) + jnp.exp(-b * slow))


MUTATIONS = {
    "score with the wrong sign": (Rician, "score", lambda *a: -SCORE(*a), checks.check_rician_score),
    "score without the Bessel ratio": (
        Rician,
        "score",
        lambda self, m, s: (m - s) / jnp.square(self.sigma_like(s)),
        checks.check_rician_score,
    ),
    "score scaled by sigma": (
        Rician,
        "score",
        lambda self, m, s: SCORE(self, m, s) * self.sigma_like(s),
        checks.check_rician_score,
    ),
    "density without the factor m": (
        Rician,
        "log_density",
        lambda self, m, s: DENSITY(self, m, s) - jnp.log(m),
        checks.check_rician_density_is_normalized,
    ),
    "density without one factor 1/sigma": (
        Rician,
        "log_density",
        lambda self, m, s: DENSITY(self, m, s) + jnp.log(self.sigma_like(s)),
        checks.check_rician_density_is_normalized,
    ),
    "density without the factor 1/2 in the exponent": (
        Rician,
        "log_density",
        lambda self, m, s: DENSITY(self, m, s) - 0.5 * jnp.square((m - s) / self.sigma_like(s)),
        checks.check_rician_density_is_normalized,
    ),
    "information of Gaussian noise": (
        Rician,
        "information",
        lambda self, s: jnp.full_like(s, 1 / np.square(self.sigma)),
        checks.check_rician_information,
    ),
    "bound with the information of one channel too few": (
        Rician,
        "information",
        lambda *a: 0.5 * INFORMATION(*a),
        lambda: checks.check_crb(Rician),
    ),
    "model with D_fast alone in the exponent": (IVIM, "voxel_signal", _with_fast_pool_alone, checks.check_ivim_signal),
    "model without the factor 1 - f": (IVIM, "voxel_signal", _with_weighting_by_both, checks.check_ivim_signal),
}


@pytest.fixture(autouse=True)
def _fresh_compilations():
    """A compiled function keeps the method it was traced with."""
    jax.clear_caches()
    eqx.clear_caches()
    yield
    jax.clear_caches()
    eqx.clear_caches()


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_noticed(name, monkeypatch):
    owner, attribute, mutant, check = MUTATIONS[name]
    check()
    jax.clear_caches()
    eqx.clear_caches()
    monkeypatch.setattr(owner, attribute, mutant)
    with pytest.raises(AssertionError):
        check()
