"""The network estimator: values, status of every kind of voxel, chunks, standard errors, protocols."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raofit.core.errors import ProtocolError
from raofit.core.status import Status
from raofit.estimators import network as network_module
from raofit.estimators.network import check_protocol
from raofit.models import IVIM, MonoExponentialADC
from tests.estimators.untrained import B_VALUES, untrained, untrained_complex
from tests.recipes import complex_toy

ESTIMATOR = untrained()


def _measurements(n=40, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 1.2, (n, 10)).astype(np.float32)


def test_values_are_the_networks_in_any_batch_shape():
    measurements = _measurements(24)
    expected = np.asarray(ESTIMATOR.network.apply(jnp.asarray(ESTIMATOR.weights), measurements.T)).T
    estimate = ESTIMATOR.estimate(measurements.reshape(2, 3, 4, 10))
    assert estimate.values.shape == (2, 3, 4, 4)
    assert estimate.status.shape == (2, 3, 4)
    np.testing.assert_allclose(estimate.values.reshape(24, 4), expected, rtol=1e-5)
    assert estimate.counts() == {Status.OK: 24}
    one = ESTIMATOR.estimate(measurements[3])
    assert one.values.shape == (4,)
    np.testing.assert_allclose(one.values, expected[3], rtol=1e-5)


BAD = {
    "NaN": (np.nan, Status.NON_FINITE),
    "infinite": (np.inf, Status.NON_FINITE),
    "beyond float32": (1e300, Status.NON_FINITE),
    "negative": (-0.1, Status.NEGATIVE),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("input_scaling", ["none", "norm", "first"])
def test_a_bad_voxel_is_marked_and_disturbs_no_neighbor(kind, input_scaling):
    value, status = BAD[kind]
    estimator = untrained(input_scaling=input_scaling)
    measurements = _measurements(5).astype(np.float64)
    clean = estimator.estimate(measurements)
    measurements[2, 4] = value
    estimate = estimator.estimate(measurements)
    assert estimate.status.tolist() == [0, 0, status, 0, 0]
    assert np.isnan(estimate.values[2]).all()
    assert np.isnan(estimate.standard_errors[2]).all()
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(estimate.values[others], clean.values[others])
    np.testing.assert_array_equal(estimate.standard_errors[others], clean.standard_errors[others])


def test_voxels_without_signal_are_marked():
    measurements = np.stack([np.zeros(10), np.full(10, -1.0), np.full(10, 0.5)])
    assert ESTIMATOR.estimate(measurements).status.tolist() == [Status.NON_POSITIVE, Status.NON_POSITIVE, Status.OK]


def test_gaussian_noise_may_be_negative():
    measurements = _measurements(3)
    measurements[1, 9] = -0.05
    assert untrained(noise_name="gaussian").estimate(measurements).status.tolist() == [0, 0, 0]


def test_complex_measurements_enter_as_two_parts():
    estimator = untrained(noise_name="complex-gaussian")
    measurements = _measurements(3) + 1j * _measurements(3, seed=1)
    estimate = estimator.estimate(measurements)
    inputs = np.concatenate([measurements.real, measurements.imag], axis=-1).astype(np.float32)
    expected = estimator.network.apply(jnp.asarray(estimator.weights), inputs.T).T
    np.testing.assert_allclose(estimate.values, expected, rtol=1e-5)
    assert estimator.estimate(np.zeros((1, 10), complex)).status.tolist() == [Status.NON_POSITIVE]
    with pytest.raises(ProtocolError, match="complex measurements, got real"):
        estimator.estimate(np.real(measurements))
    with pytest.raises(ProtocolError, match="real measurements, got complex"):
        ESTIMATOR.estimate(measurements)


def test_out_of_range_signals_and_estimates_keep_their_value_and_are_marked():
    typical = np.array([1.0, 0.3, 1.7e-3, 80e-3])
    answer = ESTIMATOR.estimate(np.full(10, 0.5)).values
    narrow = np.stack([answer * 0.9, answer * 1.1])
    estimator = dataclasses.replace(
        ESTIMATOR, input_range=np.array([[0.4] * 10, [0.6] * 10]), label_range=np.stack([narrow.min(0), narrow.max(0)])
    )
    assert estimator.estimate(np.full(10, 0.5)).status == Status.OK
    outside = np.full(10, 0.5)
    outside[7] = 0.6 + 1 / 15 + 0.01  # margin: one standard deviation of the noise
    inside = np.full(10, 0.5)
    inside[7] = 0.6 + 1 / 15 - 0.01
    estimate = estimator.estimate(outside)
    assert estimate.status == Status.OUT_OF_RANGE
    assert np.isfinite(estimate.values).all()
    assert dataclasses.replace(estimator, label_range=ESTIMATOR.label_range).estimate(inside).status == Status.OK
    shifted = dataclasses.replace(estimator, label_range=np.stack([typical * 10, typical * 11]))
    assert shifted.estimate(np.full(10, 0.5)).status == Status.OUT_OF_RANGE


def test_unscaled_networks_notice_scanner_units():
    estimator = untrained(accepts_anything=False)
    assert estimator.estimate(1000 * _measurements(1)).status.tolist() == [Status.OUT_OF_RANGE]


@given(n_voxels=st.integers(0, 1100))
def test_chunks_change_nothing(n_voxels):
    measurements = _measurements(1100)[:n_voxels]
    with pytest.MonkeyPatch.context() as patch:
        whole = ESTIMATOR.estimate(_measurements(1100))
        patch.setattr(network_module, "_CHUNK", 256)
        estimate = ESTIMATOR.estimate(measurements)
        errors = estimate.standard_errors
    np.testing.assert_allclose(estimate.values, whole.values[:n_voxels], rtol=2e-6)
    np.testing.assert_array_equal(estimate.status, whole.status[:n_voxels])
    np.testing.assert_allclose(errors, whole.standard_errors[:n_voxels], rtol=1e-4)


def test_wrong_number_of_measurements_is_refused():
    with pytest.raises(ProtocolError, match=r"expected 10 measurements .*0, 10, 20.* got shape \(3, 9\)"):
        ESTIMATOR.estimate(np.ones((3, 9)))


def test_swapped_pools_are_put_in_order():
    model = IVIM(B_VALUES, form="total")
    estimator = untrained(model)
    swapped = np.zeros_like(estimator.weights)
    *_, (matrix, _) = estimator.network.layers(np.arange(estimator.weights.size))
    bias = slice(int(matrix.max()) + 1, None)
    scales = np.array(estimator.network.output_scales)
    swapped[bias] = np.array([1.0, 0.8, 50e-3, 1e-3]) / scales  # D_slow and D_star exchanged
    estimate = dataclasses.replace(estimator, weights=swapped).estimate(_measurements(1))
    np.testing.assert_allclose(estimate.values, [[1.0, 0.2, 1e-3, 50e-3]], rtol=1e-5)


@pytest.mark.parametrize("input_scaling", ["none", "norm"])
def test_standard_errors_are_the_delta_method(input_scaling):
    factors = np.array([1.0, 2.0, 0.5, 1.5])
    estimator = dataclasses.replace(untrained(input_scaling=input_scaling), standard_error_factors=factors)
    measurements, sigma = _measurements(6), np.linspace(0.01, 0.1, 6)

    def one(voxel):
        return estimator.network.apply(jnp.asarray(estimator.weights), voxel[:, None])[:, 0]

    jacobian = np.asarray(jax.jit(jax.vmap(jax.jacfwd(one)))(jnp.asarray(measurements)))
    expected = factors * np.sqrt(np.sum(jacobian**2, axis=-1)) * sigma[:, None]
    np.testing.assert_allclose(estimator.estimate(measurements, sigma=sigma).standard_errors, expected, rtol=1e-4)


def test_default_sigma_is_amplitude_over_snr():
    estimator = untrained(input_scaling="norm")
    measurements = _measurements(6)
    amplitude = np.linalg.norm(measurements, axis=-1) / estimator.network.reference
    given_sigma = estimator.estimate(measurements, sigma=amplitude / 15)
    np.testing.assert_allclose(estimator.estimate(measurements).standard_errors, given_sigma.standard_errors, rtol=1e-5)
    np.testing.assert_allclose(
        ESTIMATOR.estimate(measurements).standard_errors,
        ESTIMATOR.estimate(measurements, sigma=1 / 15).standard_errors,
        rtol=1e-6,
    )


def test_the_same_protocol_in_another_order_is_reordered():
    np.testing.assert_array_equal(check_protocol(ESTIMATOR, {"b_values": B_VALUES}), np.arange(10))
    shuffle = np.random.default_rng(0).permutation(10)
    order = check_protocol(ESTIMATOR, {"b_values": np.array(B_VALUES)[shuffle]})
    measurements = _measurements()
    np.testing.assert_array_equal(measurements[:, shuffle][:, order], measurements)


@pytest.mark.parametrize(
    "protocol",
    [{"b_values": [0, 10, 20, 30, 50, 80, 100, 200, 400, 900]}, {"b_values": [0, 800]}, {"echo_times": B_VALUES}],
)
def test_another_protocol_is_refused_with_both_shown(protocol):
    (name, values), *_ = protocol.items()
    with pytest.raises(ProtocolError) as error:
        check_protocol(ESTIMATOR, protocol)
    assert "b_values = 0, 10, 20, 30, 50, 80, 100, 200, 400, 800" in str(error.value)
    assert f"{name} = {', '.join(map(str, values))}" in str(error.value)


def test_two_parameter_models_work_too():
    estimator = untrained(MonoExponentialADC([0, 500, 1000]))
    assert estimator.estimate(np.full((2, 3), 0.5)).values.shape == (2, 2)


def _coefficients(n=40, seed=0):
    generator = np.random.default_rng(seed)
    parameters = generator.uniform([0.1, 5, 50], [0.5, 40, 300], (n, 3))
    return np.asarray(complex_toy.model().signal(parameters)).astype(np.complex64)


@pytest.mark.parametrize("input_scaling", ["first", "norm-phase"])
def test_a_complex_amplitude_changes_neither_values_nor_relative_errors(input_scaling):
    estimator = untrained_complex(input_scaling=input_scaling)
    coefficients = _coefficients()
    expected = estimator.estimate(coefficients, sigma=0.01)
    for factor in (2e-6, -3.0, 50 * np.exp(2j)):
        estimate = estimator.estimate(np.complex64(factor) * coefficients, sigma=0.01 * abs(factor))
        np.testing.assert_allclose(estimate.values, expected.values, rtol=1e-4)
        np.testing.assert_allclose(estimate.standard_errors, expected.standard_errors, rtol=1e-3)
        assert estimate.counts() == {Status.OK: 40}


def test_some_of_the_parameters_are_estimated_by_name():
    estimator = untrained_complex()
    estimate = estimator.estimate(_coefficients().reshape(2, 20, 6))
    assert estimate.parameter_names == estimator.parameter_names == ("R", "omega")
    assert estimate["omega"].shape == (2, 20)
    assert estimate.standard_errors.shape == (2, 20, 2)


def test_a_complex_voxels_estimate_is_independent_of_its_batch():
    estimator, coefficients = untrained_complex(has_normalization=True), _coefficients(300)
    together = estimator.estimate(coefficients)
    for index in (0, 299):
        alone = estimator.estimate(coefficients[index])
        np.testing.assert_allclose(alone.values, together.values[index], rtol=1e-5)
        np.testing.assert_allclose(alone.standard_errors, together.standard_errors[index], rtol=1e-4)


def test_bad_complex_voxels_are_marked():
    coefficients = _coefficients(5)
    coefficients[1] = 0
    coefficients[3, 2] = np.nan
    estimate = untrained_complex().estimate(coefficients)
    assert estimate.status.tolist() == [0, Status.NON_POSITIVE, 0, Status.NON_FINITE, 0]


def test_a_voxel_unlike_the_training_inputs_is_marked_in_any_units():
    inputs = np.concatenate([_coefficients(400).real, _coefficients(400).imag], axis=1)
    estimator = untrained_complex()
    scaled = np.asarray(estimator.network.scaled_inputs(jnp.asarray(inputs.T))[0])
    estimator = dataclasses.replace(estimator, input_range=np.stack([scaled.min(axis=1), scaled.max(axis=1)]))
    strange = _coefficients(3)
    strange[1, 1:] *= 30
    for factor in (1.0, 1e-6j):
        assert estimator.estimate(factor * strange).status.tolist() == [0, Status.OUT_OF_RANGE, 0]


def test_a_train_of_pulses_may_not_be_reordered():
    """Measurements of a model with a complex amplitude depend on what came before them."""
    estimator = untrained_complex()
    times = complex_toy.TIMES
    np.testing.assert_array_equal(check_protocol(estimator, {"times": times}), np.arange(6))
    with pytest.raises(ProtocolError, match="train a network for this protocol"):
        check_protocol(estimator, {"times": times[::-1]})


def test_a_long_protocol_is_told_by_its_range():
    words = network_module.describe_protocol({"flip_angles": np.linspace(0, 3, 6852), "repetition_time": [0.0035]})
    assert words == "flip_angles = 6852 values from 0 to 3; repetition_time = 0.0035"
