"""The voxels every fitting benchmark sees: the paper's distribution at SNR 15, drawn in NumPy so no peer is favored."""

import dataclasses

import numpy as np

B_VALUES = np.array([0, 10, 20, 30, 50, 80, 100, 200, 400, 800], dtype=np.float64)
NAMES = ("S0", "f", "D_slow", "D_fast")
PRIOR = np.array([(0.8, 1.2), (0.1, 0.5), (0.4e-3, 3e-3), (10e-3, 150e-3)])
SIGMA = 1 / 15

# Fit bounds shared by every method that takes bounds (those of the paper's released code).
BOUNDS = np.array([(0.0, 10.0), (0.01, 0.5), (0.01e-3, 4e-3), (2e-3, 300e-3)])

N_ACCURACY = 2000  # every method is judged on these first voxels, whatever number it is timed on


@dataclasses.dataclass(frozen=True)
class Voxels:
    """True parameters (n, 4) in SI-like units (mm²/s) and Rician magnitudes (n, 10)."""

    truths: np.ndarray
    magnitudes: np.ndarray

    def first(self, n: int) -> "Voxels":
        return Voxels(self.truths[:n], self.magnitudes[:n])


def signal(parameters: np.ndarray) -> np.ndarray:
    """Eq. 11 of the paper for (..., 4) parameters."""
    amplitude, fraction, slow, fast = (parameters[..., index, None] for index in range(4))
    return amplitude * np.exp(-B_VALUES * slow) * (fraction * np.exp(-B_VALUES * fast) + 1 - fraction)


def draw(n: int, seed: int = 1) -> Voxels:
    """`n` voxels; a longer draw does not begin with a shorter one, so draw once and take `first`."""
    generator = np.random.default_rng(seed)
    truths = generator.uniform(PRIOR[:, 0], PRIOR[:, 1], (n, 4))
    channels = SIGMA * generator.normal(size=(2, n, B_VALUES.size))
    return Voxels(truths, np.hypot(signal(truths) + channels[0], channels[1]))
