"""What every signal model is: parameters, a protocol, and the noise-free signal of one voxel."""

import abc
import concurrent.futures
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.core.threads import n_threads


@dataclasses.dataclass(frozen=True)
class ProtocolField:
    """One acquisition setting per measurement: its name, unit, and the range a scanner can produce.

    `hint` completes the sentence "... outside what `unit` allows; " when a value leaves `plausible`.
    """

    name: str
    unit: str
    plausible: tuple[float, float]
    hint: str
    description: str


class AbstractSignalModel(eqx.Module):
    """Noise-free signal of one voxel as a function of its parameters.

    A subclass states `name`, `parameters`, `protocol_fields` and `references`, keeps one array field per protocol
    field, and writes `voxel_signal`. It knows no estimator, no file format and no batch axis; a simulator that is
    fastest on many voxels at once writes `lanes_signal` and `lanes_signal_and_jacobian` too.

    `has_signs` says that signals go below zero, so that measurements are no magnitudes.

    `is_well_determined` says that usual data determine every parameter of every voxel, so that a network for it is
    trained to have little bias; elsewhere it is trained for the least error, and leans towards its training range.

    `lanes_at_once` bounds how many voxels a heavy simulator takes at a time, on each of a few threads.

    `follows_settings` is false where `with_settings` cannot work, because what follows from the settings is computed
    when the model is built.

    With `has_complex_amplitude`, a measurement is M0·signal + noise with an unknown complex M0 (equilibrium
    magnetization, receive gain and phase) that is not among the parameters; signals are given at M0 = 1.
    """

    name: eqx.AbstractVar[str]
    parameters: eqx.AbstractVar[tuple[Parameter, ...]]
    protocol_fields: ClassVar[tuple[ProtocolField, ...]] = ()
    references: ClassVar[tuple[str, ...]] = ()
    is_differentiable: ClassVar[bool] = True
    has_closed_form: ClassVar[bool] = False
    preferred_start: ClassVar[Literal["dictionary", "closed-form"]] = "dictionary"
    has_complex_amplitude: ClassVar[bool] = False
    has_signs: ClassVar[bool] = False
    is_well_determined: ClassVar[bool] = False
    follows_settings: ClassVar[bool] = True
    lanes_at_once: ClassVar[int | None] = None

    @abc.abstractmethod
    def voxel_signal(self, parameters: Float[Array, " parameter"]) -> Inexact[Array, " measurement"]:
        """Noise-free signal of one voxel; traced by JAX."""

    def canonical(self, parameters: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
        """The same voxel with interchangeable compartments in their named order (no change unless a model says so)."""
        return parameters

    def mirror_images(self, parameters: Float[Array, " parameter"]) -> Float[Array, "image parameter"]:
        """All voxels that an estimate of `parameters` may stand for: itself first, then its mirror images.

        A model overrides this where estimators are trained on a quantity that keeps less than the parameter does, such
        as |ω0|; a fit that starts from such an estimate tries every image.
        """
        return parameters[None]

    def closed_form(self, measurement: Inexact[Array, " measurement"]) -> Float[Array, " parameter"]:  # noqa: ARG002
        """A fast estimate without iteration, as the start of a fit; models that have one set `has_closed_form`."""
        raise RaofitError(f"model `{self.name}` has no closed-form estimate; start the fit from a dictionary")

    def closed_form_starts(self, measurement: Inexact[Array, " measurement"]) -> Float[Array, "start parameter"]:
        """Where a fit may begin; of several, that which explains the measurement best within the bounds of the fit."""
        return self.closed_form(measurement)[None]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Parameter names in the order of every last axis."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def protocol(self) -> dict[str, np.ndarray]:
        """Acquisition settings by field name (float64, one value per measurement)."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in self.protocol_fields}

    def with_settings(self, settings: Mapping[str, Float[Array, " measurement"]]) -> Self:
        """The same model with some entries of `protocol` replaced by as many values, unchecked; JAX may trace them."""
        names = list(settings)
        return eqx.tree_at(
            lambda model: [getattr(model, name) for name in names], self, [settings[name] for name in names]
        )

    @property
    def n_measurements(self) -> int:
        """Length of the last axis of a signal."""
        shape = jax.eval_shape(self.voxel_signal, jax.ShapeDtypeStruct((len(self.parameters),), jnp.float32)).shape
        return shape[0]

    @property
    def amplitude_index(self) -> int | None:
        """Index of the parameter the signal is proportional to, or None."""
        return next((index for index, parameter in enumerate(self.parameters) if parameter.is_amplitude), None)

    def signal(self, parameters: Float[Array, "*batch parameter"]) -> Inexact[Array, "*batch measurement"]:
        """Noise-free signals of any batch of parameter vectors."""
        parameters = as_float(parameters)
        check_last_axis(parameters, self.parameter_names)
        return _in_chunks(_signal, self, parameters)

    def signal_and_jacobian(
        self, parameters: Float[Array, "*batch parameter"]
    ) -> tuple[Inexact[Array, "*batch measurement"], Inexact[Array, "*batch measurement parameter"]]:
        """Signals and their derivatives with respect to each parameter."""
        parameters = as_float(parameters)
        check_last_axis(parameters, self.parameter_names)
        return _in_chunks(_signal_and_jacobian, self, parameters)

    def for_voxels(self, parameters: Float[np.ndarray, "voxel parameter"]) -> Self:  # noqa: ARG002
        """The same model for these voxels only; what a simulator chooses by their values, it chooses once for all."""
        return self

    def lanes_order(self, parameters: Float[np.ndarray, "voxel parameter"]) -> np.ndarray:
        """In which order a heavy simulator wants its voxels: those that cost the same together."""
        return np.arange(len(parameters))

    def lanes_signal(self, parameters: Float[Array, "parameter lane"]) -> Inexact[Array, "measurement lane"]:
        """Signals of many voxels, voxel axis last; traced by JAX."""
        return jax.vmap(self.voxel_signal, in_axes=-1, out_axes=-1)(parameters)

    def lanes_signal_and_jacobian(
        self, parameters: Float[Array, "parameter lane"]
    ) -> tuple[Inexact[Array, "measurement lane"], Inexact[Array, "measurement parameter lane"]]:
        """Signals and Jacobians of many voxels, voxel axis last; traced by JAX."""
        return jax.vmap(self.voxel_signal_and_jacobian, in_axes=-1, out_axes=-1)(parameters)

    def lanes_projection(
        self, parameters: Float[Array, "parameter lane"], basis: Inexact[np.ndarray, "measurement coefficient"]
    ) -> Inexact[Array, "coefficient lane"]:
        """Coefficients Uᴴ·s of many voxels in an orthonormal basis U."""
        return _project(basis, self.lanes_signal(parameters))

    def lanes_projection_and_jacobian(
        self, parameters: Float[Array, "parameter lane"], basis: Inexact[np.ndarray, "measurement coefficient"]
    ) -> tuple[Inexact[Array, "coefficient lane"], Inexact[Array, "coefficient parameter lane"]]:
        """Coefficients of many voxels and their derivatives."""
        signal, jacobian = self.lanes_signal_and_jacobian(parameters)
        return _project(basis, signal), _project(basis, jacobian)

    def voxel_signal_and_jacobian(
        self, parameters: Float[Array, " parameter"]
    ) -> tuple[Inexact[Array, " measurement"], Inexact[Array, "measurement parameter"]]:
        """Signal of one voxel and its Jacobian by forward-mode differentiation."""
        signal, push = jax.linearize(self.voxel_signal, parameters)
        directions = jnp.eye(parameters.shape[0], dtype=parameters.dtype)
        return signal, jax.vmap(push, out_axes=-1)(directions)


@eqx.filter_jit
def _signal(model: AbstractSignalModel, parameters: Array) -> Array:
    return _by_lanes(model.lanes_signal, parameters)


@eqx.filter_jit
def _signal_and_jacobian(model: AbstractSignalModel, parameters: Array) -> tuple[Array, Array]:
    return _by_lanes(model.lanes_signal_and_jacobian, parameters)


def _project(basis: np.ndarray, samples: Array) -> Array:
    """Uᴴ·samples over the first axis."""
    is_complex = np.iscomplexobj(basis) or jnp.iscomplexobj(samples)
    precision = jnp.finfo(samples.dtype).dtype
    dtype = np.result_type(precision, np.complex64) if is_complex else precision
    adjoint = jnp.asarray(basis.conj().T, dtype=dtype)
    return jnp.tensordot(adjoint, samples.astype(dtype), axes=1)


_FEWEST_VOXELS, _FEW_VOXELS = 8, 1024  # between these, a batch is filled up to a power of two


def _by_lanes(function, parameters: Array):
    """`function` of voxels along the last axis, applied to voxels along any leading axes."""
    batch = parameters.shape[:-1]
    found = function(parameters.reshape(-1, parameters.shape[-1]).T)
    return jax.tree.map(lambda array: jnp.moveaxis(array, -1, 0).reshape(*batch, *array.shape[:-1]), found)


def _in_chunks(function, model: AbstractSignalModel, parameters: Array):
    """`function(model, parameters)`: few voxels in batches of few sizes, which are then most likely compiled already.

    Many voxels of a heavy model go in chunks of equal size on all cores.
    """
    size, batch = model.lanes_at_once, parameters.shape[:-1]
    n_voxels = math.prod(batch)
    if isinstance(parameters, jax.core.Tracer) or n_voxels == 0:
        return function(model, parameters)
    if n_voxels <= min(size or _FEW_VOXELS, _FEW_VOXELS):
        n_computed = max(_FEWEST_VOXELS, 1 << (n_voxels - 1).bit_length())
        padded = np.resize(np.asarray(parameters), (n_computed, parameters.shape[-1]))
        return jax.tree.map(
            lambda array: jnp.asarray(np.asarray(array)[:n_voxels].reshape(*batch, *array.shape[1:])),
            function(model, padded),
        )
    if size is None or n_voxels <= size:
        return function(model, parameters)
    rows = np.asarray(parameters).reshape(n_voxels, -1)
    order = model.lanes_order(rows)
    n_chunks = -(-n_voxels // size)
    chunks = np.split(np.pad(order, (0, n_chunks * size - n_voxels), mode="edge"), n_chunks)
    is_double = rows.dtype == np.float64

    found: Any = None

    def simulate(chunk: np.ndarray):
        with jax.enable_x64(is_double):  # the setting belongs to a thread
            return jax.tree.map(np.asarray, function(model, jnp.asarray(rows[chunk])))

    with concurrent.futures.ThreadPoolExecutor(n_threads()) as pool:
        for chunk, parts in zip(chunks, pool.map(simulate, chunks), strict=True):
            if found is None:
                found = jax.tree.map(lambda part: np.empty((n_voxels, *part.shape[1:]), part.dtype), parts)
            for whole, part in zip(jax.tree.leaves(found), jax.tree.leaves(parts), strict=True):
                whole[chunk] = part
    return jax.tree.map(lambda whole: jnp.asarray(whole.reshape(*batch, *whole.shape[1:])), found)


def as_float(values) -> Array:
    """`values` as a floating-point array (integers become the default float type)."""
    values = jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.result_type(float))


def check_last_axis(parameters: Array, names: Sequence[str]) -> None:
    """Raise unless the last axis of `parameters` has one entry per parameter name."""
    if parameters.ndim == 0 or parameters.shape[-1] != len(names):
        raise ProtocolError(
            f"expected parameters with a last axis of {len(names)} ({', '.join(names)}), got shape {parameters.shape}"
        )


def protocol_array(values, field: ProtocolField) -> np.ndarray:
    """`values` checked against `field` and returned as a float64 vector.

    Raises
    ------
    ProtocolError
        If there is no value, one is not finite, or one lies outside `field.plausible` (wrong units, most often).
    """
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1 or array.size == 0:
        raise ProtocolError(f"`{field.name}`: expected a list of numbers in {field.unit}, got shape {array.shape}")
    return plausible_array(array, field)


def one_or_each(values, field: ProtocolField, n_measurements: int) -> np.ndarray:
    """`values` checked against `field`, as one per measurement; one number stands for all.

    Raises
    ------
    ProtocolError
        If there is another number of values, or one is implausible.
    """
    array = protocol_array(values, field)
    if array.size not in (1, n_measurements):
        raise ProtocolError(
            f"`{field.name}`: expected one number in {field.unit} for all measurements, or one for each of the "
            f"{n_measurements}, got {array.size}"
        )
    return np.broadcast_to(array, n_measurements).copy()


def plausible_array(array: np.ndarray, field: ProtocolField) -> np.ndarray:
    """`array` of any shape, or a `ProtocolError` if a value is not finite or outside `field.plausible`."""
    if not np.all(np.isfinite(array)):
        wrong = array[~np.isfinite(array)].flat[0]
        raise ProtocolError(f"`{field.name}`: expected finite numbers in {field.unit}, got {wrong:g}")
    low, high = field.plausible
    outside = array[(array < low) | (array > high)]
    if outside.size:
        raise ProtocolError(
            f"`{field.name}`: expected {low:g} to {high:g} {field.unit}, got {outside[0]:g}; {field.hint}"
        )
    return array


def typical_parameters(model: AbstractSignalModel) -> np.ndarray:
    """The typical parameter vector of a model (parameter,)."""
    return np.array([parameter.typical_value for parameter in model.parameters])


def as_mapping(model: AbstractSignalModel, values) -> Mapping[str, float]:
    """One parameter vector as `{name: value}`."""
    return dict(zip(model.parameter_names, map(float, values), strict=True))
