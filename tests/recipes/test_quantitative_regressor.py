"""The façade of scikit-learn: the same estimates, the same errors, and what pipelines and searches rely on."""

import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.models import MonoExponentialT2
from raofit.noise import Gaussian
from raofit.recipes.quantitative_regressor import QuantitativeRegressor
from raofit.recipes.training_recipe import TrainingRecipe

T2 = MonoExponentialT2([0.01, 0.03, 0.06, 0.1])
TRUTH = np.stack([np.linspace(0.8, 1.2, 30), np.linspace(0.03, 0.15, 30)], axis=-1)
SIGNALS = np.asarray(T2.signal(TRUTH)) + np.random.default_rng(0).normal(0, 0.01, (30, 4))
RECIPE = TrainingRecipe(
    noise="gaussian", snr=(20, 40), n_training=2000, n_validation=500, restarts=1, max_epochs=5, hidden=(8,)
)


@pytest.fixture(scope="module")
def regressor():
    return QuantitativeRegressor(T2, Gaussian(0.01)).fit(SIGNALS)


def test_a_noise_model_stands_for_maximum_likelihood(regressor):
    expected = MaximumLikelihood(T2, Gaussian(0.01)).estimate(SIGNALS).values
    np.testing.assert_array_equal(regressor.predict(SIGNALS), expected)
    assert regressor.n_features_in_ == 4


def test_the_score_is_the_mean_coefficient_of_determination(regressor):
    estimates = regressor.predict(SIGNALS)
    columns = zip(estimates.T, TRUTH.T, strict=True)
    expected = np.mean([1 - np.sum((e - t) ** 2) / np.sum((t - t.mean()) ** 2) for e, t in columns])
    assert regressor.score(SIGNALS, TRUTH) == pytest.approx(expected, rel=1e-6)
    without = np.where(np.arange(30)[:, None] == 0, np.nan, SIGNALS)
    residual = (np.vstack([TRUTH.mean(axis=0), estimates[1:]]) - TRUTH) ** 2
    expected = np.mean(1 - residual.sum(axis=0) / ((TRUTH - TRUTH.mean(axis=0)) ** 2).sum(axis=0))
    assert regressor.score(without, TRUTH) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(RaofitError, match=r"expected `y` of shape \(30, 2\)"):
        regressor.score(SIGNALS, TRUTH[:, 0])
    with pytest.raises(RaofitError, match="in which a parameter varies"):
        regressor.score(SIGNALS, np.ones((30, 2)))


def test_a_recipe_trains_a_network_and_a_ready_estimator_is_taken():
    trained = QuantitativeRegressor(T2, RECIPE).fit(SIGNALS)
    assert isinstance(trained.estimator_, NetworkEstimator)
    ready = QuantitativeRegressor(T2, trained.estimator_).fit(SIGNALS)
    np.testing.assert_array_equal(ready.predict(SIGNALS), trained.predict(SIGNALS))


@pytest.mark.parametrize("table", [SIGNALS[0], SIGNALS[:, :3], SIGNALS[None]])
def test_a_table_of_another_protocol_is_refused(regressor, table):
    for method in (regressor.fit, regressor.predict):
        with pytest.raises(ProtocolError, match="one voxel per row and 4 columns"):
            method(table)


def test_parameters_are_those_of_the_constructor():
    regressor = QuantitativeRegressor(T2, Gaussian(0.01))
    with pytest.raises(RaofitError, match="call `fit` before `predict`"):
        regressor.predict(SIGNALS)
    assert regressor.get_params() == {"model": T2, "estimator": regressor.estimator}
    assert regressor.set_params(estimator=RECIPE) is regressor
    assert regressor.get_params()["estimator"] is RECIPE
    with pytest.raises(RaofitError, match="`sigma` is none of model, estimator"):
        regressor.set_params(sigma=1.0)
    assert repr(regressor) == "QuantitativeRegressor(model='t2', estimator=TrainingRecipe)"


def test_scikit_learn_clones_pipes_and_searches():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed; pip install scikit-learn")
    from sklearn.base import clone, is_regressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.utils.estimator_checks import (
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_set_params,
    )

    regressor = QuantitativeRegressor(T2, Gaussian(0.01))
    assert is_regressor(regressor)
    assert clone(regressor).estimator.sigma == regressor.estimator.sigma
    for check in (check_get_params_invariance, check_no_attributes_set_in_init, check_set_params):
        check("QuantitativeRegressor", regressor)
    pipeline = make_pipeline(FunctionTransformer(lambda signals: signals / 100), regressor).fit(100 * SIGNALS)
    assert pipeline.score(100 * SIGNALS, TRUTH) == regressor.fit(SIGNALS).score(SIGNALS, TRUTH)
    search = GridSearchCV(regressor, {"estimator": [Gaussian(0.01), regressor.estimator_]}, cv=2, error_score="raise")
    assert search.fit(SIGNALS, TRUTH).best_score_ > 0.9
