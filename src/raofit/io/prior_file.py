"""Priors in TOML: a published one with some parameters changed, or one distribution per parameter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raofit.core.errors import FileError, RaofitError
from raofit.io.damage import DAMAGE
from raofit.io.text_formats import absent, read_toml
from raofit.models import AbstractSignalModel
from raofit.training import priors
from raofit.training.mixture import prior_from_dict
from raofit.training.prior import AbstractPrior, Prior

_BASE = "base"
_MIXTURE = "mixture"
_REPETITION_TIME = "repetition_time"


def named_prior(name: str, model: AbstractSignalModel) -> AbstractPrior:
    """The published prior `name` for the repetition time of `model`; "typical" for the model's typical ranges.

    Raises
    ------
    RaofitError
        If there is no such prior, or the model has no repetition time.
    """
    if name == "typical":
        return Prior.typical(model)
    if name not in priors.NAMED_PRIORS:
        raise RaofitError(f"prior {name}: expected typical, {', '.join(priors.NAMED_PRIORS)}, or a TOML file")
    protocol = model.protocol
    if _REPETITION_TIME not in protocol:
        raise RaofitError(f"prior {name}: it is for pulse trains, and the model `{model.name}` has none; use typical")
    return priors.build(name, repetition_time=float(protocol[_REPETITION_TIME]))


def read_prior(path: str | Path, model: AbstractSignalModel) -> AbstractPrior:
    """The prior in a TOML file, for the parameters of `model`.

    `base` names where to start from (default: the model's typical ranges); every other key is a parameter and its
    distribution, in parameter units (see `raofit.training.distributions.as_distribution`):

        base = "qmt-mao2024"
        T2s = {center = 12e-6, sd = 3e-6, low = 5e-6, high = 25e-6}
        Rx = {low = 5, high = 40}

    or the file holds one table `mixture.NAME` for each kind of tissue, with `weight` and `parameters`.

    Raises
    ------
    FileError
        If the file is missing or not TOML, or an entry is no parameter or no distribution.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: {absent(path)}; expected a prior in TOML")
    content = read_toml(path)
    try:
        if set(content) == {_MIXTURE}:
            return prior_from_dict({_MIXTURE: _in_order(content[_MIXTURE], model)})
        return named_prior(content.pop(_BASE, "typical"), model).replace(content)
    except RaofitError as error:
        raise FileError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise FileError(
            f"{path}: expected `weight` and a table `parameters` in every table of `{_MIXTURE}` ({error})"
        ) from error


def _in_order(components: Mapping[str, Any], model: AbstractSignalModel) -> dict[str, Any]:
    """The components with their parameters in the model's order, as far as they are the model's."""
    order = model.parameter_names
    return {
        name: entry
        | {
            "parameters": {
                key: entry["parameters"][key]
                for key in sorted(entry["parameters"], key=lambda key: order.index(key) if key in order else len(order))
            }
        }
        for name, entry in components.items()
    }
