"""Which estimator a map is made with: maximum likelihood, a network, or one step of scoring from a network."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from raofit import noise
from raofit.cli._map_input import MapInput
from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.progress import Progress
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.estimators.one_step import OneStep
from raofit.models import AbstractSignalModel

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions
    from raofit.cli._noise_level import NoiseLevel


_SNR_MARGIN = 1.5
_LEANS = -0.3
_SLOW_SLAB = 4096  # voxels: what an interruption of a fit with a heavy simulator may cost

Bounds = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class ChosenEstimator:
    """An estimator ready for the engine.

    Parameters
    ----------
    name : "mle", "network" or "one-step".
    estimate : `estimate(measurements (n, volume), sigma (n,))` returns an `Estimate`.
    parameters : what it estimates, along the last axis of its values.
    noise_name : noise model it assumes.
    sentences : what a reader of the maps should know about it.
    warnings : what speaks against trusting it on these data.
    settings : JSON-ready facts for the sidecar.
    n_fitted : how many parameters it fits to each voxel; 0 for a network.
    slab_voxels : the most voxels to estimate between two savings; None where that is no matter of minutes.
    """

    name: str
    estimate: Callable[[np.ndarray, np.ndarray], Estimate]
    parameters: tuple[Parameter, ...]
    noise_name: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]
    n_fitted: int
    slab_voxels: int | None = None

    @property
    def gives_all(self) -> bool:
        """Whether a signal follows from what it estimates."""
        return self.n_fitted > 0 or self.settings.get("Estimated") is None


def check_network(options: "MapOptions", found: MapInput) -> None:
    """Raise where a network is needed, but neither given nor trained on the spot."""
    if options.estimator != "mle" and found.network is None and found.model.has_complex_amplitude:
        raise RaofitError(
            f"--estimator {options.estimator}: it starts from a network, and none for the model `{found.model.name}` "
            "is trained on the spot; give one with --network"
        )


def choose_estimator(
    options: "MapOptions", found: MapInput, bounds: Bounds, level: "NoiseLevel", progress: Progress
) -> ChosenEstimator:
    """The estimator the options ask for; trains a network if they ask for one and give none."""
    model, network = found.model, found.network
    if options.estimator == "mle":
        return _maximum_likelihood(model, found.noise_name, bounds, network, options)
    source = str(options.network)
    if network is None:
        from raofit.cli._network_cache import trained_network

        snr = level.snr_range if options.snr is None else (options.snr, options.snr)
        if not (np.all(np.isfinite(snr)) and min(snr) > 0):
            raise RaofitError("the SNR to train the network for is unknown or not positive; give it with --snr")
        network, source = trained_network(model, found.noise_name, snr, options.seed, progress)
    if options.estimator == "one-step":
        return _one_step(model, found.noise_name, bounds, network, source, level)
    return _trained(network, source, model, level)


def likelihood_fit(
    model: AbstractSignalModel, noise_name: str, bounds: Bounds, network: NetworkEstimator | None = None
) -> Callable[[np.ndarray, np.ndarray], Estimate]:
    """`estimate(measurements, sigma)` by maximum likelihood.

    Where a complex M0 is eliminated the parameters do not depend on the scale of the measurement: voxels are fitted in
    units of their sigma, with one estimator, whose dictionary is then simulated once.
    """
    limits = dict(bounds) or None
    if not model.has_complex_amplitude:
        return lambda measurements, sigma: MaximumLikelihood(
            model, noise.build(noise_name, sigma), bounds=limits
        ).estimate(measurements)
    fit = MaximumLikelihood(model, noise.build(noise_name, 1.0), bounds=limits, initialize_with=network)

    def estimate(measurements: np.ndarray, sigma: np.ndarray) -> Estimate:
        found = fit.estimate(measurements / sigma[:, None])
        return dataclasses.replace(
            found, diagnostics={**found.diagnostics, "amplitude": found.diagnostics["amplitude"] * sigma}
        )

    return estimate


def _maximum_likelihood(
    model: AbstractSignalModel,
    noise_name: str,
    bounds: Bounds,
    network: NetworkEstimator | None,
    options: "MapOptions",
) -> ChosenEstimator:
    sentence = (
        f"Maximum likelihood under {noise_name} noise: nearly unbiased where a parameter is well determined and inside "
        "its bounds, and as scattered as the data are."
    )
    if model.has_complex_amplitude:
        sentence += " It is a non-linear least-squares fit; the complex M0 is eliminated."
    if network is not None:
        sentence += f" Every fit begins at the estimate of a network ({options.network})."
    return ChosenEstimator(
        "mle",
        likelihood_fit(model, noise_name, bounds, network),
        model.parameters,
        noise_name,
        (sentence,),
        (),
        {} if network is None else {"InitializedWith": str(options.network)},
        n_fitted=len(model.parameters),
        slab_voxels=None if model.lanes_at_once is None else _SLOW_SLAB,
    )


def _one_step(
    model: AbstractSignalModel,
    noise_name: str,
    bounds: Bounds,
    network: NetworkEstimator,
    source: str,
    level: "NoiseLevel",
) -> ChosenEstimator:
    order = check_protocol(network, model.protocol)

    def estimate(measurements: np.ndarray, sigma: np.ndarray) -> Estimate:
        return OneStep(network.model, noise.build(noise_name, sigma), network, bounds=dict(bounds) or None).estimate(
            measurements[:, order]
        )

    sentence = (
        f"One step of Fisher scoring from the estimate of a network ({source}): as good as maximum likelihood where "
        "the network errs by no more than a few standard deviations; NOT_CONVERGED marks where it was not enough."
    )
    return ChosenEstimator(
        "one-step",
        estimate,
        model.parameters,
        noise_name,
        (sentence,),
        tuple(_snr_warnings(network, level)),
        _facts(network, source),
        n_fitted=len(model.parameters),
        slab_voxels=None if model.lanes_at_once is None else _SLOW_SLAB,
    )


def _trained(
    network: NetworkEstimator, source: str, model: AbstractSignalModel, level: "NoiseLevel"
) -> ChosenEstimator:
    order = check_protocol(network, model.protocol)

    def estimate(measurements: np.ndarray, sigma: np.ndarray) -> Estimate:
        return network.estimate(measurements[:, order], sigma=sigma)

    sentence = (
        f"Network ({source}) trained for {network.noise_name} noise at {_trained_for(network)}: {_character(network)}; "
        "the standard-error maps state the scatter, not that bias."
    )
    by_name = dict(zip(model.parameter_names, model.parameters, strict=True))
    parameters = tuple(_as_estimated(by_name[name], network.magnitudes) for name in network.parameter_names)
    settings = _facts(network, source)
    if len(parameters) < len(model.parameters):
        settings["Estimated"] = list(network.parameter_names)
    return ChosenEstimator(
        "network",
        estimate,
        parameters,
        network.noise_name,
        (sentence,),
        tuple(_snr_warnings(network, level) + _leanings(network, level.snr)),
        settings,
        n_fitted=0,
    )


def _character(network: NetworkEstimator) -> str:
    """What its training makes of its errors."""
    if network.provenance.get("recipe", {}).get("weights") == "inverse-crb":
        return (
            "its errors were weighted by the Cramér-Rao bound, so its bias is small where the data determine a "
            "parameter; where they say little it leans towards its training values"
        )
    return (
        "it scatters less than maximum likelihood because it leans towards its training values where the data say "
        "little"
    )


def _as_estimated(parameter: Parameter, magnitudes: tuple[str, ...]) -> Parameter:
    """The parameter, said to be a magnitude where the network does not know its sign."""
    if parameter.name not in magnitudes:
        return parameter
    return dataclasses.replace(
        parameter,
        symbol=rf"|{parameter.symbol}|",
        description=f"magnitude of the {parameter.description}",
        typical=(0.0, parameter.typical[1]),
    )


def _facts(network: NetworkEstimator, source: str) -> dict[str, Any]:
    return {
        "Network": source,
        "SNRRange": list(network.snr_range),
        "Noise": network.noise_name,
        "Training": network.provenance,
        "Card": network.card,
    }


def _trained_for(network: NetworkEstimator) -> str:
    low, high = network.snr_range
    return f"SNR {low:.3g}" if low == high else f"SNR {low:.3g} to {high:.3g}"


def _snr_warnings(network: NetworkEstimator, level: "NoiseLevel") -> list[str]:
    low, high = network.snr_range
    if not np.isfinite(level.snr) or low / _SNR_MARGIN <= level.snr <= high * _SNR_MARGIN:
        return []
    sentence = (
        f"The data have a median SNR of {level.snr:.3g}, but the network was trained at {_trained_for(network)}: its "
        "bias and scatter here are not the measured ones."
    )
    return [sentence]


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
