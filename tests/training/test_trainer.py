"""The trainer: Adam, members, early stopping, restored weights, seeds, resume."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.losses import wvce
from raofit.training.adam import adam_step, clipped, learning_rate_at
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import SupervisedLoss
from raofit.training.measuring import ComplexMeasuring
from raofit.training.networks import Perceptron
from raofit.training.trainer import (
    Samples,
    TrainerSettings,
    estimates_of,
    stack_losses,
    train_members,
)

NETWORK = Perceptron((3, 5, 2), (1.0, 1.0), "none")
SETTINGS = TrainerSettings(batch_size=20, max_epochs=8, patience=8, learning_rate=1e-2)
KEY = jax.random.key(7)
MEMBERS = 3


def _samples(n, seed):
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.5, 1.5, (n, 2)).astype(np.float32)
    mixed = np.stack([truth[:, 0], truth[:, 1], truth[:, 0] * truth[:, 1]], axis=-1)
    noisy = mixed + 0.3 * generator.normal(size=mixed.shape)
    return Samples(
        {
            "measurements": noisy[:, None].astype(np.float32),
            "truth": truth,
            "label": truth,
            "is_kept": np.ones(n, np.float32),
        }
    )


TRAINING, VALIDATION = _samples(210, 1), _samples(50, 2)
START = jax.vmap(NETWORK.initial_weights)(jax.random.split(jax.random.key(3), MEMBERS))
LOSS = stack_losses([SupervisedLoss(np.ones(2))] * MEMBERS)


def _train(**changes):
    arguments = {"loss": LOSS, "training": TRAINING, "initial_weights": START, "key": KEY} | changes
    settings = arguments.pop("settings", SETTINGS)
    return train_members(NETWORK, validation=VALIDATION, settings=settings, **arguments)


@pytest.mark.parametrize("name", ["adam", "radam"])
def test_the_optimizers_equal_optax(name):
    generator = np.random.default_rng(0)
    weights = jnp.asarray(generator.normal(size=(2, 6)), jnp.float32)
    optimizer = getattr(optax, name)(1e-2)
    expected, optax_state = weights, optimizer.init(weights)
    first = second = jnp.zeros_like(weights)
    for step in range(30):
        # RAdam's first steps are the gradient itself, and large ones would hide what follows
        spread = 6 if name == "adam" else 1
        gradient = generator.normal(size=(2, 6)) * 10.0 ** generator.integers(-spread, spread)
        gradient = jnp.asarray(gradient, jnp.float32)
        updates, optax_state = optimizer.update(gradient, optax_state)
        expected = optax.apply_updates(expected, updates)
        weights, first, second = adam_step(
            weights, gradient, first, second, jnp.asarray(step + 1), 1e-2, optimizer=name
        )
    # 1 − 0.999ⁿ loses up to four of seven digits at n = 1, and rounds differently when compiled
    np.testing.assert_allclose(weights, expected, rtol=2e-5 if name == "adam" else 2e-4, atol=1e-6)


def test_training_is_a_loop_of_optax_steps_over_shuffled_batches():
    """One epoch of one member, written out with optax; the order is recovered from the documented key."""
    settings = dataclasses.replace(SETTINGS, max_epochs=1)
    result = _train(settings=settings, initial_weights=START[:1], loss=stack_losses([SupervisedLoss(np.ones(2))]))
    bits = jax.random.bits(jax.random.fold_in(jax.random.fold_in(KEY, 0), 0), (210,))
    order = np.argsort(np.asarray(bits), kind="stable")
    weights, optimizer = START[0], optax.adam(1e-2)
    optax_state = optimizer.init(weights)

    @jax.jit
    def step(weights, optax_state, x, y):
        gradient = jax.grad(lambda w: jnp.mean((NETWORK.apply(w, x) - y) ** 2))(weights)
        updates, optax_state = optimizer.update(gradient, optax_state)
        return optax.apply_updates(weights, updates), optax_state

    for index in order[:200].reshape(10, 20):
        x, y = TRAINING.shared["measurements"][index, 0].T, TRAINING.shared["truth"][index].T
        weights, optax_state = step(weights, optax_state, x, y)
    np.testing.assert_allclose(result.weights[0], weights, rtol=1e-4, atol=1e-5)


def test_training_lowers_the_validation_loss():
    result = _train()
    assert result.history.shape == (8, MEMBERS, 2)
    assert (result.validation_loss < 0.5 * result.history[0, :, 0]).all()


def test_members_do_not_disturb_one_another():
    together = _train()
    alone = _train(initial_weights=START[1:2], loss=stack_losses([SupervisedLoss(np.ones(2))]))
    # same shuffling; batched products may round differently, amplified over 80 steps
    np.testing.assert_allclose(together.weights[1], alone.weights[0], atol=1e-4)


def test_members_may_have_their_own_labels_and_weights():
    shared = {name: TRAINING.shared[name] for name in ("measurements", "truth")}
    kept = np.ones((2, 210), np.float32)
    truth = TRAINING.shared["truth"]
    training = Samples(shared, {"label": np.stack([truth, 2 * truth]), "is_kept": kept})
    valid = VALIDATION.shared
    validation = Samples(
        {name: valid[name] for name in ("measurements", "truth")},
        {"label": np.stack([valid["truth"], 2 * valid["truth"]]), "is_kept": kept[:, :50]},
    )
    losses = [SupervisedLoss(np.ones(2)), SupervisedLoss(np.array([1.0, 1e-12]))]
    settings = dataclasses.replace(SETTINGS, max_epochs=40, patience=40)
    result = train_members(NETWORK, START[:2], stack_losses(losses), training, validation, settings, key=KEY)
    first, second = (
        np.asarray(NETWORK.apply(jnp.asarray(row), valid["measurements"][:, 0].T)).mean(axis=1)
        for row in result.weights
    )
    # labels average 1 and 2; a trained mean deviates by the residual scatter 0.3/√50 < 0.05, allow 3 of them
    np.testing.assert_allclose(first, [1.0, 1.0], atol=0.15)
    np.testing.assert_allclose(second[0], 2.0, atol=0.15)
    assert abs(second[1] - 2.0) > 0.3  # the second output carried no weight


def test_best_weights_are_really_restored():
    settings = dataclasses.replace(SETTINGS, learning_rate=0.3, max_epochs=25, patience=25)  # noisy: best is not last
    result = _train(settings=settings)
    measurements = jnp.asarray(VALIDATION.shared["measurements"].T)
    batch = {name: jnp.asarray(array.T) for name, array in VALIDATION.shared.items()}
    for member in range(MEMBERS):
        loss = SupervisedLoss(np.ones(2))(
            estimates_of(NETWORK, jnp.asarray(result.weights[member]), measurements), batch
        )
        np.testing.assert_allclose(loss, result.validation_loss[member], rtol=1e-5)
    np.testing.assert_array_equal(result.validation_loss, result.history[..., 1].min(axis=0))
    np.testing.assert_array_equal(result.best_epoch, result.history[..., 1].argmin(axis=0))
    assert (result.history[-1, :, 1] > result.validation_loss).any()


def test_a_member_freezes_after_its_patience_and_training_ends_with_the_last():
    settings = dataclasses.replace(SETTINGS, learning_rate=0.3, max_epochs=60, patience=3)
    result = _train(settings=settings)
    assert len(result.history) == result.best_epoch.max() + 3 + 1 < 60
    for member, best in enumerate(result.best_epoch):
        after = result.history[best + 3 :, member, 1]
        np.testing.assert_array_equal(after, after[0])


def test_best_member_has_the_least_validation_loss():
    result = _train()
    assert result.validation_loss[result.best_member] == result.validation_loss.min()


def test_same_key_same_weights_other_key_other_weights():
    first, second, other = _train(), _train(), _train(key=jax.random.key(8))
    np.testing.assert_array_equal(first.weights, second.weights)
    assert (first.weights != other.weights).any()


class _Interrupted(Exception):
    pass


def _interrupt_after(epoch):
    def progress(event):
        if event.done == epoch:
            raise _Interrupted

    return progress


@pytest.mark.parametrize("epoch", [1, 5])
@pytest.mark.parametrize("is_fresh", [False, True])
def test_resume_is_bit_identical(tmp_path, epoch, is_fresh):
    def draw(key):
        return _samples(210, int(jax.random.randint(key, (), 0, 1000)))

    training = draw if is_fresh else TRAINING
    undisturbed = _train(training=training)
    file = CheckpointFile(tmp_path / "state")
    with pytest.raises(_Interrupted):
        _train(training=training, checkpoint=file, progress=_interrupt_after(epoch))
    seen = []
    resumed = _train(training=training, checkpoint=file, progress=lambda event: seen.append(event.done))
    assert seen == list(range(epoch + 1, 9))
    for name in ("weights", "validation_loss", "best_epoch", "history"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(undisturbed, name), err_msg=name)


def test_a_finished_checkpoint_gives_the_result_at_once(tmp_path):
    file = CheckpointFile(tmp_path / "state")
    first = _train(checkpoint=file)
    again = _train(checkpoint=file, progress=_interrupt_after(8))
    np.testing.assert_array_equal(first.weights, again.weights)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": jax.random.key(8)},
        {"training": _samples(210, 9)},
        {"settings": dataclasses.replace(SETTINGS, learning_rate=2e-2)},
        {"loss": stack_losses([SupervisedLoss(np.array([1.0, 2.0]))] * MEMBERS)},
    ],
    ids=["key", "data", "settings", "loss"],
)
def test_the_checkpoint_of_another_training_is_refused(tmp_path, changes):
    file = CheckpointFile(tmp_path / "state")
    with pytest.raises(_Interrupted):
        _train(checkpoint=file, progress=_interrupt_after(1))
    with pytest.raises(FileError, match="belongs to another training"):
        _train(checkpoint=file, **changes)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(FileError, match="cannot be read as one"):
        _train(checkpoint=CheckpointFile(tmp_path / "state"))


def test_saving_replaces_in_one_step(tmp_path):
    file = CheckpointFile(tmp_path / "state")
    _train(checkpoint=file)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    (tmp_path / "state.partial").write_bytes(b"left by a kill")
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_diverging_training_says_so():
    samples = dict(TRAINING.shared)
    samples["measurements"] = np.full_like(samples["measurements"], np.nan)
    with pytest.raises(RaofitError, match="NaN or infinite in epoch 1"):
        train_members(NETWORK, START, LOSS, Samples(samples), Samples(samples), SETTINGS, key=KEY)


def test_learning_rate_is_constant_or_half_a_cosine():
    steps = jnp.asarray([0, 50, 100, 150])
    np.testing.assert_allclose(learning_rate_at(1e-2, None, steps, 100), 1e-2)
    np.testing.assert_allclose(learning_rate_at(1e-2, 1e-4, steps, 100), [1e-2, 5.05e-3, 1e-4, 1e-4], rtol=1e-5)


def test_learning_rates_step_down_or_decay():
    steps = jnp.asarray([0, 39, 40, 400])
    found = learning_rate_at(1e-2, 1e-5, steps, 1000, schedule="step", decay=0.5, decay_steps=40)
    np.testing.assert_allclose(found, [1e-2, 1e-2, 5e-3, 1e-5], rtol=1e-5)
    found = learning_rate_at(1e-4, None, jnp.asarray([0, 36_000]), 36_000, schedule="inverse", decay=5e-5)
    np.testing.assert_allclose(found, [1e-4, 3.571e-5], rtol=1e-3)  # as published [mao2024]


def test_long_gradients_are_shortened_and_short_ones_left_alone():
    gradient = jnp.asarray([[3.0, 4.0], [0.3, 0.4]])
    np.testing.assert_allclose(clipped(gradient, 1.0), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    np.testing.assert_array_equal(clipped(gradient, None), gradient)


class _Recording:
    """In place of a checkpoint file: what was saved, and nothing to resume from."""

    def __init__(self):
        self.saved = []

    def load(self, _fingerprint):
        return None

    def save(self, arrays, _fingerprint):
        self.saved.append(arrays)


def test_averaged_weights_are_the_running_average():
    settings = dataclasses.replace(SETTINGS, batch_size=210, max_epochs=3)  # one step per epoch
    plain, averaged = _Recording(), _Recording()
    _train(settings=settings, checkpoint=plain)
    result = _train(settings=dataclasses.replace(settings, averaging=0.7), checkpoint=averaged)
    expected = START
    for state, plain_state in zip(averaged.saved, plain.saved, strict=True):
        np.testing.assert_allclose(state["weights"], plain_state["weights"], rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(plain_state["average"], plain_state["weights"])
        expected = 0.7 * expected + 0.3 * state["weights"]
        np.testing.assert_allclose(state["average"], expected, rtol=1e-5, atol=1e-6)
    last = result.best_epoch == 2
    assert last.any()
    np.testing.assert_array_equal(result.weights[last], averaged.saved[-1]["average"][last])


COMPLEX = Perceptron(
    (16, 16, 16, 2), (1.0, 1.0), "none", input_scaling="first", has_complex_amplitude=True, has_normalization=True,
    standardizes_inputs=True,
)  # fmt: skip
COMPLEX_LOSS = stack_losses([wvce(bias_moments="unbiased")])


def _fingerprints(n, seed):
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.5, 1.5, (n, 2)).astype(np.float32)
    x, y = truth.T
    real = np.stack([2 + 0 * x, x, y, x * y, x - y, x * x, y * y, 1 + x], axis=-1)
    shared = {"signals": np.concatenate([real, 0.1 * real], axis=-1), "truth": truth, "label": truth}
    return Samples(shared | {"bound": np.full((n, 2), 1.0, np.float32), "is_kept": np.ones(n, np.float32)})


MEASURED = _fingerprints(600, 1), _fingerprints(100, 2)
STATISTICS = COMPLEX.initial_statistics(jnp.asarray(MEASURED[0].shared["signals"].T))


def _train_measured(*, network=COMPLEX, n_realizations=4, fields=None, **changes):
    basic = {"batch_size": 50, "max_epochs": 6, "patience": 6, "learning_rate": 3e-3}
    settings = TrainerSettings(**(basic | (fields or {})))
    return train_members(
        network, network.initial_weights(KEY)[None], COMPLEX_LOSS, *MEASURED, settings,
        measure=ComplexMeasuring((20.0, 60.0), "log", n_realizations), initial_statistics=STATISTICS,
        **({"key": KEY} | changes),
    )  # fmt: skip


def test_measuring_in_the_step_trains_and_keeps_statistics():
    result = _train_measured(fields={"max_epochs": 40, "patience": 40})
    assert result.validation_loss[0] < 0.2 * result.history[0, 0, 1]
    np.testing.assert_array_equal(result.statistics[0, :32], STATISTICS[:32])  # of the inputs: measured once
    assert (result.statistics[0, 32:64] != STATISTICS[32:64]).all()


def test_validation_is_measured_once_and_training_at_every_step():
    """With weights that do not move, the validation loss stays, and the training loss is that of fresh noise."""
    network = dataclasses.replace(COMPLEX, has_normalization=False)
    history = train_members(
        network, network.initial_weights(KEY)[None], COMPLEX_LOSS, *MEASURED,
        TrainerSettings(batch_size=600, max_epochs=4, patience=4, learning_rate=1e-30), key=KEY,
        measure=ComplexMeasuring((20.0, 60.0)), initial_statistics=STATISTICS[:32],
    ).history  # fmt: skip
    assert len(set(history[:, 0, 1].tolist())) == 1
    assert len(set(history[:, 0, 0].tolist())) == 4


def test_every_step_of_an_epoch_has_noise_of_its_own():
    """One epoch of three steps over equal samples, written out with the documented keys."""
    network = dataclasses.replace(COMPLEX, has_normalization=False)
    same = Samples({name: np.repeat(array[:1], 60, axis=0) for name, array in MEASURED[0].shared.items()})
    measure, weights = ComplexMeasuring((20.0, 60.0), "log", 2), network.initial_weights(KEY)
    history = train_members(
        network, weights[None], COMPLEX_LOSS, same, same,
        TrainerSettings(batch_size=20, max_epochs=1, learning_rate=1e-30), key=KEY, measure=measure,
        initial_statistics=STATISTICS[:32],
    ).history  # fmt: skip
    batch = {name: jnp.asarray(array[:20].T) for name, array in same.shared.items()}
    epoch_key = jax.random.fold_in(jax.random.fold_in(KEY, 0), 0)
    losses = []
    for step in range(3):
        measured = measure(batch, key=jax.random.fold_in(epoch_key, step))
        estimates = estimates_of(network, weights, measured["measurements"], STATISTICS[:32])
        losses.append(wvce(bias_moments="unbiased")(estimates, measured))
    assert len({float(loss) for loss in losses}) == 3
    np.testing.assert_allclose(history[0, 0, 0], np.mean(losses), rtol=1e-4)


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_measured_training_resumes_bit_identically(tmp_path, epoch):
    undisturbed = _train_measured()
    file = CheckpointFile(tmp_path / "state")
    with pytest.raises(_Interrupted):
        _train_measured(checkpoint=file, progress=_interrupt_after(epoch))
    resumed = _train_measured(checkpoint=file)
    for name in undisturbed._fields:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(undisturbed, name), err_msg=name)
    with pytest.raises(FileError, match="belongs to another training"):
        _train_measured(checkpoint=file, n_realizations=5)


def test_short_epochs_see_other_samples():
    result = _train_measured(fields={"steps_per_epoch": 3})
    whole = _train_measured(fields={"steps_per_epoch": 100})
    np.testing.assert_array_equal(whole.weights, _train_measured().weights)
    assert (result.weights != whole.weights).any()


@pytest.mark.parametrize(
    "fields",
    [{"batch_size": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"optimizer": "sgd"}, {"averaging": 1.0}],
)
def test_settings_are_checked(fields):
    with pytest.raises(RaofitError, match="training: expected"):
        TrainerSettings(**fields)
