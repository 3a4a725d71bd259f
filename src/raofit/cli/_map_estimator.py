"""Which estimator a map is made with: maximum likelihood, a dictionary, a network, or one step from a network."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from raofit import noise
from raofit.cli._map_dictionary import in_words
from raofit.cli._map_input import MapInput
from raofit.cli._progress import say
from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.progress import Progress
from raofit.estimators.atoms import Atoms
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.estimators.one_step import OneStep
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.dictionary_file import save_dictionary
from raofit.models import AbstractSignalModel

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions
    from raofit.cli._noise_level import NoiseLevel


_SNR_MARGIN = 1.5
_LEANS = -0.3
_SLOW_SLAB = 4096  # voxels: what an interruption of a fit with a heavy simulator may cost

Bounds = Mapping[str, tuple[float, float]]
KnownVoxels = Mapping[str, np.ndarray]
EstimateVoxels = Callable[[np.ndarray, np.ndarray, KnownVoxels], Estimate]


@dataclasses.dataclass(frozen=True)
class ChosenEstimator:
    """An estimator ready for the engine.

    Parameters
    ----------
    name : "mle", "dictionary", "network" or "one-step".
    estimate : `estimate(measurements (n, volume), sigma (n,), known {name: (n,)})` returns an `Estimate`.
    parameters : what it estimates, along the last axis of its values.
    noise_name : noise model it assumes.
    sentences : what a reader of the maps should know about it.
    warnings : what speaks against trusting it on these data.
    settings : JSON-ready facts for the sidecar.
    n_fitted : how many parameters it fits to each voxel; 0 for a network.
    slab_voxels : the most voxels to estimate between two savings; None where that is no matter of minutes.
    ranges : limits of its own, in place of the parameters' bounds.
    fixed : names of parameters it takes as known.
    network : the network whose estimates these are, or are made from.
    interval_factors : `interval_factors(measurements, sigma, level)` gives half-widths in standard errors (n,
        parameter) of intervals that hold the truth, where they are known; see `raofit.cli._map_intervals`.
    """

    name: str
    estimate: EstimateVoxels
    parameters: tuple[Parameter, ...]
    noise_name: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]
    n_fitted: int
    slab_voxels: int | None = None
    ranges: Bounds = dataclasses.field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    network: NetworkEstimator | None = None
    interval_factors: Callable[[np.ndarray, np.ndarray, float], np.ndarray] | None = None

    @property
    def gives_all(self) -> bool:
        """Whether a signal follows from what it estimates."""
        return self.n_fitted > 0 or self.settings.get("Estimated") is None


def check_network(options: "MapOptions", found: MapInput) -> None:
    """Raise where a network is needed, but neither given nor trained on the spot."""
    needs_one = options.estimator in ("network", "one-step")
    if needs_one and found.network is None and found.model.has_complex_amplitude:
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
        return _maximum_likelihood(found, bounds, options)
    if found.dictionary is not None:
        return _matching(found, found.dictionary, options, progress)
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
) -> EstimateVoxels:
    """`estimate(measurements, sigma, known)` by maximum likelihood.

    Where a complex M0 is eliminated the parameters do not depend on the scale of the measurement: voxels are fitted in
    units of their sigma, with one estimator, whose dictionary is then simulated once.
    """
    limits = dict(bounds) or None
    if not model.has_complex_amplitude:
        return lambda measurements, sigma, known: MaximumLikelihood(
            model, noise.build(noise_name, sigma), bounds=limits
        ).estimate(measurements, known=known)
    fit = MaximumLikelihood(model, noise.build(noise_name, 1.0), bounds=limits, initialize_with=network)

    def estimate(measurements: np.ndarray, sigma: np.ndarray, known: KnownVoxels) -> Estimate:
        found = fit.estimate(measurements / sigma[:, None], known=known)
        return dataclasses.replace(
            found, diagnostics={**found.diagnostics, "amplitude": found.diagnostics["amplitude"] * sigma}
        )

    return estimate


def _maximum_likelihood(found: MapInput, bounds: Bounds, options: "MapOptions") -> ChosenEstimator:
    model, noise_name, network = found.model, found.noise_name, found.network
    noise_words = noise_name.replace("gaussian", "Gaussian").replace("rician", "Rician")
    sentence = (
        f"Maximum likelihood under {noise_words} noise: nearly unbiased where a parameter is well determined and "
        "inside its bounds, and as scattered as the data are."
    )
    if model.has_complex_amplitude:
        sentence += " It is a non-linear least-squares fit; the complex M0 is eliminated."
    if network is not None:
        sentence += f" Every fit begins at the estimate of a network ({options.network})."
    sentence += _known_sentence(options)
    return ChosenEstimator(
        "mle",
        likelihood_fit(model, noise_name, bounds, network),
        model.parameters,
        noise_name,
        (sentence,),
        (),
        {} if network is None else {"InitializedWith": str(options.network)},
        n_fitted=len(model.parameters) - len(found.known),
        slab_voxels=None if model.lanes_at_once is None else _SLOW_SLAB,
        fixed=frozenset(found.known),
        network=network,
    )


def _known_sentence(options: "MapOptions") -> str:
    return f" Known, and not estimated: {', '.join(options.known)}." if options.known else ""


def _matching(
    found: MapInput, atoms: ParameterGrid | Atoms, options: "MapOptions", progress: Progress
) -> ChosenEstimator:
    """Dictionary matching; new atoms are simulated, and kept in the file the options name."""
    model = found.model
    grid = atoms if isinstance(atoms, ParameterGrid) else atoms.grid
    size = f"{len(grid)} atoms ({in_words(grid, model)})"
    say(f"dictionary of {size}" + (f", from {options.dictionary}" if isinstance(atoms, Atoms) else ""))
    unit = noise.build(found.noise_name, 1.0)
    if isinstance(atoms, ParameterGrid):
        atoms = Atoms.of(model, atoms, progress=progress)
        if options.dictionary is not None:
            save_dictionary(options.dictionary, DictionaryMatching(model, atoms))
    matching = DictionaryMatching(model, atoms, unit)
    axes = grid.axes
    free = {name: (float(axis[0]), float(axis[-1])) for name, axis in axes.items() if len(axis) > 1}
    sentence = (
        f"Dictionary matching with {size}: the simulated signal that explains the measurement best by least squares, "
        "interpolated between atoms; AT_BOUND marks what lies at an edge of the grid."
    )
    if unit.is_magnitude:
        sentence += " Least squares overestimates magnitudes near the noise floor; maximum likelihood does not."
    sentence += _known_sentence(options)
    return ChosenEstimator(
        "dictionary",
        in_units_of_sigma(matching),
        model.parameters,
        found.noise_name,
        (sentence,),
        (),
        {
            "File": None if options.dictionary is None else str(options.dictionary),
            "Atoms": len(grid),
            "AtomsSHA256": hashlib.sha256(np.ascontiguousarray(atoms.signals)).hexdigest(),
            "Grid": {name: [float(axis[0]), float(axis[-1]), len(axis)] for name, axis in axes.items()},
        },
        n_fitted=len(free.keys() - found.known.keys()) + (model.amplitude_index is not None),
        ranges=free,
        fixed=frozenset(axes.keys() - free.keys() | found.known.keys()),
    )


def in_units_of_sigma(matching: DictionaryMatching) -> EstimateVoxels:
    """`estimate(measurements, sigma, known)` by one search for all sigmas: only the amplitude has signal units."""
    index = matching.model.amplitude_index

    def estimate(measurements: np.ndarray, sigma: np.ndarray, known: KnownVoxels) -> Estimate:
        found = matching.estimate(measurements / sigma[:, None], known=known)
        units = np.ones_like(found.values)
        diagnostics = dict(found.diagnostics)
        if index is not None:
            units[:, index] = sigma
        else:
            diagnostics["amplitude"] = diagnostics["amplitude"] * sigma
        return dataclasses.replace(
            found,
            values=found.values * units,
            compute_standard_errors=lambda: found.standard_errors * units,
            diagnostics=diagnostics,
        )

    return estimate


def _one_step(
    model: AbstractSignalModel,
    noise_name: str,
    bounds: Bounds,
    network: NetworkEstimator,
    source: str,
    level: "NoiseLevel",
) -> ChosenEstimator:
    order = check_protocol(network, model.protocol)

    def estimate(measurements: np.ndarray, sigma: np.ndarray, _known: KnownVoxels) -> Estimate:
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
        network=network,
    )


def _trained(
    network: NetworkEstimator, source: str, model: AbstractSignalModel, level: "NoiseLevel"
) -> ChosenEstimator:
    order = check_protocol(network, model.protocol)

    def estimate(measurements: np.ndarray, sigma: np.ndarray, _known: KnownVoxels) -> Estimate:
        return network.estimate(measurements[:, order], sigma=sigma)

    def interval_factors(measurements: np.ndarray, sigma: np.ndarray, level: float) -> np.ndarray:
        return network.interval_factors(level, snr=network.snr_of(measurements[:, order], sigma))

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
        tuple(_snr_warnings(network, level) + leanings(network, level.snr)),
        settings,
        n_fitted=0,
        network=network,
        interval_factors=interval_factors,
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


def leanings(network: NetworkEstimator, snr: float) -> list[str]:
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
