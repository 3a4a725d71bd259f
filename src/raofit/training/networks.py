"""The network: a multilayer perceptron whose weights are one flat vector, in and out in physical units."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError

Constraint = Literal["abs", "none", "softplus", "sigmoid"]
InputScaling = Literal["none", "norm", "first"]
CONSTRAINTS: tuple[Constraint, ...] = ("abs", "none", "softplus", "sigmoid")
INPUT_SCALINGS: tuple[InputScaling, ...] = ("none", "norm", "first")


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """Fully connected layers with ELU between them, then a linear layer, a constraint, and a fixed scale per output.

        h ← ELU(W·h + b)      estimate_k = scale_k · constraint(W·h + b)_k

    Hashable and without weights: it is the static half of a network, the flat weight vector is the other.

    Parameters
    ----------
    sizes : widths from the number of inputs to the number of parameters; the paper's narrow network is
        (10, 10, 10, 10, 4) [epstein2022].
    output_scales : fixed factor from network output to parameter unit (1e-3 lets the network work in 1e-3 mm²/s).
    constraint : "abs" (the paper's released code), "none", "softplus" (both positive and smooth), or "sigmoid"
        (inside `output_ranges`).
    output_ranges : (low, high) per parameter in parameter units, needed by "sigmoid".
    input_scaling : "none": the measurements as they are (the paper's simulations); "norm": divided by a = ‖y‖₂/c;
        "first": divided by a = |y_0|/c. The amplitude parameter is multiplied by a again, so the network answers
        alike in any scanner units.
    amplitude_index : which parameter the signal is proportional to; needed by an input scaling.
    reference : c, the typical ‖signal‖₂ (or first signal) at unit amplitude.

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

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise RaofitError(f"network sizes: expected at least two positive widths, got {self.sizes}")
        if len(self.output_scales) != self.sizes[-1]:
            raise RaofitError(f"output scales: expected {self.sizes[-1]} numbers, got {len(self.output_scales)}")
        if self.constraint not in CONSTRAINTS:
            raise RaofitError(f"output constraint: expected one of {', '.join(CONSTRAINTS)}, got {self.constraint!r}")
        if self.input_scaling not in INPUT_SCALINGS:
            raise RaofitError(f"input scaling: expected one of {', '.join(INPUT_SCALINGS)}, got {self.input_scaling!r}")
        if self.constraint == "sigmoid" and (self.output_ranges is None or len(self.output_ranges) != self.sizes[-1]):
            raise RaofitError("output constraint `sigmoid`: expected one output range per parameter, got none")
        if self.input_scaling != "none" and self.amplitude_index is None:
            raise RaofitError(
                f"input scaling `{self.input_scaling}`: the model has no amplitude parameter to scale back; "
                'use "none" and measurements in the units of the training ranges'
            )

    @property
    def n_weights(self) -> int:
        """Length of the flat weight vector."""
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True))

    def initial_weights(self, key: Array) -> Float[Array, " weight"]:
        """Uniform in ±1/√(inputs of the layer), weights and biases alike (PyTorch's default for a linear layer)."""
        bound = np.concatenate(
            [
                np.full((n_in + 1) * n_out, n_in**-0.5, dtype=np.float32)
                for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True)
            ]
        )
        return jnp.asarray(bound) * jax.random.uniform(key, bound.shape, jnp.float32, -1.0, 1.0)

    def layers(self, weights: Float[Array, " weight"]) -> list[tuple[Array, Array]]:
        """The flat vector as (matrix (outputs, inputs), bias (outputs,)) per layer."""
        pairs, start = [], 0
        for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            middle, end = start + n_in * n_out, start + (n_in + 1) * n_out
            pairs.append((weights[start:middle].reshape(n_out, n_in), weights[middle:end]))
            start = end
        return pairs

    def amplitude(self, inputs: Float[Array, "measurement batch"]) -> Float[Array, " batch"]:
        """The factor a that inputs are divided by (1 where there is nothing to divide by)."""
        if self.input_scaling == "none":
            return jnp.ones(inputs.shape[1:], inputs.dtype)
        size = jnp.abs(inputs[0])
        if self.input_scaling == "norm":
            largest = jnp.max(jnp.abs(inputs), axis=0)  # taken out first: squares of scanner units may overflow
            safe = jnp.where(largest > 0, largest, 1.0)
            size = largest * jnp.sqrt(jnp.sum(jnp.square(inputs / safe[None]), axis=0))
        return jnp.where(size > 0, size, self.reference) / self.reference

    def scaled_inputs(self, inputs: Float[Array, "measurement batch"]) -> tuple[Array, Array]:
        """Inputs as the first layer sees them, and the factor a they were divided by."""
        amplitude = self.amplitude(inputs)
        return (inputs if self.input_scaling == "none" else inputs / amplitude[None]), amplitude

    def apply(
        self, weights: Float[Array, " weight"], inputs: Float[Array, "measurement batch"]
    ) -> Float[Array, "parameter batch"]:
        """Estimates in parameter units. The batch axis comes last: it is the long, contiguous one."""
        hidden, amplitude = self.scaled_inputs(inputs)
        *inner, (matrix, bias) = self.layers(weights)
        for inner_matrix, inner_bias in inner:
            hidden = elu(inner_matrix @ hidden + inner_bias[:, None])
        estimate = self._constrained(matrix @ hidden + bias[:, None])
        if self.input_scaling == "none" or self.amplitude_index is None:
            return estimate
        is_amplitude = np.arange(self.sizes[-1]) == self.amplitude_index
        return estimate * jnp.where(is_amplitude[:, None], amplitude[None], 1.0)

    def _constrained(self, raw: Float[Array, "parameter batch"]) -> Float[Array, "parameter batch"]:
        scales = np.array(self.output_scales, dtype=np.float32)[:, None]
        if self.constraint == "sigmoid":
            low, high = np.array(self.output_ranges, dtype=np.float32).T[..., None]
            return low + (high - low) * jax.nn.sigmoid(raw)
        functions = {"abs": jnp.abs, "none": lambda x: x, "softplus": jax.nn.softplus}
        return scales * functions[self.constraint](raw)


def elu(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Identity where x > 0, else exp(x) − 1; the plain exponential is several times faster than `expm1`."""
    return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0.0)) - 1.0)
