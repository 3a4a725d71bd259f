"""Maps of a slice of magnetization-transfer coefficients: the compact network, and least squares from the dictionary.

Accuracy is no matter here: the network has random weights, and the fits are judged by `tests/statistics`.
`RAOFIT_BENCH_FITS` sets the number of fitted voxels (2048: fewer leave lanes idle).
"""

import os

import jax
import numpy as np

from benchmarks import qmt_sequence
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, as_inputs
from raofit.noise import ComplexGaussian
from raofit.recipes.named_architectures import network_for
from raofit.recipes.published import compact_bias_reduced
from raofit.training.priors import build

N_VOXELS, N_FITS = 19_213, int(os.environ.get("RAOFIT_BENCH_FITS", "2048"))
SNR = 30.0


def _report(method: str, n: int, benchmark, rows) -> None:
    seconds = benchmark.stats.stats.median
    row = {
        "table": f"Parameter maps of {qmt_sequence.RANK} complex coefficients, {qmt_sequence.sequence().label}",
        "method": method,
        "voxels timed": f"{n:,}",
        "voxels/s": f"{n / seconds:,.0f}",
        f"{N_VOXELS:,} voxels": f"{seconds * N_VOXELS / n:.3g} s",
    }
    rows.append(row)
    benchmark.extra_info.update(row)


def test_compact_network(benchmark, rows):
    model = qmt_sequence.sequence().compressed
    labels = np.abs(qmt_sequence.tissue(1000))
    network = network_for(compact_bias_reduced(), model.parameter_names, labels, 2 * qmt_sequence.RANK)
    generator = np.random.default_rng(0)
    channels = generator.normal(size=(2, N_VOXELS, qmt_sequence.RANK)).astype(np.float32)
    measurements = channels[0] + 1j * channels[1]
    columns = as_inputs(measurements).T
    weights = np.asarray(network.initial_weights(jax.random.key(0)))
    estimator = NetworkEstimator(
        model=model, network=network, weights=weights, statistics=np.asarray(network.initial_statistics(columns)),
        noise_name="complex-gaussian", snr_range=(10.0, 50.0),
        prior=build("qmt-tissue", repetition_time=qmt_sequence.REPETITION_TIME),
        input_range=np.tile([[-1.0], [1.0]], (1, 2 * qmt_sequence.RANK)),
        label_range=np.stack([labels.min(axis=0), labels.max(axis=0)]), standard_error_factors=np.ones(8),
    )  # fmt: skip
    benchmark.pedantic(lambda: estimator.estimate(measurements), rounds=5, warmup_rounds=1)
    _report("compact network", N_VOXELS, benchmark, rows)
    estimate = estimator.estimate(measurements)
    assert np.isfinite(estimate.values).all()
    assert benchmark.stats.stats.median < 2.0


def test_least_squares(benchmark, rows):
    model, tissue = qmt_sequence.sequence().compressed, qmt_sequence.tissue(N_FITS)
    noise = ComplexGaussian(1.0 / SNR)
    measurements = np.asarray(noise.sample(jax.random.key(1), model.signal(tissue)))
    estimator = MaximumLikelihood(model, noise)
    estimate = benchmark.pedantic(lambda: estimator.estimate(measurements), rounds=1, warmup_rounds=1)
    _report("least squares, starts from the dictionary", N_FITS, benchmark, rows)
    assert np.isfinite(estimate.values).all(axis=1).mean() > 0.9
