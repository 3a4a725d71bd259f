"""Trained networks on disk: safetensors arrays with a JSON header. Loading reads numbers and text, runs nothing.

Header keys: `format`, `model` (name, parameters with unit, bounds and typical range, protocol, settings), `network`
(the fields of `Perceptron`), `estimated` (parameter names), `noise`, `snr_range`, `prior`, `card`, `provenance`.
Arrays: `layers.N.weight` (outputs, inputs), `layers.N.bias`, `normalizations.N.scale` and `.shift`, `statistics`,
`input_range`, `label_range`, `standard_error_factors`; and what would be long in the header: `protocol.NAME` for a
setting that is null there, `basis` (and `basis.imaginary`) of a compressed model.
"""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from raofit.core.errors import FileError, ProtocolError
from raofit.estimators.network import NetworkEstimator, describe_protocol
from raofit.io.damage import DAMAGE
from raofit.io.output import new_file
from raofit.io.shipped_networks import network_path
from raofit.io.stored_model import model_settings
from raofit.io.text_formats import plain, shown
from raofit.models import REGISTRY, AbstractSignalModel, Compressed, build
from raofit.noise import NOISE_MODELS
from raofit.training.mixture import prior_from_dict
from raofit.training.networks import Perceptron

FORMAT = "raofit network 2"

_MOST_IN_HEADER = 100  # values of one protocol setting


def save_network(path: str | Path, network: NetworkEstimator, *, force: bool = False) -> None:
    """Write a network to `path`, complete or not at all.

    Raises
    ------
    FileError
        If the file exists and `force` is false, or the place is not writable.
    """
    arrays = {
        "input_range": network.input_range,
        "label_range": network.label_range,
        "standard_error_factors": network.standard_error_factors,
        "statistics": network.statistics,
    }
    weights = jnp.asarray(network.weights)
    for index, (matrix, bias) in enumerate(network.network.layers(weights)):
        arrays[f"layers.{index}.weight"], arrays[f"layers.{index}.bias"] = np.asarray(matrix), np.asarray(bias)
    for index, (scale, shift) in enumerate(network.network.normalizations(weights)):
        arrays[f"normalizations.{index}.scale"], arrays[f"normalizations.{index}.shift"] = scale, shift
    content = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    content |= _model_arrays(network.model)
    with new_file(Path(path), force=force) as work:
        work.write_bytes(safetensors.numpy.save(content, metadata={"raofit": json.dumps(_header(network))}))


def load_network(path: str | Path, *, model: AbstractSignalModel | None = None) -> NetworkEstimator:
    """Read a network written by `save_network`, or one that comes with the package.

    Parameters
    ----------
    path : a file, or the name of a shipped network (see `raofit.io.shipped_networks`).
    model : the signal model the network was trained for. Needed when it is not a registered one: a file holds no code.

    Raises
    ------
    FileError
        If the file is missing, damaged, or no network file; or its model is not registered and none is given.
    ProtocolError
        If `model` has other parameters or another protocol than the file.
    """
    path = network_path(path)
    header, arrays = _read(path)
    try:
        if header["format"] != FORMAT:
            raise FileError(
                f"{path}: expected the format `{FORMAT}`, got `{plain(header['format'])}`; update raofit to read it"
            )
        entry, basis = header["model"], _basis_of(arrays)
        protocol = _protocol_of(entry, arrays)
        built = _built(path, entry, protocol, basis) if model is None else model
        _check_model(entry, protocol, basis, built)
        network = _perceptron(header["network"])
        estimator = NetworkEstimator(
            model=built,
            network=network,
            weights=_weights(network, arrays),
            noise_name=header["noise"],
            snr_range=(float(header["snr_range"][0]), float(header["snr_range"][1])),
            prior=prior_from_dict(header["prior"]),
            input_range=arrays["input_range"],
            label_range=arrays["label_range"],
            standard_error_factors=arrays["standard_error_factors"],
            statistics=arrays["statistics"],
            estimated=None if header["estimated"] is None else tuple(header["estimated"]),
            card=header["card"],
            provenance=header["provenance"],
        )
        _check(estimator)
    except FileError:
        raise
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise FileError(
            f"{path}: the header of this network file is incomplete or inconsistent ({type(error).__name__}: "
            f"{plain(error)}); save the network again"
        ) from error
    return estimator


def _header(network: NetworkEstimator) -> dict:
    model = network.model
    return {
        "format": FORMAT,
        "model": {
            "name": model.name,
            "parameters": [_finite(dataclasses.asdict(parameter)) for parameter in model.parameters],
            "protocol": {
                name: None if values.size > _MOST_IN_HEADER else values.tolist()
                for name, values in model.protocol.items()
            },
            "settings": model_settings(model),
        },
        "network": dataclasses.asdict(network.network),
        "estimated": network.estimated,
        "noise": network.noise_name,
        "snr_range": list(network.snr_range),
        "prior": network.prior.as_dict(),
        "card": network.card,
        "provenance": network.provenance,
    }


def _model_arrays(model: AbstractSignalModel) -> dict[str, np.ndarray]:
    """Protocol settings too long for the header, and the basis, without loss."""
    arrays = {
        f"protocol.{name}": np.ascontiguousarray(values, dtype=np.float64)
        for name, values in model.protocol.items()
        if values.size > _MOST_IN_HEADER
    }
    if isinstance(model, Compressed):
        arrays["basis"] = _shortest(np.real(model.basis))
        if np.iscomplexobj(model.basis):
            arrays["basis.imaginary"] = _shortest(np.imag(model.basis))
    return arrays


def _shortest(array: np.ndarray) -> np.ndarray:
    """In single precision where that changes nothing."""
    single = np.ascontiguousarray(array, dtype=np.float32)
    return single if np.array_equal(single, array) else np.ascontiguousarray(array, dtype=np.float64)


def _finite(entry: dict) -> dict:
    """Infinite bounds as null: JSON has no infinity."""
    entry["bounds"] = [value if np.isfinite(value) else None for value in entry["bounds"]]
    return entry


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["raofit"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (*DAMAGE, safetensors.SafetensorError) as error:
        raise FileError(
            f"{path}: this is not a raofit network file, or it is damaged; write it again with `raofit train`"
        ) from error
    if not isinstance(header, dict) or "format" not in header:
        raise FileError(f"{path}: this safetensors file holds no raofit network; write one with `raofit train`")
    return header, arrays


def _protocol_of(entry: Mapping, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: arrays[f"protocol.{name}"] if values is None else np.asarray(values, dtype=np.float64)
        for name, values in entry["protocol"].items()
    }


def _basis_of(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    if "basis" not in arrays:
        return None
    basis = arrays["basis"].astype(np.float64)
    return basis + 1j * arrays["basis.imaginary"] if "basis.imaginary" in arrays else basis


def _built(path: Path, entry: Mapping, protocol: dict, basis: np.ndarray | None) -> AbstractSignalModel:
    if entry["name"] not in REGISTRY:
        raise FileError(
            f"{path}: the network was trained for the model `{plain(entry['name'])}`, which raofit does not know by "
            "name; pass it as load_network(path, model=...)"
        )
    model = build(entry["name"], protocol)
    return model if basis is None else Compressed(model, basis)


def _check_model(entry: Mapping, protocol: dict, basis: np.ndarray | None, model) -> None:
    """Raise `ProtocolError` unless `model` is the one the network was trained for."""
    names = [parameter["name"] for parameter in entry["parameters"]]
    if list(model.parameter_names) != names:
        raise ProtocolError(
            f"the network estimates {plain(', '.join(names))}, "
            f"but the model `{model.name}` has {', '.join(model.parameter_names)}"
        )
    given = model.protocol
    if sorted(protocol) != sorted(given) or any(not np.array_equal(protocol[name], given[name]) for name in given):
        raise ProtocolError(
            f"the network was trained for {describe_protocol(protocol)}, "
            f"but the model has {describe_protocol(given)}; build the model with the network's protocol"
        )
    settings = model_settings(model)
    if dict(entry["settings"]) != settings:
        raise ProtocolError(
            f"the network was trained for a model with the settings {_in_words(entry['settings'])}, "
            f"but the model has {_in_words(settings)}"
        )
    own_basis = model.basis if isinstance(model, Compressed) else None
    if (basis is None) != (own_basis is None) or (basis is not None and not np.array_equal(basis, own_basis)):
        raise ProtocolError(
            f"the network reads {_kind(basis)}, but the model gives {_kind(own_basis)} or those of another "
            "basis; build the model with the network's basis"
        )


def _in_words(settings: Mapping) -> str:
    return ", ".join(f"{plain(name)} = {shown(value)}" for name, value in settings.items()) or "none"


def _kind(basis: np.ndarray | None) -> str:
    return "samples" if basis is None else f"{basis.shape[1]} coefficients"


def _perceptron(entry: Mapping) -> Perceptron:
    """The network from its fields; lists become the tuples that a hashable description needs."""
    fields = {name: _as_tuples(value) for name, value in entry.items()}
    return Perceptron(**fields)


def _as_tuples(value):
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def _weights(network: Perceptron, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The flat vector, in the order of `Perceptron.layers` and `Perceptron.normalizations`."""
    shapes = {}
    for index, (n_in, n_out) in enumerate(itertools.pairwise(network.sizes)):
        shapes |= {f"layers.{index}.weight": (n_out, n_in), f"layers.{index}.bias": (n_out,)}
    for index, width in enumerate(network.sizes[1:-1] if network.has_normalization else ()):
        shapes |= {f"normalizations.{index}.scale": (width,), f"normalizations.{index}.shift": (width,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"`{name}` has shape {arrays[name].shape}, expected {shape}")
    return np.concatenate([np.ravel(arrays[name]).astype(np.float32) for name in shapes])


def _check(estimator: NetworkEstimator) -> None:
    """Raise `ValueError` unless all parts fit together."""
    network, n_parameters = estimator.network, len(estimator.parameter_names)
    n_inputs = estimator.model.n_measurements * (2 if NOISE_MODELS[estimator.noise_name].is_complex else 1)
    shapes = {
        "sizes": ((network.sizes[0], network.sizes[-1]), (n_inputs, n_parameters)),
        "input_range": (estimator.input_range.shape, (2, n_inputs)),
        "label_range": (estimator.label_range.shape, (2, n_parameters)),
        "standard_error_factors": (estimator.standard_error_factors.shape, (n_parameters,)),
        "statistics": (estimator.statistics.shape, (network.n_statistics,)),
        "prior": (estimator.prior.names, estimator.model.parameter_names),
    }
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"`{name}` is {found}, expected {expected}")
    if not set(estimator.parameter_names) <= set(estimator.model.parameter_names):
        raise ValueError(f"`estimated` is {estimator.parameter_names}")
    if not np.all(np.isfinite(estimator.weights)) or not np.all(np.isfinite(estimator.statistics)):
        raise ValueError("the weights hold NaN or infinite values")
    if not 0 < estimator.snr_range[0] <= estimator.snr_range[1]:
        raise ValueError(f"the SNR range is {estimator.snr_range}")
