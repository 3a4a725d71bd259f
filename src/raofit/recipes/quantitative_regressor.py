"""Any estimator with the `fit` and `predict` that scikit-learn's pipelines and searches call."""

from typing import Any

import numpy as np
from jaxtyping import Float, Num

from raofit.core.errors import ProtocolError, RaofitError
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.evaluation.evaluate import Estimator
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe

_PARAMETERS = ("model", "estimator")


class QuantitativeRegressor:
    """Parameters of a signal model as a scikit-learn regressor of its measurements; scikit-learn need not be installed.

    Rows are voxels, features the measurements in the order of the model's protocol, targets the model's parameters.
    Nothing is learned from the measurements given to `fit`: what they follow is the model.

    Parameters
    ----------
    model : signal model with its protocol.
    estimator : a noise model, for maximum likelihood with it; a `TrainingRecipe`, for a network that `fit` trains on
        simulated measurements; or an estimator that is ready, such as a dictionary or a loaded network.

    Attributes
    ----------
    estimator_ : the estimator, after `fit`.
    n_features_in_ : measurements per voxel, after `fit`.

    Examples
    --------
    >>> from raofit.models import MonoExponentialT2
    >>> from raofit.noise import Gaussian
    >>> regressor = QuantitativeRegressor(MonoExponentialT2([0.01, 0.05, 0.1]), Gaussian(0.01))
    >>> measurements = [[0.9048, 0.6065, 0.3679], [0.8187, 0.3679, 0.1353]]
    >>> print(regressor.fit(measurements).predict(measurements)[:, 1])
    [0.100 0.050]
    """

    def __init__(self, model: AbstractSignalModel, estimator: AbstractNoise | TrainingRecipe | Estimator):
        self.model = model
        self.estimator = estimator

    def fit(self, X: Num[np.ndarray, "voxel measurement"], y: Any = None) -> "QuantitativeRegressor":  # noqa: ARG002, N803
        """Make the estimator ready: trains the network of a recipe, and learns nothing from `X` and `y` otherwise.

        Raises
        ------
        ProtocolError
            If `X` is no table with one column per measurement.
        RaofitError
            If the training is not possible.
        """
        self._rows(X)
        if isinstance(self.estimator, TrainingRecipe):
            self.estimator_ = train_network(self.model, self.estimator)
        elif isinstance(self.estimator, AbstractNoise):
            self.estimator_ = MaximumLikelihood(self.model, self.estimator)
        else:
            self.estimator_ = self.estimator
        self.n_features_in_ = self.model.n_measurements
        return self

    def predict(self, X: Num[np.ndarray, "voxel measurement"]) -> Float[np.ndarray, "voxel parameter"]:  # noqa: N803
        """Estimates in parameter units; NaN where the estimator has none (`estimator_.estimate(X).status` says why).

        Raises
        ------
        ProtocolError
            If `X` is no table with one column per measurement.
        RaofitError
            Before `fit`.
        """
        rows = self._rows(X)
        if "estimator_" not in vars(self):
            raise RaofitError("this QuantitativeRegressor is not ready; call `fit` before `predict`")
        return self.estimator_.estimate(rows).values

    def score(
        self,
        X: Num[np.ndarray, "voxel measurement"],  # noqa: N803
        y: Float[np.ndarray, "voxel parameter"],
    ) -> float:
        """R² = 1 − Σ(estimate − y)²/Σ(y − mean y)² of each parameter that varies in `y`, their mean.

        A voxel without an estimate counts as an estimate of the mean of `y`.

        Raises
        ------
        RaofitError
            If `y` has another shape than the estimates, or no parameter varies.
        """
        estimates, truth = self.predict(X), np.asarray(y, np.float64)
        if truth.shape != estimates.shape:
            raise RaofitError(
                f"score: expected `y` of shape {estimates.shape}, one column per parameter, got {truth.shape}"
            )
        mean = truth.mean(axis=0)
        residual = np.sum((np.where(np.isfinite(estimates), estimates, mean) - truth) ** 2, axis=0)
        total = np.sum((truth - mean) ** 2, axis=0)
        if not np.any(total > 0):
            raise RaofitError("score: expected a `y` in which a parameter varies, got the same row everywhere")
        return float(np.mean(1.0 - residual[total > 0] / total[total > 0]))

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """What the regressor was made with, by name."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params) -> "QuantitativeRegressor":
        """Replace what the regressor was made with; it needs another `fit`.

        Raises
        ------
        RaofitError
            If a name is neither `model` nor `estimator`.
        """
        unknown = sorted(set(params) - set(_PARAMETERS))
        if unknown:
            raise RaofitError(f"set_params: `{unknown[0]}` is none of {', '.join(_PARAMETERS)}")
        vars(self).update(params)
        return self

    def __repr__(self) -> str:
        return f"QuantitativeRegressor(model={self.model.name!r}, estimator={type(self.estimator).__name__})"

    def __sklearn_tags__(self):
        """What scikit-learn asks a regressor about itself; it is installed where this is called."""
        from sklearn import utils  # pyright: ignore[reportMissingImports]

        return utils.Tags(
            estimator_type="regressor",
            target_tags=utils.TargetTags(required=False, multi_output=True, single_output=False),
            regressor_tags=utils.RegressorTags(),
            input_tags=utils.InputTags(allow_nan=True),
            requires_fit=True,
        )

    def _rows(self, measurements: Any) -> np.ndarray:
        rows = np.asarray(measurements)
        if rows.ndim != 2 or rows.shape[1] != self.model.n_measurements:
            raise ProtocolError(
                f"expected a table with one voxel per row and {self.model.n_measurements} columns, one per measurement "
                f"of the protocol, got shape {rows.shape}"
            )
        return rows
