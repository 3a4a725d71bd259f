"""Networks as ONNX: the same numbers from another program, for every option a network has."""

import builtins
import dataclasses

import jax
import numpy as np
import pytest

from raofit.cli import main
from raofit.core.errors import FileError, RaofitError
from raofit.io.network_file import load_network, save_network
from raofit.io.onnx_file import save_onnx
from raofit.models import IVIM, MonoExponentialT2
from tests.estimators.untrained import B_VALUES, untrained, untrained_complex

SHIPPED = ("qmt-mao2024-bias-reduced", "qmt-mao2024-mse-crb")
T2 = MonoExponentialT2([0.01, 0.03, 0.06, 0.1])


def _changed(estimator, **fields):
    """The same estimator with another network, its weights and statistics drawn anew."""
    network = dataclasses.replace(estimator.network, **fields)
    random = np.random.default_rng(1)
    weights = np.asarray(network.initial_weights(jax.random.key(1)))
    weights = weights + random.normal(0, 0.02, weights.shape).astype(np.float32)
    statistics = random.uniform(0.5, 1.5, network.n_statistics).astype(np.float32)
    return dataclasses.replace(estimator, network=network, weights=weights, statistics=statistics)


NETWORKS = {
    "norm-total": _changed(  # scales that leave it open which compartment is the faster one
        untrained(IVIM(B_VALUES, form="total"), input_scaling="norm"), output_scales=(1.0, 0.3, 0.01, 0.01)
    ),
    "first-softplus-offsets": _changed(
        untrained(T2, noise_name="gaussian", input_scaling="first"),
        constraint="softplus", output_offsets=(0.1, 0.01), activation="relu", has_normalization=True,
        standardizes_inputs=True, skips=((1, 2), (2, 3)), skip_source="linear",
    ),
    "hard-sigmoid": _changed(
        untrained(T2, noise_name="gaussian"), constraint="hard-sigmoid", output_ranges=((0.2, 1.5), (0.01, 0.2))
    ),
    "complex-first-mirrored": _changed(untrained_complex(), mirrored_by=2),
    "complex-norm-phase": _changed(untrained_complex(input_scaling="norm-phase")),
    "complex-norm": _changed(untrained_complex(input_scaling="norm"), skips=()),
}  # fmt: skip


def _measurements(estimator, n_voxels):
    random = np.random.default_rng(0)
    size = (n_voxels, estimator.model.n_measurements)
    if not estimator.network.has_complex_amplitude:
        return random.uniform(0.1, 1.0, size).astype(np.float32)
    return (random.normal(size=size) + 1j * random.normal(size=size)).astype(np.complex64)


@pytest.mark.parametrize("name", [*NETWORKS, *SHIPPED])
def test_onnxruntime_gives_the_same_estimates(tmp_path, name):
    """To 1e-5: both compute in single precision, in another order. Any number of voxels, zeros among them."""
    pytest.importorskip("onnx", reason="onnx is not installed; pip install 'raofit[onnx]'")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; pip install onnxruntime")
    estimator = NETWORKS.get(name) or load_network(name)
    save_onnx(tmp_path / "net.onnx", estimator)
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    measurements = _measurements(estimator, 64)
    expected = estimator.estimate(measurements).values
    parts = [measurements.real, measurements.imag] if np.iscomplexobj(measurements) else [measurements]
    inputs = np.concatenate(parts, axis=1)
    scale = np.abs(expected).mean(axis=0)
    for count in (64, 1):
        (found,) = session.run(["estimates"], {"measurements": inputs[:count]})
        assert np.max(np.abs(found - expected[:count]) / np.maximum(np.abs(expected[:count]), scale)) < 1e-5
    (found,) = session.run(["estimates"], {"measurements": np.zeros_like(inputs[:3])})
    assert np.all(np.isfinite(found))
    assert session.get_modelmeta().custom_metadata_map["raofit.noise"] == f'"{estimator.noise_name}"'


def test_the_command_writes_a_file_and_keeps_an_existing_one(tmp_path, capsys):
    pytest.importorskip("onnx", reason="onnx is not installed; pip install 'raofit[onnx]'")
    save_network(tmp_path / "net", untrained(T2, noise_name="gaussian"))
    command = ["export", str(tmp_path / "net"), "--out", str(tmp_path / "net.onnx")]
    assert main(command) == 0
    assert "4 inputs per voxel, estimates of S0, T2" in capsys.readouterr().err
    assert main(command) == 2
    with pytest.raises(FileError, match="exists already"):
        save_onnx(tmp_path / "net.onnx", untrained(T2, noise_name="gaussian"))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without_onnx(name, *rest, **named):
        if name == "onnx":
            raise ModuleNotFoundError(name)
        return imported(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(RaofitError, match=r"pip install 'raofit\[onnx\]'"):
        save_onnx(tmp_path / "net.onnx", untrained(T2, noise_name="gaussian"))
    assert list(tmp_path.iterdir()) == []
