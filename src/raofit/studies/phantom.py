"""A digital phantom: a slab of tissue regions with known IVIM parameters, and repeated scans of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


@dataclasses.dataclass(frozen=True)
class Region:
    """An ellipse and what fills it.

    Parameters
    ----------
    center, radii : in units of half the field of view, (0, 0) being its middle.
    angle : of the first radius, degrees from the first axis.
    fraction, slow, fast : f, D_slow and D_fast at the center (1, mm²/s, mm²/s).
    gradient : relative change of each of the three from the center to one end of the ellipse, reversed at the other.
    """

    name: str
    center: tuple[float, float]
    radii: tuple[float, float]
    angle: float
    fraction: float
    slow: float
    fast: float
    gradient: tuple[float, float, float] = (0.0, 0.0, 0.0)


# later regions cover earlier ones; values span the ranges Epstein 2022 trains on, most voxels having low f as in tissue
REGIONS = (
    Region("muscle", (0.0, 0.0), (0.92, 0.74), 0.0, 0.14, 1.35e-3, 40e-3, (0.2, 0.25, 0.5)),
    Region("bladder", (0.0, 0.36), (0.30, 0.24), 0.0, 0.12, 2.75e-3, 70e-3, (0.1, 0.06, 0.6)),
    Region("left marrow", (-0.62, 0.02), (0.19, 0.30), 15.0, 0.20, 0.65e-3, 95e-3, (0.4, 0.35, 0.4)),
    Region("right marrow", (0.62, 0.02), (0.19, 0.30), -15.0, 0.20, 0.65e-3, 95e-3, (-0.4, -0.35, -0.4)),
    Region("gland", (0.0, -0.06), (0.24, 0.17), 0.0, 0.28, 1.75e-3, 60e-3, (0.35, 0.2, 0.6)),
    Region("lesion", (0.09, -0.09), (0.08, 0.07), 0.0, 0.15, 0.85e-3, 25e-3),
    Region("bowel", (0.0, -0.42), (0.21, 0.15), 0.0, 0.42, 1.55e-3, 115e-3, (0.18, 0.3, 0.25)),
    Region("left vessel", (-0.30, 0.28), (0.055, 0.055), 0.0, 0.49, 2.3e-3, 145e-3),
    Region("right vessel", (0.30, 0.28), (0.055, 0.055), 0.0, 0.49, 2.3e-3, 145e-3),
)


@dataclasses.dataclass(frozen=True)
class Phantom:
    """True parameters everywhere.

    Parameters
    ----------
    parameters : S0, f, D_slow, D_fast; S0 is 0 outside the body and lies between 0.85 and 1.15 in it.
    mask : the body.
    region : 0 outside, else 1 + index in `REGIONS`.
    """

    parameters: Float[np.ndarray, "x y z 4"]
    mask: Bool[np.ndarray, "x y z"]
    region: UInt8[np.ndarray, "x y z"]


def digital_phantom(shape: tuple[int, int, int] = (96, 96, 3)) -> Phantom:
    """The phantom on a grid of voxels; regions shrink by a tenth from the first slice to the last."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    shrink = 1.0 - 0.05 * (z + 1.0)
    region = np.zeros(shape, dtype=np.uint8)
    parameters = np.zeros((*shape, 4))
    parameters[..., 1:] = (REGIONS[0].fraction, REGIONS[0].slow, REGIONS[0].fast)
    for index, item in enumerate(REGIONS, start=1):
        angle = np.deg2rad(item.angle)
        across, along = x - item.center[0], y - item.center[1]
        first = (across * np.cos(angle) + along * np.sin(angle)) / (item.radii[0] * shrink)
        second = (along * np.cos(angle) - across * np.sin(angle)) / (item.radii[1] * shrink)
        inside = (first**2 + second**2 < 1.0) & ((region > 0) | (index == 1))
        region[inside] = index
        for column, (value, slope) in enumerate(
            zip((item.fraction, item.slow, item.fast), item.gradient, strict=True), start=1
        ):
            parameters[inside, column] = value * (1.0 + slope * (first if column != 2 else second)[inside])
    mask = region > 0
    parameters[mask, 0] = 1.0 + 0.15 * np.cos(1.7 * (x - 0.3))[mask] * np.cos(1.3 * (y + 0.4))[mask]
    return Phantom(parameters, mask, region)


def simulate_scans(
    phantom: Phantom, model: AbstractSignalModel, noise: AbstractNoise, n_repeats: int, key: Array
) -> Float[np.ndarray, "repeat x y z measurement"]:
    """`n_repeats` noisy scans of the phantom (float32); outside the body there is noise alone."""
    signal = model.signal(jnp.asarray(phantom.parameters, dtype=jnp.float32))
    return np.stack([np.asarray(noise.sample(each, signal)) for each in jax.random.split(key, n_repeats)])
