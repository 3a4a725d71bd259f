"""Maximum likelihood against SciPy, its own float64 reference, and bad input."""

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.special

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.core.status import Status
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.models import IVIM, BlackBoxModel, FunctionModel, MonoExponentialADC, MonoExponentialT2
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.estimators.complex_toy import Echoes, Given, bound_with_unknown_amplitude
from tests.oracles import formulas

SIGMA = 1 / 15
IVIM_UNITS = np.array([1.0, 1.0, 1e-3, 1e-1])
N_REFERENCE = 300
STARTS = ([1, 0.3, 1.7e-3, 80e-3], [1, 0.15, 1e-3, 20e-3], [1, 0.4, 0.5e-3, 30e-3], [1, 0.1, 1.5e-3, 200e-3])


def paper_measurements(n, seed=0):
    """Rician signals at SNR 15 from the paper's uniform prior, and the model."""
    model = IVIM(formulas.PAPER_B_VALUES)
    low, high = np.array([item.typical for item in model.parameters]).T
    truths = np.random.default_rng(seed).uniform(low, high, (n, 4)).astype(np.float32)
    return model, np.asarray(Rician(SIGMA).sample(jax.random.key(seed), model.signal(truths)))


def rician_objective(scaled, measurement, b_values):
    """−log L and gradient by independent formulas, in the units that make L-BFGS-B well scaled."""
    amplitude, fraction, slow, fast = scaled * IVIM_UNITS
    slow_decay = np.exp(-b_values * slow)
    fast_decay = np.exp(-b_values * (slow + fast))
    signal = amplitude * (fraction * fast_decay + (1 - fraction) * slow_decay)
    argument = measurement * signal / SIGMA**2
    scaled_bessel = scipy.special.i0e(argument)
    log_density = np.log(measurement / SIGMA) - (measurement - signal) ** 2 / (2 * SIGMA**2) + np.log(scaled_bessel)
    score = (measurement * scipy.special.i1e(argument) / scaled_bessel - signal) / SIGMA**2
    jacobian = np.stack(
        [
            fraction * fast_decay + (1 - fraction) * slow_decay,
            amplitude * (fast_decay - slow_decay),
            -b_values * signal,
            -b_values * amplitude * fraction * fast_decay,
        ],
        axis=-1,
    )
    return -np.sum(log_density), -(score @ jacobian) * IVIM_UNITS


def scipy_best(model, measurements):
    """Best objective of a four-start bounded L-BFGS-B with analytic gradient, per voxel."""
    low, high = np.array([item.bounds for item in model.parameters]).T / IVIM_UNITS
    high[0] = 1e4
    options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000}
    return np.array(
        [
            min(
                scipy.optimize.minimize(
                    rician_objective,
                    np.clip(np.array(start) / IVIM_UNITS, low, high),
                    args=(row.astype(np.float64), model.b_values),
                    jac=True,
                    method="L-BFGS-B",
                    bounds=list(zip(low, high, strict=True)),
                    options=options,
                ).fun
                for start in STARTS
            )
            for row in measurements
        ]
    )


def test_objective_is_no_worse_than_four_start_scipy():
    """Measured on 3000 voxels: 0.07 % miss a better optimum; 2 or more of 300 would have a chance of 2 %."""
    model, measurements = paper_measurements(N_REFERENCE)
    found = MaximumLikelihood(model, Rician(SIGMA)).estimate(measurements).diagnostics["objective"]
    assert np.sum(found > scipy_best(model, measurements) + 1e-3) <= 1


def test_float32_agrees_with_the_float64_reference():
    """A decrease of 1e-5 within reach is √(2e-5) = 0.0045 standard errors; 99 % of voxels agree to 5 of that."""
    model, measurements = paper_measurements(500)
    noise = Rician(SIGMA)
    single = MaximumLikelihood(model, noise).estimate(measurements)
    double = MaximumLikelihood(model, noise, precision="float64").estimate(measurements)
    assert double.values.dtype == np.float64
    difference = np.abs(single.values - double.values) / np.minimum(double.standard_errors, 1e3)
    assert np.mean(np.all(difference < 0.025, axis=-1)) > 0.97
    assert np.all(np.abs(single.diagnostics["objective"] - double.diagnostics["objective"]) < 1e-3)


def test_fits_on_a_bound_are_converged_and_say_so():
    """By the fact sheet of Epstein 2022, 29 % ± 2 % of Rician labels at SNR 15 lie on a bound (400 voxels)."""
    model, measurements = paper_measurements(2000)
    estimate = MaximumLikelihood(model, Rician(SIGMA)).estimate(measurements)
    assert set(estimate.counts()) == {Status.OK, Status.AT_BOUND}
    assert 0.23 < np.mean(estimate.status == Status.AT_BOUND) < 0.33
    low, high = np.array([item.bounds for item in model.parameters], dtype=np.float32).T
    on_edge = (estimate.values == low) | (estimate.values == high)
    assert np.array_equal(np.any(estimate.diagnostics["is_at_bound"], axis=-1), estimate.status == Status.AT_BOUND)
    assert np.array_equal(on_edge, estimate.diagnostics["is_at_bound"])


@pytest.mark.parametrize("strategy", ["dictionary", "closed-form", "given"])
def test_noise_free_signals_are_recovered_from_every_kind_of_start(strategy):
    model = IVIM(formulas.PAPER_B_VALUES)
    truths = np.array([[1.0, 0.3, 1.7e-3, 80e-3], [900.0, 0.15, 0.8e-3, 20e-3], [0.01, 0.4, 2.5e-3, 50e-3]])
    amplitude = truths[:, 0]
    noise = Gaussian(amplitude / 500)
    start = None if strategy == "given" else strategy
    fit = MaximumLikelihood(model, noise) if start is None else MaximumLikelihood(model, noise, start=start)
    given = np.array([1.0, 0.25, 1e-3, 40e-3]) * np.where(np.arange(4) == 0, amplitude[:, None], 1.0)
    estimate = fit.estimate(model.signal(truths), start=given if start is None else None)
    assert np.allclose(estimate.values, truths, rtol=2e-3)


def test_invalid_voxels_are_marked_and_disturb_no_neighbor():
    model, clean = paper_measurements(40)
    noise = Rician(SIGMA)
    damaged = clean.copy()
    damaged[3, 2], damaged[7], damaged[11, 1], damaged[13, 0] = np.nan, 0.0, -0.1, np.inf
    before, after = (MaximumLikelihood(model, noise).estimate(rows) for rows in (clean, damaged))
    marked = {3: Status.NON_FINITE, 7: Status.NON_POSITIVE, 11: Status.NEGATIVE, 13: Status.NON_FINITE}
    assert {index: Status(after.status[index]) for index in marked} == marked
    assert np.all(np.isnan(after.values[list(marked)]))
    others = np.setdiff1d(np.arange(40), list(marked))
    assert np.array_equal(before.values[others], after.values[others])


def test_sigma_and_batch_shapes_follow_the_measurements():
    model = MonoExponentialADC([0, 200, 500, 1000])
    signal = np.asarray(model.signal(np.broadcast_to([1.0, 1e-3], (2, 3, 2))))
    estimate = MaximumLikelihood(model, Gaussian(np.full((2, 3), 0.05))).estimate(signal)
    assert estimate.values.shape == (2, 3, 2)
    assert estimate["ADC"].shape == estimate.status.shape == (2, 3)
    single = MaximumLikelihood(model, Gaussian(0.05)).estimate(signal[0, 0])
    assert single.values.shape == (2,)
    with pytest.raises(ProtocolError, match=r"one value per voxel, shape \(2, 3\), got shape \(6,\)"):
        MaximumLikelihood(model, Gaussian(np.full(6, 0.05))).estimate(signal)


def test_a_voxel_without_sigma_is_marked():
    model = MonoExponentialADC([0, 500, 1000])
    signal = np.asarray(model.signal(np.broadcast_to([1.0, 1e-3], (3, 2))))
    estimate = MaximumLikelihood(model, Gaussian(np.array([0.1, 0.0, np.nan]))).estimate(signal)
    assert estimate.status.tolist() == [Status.OK, Status.NO_SIGMA, Status.NO_SIGMA]


def test_complex_measurements_carry_the_information_of_both_channels():
    model = MonoExponentialADC([0, 500, 1000])
    noise = ComplexGaussian(0.01)
    signal = np.broadcast_to(np.asarray(model.signal([1.0, 1e-3])), (50, 3))
    estimate = MaximumLikelihood(model, noise).estimate(noise.sample(jax.random.key(0), signal))
    assert estimate.counts() == {Status.OK: 50}
    assert np.allclose(estimate.values.mean(axis=0), [1.0, 1e-3], rtol=0.02)


def test_a_black_box_model_fits_like_its_traced_twin():
    twin = MonoExponentialT2([0.02, 0.05, 0.1])
    box = BlackBoxModel(
        lambda p, echo_times: p[..., :1] * np.exp(-echo_times / p[..., 1:]),
        twin.parameters,
        twin.protocol,
        is_vectorized=True,
        name="numpy decay",
    )
    noise = Rician(0.05)
    signal = np.broadcast_to(np.asarray(twin.signal([1.0, 0.08])), (30, 3))
    measurements = noise.sample(jax.random.key(2), signal)
    expected, found = (MaximumLikelihood(model, noise).estimate(measurements) for model in (twin, box))
    assert np.allclose(found.values, expected.values, rtol=1e-3)


def test_a_model_without_amplitude_is_fitted():
    model = FunctionModel(
        lambda parameters, delays: 1.0 - 2.0 * jax.numpy.exp(-delays * parameters[0]),
        [Parameter("R1", "1/s", (0.1, 10.0), (0.5, 2.0), "R_1", "longitudinal relaxation rate")],
        {"delays": [0.1, 0.5, 1.0, 3.0]},
        name="recovery",
    )
    truths = np.array([[0.6], [1.0], [3.0]])
    estimate = MaximumLikelihood(model, Gaussian(0.01)).estimate(model.signal(truths))
    assert np.allclose(estimate.values, truths, rtol=1e-3)


def test_swapped_compartments_are_put_right():
    model = IVIM(formulas.PAPER_B_VALUES, form="total")
    truth = np.array([1.0, 0.3, 1e-3, 30e-3])
    swapped_only = {"f": (0.01, 0.99), "D_slow": (5e-3, 0.3), "D_star": (0.1e-3, 4e-3)}
    noise = Gaussian(0.001)
    estimate = MaximumLikelihood(model, noise, bounds=swapped_only).estimate(model.signal(truth))
    assert np.allclose(estimate.values, truth, rtol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": {"g": (0, 1)}}, "`g` is not a parameter; the model has S0, ADC"),
        ({"bounds": {"ADC": (1, 0)}}, "expected low < high"),
        ({"start": "middle"}, 'expected "dictionary" or "closed-form"'),
        ({"precision": "half"}, 'expected "float32" or "float64"'),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(arguments, message):
    with pytest.raises(RaofitError, match=message):
        MaximumLikelihood(MonoExponentialADC([0, 1000]), Gaussian(0.1), **arguments)


def test_wrong_number_of_measurements_is_refused():
    fit = MaximumLikelihood(MonoExponentialADC([0, 1000]), Gaussian(0.1))
    with pytest.raises(ProtocolError, match=r"expected 2 measurements on the last axis, got shape \(5, 3\)"):
        fit.estimate(np.ones((5, 3)))


def complex_measurements(n, sigma, seed=4):
    """Echoes of random voxels, times one complex M0, with noise."""
    model = Echoes()
    low, high = np.array([item.typical for item in model.parameters]).T
    truths = np.random.default_rng(seed).uniform(low, high, (n, 3)).astype(np.float32)
    signals = 2e-6 * np.exp(2j) * np.asarray(model.signal(truths))
    return model, truths, np.asarray(ComplexGaussian(sigma).sample(jax.random.key(seed), signals))


def test_a_complex_amplitude_is_eliminated():
    """Scanner units, SNR 100: 40 voxels × 3 parameters stay within 5 standard errors of the truth."""
    sigma = 2e-8
    model, truths, measurements = complex_measurements(40, sigma)
    estimate = MaximumLikelihood(model, ComplexGaussian(sigma)).estimate(measurements.reshape(5, 8, -1))
    assert estimate.counts() == {Status.OK: 40}
    assert np.all(np.abs(estimate.values.reshape(40, 3) - truths) < 5 * estimate.standard_errors.reshape(40, 3))
    amplitude = estimate.diagnostics["amplitude"]
    assert amplitude.shape == (5, 8)
    assert np.allclose(amplitude, 2e-6 * np.exp(2j), rtol=0.1)
    expected = [bound_with_unknown_amplitude(model, v, 2e-6, sigma) for v in estimate.values[0].astype(float)]
    assert np.allclose(estimate.standard_errors[0], np.sqrt(expected), rtol=0.1)
    # χ² of 40 voxels with 40 − 5 degrees of freedom each: mean 1 ± 5·√(2/1400)
    assert abs(estimate.diagnostics["reduced_chi_square"].mean() - 1) < 5 * np.sqrt(2 / 1400)


def test_the_relative_residual_needs_no_sigma():
    model, _, measurements = complex_measurements(20, 2e-8)
    right, wrong = (MaximumLikelihood(model, ComplexGaussian(s)).estimate(measurements) for s in (2e-8, 6e-8))
    assert np.allclose(wrong.diagnostics["relative_residual"], right.diagnostics["relative_residual"], rtol=1e-3)
    assert np.allclose(9 * wrong.diagnostics["reduced_chi_square"], right.diagnostics["reduced_chi_square"], rtol=1e-2)


def test_fits_begin_at_another_estimate_or_its_mirror_image():
    """Starts two standard errors off without the sign of omega0, and no start at all for some, end where all do."""
    sigma = 2e-8
    model, _, measurements = complex_measurements(40, sigma)
    best = MaximumLikelihood(model, ComplexGaussian(sigma)).estimate(measurements)
    values = best.values + 2 * best.standard_errors
    values[:, 2] = np.abs(values[:, 2])
    values[::7] = np.nan
    fit = MaximumLikelihood(model, ComplexGaussian(sigma), initialize_with=Given(values, model.parameter_names))
    found = fit.estimate(measurements)
    assert found.counts() == {Status.OK: 40}
    assert np.all(np.abs(found.values - best.values) < 0.05 * best.standard_errors)


def test_more_starts_and_atoms_find_no_worse_optimum():
    sigma = 2e-7
    model, _, measurements = complex_measurements(40, sigma)
    ranges = {"R1": (0.2, 3.0)}
    one = MaximumLikelihood(model, ComplexGaussian(sigma)).estimate(measurements)
    fit = MaximumLikelihood(model, ComplexGaussian(sigma), n_starts=3, n_atoms=500, start_ranges=ranges)
    many = fit.estimate(measurements)
    assert np.all(many.diagnostics["objective"] < one.diagnostics["objective"] + 1e-2)


def test_gaussian_fits_know_their_chi_square():
    """Mean over 200 voxels with 3 − 2 = 1 degree of freedom: 1 ± 5·√(2/200)."""
    model = MonoExponentialADC([0, 500, 1000])
    signal = np.broadcast_to(np.asarray(model.signal([1.0, 1e-3])), (200, 3))
    for noise, freedom in ((Gaussian(0.01), 1), (ComplexGaussian(0.01), 4)):
        found = MaximumLikelihood(model, noise).estimate(noise.sample(jax.random.key(1), signal))
        assert abs(found.diagnostics["reduced_chi_square"].mean() - 1) < 5 * np.sqrt(2 / (200 * freedom))
    magnitudes = MaximumLikelihood(model, Rician(0.01)).estimate(signal)
    assert "reduced_chi_square" not in magnitudes.diagnostics


def test_no_voxels_give_empty_maps():
    model = Echoes()
    estimate = MaximumLikelihood(model, ComplexGaussian(0.1)).estimate(np.zeros((0, 20), np.complex64))
    assert estimate.values.shape == (0, 3)
    assert estimate.diagnostics["amplitude"].shape == (0,)
