"""Inference of the paper's narrow network, from host array to host values and status, against the same in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import voxels
from raofit.estimators.network import NetworkEstimator
from raofit.models import IVIM
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior

N_VOXELS = 2_000_000
TABLE = f"Inference of 374 weights on {N_VOXELS:,} × 10 float32 voxels, transfers included"
NETWORK = Perceptron((10, 10, 10, 10, 4), (1.0, 1.0, 1e-3, 1e-3))
WEIGHTS = np.asarray(NETWORK.initial_weights(jax.random.key(0)))


@pytest.fixture(scope="module")
def measurements() -> np.ndarray:
    return np.tile(voxels.draw(100_000).magnitudes.astype(np.float32), (N_VOXELS // 100_000, 1))


def _expected(measurements: np.ndarray) -> np.ndarray:
    """The network in float64 NumPy."""
    hidden = measurements.astype(np.float64)
    *inner, (matrix, bias) = NETWORK.layers(jnp.asarray(WEIGHTS))
    for inner_matrix, inner_bias in inner:
        hidden = hidden @ np.asarray(inner_matrix, np.float64).T + np.asarray(inner_bias)
        hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    return np.abs(hidden @ np.asarray(matrix, np.float64).T + np.asarray(bias)) * np.array(NETWORK.output_scales)


def _report(method, measurements, values, benchmark, rows):
    error = np.abs(values[:1000] - _expected(measurements[:1000])) / np.array(NETWORK.output_scales)
    assert error.max() < 1e-5
    stats, rate = benchmark.stats.stats, lambda seconds: N_VOXELS / seconds
    row = {
        "table": TABLE,
        "method": method,
        "voxels/s (min-max)": f"{rate(stats.median):,.0f} ({rate(stats.max):,.0f}-{rate(stats.min):,.0f})",
        "largest error against float64": f"{error.max():.1e}",
    }
    rows.append(row)
    benchmark.extra_info.update(row)
    return rate(stats.median)


def test_raofit(benchmark, measurements, rows):
    model = IVIM(voxels.B_VALUES)
    prior = Prior.typical(model)
    estimator = NetworkEstimator(
        model=model, network=NETWORK, weights=WEIGHTS, noise_name="rician", snr_range=(15.0, 15.0), prior=prior,
        input_range=np.stack([measurements.min(axis=0), measurements.max(axis=0)]),
        label_range=np.stack([prior.low, prior.high]), standard_error_factors=np.ones(4),
    )  # fmt: skip
    estimate = benchmark.pedantic(lambda: estimator.estimate(measurements), rounds=5, warmup_rounds=1)
    assert _report("raofit, with status", measurements, estimate.values, benchmark, rows) > 5e6


@pytest.mark.parametrize("n_threads", [1, 2])
def test_torch(benchmark, measurements, rows, n_threads):
    torch = pytest.importorskip("torch", reason="pip install 'raofit[bench]'")
    torch.set_num_threads(n_threads)
    layers = [tuple(torch.from_numpy(np.array(part)) for part in pair) for pair in NETWORK.layers(jnp.asarray(WEIGHTS))]
    scales = torch.tensor(NETWORK.output_scales)

    def estimate():
        with torch.no_grad():
            hidden = torch.from_numpy(measurements)
            for matrix, bias in layers[:-1]:
                hidden = torch.nn.functional.elu(torch.nn.functional.linear(hidden, matrix, bias))
            return (torch.nn.functional.linear(hidden, *layers[-1]).abs() * scales).numpy()

    values = benchmark.pedantic(estimate, rounds=5, warmup_rounds=1)
    _report(f"PyTorch, {n_threads} thread(s), values only", measurements, values, benchmark, rows)
