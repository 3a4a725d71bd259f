"""Small training sets on disk that cost no simulation: made-up signals of a model with a short train."""

import numpy as np

from raofit.io.prior_file import named_prior
from raofit.io.training_set_file import save_training_set
from raofit.models import QMT, Compressed
from raofit.recipes.training_set import TrainingSet

N_PULSES = 12
RANK = 6


def model(name: str = "qmt") -> Compressed:
    """Six coefficients of twelve echoes."""
    flip_angles = np.where(np.arange(N_PULSES) == 0, np.pi, 0.3)
    relaxation = "times" if name.endswith("times") else "rates"
    qmt = QMT(flip_angles, np.full(N_PULSES, 3e-4), 4e-3, relaxation=relaxation)
    return Compressed(qmt, np.linalg.qr(np.random.default_rng(0).normal(size=(N_PULSES, RANK)))[0])


def training_set(n: int = 400, name: str = "qmt", seed: int = 0) -> TrainingSet:
    """`n` fingerprints whose coefficients depend smoothly on the parameters; a third is of the second component."""
    generator = np.random.default_rng(seed)
    qmt = model(name)
    low, high = np.array([parameter.typical for parameter in qmt.parameters]).T
    parameters = generator.uniform(low, high, (n, len(low)))
    mixing = np.random.default_rng(1).normal(size=(len(low), RANK, 2)) @ np.array([1.0, 1.0j])
    signals = 1.0 + 0.3 * np.tanh((parameters - low) / (high - low) - 0.5) @ mixing
    return TrainingSet(
        parameters.astype(np.float32),
        signals.astype(np.complex64),
        np.tile(np.square(high - low), (n, 1)).astype(np.float32),
        (np.arange(n) % 3 == 2).astype(np.uint8),
        qmt,
        named_prior("typical", qmt),
        {"seed": seed},
    )


def saved(path, n: int = 400, name: str = "qmt", seed: int = 0):
    save_training_set(path, training_set(n, name, seed))
    return path
