"""Quantitative magnetization transfer: the semi-solid pool, pulses, trains, and the signal model built of them.

Public are the pieces of the physics of one pulse, to look at and to compare; the model itself is `raofit.models.QMT`.
"""

from raofit.models.qmt.generalized_bloch import (
    graham_saturation_rate,
    saturated_pool,
    sled_saturated_pool,
    two_pools,
)
from raofit.models.qmt.lineshapes import LINESHAPES, greens_function
from raofit.models.qmt.saturation import linearized_rate

__all__ = [
    "LINESHAPES",
    "graham_saturation_rate",
    "greens_function",
    "linearized_rate",
    "saturated_pool",
    "sled_saturated_pool",
    "two_pools",
]
