"""Signal and eight derivatives of a fingerprint: raofit against matrix exponentials with forward-mode derivatives.

Both compute in float32 and are compiled beforehand; accuracy is against the matrix exponentials in float64. The naive
program runs cycle by cycle through the same code, so its time is proportional to the number of cycles.

`RAOFIT_BENCH_CYCLES` (6), `RAOFIT_BENCH_FINGERPRINTS` (raofit's batch, 2048) and `RAOFIT_BENCH_NAIVE` (the naive one's,
64: larger ones are no faster).
"""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import qmt_sequence
from benchmarks.naive_qmt import simulator
from raofit.information.crb import bound_from_jacobian

N_OURS = int(os.environ.get("RAOFIT_BENCH_FINGERPRINTS", "2048"))
N_NAIVE = int(os.environ.get("RAOFIT_BENCH_NAIVE", "64"))
N_REFERENCE = min(16, N_NAIVE)
N_PAPER = 184_320


def test_against_matrix_exponentials(benchmark, rows):
    sequence = qmt_sequence.sequence()
    model, tissue = sequence.compressed, qmt_sequence.tissue(N_OURS)
    benchmark.pedantic(lambda: jax.block_until_ready(model.signal_and_jacobian(tissue)), rounds=3, warmup_rounds=1)
    ours = benchmark.stats.stats.median / N_OURS
    naive = simulator(sequence.flip_angles, sequence.durations, qmt_sequence.REPETITION_TIME)
    some = jnp.asarray(tissue[:N_NAIVE])
    jax.block_until_ready(naive(some))
    started = time.perf_counter()
    found_naive = jax.block_until_ready(naive(some))
    theirs = (time.perf_counter() - started) / N_NAIVE
    with jax.enable_x64(True):
        exact = _coefficients(naive(jnp.asarray(tissue[:N_REFERENCE].astype(np.float64))), sequence.basis)
    found = tuple(np.asarray(array)[:N_REFERENCE] for array in model.signal_and_jacobian(tissue))
    table = f"Signal and eight derivatives, {sequence.label}, {qmt_sequence.RANK} coefficients, float32"
    first = tuple(np.asarray(array)[:N_REFERENCE] for array in found_naive)
    for method, seconds, n, result in (
        ("raofit", ours, N_OURS, found),
        ("matrix exponentials, jacfwd, vmap", theirs, N_NAIVE, _coefficients(first, sequence.basis)),
    ):
        signal, derivatives, bound = _errors(result, exact)
        rows.append(
            {
                "table": table,
                "method": method,
                "fingerprints at once": n,
                "ms per fingerprint": f"{1e3 * seconds:.3g}",
                "speed": f"{theirs / seconds:.1f}×",
                f"{N_PAPER:,} fingerprints": f"{seconds * N_PAPER / 60:.3g} min",
                "signal error, norm": f"{signal.max():.1e}",
                "derivative error: median (largest)": f"{np.median(derivatives):.1e} ({derivatives.max():.1e})",
                "CRB error: median (largest)": f"{np.median(bound):.1e} ({bound.max():.1e})",
            }
        )
    signal, derivatives, bound = _errors(found, exact)
    rows.append(
        {"table": "Largest relative error of raofit's float32 derivatives and bounds", "quantity": "derivative"}
        | {name: f"{error:.1e}" for name, error in zip(model.parameter_names, derivatives.max(axis=0), strict=True)}
    )
    rows.append(
        {"table": "Largest relative error of raofit's float32 derivatives and bounds", "quantity": "CRB"}
        | {name: f"{error:.1e}" for name, error in zip(model.parameter_names, bound.max(axis=0), strict=True)}
    )
    benchmark.extra_info.update(ratio=theirs / ours, ms=1e3 * ours, naive_ms=1e3 * theirs)
    assert signal.max() < 1e-5
    assert np.median(derivatives, axis=0).max() < 1e-4
    assert np.median(bound, axis=0).max() < 1e-3
    assert theirs / ours > 20


def _coefficients(result, basis: np.ndarray):
    """Projection of signals (n, pulse) and derivatives (n, pulse, 8) onto the basis, in double precision."""
    signal, jacobian = (np.asarray(array).astype(np.complex128) for array in result)
    return signal @ basis, np.einsum("nmp,mr->nrp", jacobian, basis)


def _errors(found, exact):
    """Norm of the signal's error (n,), and relative errors of derivatives and bounds (n, 8)."""
    difference = np.linalg.norm(found[1] - exact[1], axis=1)
    bounds = [bound_from_jacobian(*result, has_complex_amplitude=True) for result in (found, exact)]
    return (
        np.linalg.norm(found[0] - exact[0], axis=1),
        difference / np.linalg.norm(exact[1], axis=1),
        np.abs(bounds[0] / bounds[1] - 1.0),
    )
