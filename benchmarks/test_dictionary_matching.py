"""Dictionary matching of a volume against 10⁵ atoms at rank 10, beside the bare matrix product in the same run.

The bare product multiplies the same numbers, in blocks that stay in the cache, on all cores with one BLAS thread each,
and keeps nothing. Both rates count what a full search multiplies (2 or 4 real multiplications per coefficient, atom and
voxel, and as many additions), so a search that skips atoms can be faster than the product. Memory is the rise of the
resident memory while matching, measurements not counted. Agreement with brute force in double precision is that of
`RAOFIT_BENCH_BRUTE` voxels (20 000); the volume has `RAOFIT_BENCH_VOXELS` (655 360).
"""

import concurrent.futures
import os
import threading
import time
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from raofit.estimators.atoms import Atoms
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.models import AbstractSignalModel, Compressed, Parameter

N_VOXELS = int(os.environ.get("RAOFIT_BENCH_VOXELS", "655360"))
N_BRUTE = int(os.environ.get("RAOFIT_BENCH_BRUTE", "20000"))
RANK, N_SAMPLES, SNR = 10, 300, 20.0
AXES = {"T1": np.geomspace(0.1, 4.0, 75), "T2": np.geomspace(0.01, 2.0, 75), "B1": np.linspace(0.7, 1.3, 24)}
GRID = ParameterGrid(AXES, where=lambda values: values["T2"] < values["T1"])


class Train(AbstractSignalModel):
    """A made-up fingerprint that is as smooth and as compressible as a real one; `phase` makes it complex."""

    has_complex_amplitude: ClassVar[bool] = True

    name: str
    parameters: tuple[Parameter, ...]
    phase: float

    def __init__(self, phase: float):
        self.name, self.phase = "train", phase
        self.parameters = (
            Parameter("T1", "s", (0.05, 6.0), (0.3, 3.0), "T_1", "longitudinal relaxation time"),
            Parameter("T2", "s", (0.005, 3.0), (0.02, 0.3), "T_2", "transverse relaxation time"),
            Parameter("B1", "1", (0.5, 1.5), (0.8, 1.2), "B_1", "transmit field"),
        )

    def voxel_signal(self, parameters):
        t1, t2, b1 = parameters
        time_s = jnp.linspace(0.02, 4.0, N_SAMPLES, dtype=parameters.dtype)
        angle = 0.2 + 0.8 * jnp.square(jnp.sin(2.1 * time_s))
        echo = 0.01 + 0.15 * jnp.square(jnp.sin(3.3 * time_s + 1.0))
        magnitude = jnp.sin(b1 * angle) * (1.0 - 1.9 * jnp.exp(-time_s / t1)) * jnp.exp(-echo / t2)
        return magnitude * jnp.exp(1j * self.phase * b1 * echo * 6.0)


def _volume(matching: DictionaryMatching) -> np.ndarray:
    """Noisy atoms, one voxel in ten noise alone; single precision, as reconstructions are."""
    generator = np.random.default_rng(0)
    signals = matching.atoms.signals / np.linalg.norm(matching.atoms.signals, axis=1, keepdims=True)
    chosen = signals[generator.integers(0, len(signals), N_VOXELS)].astype(np.complex64)
    chosen[::10] = 0.0
    channels = generator.standard_normal((2, *chosen.shape), dtype=np.float32) / (SNR * np.sqrt(RANK))
    return chosen + (channels[0] + 1j * channels[1])


def _seconds(work, parts) -> float:
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        start = time.perf_counter()
        list(pool.map(work, parts))
        return time.perf_counter() - start


def _bare_rate(n_components: int) -> float:
    """Multiplications and additions per second of (256 × P)·(P × 1024), best of five."""
    generator = np.random.default_rng(1)
    atoms = generator.standard_normal((256, n_components), dtype=np.float32)
    voxels = generator.standard_normal((1024, n_components), dtype=np.float32)

    def work(n_products: int) -> None:
        out = np.empty((256, 1024), np.float32)
        for _ in range(n_products):
            np.matmul(atoms, voxels.T, out=out)

    n_products, n_parts = 1000, os.cpu_count() or 1
    best = min(_seconds(work, [n_products] * n_parts) for _ in range(5))
    return 2.0 * n_components * 256 * 1024 * n_products * n_parts / best


def _brute_force(signals: np.ndarray, measurements: np.ndarray) -> np.ndarray:
    unit = (signals / np.linalg.norm(signals, axis=1, keepdims=True)).conj().T
    parts = [measurements[start : start + 500].astype(np.complex128) for start in range(0, len(measurements), 500)]
    return np.concatenate([np.argmax(np.abs(part @ unit), axis=1) for part in parts])


class _Memory:
    """Highest resident memory beyond that at the start, looked at every 5 ms (Linux)."""

    def __enter__(self):
        self._start, self.rise, self._done = self._now(), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.005):
            self.rise = max(self.rise, self._now() - self._start)

    @staticmethod
    def _now() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("kind", "phase"), [("real up to a phase", 0.0), ("complex", 1.0)])
def test_matching(benchmark, rows, kind, phase):
    model = Train(phase)
    full = DictionaryMatching(model, GRID, rank=RANK)
    matching = DictionaryMatching(Compressed(model, full.atoms.basis), Atoms(
        full.atoms.grid, full.atoms.parameters, full.atoms.signals, None
    ), is_interpolated=False)  # fmt: skip
    measurements = _volume(matching)
    matching.estimate(measurements[:1000])
    with _Memory() as memory:
        estimate = benchmark.pedantic(lambda: matching.estimate(measurements), rounds=1)
    n_components = RANK if kind.startswith("real") else 2 * RANK
    seconds = benchmark.stats.stats.min
    rate = 2.0 * 2.0 * n_components * len(GRID) * N_VOXELS / seconds
    bare = _bare_rate(n_components)
    n_brute = min(N_BRUTE, N_VOXELS)
    expected = _brute_force(matching.atoms.signals, measurements[:n_brute])
    n_different = int(np.sum(expected != estimate.diagnostics["atom"][:n_brute]))
    row = {
        "table": f"Matching {N_VOXELS:,} voxels against {len(GRID):,} atoms at rank {RANK}",
        "atoms": kind,
        "seconds": f"{seconds:.1f}",
        "rate / bare product": f"{rate / bare:.2f} ({rate / 1e9:.0f} / {bare / 1e9:.0f} GFLOP/s)",
        "memory": f"{memory.rise / 1e6:.0f} MB",
        "other atom than brute force": f"{n_different} of {n_brute:,}",
    }
    rows.append(row)
    benchmark.extra_info.update(row)
    assert n_different == 0
    assert memory.rise < 2e9
    assert rate > 0.5 * bare
