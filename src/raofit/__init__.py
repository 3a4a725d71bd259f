"""raofit: quantitative-MRI parameter maps from estimators whose bias and variance are known."""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raofit import models, noise
    from raofit.core.errors import FileError, ProtocolError, RaofitError
    from raofit.core.parameter import Parameter
    from raofit.core.progress import ProgressEvent
    from raofit.core.references import cite
    from raofit.core.status import Status
    from raofit.estimators.estimate import Estimate
    from raofit.estimators.maximum_likelihood import MaximumLikelihood
    from raofit.estimators.network import NetworkEstimator
    from raofit.evaluation.evaluate import Evaluation, evaluate
    from raofit.information.crb import crb
    from raofit.io.network_file import load_network, save_network
    from raofit.recipes.train_network import train_network
    from raofit.recipes.training_recipe import TrainingRecipe

__version__ = importlib.metadata.version("raofit")

_HOMES = {
    "Estimate": "raofit.estimators.estimate",
    "Evaluation": "raofit.evaluation.evaluate",
    "FileError": "raofit.core.errors",
    "MaximumLikelihood": "raofit.estimators.maximum_likelihood",
    "NetworkEstimator": "raofit.estimators.network",
    "Parameter": "raofit.core.parameter",
    "ProgressEvent": "raofit.core.progress",
    "ProtocolError": "raofit.core.errors",
    "RaofitError": "raofit.core.errors",
    "Status": "raofit.core.status",
    "TrainingRecipe": "raofit.recipes.training_recipe",
    "cite": "raofit.core.references",
    "crb": "raofit.information.crb",
    "evaluate": "raofit.evaluation.evaluate",
    "load_network": "raofit.io.network_file",
    "save_network": "raofit.io.network_file",
    "train_network": "raofit.recipes.train_network",
}
_MODULES = ("models", "noise")

__all__ = [
    "Estimate",
    "Evaluation",
    "FileError",
    "MaximumLikelihood",
    "NetworkEstimator",
    "Parameter",
    "ProgressEvent",
    "ProtocolError",
    "RaofitError",
    "Status",
    "TrainingRecipe",
    "cite",
    "crb",
    "evaluate",
    "load_network",
    "models",
    "noise",
    "save_network",
    "train_network",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import raofit` and `raofit --help` load no JAX."""
    if name in _MODULES:
        return importlib.import_module(f"raofit.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'raofit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
