"""A trained network as an estimator: measurements in, parameters and status out."""

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.status import Status
from raofit.estimators._batches import on_device
from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel
from raofit.noise import NOISE_MODELS
from raofit.training.networks import Perceptron
from raofit.training.prior import AbstractPrior

_CHUNK = 8192  # voxels per call: input, hidden layers and output together stay in the cache
_SMALLEST_CHUNK = 256
_THREADS = 2  # one copies while the other computes
_MOST_LISTED = 40  # protocol values a message can hold


@dataclasses.dataclass(frozen=True)
class NetworkEstimator:
    """Parameters from a trained perceptron.

    Parameters
    ----------
    model : the signal model (and protocol) the network was trained for.
    network : architecture.
    weights, statistics : its flat vectors of numbers.
    noise_name : noise model of the training measurements.
    snr_range : (low, high) of amplitude/σ (or |M0|/σ) in training; equal ends for one SNR.
    prior : where the training parameters were drawn from.
    input_range : (2, inputs) lowest and highest network input seen in training; beyond it, plus a margin of one noise
        standard deviation at the lowest SNR, a voxel is marked `OUT_OF_RANGE`.
    label_range : (2, parameter) lowest and highest training label; an estimate beyond it by more than 10 % of its
        width is marked `OUT_OF_RANGE`.
    standard_error_factors : calibration of the standard errors, one factor per parameter, so that they state scatter.
    estimated : names of the model's parameters the network estimates, in its order; None for all of them.
    card : measured bias, standard deviation, RMSE and coverage (see `raofit.recipes.card`).
    provenance : recipe, seed, versions, training time.
    """

    model: AbstractSignalModel
    network: Perceptron
    weights: Float[np.ndarray, " weight"]
    noise_name: str
    snr_range: tuple[float, float]
    prior: AbstractPrior
    input_range: Float[np.ndarray, "2 input"]
    label_range: Float[np.ndarray, "2 parameter"]
    standard_error_factors: Float[np.ndarray, " parameter"]
    statistics: Float[np.ndarray, " statistic"] = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))
    estimated: tuple[str, ...] | None = None
    card: Mapping = dataclasses.field(default_factory=dict, repr=False)
    provenance: Mapping = dataclasses.field(default_factory=dict, repr=False)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Parameter names along the last axis of the estimates."""
        return self.model.parameter_names if self.estimated is None else self.estimated

    @property
    def magnitudes(self) -> tuple[str, ...]:
        """Parameters whose magnitude is estimated, their sign being unknown to the measurements."""
        return tuple(self.parameter_names[index] for index in self.network.magnitude_outputs)

    @property
    def snr(self) -> float:
        """Geometric middle of the training SNRs."""
        return float(np.sqrt(self.snr_range[0] * self.snr_range[1]))

    def estimate(
        self,
        measurements: Inexact[np.ndarray, "*batch measurement"] | Array,
        *,
        sigma: float | Float[np.ndarray, "*batch"] | None = None,
    ) -> Estimate:
        """Estimates of any batch of voxels.

        Parameters
        ----------
        measurements : measurements in the order of the model's protocol.
        sigma : noise standard deviation, signal units, a number or one per voxel. It enters the standard errors only;
            None stands for amplitude/SNR with the middle of the training SNRs (of a model with a complex amplitude,
            |M0| is read off the size of the signal).

        Returns
        -------
        Estimate
            Its standard errors are the delta method through the network's Jacobian J at the measurement,
            SE_k = c_k·σ·√(Σ_m J_km²), with the factor c_k calibrated so that the mean SE² equals the measured variance
            over the training prior. They state the scatter of the estimate, not its bias, which the card states.

        Raises
        ------
        ProtocolError
            If the number of measurements differs from the protocol's, or they are complex where magnitudes are due.
        """
        measurements = np.asarray(measurements)
        self._check(measurements)
        batch_shape = measurements.shape[:-1]
        shape = (*batch_shape, len(self.parameter_names))
        inputs = as_inputs(measurements.reshape(-1, measurements.shape[-1]))
        values, status = self._in_chunks(_estimate, inputs)

        def compute_standard_errors() -> np.ndarray:
            return self._standard_errors(inputs, status, sigma).reshape(shape)

        return Estimate(
            values.reshape(shape), status.reshape(batch_shape), self.parameter_names, compute_standard_errors
        )

    def interval_factors(
        self, level: float = 0.95, *, snr: float | Float[np.ndarray, "*batch"] | None = None
    ) -> Float[np.ndarray, "*batch parameter"]:
        """Half-widths of intervals that hold the truth with probability `level`: estimate ± factor·SE.

        Standard errors state scatter; these factors make up for the bias, and for scatter that is not normal. Each is
        the quantile of |x̂ − x|/SE over draws from the training prior at one SNR of the card, interpolated linearly in
        log SNR. So the intervals hold the truth in a share `level` of the voxels of such a population; of one tissue
        they may hold it more or less often.

        Parameters
        ----------
        level : nominal level, one of the card's: 0.5, 0.68 or 0.95.
        snr : amplitude/σ (or |M0|/σ) of the measurements, one number or one per voxel (see `snr_of`); default: the
            middle of training. Beyond the card's SNRs the nearest one counts.

        Raises
        ------
        RaofitError
            If the card holds no such factors: the network was written before they were measured, or the level is
            another one.
        """
        entries = sorted(self.card.get("entries", []), key=lambda entry: entry["snr"])
        figure = f"interval_factor_{round(100 * level)}"
        rows = [[entry["parameters"][name].get(figure) for name in self.parameter_names] for entry in entries]
        if not rows or any(value is None for row in rows for value in row):
            raise RaofitError(
                f"network: its card holds no factors of {100 * level:g} % intervals, which are measured at 50, 68 and "
                "95 %; `raofit card NETWORK --measure NEW` adds them to a network of an earlier version"
            )
        places = np.log([entry["snr"] for entry in entries])
        wanted = np.log(self.snr if snr is None else np.asarray(snr, dtype=np.float64))
        columns = np.array(rows, dtype=np.float64).T
        return np.stack([np.interp(wanted, places, column) for column in columns], axis=-1)

    def snr_of(
        self, measurements: Inexact[np.ndarray, "*batch measurement"], sigma: float | Float[np.ndarray, "*batch"]
    ) -> Float[np.ndarray, "*batch"]:
        """Amplitude/σ of every voxel, the amplitude (or |M0|) as the network reads it off the measurement."""
        inputs = as_inputs(measurements.reshape(-1, measurements.shape[-1]))
        amplitude = np.asarray(self.network.amplitude(jnp.asarray(inputs.T))).reshape(measurements.shape[:-1])
        return np.maximum(amplitude, np.finfo(np.float32).tiny) / sigma

    def at(self, sigma: float) -> "NetworkAtNoiseLevel":
        """The same network, whose standard errors are for one noise level (signal units) whatever the signal."""
        return NetworkAtNoiseLevel(self, sigma)

    def _check(self, measurements: np.ndarray) -> None:
        expected = self.model.n_measurements
        found = measurements.shape[-1] if measurements.ndim else 0
        if found != expected:
            raise ProtocolError(
                f"expected {expected} measurements per voxel, as in the network's protocol "
                f"({describe_protocol(self.model.protocol)}), got shape {measurements.shape}"
            )
        if np.iscomplexobj(measurements) != NOISE_MODELS[self.noise_name].is_complex:
            expected_kind, found_kind = (
                ("complex", "real") if not np.iscomplexobj(measurements) else ("real", "complex")
            )
            raise ProtocolError(
                f"the network was trained with {self.noise_name} noise on {expected_kind} measurements, "
                f"got {found_kind} ones"
            )

    def _in_chunks(self, function, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`function` over equal chunks, so that it is compiled once; the last chunk is filled up with zeros."""
        n_voxels, n_parameters = len(inputs), len(self.parameter_names)
        values, status = np.empty((n_voxels, n_parameters), np.float32), np.empty(n_voxels, np.uint8)
        size = min(_CHUNK, max(_SMALLEST_CHUNK, 1 << max(n_voxels - 1, 0).bit_length()))
        limits, numbers = self._limits(), (self.weights, self.statistics)
        canonical = self.model.canonical if self.estimated is None else None

        def run(start: int) -> None:
            chunk = inputs[start : start + size]
            count = len(chunk)
            if count < size:
                chunk = np.concatenate([chunk, np.zeros((size - count, chunk.shape[1]), np.float32)])
            with on_device(start // size):
                found = function(canonical, self.network, numbers, limits, NOISE_MODELS[self.noise_name], chunk)
            values[start : start + count] = np.asarray(found[0])[:count]
            status[start : start + count] = np.asarray(found[1])[:count]

        starts = range(0, n_voxels, size)
        if len(starts) > 1:
            with ThreadPoolExecutor(max(_THREADS, len(jax.local_devices()))) as pool:
                list(pool.map(run, starts))
        elif starts:
            run(0)
        return values, status

    def _limits(self) -> np.ndarray:
        """Rows: lowest and highest accepted input, then lowest and highest accepted estimate (padded to one length)."""
        n_inputs, n_parameters = self.input_range.shape[1], self.label_range.shape[1]
        limits = np.zeros((4, max(n_inputs, n_parameters)), np.float32)
        margin = 1.0 / self.snr_range[0] / (self.network.reference if self.network.has_complex_amplitude else 1.0)
        limits[:2, :n_inputs] = self.input_range + margin * np.array([[-1.0], [1.0]])
        width = self.label_range[1] - self.label_range[0]
        limits[2:, :n_parameters] = self.label_range + 0.1 * width * np.array([[-1.0], [1.0]])
        if self.network.input_scaling != "none" and self.network.amplitude_index is not None:
            limits[2:, self.network.amplitude_index] = -np.inf, np.inf  # scaled inputs: any signal unit will do
        return limits

    def _standard_errors(self, inputs: np.ndarray, status: np.ndarray, sigma) -> np.ndarray:
        slope = self._in_chunks(_sensitivity, inputs)[0]
        if sigma is None:
            amplitude = np.asarray(self.network.amplitude(jnp.asarray(inputs.T))) / self.snr
        else:
            amplitude = np.broadcast_to(np.ravel(np.asarray(sigma, dtype=np.float32)), status.shape)
        errors = slope * amplitude[:, None] * self.standard_error_factors.astype(np.float32)
        return np.where((status < Status.NON_FINITE)[:, None], errors, np.float32(np.nan))


@dataclasses.dataclass(frozen=True)
class NetworkAtNoiseLevel:
    """A network and the noise standard deviation of the measurements it is given."""

    network: NetworkEstimator
    sigma: float

    def estimate(self, measurements: Inexact[np.ndarray, "*batch measurement"] | Array) -> Estimate:
        """Estimates of any batch of voxels; see `NetworkEstimator.estimate`."""
        return self.network.estimate(measurements, sigma=self.sigma)


def as_inputs(measurements: Inexact[np.ndarray, "voxel measurement"]) -> Float[np.ndarray, "voxel input"]:
    """Measurements as float32 network inputs: complex ones as real parts, then imaginary parts."""
    if np.iscomplexobj(measurements):
        measurements = np.concatenate([np.real(measurements), np.imag(measurements)], axis=-1)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which has a status
        return np.ascontiguousarray(measurements, dtype=np.float32)


@eqx.filter_jit
def _estimate(canonical, network, numbers, limits, noise, inputs):
    """Values (voxel, parameter) and status (voxel,) of one chunk; the voxel axis is last inside."""
    columns = inputs.T
    scaled, _ = network.scaled_inputs(columns)
    values = _answers(canonical, network, numbers, columns)
    n_inputs, n_parameters = columns.shape[0], values.shape[0]
    is_unseen = _any_outside(scaled, limits[0, :n_inputs], limits[1, :n_inputs])
    is_unseen |= _any_outside(values, limits[2, :n_parameters], limits[3, :n_parameters])
    status = jnp.where(is_unseen, Status.OUT_OF_RANGE, Status.OK)
    if noise.is_magnitude:
        status = jnp.where(jnp.any(columns < 0, axis=0), Status.NEGATIVE, status)
    has_signal = jnp.any(columns != 0 if noise.is_complex else columns > 0, axis=0)
    status = jnp.where(has_signal, status, Status.NON_POSITIVE)
    status = jnp.where(jnp.all(jnp.isfinite(columns), axis=0), status, Status.NON_FINITE)
    values = jnp.where((status < Status.NON_FINITE)[None], values, jnp.nan)
    return values.T, status.astype(jnp.uint8)


def _any_outside(rows: Array, low: Array, high: Array) -> Array:
    return jnp.any((rows < low[:, None]) | (rows > high[:, None]), axis=0)


@eqx.filter_jit
def _sensitivity(canonical, network, numbers, _limits, _noise, inputs):
    """√(Σ_m J_km²) per voxel and parameter, with J the Jacobian of the estimate by the measurements."""
    values, pull = jax.vjp(partial(_answers, canonical, network, numbers), inputs.T)
    rows = [pull(jnp.zeros_like(values).at[index].set(1.0))[0] for index in range(values.shape[0])]
    slopes = jnp.stack([jnp.sqrt(jnp.sum(jnp.square(row), axis=0)) for row in rows], axis=-1)
    return slopes, jnp.zeros(slopes.shape[0], jnp.uint8)


def _answers(canonical, network: Perceptron, numbers, columns: Array) -> Array:
    """Estimates of a chunk, with interchangeable compartments in their named order."""
    weights, statistics = numbers
    values = network.apply(weights, columns, statistics)
    return values if canonical is None else jax.vmap(canonical, in_axes=1, out_axes=1)(values)


def check_protocol(estimator: NetworkEstimator, protocol: Mapping[str, np.ndarray]) -> np.ndarray:
    """Indices that put measurements of `protocol` into the network's order: `measurements[..., order]`.

    Another order of exactly the same settings is accepted, unless the signal depends on what came before it (a model
    with a complex amplitude is of a train of pulses); anything else is not.

    Raises
    ------
    ProtocolError
        If the settings differ, with a sentence that shows both.
    """
    own, given = (
        {name: np.atleast_1d(np.asarray(values, dtype=np.float64)) for name, values in settings.items()}
        for settings in (estimator.model.protocol, protocol)
    )
    if sorted(own) == sorted(given) and all(given[name].shape == own[name].shape for name in own):
        if all(_is_same(given[name], own[name]) for name in own):
            return np.arange(estimator.model.n_measurements)
        if not estimator.model.has_complex_amplitude:
            own_order = np.lexsort([own[name] for name in sorted(own)])
            given_order = np.lexsort([given[name] for name in sorted(own)])
            if all(_is_same(given[name][given_order], own[name][own_order]) for name in own):
                order = np.empty_like(own_order)
                order[own_order] = given_order
                return order
    raise ProtocolError(
        f"the network was trained for {describe_protocol(own)}, but the measurements have {describe_protocol(given)}; "
        "train a network for this protocol"
    )


def _is_same(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.allclose(first, second, rtol=1e-6, atol=0.0))


def describe_protocol(protocol: Mapping[str, np.ndarray]) -> str:
    """`b_values = 0, 10, 20` in words for a message; many values by their number and range."""
    return "; ".join(f"{name} = {_in_words(np.ravel(values))}" for name, values in protocol.items()) or (
        "no protocol settings"
    )


def _in_words(values: np.ndarray) -> str:
    if values.size > _MOST_LISTED:
        return f"{values.size} values from {values.min():g} to {values.max():g}"
    return ", ".join(f"{value:g}" for value in values)
