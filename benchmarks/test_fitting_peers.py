"""IVIM fits side by side: voxels per second, and bias, standard deviation, RMSE and bias slope on the same voxels."""

import functools

import numpy as np
import pytest

from benchmarks import voxels
from benchmarks.accuracy import accuracy
from benchmarks.fitting_peers import PEERS


@functools.cache
def _drawn() -> voxels.Voxels:
    return voxels.draw(100_000)


@pytest.mark.parametrize("name", PEERS)
def test_fit(name, benchmark, rows, tmp_path):
    peer = PEERS[name]
    try:
        fit = peer.ready(tmp_path / "trained")
    except ImportError as error:
        pytest.skip(f"{name}: {error}")
    timed = _drawn().first(peer.n_timed)
    is_fast = peer.n_timed > 10_000
    with np.errstate(all="ignore"):
        estimates = benchmark.pedantic(
            fit, args=(timed.magnitudes,), rounds=3 if is_fast else 1, warmup_rounds=1 if is_fast else 0
        )
    judged = _drawn().first(voxels.N_ACCURACY)
    errors = np.asarray(estimates, dtype=np.float64)[: voxels.N_ACCURACY] - judged.truths
    assert np.isfinite(errors).all(axis=1).mean() > 0.9
    row = {
        "table": f"IVIM at SNR 15, {voxels.N_ACCURACY} voxels (diffusivities in 1e-3 mm²/s)",
        "method": peer.label,
        "voxels/s (min-max)": "" if peer.is_yardstick else _speed(peer.n_timed, benchmark.stats.stats),
    }
    for index, parameter in enumerate(voxels.NAMES):
        scale = 1e3 if parameter.startswith("D") else 1.0
        row |= _columns(parameter, accuracy(errors[:, index] * scale, judged.truths[:, index] * scale))
    rows.append(row)
    benchmark.extra_info.update(row)


def _speed(n: int, stats) -> str:
    if stats.rounds == 1:
        return f"{n / stats.median:,.0f}"
    return f"{n / stats.median:,.0f} ({n / stats.max:,.0f}-{n / stats.min:,.0f})"


def _columns(name: str, numbers: dict[str, float]) -> dict[str, str]:
    return {
        f"{name} bias": f"{numbers['bias']:+.3g}",
        f"{name} std": f"{numbers['std']:.3g}",
        f"{name} RMSE": f"{numbers['rmse']:.3g}",
        f"{name} slope": f"{numbers['slope']:+.2f}",
    }
