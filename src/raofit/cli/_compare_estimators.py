"""The estimators of `raofit compare`, what they are compared at, and their evaluations."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from raofit import noise as noise_models
from raofit.cli._evaluate_run import (
    MLE,
    EvaluateOptions,
    checked_grid,
    evaluated_model,
    evaluated_noise,
    load_networks,
)
from raofit.cli._evaluate_set_run import check_set_options, held_out, set_networks, trained_snrs
from raofit.cli._map_dictionary import stated_grid
from raofit.cli._options import parse_bounds
from raofit.cli._progress import progress_bar
from raofit.core.errors import RaofitError
from raofit.core.seeds import key_of
from raofit.core.tasks import RunTasks
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation import Evaluation, evaluate
from raofit.evaluation.blocks import block_sizes
from raofit.evaluation.comparison import Comparison, compared
from raofit.evaluation.evaluate import Estimator
from raofit.information.crb import crb
from raofit.io.provenance import sha256
from raofit.io.training_set_file import load_training_set
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

DICTIONARY = "dictionary"
_DICTIONARY_BYTES = 1 << 29
_OF_BLOCKS = 0xB10C  # sets the noise of tunings apart from that of trainings and comparisons with the same seed


@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """What the user asked for; see `raofit.cli.compare.compare`."""

    evaluated: EvaluateOptions
    estimators: tuple[str, ...]
    grid: tuple[str, ...]
    training_set: Path | None


@dataclasses.dataclass(frozen=True)
class Measured:
    """A comparison, the SNRs its networks were trained for, and model and truths in words."""

    comparison: Comparison
    snr_ranges: Mapping[str, tuple[float, float]]
    words: str
    truths: str


@dataclasses.dataclass(frozen=True)
class Truths:
    """Where estimators are compared: parameters, noise-free signals, and the bound at a noise."""

    model: AbstractSignalModel
    points: np.ndarray
    signals: np.ndarray
    bound: Callable[[AbstractNoise], np.ndarray]
    names: tuple[str, ...]
    words: str


def measured_comparison(options: CompareOptions, run: RunTasks) -> Measured:
    """Every estimator at every truth and SNR."""
    of = options.evaluated
    if not of.networks and not options.estimators:
        raise RaofitError("nothing to compare: give --network FILE, --estimator mle or --estimator dictionary")
    networks, truths = given_networks(options)
    first = next(iter(networks.values()), None)
    if not of.snr and first is None:
        raise RaofitError("--snr is missing: give the signal-to-noise ratios, for instance 10,20,50")
    noise_name = evaluated_noise(of, truths.model, first)
    snrs = of.snr or trained_snrs(first)
    others = other_estimators(options, truths, noise_name, snrs)
    magnitudes = {name for network in networks.values() for name in network.magnitudes}
    setting = Setting(of, truths, noise_name, magnitudes, run)
    evaluations = {
        snr: {name: only for name, (only,) in setting.blocks({**networks, **others[snr]}, snr).items()} for snr in snrs
    }
    return described(compared(evaluations, truths.names), truths, networks, noise_name)


def described(
    comparison: Comparison, truths: Truths, networks: Mapping[str, NetworkEstimator], noise_name: str
) -> Measured:
    """A comparison with what it is about in words."""
    words = f"{truths.model.name}, {truths.model.n_measurements} measurements, {noise_name} noise"
    ranges = {name: network.snr_range for name, network in networks.items()}
    return Measured(comparison, ranges, words, truths.words)


def given_networks(options: CompareOptions) -> tuple[dict[str, NetworkEstimator], Truths]:
    """The networks of the options, which may be none, and the truths; raises what is wrong with the options."""
    of = options.evaluated
    _check(options)
    networks, truths = _on_grid(of) if options.training_set is None else _on_set(of, options.training_set)
    _check_networks(networks, of.networks)
    return networks, truths


def other_estimators(
    options: CompareOptions, truths: Truths, noise_name: str, snrs: Sequence[float]
) -> dict[float, dict[str, Estimator]]:
    """Maximum likelihood and dictionary of the options at each SNR."""
    matching = _matching(options, truths.model)
    return {
        snr: _fit(options.evaluated, truths.model, noise_models.build(noise_name, 1.0 / snr)) | matching for snr in snrs
    }


def _check(options: CompareOptions) -> None:
    of = options.evaluated
    twice = sorted({name for name in options.estimators if options.estimators.count(name) > 1})
    if twice:
        raise RaofitError(f"--estimator {twice[0]}: given twice; give each estimator once")
    if options.grid and DICTIONARY not in options.estimators:
        raise RaofitError("--grid: it states the values of a dictionary; add --estimator dictionary, or leave it out")
    if of.bounds and not of.has_mle:
        raise RaofitError("--bounds: they are those of maximum likelihood; add --estimator mle, or leave them out")
    if of.n_repeats < 2:
        raise RaofitError(f"--repeats {of.n_repeats}: expected 2 or more, a variance needs two noise draws")


def _check_networks(networks: Mapping[str, NetworkEstimator], paths: tuple[Path, ...]) -> None:
    """Raise if a network is there twice, or has the name of another estimator."""
    seen: dict[str, Path] = {}
    for path, name in zip(paths, networks, strict=True):
        if name in (MLE, DICTIONARY):
            raise RaofitError(f"{path}: its results would share the name `{name}` with an estimator; rename the file")
        first = seen.setdefault(sha256(path), path)
        if first is not path:
            raise RaofitError(f"{path}: the same network as {first}; give each estimator once")


def _on_grid(of: EvaluateOptions) -> tuple[dict[str, NetworkEstimator], Truths]:
    """The networks, and every combination of true values."""
    networks = load_networks(of.networks)
    model = evaluated_model(of, networks)
    grid = checked_grid(of, model)
    signals = np.asarray(model.signal(jnp.asarray(grid.points, dtype=jnp.result_type(float))))
    words = f"{len(grid.points)} combinations of true values"
    truths = Truths(model, grid.points, signals, lambda noise: crb(model, grid.points, noise), grid.varied, words)
    return networks, truths


def _on_set(of: EvaluateOptions, path: Path) -> tuple[dict[str, NetworkEstimator], Truths]:
    """The networks, and held-out fingerprints."""
    check_set_options(of)
    samples = load_training_set(path)
    networks = set_networks(of, samples)
    chosen = held_out(samples, path)
    names, varies = np.array(samples.model.parameter_names), np.ptp(chosen.parameters, axis=0) > 0
    truths = Truths(
        samples.model,
        chosen.parameters,
        chosen.signals,
        lambda noise: chosen.bound * np.square(np.asarray(noise.sigma)),
        tuple(names[varies].tolist()),
        f"{len(chosen)} held-out fingerprints",
    )
    return networks, truths


def _fit(of: EvaluateOptions, model: AbstractSignalModel, noise: AbstractNoise) -> dict[str, Estimator]:
    return {MLE: MaximumLikelihood(model, noise, bounds=parse_bounds(of.bounds) or None)} if of.has_mle else {}


def _matching(options: CompareOptions, model: AbstractSignalModel) -> dict[str, Estimator]:
    if DICTIONARY not in options.estimators:
        return {}
    return {DICTIONARY: DictionaryMatching(model, stated_grid(options.grid, model, memory_bytes=_DICTIONARY_BYTES))}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all estimators have in common: truths, noise, signs that some network does not tell, and where it runs."""

    options: EvaluateOptions
    truths: Truths
    noise_name: str
    magnitudes: Collection[str]
    run: RunTasks

    def blocks(self, estimators: Mapping[str, Estimator], snr: float, n_blocks: int = 1) -> dict[str, list[Evaluation]]:
        """Blocks of repeats of every estimator: all see the same noise, block by block."""
        of, truths, noise = self.options, self.truths, noise_models.build(self.noise_name, 1.0 / snr)
        bound, key = truths.bound(noise), key_of(of.seed)
        sizes = [of.n_repeats] if n_blocks == 1 else block_sizes(of.n_repeats, n_blocks)
        keys = [key] if n_blocks == 1 else jax.random.split(jax.random.fold_in(key, _OF_BLOCKS), n_blocks)
        found = {}
        with progress_bar() as progress:
            for name, estimator in estimators.items():
                stage = f"{name}, SNR {snr:g}"
                found[name] = [
                    evaluate(
                        estimator, truths.model, noise, truths.points, size, block_key,
                        signals=truths.signals, bound=bound, magnitudes=self.magnitudes, run=self.run,
                        progress=lambda event, stage=stage: progress(dataclasses.replace(event, stage=stage)),
                    )
                    for size, block_key in zip(sizes, keys, strict=True)
                ]  # fmt: skip
        return found
