"""Spin-echo trains for the T2 benchmarks: simulated voxels, and a real slice with its least-squares optimum."""

import json
from pathlib import Path

import numpy as np
import scipy.optimize

from benchmarks.voxels import Voxels

ECHO_TIMES = np.arange(1, 31) * 12.8e-3
NAMES = ("S0", "T2")
PRIOR = np.array([(800.0, 1200.0), (20e-3, 200e-3)])  # S0 in the units of a scanner, which some peers expect
SIGMA = 20.0

_SLICE = Path(__file__).parents[2] / "shared" / "data" / "qmrust"


def signal(parameters: np.ndarray) -> np.ndarray:
    """S0·exp(−TE/T2) for (..., 2) parameters, T2 in seconds."""
    return parameters[..., :1] * np.exp(-ECHO_TIMES / parameters[..., 1:])


def draw(n: int, seed: int = 1) -> Voxels:
    """`n` voxels with Rician magnitudes at SNR 50 for S0 = 1000; a longer draw does not begin with a shorter one."""
    generator = np.random.default_rng(seed)
    truths = generator.uniform(PRIOR[:, 0], PRIOR[:, 1], (n, 2))
    channels = SIGMA * generator.normal(size=(2, n, ECHO_TIMES.size))
    return Voxels(truths, np.hypot(signal(truths) + channels[0], channels[1]))


def brain_slice() -> Voxels:
    """Magnitudes of a brain slice, in place of truths with the float64 least-squares optimum.

    It is NaN where T2 does not lie between 1 ms and 1 s.

    Raises
    ------
    FileNotFoundError
        If the slice is not at hand.
    """
    import nibabel

    image = np.asarray(nibabel.load(_SLICE / "mono_t2.nii.gz").dataobj, dtype=np.float64)
    mask = np.asarray(nibabel.load(_SLICE / "mono_t2_mask.nii.gz").dataobj) > 0
    magnitudes = image.reshape(*mask.shape, -1)[mask]
    magnitudes = magnitudes[magnitudes.any(axis=1)]
    optima = np.array([_optimum(row) for row in magnitudes])
    is_plausible = (optima[:, 1] > 1e-3) & (optima[:, 1] < 1.0)
    return Voxels(np.where(is_plausible[:, None], optima, np.nan), magnitudes)


def brain_probes() -> float:
    """Largest relative difference of the optimum from the values published with the slice."""
    import nibabel

    image = np.asarray(nibabel.load(_SLICE / "mono_t2.nii.gz").dataobj, dtype=np.float64)
    probes = json.loads((_SLICE / "mono_t2.json").read_text())["probes"]
    found = np.array([_optimum(image[probe["x"], probe["y"]].ravel()) for probe in probes])
    expected = np.array([[probe["expected"]["M0"], probe["expected"]["T2"]] for probe in probes])
    return float(np.abs(found / expected - 1).max())


def _optimum(row: np.ndarray) -> np.ndarray:
    """S0 and T2 by Levenberg-Marquardt to the last digit."""

    def residual(p):
        return p[0] * np.exp(-ECHO_TIMES / p[1]) - row

    start = (row.max(), 0.1)
    return scipy.optimize.least_squares(
        residual, start, method="lm", x_scale=start, xtol=1e-15, ftol=1e-15, gtol=1e-15
    ).x
