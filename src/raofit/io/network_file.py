"""Trained networks on disk: safetensors arrays with a JSON header. Loading reads numbers and text, runs nothing.

Header keys: `format`, `model` (name, parameters with unit, bounds and typical range, protocol), `network`
(the fields of `Perceptron`), `noise`, `snr_range`, `prior`, `card`, `provenance`. Arrays: `layers.N.weight` (outputs,
inputs), `layers.N.bias`, `input_range`, `label_range`, `standard_error_factors`.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from raofit.core.errors import FileError, ProtocolError
from raofit.estimators.network import NetworkEstimator, describe_protocol
from raofit.io.output import new_file
from raofit.models import REGISTRY, AbstractSignalModel, build
from raofit.noise import NOISE_MODELS
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior

FORMAT = "raofit network 1"


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
    }
    for index, (matrix, bias) in enumerate(network.network.layers(jnp.asarray(network.weights))):
        arrays[f"layers.{index}.weight"], arrays[f"layers.{index}.bias"] = np.asarray(matrix), np.asarray(bias)
    content = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    with new_file(Path(path), force=force) as work:
        work.write_bytes(safetensors.numpy.save(content, metadata={"raofit": json.dumps(_header(network))}))


def load_network(path: str | Path, *, model: AbstractSignalModel | None = None) -> NetworkEstimator:
    """Read a network written by `save_network`.

    Parameters
    ----------
    model : the signal model the network was trained for. Needed when it is not a registered one: a file holds no code.

    Raises
    ------
    FileError
        If the file is missing, damaged, or no network file; or its model is not registered and none is given.
    ProtocolError
        If `model` has other parameters or another protocol than the file.
    """
    path = Path(path)
    header, arrays = _read(path)
    try:
        if header["format"] != FORMAT:
            raise FileError(
                f"{path}: expected the format `{FORMAT}`, got `{header['format']}`; update raofit to read it"
            )
        built = _model_of(path, header["model"]) if model is None else _matching(path, header["model"], model)
        network = _perceptron(header["network"])
        estimator = NetworkEstimator(
            model=built,
            network=network,
            weights=_weights(network, arrays),
            noise_name=header["noise"],
            snr_range=(float(header["snr_range"][0]), float(header["snr_range"][1])),
            prior=Prior.from_dict(header["prior"]),
            input_range=arrays["input_range"],
            label_range=arrays["label_range"],
            standard_error_factors=arrays["standard_error_factors"],
            card=header["card"],
            provenance=header["provenance"],
        )
        _check(estimator)
    except (FileError, ProtocolError):
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise FileError(
            f"{path}: the header of this network file is incomplete or inconsistent ({type(error).__name__}: {error}); "
            "save the network again"
        ) from error
    return estimator


def _header(network: NetworkEstimator) -> dict:
    model = network.model
    return {
        "format": FORMAT,
        "model": {
            "name": model.name,
            "parameters": [_finite(dataclasses.asdict(parameter)) for parameter in model.parameters],
            "protocol": {name: np.ravel(values).tolist() for name, values in model.protocol.items()},
        },
        "network": dataclasses.asdict(network.network),
        "noise": network.noise_name,
        "snr_range": list(network.snr_range),
        "prior": network.prior.as_dict(),
        "card": network.card,
        "provenance": network.provenance,
    }


def _finite(entry: dict) -> dict:
    """Infinite bounds as null: JSON has no infinity."""
    entry["bounds"] = [value if np.isfinite(value) else None for value in entry["bounds"]]
    return entry


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    if not path.is_file():
        raise FileError(f"{path}: no such file; expected a network written by `raofit train`")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["raofit"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise FileError(
            f"{path}: this is not a raofit network file, or it is damaged; write it again with `raofit train`"
        ) from error
    if not isinstance(header, dict) or "format" not in header:
        raise FileError(f"{path}: this safetensors file holds no raofit network; write one with `raofit train`")
    return header, arrays


def _model_of(path: Path, entry: Mapping) -> AbstractSignalModel:
    if entry["name"] not in REGISTRY:
        raise FileError(
            f"{path}: the network was trained for the model `{entry['name']}`, which raofit does not know by name; "
            "pass it as load_network(path, model=...)"
        )
    return _matching(path, entry, build(entry["name"], entry["protocol"]))


def _matching(path: Path, entry: Mapping, model: AbstractSignalModel) -> AbstractSignalModel:
    names = [parameter["name"] for parameter in entry["parameters"]]
    if list(model.parameter_names) != names:
        raise ProtocolError(
            f"{path}: the network estimates {', '.join(names)}, "
            f"but the model `{model.name}` has {', '.join(model.parameter_names)}"
        )
    stored = {name: np.asarray(values, dtype=np.float64) for name, values in entry["protocol"].items()}
    given = {name: np.ravel(values) for name, values in model.protocol.items()}
    if sorted(stored) != sorted(given) or any(not np.array_equal(stored[name], given[name]) for name in stored):
        raise ProtocolError(
            f"{path}: the network was trained for {describe_protocol(stored)}, "
            f"but the model has {describe_protocol(given)}; build the model with the network's protocol"
        )
    return model


def _perceptron(entry: Mapping) -> Perceptron:
    return Perceptron(
        sizes=tuple(int(width) for width in entry["sizes"]),
        output_scales=tuple(float(scale) for scale in entry["output_scales"]),
        constraint=entry["constraint"],
        output_ranges=None
        if entry["output_ranges"] is None
        else tuple((float(low), float(high)) for low, high in entry["output_ranges"]),
        input_scaling=entry["input_scaling"],
        amplitude_index=entry["amplitude_index"],
        reference=float(entry["reference"]),
    )


def _weights(network: Perceptron, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    pieces = []
    for index, (n_in, n_out) in enumerate(zip(network.sizes[:-1], network.sizes[1:], strict=True)):
        for name, shape in ((f"layers.{index}.weight", (n_out, n_in)), (f"layers.{index}.bias", (n_out,))):
            if arrays[name].shape != shape:
                raise ValueError(f"`{name}` has shape {arrays[name].shape}, expected {shape}")
            pieces.append(np.ravel(arrays[name]).astype(np.float32))
    return np.concatenate(pieces)


def _check(estimator: NetworkEstimator) -> None:
    """Raise `ValueError` unless all parts fit together."""
    network, n_parameters = estimator.network, len(estimator.model.parameters)
    n_inputs = estimator.model.n_measurements * (2 if NOISE_MODELS[estimator.noise_name].is_complex else 1)
    shapes = {
        "sizes": ((network.sizes[0], network.sizes[-1]), (n_inputs, n_parameters)),
        "input_range": (estimator.input_range.shape, (2, n_inputs)),
        "label_range": (estimator.label_range.shape, (2, n_parameters)),
        "standard_error_factors": (estimator.standard_error_factors.shape, (n_parameters,)),
        "prior": (estimator.prior.names, estimator.parameter_names),
    }
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"`{name}` is {found}, expected {expected}")
    if not np.all(np.isfinite(estimator.weights)):
        raise ValueError("the weights hold NaN or infinite values")
    if not 0 < estimator.snr_range[0] <= estimator.snr_range[1]:
        raise ValueError(f"the SNR range is {estimator.snr_range}")
