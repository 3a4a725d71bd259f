"""The networks for complex coefficients by name: as published, and compact ones of a tenth of the size and less."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from raofit.core.errors import RaofitError
from raofit.recipes.training_recipe import Architecture, TrainingRecipe
from raofit.training.networks import Perceptron

COMPACT: Mapping[Architecture, tuple[int, ...]] = {"compact": (256, 256, 256), "compact-small": (128, 128, 128)}

_ZHANG = (128, 256, 512, 1024, 768, 640, 512, 384, 256, 192, 128, 26, 10, 6)
_MAO = (256, 512, 1024, 768, 512, 384, 256, 128, 30, 32)
_MAO_RANGES = {
    "m0s": (1e-5, 1.0),
    "R1f": (0.01, 2.0),
    "R2f": (0.01, 25.0),
    "Rx": (0.01, 50.0),
    "R1s": (0.01, 10.0),
    "T2s": (1e-6, 30e-6),
    "B1": (0.6, 1.2),
}


def zhang2022(n_outputs: int = 3) -> Perceptron:
    """13 complex coefficients over their norm, 14 normalized layers, four skips, outputs without bounds [zhang2022].

    >>> zhang2022().n_weights
    2683923
    """
    return Perceptron(
        sizes=(26, *_ZHANG, n_outputs),
        output_scales=(1.0,) * n_outputs,
        constraint="none",
        input_scaling="norm",
        has_complex_amplitude=True,
        activation="relu",
        has_normalization=True,
        skips=((3, 7), (2, 9), (1, 11), (0, 12)),
        skip_source="linear",
    )


def mao2024(names: tuple[str, ...], ranges: Mapping[str, tuple[float, float]]) -> Perceptron:
    """15 complex coefficients over the first one, 10 normalized layers with three nested skips, outputs clipped to the
    published ranges, or to `ranges` for a parameter that has none (the publication's is 0 to π/TR for |ω0|) [mao2024].

    >>> names = ("m0s", "R1f", "R2f", "Rx", "R1s", "T2s", "omega0", "B1")
    >>> mao2024(names, {"omega0": (0.0, 897.6)}).n_weights
    2187138
    """
    return Perceptron(
        sizes=(30, *_MAO, len(names)),
        output_scales=(1.0,) * len(names),
        constraint="hard-sigmoid",
        output_ranges=tuple(_MAO_RANGES.get(name) or ranges[name] for name in names),
        input_scaling="first",
        has_complex_amplitude=True,
        activation="relu",
        has_normalization=True,
        skips=((2, 5), (1, 7), (0, 9)),
    )


def network_for(
    recipe: TrainingRecipe,
    names: tuple[str, ...],
    labels: Float[np.ndarray, "sample parameter"],
    n_inputs: int,
) -> Perceptron:
    """The recipe's network for complex coefficients.

    Parameters
    ----------
    names : parameters to estimate.
    labels : their labels over the training set; they set scales and ranges of the outputs that are not published.
    n_inputs : twice the number of coefficients.

    Raises
    ------
    RaofitError
        If a published network does not fit the number of coefficients.
    """
    low, high = labels.min(axis=0).astype(np.float64), labels.max(axis=0).astype(np.float64)
    margin = recipe.output_margin * (high - low)
    ranges = {
        name: (float(left), float(right)) for name, left, right in zip(names, low - margin, high + margin, strict=True)
    }
    is_published = recipe.architecture in ("zhang2022", "mao2024")
    if recipe.architecture == "zhang2022":
        network = zhang2022(len(names))
    elif recipe.architecture == "mao2024":
        network = mao2024(names, {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)})
    else:
        hidden = recipe.hidden or COMPACT.get(recipe.architecture) or (n_inputs,) * 3
        offsets, scales = np.zeros(len(names)), np.ones(len(names))
        if recipe.output_scaling == "mean":
            scales = np.abs(labels).mean(axis=0)
        elif recipe.output_scaling == "spread":
            offsets, scales = labels.mean(axis=0), labels.std(axis=0)
        network = Perceptron(
            sizes=(n_inputs, *hidden, len(names)),
            output_scales=_rounded(np.where(scales > 0, scales, 1.0)),
            output_offsets=_rounded(offsets),
            constraint=recipe.constraint,
            output_ranges=tuple(ranges.values()),
            input_scaling=recipe.input_scaling,
            has_complex_amplitude=True,
            standardizes_inputs=True,
            initial_gain=3.0**0.5,
        )
    if is_published and network.sizes[0] != n_inputs:
        raise RaofitError(
            f"architecture `{recipe.architecture}`: expected {network.sizes[0] // 2} complex coefficients, "
            f"got {n_inputs // 2}; compress the signals to as many, or use the architecture `compact`"
        )
    magnitudes = tuple(index for index, name in enumerate(names) if name in recipe.magnitudes)
    return dataclasses.replace(network, magnitude_outputs=magnitudes)


def _rounded(values: Float[np.ndarray, " parameter"]) -> tuple[float, ...]:
    """Four significant digits."""
    return tuple(float(f"{value:.4g}") for value in values)
