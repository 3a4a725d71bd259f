"""A digital brain slice for fingerprinting: true T1, T2, proton density and B1 at 3 T, and noise-free images of it."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float, UInt8

from raofit.core.errors import RaofitError
from raofit.models import AbstractSignalModel
from raofit.studies.brain_regions import NAMES, region_map

PARAMETERS = ("T1", "T2", "B1")


@dataclasses.dataclass(frozen=True)
class Tissue:
    """Mean T1 and T2 (s) of a region at 3 T, and its proton density relative to that of fluid."""

    T1: float
    T2: float
    proton_density: float


# T1 of white matter, cortex, caudate and putamen: [wright2008], in vivo. T2 of white matter and cortex: [stanisz2005],
# in vitro at 37 °C ([cox2010] found 71 ms, and 68 to 76 ms, in vivo). Proton density of white matter and cortex: water
# content in [orospeusquens2019], fluid 1. T1 and T2 of fluids: "Quantification of T1 and T2 of subarachnoid CSF"
# (PMC10696635). Plausible choices of our own: all of thalamus and lesion; T2 and proton density of caudate and putamen.
TISSUES = {
    "white matter": Tissue(0.838, 0.069, 0.69),
    "cortex": Tissue(1.607, 0.099, 0.84),
    "caudate": Tissue(1.395, 0.082, 0.82),
    "putamen": Tissue(1.332, 0.074, 0.81),
    "thalamus": Tissue(1.200, 0.076, 0.78),
    "lesion": Tissue(1.300, 0.130, 0.83),
    "subarachnoid fluid": Tissue(4.309, 1.886, 1.0),
    "ventricles": Tissue(4.454, 2.373, 1.0),
}
_SPREAD = Tissue(0.03, 0.03, 0.015)  # standard deviation of the smooth variation within a tissue, relative
_WAVES, _SHORTEST_WAVE = 8, 0.25  # of the variation; units of half the field of view


@dataclasses.dataclass(frozen=True)
class BrainPhantom:
    """Truth everywhere; every voxel is one tissue (no partial volume).

    Parameters
    ----------
    parameters : T1 (s), T2 (s) and B1 (1). Outside the brain they are those of white matter, and B1 goes on.
    amplitude : complex M0: proton density (fluid about 1) with a smooth phase; 0 outside.
    region : index into `names`, 0 outside.
    mask : the brain with its fluids.
    names : of the regions. T1 and T2 of "subarachnoid fluid" and "ventricles" (4.3 to 4.5 s, 1.9 to 2.4 s) are beyond
        the range that fingerprinting estimators are usually made for; `mask_of` selects the others.
    """

    parameters: Float[np.ndarray, "y x 3"]
    amplitude: Complex[np.ndarray, "y x"]
    region: UInt8[np.ndarray, "y x"]
    mask: Bool[np.ndarray, "y x"]
    names: tuple[str, ...] = NAMES

    def mask_of(self, *names: str) -> Bool[np.ndarray, "y x"]:
        """Voxels of the named regions.

        Raises
        ------
        RaofitError
            If a name is none of `names`.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise RaofitError(f"brain phantom: expected regions out of {', '.join(self.names)}, got `{unknown[0]}`")
        return np.isin(self.region, [self.names.index(name) for name in names])


def brain_phantom(size: int = 128) -> BrainPhantom:
    """The slice on `size` × `size` voxels, always the same.

    T1, T2 and proton density of a tissue vary smoothly by 3, 3 and 1.5 % (standard deviation), independently of each
    other, about the values in `TISSUES`. B1 falls from 1.19 near the middle to 0.8 at the edge of the brain, as at 3 T.

    Raises
    ------
    RaofitError
        If `size` is too small for the cortex to be there.

    References: [wright2008], [stanisz2005], [orospeusquens2019].
    """
    if size < 32:
        raise RaofitError(f"brain phantom: expected a `size` of at least 32 voxels, got {size}")
    region = region_map(size)
    mask = region > 0
    middle = (2.0 * np.arange(size) + 1.0) / size - 1.0
    y, x = np.meshgrid(middle, middle, indexing="ij")
    maps = {}
    for seed, name in enumerate(("T1", "T2", "proton_density")):
        means = np.array([getattr(TISSUES.get(region_name, TISSUES["white matter"]), name) for region_name in NAMES])
        maps[name] = means[region] * (1.0 + getattr(_SPREAD, name) * _smooth_variation(x, y, seed))
    b1 = 1.19 - 0.62 * (x - 0.03) ** 2 - 0.41 * (y + 0.04) ** 2 + 0.04 * x * y
    phase = 0.8 + 1.1 * x - 0.7 * y + 0.9 * x * y - 0.5 * y**2
    amplitude = np.where(mask, maps["proton_density"] * np.exp(1j * phase), 0.0)
    return BrainPhantom(np.stack([maps["T1"], maps["T2"], b1], axis=-1), amplitude, region, mask)


def simulate_images(phantom: BrainPhantom, model: AbstractSignalModel) -> Complex[np.ndarray, "measurement y x"]:
    """Noise-free images of the phantom (complex64): M0 times the signal of the model, 0 outside the brain.

    A model with the parameters T1, T2 and B1 sees the map of B1; a model of T1 and T2 alone has the B1 it was made with
    everywhere. Noise and undersampling (`raofit.studies.undersampling`) come on top.

    Raises
    ------
    RaofitError
        If the model has a parameter that the phantom has not.
    """
    unknown = [name for name in model.parameter_names if name not in PARAMETERS]
    if unknown:
        raise RaofitError(
            f"brain phantom: expected a model of {', '.join(PARAMETERS)} or some of them, got `{model.name}` with the "
            f"parameter `{unknown[0]}`; use raofit.models.MRFFISP"
        )
    columns = [PARAMETERS.index(name) for name in model.parameter_names]
    rows = jnp.asarray(phantom.parameters[phantom.mask][:, columns], dtype=jnp.float32)
    images = np.zeros((model.n_measurements, *phantom.mask.shape), dtype=np.complex64)
    images[:, phantom.mask] = np.asarray(model.signal(rows)).T * phantom.amplitude[phantom.mask].astype(np.complex64)
    return images


def _smooth_variation(x: np.ndarray, y: np.ndarray, seed: int) -> Float[np.ndarray, "y x"]:
    """Plane waves of random direction, length and phase: mean 0 and variance 1 over a large plane, at most 4."""
    random = np.random.default_rng(seed)
    direction, phase = random.uniform(0.0, 2.0 * np.pi, (2, _WAVES))
    number = 2.0 * np.pi / random.uniform(_SHORTEST_WAVE, 4.0 * _SHORTEST_WAVE, _WAVES)
    along = x[..., None] * np.cos(direction) + y[..., None] * np.sin(direction)
    return np.sqrt(2.0 / _WAVES) * np.cos(number * along + phase).sum(axis=-1)
