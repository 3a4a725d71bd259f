"""The simulations of Mao et al. (2024): which fingerprints, at which SNR, and what each estimator makes of them.

    `simulated` : signals and bounds of any fingerprints, in the chunks of the training set's simulator,
    `evaluate_on` : bias and variance of an estimator on such a set, at one SNR or one per fingerprint,
    `box_estimates` (figure 1), `at_snrs` (figure 2), `outside_parameters` (supplementary figure 1) : their truths.

Noise is drawn in the domain of the coefficients: with an orthonormal real basis that is the noise of the samples.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from raofit.core.progress import Progress
from raofit.evaluation.evaluate import Estimator, Evaluation, evaluate
from raofit.information.crb import bound_from_jacobian
from raofit.models import AbstractSignalModel
from raofit.noise import ComplexGaussian
from raofit.recipes.training_set import CHUNK, TrainingSet
from raofit.studies.mao2024 import BOX_R2F, BOX_SNR, FOLDED, SHOWN, WHITE_MATTER
from raofit.training.prior import AbstractPrior, Prior


def simulated(
    model: AbstractSignalModel, parameters: Float[np.ndarray, "sample parameter"], prior: AbstractPrior
) -> TrainingSet:
    """Signals and Cramér–Rao bounds of the given fingerprints; the last chunk is filled up, so one shape compiles."""
    parts = []
    for start in range(0, len(parameters), CHUNK):
        rows = parameters[np.minimum(np.arange(start, start + CHUNK), len(parameters) - 1)]
        signals, jacobian = model.signal_and_jacobian(jnp.asarray(rows, dtype=jnp.float32))
        bound = bound_from_jacobian(signals, jacobian, has_complex_amplitude=model.has_complex_amplitude)
        parts.append((np.asarray(signals), bound.astype(np.float32)))
    signals, bound = (np.concatenate(arrays)[: len(parameters)] for arrays in zip(*parts, strict=True))
    component = np.zeros(len(parameters), np.uint8)
    return TrainingSet(np.asarray(parameters, np.float32), signals, bound, component, model, prior)


def evaluate_on(
    samples: TrainingSet,
    estimator: Estimator,
    snr: float | Float[np.ndarray, " sample"],
    n_draws: int,
    key: Array,
    progress: Progress | None = None,
) -> Evaluation:
    """Bias and variance over `n_draws` noise draws of every fingerprint; `snr` is |M0|/σ."""
    sigma = 1.0 / np.asarray(snr, dtype=np.float64)
    return evaluate(
        estimator,
        samples.model,
        ComplexGaussian(sigma.astype(np.float32)),
        samples.parameters,
        n_draws,
        key,
        signals=samples.signals,
        bound=samples.bound * np.square(np.broadcast_to(sigma, len(samples)))[:, None],
        magnitudes=FOLDED,
        progress=progress,
    )


def box_parameters() -> Float[np.ndarray, "value parameter"]:
    """White matter with the values of R2f in figure 1."""
    rows = np.tile(np.array(WHITE_MATTER), (len(BOX_R2F), 1))
    rows[:, 2] = BOX_R2F
    return rows


def box_estimates(
    samples: TrainingSet, estimator: Estimator, n_draws: int, key: Array
) -> Float[np.ndarray, "value draw parameter"]:
    """Single estimates of the shown parameters at the SNR of figure 1."""
    phase_key, noise_key = jax.random.split(key)
    signals = jnp.repeat(jnp.asarray(samples.signals), n_draws, axis=0)
    phase = jax.random.uniform(phase_key, (len(signals), 1), jnp.float32, 0.0, 2.0 * np.pi)
    rotated = signals * jax.lax.complex(jnp.cos(phase), jnp.sin(phase))
    estimate = estimator.estimate(np.asarray(ComplexGaussian(1.0 / BOX_SNR).sample(noise_key, rotated)))
    values = np.stack([estimate[name] for name in SHOWN], axis=-1)
    return values.reshape(len(samples), n_draws, len(SHOWN))


def at_snrs(
    samples: TrainingSet, estimator: Estimator, snrs: Float[np.ndarray, " snr"], n_draws: int, key: Array
) -> Evaluation:
    """The single fingerprint of `samples` at many SNRs, which are the truths of the evaluation, in their order."""
    return evaluate_on(samples.take(np.zeros(len(snrs), dtype=np.int64)), estimator, snrs, n_draws, key)


def outside_parameters(
    model: AbstractSignalModel, prior: Prior, n: int, seed: int
) -> tuple[Float[np.ndarray, "sample parameter"], float]:
    """`n` draws from the normal distributions of tissue without their truncation, and the share that was left out.

    Left out are draws that no tissue can have: outside the fit bounds of the model (negative fractions, rates or times
    among them), or with the free pool's transverse slower than its longitudinal relaxation.
    """
    generator = np.random.default_rng(seed)
    entries = prior.as_dict()
    bounds = np.array([parameter.bounds for parameter in model.parameters])
    kept: list[np.ndarray] = []
    n_drawn = 0
    while len(kept) < n:
        row = np.array([_untruncated(entries[name], generator) for name in model.parameter_names])
        is_possible = np.all((row > bounds[:, 0]) & (row < bounds[:, 1])) and row[2] > row[1]
        n_drawn += 1
        if is_possible:
            kept.append(row)
    return np.stack(kept), 1.0 - n / n_drawn


def z_distance(parameters: Float[np.ndarray, "sample parameter"], prior: Prior) -> Float[np.ndarray, " sample"]:
    """Length of the vector of z-scores of all normally distributed parameters."""
    entries = list(prior.as_dict().values())
    columns = [index for index, entry in enumerate(entries) if "sd" in entry]
    center, spread = (np.array([entries[index][key] for index in columns]) for key in ("center", "sd"))
    return np.linalg.norm((parameters[:, columns] - center) / spread, axis=1)


def is_inside(parameters: Float[np.ndarray, "sample parameter"], prior: Prior) -> Bool[np.ndarray, " sample"]:
    """Fingerprints the truncated distributions can draw."""
    return np.all((parameters >= prior.low) & (parameters <= prior.high), axis=1)


def _untruncated(entry: dict, generator: np.random.Generator) -> float:
    if "sd" in entry:
        return float(generator.normal(entry["center"], entry["sd"]))
    return float(generator.uniform(entry["low"], entry["high"]))
