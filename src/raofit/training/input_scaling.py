"""What a network sees of a measurement: divided by its size, and for an unknown complex amplitude by its phase too.

Columns are voxels. Complex coefficients come as real parts above imaginary parts, (2R, batch).
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

InputScaling = Literal["none", "norm", "first", "norm-phase"]
INPUT_SCALINGS: tuple[InputScaling, ...] = ("none", "norm", "first", "norm-phase")


def size_of(inputs: Float[Array, "input batch"], scaling: InputScaling, *, is_complex: bool) -> Float[Array, " batch"]:
    """‖y‖₂, or |y_0| for "first"; with `is_complex`, y_0 is the complex number of rows 0 and R."""
    if scaling != "first":
        return _norm(inputs)
    return _norm(inputs[:: inputs.shape[0] // 2]) if is_complex else jnp.abs(inputs[0])


def without_complex_amplitude(
    inputs: Float[Array, "input batch"], scaling: InputScaling
) -> Float[Array, "input batch"]:
    """Coefficients free of the amplitude M0 they are proportional to.

        "first": y/y_0 (first real part 1, first imaginary part 0)      "norm": y/‖y‖₂ (the phase stays)
        "norm-phase": y·conj(y_0)/(|y_0|·‖y‖₂)                          "none": y

    A voxel whose divisor is 0 stays as it is.
    """
    if scaling == "none":
        return inputs
    n_coefficients = inputs.shape[0] // 2
    size = size_of(inputs, scaling, is_complex=True)
    unit = inputs / jnp.where(size > 0, size, 1.0)[None]
    if scaling == "norm":
        return unit
    real, imaginary = unit[:n_coefficients], unit[n_coefficients:]
    length = _norm(unit[::n_coefficients])
    safe = jnp.where(length > 0, length, 1.0)
    cosine = jnp.where(length > 0, real[0] / safe, 1.0)[None]
    sine = jnp.where(length > 0, imaginary[0] / safe, 0.0)[None]
    return jnp.concatenate([real * cosine + imaginary * sine, imaginary * cosine - real * sine])


def mirrored(inputs: Float[Array, "input batch"], coefficient: int) -> Float[Array, "input batch"]:
    """Coefficients conjugated where the imaginary part of one of them is negative.

    A signal that is the complex conjugate of another tells the same of every parameter whose sign does not matter, so
    a network needs to learn one half of all signals only.
    """
    n_coefficients = inputs.shape[0] // 2
    real, imaginary = inputs[:n_coefficients], inputs[n_coefficients:]
    return jnp.concatenate([real, jnp.where(imaginary[coefficient] < 0, -imaginary, imaginary)])


def _norm(rows: Float[Array, "row batch"]) -> Float[Array, " batch"]:
    """√Σ y² with the largest entry taken out first: squares of scanner units may overflow."""
    largest = jnp.max(jnp.abs(rows), axis=0)
    safe = jnp.where(largest > 0, largest, 1.0)
    total = jnp.sum(jnp.square(rows / safe[None]), axis=0)
    return largest * jnp.sqrt(jnp.where(largest > 0, total, 1.0))
