"""The second application of Mao et al. (2024), T1 and T2 from a fingerprinting train, as a study of our own design.

The publication's sequence, ranges and network are not public: every number here is ours. The neighbors:
`fingerprinting_phantom` (the digital brain), `fingerprinting_results` (everything that came out) and
`fingerprinting_claims` (what is tested).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from raofit.estimators.parameter_grid import ParameterGrid
from raofit.recipes.published import fingerprinting_bias_reduced, fingerprinting_mse_crb
from raofit.studies.brain_phantom import TISSUES as BRAIN
from raofit.studies.mao2024_recipes import Training
from raofit.training.prior import Prior

MODEL = "mrf-fisp-known-b1"
SEQUENCE = "fisp-880"
ESTIMATED = ("T1", "T2")
SNRS = (10.0, 20.0, 50.0)
SNR_RANGE = (10.0, 50.0)
PLANE_SNR = 20.0

MSE, MSE_CRB, REDUCED = "mse", "mse-crb", "bias-reduced"
ONE_STEP, NLLS, DICTIONARY = "one-step", "nlls", "dictionary"
FINE_DICTIONARY = "dictionary-fine"  # of the usual size; timed alone, since the other one is as precise
NETWORKS = (MSE, MSE_CRB, REDUCED)
CONVENTIONAL = (ONE_STEP, NLLS, DICTIONARY)
METHODS = (*NETWORKS, *CONVENTIONAL)
PLANE_METHODS = (DICTIONARY, NLLS, MSE_CRB, REDUCED)
TITLES = {
    MSE: "MSE",
    MSE_CRB: "MSE-CRB",
    REDUCED: "Bias-Reduced",
    ONE_STEP: "One step from Bias-Reduced",
    NLLS: "Non-linear least squares",
    DICTIONARY: "Dictionary matching",
    FINE_DICTIONARY: "Dictionary matching, fine grid",
}

RANGES = {"T1": (0.3, 3.0), "T2": (0.02, 0.3)}  # s, of the training
TISSUES = {"white matter": "white matter", "gray matter": "cortex"}  # of the curves: their names in the digital brain
PLANE_MARGIN = 1.5  # the plane of true values reaches beyond the training ranges by this factor
GRID_RANGES = {"T1": (0.1, 6.0), "T2": (5e-3, 0.8)}  # s, of the dictionary: noise must not carry matches to its edge


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Parameters
    ----------
    trainings : the networks in the order of their training.
    rank : coefficients of a measurement.
    n_basis, n_training : fingerprints the basis is computed from, and of the training set.
    n_held_out, n_draws : fingerprints the networks and the dictionary are tested on, and noise draws of each.
    n_fits, n_fit_draws : the same for least squares and one-step estimation, which simulate.
    n_snrs, n_snr_draws : SNRs of the curves and draws at each.
    n_plane, n_plane_draws : values of T1 and of T2 in the plane, and draws at each point.
    n_atoms, n_fine_atoms : values of T1 and of T2 in the dictionary, and in the fine one; combinations with T2 ≥ T1
        are left out.
    n_timed : measurements each method is timed with.
    phantom_size : pixels of the digital brain along one side.
    """

    trainings: tuple[Training, ...]
    rank: int = 8
    n_basis: int = 2048
    n_training: int = 65_536
    n_held_out: int = 2048
    n_draws: int = 100
    n_fits: int = 256
    n_fit_draws: int = 64
    n_snrs: int = 9
    n_snr_draws: int = 1000
    n_plane: int = 20
    n_plane_draws: int = 100
    n_atoms: tuple[int, int] = (120, 120)
    n_fine_atoms: tuple[int, int] = (340, 340)
    n_timed: int = 65_536
    phantom_size: int = 128


def trainings(n_start: int, n_reduced: int, n_realizations: int, **changes: Any) -> tuple[Training, ...]:
    """Four trainings of one architecture: a common start, then equally many noisy measurements for each loss.

    Parameters
    ----------
    n_start, n_reduced : epochs of the common start, and of the Bias-Reduced training with `n_realizations` draws.
    """
    longer = n_reduced * n_realizations
    reduced = fingerprinting_bias_reduced(**changes, max_epochs=n_reduced, n_realizations=n_realizations)
    return (
        Training("start", fingerprinting_mse_crb(**changes, max_epochs=n_start)),
        Training(MSE, fingerprinting_mse_crb(**changes, weights="inverse-mean", max_epochs=n_start + longer)),
        Training(MSE_CRB, fingerprinting_mse_crb(**changes, max_epochs=longer, learning_rate=1e-3), "start"),
        Training(REDUCED, reduced, "start"),
    )


SCALES = {
    "quick": Scale(
        trainings(12, 4, 8, n_validation=512), n_training=16_384, n_held_out=256, n_draws=20,
        n_fits=64, n_fit_draws=16, n_snrs=3, n_snr_draws=200, n_plane=10, n_plane_draws=20, n_atoms=(60, 60),
        n_fine_atoms=(100, 100), n_timed=8192, phantom_size=64,
    ),
    "desk": Scale(trainings(24, 40, 16)),
    "paper": Scale(
        trainings(24, 60, 16, hidden=(128, 128, 128)), n_training=262_144, n_held_out=8192, n_draws=200, n_snrs=41,
        n_plane=48, phantom_size=256,
    ),
}  # fmt: skip


def prior() -> Prior:
    """Training distribution: log-uniform within `RANGES`, T2 below T1."""
    entries: dict[str, Mapping[str, Any]] = {
        name: {"low": low, "high": high, "scale": "log"} for name, (low, high) in RANGES.items()
    }
    entries["T2"] = {**entries["T2"], "below": "T1"}
    return Prior.from_dict(entries)


def tissue_values() -> dict[str, tuple[float, float]]:
    """T1 and T2 (s) of the tissues of the curves."""
    return {word: (BRAIN[name].T1, BRAIN[name].T2) for word, name in TISSUES.items()}


def dictionary_grid(n_atoms: tuple[int, int]) -> ParameterGrid:
    """Atoms with logarithmic steps over `GRID_RANGES`, T2 below T1."""
    axes = {name: np.geomspace(*GRID_RANGES[name], n) for name, n in zip(ESTIMATED, n_atoms, strict=True)}
    return ParameterGrid(axes, where=lambda values: values["T2"] < values["T1"])


def plane_axes(n: int) -> dict[str, np.ndarray]:
    """Values of T1 and T2 of the plane, in logarithmic steps."""
    return {name: np.geomspace(low / PLANE_MARGIN, high * PLANE_MARGIN, n) for name, (low, high) in RANGES.items()}


def plane_points(axes: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows (T1, T2) of the plane's points with T2 below T1, and where they lie in the plane (T1, T2)."""
    t1, t2 = np.meshgrid(*(axes[name] for name in ESTIMATED), indexing="ij")
    is_possible = t2 < t1
    return np.stack([t1[is_possible], t2[is_possible]], axis=1), is_possible
