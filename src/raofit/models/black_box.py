"""A model JAX cannot trace: any Python or NumPy callable, with finite differences for its Jacobian."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError
from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel

_RELATIVE_STEP = np.finfo(np.float64).eps ** (1 / 3)  # balances truncation and rounding of a central difference


class BlackBoxModel(AbstractSignalModel):
    """Signal model from a callable that JAX cannot trace or differentiate (a simulator, a compiled library, ...).

    The callable runs in float64 on the host. Its Jacobian is a central difference with the step
    eps^(1/3) · (width of the typical range), clipped to the bounds.

    Parameters
    ----------
    function : `function(parameters, **protocol) -> signal`
        `parameters` is a float64 vector, or (..., parameter) if `is_vectorized`; the result is (..., measurement).
    parameters : one `Parameter` per unknown, in the order `function` expects.
    protocol : `{setting: one value per measurement}`.
    is_vectorized : whether `function` accepts a batch of parameter vectors at once.
    name : name used in files and messages; default: the function's own.

    Examples
    --------
    >>> from raofit.core.parameter import Parameter
    >>> decay = BlackBoxModel(
    ...     lambda parameters, echo_times: [parameters[0] * 2.718281828 ** (-t / parameters[1]) for t in echo_times],
    ...     parameters=[
    ...         Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "signal at TE = 0", is_amplitude=True),
    ...         Parameter("T2", "s", (1e-3, 5.0), (0.02, 0.2), "T_2", "relaxation time"),
    ...     ],
    ...     protocol={"echo_times": [0.0, 0.1]},
    ...     name="decay",
    ... )
    >>> print(decay.signal([1.0, 0.1]))
    [1.  0.367879]
    """

    is_differentiable: ClassVar[bool] = False
    follows_settings: ClassVar[bool] = False

    name: str
    parameters: tuple[Parameter, ...]
    host: "_Host" = eqx.field(static=True)

    def __init__(
        self,
        function: Callable,
        parameters: Sequence[Parameter],
        protocol: Mapping[str, Sequence[float]],
        *,
        is_vectorized: bool = False,
        name: str | None = None,
    ):
        self.name = name or function.__name__
        self.parameters = tuple(parameters)
        self.host = _Host(function, self.parameters, protocol, is_vectorized)

    @property
    def protocol(self) -> dict[str, np.ndarray]:
        """Acquisition settings as given."""
        return dict(self.host.settings)

    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Float[Array, " measurement"]:
        """Signal of one voxel, evaluated on the host."""
        call = jax.custom_jvp(self._call)
        call.defjvp(self._jvp)
        return call(parameters)

    def _call(self, parameters: Array) -> Array:
        result = jax.ShapeDtypeStruct((self.host.n_measurements,), parameters.dtype)
        return jax.pure_callback(self.host.signal, result, parameters, vmap_method="broadcast_all")

    def _jvp(self, primals, tangents):
        (parameters,), (direction,) = primals, tangents
        result = jax.ShapeDtypeStruct((self.host.n_measurements, len(self.parameters)), parameters.dtype)
        jacobian = jax.pure_callback(self.host.jacobian, result, parameters, vmap_method="broadcast_all")
        return self._call(parameters), jnp.sum(jacobian * direction[None, :], axis=-1)


class _Host:
    """The callable and its finite differences in float64 NumPy; compared by identity, so JAX can key a cache on it."""

    def __init__(self, function: Callable, parameters: Sequence[Parameter], protocol: Mapping, is_vectorized: bool):
        self.settings = {key: np.asarray(values, dtype=np.float64) for key, values in protocol.items()}
        self._function = function
        self._parameters = parameters
        self._is_vectorized = is_vectorized
        probe = np.asarray(function(np.array([item.typical_value for item in parameters]), **self.settings))
        if probe.ndim != 1:
            raise ProtocolError(f"black-box model: expected one signal vector per voxel, got shape {probe.shape}")
        self.n_measurements = probe.size

    def signal(self, parameters) -> np.ndarray:
        """Signals of a batch (..., parameter) in the dtype of `parameters`."""
        given = np.asarray(parameters)
        return self._evaluate(given.astype(np.float64)).astype(given.dtype)

    def jacobian(self, parameters) -> np.ndarray:
        """Central differences (..., measurement, parameter), one-sided where a bound is nearer than the step."""
        given = np.asarray(parameters)
        center = given.astype(np.float64)
        columns = []
        for index, parameter in enumerate(self._parameters):
            step = _RELATIVE_STEP * (parameter.typical[1] - parameter.typical[0])
            above, below = center.copy(), center.copy()
            above[..., index] = np.minimum(center[..., index] + step, parameter.bounds[1])
            below[..., index] = np.maximum(center[..., index] - step, parameter.bounds[0])
            width = above[..., index] - below[..., index]
            columns.append((self._evaluate(above) - self._evaluate(below)) / width[..., None])
        return np.stack(columns, axis=-1).astype(given.dtype)

    def _evaluate(self, parameters: np.ndarray) -> np.ndarray:
        if self._is_vectorized:
            return np.asarray(self._function(parameters, **self.settings), dtype=np.float64)
        rows = parameters.reshape(-1, parameters.shape[-1])
        signals = [np.asarray(self._function(row, **self.settings), dtype=np.float64) for row in rows]
        return np.array(signals).reshape(*parameters.shape[:-1], self.n_measurements)
