"""Training many networks at once: one compiled program per epoch, early stopping, bit-identical resume.

`train_members` loops over epochs on the host. One epoch is one call of `_epoch`, which shuffles (the same order for all
members), scans over the batches with Adam, evaluates the validation loss and updates each member's best weights. All
random numbers of epoch e come from `fold_in(key, e)`, so an interrupted training continues exactly where it was.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.training.adam import adam_step, learning_rate_at
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import AbstractLoss
from raofit.training.networks import Perceptron


@dataclasses.dataclass(frozen=True)
class Samples:
    """Training or validation data, sample axis first.

    Parameters
    ----------
    shared : arrays all members see; must hold `measurements` (sample, realization, measurement).
    own : arrays with a leading member axis (member, sample, ...), for members with labels of their own.
    """

    shared: Mapping[str, Array]
    own: Mapping[str, Array] = dataclasses.field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Length of the sample axis."""
        return self.shared["measurements"].shape[0]


SampleSource = Samples | Callable[[Array], Samples]


@dataclasses.dataclass(frozen=True)
class TrainerSettings:
    """How to train; the defaults are the paper's [epstein2022].

    Parameters
    ----------
    batch_size : samples per step; an incomplete last batch is dropped.
    max_epochs : epochs after which training ends in any case.
    patience : a member is frozen after this many epochs without a better validation loss.
    learning_rate : Adam's step size; betas are 0.9 and 0.999.
    final_learning_rate : None for a constant rate, else the end of a cosine from `learning_rate` over `max_epochs`.
    """

    batch_size: int = 100
    max_epochs: int = 187
    patience: int = 37
    learning_rate: float = 1e-3
    final_learning_rate: float | None = None

    def __post_init__(self) -> None:
        if min(self.batch_size, self.max_epochs, self.patience) < 1:
            raise RaofitError(
                f"training: expected batch size, epochs and patience of at least 1, "
                f"got {self.batch_size}, {self.max_epochs} and {self.patience}"
            )
        if not self.learning_rate > 0:
            raise RaofitError(f"training: expected a learning rate > 0, got {self.learning_rate:g}")


class TrainingState(NamedTuple):
    """Everything that changes during training; members lead."""

    weights: Float[Array, "member weight"]
    first_moment: Float[Array, "member weight"]
    second_moment: Float[Array, "member weight"]
    best_weights: Float[Array, "member weight"]
    best_loss: Float[Array, " member"]
    best_epoch: Int[Array, " member"]
    epoch: Int[Array, ""]


class TrainingResult(NamedTuple):
    """Best weights of each member by validation loss.

    `history` is (epoch, member, 2): training and validation loss. A frozen member's validation loss no longer changes.
    """

    weights: Float[np.ndarray, "member weight"]
    validation_loss: Float[np.ndarray, " member"]
    best_epoch: Int[np.ndarray, " member"]
    history: Float[np.ndarray, "epoch member 2"]

    @property
    def best_member(self) -> int:
        """Index of the member with the least validation loss."""
        return int(np.argmin(self.validation_loss))


def train_members(
    network: Perceptron,
    initial_weights: Float[Array, "member weight"],
    loss: AbstractLoss,
    training: SampleSource,
    validation: Samples,
    settings: TrainerSettings,
    *,
    key: Array,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> TrainingResult:
    """Train all members as one batched program.

    Parameters
    ----------
    initial_weights : one row per member.
    loss : array fields carry a leading member axis (`stack_losses`).
    training : a fixed set, or a function of a key that draws a fresh set of constant size for each epoch.
    validation : a fixed set; its loss decides on stopping and on the weights that are kept.
    key : seed of the shuffling and of fresh draws.
    checkpoint : where to save after each epoch and to resume from; removed by the caller when it is no longer needed.

    Raises
    ------
    RaofitError
        If the training loss of every member becomes NaN or infinite.
    FileError
        If the checkpoint belongs to another training.
    """
    initial_weights = jnp.asarray(initial_weights, dtype=jnp.float32)
    fixed = _arrays(training) if isinstance(training, Samples) else None
    fingerprint = _fingerprint(network, initial_weights, loss, fixed, validation, settings, key)
    state, history = _initial_state(initial_weights), []
    if checkpoint is not None and (saved := checkpoint.load(fingerprint)) is not None:
        history = list(saved.pop("history"))
        state = TrainingState(**{name: jnp.asarray(array) for name, array in saved.items()})
    validation_columns = _columns(validation)
    for epoch in range(len(history), settings.max_epochs):
        if history and not np.any(_is_active(state, settings)):
            break
        epoch_key = jax.random.fold_in(key, epoch)
        arrays = _arrays(training(jax.random.fold_in(epoch_key, 1))) if callable(training) else fixed
        started = time.perf_counter()
        state, losses = _epoch(
            network, loss, settings, state, arrays, validation_columns, jax.random.fold_in(epoch_key, 0)
        )
        losses = np.asarray(losses)
        history.append(losses)
        if not np.any(np.isfinite(losses)):
            raise RaofitError(
                f"training: the loss became NaN or infinite in epoch {epoch + 1}; lower the learning rate "
                f"(now {settings.learning_rate:g}) or check the labels and weights"
            )
        if checkpoint is not None:
            checkpoint.save({**state._asdict(), "history": np.stack(history)}, fingerprint)
        if progress is not None:
            best = float(np.min(state.best_loss))
            progress(
                ProgressEvent(
                    "training",
                    epoch + 1,
                    settings.max_epochs,
                    f"validation loss {best:.5g}, {time.perf_counter() - started:.2f} s per epoch",
                )
            )
    if progress is not None and len(history) < settings.max_epochs:
        progress(ProgressEvent("training", settings.max_epochs, settings.max_epochs, "stopped early"))
    return TrainingResult(
        np.asarray(state.best_weights), np.asarray(state.best_loss), np.asarray(state.best_epoch), np.stack(history)
    )


def stack_losses(losses: list[AbstractLoss]) -> AbstractLoss:
    """One loss whose array fields lead with a member axis; the losses must be of one kind."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *losses)


def _initial_state(weights: Array) -> TrainingState:
    zeros, members = jnp.zeros_like(weights), weights.shape[0]
    return TrainingState(
        weights,
        zeros,
        zeros,
        weights,
        jnp.full(members, jnp.inf, jnp.float32),
        jnp.full(members, -1, jnp.int32),
        jnp.asarray(0, jnp.int32),
    )


def _is_active(state: TrainingState, settings: TrainerSettings) -> Array:
    return state.epoch - state.best_epoch - 1 < settings.patience


def _arrays(samples: Samples) -> tuple[dict[str, Array], dict[str, Array]]:
    return jax.tree.map(jnp.asarray, (dict(samples.shared), dict(samples.own)))


def _columns(samples: Samples) -> tuple[dict[str, Array], dict[str, Array]]:
    """All samples as one batch: (sample, realization, measurement) becomes (measurement, realization, sample)."""
    shared, own = _arrays(samples)
    return (
        {name: _reversed(array, 0) for name, array in shared.items()},
        {name: _reversed(array, 1) for name, array in own.items()},
    )


def _reversed(array: Array, n_leading: int) -> Array:
    """Axes after the first `n_leading` in reverse order, so that the sample axis is last and contiguous."""
    return jnp.transpose(array, (*range(n_leading), *range(array.ndim - 1, n_leading - 1, -1)))


@partial(eqx.filter_jit, donate="none")
def _epoch(network, loss, settings: TrainerSettings, state: TrainingState, arrays, validation, key):
    """One epoch of all members: new state, and (member, 2) training and validation loss."""
    shared, own = arrays
    n_samples = shared["measurements"].shape[0]
    size = min(settings.batch_size, n_samples)
    n_batches = n_samples // size
    order = jnp.argsort(jax.random.bits(key, (n_samples,)))[: n_batches * size].reshape(n_batches, size)
    batches = (
        {name: _reversed(array[order], 1) for name, array in shared.items()},
        {name: _reversed(jnp.moveaxis(array[:, order], 0, 1), 2) for name, array in own.items()},
    )
    is_active = _is_active(state, settings)
    first_step = state.epoch * n_batches

    def member_loss(weights, member_loss, shared_batch, own_batch):
        batch = {**shared_batch, **own_batch}
        return member_loss(estimates_of(network, weights, batch["measurements"]), batch)

    def all_losses(weights, batch):
        return jax.vmap(member_loss, in_axes=(0, 0, None, 0))(weights, loss, *batch)

    def total_loss(weights, batch):
        losses = all_losses(weights, batch)
        return jnp.sum(losses), losses

    def step(carry, batch):
        weights, first, second, index = carry
        gradient, losses = jax.grad(total_loss, has_aux=True)(weights, batch)
        rate = learning_rate_at(
            settings.learning_rate, settings.final_learning_rate, index, settings.max_epochs * n_batches
        )
        new_weights, new_first, new_second = adam_step(weights, gradient, first, second, index + 1, rate)
        keep = is_active[:, None]
        carry = (
            jnp.where(keep, new_weights, weights),
            jnp.where(keep, new_first, first),
            jnp.where(keep, new_second, second),
            index + 1,
        )
        return carry, losses

    carry, losses = jax.lax.scan(step, (*state[:3], first_step), batches)
    weights, first, second, _ = carry
    validation_loss = all_losses(weights, validation)
    is_better = is_active & (validation_loss < state.best_loss)
    new_state = TrainingState(
        weights,
        first,
        second,
        jnp.where(is_better[:, None], weights, state.best_weights),
        jnp.where(is_better, validation_loss, state.best_loss),
        jnp.where(is_better, state.epoch, state.best_epoch),
        state.epoch + 1,
    )
    return new_state, jnp.stack([jnp.mean(losses, axis=0), validation_loss], axis=-1)


def estimates_of(
    network: Perceptron, weights: Float[Array, " weight"], measurements: Float[Array, "measurement realization batch"]
) -> Float[Array, "parameter realization batch"]:
    """The network's estimates of each realization."""
    n_measurements, n_realizations, n_batch = measurements.shape
    estimates = network.apply(weights, measurements.reshape(n_measurements, -1))
    return estimates.reshape(-1, n_realizations, n_batch)


def _fingerprint(network, weights, loss, training, validation, settings, key) -> str:
    """Hash of everything that determines the course of a training, to refuse a checkpoint of another one."""
    digest = hashlib.sha256()
    description = {"network": dataclasses.asdict(network), "settings": dataclasses.asdict(settings)}
    digest.update(json.dumps(description, sort_keys=True).encode())
    digest.update(type(loss).__name__.encode())
    leaves = [weights, jax.random.key_data(key), *jax.tree.leaves(loss), *jax.tree.leaves(_columns(validation))]
    leaves += jax.tree.leaves(training)
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
