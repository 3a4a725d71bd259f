"""The pulse trains and fingerprints of the magnetization-transfer benchmarks: six cycles of 1142 pulses.

They are read from `../shared/data/qmt-mao` beside the repository (`RAOFIT_SHARED` names another place). Without them a
made-up train of the same size stands in, and the table says so. `RAOFIT_BENCH_CYCLES` takes fewer cycles.
"""

import dataclasses
import functools
import os
from pathlib import Path

import jax
import numpy as np

from raofit.io.basis_file import load_basis
from raofit.io.protocol_file import stated_protocol
from raofit.models import QMT, Compressed
from raofit.training.priors import build

REPETITION_TIME = 3.5e-3
N_CYCLES, N_PULSES, RANK = 6, 1142, 15
CYCLES = int(os.environ.get("RAOFIT_BENCH_CYCLES", N_CYCLES))
DATA = Path(os.environ.get("RAOFIT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data" / "qmt-mao"


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Flip angles (rad) and durations (s) of (cycle, pulse), and an orthonormal basis (cycle · pulse, coefficient)."""

    label: str
    flip_angles: np.ndarray
    durations: np.ndarray
    basis: np.ndarray

    @property
    def model(self) -> QMT:
        return QMT(self.flip_angles, self.durations, REPETITION_TIME)

    @property
    def compressed(self) -> Compressed:
        return Compressed(self.model, self.basis)


@functools.cache
def sequence() -> Sequence:
    """The published trains, or made-up ones."""
    if (DATA / "control.mat").is_file():
        fields = ("flip_angles", "pulse_durations", "repetition_time")
        protocol = stated_protocol(fields, trains=DATA / "control.mat", tr=str(REPETITION_TIME))
        flip_angles, durations = protocol["flip_angles"], protocol["pulse_durations"]
        basis = load_basis(DATA / "basis.mat", flip_angles.size, RANK)
        label = "published trains"
    else:
        time = np.arange(N_PULSES) + 157.0 * np.arange(N_CYCLES)[:, None]
        flip_angles = np.maximum(2.4 * np.sin(2 * np.pi * time / 380.0) - 0.4, 0.0)
        flip_angles[:, 0] = np.pi
        durations = np.where(np.arange(N_PULSES) == 0, 500e-6, 300e-6 + 200e-6 * np.sin(2 * np.pi * time / 900.0))
        durations = np.maximum(durations, flip_angles / (2e3 * np.pi))
        label = "made-up trains"
        basis = np.linalg.qr(np.random.default_rng(0).normal(size=(flip_angles.size, RANK)))[0]
    if CYCLES < N_CYCLES:
        flip_angles, durations = flip_angles[:CYCLES], durations[:CYCLES]
        basis = np.linalg.qr(basis[: flip_angles.size])[0]
    return Sequence(f"{label}, {len(flip_angles)} × {N_PULSES} pulses", flip_angles, durations, basis)


def tissue(n: int, seed: int = 0) -> np.ndarray:
    """`n` draws of the tissue prior of Mao et al. (n, 8), float32."""
    prior = build("qmt-tissue", repetition_time=REPETITION_TIME)
    return np.asarray(prior.sample(jax.random.key(seed), n))
