"""Training every network of the study: sixteen restarts choose the start, then all others begin from there.

1. `train_restarts` trains Supervised-truth at SNR 30 from random weights, all starts as one program; the best on
   validation is the network of that SNR *and* the start of all others [epstein2022, §3.4].
2. `train_supervised` trains all label-trained networks of one SNR as members of one program: they differ in labels,
   weights and α only.
3. `train_self_supervised` trains one network whose loss is in signal space.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.progress import Progress
from raofit.estimators.network import NetworkEstimator
from raofit.models import AbstractSignalModel
from raofit.studies.epstein2022 import EMPHASIS, HYBRID_SHARE, OUTPUT_SCALES, Method, Size
from raofit.studies.epstein2022_labels import LabeledSignals
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import SupervisedLoss, emphasized_weights, inverse_mean_weights, self_supervised_loss
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior
from raofit.training.targets import Labels, OnBound, estimate_labels, truth_labels
from raofit.training.trainer import Samples, TrainerSettings, TrainingResult, stack_losses, train_members


def paper_network(model: AbstractSignalModel) -> Perceptron:
    """Three hidden layers as wide as the input, absolute value at the output, no input scaling."""
    n = model.n_measurements
    return Perceptron(sizes=(n, n, n, n, len(OUTPUT_SCALES)), output_scales=OUTPUT_SCALES, constraint="abs")


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Signals and labels of one SNR, the first `size.n_train` for training, the rest for validation."""

    signals: LabeledSignals
    size: Size
    snr: float
    on_bound: OnBound = "hold-out"

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Training and validation part of any array with one row per signal."""
        return values[: self.size.n_train], values[self.size.n_train :]

    def labels(self, method: Method) -> Labels:
        """What the method is trained towards, and which signals it may use."""
        match method.target:
            case "rician" | "hybrid":
                return self._mle_labels(self.signals.rician, self.signals.rician_status)
            case "gaussian":
                return self._mle_labels(self.signals.gaussian, self.signals.gaussian_status)
            case _:
                return truth_labels(self.signals.truths)

    def _mle_labels(self, values: np.ndarray, status: np.ndarray) -> Labels:
        return estimate_labels(_StoredEstimate(values, status), on_bound=self.on_bound)

    @property
    def weights(self) -> Float[np.ndarray, " parameter"]:
        """1/mean² of the true parameters over the training part."""
        return inverse_mean_weights(self.split(self.signals.truths)[0])


@dataclasses.dataclass(frozen=True)
class _StoredEstimate:
    values: np.ndarray
    status: np.ndarray


def train_restarts(
    model: AbstractSignalModel,
    data: TrainingSet,
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> TrainingResult:
    """Supervised-truth from `n_restarts` random starts, trained together."""
    network = paper_network(model)
    start_key, shuffle_key = jax.random.split(key)
    starts = jax.vmap(network.initial_weights)(jax.random.split(start_key, data.size.n_restarts))
    samples = [
        Samples({"measurements": x[:, None], "truth": t, "label": t, "is_kept": np.ones(len(x), np.float32)})
        for x, t in zip(data.split(data.signals.measurements), data.split(data.signals.truths), strict=True)
    ]
    loss = stack_losses([SupervisedLoss(data.weights, alpha=0.0)] * data.size.n_restarts)
    return train_members(
        network, starts, loss, *samples, _settings(data.size), key=shuffle_key, progress=progress, checkpoint=checkpoint
    )


def train_supervised(
    model: AbstractSignalModel,
    data: TrainingSet,
    methods: Sequence[Method],
    start: Float[np.ndarray, " weight"],
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> TrainingResult:
    """All label-trained `methods` of one SNR from the same start, one member each, in order."""
    labels = [data.labels(method) for method in methods]
    values = np.stack([label.values for label in labels])
    kept = np.stack([label.is_kept for label in labels]).astype(np.float32)
    n = data.size.n_train
    measurements, truths = data.signals.measurements[:, None], data.signals.truths
    samples = [
        Samples(
            {"measurements": measurements[part], "truth": truths[part]},
            {"label": values[:, part], "is_kept": kept[:, part]},
        )
        for part in (slice(None, n), slice(n, None))
    ]
    loss = stack_losses([_supervised_loss(model, data, method) for method in methods])
    starts = np.tile(start, (len(methods), 1))
    return train_members(
        paper_network(model), starts, loss, *samples, _settings(data.size), key=key, progress=progress,
        checkpoint=checkpoint,
    )  # fmt: skip


def train_self_supervised(
    model: AbstractSignalModel,
    data: TrainingSet,
    method: Method,
    start: Float[np.ndarray, " weight"],
    key: Array,
    *,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> TrainingResult:
    """One network whose loss compares signals: sum of squares, or Rician likelihood."""
    samples = [
        Samples(
            {
                "measurements": x[:, None],
                "sigma": np.full((len(x), 1), 1.0 / data.snr, np.float32),
                "is_kept": np.ones(len(x), np.float32),
            }
        )
        for x in data.split(data.signals.measurements)
    ]
    loss = stack_losses([self_supervised_loss(model, "rician" if method.target == "self-rician" else None)])
    return train_members(
        paper_network(model), start[None], loss, *samples, _settings(data.size), key=key, progress=progress,
        checkpoint=checkpoint,
    )  # fmt: skip


def as_estimators(
    model: AbstractSignalModel, data: TrainingSet, weights: Mapping[str, Float[np.ndarray, " weight"]]
) -> dict[str, NetworkEstimator]:
    """The trained networks as estimators, by method name."""
    measurements = data.signals.measurements
    return {
        name: NetworkEstimator(
            model=model,
            network=paper_network(model),
            weights=np.asarray(of_network, dtype=np.float32),
            noise_name="rician",
            snr_range=(data.snr, data.snr),
            prior=Prior.typical(model),
            input_range=np.stack([measurements.min(axis=0), measurements.max(axis=0)]),
            label_range=np.array([parameter.typical for parameter in model.parameters], dtype=np.float32).T,
            standard_error_factors=np.ones(len(OUTPUT_SCALES), np.float32),
        )
        for name, of_network in weights.items()
    }


def _supervised_loss(model: AbstractSignalModel, data: TrainingSet, method: Method) -> SupervisedLoss:
    weights = data.weights
    if method.emphasis is not None:
        weights = emphasized_weights(weights, model.parameter_names.index(method.emphasis), factor=EMPHASIS)
    alpha = {"truth": 0.0, "hybrid": HYBRID_SHARE}.get(method.target, 1.0)
    return SupervisedLoss(jnp.asarray(weights), alpha=alpha)


def _settings(size: Size) -> TrainerSettings:
    return TrainerSettings(batch_size=size.batch_size, max_epochs=size.max_epochs, patience=size.patience)
