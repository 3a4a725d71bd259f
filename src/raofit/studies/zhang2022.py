"""Zhang et al., "Cramér–Rao bound-informed training of neural networks" (MRM 88:436): the experiment as data.

The stages are in the neighbors: `zhang2022_basis` (the subspace of the signals), `zhang2022_results` (errors on
held-out fingerprints and on the grids, summary), `zhang2022_claims` (the paper's statements, tested). Training is
`raofit.train_network` with the recipes of this file.

What the paper does not state is chosen here: the sampling ranges (prior `qmt-zhang2022`) and the values that the grids
hold fixed.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from raofit.core.errors import RaofitError
from raofit.evaluation import Grid, evaluation_grid
from raofit.models import AbstractSignalModel, Compressed
from raofit.recipes import published
from raofit.recipes.training_recipe import TrainingRecipe, Weighting

MODEL = "qmt-tied-times"
PRIOR = "qmt-zhang2022"
RANK = 13
ESTIMATED = ("m0s", "T1", "T2f")
SNR_RANGE = (10.0, 100.0)
GRID_SNRS = (50.0, 25.0, 33.0)  # |M0| = 0.5 with σ = 0.01, 0.02 and 0.015; the first is shown
FIXED = {"m0s": 0.15, "T2f": 75e-3, "Rx": 20.0, "T2s": 12e-6, "omega0": 0.0, "B1": 1.0}

BOUND_FLOOR = 1e-5  # of the compact networks' MSE-CRB; the publication's has none


@dataclasses.dataclass(frozen=True)
class Method:
    """One network of the study: key in files, name in figures, and the weights of its squared errors."""

    name: str
    title: str
    weights: Weighting


MSE = Method("mse", "MSE", "none")
RELATIVE = Method("mse-relative", "MSE / mean² (extension)", "inverse-mean")
CRB = Method("mse-crb", "MSE-CRB", "inverse-crb")
METHODS = (MSE, RELATIVE, CRB)
TITLES = {method.name: method.title for method in METHODS}


@dataclasses.dataclass(frozen=True)
class Plane:
    """A grid of two parameters, the others fixed.

    Parameters
    ----------
    name : key in files.
    ranges : first and last value of the two.
    n_draws : noise draws per point in the paper.
    limits : `{parameter: (largest |bias|, largest std)}` of the paper's colors.
    """

    name: str
    ranges: Mapping[str, tuple[float, float]]
    n_draws: int
    limits: Mapping[str, tuple[float, float]]

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the two parameters."""
        first, second = self.ranges
        return first, second

    def grid(self, model: AbstractSignalModel, n_values: int) -> Grid:
        """`n_values` evenly spaced values of both."""
        fixed = {name: value for name, value in FIXED.items() if name not in self.ranges}
        axes = dict(evaluation_grid(model, n_values=2, fixed=fixed).axes)
        return Grid(axes | {name: np.linspace(*ends, n_values) for name, ends in self.ranges.items()})


PLANES = (
    Plane(
        "m0s-T1",
        {"m0s": (0.005, 0.25), "T1": (0.65, 2.0)},  # at m0s = 0 nothing is known of the exchange rate and T2s
        200,
        {"m0s": (0.02, 0.02), "T1": (0.2, 0.2), "T2f": (0.02, 0.01)},
    ),
    Plane(
        "T1-T2f",
        {"T1": (1.1, 2.5), "T2f": (0.05, 0.15)},
        150,
        {"m0s": (0.02, 0.02), "T1": (0.3, 0.3), "T2f": (0.02, 0.02)},
    ),
)


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything.

    Parameters
    ----------
    network : "compact", or "zhang2022" as published.
    n_basis : fingerprints the basis is computed from.
    n_samples : fingerprints of the training set, of which `n_validation` are held out of training.
    n_test : further fingerprints, which no training has seen.
    n_test_draws : noise draws of each of those.
    n_grid : values per axis of the two grids (64 in the paper).
    share_of_draws : share of the paper's noise draws per grid point.
    batch_size, max_epochs : training of every network.
    """

    network: Literal["compact", "zhang2022"]
    n_basis: int = 2_048
    n_samples: int = 65_536
    n_validation: int = 4_096
    n_test: int = 4_096
    n_test_draws: int = 50
    n_grid: int = 64
    share_of_draws: float = 1.0
    batch_size: int = 512
    max_epochs: int = 150

    def n_draws(self, plane: Plane) -> int:
        """Noise draws per grid point."""
        return max(2, round(self.share_of_draws * plane.n_draws))


SIZES: dict[str, Size] = {
    "quick": Size("compact", 512, 4_096, 512, 512, 20, 12, 0.1, 128, 40),
    "desk": Size("compact"),
    "paper": Size(
        "zhang2022", 8_192, 1_048_576, 56_320, 16_384, 100, batch_size=1024, max_epochs=800
    ),  # fingerprints and SNRs of the publication; it has 0.5 to 1 million
}  # fmt: skip


def recipe(method: Method, size: Size, *, seed: int = 0) -> TrainingRecipe:
    """The training of one network; all have the same architecture, samples, noise and number of steps."""
    common = {
        "weights": method.weights,
        "n_validation": size.n_validation,
        "batch_size": size.batch_size,
        "max_epochs": size.max_epochs,
        "patience": size.max_epochs,
        "seed": seed,
    }
    if size.network == "zhang2022":
        return published.zhang2022(**common)
    return published.compact_mse_crb(
        **common,
        estimated=ESTIMATED,
        parameter_weights=None,
        bound_floor=BOUND_FLOOR,
        snr=SNR_RANGE,
        snr_scale="uniform",
        learning_rate=2e-3,
        final_learning_rate=1e-6,
        averaging=0.999,
    )


def check_model(model: AbstractSignalModel) -> None:
    """Raise `RaofitError` unless the model is the study's, seen through a basis of its rank."""
    if model.name != MODEL or not isinstance(model, Compressed) or model.n_measurements != RANK:
        raise RaofitError(
            f"training set: expected coefficients of the model `{MODEL}` in a basis of rank {RANK}, got "
            f"{model.n_measurements} measurements of `{model.name}`; simulate it with --model {MODEL}, --basis and "
            f"--rank {RANK}, or leave it out"
        )
