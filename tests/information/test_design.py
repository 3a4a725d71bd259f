"""Protocol design: closed-form optima, gradients, bounds, time budgets, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from raofit.core.errors import ProtocolError, RaofitError
from raofit.information.crb import crb
from raofit.information.design import design_protocol
from raofit.information.design_search import LEAST_WEIGHT, Space, weighted_bound
from raofit.information.smooth_curves import curve_matrix
from raofit.models import (
    IVIM,
    MRFFISP,
    BlackBoxModel,
    Compressed,
    InversionRecovery,
    MonoExponentialADC,
    MonoExponentialT2,
    SpoiledGradientEcho,
)
from raofit.noise import ComplexGaussian, Gaussian, Rician

KEY = jax.random.key(0)
PAPER = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]
TISSUE = np.array([[1.0, 0.3, 1.7e-3, 80e-3]])
T2 = 0.08
ANGLES = np.deg2rad([3.0, 10.0, 20.0, 30.0])


def design_t2(n_echoes, **options):
    start = MonoExponentialT2(np.linspace(0.02, 0.2, n_echoes))
    return design_protocol(
        start, Gaussian(0.01), {"echo_times": (0.0, 0.5)}, key=KEY, tissues=[[1.0, T2]], weights={"T2": 1.0}, **options
    )


def test_known_amplitude_wants_every_echo_at_t2():
    """CRB(T2)/T2² = σ²·exp(2x)/(n·x²) at TE = x·T2, least at x = 1."""
    found = design_t2(3, fixed=["S0"])
    np.testing.assert_allclose(found.after.protocol["echo_times"], np.full(3, T2), rtol=1e-4)
    assert found.objective_after == pytest.approx(0.01**2 * np.e**2 / 3, rel=1e-6)


def two_point(x, n_first, n_echoes):
    """CRB(T2)/T2² of `n_first` echoes at 0 and the others at x·T2: σ²·(1/n₁ + exp(2x)/n₂)/x²."""
    return 0.01**2 * (1 / n_first + np.exp(2 * x) / (n_echoes - n_first)) / x**2


@pytest.mark.parametrize("n_echoes", [2, 5, 9])
def test_unknown_amplitude_wants_two_echo_times_in_the_best_whole_numbers(n_echoes):
    found = design_t2(n_echoes, n_starts=1)
    best = [
        scipy.optimize.minimize_scalar(two_point, bounds=(0.5, 2.5), args=(first, n_echoes), method="bounded")
        for first in range(1, n_echoes)
    ]
    n_first = 1 + int(np.argmin([item.fun for item in best]))
    assert found.objective_after == pytest.approx(best[n_first - 1].fun, rel=1e-6)
    expected = np.r_[np.zeros(n_first), np.full(n_echoes - n_first, best[n_first - 1].x * T2)]
    np.testing.assert_allclose(np.sort(found.after.protocol["echo_times"]), expected, atol=1e-4 * T2)


def test_two_echoes_solve_the_stationary_equation():
    """d/dx (1 + exp(2x))/x² = 0 at x = 1 + exp(−2x) = 1.1089."""
    assert np.max(design_t2(2).after.protocol["echo_times"]) / T2 == pytest.approx(1.1089, abs=1e-4)


LOBES = np.radians(5 + 55 * np.abs(np.sin(np.pi * np.arange(40) / 20)))
FISP = MRFFISP(LOBES, 0.012, echo_times=0.003, inversion_time=0.02, b1=1.0)
OF_TRAINS = {"flip_angles": (0.08, 1.3), "repetition_times": (0.008, 0.02), "inversion_time": (0.005, 0.1)}


@pytest.mark.parametrize(
    ("model", "free", "nodes", "noise"),
    [
        (IVIM(PAPER), {"b_values": (0.0, 1000.0)}, {}, Rician(1 / 20)),
        (
            InversionRecovery([0.1, 0.4, 1.0, 3.0], polarity="signed"),
            {"inversion_times": (0.0, 5.0)},
            {"inversion_times": 3},
            Gaussian(0.02),
        ),
        (
            SpoiledGradientEcho(ANGLES, 15e-3, b1="free"),
            {"flip_angles": (0.01, 3.0), "repetition_time": (5e-3, 0.1)},
            {"repetition_time": 2},
            Rician(1e-3),
        ),
        (FISP, OF_TRAINS, {"flip_angles": 5, "repetition_times": 4}, ComplexGaussian(1 / 50)),
    ],
    ids=["ivim", "t1-ir", "t1-vfa", "mrf-fisp"],
)
def test_gradient_matches_central_differences_and_the_value_is_the_bound(model, free, nodes, noise):
    tissues = np.array([[item.typical_value for item in model.parameters]]) * np.array([[1.0], [1.2]])
    weights = np.arange(len(model.parameters), dtype=float)
    with jax.enable_x64(True):
        space = Space(model, free, nodes)
        objective = weighted_bound(space, noise, tissues, weights, ())
        value, gradient = objective(space.given)
        steps = 1e-5 * np.eye(space.size)
        settings = {name: np.asarray(values) for name, values in space.settings(space.given).items()}
        differences = [(objective(space.given + step)[0] - objective(space.given - step)[0]) / 2e-5 for step in steps]
    # second-order truncation 1e-10 and rounding 1e-16·(condition 1e5)/1e-5 of slopes of order 1 to 100
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-5)
    raised = np.maximum(weights, LEAST_WEIGHT * weights.max())
    nearest = model.with_settings(settings)
    expected = np.mean(np.sum(raised * crb(nearest, tissues, noise) / tissues**2, axis=-1))
    assert np.exp(value) == pytest.approx(expected, rel=1e-6)


def test_result_states_bounds_objective_and_factor_of_both_protocols():
    found = design_protocol(
        IVIM(PAPER), Rician(1 / 50), {"b_values": (0, 800)}, key=KEY, tissues=TISSUE, weights={"D_fast": 2.0}
    )
    np.testing.assert_array_equal(found.before.protocol["b_values"], PAPER)
    np.testing.assert_array_equal(found.crb_before, crb(IVIM(PAPER), TISSUE, Rician(1 / 50)))
    np.testing.assert_array_equal(found.crb_after, crb(IVIM(found.after.b_values), TISSUE, Rician(1 / 50)))
    assert found.objective_before == pytest.approx(2.0 * found.crb_before[0, 3] / TISSUE[0, 3] ** 2)
    assert found.factor == pytest.approx(found.crb_before[0, 3] / found.crb_after[0, 3])
    assert found.factor > 1.8
    assert found.relative_std_after[3] == pytest.approx(np.sqrt(found.crb_after[0, 3]) / TISSUE[0, 3])
    assert found.duration_after is None


def test_no_parameter_is_lost_for_the_sake_of_another():
    """Three b-values would tell f best, if nothing else had to be known; then no estimator finds f either."""
    found = design_protocol(
        IVIM(PAPER), Rician(1 / 500), {"b_values": (0, 800)}, key=KEY, tissues=TISSUE, weights={"f": 1.0}
    )
    assert found.factor > 1.2
    assert np.all(found.relative_std_after < 5 * found.relative_std_before)


def test_bounds_are_kept_and_the_same_key_finds_the_same_protocol():
    def once(key):
        return design_protocol(IVIM(PAPER), Gaussian(0.02), {"b_values": (5, 300)}, key=key, n_starts=3).after.b_values

    first = once(jax.random.key(7))
    assert first.min() >= 5
    assert first.max() <= 300
    assert np.isclose(first.max(), 300)  # slow diffusion wants more than the bound allows
    np.testing.assert_array_equal(first, once(jax.random.key(7)))


def test_time_budget_is_kept_and_used():
    start = SpoiledGradientEcho(ANGLES, 15e-3)
    free = {"flip_angles": (0.01, 2.0), "repetition_time": (5e-3, 50e-3)}

    def total(settings):
        return jnp.sum(settings["repetition_time"])

    equal = design_protocol(start, Gaussian(1e-3), free, key=KEY, duration=total)
    assert equal.duration_before == pytest.approx(60e-3)
    assert equal.duration_after == pytest.approx(60e-3, rel=1e-5)  # more time is always of use
    assert equal.factor > 1.15
    shorter = design_protocol(start, Gaussian(1e-3), free, key=KEY, duration=total, longest=40e-3)
    assert shorter.duration_after == pytest.approx(40e-3, rel=1e-5)
    assert shorter.objective_after > equal.objective_after


def test_a_start_that_says_nothing_is_left():
    found = design_protocol(MonoExponentialADC([0, 0, 0]), Gaussian(0.02), {"b_values": (0, 3000)}, key=KEY)
    assert np.isinf(found.factor)
    assert np.isfinite(found.objective_after)


def test_a_train_follows_smooth_curves_within_its_bounds():
    """The stated bound is that of a train built with the new settings; the events count searches and evaluations."""
    tissues, noise, events = np.array([[0.8, 0.07]]), ComplexGaussian(1 / 500), []
    low, high = np.deg2rad([5.0, 70.0])
    found = design_protocol(
        FISP, noise, {"flip_angles": (low, high)}, key=KEY, nodes={"flip_angles": 6}, tissues=tissues, n_starts=2,
        progress=events.append,
    )  # fmt: skip
    angles = found.after.flip_angles
    rebuilt = MRFFISP(angles, 0.012, echo_times=0.003, inversion_time=0.02, b1=1.0)
    np.testing.assert_allclose(found.crb_after, crb(rebuilt, tissues, noise), rtol=1e-12)
    assert found.factor > 2
    assert angles.min() >= low
    assert angles.max() <= high
    matrix = curve_matrix(40, 6)
    nodes = np.linalg.lstsq(matrix, angles, rcond=None)[0]
    np.testing.assert_allclose(matrix @ nodes, angles, atol=1e-12)
    assert {(event.stage, event.done, event.total) for event in events} == {("searches", 0, 2), ("searches", 1, 2)}
    assert events[0].message.startswith("evaluation 1, 1.000 times smaller")
    with pytest.raises(RaofitError, match="`inversion_time` can change, got `echo_times`"):
        design_protocol(FISP, noise, {"echo_times": (0.0, 0.01)}, key=KEY, tissues=tissues)


def test_curves_that_tell_less_than_the_given_settings_leave_these_as_they_are():
    """Two echo times are best, and no line through four has only two; but they do not keep to a smaller budget."""
    best = design_t2(4, n_starts=1).after.protocol["echo_times"][[0, 3, 1, 2]]

    def on_a_line(**options):
        return design_protocol(
            MonoExponentialT2(best), Gaussian(0.01), {"echo_times": (0.0, 0.5)}, key=KEY, nodes={"echo_times": 2},
            tissues=[[1.0, T2]], weights={"T2": 1.0}, n_starts=2,
            duration=lambda settings: jnp.sum(settings["echo_times"]), **options,
        )  # fmt: skip

    kept = on_a_line()
    np.testing.assert_array_equal(kept.after.protocol["echo_times"], best)
    assert kept.factor == 1
    shorter = on_a_line(longest=0.9 * float(best.sum()))
    assert shorter.factor < 1
    assert np.ptp(np.diff(shorter.after.protocol["echo_times"])) < 1e-5


def test_more_tissues_than_one_are_averaged():
    tissues = np.array([[1.0, 0.04], [1.0, 0.12]])
    found = design_protocol(
        MonoExponentialT2([0.02, 0.2]), Gaussian(0.01), {"echo_times": (0.0, 0.5)}, key=KEY, tissues=tissues
    )
    longest = found.after.protocol["echo_times"].max()
    assert 1.1089 * 0.04 < longest < 1.1089 * 0.12
    relative = found.crb_after[:, 1] / tissues[:, 1] ** 2
    assert found.objective_after == pytest.approx(relative.mean())


ADC = MonoExponentialADC([0, 500, 1000])


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"free": {}}, RaofitError, "expected the bounds of at least one of b_values, got none"),
        ({"free": {"te": (0, 1)}}, RaofitError, "`te` is not a setting of the model; it has b_values"),
        ({"free": {"b_values": (800, 0)}}, ProtocolError, "lower < upper, got 800 to 0"),
        ({"free": {"b_values": (0, np.inf)}}, ProtocolError, "expected finite bounds of `b_values`"),
        (
            {"free": {"b_values": (0, 8e8)}},
            ProtocolError,
            r"to 50000 s/mm², got 0 to 8e\+08; b-values in s/m²",
        ),
        ({"weights": {"D": 1.0}}, RaofitError, "`D` is not a parameter; the model has S0, ADC"),
        ({"weights": {"ADC": -1.0}}, RaofitError, "expected a number ≥ 0 for `ADC`, got -1"),
        ({"weights": {"ADC": 0.0}}, RaofitError, "a weight > 0 for at least one parameter"),
        ({"weights": {"S0": 1.0}, "fixed": ["S0"]}, RaofitError, "`S0` is taken as known"),
        ({"fixed": ["T2"]}, RaofitError, "`T2` is not a parameter"),
        ({"fixed": ["ADC"]}, RaofitError, "a weight > 0 for at least one parameter"),
        ({"tissues": [[1.0, 0.0]]}, RaofitError, "`ADC` is 0 in one of them"),
        ({"tissues": [[1.0]]}, ProtocolError, "last axis of 2"),
        ({"longest": 3.0}, RaofitError, "no `duration` to compare it with"),
        (
            {"duration": lambda settings: 1.0 + jnp.sum(settings["b_values"]), "longest": 0.5},
            RaofitError,
            "at most 0.5",
        ),
        ({"nodes": {"te": 2}}, RaofitError, "nodes: `te` is not one of the free settings, which are b_values"),
        ({"nodes": {"b_values": 1}}, RaofitError, "expected 2 to 3 for the 3 `b_values`, got 1"),
        ({"nodes": {"b_values": 4}}, RaofitError, "expected 2 to 3 for the 3 `b_values`, got 4"),
        (
            {"model": FISP, "free": {"inversion_time": (0.0, 0.1)}, "nodes": {"inversion_time": 2}},
            RaofitError,
            "`inversion_time` is a single number, not a list",
        ),
        ({"n_starts": 0}, RaofitError, "at least one search, got 0"),
        ({"model": Compressed(ADC, np.eye(3)[:, :2])}, RaofitError, "its settings cannot be designed"),
        (
            {"model": BlackBoxModel(lambda p, b: p[0] * np.exp(-b * p[1]), ADC.parameters, {"b": [0, 1]}, name="box")},
            RaofitError,
            "model `box`: its settings cannot be designed",
        ),
    ],
)
def test_what_cannot_be_designed_is_refused_in_a_sentence(change, kind, words):
    arguments = {"model": ADC, "noise": Gaussian(0.02), "free": {"b_values": (0, 3000)}, "key": KEY} | change
    with pytest.raises(kind, match=words):
        design_protocol(**arguments)
