"""What is compared: voxels, their truths, and the ways of estimating them."""

import dataclasses
from collections.abc import Callable

import numpy as np

from benchmarks import echoes, fitting_peers, t2_peers, voxels
from benchmarks.peer import Peer

N_JUDGED = 1000  # every method is judged on these first voxels, whatever number it is timed on
SIZES = (10**3, 10**4, 10**5, 10**6, 10**7)
_BLOCK = 100_000
_FIRST_SEED_OF_OTHERS = 1000


@dataclasses.dataclass(frozen=True)
class Task:
    """One table of the page.

    Parameters
    ----------
    title, text : heading, and what the voxels are.
    names : parameters, in the order of the estimates.
    units : of each: the factor from the estimate's unit, and its name on the page.
    n_measurements : per voxel.
    draw : `draw(n, seed)` makes simulated voxels; `load()` reads measured ones. One of the two.
    """

    title: str
    text: str
    names: tuple[str, ...]
    units: tuple[tuple[float, str], ...]
    n_measurements: int
    peers: dict[str, Peer]
    draw: Callable[[int, int], voxels.Voxels] | None = None
    load: Callable[[], voxels.Voxels] | None = None

    @property
    def has_truth(self) -> bool:
        """Whether errors are against the truth; else they are against the least-squares optimum."""
        return self.draw is not None

    def block(self, index: int) -> voxels.Voxels:
        """Simulated voxels `index`·100 000 and on: the same whatever number is asked for."""
        return self.draw(_BLOCK, 1 if index == 0 else _FIRST_SEED_OF_OTHERS + index)


def bound(task: str, truths: np.ndarray) -> np.ndarray:
    """√CRB (n, parameter) of the task's noise at the truths."""
    import raofit

    model, sigma = {
        "ivim": (raofit.models.IVIM(voxels.B_VALUES), voxels.SIGMA),
        "t2": (raofit.models.MonoExponentialT2(echoes.ECHO_TIMES), echoes.SIGMA),
    }[task]
    return np.sqrt(raofit.crb(model, truths, raofit.noise.Rician(sigma)))


TASKS = {
    "ivim": Task(
        title="IVIM",
        text="Ten b-values from 0 to 800 s/mm², Rician noise at SNR 15 for S0 = 1; S0, f, D_slow and D_fast uniform "
        "over 0.8–1.2, 0.1–0.5, 0.4–3 and 10–150 · 10⁻³ mm²/s. Networks are trained on other voxels of the same "
        "distribution: raofit's have the paper's layers and the best of 4 restarts of 60 epochs on 100 000 voxels, "
        "IVIM-NEToptim its authors' settings on 500 000.",
        names=voxels.NAMES,
        units=((1.0, ""), (1.0, ""), (1e3, "10⁻³ mm²/s"), (1e3, "10⁻³ mm²/s")),
        n_measurements=voxels.B_VALUES.size,
        peers=fitting_peers.PEERS,
        draw=voxels.draw,
    ),
    "t2": Task(
        title="T2",
        text="Thirty echoes from 12.8 to 384 ms, Rician noise at SNR 50 for S0 = 1000; S0 and T2 uniform over 800–1200 "
        "and 20–200 ms. The late echoes of short T2 are noise alone: least squares takes it for signal.",
        names=echoes.NAMES,
        units=((1.0, ""), (1e3, "ms")),
        n_measurements=echoes.ECHO_TIMES.size,
        peers=t2_peers.PEERS,
        draw=echoes.draw,
    ),
    "t2 slice": Task(
        title="T2 of a brain slice",
        text="The 3059 voxels with signal in the mask of a brain slice of thirty echoes (qMRLab's demo data). There is "
        "no truth: estimates are compared with the least-squares optimum, found in double precision to the last digit, "
        "wherever its T2 lies between 1 ms and 1 s. raofit is not told sigma, and estimates it from 256 of the voxels "
        "within the time stated.",
        names=echoes.NAMES,
        units=((1.0, ""), (1e3, "ms")),
        n_measurements=echoes.ECHO_TIMES.size,
        peers=t2_peers.SLICE_PEERS,
        load=echoes.brain_slice,
    ),
}
