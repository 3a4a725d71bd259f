"""Seeds that are no seeds."""

import jax
import pytest

from raofit.core.errors import RaofitError
from raofit.core.seeds import key_of


@pytest.mark.parametrize("seed", [-1, 2**63, 10**20])
def test_seeds_that_are_none(seed):
    with pytest.raises(RaofitError, match=rf"seed {seed}: expected a whole number from 0 to"):
        key_of(seed)


def test_a_seed_is_the_key_of_jax():
    assert key_of(7) == jax.random.key(7)
