"""Intravoxel incoherent motion: two diffusing pools, one of them fast (perfusion)."""

from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.models._log_linear import log_linear_decay
from raofit.models._model import AbstractSignalModel, ProtocolField, protocol_array

B_VALUES = ProtocolField(
    name="b_values",
    unit="s/mm²",
    plausible=(0.0, 50_000.0),
    hint="b-values in s/m² must be divided by 1e6",
    description="diffusion weighting of each volume",
)

PERFUSION_FREE_B_VALUE = 200.0  # s/mm²; above it the fast pool has decayed (segmented fits)

_AMPLITUDE = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal at b = 0", is_amplitude=True)
_FRACTION = Parameter("f", "1", (0.01, 0.5), (0.1, 0.5), "f", "signal fraction of the fast (perfusing) pool")
_SLOW = Parameter("D_slow", "mm²/s", (0.01e-3, 4e-3), (0.4e-3, 3e-3), r"D_\mathrm{slow}", "diffusivity of tissue")
_FAST = Parameter(
    "D_fast", "mm²/s", (2e-3, 300e-3), (10e-3, 150e-3), r"D_\mathrm{fast}", "pseudo-diffusivity added by perfusion"
)
_STAR = Parameter(
    "D_star", "mm²/s", (2e-3, 300e-3), (10e-3, 150e-3), r"D^{*}", "total pseudo-diffusivity of the fast pool"
)


class IVIM(AbstractSignalModel):
    r"""Bi-exponential IVIM signal.

    `form="added"` (Epstein 2022, eq. 11): the fast pool decays with D_fast + D_slow,

        S(b) = S0 · ( f·exp(−b·(D_fast + D_slow)) + (1 − f)·exp(−b·D_slow) )

    `form="total"` (the OSIPI code collection): the fast pool decays with D_star alone,

        S(b) = S0 · ( f·exp(−b·D_star) + (1 − f)·exp(−b·D_slow) ),    so   D_star = D_fast + D_slow.

    The parameters are S0 (signal units), f (1), D_slow (mm²/s) and D_fast or D_star (mm²/s). Default fit bounds are
    those of Epstein 2022's released code; default typical ranges are its training distribution.

    Parameters
    ----------
    b_values : Float[Array, " measurement"]
        Diffusion weightings, s/mm², ≥ 0; b = 0 need not be present or first, repeats are fine.
    form : "added" or "total".

    Examples
    --------
    >>> print(IVIM([0, 100, 800]).signal([1.0, 0.3, 1.7e-3, 80e-3]))
    [1.  0.590650  0.179663]
    """

    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = (B_VALUES,)
    references: ClassVar[tuple[str, ...]] = ("lebihan1986", "epstein2022")
    has_closed_form: ClassVar[bool] = True

    name: str
    b_values: np.ndarray
    form: Literal["added", "total"]
    parameters: tuple[Parameter, ...]

    def __init__(self, b_values: Float[Array, " measurement"], *, form: Literal["added", "total"] = "added"):
        if form not in ("added", "total"):
            raise RaofitError(f'IVIM `form`: expected "added" (D_fast) or "total" (D_star), got {form!r}')
        self.name = "ivim" if form == "added" else "ivim-total"
        self.b_values = protocol_array(b_values, B_VALUES)
        self.form = form
        self.parameters = (_AMPLITUDE, _FRACTION, _SLOW, _FAST if form == "added" else _STAR)

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel."""
        amplitude, fraction, slow, fast = parameters
        b = jnp.asarray(self.b_values, dtype=parameters.dtype)
        slow_decay = jnp.exp(-b * slow)
        fast_decay = jnp.exp(-b * fast) * (slow_decay if self.form == "added" else 1.0)
        return amplitude * (fraction * fast_decay + (1.0 - fraction) * slow_decay)

    def canonical(self, parameters: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """With `form="total"`, the faster pool is the one named fast; D_fast > 0 makes this automatic otherwise."""
        if self.form == "added":
            return parameters
        amplitude, fraction, slow, fast = parameters
        swapped = jnp.stack([amplitude, 1.0 - fraction, fast, slow])
        return jnp.where(fast < slow, swapped, parameters)

    def closed_form(self, measurement: Float[Array, " measurement"]) -> Float[Array, " parameter"]:
        """Segmented estimate: D_slow and (1 − f)·S0 from b ≥ 200 s/mm², the fast pool from what they leave at low b.

        With fewer than two b-values from 200 s/mm² up, the upper half of the b-values takes their place.
        """
        b = jnp.asarray(self.b_values, dtype=measurement.dtype)
        is_high = b >= PERFUSION_FREE_B_VALUE
        is_high = jnp.where(jnp.sum(is_high) >= 2, is_high, b >= jnp.median(b)).astype(measurement.dtype)
        slow_amplitude, slow = log_linear_decay(measurement, b, is_high)
        left = measurement - slow_amplitude * jnp.exp(-b * slow)
        fast_amplitude, fast = log_linear_decay(left, b, 1.0 - is_high)
        total = slow_amplitude + fast_amplitude
        fraction = fast_amplitude / jnp.maximum(total, jnp.finfo(measurement.dtype).tiny)
        return jnp.stack([total, fraction, slow, fast - slow if self.form == "added" else fast])
