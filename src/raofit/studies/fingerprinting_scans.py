"""Scans of the digital brain by the fingerprinting train, and what the methods make of them.

"calibrated" : B1 is what the estimators take it to be; noise alone,
"b1" : the B1 of a head at 3 T, which the estimators take to be 1, unless they are given the map,
"undersampled" : as "calibrated", with the aliasing of undersampled echoes on top.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import jax
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, UInt8

from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.models import AbstractSignalModel, Compressed, build
from raofit.noise import ComplexGaussian
from raofit.studies.brain_phantom import BrainPhantom, simulate_images
from raofit.studies.fingerprinting import DICTIONARY, ESTIMATED
from raofit.studies.undersampling import undersampled

CALIBRATED, B1_IGNORED, UNDERSAMPLED = "calibrated", "b1", "undersampled"
SCAN_TITLES = {
    CALIBRATED: "B1 as assumed, noise alone",
    B1_IGNORED: "B1 of a head, taken to be 1",
    UNDERSAMPLED: "B1 as assumed, undersampled echoes",
}
DICTIONARY_B1, NLLS_B1 = "dictionary-b1", "nlls-b1"  # with the map of B1
PARENCHYMA = ("white matter", "cortex", "caudate", "putamen", "thalamus", "lesion")
FLUIDS = ("subarachnoid fluid", "ventricles")
SIGMA = 1 / 30  # in units of the M0 of fluid: SNR 21 in white matter, 25 in the cortex

ScanName = Literal["calibrated", "b1", "undersampled"]


@dataclasses.dataclass(frozen=True)
class ScanStudy:
    """Estimates of one scan; arrays over the voxels of the mask.

    Parameters
    ----------
    mask, region : where the voxels are, and in which region of `names`.
    truths : T1 and T2 (s).
    values, status : by method.
    bound : √CRB at the truth, with the M0 and σ of the scan (s).
    """

    mask: Bool[np.ndarray, "y x"]
    region: UInt8[np.ndarray, " voxel"]
    names: tuple[str, ...]
    truths: Float[np.ndarray, "voxel parameter"]
    values: Mapping[str, Float[np.ndarray, "voxel parameter"]]
    status: Mapping[str, UInt8[np.ndarray, " voxel"]]
    bound: Float[np.ndarray, "voxel parameter"]

    def is_in(self, *names: str) -> Bool[np.ndarray, " voxel"]:
        """Voxels of the named regions."""
        return np.isin(self.region, [self.names.index(name) for name in names])

    def errors(self, method: str, *names: str) -> Float[np.ndarray, "voxel parameter"]:
        """Estimate − truth in units of the truth, over the voxels of the named regions."""
        chosen = self.is_in(*names)
        return (self.values[method] / self.truths - 1.0)[chosen]

    def distance(self, method: str, other: str = DICTIONARY) -> Float[np.ndarray, " parameter"]:
        """Median |estimate − estimate of the other method| in units of √CRB, over tissue."""
        difference = np.abs(self.values[method] - self.values[other]) / self.bound
        return np.nanmedian(difference[self.is_in(*PARENCHYMA)], axis=0)

    def share_flagged(self, method: str, *names: str) -> float:
        """Share of the voxels of the named regions whose status is other than OK."""
        return float(np.mean(self.status[method][self.is_in(*names)] != Status.OK))

    def volume(self, values: Float[np.ndarray, " voxel"]) -> Float[np.ndarray, "x y 1"]:
        """Values as a slice with the head upright, NaN outside."""
        image = np.full(self.mask.shape, np.nan)
        image[self.mask] = values
        return upright(image)


def upright(image: np.ndarray) -> np.ndarray:
    """A picture (row from above, column) as a volume with one slice, first axis to the right and second axis up."""
    return np.swapaxes(image[::-1], 0, 1)[..., None]


def measurements(
    phantom: BrainPhantom,
    model: Compressed,
    name: ScanName,
    *,
    acceleration: float | None = None,
    key: Array,
) -> Complex[np.ndarray, "voxel coefficient"]:
    """Noisy coefficients of the phantom's voxels; `acceleration` is that of an undersampled scan."""
    noise_key, sampling_key = jax.random.split(key)
    train = with_free_b1(model.model) if name == B1_IGNORED else model.model
    if name == UNDERSAMPLED:
        images = undersampled(simulate_images(phantom, train), acceleration or 1.0, key=sampling_key)
        signals = images[:, phantom.mask].T @ model.basis.astype(np.float32)
    else:
        columns = slice(0, len(train.parameter_names))
        rows = phantom.parameters[phantom.mask][:, columns].astype(np.float32)
        signals = np.asarray(Compressed(train, model.basis).signal(rows)) * phantom.amplitude[phantom.mask][:, None]
    return np.asarray(ComplexGaussian(SIGMA).sample(noise_key, signals.astype(np.complex64)))


def with_free_b1(train: AbstractSignalModel) -> AbstractSignalModel:
    """The same train with B1 as a parameter."""
    return build("mrf-fisp", train.protocol)


def ordered(estimate: Estimate) -> Float[np.ndarray, "voxel parameter"]:
    """T1 and T2 of an estimate."""
    return np.stack([estimate[name] for name in ESTIMATED], axis=-1).astype(np.float64)
