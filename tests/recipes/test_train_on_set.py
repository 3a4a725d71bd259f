"""Networks for complex coefficients: trained on a small set end to end, published sizes, refusals."""

import dataclasses

import jax
import numpy as np
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.information.crb import crb
from raofit.models import MonoExponentialADC
from raofit.noise import ComplexGaussian
from raofit.recipes.named_architectures import mao2024, network_for, zhang2022
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile
from raofit.training.prior import Prior
from tests.recipes import complex_toy

MODEL = complex_toy.model(rank=8)
RECIPE = TrainingRecipe(
    snr=(100.0, 200.0), noise="complex-gaussian", weights="inverse-crb", n_validation=300, restarts=1,
    architecture="compact-small", hidden=(32, 32), constraint="none", output_scaling="spread", input_scaling="first",
    batch_size=128, max_epochs=40, patience=40, learning_rate=1e-2, final_learning_rate=1e-5,
)  # fmt: skip
QMT_NAMES = ("m0s", "R1f", "R2f", "Rx", "R1s", "T2s", "omega0", "B1")


@pytest.fixture(scope="module")
def samples():
    prior = Prior.typical(MODEL, {"f": (0.3, 0.5), "R": (20.0, 40.0), "omega": (150.0, 300.0)})
    parameters = np.asarray(prior.sample(jax.random.key(0), 2300))
    bound = crb(MODEL, parameters, ComplexGaussian(1.0)).astype(np.float32)
    signals = np.asarray(MODEL.signal(parameters))
    return TrainingSet(parameters, signals, bound, np.zeros(2300, np.uint8), MODEL, prior)


@pytest.fixture(scope="module")
def trained(samples):
    return train_network(MODEL, RECIPE, data=samples)


def _mean(network, figure, entry=0):
    return np.mean([figures[figure] for figures in network.card["entries"][entry]["parameters"].values()])


def test_a_network_comes_close_to_the_bound(trained):
    """Its CRB-weighted squared error is 1 at best; a constant answer has the prior's variance over the bound."""
    card = trained.card["entries"]
    assert [entry["snr"] for entry in card] == pytest.approx([100, np.sqrt(2e4), 200])
    for figures in card[0]["parameters"].values():
        assert figures["weighted_variance"] + figures["weighted_squared_bias"] < 3
        assert figures["constant_rmse"] > 3 * figures["crb_std"]
        assert figures["slope"] == pytest.approx(1 + figures["bias_slope"])


def test_the_card_is_measured_on_held_out_fingerprints(trained, samples):
    assert trained.card["n_truths"] == 300
    assert trained.provenance["n_training"] == 2000
    assert trained.input_range.shape == (2, 16)
    np.testing.assert_allclose(trained.input_range[:, [0, 8]], [[1, 0], [1, 0]], atol=1e-6)  # divided by the first


def test_calibrated_intervals_hold_the_truth(trained):
    """Of 300 fingerprints with 100 draws each, which count as one draw at worst: 4 sigma of a share of 300."""
    for entry in trained.card["entries"]:
        for figures in entry["parameters"].values():
            assert abs(figures["calibrated_coverage_95"] - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300)
            assert figures["coverage_50"] < figures["coverage_68"] < figures["coverage_95"]


def test_standard_errors_are_the_scatter(trained, samples):
    """Mean squared standard error against the variance over 400 draws of 20 fingerprints at SNR 150."""
    generator = np.random.default_rng(3)
    signals = np.repeat(samples.signals[:20], 400, axis=0)
    noise = generator.normal(size=(*signals.shape, 2)) @ np.array([1, 1j])
    m0 = 5.0 * np.exp(1j * generator.uniform(0, 6, len(signals)))[:, None]
    estimate = trained.estimate((m0 * (signals + noise / 150)).astype(np.complex64), sigma=5.0 / 150)
    variance = estimate.values.reshape(20, 400, 3).var(axis=1).mean(axis=0)
    stated = (estimate.standard_errors**2).mean(axis=0)
    # the calibration is at SNR 141 over other fingerprints; a quarter covers its scatter and the network's curvature
    np.testing.assert_allclose(np.sqrt(stated), np.sqrt(variance), rtol=0.25)
    # without sigma, |M0| is read off the signal: the same at the middle SNR
    default = trained.estimate((m0 * signals).astype(np.complex64)).standard_errors
    given = trained.estimate((m0 * signals).astype(np.complex64), sigma=5.0 / trained.snr).standard_errors
    np.testing.assert_allclose(np.median(default / given), 1.0, rtol=0.3)


def test_a_bias_reduced_network_starts_from_the_first_and_has_less_bias(trained, samples):
    recipe = dataclasses.replace(
        RECIPE, n_realizations=8, tolerated_variance=1.0, bias_moments="unbiased", variance_moments="unbiased",
        max_epochs=25, learning_rate=2e-3, batch_size=64,
    )  # fmt: skip
    reduced = train_network(MODEL, recipe, data=samples, initial=trained)
    assert reduced.network == trained.network
    np.testing.assert_array_equal(reduced.statistics, trained.statistics)
    assert _mean(reduced, "weighted_squared_bias", 2) < 0.7 * _mean(trained, "weighted_squared_bias", 2)
    with pytest.raises(RaofitError, match="expected `sizes`"):
        train_network(MODEL, dataclasses.replace(recipe, hidden=(16,)), data=samples, initial=trained)


@pytest.mark.slow
def test_some_parameters_alone_and_the_magnitude_of_one(samples):
    recipe = dataclasses.replace(RECIPE, estimated=("f", "omega"), magnitudes=("omega",), max_epochs=1, restarts=2)
    signed = dataclasses.replace(samples, parameters=samples.parameters * np.float32([1, 1, -1]))
    network = train_network(MODEL, recipe, data=signed, key=jax.random.key(1))
    assert network.parameter_names == ("f", "omega")
    assert network.magnitudes == ("omega",)
    assert (network.label_range > 0).all()
    assert len(network.provenance["members_validation_loss"]) == 2
    estimate = network.estimate(samples.signals[:5])
    assert estimate.parameter_names == ("f", "omega")
    assert estimate.values.shape == (5, 2)
    same = train_network(MODEL, recipe, data=samples, key=jax.random.key(1))  # labels are folded, so nothing changes
    np.testing.assert_array_equal(same.weights, network.weights)


def test_an_interrupted_training_gives_the_same_network(tmp_path, samples):
    recipe = dataclasses.replace(RECIPE, max_epochs=3, restarts=1, n_realizations=2)
    undisturbed = train_network(MODEL, recipe, data=samples)

    def interrupt(event):
        if event.stage == "training" and event.done == 2:
            raise KeyboardInterrupt

    file = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_network(MODEL, recipe, data=samples, checkpoint=file, progress=interrupt)
    assert file.exists()
    resumed = train_network(MODEL, recipe, data=samples, checkpoint=CheckpointFile(file))
    np.testing.assert_array_equal(resumed.weights, undisturbed.weights)
    assert resumed.card == undisturbed.card
    with pytest.raises(FileError, match="another training"):
        train_network(MODEL, dataclasses.replace(recipe, snr=(50.0, 200.0)), data=samples, checkpoint=file)


def test_the_mean_over_parameters_of_mse_crb_is_the_loss_it_is_trained_with(trained):
    """The history has both losses, and the CRB-weighted error of each parameter, per epoch."""
    history = trained.provenance["history"]
    weighted = np.array(list(history["mse_crb"].values()))
    assert list(history["mse_crb"]) == ["f", "R", "omega"]
    np.testing.assert_allclose(weighted.mean(axis=0), history["validation"], rtol=1e-4)
    assert len(history["training"]) == RECIPE.max_epochs


@pytest.mark.slow
def test_another_loss_is_followed_in_the_same_measure(samples):
    """The constant-weight loss of one parameter alone does not lower the other's CRB-weighted error."""
    recipe = dataclasses.replace(
        RECIPE, weights="none", estimated=("R", "omega"), parameter_weights={"omega": 0.0}, hidden=(16, 16),
        max_epochs=5, final_learning_rate=None,
    )  # fmt: skip
    history = train_network(MODEL, recipe, data=samples).provenance["history"]
    assert history["mse_crb"]["R"][-1] < 0.5 * history["mse_crb"]["R"][0]
    assert history["mse_crb"]["omega"][-1] > history["mse_crb"]["omega"][0] * 0.5


def test_the_published_networks_have_the_published_sizes():
    assert zhang2022().n_weights == 2_683_923
    assert mao2024(QMT_NAMES, {"omega0": (0.0, np.pi / 3.5e-3)}).n_weights == 2_187_138


@pytest.mark.parametrize("architecture", ["compact", "compact-small"])
def test_compact_networks_are_a_tenth_of_the_size_and_less(architecture):
    recipe = dataclasses.replace(RECIPE, architecture=architecture, hidden=None)
    labels = np.random.default_rng(0).uniform(size=(50, 8))
    network = network_for(recipe, QMT_NAMES, labels, 30)
    assert network.n_weights < (200_000 if architecture == "compact" else 60_000)


@pytest.mark.slow  # millions of weights
@pytest.mark.parametrize("architecture", ["zhang2022", "mao2024"])
def test_a_published_network_trains_and_refuses_other_numbers_of_coefficients(samples, architecture):
    """On the toy's coefficients repeated to the published number, for one epoch of two steps.

    The card sends every held-out fingerprint 300 times through millions of weights: a few are held out.
    """
    recipe = dataclasses.replace(
        RECIPE, architecture=architecture, hidden=None, max_epochs=1, steps_per_epoch=2, n_validation=20
    )
    with pytest.raises(RaofitError, match=r"expected 1[35] complex coefficients, got 8"):
        train_network(MODEL, recipe, data=samples)
    rank = 13 if architecture == "zhang2022" else 15
    model = complex_toy.model(rank=rank)
    wide = TrainingSet(
        samples.parameters, np.asarray(model.signal(samples.parameters)), samples.bound, samples.component, model,
        samples.prior,
    )  # fmt: skip
    network = train_network(model, recipe, data=wide)
    assert network.network.has_normalization
    assert np.isfinite(network.provenance["validation_loss"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": "mle-rician"}, 'labels="truth"'),
        ({"emphasis": "f"}, "parameter_weights"),
        ({"estimated": ("f", "T1")}, "`T1` is not a parameter"),
        ({"parameter_weights": {"T1": 0.0}}, "`T1` is not a parameter"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(samples, fields, words):
    with pytest.raises(RaofitError, match=words):
        train_network(MODEL, dataclasses.replace(RECIPE, **fields), data=samples)


def test_models_and_sets_that_do_not_fit_are_refused(samples):
    with pytest.raises(RaofitError, match="expected a TrainingSet"):
        train_network(MODEL, RECIPE)
    with pytest.raises(RaofitError, match="signals of the model `adc`"):
        train_network(MonoExponentialADC([0, 1000]), RECIPE, data=samples)
