"""The number everything random follows from, as users give it."""

import jax
from jaxtyping import Array

from raofit.core.errors import RaofitError

_LARGEST = 2**63 - 1


def key_of(seed: int) -> Array:
    """The random key of a seed.

    Raises
    ------
    RaofitError
        If the seed is negative or has more than 63 bits.
    """
    if not 0 <= seed <= _LARGEST:
        raise RaofitError(f"seed {seed}: expected a whole number from 0 to {_LARGEST}")
    return jax.random.key(seed)
