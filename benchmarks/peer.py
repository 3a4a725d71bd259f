"""One way of estimating, as every benchmark takes it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

Fit = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Peer:
    """`prepare()` does what a user does once and returns the function that is timed, magnitudes (n, m) to estimates.

    Parameters
    ----------
    package : name on the package index of what is measured.
    prepare : imports the package, so that a missing one costs its own row only. Of a peer that is trained it takes the
        file that `train` wrote.
    n_timed : voxels of one call in `test_fitting_peers.py`.
    warm_up : voxels of an untimed first call after which nothing more is compiled; 0 where nothing is.
    is_yardstick : whether it is there for its accuracy alone.
    needs : what else it asks of an interpreter, in words.
    """

    label: str
    package: str
    prepare: Callable[..., Fit]
    n_timed: int = 2000
    train: Callable[[Path], None] | None = None
    warm_up: int = 0
    is_yardstick: bool = False
    needs: str = ""

    def ready(self, trained: Path) -> Fit:
        """The function that is timed; `trained` is read, or written first where it does not exist."""
        if self.train is None:
            return self.prepare()
        if not trained.exists():
            self.train(trained)
        return self.prepare(trained)
