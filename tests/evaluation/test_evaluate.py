"""Monte Carlo evaluation against closed forms."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.evaluation import evaluate
from raofit.models import IVIM, AbstractSignalModel, FunctionModel, MonoExponentialADC
from raofit.noise import ComplexGaussian, Gaussian, Rician

N_MEASUREMENTS, SIGMA = 8, 0.2
KEY = jax.random.key(3)
TRUTHS = np.array([[0.5], [1.0], [4.0]])


def constant_signal():
    """Every measurement is the parameter itself: the mean is the efficient estimator, with variance σ²/M."""
    level = Parameter("level", "a.u.", (-10.0, 10.0), (0.0, 5.0), "l", "signal level")
    protocol = {"times": np.zeros(N_MEASUREMENTS)}
    return FunctionModel(lambda parameters, times: parameters[0] + times, [level], protocol, name="constant")


class FromMeasurements:
    """Estimator from a function of the measurements; records what it was given."""

    def __init__(self, function, *, names=("level",), **diagnostics):
        self.function, self.names, self.diagnostics, self.seen = function, names, diagnostics, []

    def estimate(self, measurements):
        measurements = np.asarray(measurements)
        self.seen.append(measurements)
        values = np.asarray(self.function(measurements), dtype=np.float64)
        status = np.where(np.isfinite(values).all(axis=-1), Status.OK, Status.NON_FINITE).astype(np.uint8)
        diagnostics = {name: function(values) for name, function in self.diagnostics.items()}
        return Estimate(values, status, self.names, lambda: values, diagnostics)


def mean_of(measurements):
    return measurements.mean(axis=-1, keepdims=True)


def test_the_mean_is_unbiased_and_efficient():
    n = 4000
    result = evaluate(FromMeasurements(mean_of), constant_signal(), Gaussian(SIGMA), TRUTHS, n, KEY)
    expected = SIGMA / np.sqrt(N_MEASUREMENTS)
    assert result.crb_std == pytest.approx(expected, rel=1e-6)
    # standard error of the mean is std/√n, of the standard deviation std/√(2n); 4 sigma, 3 truths
    assert np.abs(result.bias).max() < 4 * expected / np.sqrt(n)
    assert np.abs(result.std - expected).max() < 4 * expected / np.sqrt(2 * n)
    assert result.rmse == pytest.approx(np.sqrt(result.bias**2 + result.std**2), rel=1e-12)
    assert result.mean_estimate == pytest.approx(TRUTHS + result.bias)


def test_a_shrinking_estimator_has_the_bias_and_variance_it_must():
    n = 4000
    result = evaluate(FromMeasurements(lambda y: 0.3 * mean_of(y)), constant_signal(), Gaussian(SIGMA), TRUTHS, n, KEY)
    expected = 0.3 * SIGMA / np.sqrt(N_MEASUREMENTS)
    assert np.abs(result.bias + 0.7 * TRUTHS).max() < 4 * expected / np.sqrt(n)
    assert np.abs(result.std - expected).max() < 4 * expected / np.sqrt(2 * n)


def test_a_constant_answer_is_exact():
    answer = FromMeasurements(lambda y: np.full((len(y), 1), 2.0))
    result = evaluate(answer, constant_signal(), Gaussian(SIGMA), TRUTHS, 7, KEY)
    np.testing.assert_allclose(result.bias, 2.0 - TRUTHS, atol=1e-14)
    np.testing.assert_allclose(result.std, 0.0, atol=1e-14)
    np.testing.assert_allclose(result.rmse, np.abs(2.0 - TRUTHS), atol=1e-14)


def test_the_standard_deviation_divides_by_n():
    first = FromMeasurements(lambda y: y[:, :1])
    result = evaluate(first, constant_signal(), Gaussian(SIGMA), TRUTHS, 2, KEY)
    pairs = np.concatenate(first.seen)[:, 0].reshape(3, 2).astype(np.float64)
    np.testing.assert_allclose(result.std[:, 0], np.abs(pairs[:, 0] - pairs[:, 1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(result.bias[:, 0], pairs.mean(axis=1) - TRUTHS[:, 0], rtol=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 7, 64, 1000])
def test_the_chunk_size_changes_nothing(chunk_size):
    model, noise = constant_signal(), Rician(SIGMA)
    whole = evaluate(FromMeasurements(mean_of), model, noise, TRUTHS, 20, KEY)
    estimator = FromMeasurements(mean_of)
    parts = evaluate(estimator, model, noise, TRUTHS, 20, KEY, chunk_size=chunk_size)
    np.testing.assert_allclose(parts.bias, whole.bias, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(parts.std, whole.std, rtol=1e-5)
    assert {len(seen) for seen in estimator.seen} == {min(chunk_size, 60)}


def test_repeats_differ_and_are_paired_between_estimators():
    first, second = FromMeasurements(mean_of), FromMeasurements(lambda y: 2 * mean_of(y))
    for estimator in (first, second):
        evaluate(estimator, constant_signal(), Gaussian(SIGMA), TRUTHS, 50, KEY)
    np.testing.assert_array_equal(first.seen[0], second.seen[0])
    assert len(np.unique(first.seen[0])) == first.seen[0].size


def test_missing_estimates_are_counted_and_left_out():
    def sometimes(y):
        values = mean_of(y).astype(np.float64)
        values[::4] = np.nan
        return values

    result = evaluate(FromMeasurements(sometimes), constant_signal(), Gaussian(SIGMA), TRUTHS, 40, KEY)
    np.testing.assert_array_equal(result.n_usable, 30)
    np.testing.assert_allclose(result.share_failed, 0.25)
    np.testing.assert_array_equal(result.status_counts[Status.NON_FINITE], 10)
    np.testing.assert_array_equal(result.status_counts[Status.OK], 30)
    assert np.isfinite(result.bias).all()


def test_a_truth_without_any_estimate_is_nan():
    result = evaluate(
        FromMeasurements(lambda y: np.where(y[:, :1] > 2, np.nan, y[:, :1])),
        constant_signal(), Gaussian(0.01), TRUTHS, 10, KEY,
    )  # fmt: skip
    assert np.isnan(result.bias[2, 0])
    assert np.isnan(result.std[2, 0])
    assert np.isfinite(result.bias[:2]).all()
    assert result.share_failed[2, 0] == 1.0


def test_estimates_on_a_bound_are_counted():
    limited = FromMeasurements(lambda y: np.minimum(mean_of(y), 1.0), is_at_bound=lambda values: values >= 1.0)
    result = evaluate(limited, constant_signal(), Gaussian(SIGMA), TRUTHS, 400, KEY)
    assert result.share_at_bound[0, 0] == 0.0
    assert result.share_at_bound[2, 0] == 1.0
    assert abs(result.share_at_bound[1, 0] - 0.5) < 4 * 0.5 / np.sqrt(400)  # 4 sigma of a share of one half
    without = evaluate(FromMeasurements(mean_of), constant_signal(), Gaussian(SIGMA), TRUTHS, 2, KEY)
    assert np.isnan(without.share_at_bound).all()


def test_sigma_may_differ_between_truths():
    sigma = np.array([0.1, 0.2, 0.4])
    result = evaluate(FromMeasurements(mean_of), constant_signal(), Gaussian(sigma), TRUTHS, 4000, KEY)
    expected = sigma / np.sqrt(N_MEASUREMENTS)
    assert np.abs(result.std[:, 0] / expected - 1).max() < 4 / np.sqrt(2 * 4000)
    np.testing.assert_allclose(result.crb_std[:, 0], expected, rtol=1e-6)


def test_maximum_likelihood_reaches_the_bound_at_high_snr():
    model, noise, n = MonoExponentialADC(np.linspace(0, 1000, 6)), Rician(1 / 200), 2000
    truths = np.array([[1.0, 0.7e-3], [1.0, 1.5e-3]])
    result = evaluate(MaximumLikelihood(model, noise), model, noise, truths, n, KEY)
    # nonlinearity biases by O(std²/value), 1 % of the std here; the Monte Carlo error is std/√n: 4 sigma plus 2 %
    assert np.abs(result.bias / result.crb_std).max() < 4 / np.sqrt(n) + 0.02
    assert np.abs(result.std / result.crb_std - 1).max() < 4 / np.sqrt(2 * n) + 0.02
    np.testing.assert_array_equal(result.share_at_bound, 0.0)


def test_progress_counts_measurements():
    events = []
    evaluate(
        FromMeasurements(mean_of), constant_signal(), Gaussian(SIGMA), TRUTHS, 10, KEY,
        chunk_size=16, progress=events.append,
    )  # fmt: skip
    assert [event.done for event in events] == [16, 30]
    assert {event.total for event in events} == {30}


@pytest.mark.parametrize(
    ("truths", "n_repeats", "sigma", "words"),
    [
        (np.ones((2, 3)), 5, SIGMA, r"expected shape \(N, 1\) for level, got \(2, 3\)"),
        (np.array([[np.nan]]), 5, SIGMA, "expected finite parameters"),
        (TRUTHS, 0, SIGMA, "at least 1 repeat"),
        (TRUTHS, 5, np.ones(2), r"one per truth \(3\), got shape \(2,\)"),
    ],
)
def test_unusable_input_is_refused(truths, n_repeats, sigma, words):
    with pytest.raises(RaofitError, match=words):
        evaluate(FromMeasurements(mean_of), constant_signal(), Gaussian(sigma), truths, n_repeats, KEY)


def test_the_bound_is_that_of_the_papers_protocol():
    model = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    answer = FromMeasurements(lambda y: np.zeros((len(y), 4)), names=model.parameter_names)
    truths = jnp.array([[1.0, 0.3, 1.7e-3, 80e-3]])
    result = evaluate(answer, model, Rician(1 / 15), truths, 2, KEY)
    np.testing.assert_allclose(result.crb_std[0], [0.06583, 0.0693, 0.40679e-3, 51.070e-3], rtol=2e-3)


def _two_levels():
    """Two measurements of each of two complex levels, up to a complex amplitude."""
    levels = [Parameter(name, "1", (-10.0, 10.0), (0.0, 5.0), name, "") for name in ("a", "b")]
    return ComplexLevels(parameters=tuple(levels))


class ComplexLevels(AbstractSignalModel):
    name: str = "levels"
    parameters: tuple[Parameter, ...] = ()
    has_complex_amplitude: ClassVar[bool] = True

    def voxel_signal(self, parameters):
        a, b = parameters
        return jax.lax.complex(jnp.stack([1 + 0 * a, a, b]), jnp.stack([0 * a, a, -b]))


def test_estimates_of_some_parameters_are_compared_by_name_and_magnitude():
    """An estimator of |b| alone; each draw of a model with a complex amplitude has a phase of its own."""
    phases = []

    def magnitude_of_b(measurements):
        phases.append(np.angle(measurements[:, 0]))
        return np.abs(measurements[:, 2:] / measurements[:, :1]) / np.sqrt(2)

    truths = np.array([[1.0, -2.0], [0.5, 3.0]])
    estimator = FromMeasurements(magnitude_of_b, names=("b",))
    result = evaluate(estimator, _two_levels(), ComplexGaussian(1e-4), truths, 200, KEY, magnitudes=("b",))
    assert result.parameter_names == ("b",)
    np.testing.assert_array_equal(result.truths, [[2.0], [3.0]])
    # standard deviation of |b|: at most σ·√(1 + b²) = 3e-4, over 200 repeats; float32 adds 1e-6
    np.testing.assert_allclose(result.bias, 0.0, atol=1e-4)
    assert result.crb_std.shape == (2, 1)
    assert scipy.stats.kstest((np.concatenate(phases) + np.pi) / (2 * np.pi), "uniform").pvalue > 1e-3


def test_signals_and_bounds_at_hand_are_used():
    model, signals = constant_signal(), np.full((3, N_MEASUREMENTS), 7.0, np.float32)
    bound = np.array([[1.0], [4.0], [9.0]])
    result = evaluate(FromMeasurements(mean_of), model, Gaussian(1e-6), TRUTHS, 2, KEY, signals=signals, bound=bound)
    np.testing.assert_allclose(result.mean_estimate, 7.0, rtol=1e-5)
    np.testing.assert_allclose(result.crb_std, np.sqrt(bound))


def test_weighted_moments_of_an_efficient_estimator_are_0_and_1_with_few_repeats():
    truths = np.linspace(0.5, 4, 2000)[:, None]
    bound = np.full_like(truths, SIGMA**2 / N_MEASUREMENTS)
    result = evaluate(FromMeasurements(mean_of), constant_signal(), Gaussian(SIGMA), truths, 4, KEY, bound=bound)
    # over n truths: variance of the mean of χ²₃/3 is 2/3n, that of the squared bias is below 2/16n + 2/48n
    assert abs(result.weighted_variance.mean() - 1.0) < 4 * np.sqrt(2 / (3 * 2000))
    assert abs(result.weighted_squared_bias.mean()) < 4 * np.sqrt((2 / 16 + 2 / 48) / 2000)


def test_an_estimator_of_another_models_parameters_is_refused():
    with pytest.raises(RaofitError, match="estimates `T1`, but the model `constant` has level"):
        evaluate(FromMeasurements(mean_of, names=("T1",)), constant_signal(), Gaussian(SIGMA), TRUTHS, 2, KEY)
