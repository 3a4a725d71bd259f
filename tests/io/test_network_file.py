"""Network files: round trip, damage, other models and protocols, nothing executed."""

import contextlib
import dataclasses
import json
import pickle

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from raofit.core.errors import FileError, ProtocolError
from raofit.io import network_file
from raofit.io.network_file import load_network, save_network
from raofit.models import IVIM, REGISTRY, Compressed, FunctionModel, MonoExponentialADC, MonoExponentialT2
from raofit.models import Parameter as ModelParameter
from raofit.models._registry import Registered
from tests.estimators.untrained import B_VALUES, untrained, untrained_complex
from tests.recipes import complex_toy


@pytest.fixture
def path(tmp_path):
    save_network(tmp_path / "net.safetensors", untrained())
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize(
    "estimator",
    [
        untrained(),
        untrained(IVIM(B_VALUES, form="total"), input_scaling="norm"),
        untrained(MonoExponentialT2([0.01, 0.02, 0.05]), noise_name="gaussian"),
        untrained(MonoExponentialADC([0, 1000]), noise_name="complex-gaussian"),
        untrained_complex(),
    ],
    ids=["ivim", "ivim-total", "t2", "adc", "complex"],
)
def test_round_trip_gives_the_same_estimates(tmp_path, estimator):
    save_network(tmp_path / "net", estimator)
    loaded = load_network(tmp_path / "net", model=estimator.model if estimator.estimated else None)
    measurements = np.random.default_rng(0).uniform(0.1, 1, (50, estimator.model.n_measurements))
    if estimator.noise_name == "complex-gaussian":
        measurements = measurements * (1 + 0.1j)
    first, second = estimator.estimate(measurements), loaded.estimate(measurements)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.status, second.status)
    np.testing.assert_array_equal(first.standard_errors, second.standard_errors)
    for field in ("network", "noise_name", "snr_range", "prior", "card", "provenance", "estimated"):
        assert getattr(loaded, field) == getattr(estimator, field), field
    assert loaded.model.name == estimator.model.name


def test_the_header_is_readable_json(path):
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["raofit"])
    assert header["model"]["protocol"]["b_values"] == B_VALUES
    assert header["model"]["parameters"][0]["bounds"] == [0.0, None]
    assert header["noise"] == "rician"


def test_an_existing_file_is_kept_unless_forced(path):
    with pytest.raises(FileError, match="exists already"):
        save_network(path, untrained(seed=1))
    save_network(path, untrained(seed=1), force=True)
    assert load_network(path).provenance == {"seed": 1}
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@given(share=st.floats(0.0, 0.999))
@settings(max_examples=20)
def test_truncated_files_are_refused(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("truncated") / "net"
    save_network(path, untrained())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileError):
        load_network(path)


@given(position=st.integers(0, 4000), value=st.integers(0, 255))
@settings(max_examples=60)
def test_a_changed_byte_gives_a_network_or_one_sentence(tmp_path_factory, position, value):
    path = tmp_path_factory.mktemp("garbled") / "net"
    save_network(path, untrained())
    content = bytearray(path.read_bytes())
    content[position] = value
    path.write_bytes(content)
    with contextlib.suppress(FileError, ProtocolError):  # any other exception fails the test
        load_network(path)


class _Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(_Bomb()), pickle.dumps({"state_dict": 1})])
def test_other_files_are_refused_and_not_executed(tmp_path, content):
    (tmp_path / "net").write_bytes(content)
    with pytest.raises(FileError, match="not a raofit network file"):
        load_network(tmp_path / "net")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load_network(tmp_path / "net")


def test_foreign_safetensors_are_refused(tmp_path):
    path = tmp_path / "net"
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2, np.float32)}))
    with pytest.raises(FileError, match="not a raofit network"):
        load_network(path)
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2, np.float32)}, metadata={"raofit": "[]"}))
    with pytest.raises(FileError, match="holds no raofit network"):
        load_network(path)


def _rewritten(path, change):
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["raofit"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, arrays)
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"raofit": json.dumps(header)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda header, _: header.update(format="raofit network 1"),
        lambda header, _: header.pop("network"),
        lambda header, _: header["network"].update(sizes=[10, 10, 4]),
        lambda header, _: header["network"].update(constraint="eval"),
        lambda header, _: header.update(noise="poisson"),
        lambda header, _: header.update(snr_range=[0, 0]),
        lambda header, _: header["model"]["protocol"].update(b_values=[1, 2, 3]),
        lambda header, _: header["model"].update(protocol={}),
        lambda _, arrays: arrays.pop("layers.1.bias"),
        lambda _, arrays: arrays.update({"layers.0.weight": np.full((10, 10), np.nan, np.float32)}),
        lambda _, arrays: arrays.update(input_range=np.zeros((2, 3), np.float32)),
    ],
)
def test_inconsistent_headers_are_refused(path, change):
    _rewritten(path, change)
    with pytest.raises((FileError, ProtocolError)):
        load_network(path)


def _custom(b_values, names=("S0", "D")):
    def decay(parameters, b_values):
        return parameters[0] * 2.0 ** (-b_values * parameters[1])

    return FunctionModel(
        decay,
        [
            ModelParameter(names[0], "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "", is_amplitude=True),
            ModelParameter(names[1], "mm²/s", (0.0, 5e-3), (1e-4, 3e-3), "D", ""),
        ],
        {"b_values": b_values},
    )


def test_a_users_own_model_must_be_given_and_must_match(tmp_path):
    path = tmp_path / "net"
    save_network(path, untrained(_custom([0, 500, 1000])))
    with pytest.raises(FileError, match=r"`decay`.*model="):
        load_network(path)
    assert load_network(path, model=_custom([0, 500, 1000])).parameter_names == ("S0", "D")
    with pytest.raises(ProtocolError, match="S0, D, but the model `decay` has S0, ADC"):
        load_network(path, model=_custom([0, 500, 1000], ("S0", "ADC")))
    with pytest.raises(ProtocolError, match="0, 500, 1000, but the model has b_values = 0, 500, 900"):
        load_network(path, model=_custom([0, 500, 900]))


def test_weights_survive_exactly(path):
    np.testing.assert_array_equal(load_network(path).weights, untrained().weights)
    assert dataclasses.is_dataclass(load_network(path))


def test_a_compressed_model_comes_back_with_its_basis(tmp_path, monkeypatch):
    """Long settings and the basis are arrays of the file; the model is built from them where its name is known."""
    network = untrained_complex()
    monkeypatch.setattr(network_file, "_MOST_IN_HEADER", 10)
    save_network(tmp_path / "net", network)
    with safetensors.safe_open(tmp_path / "net", framework="numpy") as file:
        assert json.loads(file.metadata()["raofit"])["model"]["protocol"] == {"times": None}
        np.testing.assert_array_equal(file.get_tensor("protocol.times"), complex_toy.TIMES)
    with pytest.raises(FileError, match="two-frequencies"):
        load_network(tmp_path / "net")
    kind = complex_toy.TwoFrequencies
    monkeypatch.setitem(REGISTRY, "two-frequencies", Registered(kind, kind))
    loaded = load_network(tmp_path / "net")
    np.testing.assert_array_equal(loaded.model.basis, network.model.basis)
    np.testing.assert_array_equal(loaded.weights, network.weights)
    with pytest.raises(ProtocolError, match="another basis"):
        load_network(tmp_path / "net", model=Compressed(kind(complex_toy.TIMES), complex_toy.basis(seed=1)))
    with pytest.raises(ProtocolError, match="6 coefficients, but the model gives samples"):
        load_network(tmp_path / "net", model=kind(complex_toy.TIMES))
