"""The network: a multilayer perceptron whose weights are one flat vector, in and out in physical units."""

import dataclasses
import itertools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.training.input_scaling import (
    INPUT_SCALINGS,
    InputScaling,
    mirrored,
    size_of,
    without_complex_amplitude,
)

Constraint = Literal["abs", "none", "softplus", "exp", "sigmoid", "hard-sigmoid"]
Activation = Literal["elu", "relu"]
SkipSource = Literal["linear", "output"]
CONSTRAINTS: tuple[Constraint, ...] = ("abs", "none", "softplus", "exp", "sigmoid", "hard-sigmoid")
ACTIVATIONS: tuple[Activation, ...] = ("elu", "relu")

_EPSILON = 1e-5  # added to a variance before its root
_LARGEST_EXPONENT = 20.0
_MOMENTUM = 0.1  # share of the newest batch in the running statistics


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """Fully connected layers, a last linear one, a constraint, and a fixed scale per output.

        h_0 = scaled inputs      z_n = W_n·h_(n−1) + b_n + (skips into n)      h_n = activation(normalized z_n)
        estimate_k = scale_k · constraint(z_last)_k + offset_k

    Hashable and without numbers: it is the static half of a network. The other half are two flat vectors: the weights,
    which training changes by gradients, and the statistics (mean and deviation of the inputs, running mean and variance
    of every normalized layer), which it measures. With them, an estimate depends on nothing but its voxel.

    Parameters
    ----------
    sizes : widths from the number of inputs to the number of estimated parameters; the paper's narrow network is
        (10, 10, 10, 10, 4) [epstein2022].
    output_scales : fixed factor from network output to parameter unit (1e-3 lets the network work in 1e-3 mm²/s).
    output_offsets : None for 0, or the value of each parameter at network output 0.
    constraint : "abs" (the paper's released code), "none", "softplus" (both positive and smooth), "exp" (positive, and
        as precise relative to its value at either end of decades), "sigmoid" (inside `output_ranges`), or
        "hard-sigmoid": high·clip((z + 3)/6, 0, 1), and at least low [mao2024].
    output_ranges : (low, high) per parameter in parameter units, needed by the sigmoids.
    input_scaling : "none": the measurements as they are (the paper's simulations); "norm": divided by a = ‖y‖₂/c;
        "first": divided by a = |y_0|/c. The amplitude parameter is multiplied by a again, so the network answers
        alike in any scanner units.
    amplitude_index : which parameter the signal is proportional to; needed by an input scaling.
    reference : c, the typical ‖signal‖₂ (or first signal) at unit amplitude.
    has_complex_amplitude : inputs are real above imaginary parts of coefficients proportional to an unknown complex
        number, which `input_scaling` removes (see `without_complex_amplitude`); no parameter is scaled back.
    mirrored_by : None, or the complex coefficient whose imaginary part is made positive by conjugating the scaled
        inputs (see `mirrored`); for models in which that changes the sign of `magnitude_outputs` and nothing else.
    activation : "elu" or "relu".
    has_normalization : batch normalization of every layer but the last: z is centered and divided by its deviation,
        over the batch in training and by running statistics ever after, then scaled and shifted by two weights.
    skips : (source, target) layers, 0 being the scaled inputs: what the source passes on is added to z of the target.
    skip_source : what a source passes on: "linear" its z before normalization, or "output" its h.
    standardizes_inputs : scaled inputs minus their mean over the training set, divided by their standard deviation.
    magnitude_outputs : outputs that answer the magnitude of their parameter, whose sign measurements do not tell.
    initial_gain : factor on the initial ±1/√(inputs of the layer); √3 keeps the variance through linear layers.

    Raises
    ------
    RaofitError
        If an option is unknown or what it needs is missing.
    """

    sizes: tuple[int, ...]
    output_scales: tuple[float, ...]
    constraint: Constraint = "abs"
    output_ranges: tuple[tuple[float, float], ...] | None = None
    input_scaling: InputScaling = "none"
    amplitude_index: int | None = None
    reference: float = 1.0
    has_complex_amplitude: bool = False
    activation: Activation = "elu"
    has_normalization: bool = False
    skips: tuple[tuple[int, int], ...] = ()
    skip_source: SkipSource = "output"
    standardizes_inputs: bool = False
    magnitude_outputs: tuple[int, ...] = ()
    initial_gain: float = 1.0
    output_offsets: tuple[float, ...] | None = None
    mirrored_by: int | None = None

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise RaofitError(f"network sizes: expected at least two positive widths, got {self.sizes}")
        if len(self.output_scales) != self.sizes[-1]:
            raise RaofitError(f"output scales: expected {self.sizes[-1]} numbers, got {len(self.output_scales)}")
        if self.output_offsets is not None and len(self.output_offsets) != self.sizes[-1]:
            raise RaofitError(f"output offsets: expected {self.sizes[-1]} numbers, got {len(self.output_offsets)}")
        choices = {
            "output constraint": (self.constraint, CONSTRAINTS),
            "input scaling": (self.input_scaling, INPUT_SCALINGS),
            "activation": (self.activation, ACTIVATIONS),
            "skip source": (self.skip_source, ("linear", "output")),
        }
        for name, (found, allowed) in choices.items():
            if found not in allowed:
                raise RaofitError(f"{name}: expected one of {', '.join(allowed)}, got {found!r}")
        has_ranges = self.output_ranges is not None and len(self.output_ranges) == self.sizes[-1]
        if self.constraint.endswith("sigmoid") and not has_ranges:
            raise RaofitError(
                f"output constraint `{self.constraint}`: expected one output range per parameter, got none"
            )
        if self.has_complex_amplitude:
            if self.sizes[0] % 2:
                raise RaofitError(f"network sizes: expected real and imaginary inputs in pairs, got {self.sizes[0]}")
            if self.mirrored_by is not None and self.input_scaling not in ("first", "norm-phase"):
                raise RaofitError(
                    f"input scaling `{self.input_scaling}`: mirrored inputs need their phase removed; "
                    'use "first" or "norm-phase"'
                )
        elif self.mirrored_by is not None:
            raise RaofitError("mirrored inputs: expected complex coefficients, got real measurements")
        elif self.input_scaling == "norm-phase":
            raise RaofitError("input scaling `norm-phase`: expected complex coefficients, got real measurements")
        elif self.input_scaling != "none" and self.amplitude_index is None:
            raise RaofitError(
                f"input scaling `{self.input_scaling}`: the model has no amplitude parameter to scale back; "
                'use "none" and measurements in the units of the training ranges'
            )
        for source, target in self.skips:
            if not 0 <= source < target < len(self.sizes) or self.sizes[source] != self.sizes[target]:
                raise RaofitError(
                    f"skip {source} to {target}: expected a later layer of the same width in {self.sizes}"
                )

    @property
    def n_weights(self) -> int:
        """Length of the flat weight vector."""
        dense = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(self.sizes))
        return dense + 2 * sum(self._normalized_widths)

    @property
    def n_statistics(self) -> int:
        """Length of the flat vector of statistics."""
        return 2 * (self.sizes[0] * self.standardizes_inputs + sum(self._normalized_widths))

    @property
    def _normalized_widths(self) -> tuple[int, ...]:
        return self.sizes[1:-1] if self.has_normalization else ()

    def initial_weights(self, key: Array) -> Float[Array, " weight"]:
        """Uniform in ±gain/√(inputs of the layer), weights and biases alike (PyTorch's default for a linear layer at
        gain 1); normalizations start without effect.
        """
        bound = np.concatenate(
            [
                np.full((n_in + 1) * n_out, self.initial_gain * n_in**-0.5)
                for n_in, n_out in itertools.pairwise(self.sizes)
            ]
        ).astype(np.float32)
        dense = jnp.asarray(bound) * jax.random.uniform(key, bound.shape, jnp.float32, -1.0, 1.0)
        start = [np.repeat(np.float32([1.0, 0.0]), width) for width in self._normalized_widths]
        return jnp.concatenate([dense, *start])

    def initial_statistics(self, inputs: Float[Array, "measurement batch"] | None = None) -> Float[Array, " statistic"]:
        """Mean and standard deviation of the scaled inputs of a training set; mean 0 and variance 1 of every layer."""
        pieces = [np.repeat(np.float32([0.0, 1.0]), width) for width in self._normalized_widths]
        if self.standardizes_inputs:
            if inputs is None:
                raise RaofitError("a network that standardizes its inputs starts from measurements, got none")
            scaled, _ = self.scaled_inputs(inputs)
            mean, deviation = jnp.mean(scaled, axis=1), jnp.std(scaled, axis=1)
            pieces = [mean, jnp.where(deviation > 1e-6, deviation, 1.0), *pieces]
        return jnp.concatenate([jnp.zeros(0, jnp.float32), *pieces])

    def layers(self, weights: Float[Array, " weight"]) -> list[tuple[Array, Array]]:
        """The flat vector as (matrix (outputs, inputs), bias (outputs,)) per layer."""
        pairs, start = [], 0
        for n_in, n_out in itertools.pairwise(self.sizes):
            middle, end = start + n_in * n_out, start + (n_in + 1) * n_out
            pairs.append((weights[start:middle].reshape(n_out, n_in), weights[middle:end]))
            start = end
        return pairs

    def normalizations(self, weights: Float[Array, " weight"]) -> list[tuple[Array, Array]]:
        """(scale, shift) per normalized layer: the end of the flat vector."""
        widths = self._normalized_widths
        return _pairs(weights[weights.shape[0] - 2 * sum(widths) :], widths)

    def amplitude(self, inputs: Float[Array, "measurement batch"]) -> Float[Array, " batch"]:
        """The factor a that inputs are divided by, an amplitude (1 where there is nothing to divide by)."""
        if self.input_scaling == "none" and not self.has_complex_amplitude:
            return jnp.ones(inputs.shape[1:], inputs.dtype)
        size = size_of(inputs, self.input_scaling, is_complex=self.has_complex_amplitude)
        return jnp.where(size > 0, size, self.reference) / self.reference

    def scaled_inputs(self, inputs: Float[Array, "measurement batch"]) -> tuple[Array, Array]:
        """Inputs as the first layer sees them, and the factor a they were divided by."""
        amplitude = self.amplitude(inputs)
        if self.has_complex_amplitude:
            scaled = without_complex_amplitude(inputs, self.input_scaling)
            return (scaled if self.mirrored_by is None else mirrored(scaled, self.mirrored_by)), amplitude
        return (inputs if self.input_scaling == "none" else inputs / amplitude[None]), amplitude

    def apply(
        self,
        weights: Float[Array, " weight"],
        inputs: Float[Array, "measurement batch"],
        statistics: Float[Array, " statistic"] | None = None,
    ) -> Float[Array, "parameter batch"]:
        """Estimates in parameter units. The batch axis comes last: it is the long, contiguous one."""
        statistics = jnp.zeros(0, jnp.float32) if statistics is None else statistics
        return self._forward(weights, inputs, statistics, is_training=False)[0]

    def apply_to_batch(
        self,
        weights: Float[Array, " weight"],
        inputs: Float[Array, "measurement batch"],
        statistics: Float[Array, " statistic"],
    ) -> tuple[Float[Array, "parameter batch"], Float[Array, " statistic"]]:
        """Estimates normalized over this very batch, for training, and the running statistics after it."""
        return self._forward(weights, inputs, statistics, is_training=True)

    def _forward(self, weights: Array, inputs: Array, statistics: Array, *, is_training: bool) -> tuple[Array, Array]:
        hidden, amplitude = self.scaled_inputs(inputs)
        n_fixed = 2 * self.sizes[0] * self.standardizes_inputs
        if self.standardizes_inputs:
            ((mean, deviation),) = _pairs(statistics[:n_fixed], (self.sizes[0],))
            hidden = (hidden - mean[:, None]) / deviation[:, None]
        running = _pairs(statistics[n_fixed:], self._normalized_widths)
        normalizations = self.normalizations(weights)
        passed, updated = [hidden], [statistics[:n_fixed]]
        *inner, last = self.layers(weights)
        for number, layer in enumerate(inner, start=1):
            linear = normalized = self._linear(layer, hidden, passed, number)
            if self.has_normalization:
                mean, variance = running[number - 1]
                if is_training:
                    moments = jnp.mean(linear, axis=1), jnp.var(linear, axis=1)
                    old, new = jnp.concatenate([mean, variance]), jnp.concatenate(moments)
                    updated.append(old + _MOMENTUM * (jax.lax.stop_gradient(new) - old))
                    mean, variance = moments
                scale, shift = normalizations[number - 1]
                slope = scale / jnp.sqrt(variance + _EPSILON)
                normalized = slope[:, None] * (linear - mean[:, None]) + shift[:, None]
            hidden = elu(normalized) if self.activation == "elu" else jax.nn.relu(normalized)
            passed.append(linear if self.skip_source == "linear" else hidden)
        estimate = self._constrained(self._linear(last, hidden, passed, len(inner) + 1))
        statistics = jnp.concatenate(updated) if is_training else statistics
        if self.input_scaling == "none" or self.amplitude_index is None:
            return estimate, statistics
        is_amplitude = np.arange(self.sizes[-1]) == self.amplitude_index
        return estimate * jnp.where(is_amplitude[:, None], amplitude[None], 1.0), statistics

    def _linear(self, layer: tuple[Array, Array], hidden: Array, passed: list[Array], number: int) -> Array:
        """W·h + b, plus what the skips into layer `number` bring."""
        matrix, bias = layer
        linear = matrix @ hidden + bias[:, None]
        for source, target in self.skips:
            if target == number:
                linear = linear + passed[source]
        return linear

    def _constrained(self, raw: Float[Array, "parameter batch"]) -> Float[Array, "parameter batch"]:
        scales = np.array(self.output_scales, dtype=np.float32)[:, None]
        if self.constraint.endswith("sigmoid"):
            low, high = np.array(self.output_ranges, dtype=np.float32).T[..., None]
            if self.constraint == "hard-sigmoid":
                return jnp.maximum(high * jax.nn.hard_sigmoid(raw), low)
            return low + (high - low) * jax.nn.sigmoid(raw)
        functions = {"abs": jnp.abs, "none": lambda x: x, "softplus": jax.nn.softplus, "exp": _exponential}
        estimate = scales * functions[self.constraint](raw)
        if self.output_offsets is None:
            return estimate
        return estimate + np.array(self.output_offsets, dtype=np.float32)[:, None]


def elu(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Identity where x > 0, else exp(x) − 1; the plain exponential is several times faster than `expm1`."""
    return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0.0)) - 1.0)


def _exponential(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """exp(x), finite whatever x is."""
    return jnp.exp(jnp.clip(x, -_LARGEST_EXPONENT, _LARGEST_EXPONENT))


def _pairs(vector: Float[Array, " entry"], widths: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """A flat vector as two rows per width."""
    ends = list(itertools.accumulate((2 * width for width in widths), initial=0))
    return [
        (vector[start : start + width], vector[start + width : start + 2 * width])
        for start, width in zip(ends, widths, strict=False)
    ]
