"""Epstein et al., "Choice of training label matters" (MELBA 2024:002): the experiment as data.

The stages are in the neighbors: `epstein2022_labels` (training signals and labels), `epstein2022_networks` (training),
`epstein2022_results` (evaluation on the grid, summary), `epstein2022_claims` (the paper's statements, tested), and
`repeated_scan` (its protocol for measured data).
"""

import dataclasses
from typing import Literal

from raofit.models import IVIM

B_VALUES = (0.0, 10.0, 20.0, 30.0, 50.0, 80.0, 100.0, 200.0, 400.0, 800.0)
SNRS = (30.0, 15.0)  # in this order: the network chosen at 30 starts all others
SHOWN = ("f", "D_slow", "D_fast")  # S0 appears in no figure
OUTPUT_SCALES = (1.0, 1.0, 1e-3, 1e-3)  # the network works in 1e-3 mm²/s
HIDDEN_WIDTHS = (10, 10, 10)
HYBRID_SHARE = 0.5
EMPHASIS = 1e6
FIT_START = (1.0, 0.3, 1.7e-3, 80e-3)  # the grid mean, where the paper starts conventional fitting

Target = Literal["truth", "rician", "gaussian", "hybrid", "self", "self-rician"]
LabelRecipe = Literal["converged", "literal"]


@dataclasses.dataclass(frozen=True)
class Method:
    """One network of the study.

    Parameters
    ----------
    name : key in files.
    title : name in figures.
    target : what the loss compares with: the truth, MLE labels of either noise model, both (hybrid), or the
        measurement itself through the signal model (sum of squares or Rician likelihood).
    emphasis : parameter whose residual outweighs the others' by 1e6, or None.
    """

    name: str
    title: str
    target: Target
    emphasis: str | None = None


METHODS = (
    Method("supervised-gt", "Supervised, truth", "truth"),
    Method("supervised-mle-rician", "Supervised, MLE Rician", "rician"),
    Method("supervised-mle-gaussian", "Supervised, MLE Gaussian", "gaussian"),
    Method("hybrid", "Hybrid (α = 0.5)", "hybrid"),
    Method("weighted-f", "Supervised, MLE Rician, f weighted", "rician", "f"),
    Method("weighted-D_slow", "Supervised, MLE Rician, D_slow weighted", "rician", "D_slow"),
    Method("weighted-D_fast", "Supervised, MLE Rician, D_fast weighted", "rician", "D_fast"),
    Method("self-supervised", "Self-supervised", "self"),
    Method("self-supervised-rician", "Self-supervised, Rician (extension)", "self-rician"),
)
CONVENTIONAL = "mle"
CLIPPED = {  # extension: the outputs of networks have no upper bound, those of a fit do
    "supervised-mle-rician-clipped": "supervised-mle-rician",
    "weighted-D_fast-clipped": "weighted-D_fast",
}
RAISED = "mle-raised-bound"
RAISED_BOUNDS = {"D_fast": (10e-3, 300e-3)}  # extension: the fit's own lower bound is 2e-3, a slow pool's diffusivity
TITLES = {CONVENTIONAL: "Conventional MLE, Rician"} | {method.name: method.title for method in METHODS}
TITLES |= {name: f"{TITLES[of]}, clipped to the fit's bounds (extension)" for name, of in CLIPPED.items()}
TITLES[RAISED] = "Conventional MLE, D_fast ≥ 10 (extension)"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything.

    Parameters
    ----------
    n_train, n_validation : signals per SNR (80 000 and 20 000 in the paper).
    n_restarts : random starts of the first network (16).
    max_epochs, patience, batch_size : training (187, 37 and 100 in the released code).
    n_repeats : noise realizations per grid point (500).
    n_leak : signals per cell of the label-leak table.
    phantom_shape, n_scan_repeats : the digital phantom and how often it is scanned (16).
    """

    n_train: int = 80_000
    n_validation: int = 20_000
    n_restarts: int = 16
    max_epochs: int = 187
    patience: int = 37
    batch_size: int = 100
    n_repeats: int = 500
    n_leak: int = 400
    phantom_shape: tuple[int, int, int] = (112, 112, 1)
    n_scan_repeats: int = 16


FULL = Size()
QUICK = Size(n_train=16_000, n_validation=4_000, max_epochs=120, n_repeats=50, n_leak=25, phantom_shape=(64, 64, 1))


def paper_model() -> IVIM:
    """IVIM with the paper's ten b-values."""
    return IVIM(B_VALUES)
