"""Gradient-spoiled fingerprints of 880 pulses: raofit against blochsim, with equally many configurations.

`RAOFIT_BENCH_TISSUES` (10 000) tissues, T1 and T2 log-uniform, on all cores. Both compute in float32 (blochsim
from float64 angles) and are warmed up.
Agreement is that of signals and of derivatives by T1, T2 and B1 (per unit of each), relative to their norm.
"""

import os
import time

import jax
import numpy as np
import pytest

from raofit.io.fingerprint_sequence import load_sequence
from raofit.models import MRFFISP

torch = pytest.importorskip("torch")
pytest.importorskip("blochsim")

N_TISSUES = int(os.environ.get("RAOFIT_BENCH_TISSUES", "10000"))
N_COMPARED = 256


def tissues() -> np.ndarray:
    """T1, T2 (s) and B1."""
    random = np.random.default_rng(0)
    t1 = np.exp(random.uniform(np.log(0.2), np.log(4.0), N_TISSUES))
    t2 = np.minimum(np.exp(random.uniform(np.log(0.01), np.log(0.5), N_TISSUES)), t1)
    return np.stack([t1, t2, random.uniform(0.7, 1.2, N_TISSUES)], axis=1).astype(np.float32)


@pytest.mark.parametrize("n_states", [10, 20, 40])
def test_against_blochsim(benchmark, rows, n_states):
    from blochsim.simulators import MRFSimulator

    torch.set_num_threads(os.cpu_count() or 1)
    settings = load_sequence("fisp-880") | {"echo_times": 0.0}  # blochsim's echo is at the pulse
    model = MRFFISP(**settings, n_states=n_states, b1=1.0)
    values = tissues()
    peer = MRFSimulator(
        flip=torch.tensor(np.degrees(settings["flip_angles"])),
        TR=12.0,
        TI=20.0,
        states=n_states,
    )
    t1, t2 = (torch.tensor(1e3 * column) for column in values[:, :2].T)
    nominal = torch.ones(N_TISSUES)
    peers = {
        "signal": lambda: peer.simulate(T1=t1, T2=t2, B1=nominal),
        "signal, derivatives by T1 and T2": lambda: peer.jacobian(("T1", "T2"), T1=t1, T2=t2, B1=nominal),
    }
    ours = {
        "signal": lambda: jax.block_until_ready(model.signal(values[:, :2])),
        "signal, derivatives by T1 and T2": lambda: jax.block_until_ready(model.signal_and_jacobian(values[:, :2])),
    }
    benchmark.pedantic(ours["signal, derivatives by T1 and T2"], rounds=3, warmup_rounds=1)
    errors = _disagreement(settings, peer, values[:N_COMPARED], n_states)
    for what, run in ours.items():
        seconds, peer_seconds = _best(run), _best(peers[what])
        rows.append(
            {
                "table": f"{N_TISSUES:,} fingerprints of 880 pulses, float32",
                "what": what,
                "states": n_states,
                "raofit, s": f"{seconds:.2f}",
                "blochsim, s": f"{peer_seconds:.2f}",
                "speed": f"{peer_seconds / seconds:.1f}×",
                "largest disagreement: signal, T1, T2, B1": " ".join(f"{error:.1e}" for error in errors),
            }
        )
    assert np.all(errors < 1e-5)


def _best(run, rounds: int = 3) -> float:
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def _disagreement(settings, peer, values: np.ndarray, n_states: int) -> np.ndarray:
    """Largest relative error of the signal and of each derivative, over tissues."""
    t1, t2, b1 = (torch.tensor(column, dtype=torch.float64) for column in values.astype(np.float64).T)
    expected, slopes = peer.jacobian(("T1", "T2", "B1"), T1=1e3 * t1, T2=1e3 * t2, B1=b1)
    signal, jacobian = MRFFISP(**settings, n_states=n_states).signal_and_jacobian(values)
    slopes = np.moveaxis(slopes.numpy(), 1, -1) * np.array([1e3, 1e3, 1.0])
    found = np.concatenate([np.asarray(signal)[..., None], np.asarray(jacobian)], axis=-1)
    expected = np.concatenate([expected.numpy()[..., None], slopes], axis=-1)
    return np.max(np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1), axis=0)
