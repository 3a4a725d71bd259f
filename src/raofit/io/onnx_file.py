"""Trained networks as ONNX, for programs without JAX: scanners' reconstructions, C++, the browser.

The graph reads `measurements` (voxel, input), float32, any number of voxels, in the order of the protocol and the units
of the training (any units if the network scales its inputs); complex ones as real parts, then imaginary parts. It gives
`estimates` (voxel, parameter) in parameter units. Status, standard errors and training ranges are not in it: a voxel
that `NetworkEstimator` would refuse gets a number here.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raofit.core.errors import RaofitError
from raofit.estimators.network import NetworkEstimator
from raofit.io.output import new_file
from raofit.models import IVIM, AbstractSignalModel, Compressed
from raofit.training.networks import Perceptron

_OPSET, _IR_VERSION = 18, 10
_EPSILON = 1e-5  # as in `Perceptron`
_CONSTRAINTS = {"abs": "Abs", "softplus": "Softplus", "none": "Identity"}


def save_onnx(path: str | Path, network: NetworkEstimator, *, force: bool = False) -> None:
    """Write a network as an ONNX file (operator set 18), complete or not at all.

    Raises
    ------
    RaofitError
        If the package `onnx` is not installed, or the model orders its compartments in a way ONNX export does not know.
    FileError
        If the file exists and `force` is false, or the place is not writable.
    """
    content = onnx_model(network).SerializeToString()
    with new_file(Path(path), force=force) as work:
        work.write_bytes(content)


def onnx_model(network: NetworkEstimator) -> Any:
    """The network as an `onnx.ModelProto` (see the module)."""
    try:
        import onnx  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise RaofitError("ONNX export needs the package onnx; install it with pip install 'raofit[onnx]'") from error
    graph = _Graph(onnx)
    graph.nodes.append(
        onnx.helper.make_node("Identity", [_in_named_order(graph, network, _estimates(graph, network))], ["estimates"])
    )
    kind = onnx.TensorProto.FLOAT
    ends = [
        onnx.helper.make_tensor_value_info(name, kind, ["voxel", width])
        for name, width in (("measurements", network.network.sizes[0]), ("estimates", network.network.sizes[-1]))
    ]
    made = onnx.helper.make_graph(graph.nodes, "raofit", ends[:1], ends[1:], graph.constants)
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], producer_name="raofit")
    model.ir_version = _IR_VERSION
    onnx.helper.set_model_props(model, _facts(network))
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants under construction; every method returns the name of a result."""

    def __init__(self, onnx: Any):
        self.onnx, self.nodes, self.constants = onnx, [], []

    def add(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values, dtype=np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def columns(self, rows: str, indices: Sequence[int]) -> str:
        return self.add("Gather", rows, self.constant(list(indices), np.int64), axis=1)

    def where_positive(self, size: str, chosen: str, otherwise: str) -> str:
        return self.add("Where", self.add("Greater", size, self.constant(0.0)), chosen, otherwise)

    def norm(self, rows: str) -> str:
        """√Σ y² of each row, (voxel, 1), with the largest entry taken out first."""
        axis = self.constant([1], np.int64)
        largest = self.add("ReduceMax", self.add("Abs", rows), axis, keepdims=1)
        safe = self.where_positive(largest, largest, self.constant(1.0))
        unit = self.add("Div", rows, safe)
        total = self.add("ReduceSum", self.add("Mul", unit, unit), axis, keepdims=1)
        return self.add("Mul", largest, self.add("Sqrt", total))


def _estimates(graph: _Graph, estimator: NetworkEstimator) -> str:
    network, statistics = estimator.network, np.asarray(estimator.statistics)
    hidden, amplitude = _scaled(graph, network, "measurements")
    n_fixed = 2 * network.sizes[0] * network.standardizes_inputs
    if network.standardizes_inputs:
        mean, deviation = statistics[:n_fixed].reshape(2, -1)
        hidden = graph.add("Div", graph.add("Sub", hidden, graph.constant(mean)), graph.constant(deviation))
    normalizations = [np.asarray(pair) for pair in network.normalizations(estimator.weights)]
    passed = [hidden]
    *inner, last = network.layers(estimator.weights)
    for number, layer in enumerate(inner, start=1):
        linear = normalized = _linear(graph, network, layer, hidden, passed, number)
        if network.has_normalization:
            width = network.sizes[number]
            mean, variance = statistics[n_fixed : n_fixed + 2 * width].reshape(2, -1)
            n_fixed += 2 * width
            scale, shift = normalizations[number - 1]
            slope = graph.constant(scale / np.sqrt(variance + np.float32(_EPSILON)))
            centered = graph.add("Sub", linear, graph.constant(mean))
            normalized = graph.add("Add", graph.add("Mul", slope, centered), graph.constant(shift))
        hidden = graph.add("Elu" if network.activation == "elu" else "Relu", normalized)
        passed.append(linear if network.skip_source == "linear" else hidden)
    estimate = _constrained(graph, network, _linear(graph, network, last, hidden, passed, len(inner) + 1))
    if network.input_scaling == "none" or network.amplitude_index is None:
        return estimate
    is_amplitude = graph.constant([np.arange(network.sizes[-1]) == network.amplitude_index], np.bool_)
    return graph.add("Mul", estimate, graph.add("Where", is_amplitude, amplitude, graph.constant(1.0)))


def _scaled(graph: _Graph, network: Perceptron, rows: str) -> tuple[str, str]:
    """Inputs as the first layer sees them, and the factor they were divided by."""
    if network.has_complex_amplitude:
        return _without_complex_amplitude(graph, network, rows), ""
    if network.input_scaling == "none":
        return rows, ""
    is_first = network.input_scaling == "first"
    size = graph.add("Abs", graph.columns(rows, [0])) if is_first else graph.norm(rows)
    reference = graph.constant(network.reference)
    amplitude = graph.add("Div", graph.where_positive(size, size, reference), reference)
    return graph.add("Div", rows, amplitude), amplitude


def _without_complex_amplitude(graph: _Graph, network: Perceptron, rows: str) -> str:
    """As `raofit.training.input_scaling.without_complex_amplitude` and `mirrored`."""
    if network.input_scaling == "none":
        return rows
    rank, one = network.sizes[0] // 2, graph.constant(1.0)
    size = graph.norm(graph.columns(rows, [0, rank]) if network.input_scaling == "first" else rows)
    unit = graph.add("Div", rows, graph.where_positive(size, size, one))
    if network.input_scaling == "norm":
        return unit
    real, imaginary = graph.columns(unit, range(rank)), graph.columns(unit, range(rank, 2 * rank))
    length = graph.norm(graph.columns(unit, [0, rank]))
    safe = graph.where_positive(length, length, one)
    cosine = graph.where_positive(length, graph.add("Div", graph.columns(real, [0]), safe), one)
    sine = graph.add("Div", graph.columns(imaginary, [0]), safe)
    turned = graph.add("Add", graph.add("Mul", real, cosine), graph.add("Mul", imaginary, sine))
    left = graph.add("Sub", graph.add("Mul", imaginary, cosine), graph.add("Mul", real, sine))
    if network.mirrored_by is not None:
        is_negative = graph.add("Less", graph.columns(left, [network.mirrored_by]), graph.constant(0.0))
        left = graph.add("Where", is_negative, graph.add("Neg", left), left)
    return graph.add("Concat", turned, left, axis=1)


def _linear(graph: _Graph, network: Perceptron, layer, hidden: str, passed: Sequence[str], number: int) -> str:
    matrix, bias = layer
    product = graph.add("MatMul", hidden, graph.constant(np.asarray(matrix).T))
    linear = graph.add("Add", product, graph.constant(bias))
    for source, target in network.skips:
        if target == number:
            linear = graph.add("Add", linear, passed[source])
    return linear


def _constrained(graph: _Graph, network: Perceptron, raw: str) -> str:
    if network.constraint.endswith("sigmoid"):
        low, high = np.array(network.output_ranges, np.float32).T
        if network.constraint == "hard-sigmoid":
            share = graph.add("HardSigmoid", raw, alpha=1 / 6, beta=0.5)
            return graph.add("Max", graph.add("Mul", share, graph.constant(high)), graph.constant(low))
        share = graph.add("Sigmoid", raw)
        return graph.add("Add", graph.add("Mul", share, graph.constant(high - low)), graph.constant(low))
    positive = graph.add(_CONSTRAINTS[network.constraint], raw)
    estimate = graph.add("Mul", positive, graph.constant(network.output_scales))
    if network.output_offsets is None:
        return estimate
    return graph.add("Add", estimate, graph.constant(network.output_offsets))


def _in_named_order(graph: _Graph, estimator: NetworkEstimator, estimates: str) -> str:
    """Interchangeable compartments in their named order, as `AbstractSignalModel.canonical` has them."""
    model = estimator.model.model if isinstance(estimator.model, Compressed) else estimator.model
    if estimator.estimated is not None or type(model).canonical is AbstractSignalModel.canonical:
        return estimates
    if not isinstance(model, IVIM):
        raise RaofitError(f"ONNX export does not know how the model `{model.name}` orders its compartments")
    if model.form == "added":
        return estimates
    amplitude, fraction, slow, fast = (graph.columns(estimates, [index]) for index in range(4))
    other = graph.add("Sub", graph.constant(1.0), fraction)
    swapped = graph.add("Concat", amplitude, other, fast, slow, axis=1)
    return graph.add("Where", graph.add("Less", fast, slow), swapped, estimates)


def _facts(network: NetworkEstimator) -> dict[str, str]:
    """What a program needs to know besides the graph, as JSON texts."""
    units = {parameter.name: parameter.unit for parameter in network.model.parameters}
    facts = {
        "model": network.model.name,
        "parameters": {name: units[name] for name in network.parameter_names},
        "protocol": {name: np.asarray(values).tolist() for name, values in network.model.protocol.items()},
        "noise": network.noise_name,
        "snr_range": list(network.snr_range),
    }
    return {f"raofit.{name}": json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
