"""Fingerprints simulated once for any training at any SNR: parameters, noise-free signals and Cramér–Rao bounds."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, UInt8

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.information.crb import bound_from_jacobian
from raofit.models import AbstractSignalModel
from raofit.training.prior import AbstractPrior

CHUNK = 512


class Chunk(NamedTuple):
    """Some fingerprints of a training set, in the shapes and types of `TrainingSet`."""

    parameters: Float[np.ndarray, "sample parameter"]
    signals: Inexact[np.ndarray, "sample measurement"]
    bound: Float[np.ndarray, "sample parameter"]
    component: UInt8[np.ndarray, " sample"]


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Simulated fingerprints and what they were made from.

    Noise, SNR and phase are not in it: training draws them anew at every step. For a measurement M0·s + noise of
    standard deviation σ the bound is `bound`·(σ/|M0|)².

    Parameters
    ----------
    parameters : Float[np.ndarray, "sample parameter"]
        True parameters, float32, in the order and units of `model.parameters`.
    signals : Inexact[np.ndarray, "sample measurement"]
        Noise-free signals at M0 = 1 (coefficients for a `Compressed` model), float32 or complex64.
    bound : Float[np.ndarray, "sample parameter"]
        Cramér–Rao bound of each parameter at M0 = 1 and σ = 1 per real channel, with all parameters and M0 unknown;
        float32, squared parameter units, inf where the signal says nothing.
    component : UInt8[np.ndarray, " sample"]
        Which of `prior.component_names` each sample is from.
    model : the signal model.
    prior : where the parameters were drawn from.
    provenance : plain values for a file.

    Raises
    ------
    ProtocolError
        If the arrays do not fit each other or the model.
    """

    parameters: Float[np.ndarray, "sample parameter"]
    signals: Inexact[np.ndarray, "sample measurement"]
    bound: Float[np.ndarray, "sample parameter"]
    component: UInt8[np.ndarray, " sample"]
    model: AbstractSignalModel
    prior: AbstractPrior
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        n_samples, n_parameters = len(self.parameters), len(self.model.parameters)
        expected = {
            "parameters": (n_samples, n_parameters),
            "signals": (n_samples, self.model.n_measurements),
            "bound": (n_samples, n_parameters),
            "component": (n_samples,),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ProtocolError(
                    f"training set: expected `{name}` of shape {shape} for {n_samples} samples of the model "
                    f"`{self.model.name}`, got {found}"
                )

    @classmethod
    def from_chunks(
        cls,
        chunks: Iterable[Chunk],
        model: AbstractSignalModel,
        prior: AbstractPrior,
        provenance: Mapping[str, Any] | None = None,
    ) -> "TrainingSet":
        """The set whose samples arrive in chunks, as from `simulate_training_set`."""
        arrays = (np.concatenate(pieces) for pieces in zip(*chunks, strict=True))
        return cls(*arrays, model=model, prior=prior, provenance=provenance or {})

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.parameters)

    def take(self, indices: Int[np.ndarray, " kept"]) -> "TrainingSet":
        """The set of some of the samples, by index or by a mask."""
        kept = {name: getattr(self, name)[indices] for name in Chunk._fields}
        return dataclasses.replace(self, **kept)

    def split(self, validation_share: float, *, key: Array) -> tuple["TrainingSet", "TrainingSet"]:
        """A training set and a held-out set of `round(validation_share · n)` samples, chosen at random.

        Raises
        ------
        RaofitError
            If one of the two would be empty.
        """
        n_held_out = round(validation_share * len(self))
        if not 0 < n_held_out < len(self):
            raise RaofitError(
                f"validation share: expected one that leaves samples on both sides, got {validation_share:g} "
                f"of {len(self)}"
            )
        order = np.asarray(jax.random.permutation(key, len(self)))
        return self.take(order[n_held_out:]), self.take(order[:n_held_out])


def simulate_training_set(
    model: AbstractSignalModel,
    prior: AbstractPrior,
    n_samples: int,
    *,
    key: Array,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> Iterator[Chunk]:
    """The samples of a training set, in finished chunks of `chunk` samples (the last one may be shorter).

    Each chunk depends on the key and its own index alone (see `simulate_chunk`), so stopping and continuing, even
    elsewhere, changes nothing.

    Parameters
    ----------
    progress : called after each chunk.

    Raises
    ------
    RaofitError
        If a number is below 1, or a signal is not finite.
    ProtocolError
        If the prior is about other parameters than the model's.

    Examples
    --------
    >>> from raofit.models import IVIM
    >>> from raofit.training.prior import Prior
    >>> ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    >>> prior = Prior.typical(ivim)
    >>> chunks = simulate_training_set(ivim, prior, 300, key=jax.random.key(0), chunk=200)
    >>> samples = TrainingSet.from_chunks(chunks, ivim, prior)
    >>> samples.signals.shape, samples.bound.shape
    ((300, 10), (300, 4))
    """
    check_simulation(model, prior, n_samples, chunk)
    done = 0
    for index, size in enumerate(chunk_sizes(n_samples, chunk)):
        full = simulate_chunk(model, prior, index, key=key, chunk=chunk)
        done += size
        if progress is not None:
            progress(ProgressEvent("simulating", done, n_samples))
        yield Chunk(*(array[:size] for array in full))


def chunk_sizes(n_samples: int, chunk: int) -> list[int]:
    """Samples in each chunk: all full but the last."""
    return [min(chunk, n_samples - start) for start in range(0, n_samples, chunk)]


def check_simulation(model: AbstractSignalModel, prior: AbstractPrior, n_samples: int, chunk: int) -> None:
    """Raise unless a training set can be simulated with these settings."""
    if min(n_samples, chunk) < 1:
        raise RaofitError(f"training set: expected at least 1 sample and 1 per chunk, got {n_samples} and {chunk}")
    if prior.names != model.parameter_names:
        raise ProtocolError(
            f"training set: the prior is about {', '.join(prior.names)}, "
            f"but the model `{model.name}` has {', '.join(model.parameter_names)}"
        )


def simulate_chunk(
    model: AbstractSignalModel, prior: AbstractPrior, index: int, *, key: Array, chunk: int = CHUNK
) -> Chunk:
    """Chunk number `index`, always full: `chunk` draws from the prior with the key `fold_in(key, index)`.

    Raises
    ------
    RaofitError
        If a signal is not finite.
    """
    parameters, component = prior.sample_with_component(jax.random.fold_in(key, index), chunk)
    signals, jacobian = model.signal_and_jacobian(parameters)
    bound = bound_from_jacobian(signals, jacobian, has_complex_amplitude=model.has_complex_amplitude)
    found = Chunk(np.asarray(parameters), np.asarray(signals), bound.astype(np.float32), np.asarray(component))
    is_finite = np.isfinite(found.signals).all(axis=1)
    if not is_finite.all():
        values = found.parameters[~is_finite][0]
        at = ", ".join(f"{name} = {value:g}" for name, value in zip(model.parameter_names, values, strict=True))
        raise RaofitError(f"training set: the model `{model.name}` has no finite signal at {at}; narrow the prior")
    return found
