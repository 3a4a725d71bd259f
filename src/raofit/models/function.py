"""A user's own model: a function of the parameters and the protocol, written with `jax.numpy`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel


class FunctionModel(AbstractSignalModel):
    """Signal model from a `jax.numpy` function of one voxel.

    Parameters
    ----------
    function : `function(parameters, **protocol) -> signal`
        `parameters` unpacks into one scalar per parameter; each protocol entry arrives as an array.
    parameters : one `Parameter` per unknown, in the order `function` unpacks them.
    protocol : `{setting: one value per measurement}`.
    name : name used in files and messages; default: the function's own.

    Examples
    --------
    >>> from raofit.core.parameter import Parameter
    >>> def stretched(parameters, b_values):
    ...     amplitude, diffusivity, exponent = parameters
    ...     return amplitude * jnp.exp(-((b_values * diffusivity) ** exponent))
    >>> model = FunctionModel(
    ...     stretched,
    ...     parameters=[
    ...         Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal at b = 0", is_amplitude=True),
    ...         Parameter("DDC", "mm²/s", (0.0, 10e-3), (0.2e-3, 3e-3), "D", "distributed diffusion coefficient"),
    ...         Parameter("alpha", "1", (0.1, 1.0), (0.5, 1.0), r"\\alpha", "heterogeneity"),
    ...     ],
    ...     protocol={"b_values": [0, 200, 500, 1000]},
    ... )
    >>> print(model.signal([1.0, 1e-3, 1.0]))
    [1.  0.818731  0.606531  0.367879]
    """

    name: str
    parameters: tuple[Parameter, ...]
    settings: dict[str, np.ndarray]
    function: Callable = eqx.field(static=True)

    def __init__(
        self,
        function: Callable,
        parameters: Sequence[Parameter],
        protocol: Mapping[str, Sequence[float]],
        *,
        name: str | None = None,
    ):
        self.name = name or function.__name__
        self.parameters = tuple(parameters)
        self.settings = {key: np.asarray(values, dtype=np.float64) for key, values in protocol.items()}
        self.function = function

    @property
    def protocol(self) -> dict[str, np.ndarray]:
        """Acquisition settings as given."""
        return dict(self.settings)

    def with_settings(self, settings: Mapping[str, Float[Array, " measurement"]]) -> Self:
        """The same function with other values of some settings."""
        return eqx.tree_at(lambda model: model.settings, self, self.settings | dict(settings))

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Inexact[Array, " measurement"]:
        """Signal of one voxel."""
        settings = {key: jnp.asarray(values, dtype=parameters.dtype) for key, values in self.settings.items()}
        return self.function(parameters, **settings)
