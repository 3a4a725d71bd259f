"""Dictionary matching: brute force, what compression keeps, interpolation to the bound, known maps, and faults."""

import jax
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.status import Status
from raofit.estimators.atoms import Atoms
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.information.crb import crb
from raofit.information.subspace import energy_outside
from raofit.models import IVIM, Compressed, FunctionModel, MonoExponentialT2, Parameter
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.estimators.complex_toy import Echoes

ECHO_TIMES = [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2]
T2 = MonoExponentialT2(ECHO_TIMES)
T2_GRID = ParameterGrid({"T2": np.geomspace(0.01, 1.0, 200)})
ECHOES = Echoes()
ECHOES_GRID = ParameterGrid(
    {"R1": np.geomspace(0.2, 4.0, 30), "R2": np.geomspace(3.0, 60.0, 30), "omega0": np.linspace(-300, 300, 41)},
    where=lambda values: values["R1"] < values["R2"],
)


@pytest.fixture(scope="module")
def echoes():
    return DictionaryMatching(ECHOES, ECHOES_GRID, ComplexGaussian(0.05))


def _echo_signals(parameters):
    with jax.enable_x64(True):
        return np.asarray(ECHOES.signal(np.asarray(parameters, dtype=np.float64)))


def _noisy(signals, sigma, seed=0):
    channels = sigma * np.random.default_rng(seed).normal(size=(2, *signals.shape))
    return signals + (channels[0] + 1j * channels[1] if np.iscomplexobj(signals) else channels[0])


def _drawn(n_voxels, seed=1):
    low, high = np.array([[0.3, 5.0, -250.0], [2.0, 30.0, 250.0]])
    return np.random.default_rng(seed).uniform(low, high, (n_voxels, 3))


def test_the_atom_is_that_of_brute_force_for_every_voxel(echoes):
    """More voxels than one chunk holds; the largest score of all in double precision."""
    measurements = 3.0 * np.exp(2.0j) * _noisy(_echo_signals(_drawn(9000)), 0.05)
    signals = echoes.atoms.signals
    unit = signals / np.linalg.norm(signals, axis=1, keepdims=True)
    expected = np.concatenate([np.argmax(np.abs(part @ unit.conj().T), axis=1) for part in np.split(measurements, 18)])
    np.testing.assert_array_equal(echoes.estimate(measurements).diagnostics["atom"], expected)


def test_atoms_themselves_are_found_with_their_amplitude(echoes):
    """Nothing but rounding: amplitude and values to 1e-9, since the quadratic around an exact match is at its top
    only to the cubic term of the score; without interpolation, to rounding."""
    plain = DictionaryMatching(ECHOES, echoes.atoms, is_interpolated=False)
    chosen = np.arange(0, len(ECHOES_GRID), 97)
    factor = 2.0 * np.exp(1j * np.linspace(-3, 3, len(chosen)))
    estimate = plain.estimate(factor[:, None] * echoes.atoms.signals[chosen])
    np.testing.assert_array_equal(estimate.diagnostics["atom"], chosen)
    np.testing.assert_allclose(estimate.values, echoes.atoms.parameters[chosen], rtol=1e-13)
    np.testing.assert_allclose(estimate.diagnostics["amplitude"], factor, rtol=1e-12)
    assert np.all(estimate.diagnostics["relative_residual"] < 1e-7)


def _efficiency(estimates, truth, bound, n_voxels):
    """Mean squared error over the bound, and four standard deviations of it: √(2/n) for normal errors."""
    ratio = np.mean((estimates - truth) ** 2, axis=0) / bound
    return ratio, 4.0 * np.sqrt(2.0 / n_voxels)


def test_interpolation_reaches_the_bound_at_snr_50_for_t2():
    """MSE/CRB over 40 000 voxels: 4·√(2/n) = 0.03 of Monte-Carlo error, and 0.01 for the curvature of the estimate."""
    truth, sigma, n_voxels = np.array([1.0, 0.0712]), 0.02, 40_000
    bound = crb(T2, truth, Gaussian(sigma))
    measurements = _noisy(np.tile(np.asarray(T2.signal(truth), np.float64), (n_voxels, 1)), sigma)
    estimate = DictionaryMatching(T2, T2_GRID, Gaussian(sigma)).estimate(measurements)
    ratio, tolerance = _efficiency(estimate.values, truth, bound, n_voxels)
    np.testing.assert_allclose(ratio, 1.0, atol=tolerance + 0.01)
    np.testing.assert_allclose(np.mean(estimate.standard_errors**2, axis=0) / bound, 1.0, atol=0.02)
    assert set(estimate.status) == {Status.OK}


def test_interpolation_beats_a_coarse_grid_to_the_bound():
    """Steps of 17 %, four standard deviations of T2: atoms alone add (17 %)²/12 to the variance of (4 %)², the
    quadratic some percent."""
    truth, sigma, n_voxels = np.array([1.0, 0.0712]), 0.02, 20_000
    bound = crb(T2, truth, Gaussian(sigma))
    measurements = _noisy(np.tile(np.asarray(T2.signal(truth), np.float64), (n_voxels, 1)), sigma)
    grid = ParameterGrid({"T2": np.geomspace(0.01, 1.0, 30)})
    between, plain = (
        _efficiency(DictionaryMatching(T2, grid, is_interpolated=flag).estimate(measurements).values, truth, bound, 1)
        for flag in (True, False)
    )
    assert between[0][1] < 1.15 < 1.5 < plain[0][1]


def test_interpolation_reaches_the_bound_along_three_axes_at_once(echoes):
    """MSE/CRB over 20 000 voxels: 4·√(2/n) = 0.04; the bound is that with M0 unknown."""
    truth, sigma, n_voxels = np.array([0.83, 11.0, 57.0]), 0.02, 20_000
    bound = crb(ECHOES, truth, ComplexGaussian(sigma))
    measurements = np.exp(1j) * _noisy(np.tile(_echo_signals(truth), (n_voxels, 1)), sigma)
    matching = DictionaryMatching(ECHOES, echoes.atoms, ComplexGaussian(sigma))
    estimate = matching.estimate(measurements)
    ratio, tolerance = _efficiency(estimate.values, truth, bound, n_voxels)
    np.testing.assert_allclose(ratio, 1.0, atol=tolerance + 0.03)
    np.testing.assert_allclose(np.mean(estimate.standard_errors**2, axis=0) / bound, 1.0, atol=0.1)
    np.testing.assert_allclose(np.mean(estimate.diagnostics["amplitude"]), np.exp(1j), atol=0.01)


def test_values_stay_between_the_neighbors_and_inside_the_grid(echoes):
    estimate = echoes.estimate(_noisy(_echo_signals(_drawn(500)), 1.0))
    indices = ECHOES_GRID.indices[estimate.diagnostics["atom"]]
    for column, name in enumerate(ECHOES_GRID.names):
        axis = ECHOES_GRID.axes[name]
        low, high = (axis[np.clip(indices[:, column] + step, 0, len(axis) - 1)] for step in (-1, 1))
        values = estimate.values[:, column]
        assert np.all((values >= low * (1 - np.sign(low) * 1e-12)) & (values <= high * (1 + np.sign(high) * 1e-12)))
    at_edge = estimate.diagnostics["is_at_bound"]
    assert at_edge.any()
    np.testing.assert_array_equal(estimate.status == Status.AT_BOUND, at_edge.any(axis=1))


def test_an_edge_atom_is_flagged_and_keeps_its_value(echoes):
    """One beyond the first value of R2, one beyond its last, one beside what the constraint leaves out."""
    truths = np.array([[0.9, 2.0, 0.0], [0.9, 80.0, 0.0]])
    estimate = echoes.estimate(_echo_signals(truths))
    axis = ECHOES_GRID.axes["R2"]
    np.testing.assert_allclose(estimate["R2"], [axis[0], axis[-1]], rtol=1e-12)
    assert np.all(estimate.status == Status.AT_BOUND)
    assert np.all(estimate.diagnostics["is_at_bound"][:, 1])
    grid = ParameterGrid(
        {"R1": [0.9, 1.0, 1.1], "R2": np.linspace(1.05, 9, 30), "omega0": [-20.0, 0.0, 20.0]},
        where=lambda values: values["R2"] > 5.0,
    )
    beside = DictionaryMatching(ECHOES, grid).estimate(_echo_signals([1.0, 5.2, 0.0]))
    assert list(beside.diagnostics["is_at_bound"]) == [False, True, False]


@pytest.mark.parametrize("model", [T2, IVIM([0, 10, 20, 50, 100, 200, 400, 800])], ids=["t2", "ivim"])
def test_a_real_amplitude_is_among_the_values(model):
    names = [item.name for item in model.parameters if not item.is_amplitude]
    axes = {"T2": T2_GRID.axes["T2"], "f": np.linspace(0.05, 0.5, 12), "D_slow": np.linspace(3e-4, 3e-3, 12)}
    axes["D_fast"] = np.geomspace(5e-3, 0.2, 12)
    matching = DictionaryMatching(model, ParameterGrid({name: axes[name] for name in names}), is_interpolated=False)
    chosen = np.arange(5, len(matching.atoms.signals), 13)
    estimate = matching.estimate(250.0 * matching.atoms.signals[chosen])
    np.testing.assert_allclose(estimate["S0"], 250.0, rtol=1e-12)
    np.testing.assert_array_equal(estimate.diagnostics["atom"], chosen)


def test_a_negative_match_of_a_positive_amplitude_is_no_tissue():
    """All atoms of T2 are positive: what is mostly negative matches none of them, and S0 lies on its bound."""
    measurement = np.array([0.1, *[-1.0] * 7])
    estimate = DictionaryMatching(T2, T2_GRID).estimate(measurement)
    assert estimate["S0"] == 0.0
    assert estimate.status == Status.AT_BOUND


def test_a_real_model_takes_complex_measurements_with_complex_noise():
    signal = np.asarray(T2.signal([2.0, 0.08]), np.float64)
    estimate = DictionaryMatching(T2, T2_GRID, ComplexGaussian(0.01)).estimate(signal + 0.01j)
    np.testing.assert_allclose(estimate.values, [2.0, 0.08], rtol=1e-3)


def test_voxels_that_cannot_be_matched_are_marked():
    measurements = np.ones((4, len(ECHO_TIMES)))
    measurements[0, 1], measurements[1], measurements[2, 0] = np.nan, 0.0, -1.0
    matching = DictionaryMatching(T2, T2_GRID, Rician(np.array([0.01, 0.01, 0.01, np.nan])))
    estimate = matching.estimate(measurements)
    assert list(estimate.status) == [Status.NON_FINITE, Status.NON_POSITIVE, Status.NEGATIVE, Status.NO_SIGMA]
    assert np.all(np.isnan(estimate.values))
    assert np.all(np.isnan(estimate.standard_errors))
    assert list(estimate.diagnostics["atom"]) == [-1] * 4


def test_standard_errors_are_the_bound_at_the_match(echoes):
    """At an atom, with |M0| = 3: the bound at M0 = 1 over 9. For magnitudes, that of the Rician density."""
    chosen = np.flatnonzero(np.all((ECHOES_GRID.indices > 1) & (ECHOES_GRID.indices < 28), axis=1))[::997]
    plain = DictionaryMatching(ECHOES, echoes.atoms, ComplexGaussian(0.05), is_interpolated=False)
    estimate = plain.estimate(3.0 * echoes.atoms.signals[chosen])
    expected = np.sqrt(crb(ECHOES, echoes.atoms.parameters[chosen], ComplexGaussian(0.05)))
    np.testing.assert_allclose(estimate.standard_errors, expected / 3.0, rtol=1e-9)
    noise = Rician(0.2)
    rician = DictionaryMatching(T2, T2_GRID, noise).estimate(np.asarray(T2.signal([1.0, 0.08])))
    np.testing.assert_allclose(rician.standard_errors**2, crb(T2, rician.values, noise), rtol=1e-9)
    assert np.all(np.isnan(DictionaryMatching(T2, T2_GRID).estimate(np.ones(8)).standard_errors))


def test_fixed_parameters_have_no_error():
    grid = ParameterGrid({"R1": 0.9, "R2": np.geomspace(3, 60, 50), "omega0": np.linspace(-300, 300, 41)})
    noise = ComplexGaussian(0.01)
    estimate = DictionaryMatching(ECHOES, grid, noise).estimate(_echo_signals([0.9, 12.0, 40.0]))
    bound = crb(ECHOES, estimate.values, noise, fixed={"R1"})
    assert estimate["R1"] == 0.9
    assert estimate.standard_errors[0] == 0.0
    np.testing.assert_allclose(estimate.standard_errors**2, bound, rtol=0.05)  # at the atom, not at the estimate


class TestKnownMaps:
    def test_each_voxel_is_matched_among_the_atoms_of_its_nearest_value(self, echoes):
        truths = _drawn(400)
        measurements = _noisy(_echo_signals(truths), 0.05)
        estimate = echoes.estimate(measurements.reshape(20, 20, -1), known={"omega0": truths[:, 2].reshape(20, 20)})
        place = ECHOES_GRID.nearest("omega0", truths[:, 2])
        np.testing.assert_array_equal(estimate["omega0"].ravel(), ECHOES_GRID.axes["omega0"][place])
        signals = echoes.atoms.signals
        unit = signals / np.linalg.norm(signals, axis=1, keepdims=True)
        score = np.where(ECHOES_GRID.indices[:, 2] == place[:, None], np.abs(measurements @ unit.conj().T), -1.0)
        np.testing.assert_array_equal(estimate.diagnostics["atom"].ravel(), np.argmax(score, axis=1))
        assert np.all(estimate.standard_errors[..., 2] == 0)

    def test_values_beyond_the_axis_and_nan_are_marked(self, echoes):
        measurements = np.tile(_echo_signals([0.8, 12.0, 290.0]), (3, 1))
        estimate = echoes.estimate(measurements, known={"omega0": np.array([302.0, 320.0, np.nan])})
        assert list(estimate.status) == [Status.OK, Status.AT_BOUND, Status.NON_FINITE]
        assert np.all(np.isnan(estimate.values[2]))

    def test_faults(self, echoes):
        measurements = np.tile(_echo_signals([0.8, 12.0, 0.0]), (3, 1))
        with pytest.raises(RaofitError, match="`B1` is no axis of the grid; it has R1, R2, omega0"):
            echoes.estimate(measurements, known={"B1": 1.0})
        with pytest.raises(ProtocolError, match=r"known `omega0`.*shape \(3,\), got \(2,\)"):
            echoes.estimate(measurements, known={"omega0": np.zeros(2)})
        grid = ParameterGrid(
            {"R1": [0.5, 0.9], "R2": [9.0, 10.0], "omega0": [0.0, 1.0]}, where=lambda values: values["omega0"] < 1
        )
        with pytest.raises(RaofitError, match="no atom with omega0 = 1; see its `where`"):
            DictionaryMatching(ECHOES, grid).estimate(measurements, known={"omega0": 1.0})


class TestCompression:
    def test_energy_is_kept_by_as_few_directions_as_can_be(self, echoes):
        atoms = Atoms.of(ECHOES, ECHOES_GRID, energy=0.999)
        signals = echoes.atoms.signals
        rank = atoms.basis.shape[1]
        shares = [np.mean(energy_outside(signals, atoms.basis[:, :n])) for n in (rank, rank - 1)]
        # the basis is built from 4096 of the atoms, which misses the share by a few percent of what is lost
        assert shares[0] < 1.1e-3
        assert shares[1] > 0.9e-3
        np.testing.assert_allclose(atoms.signals, signals @ atoms.basis, atol=1e-12)

    def test_the_bound_rises_by_no_more_than_asked(self):
        atoms = Atoms.of(ECHOES, ECHOES_GRID, crb_loss=0.02)
        some = atoms.parameters[::701]
        noise = ComplexGaussian(1.0)
        loss = np.mean(crb(ECHOES, some, noise, basis=atoms.basis) / crb(ECHOES, some, noise), axis=0) - 1
        assert atoms.basis.shape[1] < ECHOES.n_measurements
        assert np.all(loss < 0.03)  # chosen on 256 other atoms

    def test_a_compressed_match_agrees_with_the_full_one(self, echoes):
        truths = _drawn(300)
        measurements = _noisy(_echo_signals(truths), 0.01)
        full = echoes.estimate(measurements)
        compressed = DictionaryMatching(ECHOES, ECHOES_GRID, ComplexGaussian(0.01), crb_loss=0.01)
        found = compressed.estimate(measurements)
        error = np.sqrt(crb(ECHOES, truths, ComplexGaussian(0.01)))
        assert np.median(np.abs(found.values - full.values) / error) < 0.2
        np.testing.assert_allclose(
            found.diagnostics["relative_residual"], full.diagnostics["relative_residual"], atol=0.02
        )

    def test_measurements_may_be_coefficients_already(self, echoes):
        basis = Atoms.of(ECHOES, ECHOES_GRID, rank=9).basis
        measurements = _noisy(_echo_signals(_drawn(200)), 0.02)
        outside = DictionaryMatching(Compressed(ECHOES, basis), ECHOES_GRID).estimate(measurements @ basis)
        inside = DictionaryMatching(ECHOES, ECHOES_GRID, rank=9).estimate(measurements)
        np.testing.assert_array_equal(outside.diagnostics["atom"], inside.diagnostics["atom"])
        np.testing.assert_allclose(outside.values, inside.values, rtol=1e-9)

    @pytest.mark.parametrize(
        ("compression", "message"),
        [
            ({"rank": 3, "energy": 0.9}, "expected one of rank, energy and crb_loss, got rank and energy"),
            ({"rank": 99}, r"rank: expected 1 to 20 \(the number of samples\), got 99"),
            ({"energy": 1.5}, "energy: expected a share of the signals' energy between 0 and 1, got 1.5"),
            ({"crb_loss": 0.0}, "crb_loss: expected a relative rise of the bound above 0"),
        ],
    )
    def test_faults(self, compression, message):
        grid = ParameterGrid({"R1": [0.5, 0.9], "R2": [9.0, 10.0], "omega0": [0.0, 1.0]})
        with pytest.raises(RaofitError, match=message):
            DictionaryMatching(ECHOES, grid, **compression)


def test_other_measurements_than_the_models_are_refused():
    with pytest.raises(ProtocolError, match=r"expected 8 measurements on the last axis, got shape \(3, 7\)"):
        DictionaryMatching(T2, T2_GRID).estimate(np.ones((3, 7)))
    with pytest.raises(ProtocolError, match="expected real measurements, got complex ones"):
        DictionaryMatching(T2, T2_GRID).estimate(np.ones((3, 8), complex))
    with pytest.raises(RaofitError, match="complex signals, expected ComplexGaussian noise, got gaussian"):
        DictionaryMatching(ECHOES, ECHOES_GRID, Gaussian(1.0))


def test_a_model_without_amplitude_and_a_signal_that_is_not_finite_are_refused():
    rate = Parameter("R", "1/s", (0.0, 9.0), (1.0, 2.0), "R", "rate")
    amplitude = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "amplitude", is_amplitude=True)
    protocol = {"echo_times": [0.1, 0.2]}
    bare = FunctionModel(lambda p, echo_times: 1.0 / p[0] + echo_times, parameters=[rate], protocol=protocol)
    with pytest.raises(RaofitError, match="has no amplitude"):
        DictionaryMatching(bare, ParameterGrid({"R": [1.0, 2.0]}))
    scaled = FunctionModel(
        lambda p, echo_times: p[0] * (1.0 / p[1] + echo_times), parameters=[amplitude, rate], protocol=protocol
    )
    with pytest.raises(RaofitError, match="not finite at S0 = 1, R = 0; leave it out by `where`"):
        DictionaryMatching(scaled, ParameterGrid({"R": [0.0, 1.0]}))


def test_progress_counts_atoms_and_voxels():
    events = []
    matching = DictionaryMatching(T2, T2_GRID, progress=events.append)
    matching.estimate(np.ones((10_000, 8)))
    assert [(event.stage, event.done, event.total) for event in events] == [
        ("dictionary", 200, 200),
        ("dictionary matching", 8192, 10_000),
        ("dictionary matching", 10_000, 10_000),
    ]


def test_an_empty_batch_gives_an_empty_estimate():
    estimate = DictionaryMatching(T2, T2_GRID, Gaussian(0.1)).estimate(np.ones((0, 8)))
    assert estimate.values.shape == estimate.standard_errors.shape == (0, 2)
