"""raofit: quantitative-MRI parameter maps from estimators whose bias and variance are known."""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raofit import losses, models, noise, recipes
    from raofit.core.errors import FileError, ProtocolError, RaofitError
    from raofit.core.parameter import Parameter
    from raofit.core.progress import ProgressEvent
    from raofit.core.references import cite
    from raofit.core.status import Status
    from raofit.estimators.dictionary_matching import DictionaryMatching
    from raofit.estimators.estimate import Estimate
    from raofit.estimators.maximum_likelihood import MaximumLikelihood
    from raofit.estimators.network import NetworkEstimator
    from raofit.estimators.one_step import OneStep
    from raofit.estimators.parameter_grid import ParameterGrid
    from raofit.estimators.profile_intervals import profile_intervals
    from raofit.evaluation.evaluate import Evaluation, evaluate
    from raofit.information.crb import crb
    from raofit.information.design import Design, design_protocol
    from raofit.information.subspace import crb_svd_basis, svd_basis
    from raofit.io.basis_file import load_basis
    from raofit.io.coefficients import load_coefficients
    from raofit.io.dictionary_file import load_dictionary, save_dictionary
    from raofit.io.network_file import load_network, save_network
    from raofit.io.osipi import OsipiAlgorithm, write_osipi_algorithm
    from raofit.io.prior_file import named_prior
    from raofit.io.pulse_trains import load_trains
    from raofit.io.training_set_file import load_training_set, save_training_set
    from raofit.recipes.quantitative_regressor import QuantitativeRegressor
    from raofit.recipes.train_network import train_network
    from raofit.recipes.training_recipe import TrainingRecipe
    from raofit.recipes.training_set import TrainingSet, simulate_training_set
    from raofit.report.notebook import show_maps
    from raofit.training.mixture import Mixture
    from raofit.training.prior import Prior

__version__ = importlib.metadata.version("raofit")

_HOMES = {
    "Design": "raofit.information.design",
    "DictionaryMatching": "raofit.estimators.dictionary_matching",
    "Estimate": "raofit.estimators.estimate",
    "Evaluation": "raofit.evaluation.evaluate",
    "FileError": "raofit.core.errors",
    "MaximumLikelihood": "raofit.estimators.maximum_likelihood",
    "Mixture": "raofit.training.mixture",
    "NetworkEstimator": "raofit.estimators.network",
    "OneStep": "raofit.estimators.one_step",
    "OsipiAlgorithm": "raofit.io.osipi",
    "Parameter": "raofit.core.parameter",
    "ParameterGrid": "raofit.estimators.parameter_grid",
    "Prior": "raofit.training.prior",
    "ProgressEvent": "raofit.core.progress",
    "ProtocolError": "raofit.core.errors",
    "QuantitativeRegressor": "raofit.recipes.quantitative_regressor",
    "RaofitError": "raofit.core.errors",
    "Status": "raofit.core.status",
    "TrainingRecipe": "raofit.recipes.training_recipe",
    "TrainingSet": "raofit.recipes.training_set",
    "cite": "raofit.core.references",
    "crb": "raofit.information.crb",
    "crb_svd_basis": "raofit.information.subspace",
    "design_protocol": "raofit.information.design",
    "evaluate": "raofit.evaluation.evaluate",
    "load_basis": "raofit.io.basis_file",
    "load_coefficients": "raofit.io.coefficients",
    "load_dictionary": "raofit.io.dictionary_file",
    "load_network": "raofit.io.network_file",
    "load_training_set": "raofit.io.training_set_file",
    "load_trains": "raofit.io.pulse_trains",
    "named_prior": "raofit.io.prior_file",
    "profile_intervals": "raofit.estimators.profile_intervals",
    "save_dictionary": "raofit.io.dictionary_file",
    "save_network": "raofit.io.network_file",
    "save_training_set": "raofit.io.training_set_file",
    "show_maps": "raofit.report.notebook",
    "simulate_training_set": "raofit.recipes.training_set",
    "svd_basis": "raofit.information.subspace",
    "train_network": "raofit.recipes.train_network",
    "write_osipi_algorithm": "raofit.io.osipi",
}
_MODULES = ("losses", "models", "noise", "recipes")

__all__ = [
    "Design",
    "DictionaryMatching",
    "Estimate",
    "Evaluation",
    "FileError",
    "MaximumLikelihood",
    "Mixture",
    "NetworkEstimator",
    "OneStep",
    "OsipiAlgorithm",
    "Parameter",
    "ParameterGrid",
    "Prior",
    "ProgressEvent",
    "ProtocolError",
    "QuantitativeRegressor",
    "RaofitError",
    "Status",
    "TrainingRecipe",
    "TrainingSet",
    "cite",
    "crb",
    "crb_svd_basis",
    "design_protocol",
    "evaluate",
    "load_basis",
    "load_coefficients",
    "load_dictionary",
    "load_network",
    "load_training_set",
    "load_trains",
    "losses",
    "models",
    "named_prior",
    "noise",
    "profile_intervals",
    "recipes",
    "save_dictionary",
    "save_network",
    "save_training_set",
    "show_maps",
    "simulate_training_set",
    "svd_basis",
    "train_network",
    "write_osipi_algorithm",
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
