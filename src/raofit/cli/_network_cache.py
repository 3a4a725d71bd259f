"""Networks trained on the spot, kept for the next series with the same protocol and SNR."""

import dataclasses
import hashlib
import json
from importlib import metadata

from raofit.cli._cache import cache_folder
from raofit.cli._progress import say
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.estimators.network import NetworkEstimator
from raofit.io.network_file import load_network, save_network
from raofit.models import AbstractSignalModel
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe


def trained_network(
    model: AbstractSignalModel, noise_name: str, snr: tuple[float, float], seed: int, progress: Progress
) -> tuple[NetworkEstimator, str]:
    """A network for the model's protocol, noise and SNR range, and the file it is kept in; trained if it is new.

    SNRs are rounded to two digits, so repeated scans share a network. The folder is `RAOFIT_CACHE`, or `raofit` in the
    user's cache folder.
    """
    low, high = (float(f"{value:.2g}") for value in snr)
    recipe = TrainingRecipe.for_model(model, (low, high), noise=noise_name, seed=seed)
    path = cache_folder() / f"{model.name}-{_identity(model, recipe)}.safetensors"
    if path.exists():
        try:
            return load_network(path), str(path)
        except RaofitError as error:
            say(f"training anew: {error}")
    say(f"training a network for this protocol at SNR {low:g} to {high:g} (kept in {path.parent})")
    network = train_network(model, recipe, progress=progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_network(path, network, force=True)
    return network, str(path)


def _identity(model: AbstractSignalModel, recipe: TrainingRecipe) -> str:
    """Hash of everything the network depends on."""
    content = {
        "model": model.name,
        "protocol": {name: values.tolist() for name, values in model.protocol.items()},
        "recipe": dataclasses.asdict(recipe),
        "version": metadata.version("raofit"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
