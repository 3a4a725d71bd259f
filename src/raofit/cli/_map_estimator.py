"""Which estimator a map is made with: maximum likelihood, a network file, or a network trained on the spot."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raofit import noise
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.models import AbstractSignalModel

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions
    from raofit.cli._noise_level import NoiseLevel


_SNR_MARGIN = 1.5
_LEANS = -0.3


@dataclasses.dataclass(frozen=True)
class ChosenEstimator:
    """An estimator ready for the engine.

    Parameters
    ----------
    name : "mle" or "network".
    estimate : `estimate(measurements (n, volume), sigma (n,))` returns an `Estimate`.
    n_parameters : length of the last axis of its values.
    noise_name : noise model it assumes.
    sentences : what a reader of the maps should know about it.
    warnings : what speaks against trusting it on these data.
    settings : JSON-ready facts for the sidecar.
    """

    name: str
    estimate: Callable[[np.ndarray, np.ndarray], Estimate]
    n_parameters: int
    noise_name: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]


def open_network(path: Path, model: AbstractSignalModel) -> NetworkEstimator:
    """The network in a file, if it is one for this model and protocol (in any order of the volumes).

    Raises
    ------
    RaofitError
        If the file is no network, or one for another model or protocol.
    """
    from raofit.io.network_file import load_network

    network = load_network(path)
    if network.model.name != model.name:
        raise RaofitError(f"{path}: expected a network for model {model.name}, found one for {network.model.name}")
    check_protocol(network, model.protocol)
    return network


def choose_estimator(
    options: "MapOptions",
    model: AbstractSignalModel,
    noise_name: str,
    bounds: Mapping[str, tuple[float, float]],
    level: "NoiseLevel",
    network: NetworkEstimator | None,
    progress: Progress,
) -> ChosenEstimator:
    """The estimator the options ask for; trains a network if they ask for one and give none."""
    if options.estimator == "mle":
        return _maximum_likelihood(model, noise_name, bounds)
    source = str(options.network)
    if network is None:
        from raofit.cli._network_cache import trained_network

        snr = level.snr_range if options.snr is None else (options.snr, options.snr)
        if not (np.all(np.isfinite(snr)) and min(snr) > 0):
            raise RaofitError("the SNR to train the network for is unknown or not positive; give it with --snr")
        network, source = trained_network(model, noise_name, snr, options.seed, progress)
    return _trained(network, source, model, level)


def _maximum_likelihood(
    model: AbstractSignalModel, noise_name: str, bounds: Mapping[str, tuple[float, float]]
) -> ChosenEstimator:
    def estimate(measurements: np.ndarray, sigma: np.ndarray) -> Estimate:
        return MaximumLikelihood(model, noise.build(noise_name, sigma), bounds=dict(bounds) or None).estimate(
            measurements
        )

    sentence = (
        f"Maximum likelihood under {noise_name} noise: nearly unbiased where a parameter is well determined and inside "
        "its bounds, and as scattered as the data are."
    )
    return ChosenEstimator("mle", estimate, len(model.parameters), noise_name, (sentence,), (), {})


def _trained(
    network: NetworkEstimator, source: str, model: AbstractSignalModel, level: "NoiseLevel"
) -> ChosenEstimator:
    order = check_protocol(network, model.protocol)

    def estimate(measurements: np.ndarray, sigma: np.ndarray) -> Estimate:
        return network.estimate(measurements[:, order], sigma=sigma)

    low, high = network.snr_range
    trained_for = f"SNR {low:.3g}" if low == high else f"SNR {low:.3g} to {high:.3g}"
    sentences = [
        (
            f"Network ({source}) trained for {network.noise_name} noise at {trained_for}: it scatters less than "
            "maximum likelihood because it leans towards its training values where the data say little; the "
            "standard-error maps state the scatter, not that bias."
        )
    ]
    warnings = []
    if np.isfinite(level.snr) and not low / _SNR_MARGIN <= level.snr <= high * _SNR_MARGIN:
        warnings.append(
            f"The data have a median SNR of {level.snr:.3g}, but the network was trained at {trained_for}: its bias "
            "and scatter here are not the measured ones."
        )
    warnings += _leanings(network, level.snr)
    facts = {"Network": source, "SNRRange": [low, high], "Noise": network.noise_name, "Training": network.provenance}
    return ChosenEstimator(
        "network",
        estimate,
        len(model.parameters),
        network.noise_name,
        tuple(sentences),
        tuple(warnings),
        facts | {"Card": network.card},
    )


def _leanings(network: NetworkEstimator, snr: float) -> list[str]:
    """Parameters whose estimates follow the truth by less than 70 %, from the card's entry nearest to `snr`."""
    entries = network.card.get("entries", [])
    if not entries:
        return []
    nearest = min(entries, key=lambda entry: abs(np.log(entry["snr"] / snr)) if snr > 0 else 0.0)
    slopes = {name: figures["bias_slope"] for name, figures in nearest["parameters"].items()}
    return [
        f"The network's {name} shows only {max(1 + slope, 0):.0%} of the true differences between tissues (measured in "
        f"simulations at SNR {nearest['snr']:.3g}): the rest is its training range."
        for name, slope in slopes.items()
        if slope is not None and slope < _LEANS
    ]
