"""Figures 5 to 7: the digital phantom, or any repeated scan, through the protocol of `studies.repeated_scan`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Bool, Float

from raofit.cli._progress import say
from raofit.core.errors import RaofitError
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.bins import BinnedCurve
from raofit.evaluation.evaluate import Estimator
from raofit.io.nifti import open_series, read_mask
from raofit.io.protocol_file import series_protocol
from raofit.io.provenance import sha256
from raofit.models import IVIM
from raofit.noise import Rician
from raofit.studies.epstein2022 import CONVENTIONAL, SNRS, Size, paper_model
from raofit.studies.epstein2022_claims import COMPARED
from raofit.studies.fixed_size_fit import FixedSizeFit
from raofit.studies.phantom import digital_phantom, simulate_scans
from raofit.studies.repeated_scan import (
    AmplitudeNormalized,
    binned,
    estimate_repeats,
    reference_fit,
    resimulate,
    sigma_of_repeats,
    split_repeats,
)

if TYPE_CHECKING:
    from raofit.cli._reproduce_run import Runner

_PHANTOM_SNR = min(SNRS)


@dataclasses.dataclass(frozen=True)
class Scan:
    """A repeated scan of the voxels in a mask.

    Parameters
    ----------
    words : what it is, for the report.
    description : identifies it for resuming.
    truth : true parameters, for the phantom.
    """

    words: str
    description: str
    b_values: Float[np.ndarray, " measurement"]
    repeats: Float[np.ndarray, "repeat voxel measurement"]
    mask: Bool[np.ndarray, "x y z"]
    truth: Float[np.ndarray, "voxel parameter"] | None = None


@dataclasses.dataclass(frozen=True)
class ScanStudy:
    """What the methods make of a repeated scan; arrays over the voxels of the mask."""

    scan: Scan
    model: IVIM
    reference: Float[np.ndarray, "voxel parameter"]
    first_maps: Mapping[str, Float[np.ndarray, "voxel parameter"]]
    measured: Mapping[str, Mapping[str, BinnedCurve]]
    simulated: Mapping[str, Mapping[str, BinnedCurve]]
    snr: float

    def volume(self, values: Float[np.ndarray, "voxel parameter"]) -> Float[np.ndarray, "x y z parameter"]:
        """Voxel values in space, NaN outside the mask."""
        volume = np.full((*self.scan.mask.shape, values.shape[-1]), np.nan)
        volume[self.scan.mask] = values
        return volume


def phantom_scan(size: Size, key: jax.Array) -> Scan:
    """Repeated scans of the digital phantom at the lower SNR of the study."""
    phantom = digital_phantom(size.phantom_shape)
    scans = simulate_scans(phantom, paper_model(), Rician(1.0 / _PHANTOM_SNR), size.n_scan_repeats, key)
    n_voxels = int(phantom.mask.sum())
    return Scan(
        f"a digital phantom ({n_voxels:,} voxels, {size.n_scan_repeats} repeats, SNR {_PHANTOM_SNR:g})",
        "phantom",
        np.asarray(paper_model().b_values),
        scans[:, phantom.mask],
        phantom.mask,
        phantom.parameters[phantom.mask],
    )


def load_scan(image: Path, bval: Path | None, mask: Path | None) -> Scan:
    """A measured repeated scan: a NIfTI series in which every b-value occurs equally often."""
    series = open_series([image])
    b_values = series_protocol(("b_values",), [image], series.shape[3], bval=bval, te=None)["b_values"]
    volumes = series.read()
    selected = np.all(np.isfinite(volumes), axis=-1) & np.any(volumes > 0, axis=-1)
    if mask is not None:
        selected &= read_mask(mask, series)
    if not selected.any():
        raise RaofitError(f"{image}: no voxel with a positive signal inside the mask; check image and mask")
    single, repeats = split_repeats(volumes[selected], b_values)
    return Scan(
        f"{image.name} ({int(selected.sum()):,} voxels, {len(repeats)} repeats)",
        f"{sha256(image)} {'' if mask is None else sha256(mask)} {b_values.tolist()}",
        single,
        repeats,
        selected,
    )


def run_scan(scan: Scan, networks: Mapping[str, NetworkEstimator], runner: "Runner") -> ScanStudy:
    """Reference, single acquisitions and their simulation; networks of the study serve if the b-values are the paper's.

    For another protocol, networks are trained for it at the SNR measured in the scan.
    """
    model = IVIM(scan.b_values)
    sigma = np.maximum(sigma_of_repeats(scan.repeats), 1e-6 * np.mean(scan.repeats[..., 0]))
    lowest = scan.repeats[..., 0]
    snr = float(f"{np.median(lowest.mean(axis=0)) / np.sqrt(np.mean(lowest.var(axis=0, ddof=1))):.3g}")
    if not np.array_equal(scan.b_values, np.sort(runner.model.b_values)):
        say(f"The scan has other b-values than the paper: training networks for them at its SNR, {snr:g}")
        networks = runner.networks(snr, runner.labels(snr, model), None, model)
    index = model.amplitude_index or 0
    estimators: dict[str, Estimator] = {CONVENTIONAL: FixedSizeFit(model, Rician, sigma)}
    estimators |= {name: AmplitudeNormalized(networks[name], index) for name in COMPARED if name != CONVENTIONAL}

    def compute() -> dict[str, np.ndarray]:
        reference = reference_fit(model, scan.repeats, sigma).values
        usable = np.all(np.isfinite(reference), axis=-1)
        safe = np.where(usable[:, None], reference, [1.0, *(p.typical_value for p in model.parameters[1:])])
        again = resimulate(model, safe, sigma, len(scan.repeats), runner.key("resimulate"))
        measured = estimate_repeats(estimators, scan.repeats, stage="repeated scan", progress=runner.progress)
        simulated = estimate_repeats(estimators, again, stage="simulated scan", progress=runner.progress)
        arrays = {"reference": reference}
        arrays |= {f"measured/{name}": values for name, values in measured.items()}
        return arrays | {f"simulated/{name}": values for name, values in simulated.items()}

    stored = runner.stages.run("scan", compute)
    measured, simulated = ({name: stored[f"{kind}/{name}"] for name in COMPARED} for kind in ("measured", "simulated"))
    reference = stored["reference"]
    return ScanStudy(
        scan,
        model,
        reference,
        {name: values[0] for name, values in measured.items()},
        binned(reference, measured, model.parameters),
        binned(reference, simulated, model.parameters),
        snr,
    )
