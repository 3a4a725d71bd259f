"""Evaluations as plain arrays and back, for files."""

from collections.abc import Mapping

import numpy as np

from raofit.core.status import Status
from raofit.evaluation.evaluate import Evaluation
from raofit.models import AbstractSignalModel

_FIELDS = ("truths", "bias", "std", "n_usable", "share_at_bound", "crb_std")


def pack(evaluations: Mapping[str, Evaluation]) -> dict[str, np.ndarray]:
    """Evaluations by name as named arrays; the names hold no slash."""
    arrays = {}
    for name, evaluation in evaluations.items():
        for field in _FIELDS:
            arrays[f"{name}/{field}"] = getattr(evaluation, field)
        arrays[f"{name}/n_repeats"] = np.array(evaluation.n_repeats)
        arrays[f"{name}/parameters"] = np.array(evaluation.parameter_names)
        if evaluation.coverage is not None:
            arrays[f"{name}/coverage"] = evaluation.coverage
        for status, counts in evaluation.status_counts.items():
            arrays[f"{name}/status/{int(status)}"] = counts
    return arrays


def unpack(arrays: Mapping[str, np.ndarray], model: AbstractSignalModel) -> dict[str, Evaluation]:
    """The inverse of `pack`, for evaluations of estimators of `model`."""
    parameters = {parameter.name: parameter for parameter in model.parameters}
    evaluations = {}
    for name in dict.fromkeys(key.split("/")[0] for key in arrays):
        own = {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}
        evaluations[name] = Evaluation(
            **{field: own[field] for field in _FIELDS},
            status_counts={
                Status(int(key.removeprefix("status/"))): value for key, value in own.items() if "status/" in key
            },
            n_repeats=int(own["n_repeats"]),
            parameters=tuple(parameters[str(item)] for item in own["parameters"]),
            coverage=own.get("coverage"),
        )
    return evaluations
