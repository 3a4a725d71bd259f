"""Training many networks at once: one compiled program per epoch, early stopping, bit-identical resume.

`train_members` loops over epochs on the host. One epoch is one call of `_epoch`, which shuffles (the same order for all
members), scans over the batches with Adam, evaluates the validation loss and updates each member's best weights. All
random numbers of epoch e come from `fold_in(key, e)`, so an interrupted training continues exactly where it was. With a
`measure` step, the sets are noise-free and every step measures its batch anew; validation is measured once.
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
from raofit.training.adam import OPTIMIZERS, SCHEDULES, Optimizer, Schedule, adam_step, clipped, learning_rate_at
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import AbstractLoss
from raofit.training.measuring import AbstractMeasuring
from raofit.training.networks import Perceptron


@dataclasses.dataclass(frozen=True)
class Samples:
    """Training or validation data, sample axis first.

    Parameters
    ----------
    shared : arrays all members see; must hold `measurements` (sample, realization, measurement), or what `measure`
        makes them from.
    own : arrays with a leading member axis (member, sample, ...), for members with labels of their own.
    """

    shared: Mapping[str, Array]
    own: Mapping[str, Array] = dataclasses.field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Length of the sample axis."""
        return len(next(iter(self.shared.values())))


_VALIDATION = 0xFFFFFFFF  # never an epoch: the key of validation's one measurement

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
    steps_per_epoch : None for all full batches; fewer make shorter epochs, each on other samples.
    optimizer : "adam", or "radam" [liu2020].
    schedule, decay, decay_epochs : "cosine" as above; "step": times `decay` every `decay_epochs` epochs, at least
        `final_learning_rate`; "inverse": divided by 1 + `decay`·step.
    averaging : None, or the share s that the running average w̄ ← s·w̄ + (1 − s)·w of the weights keeps per step; the
        average is validated and returned in place of the weights.
    gradient_limit : None, or the largest length of a gradient; longer ones are shortened to it.
    """

    batch_size: int = 100
    max_epochs: int = 187
    patience: int = 37
    learning_rate: float = 1e-3
    final_learning_rate: float | None = None
    steps_per_epoch: int | None = None
    optimizer: Optimizer = "adam"
    schedule: Schedule = "cosine"
    decay: float = 0.0
    decay_epochs: int = 1
    averaging: float | None = None
    gradient_limit: float | None = None

    def __post_init__(self) -> None:
        if min(self.batch_size, self.max_epochs, self.patience) < 1:
            raise RaofitError(
                f"training: expected batch size, epochs and patience of at least 1, "
                f"got {self.batch_size}, {self.max_epochs} and {self.patience}"
            )
        if not self.learning_rate > 0:
            raise RaofitError(f"training: expected a learning rate > 0, got {self.learning_rate:g}")
        if self.optimizer not in OPTIMIZERS or self.schedule not in SCHEDULES:
            raise RaofitError(
                f"training: expected an optimizer of {', '.join(OPTIMIZERS)} and a schedule of {', '.join(SCHEDULES)}, "
                f"got {self.optimizer!r} and {self.schedule!r}"
            )
        if self.averaging is not None and not 0.0 <= self.averaging < 1.0:
            raise RaofitError(f"training: expected an averaging share from 0 to below 1, got {self.averaging:g}")


class TrainingState(NamedTuple):
    """Everything that changes during training; members lead."""

    weights: Float[Array, "member weight"]
    first_moment: Float[Array, "member weight"]
    second_moment: Float[Array, "member weight"]
    statistics: Float[Array, "member statistic"]
    average: Float[Array, "member weight"]
    best_weights: Float[Array, "member weight"]
    best_statistics: Float[Array, "member statistic"]
    best_loss: Float[Array, " member"]
    best_epoch: Int[Array, " member"]
    epoch: Int[Array, ""]


class TrainingResult(NamedTuple):
    """Best weights of each member by validation loss.

    `history` is (epoch, member, 2 + monitors): training and validation loss, and each monitor on the validation set. A
    frozen member's validation loss no longer changes.
    """

    weights: Float[np.ndarray, "member weight"]
    statistics: Float[np.ndarray, "member statistic"]
    validation_loss: Float[np.ndarray, " member"]
    best_epoch: Int[np.ndarray, " member"]
    history: Float[np.ndarray, "epoch member loss"]

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
    measure: AbstractMeasuring | None = None,
    monitors: tuple[AbstractLoss, ...] = (),
    initial_statistics: Float[Array, " statistic"] | None = None,
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
    measure : None, or what turns the noise-free arrays of a batch into measurements, anew at every step.
    monitors : further losses (without a member axis) that are computed on the validation set after every epoch and
        decide nothing.
    initial_statistics : the network's statistics to start from; default: its `initial_statistics()`.
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
    statistics = network.initial_statistics() if initial_statistics is None else jnp.asarray(initial_statistics)
    fingerprint = _fingerprint(
        network, (initial_weights, statistics), loss, fixed, validation, (settings, repr((measure, monitors))), key
    )
    state, history = _initial_state(initial_weights, statistics), []
    if checkpoint is not None and (saved := checkpoint.load(fingerprint)) is not None:
        history = list(saved.pop("history"))
        state = TrainingState(**{name: jnp.asarray(array) for name, array in saved.items()})
    validation_columns = _columns(validation)
    if measure is not None:
        measured = measure(validation_columns[0], key=jax.random.fold_in(key, _VALIDATION))
        validation_columns = (measured, validation_columns[1])
    for epoch in range(len(history), settings.max_epochs):
        if history and not np.any(_is_active(state, settings)):
            break
        epoch_key = jax.random.fold_in(key, epoch)
        arrays = _arrays(training(jax.random.fold_in(epoch_key, 1))) if callable(training) else fixed
        started = time.perf_counter()
        state, losses = _epoch(
            network,
            loss,
            monitors,
            settings,
            measure,
            state,
            arrays,
            validation_columns,
            jax.random.fold_in(epoch_key, 0),
        )
        losses = np.asarray(losses)
        history.append(losses)
        if not np.any(np.isfinite(losses[:, :2])):
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
        weights=np.asarray(state.best_weights),
        statistics=np.asarray(state.best_statistics),
        validation_loss=np.asarray(state.best_loss),
        best_epoch=np.asarray(state.best_epoch),
        history=np.stack(history),
    )


def stack_losses(losses: list[AbstractLoss]) -> AbstractLoss:
    """One loss whose array fields lead with a member axis; the losses must be of one kind."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *losses)


def _initial_state(weights: Array, statistics: Array) -> TrainingState:
    zeros, members = jnp.zeros_like(weights), weights.shape[0]
    statistics = jnp.tile(statistics[None], (members, 1))
    return TrainingState(
        weights=weights,
        first_moment=zeros,
        second_moment=zeros,
        statistics=statistics,
        average=weights,
        best_weights=weights,
        best_statistics=statistics,
        best_loss=jnp.full(members, jnp.inf, jnp.float32),
        best_epoch=jnp.full(members, -1, jnp.int32),
        epoch=jnp.asarray(0, jnp.int32),
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
def _epoch(network, loss, monitors, settings: TrainerSettings, measure, state: TrainingState, arrays, validation, key):
    """One epoch of all members: new state, and (member, 2 + monitors) training loss, validation loss, monitors."""
    shared, own = arrays
    n_samples = next(iter(shared.values())).shape[0]
    size = min(settings.batch_size, n_samples)
    n_batches = min(n_samples // size, settings.steps_per_epoch or n_samples)
    order = jnp.argsort(jax.random.bits(key, (n_samples,)))[: n_batches * size].reshape(n_batches, size)
    batches = (
        {name: _reversed(array[order], 1) for name, array in shared.items()},
        {name: _reversed(jnp.moveaxis(array[:, order], 0, 1), 2) for name, array in own.items()},
    )
    is_active = _is_active(state, settings)
    first_step = state.epoch * n_batches

    def training_loss(weights, statistics, member_loss, shared_batch, own_batch):
        batch = {**shared_batch, **own_batch}
        estimates, statistics = estimates_of_batch(network, weights, batch["measurements"], statistics)
        return member_loss(estimates, batch), statistics

    def validation_loss(weights, statistics, member_loss, shared_batch, own_batch):
        batch = {**shared_batch, **own_batch}
        estimates = estimates_of(network, weights, batch["measurements"], statistics)
        return jnp.stack([member_loss(estimates, batch), *(monitor(estimates, batch) for monitor in monitors)])

    def total_loss(weights, statistics, batch):
        losses, statistics = _over_members(training_loss)(weights, statistics, loss, *batch)
        return jnp.sum(losses), (losses, statistics)

    def step(carry, batch):
        weights, first, second, statistics, average, index = carry
        if measure is not None:
            batch = (measure(batch[0], key=jax.random.fold_in(key, index)), batch[1])
        gradient, (losses, new_statistics) = jax.grad(total_loss, has_aux=True)(weights, statistics, batch)
        rate = learning_rate_at(
            settings.learning_rate,
            settings.final_learning_rate,
            index,
            settings.max_epochs * n_batches,
            schedule=settings.schedule,
            decay=settings.decay,
            decay_steps=settings.decay_epochs * n_batches,
        )
        gradient = clipped(gradient, settings.gradient_limit)
        new = adam_step(weights, gradient, first, second, index + 1, rate, optimizer=settings.optimizer)
        share = settings.averaging or 0.0
        new_average = share * average + (1.0 - share) * new[0]
        old = (weights, first, second, statistics, average)
        keep = is_active[:, None]
        kept = jax.tree.map(lambda new, old: jnp.where(keep, new, old), (*new, new_statistics, new_average), old)
        return (*kept, index + 1), losses

    carry, losses = jax.lax.scan(step, (*state[:5], first_step), batches)
    *changed, _ = carry
    statistics, average = changed[3], changed[4]
    validated = _over_members(validation_loss)(average, statistics, loss, *validation)
    found = validated[:, 0]
    is_better = is_active & (found < state.best_loss)
    new_state = TrainingState(
        *changed,
        best_weights=jnp.where(is_better[:, None], average, state.best_weights),
        best_statistics=jnp.where(is_better[:, None], statistics, state.best_statistics),
        best_loss=jnp.where(is_better, found, state.best_loss),
        best_epoch=jnp.where(is_better, state.epoch, state.best_epoch),
        epoch=state.epoch + 1,
    )
    return new_state, jnp.concatenate([jnp.mean(losses, axis=0)[:, None], validated], axis=-1)


def _over_members(function):
    return jax.vmap(function, in_axes=(0, 0, 0, None, 0))


def estimates_of(
    network: Perceptron,
    weights: Float[Array, " weight"],
    measurements: Float[Array, "measurement realization batch"],
    statistics: Float[Array, " statistic"] | None = None,
) -> Float[Array, "parameter realization batch"]:
    """The network's estimates of each realization."""
    n_measurements, n_realizations, n_batch = measurements.shape
    estimates = network.apply(weights, measurements.reshape(n_measurements, -1), statistics)
    return estimates.reshape(-1, n_realizations, n_batch)


def estimates_of_batch(
    network: Perceptron,
    weights: Float[Array, " weight"],
    measurements: Float[Array, "measurement realization batch"],
    statistics: Float[Array, " statistic"],
) -> tuple[Float[Array, "parameter realization batch"], Float[Array, " statistic"]]:
    """The same while training: layers are normalized over all realizations of the batch at once."""
    n_measurements, n_realizations, n_batch = measurements.shape
    estimates, statistics = network.apply_to_batch(weights, measurements.reshape(n_measurements, -1), statistics)
    return estimates.reshape(-1, n_realizations, n_batch), statistics


def _fingerprint(network, start, loss, training, validation, how, key) -> str:
    """Hash of everything that determines the course of a training, to refuse a checkpoint of another one."""
    digest = hashlib.sha256()
    settings, measure = how
    description = {"network": dataclasses.asdict(network), "settings": dataclasses.asdict(settings)}
    digest.update(json.dumps(description, sort_keys=True).encode())
    digest.update(f"{jax.tree.structure(loss)}{measure}".encode())
    leaves = [*start, jax.random.key_data(key), *jax.tree.leaves(loss), *jax.tree.leaves(_columns(validation))]
    leaves += jax.tree.leaves(training)
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
