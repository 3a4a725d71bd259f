"""Estimators as algorithms of the OSIPI collection of IVIM code, whose tests then run over them."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from raofit.core.errors import RaofitError
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.io.network_file import load_network
from raofit.io.output import new_file
from raofit.models import IVIM
from raofit.noise import build
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe

_NAMES = {"D": "D_slow", "f": "f", "Dp": "D_star", "S0": "S0"}  # theirs, in the order of their lists, and ours
_BOUNDS = {"D": (0.0, 0.005), "f": (0.0, 1.0), "Dp": (0.005, 0.2), "S0": (0.7, 1.3)}
_TRAINED = "train"
_SCRIPT = '''"""raofit ({estimator}) as an algorithm of this collection; written by raofit."""

from raofit.io.osipi import OsipiAlgorithm
from src.wrappers.OsipiBase import OsipiBase


class {name}(OsipiAlgorithm, OsipiBase):
    """See raofit.io.osipi.OsipiAlgorithm."""

    def __init__(self, *settings, **options):
        OsipiBase.__init__(self)
        OsipiAlgorithm.__init__(self, *settings, **options)
'''


class OsipiAlgorithm:
    """What an algorithm of the collection does; a class that also inherits from the collection's `OsipiBase` is one.

    Signals are normalized to the lowest b-value. Their Dp is D* (`ivim-total`): a network for `ivim` gives
    Dp = D_fast + D_slow. A fit begins at the best matches of a grid over the bounds, so a guess has no effect.
    Estimators are kept per process by protocol and options, and an instance holds only its settings: it can be pickled.

    Parameters
    ----------
    bvalues : s/mm²; may be given to the fit instead.
    thresholds, initial_guess : accepted and not used.
    bounds : `{"D": (low, high), "f": ..., "Dp": ..., "S0": ...}`, or the lists of lower and of upper bounds in this
        order. A network has the range it was trained for instead.
    noise : noise model of the likelihood.
    sigma : noise of a normalized signal; Gaussian estimates do not depend on it.
    network : a network file, "train" for one that is trained when its protocol is first seen, or None for maximum
        likelihood.
    """

    id_author: ClassVar[str] = "raofit"
    id_algorithm_type: ClassVar[str] = "Bi-exponential maximum likelihood, or a network with known bias and variance"
    id_return_parameters: ClassVar[str] = "f, D*, D"
    id_units: ClassVar[str] = "seconds per milli metre squared or milliseconds per micro metre squared"
    required_bvalues: ClassVar[int] = 4
    required_thresholds: ClassVar[list[int]] = [0, 0]
    required_bounds: ClassVar[bool] = False
    required_bounds_optional: ClassVar[bool] = True
    required_initial_guess: ClassVar[bool] = False
    required_initial_guess_optional: ClassVar[bool] = True
    supported_bounds: ClassVar[bool] = True
    supported_initial_guess: ClassVar[bool] = False
    supported_thresholds: ClassVar[bool] = False
    supported_dimensions: ClassVar[int] = 1
    supported_priors: ClassVar[bool] = False

    def __init__(
        self,
        bvalues: Float[np.ndarray, " volume"] | None = None,
        thresholds: Any = None,
        bounds: Any = None,
        initial_guess: Any = None,
        *,
        noise: str = "rician",
        sigma: float = 0.01,
        network: str | None = None,
    ):
        self.thresholds = thresholds
        self.bounds = dict(_BOUNDS) if bounds is None else bounds
        self.initial_guess = initial_guess
        self.bvalues = None if bvalues is None else np.asarray(bvalues)
        self.noise, self.sigma, self.network = noise, sigma, network
        self.use_bounds = dict.fromkeys(_NAMES, network is None)
        self.use_initial_guess = dict.fromkeys(_NAMES, False)
        self.deep_learning = network is not None
        self.stochastic = False

    def ivim_fit(self, signals: Float[np.ndarray, " volume"], bvalues=None, **_) -> dict[str, float]:
        """f, Dp and D of one voxel; 0 where there is no estimate."""
        maps = self.ivim_fit_full_volume(np.asarray(signals)[None], bvalues)
        return {name: float(values[0]) for name, values in maps.items()}

    def ivim_fit_full_volume(self, signals: Float[np.ndarray, "*voxels volume"], bvalues=None, **_) -> dict[str, Any]:
        """f, Dp and D of all voxels; 0 where there is no estimate, as outside the mask (NaN).

        Raises
        ------
        RaofitError
            If there are no b-values, or as many as there are signals.
        """
        b_values = self.bvalues if bvalues is None else bvalues
        if b_values is None:
            raise RaofitError("expected b-values, got none; give them to the constructor or to the fit")
        b_values, signals = np.asarray(b_values, dtype=np.float64), np.asarray(signals, dtype=np.float32)
        if signals.shape[-1:] != b_values.shape:
            raise RaofitError(f"expected one signal per b-value, got {signals.shape[-1]} for {b_values.size} b-values")
        with np.errstate(divide="ignore", invalid="ignore"):
            signals = signals / np.mean(signals[..., b_values == b_values.min()], axis=-1, keepdims=True)
        estimator, order = _estimator(
            tuple(b_values.tolist()), _pairs(self.bounds), self.noise, float(self.sigma), self.network
        )
        found = estimator.estimate(np.ascontiguousarray(signals[..., list(order)]))
        fast = found["D_star"] if "D_star" in found.parameter_names else found["D_fast"] + found["D_slow"]
        return {"f": np.nan_to_num(found["f"]), "Dp": np.nan_to_num(fast), "D": np.nan_to_num(found["D_slow"])}


def write_osipi_algorithm(collection: str | Path, name: str, *, force: bool = False, **options: Any) -> Path:
    """Write `src/standardized/NAME.py` into a copy of the collection, and the file for `--algorithmFile`; its path.

    Parameters
    ----------
    collection : root of the copy.
    name : of the class and of its file.
    force : replace files that are there.
    options : of `OsipiAlgorithm`: `noise`, `sigma`, `network`.

    Raises
    ------
    RaofitError
        If `name` is no name of a class, or `collection` no copy of the collection.
    FileError
        If a file is there already.
    """
    root = Path(collection)
    if not name.isidentifier():
        raise RaofitError(f"name {name!r}: expected a Python name such as RAOFIT_mle")
    if not (root / "src" / "standardized").is_dir():
        raise RaofitError(f"{root}: expected a copy of the collection, with a folder src/standardized")
    is_network = options.get("network") is not None
    described = "network" if is_network else "maximum likelihood"
    with new_file(root / "src" / "standardized" / f"{name}.py", force=force) as work:
        work.write_text(_SCRIPT.format(name=name, estimator=described), encoding="utf-8")
    content = {"algorithms": [name], name: {"options": options, "deep_learning": is_network, "fail_first_time": True}}
    path = root / f"{name}.json"
    with new_file(path, force=force) as work:
        work.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _pairs(bounds: Any) -> tuple[tuple[str, float, float], ...]:
    """Bounds of either form, hashable, under our names."""
    if not isinstance(bounds, Mapping):
        bounds = dict(zip(_NAMES, zip(*bounds, strict=True), strict=True))
    complete = {name: bounds.get(name, pair) for name, pair in _BOUNDS.items()}
    return tuple((_NAMES[name], float(low), float(high)) for name, (low, high) in complete.items())


@functools.lru_cache(maxsize=16)
def _estimator(
    b_values: tuple[float, ...],
    bounds: tuple[tuple[str, float, float], ...],
    noise: str,
    sigma: float,
    network: str | None,
) -> tuple[MaximumLikelihood | NetworkEstimator, tuple[int, ...]]:
    """The estimator, and the order of the measurements it reads."""
    model = IVIM(b_values, form="total")
    if network is None:
        limits = {name: (low, high) for name, low, high in bounds}
        return MaximumLikelihood(model, build(noise, sigma), bounds=limits), tuple(range(len(b_values)))
    if network == _TRAINED:
        recipe = TrainingRecipe.on_the_spot(1.0 / sigma, noise=noise)
        return train_network(model, recipe), tuple(range(len(b_values)))
    loaded: NetworkEstimator = load_network(network)
    return loaded, tuple(int(index) for index in check_protocol(loaded, {"b_values": np.array(b_values)}))
