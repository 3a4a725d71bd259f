"""Everything that decides how a network is trained, as plain values that fit in a file."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Literal

import numpy as np

from raofit.core.errors import RaofitError
from raofit.models import AbstractSignalModel
from raofit.noise import NOISE_MODELS
from raofit.training.adam import OPTIMIZERS, SCHEDULES, Optimizer, Schedule
from raofit.training.input_scaling import INPUT_SCALINGS, InputScaling
from raofit.training.losses import Criterion, Moments
from raofit.training.measuring import SNR_SCALES, SnrScale
from raofit.training.networks import CONSTRAINTS, Constraint
from raofit.training.targets import OnBound
from raofit.training.trainer import TrainerSettings

LabelKind = Literal[
    "truth",
    "mle-rician",
    "mle-gaussian",
    "literal-rician",
    "literal-gaussian",
    "self-supervised",
    "self-supervised-rician",
]
Weighting = Literal["inverse-mean", "inverse-truth", "inverse-crb", "none"]
Architecture = Literal["perceptron", "compact", "compact-small", "zhang2022", "mao2024"]
EmphasisForm = Literal["weighted", "literal"]
OutputScaling = Literal["unit", "mean", "spread"]
Fresh = Literal["none", "noise", "all"]


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """How to train a network; the defaults are the paper's [epstein2022].

    Parameters
    ----------
    labels : "truth"; "mle-rician", "mle-gaussian": the converged maximum-likelihood estimate of that very measurement;
        "literal-rician", "literal-gaussian": the paper's released recipe (started at the truth, loose tolerances);
        "self-supervised", "self-supervised-rician": no labels, squares or Rician likelihood in signal space.
    alpha : share of the label's loss in α·L(label) + (1 − α)·L(truth).
    weights : "inverse-mean" (1/mean²), "inverse-truth" (1/truth²), "inverse-crb" (1/CRB at each sample's truth and
        SNR), or "none".
    parameter_weights : `{name: factor}` on the weight of single parameters; 0 leaves one out.
    emphasis : name of a parameter whose residual counts `emphasis_factor` times more than the others'.
    emphasis_form : "weighted" keeps the weights and divides the others; "literal" is the released code's form.
    criterion : "squared" or "absolute" error.
    noise : noise model of the simulated measurements.
    snr : 1/σ at unit amplitude: a number, or (low, high), drawn per sample.
    snr_scale : whether the SNR's logarithm or the SNR itself is uniform.
    ranges : `{name: (low, high)}` in place of the model's typical ranges.
    range_margin : share of its width by which every other typical range is widened on both sides: an estimate near an
        end of its range leans inwards.
    n_training, n_validation : samples; of a training set, `n_validation` are held out and the others train.
    n_realizations, variance_factor, tolerated_variance : R, λ and δ of the loss.
    bias_moments, variance_moments : see `SupervisedLoss`.
    bound_floor : added to every bound in "inverse-crb" weights, as a share of the variance of the labels (of a training
        set: over its first component); 0 is the published loss.
    fresh : per epoch draw nothing anew ("none"), the noise, or noise and parameters ("all"). Training on a
        `TrainingSet` draws SNR, phase and noise anew at every step in any case.
    architecture : "perceptron", or one of `raofit.recipes.architecture`: "compact" and "compact-small" for complex
        coefficients, "zhang2022" and "mao2024" as published.
    estimated : names of the parameters to estimate; None for all of the model's. For a training set.
    magnitudes : names of parameters whose magnitude is estimated. For a training set.
    is_mirrored : conjugate inputs to one half of all signals, for a model in which that changes the sign of the
        `magnitudes` and nothing else. For a training set.
    hidden : widths of the hidden layers; None for the architecture's own (a perceptron's: three as wide as the input).
    restarts : random initializations trained together; the best on validation is kept.
    batch_size, max_epochs, patience, learning_rate, final_learning_rate, steps_per_epoch : see `TrainerSettings`.
    optimizer, schedule, decay, decay_epochs, averaging, gradient_limit : see `TrainerSettings`.
    constraint : constraint on the outputs.
    input_scaling : see `Perceptron`; use "norm" for measurements in scanner units, and "first" or "norm-phase" for
        complex coefficients.
    output_scaling : "unit" (a power of 1000, so diffusivities are in 1e-3 mm²/s), "mean" (the prior's mean), or, for a
        training set, "spread" (outputs are standard deviations from the mean over the set's first component).
    output_margin : for a training set, what a sigmoid leaves on both sides of the labels, as a share of their range.
    on_bound : hold out labels on a bound, or keep them.
    seed : seed of everything random.

    Raises
    ------
    RaofitError
        If a value is not one of the above or two of them contradict each other.
    """

    labels: LabelKind = "truth"
    alpha: float = 1.0
    weights: Weighting = "inverse-mean"
    parameter_weights: Mapping[str, float] | None = None
    emphasis: str | None = None
    emphasis_factor: float = 1e6
    emphasis_form: EmphasisForm = "weighted"
    criterion: Criterion = "squared"
    noise: str = "rician"
    snr: tuple[float, float] = (15.0, 15.0)
    snr_scale: SnrScale = "log"
    ranges: Mapping[str, tuple[float, float]] | None = None
    range_margin: float = 0.0
    n_training: int = 80_000
    n_validation: int = 20_000
    n_realizations: int = 1
    variance_factor: float = 1.0
    tolerated_variance: float = 0.0
    bias_moments: Moments = "plain"
    variance_moments: Moments = "plain"
    bound_floor: float = 0.0
    fresh: Fresh = "none"
    architecture: Architecture = "perceptron"
    estimated: tuple[str, ...] | None = None
    magnitudes: tuple[str, ...] = ()
    is_mirrored: bool = False
    hidden: tuple[int, ...] | None = None
    restarts: int = 16
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
    constraint: Constraint = "abs"
    input_scaling: InputScaling = "none"
    output_scaling: OutputScaling = "unit"
    output_margin: float = 0.25
    on_bound: OnBound = "hold-out"
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = (float(value) for value in np.broadcast_to(self.snr, (2,)))
        object.__setattr__(self, "snr", (low, high))
        if self.hidden is not None:
            object.__setattr__(self, "hidden", tuple(int(width) for width in self.hidden))
        object.__setattr__(self, "magnitudes", tuple(self.magnitudes))
        if self.estimated is not None:
            object.__setattr__(self, "estimated", tuple(self.estimated))
        if not 0 < low <= high < _LARGEST_SNR:
            raise RaofitError(
                f"recipe `snr`: expected 0 < low <= high (and below {_LARGEST_SNR:g}), got {low:g} to {high:g}"
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise RaofitError(f"recipe `{name}`: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0.0 <= self.alpha <= 1.0:
            raise RaofitError(f"recipe `alpha`: expected a share from 0 to 1, got {self.alpha:g}")
        if not 0.0 <= self.range_margin <= 1.0:
            raise RaofitError(f"recipe `range_margin`: expected a share from 0 to 1, got {self.range_margin:g}")
        if min(self.n_training, self.n_validation, self.n_realizations, self.restarts) < 1:
            raise RaofitError("recipe: expected at least 1 training sample, validation sample, realization and restart")
        if self.n_realizations > 1 and self.labels.startswith(("mle", "literal")):
            raise RaofitError(
                f"recipe: labels `{self.labels}` belong to one measurement, so `n_realizations` must be 1, "
                f"got {self.n_realizations}"
            )
        if self.labels.startswith("self-supervised") and NOISE_MODELS[self.noise].is_complex:
            raise RaofitError("recipe: self-supervised losses compare real measurements; use labels with complex noise")
        self.trainer_settings()

    @classmethod
    def paper(cls, snr: float | tuple[float, float], **changes) -> "TrainingRecipe":
        """The paper's training (which knows one SNR); `changes` replace single fields."""
        return dataclasses.replace(cls(snr=snr), **changes)  # type: ignore[arg-type]

    @classmethod
    def on_the_spot(cls, snr: float | tuple[float, float], **changes) -> "TrainingRecipe":
        """A good network for one scan in well under a minute on two cores: wider layers, larger batches, a decaying
        learning rate, two restarts, and inputs scaled so that scanner units do not matter.
        """
        recipe = cls(
            snr=snr,  # type: ignore[arg-type]
            n_training=100_000,
            n_validation=20_000,
            hidden=(32, 32, 32),
            restarts=2,
            batch_size=500,
            max_epochs=60,
            patience=60,
            learning_rate=5e-3,
            final_learning_rate=1e-5,
            input_scaling="norm",
            output_scaling="mean",
        )
        return dataclasses.replace(recipe, **changes)

    @classmethod
    def near_unbiased(cls, snr: float | tuple[float, float], **changes) -> "TrainingRecipe":
        """A network of little bias for a model whose parameters the data determine, in half a minute on two cores.

        Errors are weighted by the Cramér-Rao bound at each sample's truth and SNR [zhang2022], so that every one counts
        in its own standard deviations and what the data do not determine does not count. The layers are wide because a
        high SNR asks for precision, and outputs are exponentials because relaxation times spread over decades.
        """
        fields = {
            "weights": "inverse-crb",
            "range_margin": 0.25,
            "n_training": 200_000,
            "hidden": (64, 64, 64),
            "restarts": 1,
            "averaging": 0.998,
            "constraint": "exp",
        }
        return cls.on_the_spot(snr, **(fields | changes))

    @classmethod
    def for_model(cls, model: AbstractSignalModel, snr: float | tuple[float, float], **changes) -> "TrainingRecipe":
        """What a network trained on the spot takes: `near_unbiased` for a model that usual data determine, else
        `on_the_spot`.
        """
        preset = cls.near_unbiased if model.is_well_determined else cls.on_the_spot
        return preset(snr, **changes)

    def trainer_settings(self) -> TrainerSettings:
        """The fields the trainer needs."""
        names = (field.name for field in dataclasses.fields(TrainerSettings))
        return TrainerSettings(**{name: getattr(self, name) for name in names})

    def as_dict(self) -> dict:
        """Plain values for a file."""
        return dataclasses.asdict(self)


_LARGEST_SNR = 1e9  # noise of less is lost in float32
_CHOICES: dict[str, tuple[str, ...]] = {
    "labels": typing.get_args(LabelKind),
    "weights": typing.get_args(Weighting),
    "architecture": typing.get_args(Architecture),
    "snr_scale": SNR_SCALES,
    "bias_moments": typing.get_args(Moments),
    "variance_moments": typing.get_args(Moments),
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "emphasis_form": typing.get_args(EmphasisForm),
    "criterion": typing.get_args(Criterion),
    "noise": tuple(sorted(NOISE_MODELS)),
    "fresh": typing.get_args(Fresh),
    "constraint": CONSTRAINTS,
    "input_scaling": INPUT_SCALINGS,
    "output_scaling": typing.get_args(OutputScaling),
    "on_bound": typing.get_args(OnBound),
}
