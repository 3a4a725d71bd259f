"""How a series of a BIDS data set is mapped: its model, its protocol from the sidecars, its mask and its B1 map."""

import dataclasses
import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raofit.cli._map_run import MapOptions
from raofit.cli._options import protocol_fields
from raofit.core.errors import FileError, ProtocolError, RaofitError
from raofit.io.bids_dataset import SERIES_ENTITIES, Collection, find_b1_map
from raofit.io.bids_names import inherited, read_metadata, require_key
from raofit.io.bvalues import read_b_values
from raofit.io.listed_settings import LISTED, Listed, checked
from raofit.io.nifti import open_series, read_volume
from raofit.io.text_formats import shown

if TYPE_CHECKING:
    from raofit.cli._bids_run import BidsOptions

SUFFIXES = (*SERIES_ENTITIES, "dwi")
_MODELS = {"IRT1": "t1-ir", "MEGRE": "t2star", "MESE": "t2", "MTS": "mtsat", "VFA": "t1-vfa"}
_WITH_B1 = {"t1-vfa": "t1-vfa-b1", "t1-vfa-b1": "t1-vfa-b1"}  # where B1 is measured
_OPTIONS = {
    "echo_times": "te",
    "inversion_times": "ti",
    "flip_angles": "flip",
    "mt_states": "mt",
    "repetition_time": "tr",
}
_TAKEN_OVER = ("SpatialReference", "Resolution", "Density", "SkullStripped")
_ROUNDING = 10.0  # s/mm²: b-values closer than this are one
_PERFUSION = 200.0  # s/mm²: what IVIM needs several b-values below
_LARGEST_FOR_ADC = 1050.0  # s/mm²: the usual 1000, and what scanners make of it
_LARGEST_B1 = 5.0  # of a map that is relative to the nominal angle; beyond, it is in percent


@dataclasses.dataclass(frozen=True)
class Plan:
    """A series and how it is mapped.

    Parameters
    ----------
    dataset : folder of the data set it is in.
    collection : the series.
    model : registered name of its model.
    options : of the map, all but the folder to write.
    metadata : what the sidecars say about the protocol, in the units of BIDS, one value per volume.
    inherited : what the maps take over from the sidecars of the series.
    sources : the images, and the B1 map if there is one.
    """

    dataset: Path
    collection: Collection
    model: str
    options: Mapping[str, Any]
    metadata: Mapping[str, list]
    inherited: Mapping[str, Any]
    sources: tuple[Path, ...]

    @property
    def has_b1(self) -> bool:
        """Whether B1 is measured, not estimated."""
        return bool(self.options["known"])


def plan_map(collection: Collection, options: "BidsOptions") -> Plan | None:
    """How the series is mapped; None for diffusion images that no model is for.

    Raises
    ------
    RaofitError
        If a sidecar, a mask or a B1 map is missing or of no use.
    """
    root = options.dataset
    chosen = options.models.get(collection.name.suffix)
    settings: dict[str, Any] = {}
    if collection.datatype == "dwi":
        settings["bval"], b_values = _b_values(collection, root)
        chosen = chosen or diffusion_model(b_values)
        if chosen is None:
            return None
        if chosen == "adc":
            settings["b_max"] = _LARGEST_FOR_ADC
    model = chosen or _MODELS[collection.name.suffix]
    b1 = find_b1_map(root, collection) if options.b1 and model in _WITH_B1 else None
    model = model if b1 is None else _WITH_B1[model]
    found = [read_metadata(path, root) for path in collection.images]
    metadata: dict[str, list] = {}
    for field in _OPTIONS.keys() & protocol_fields(model):
        key, values = _setting(LISTED[field], collection, root, found)
        metadata[key] = values
        settings[_OPTIONS[field]] = ",".join(repr(value) for value in values)
    if collection.datatype == "anat":
        _require_several(collection, metadata)
    if b1 is not None:
        _require_relative(b1, collection)
    settings |= {
        "images": collection.images,
        "model": model,
        "mask": None if options.mask is None else find_mask(options.mask, root, collection),
        "known": () if b1 is None else (f"B1={b1}",),
        "estimator": options.estimator,
        "sigma": options.sigma,
        "intervals": options.intervals,
        "force": True,
    }
    taken = {key: found[0][key] for key in _TAKEN_OVER if key in found[0]}
    sources = collection.images if b1 is None else (*collection.images, b1)
    return Plan(root, collection, model, settings, metadata, taken, sources)


def map_options(plan: Plan, out: Path) -> MapOptions:
    """The options of `raofit map` for the series."""
    return MapOptions(out=out, **plan.options)


def diffusion_model(b_values: np.ndarray) -> str | None:
    """The model for diffusion images with these b-values (s/mm²).

    `ivim` if there are five or more different ones, of which two or more lie above 0 and up to 200 and one or more
    beyond; otherwise `adc` if two or more lie up to 1050; None otherwise. Values that round to the same ten are one.

    Examples
    --------
    >>> diffusion_model(np.array([0.0, 20, 80, 200, 800])), diffusion_model(np.array([0.0, 5, 1000, 1005]))
    ('ivim', 'adc')
    """
    levels = np.unique(_ROUNDING * np.round(b_values / _ROUNDING))
    n_perfusion = np.count_nonzero((levels > 0) & (levels <= _PERFUSION))
    if levels.size >= 5 and n_perfusion >= 2 and levels.max() > _PERFUSION:
        return "ivim"
    return "adc" if np.count_nonzero(levels <= _LARGEST_FOR_ADC) >= 2 else None


def find_mask(pattern: str, root: Path, collection: Collection) -> Path:
    """The one file the pattern stands for.

    Raises
    ------
    RaofitError
        If it has an unknown placeholder, or stands for no file or for several.
    """
    visit = collection.visit
    try:
        filled = pattern.format(subject=visit.subject, session=visit.session or "", suffix=collection.name.suffix)
    except (KeyError, IndexError, ValueError) as error:
        raise RaofitError(
            f"--mask {pattern}: expected a path with {{subject}}, {{session}}, {{suffix}} and *, found {error}"
        ) from error
    found = sorted(glob.glob(str(Path(glob.escape(str(root))) / filled)))  # noqa: PTH207 - it may be absolute
    if len(found) != 1:
        raise FileError(
            f"--mask {pattern}: expected one mask for {collection.name}, found {len(found)} for {filled} in {root}; "
            "change the pattern"
        )
    return Path(found[0])


def _b_values(collection: Collection, root: Path) -> tuple[Path, np.ndarray]:
    image = collection.images[0]
    files = inherited(image, root, ".bval")
    if not files:
        raise FileError(f"{image}: no b-values; expected {image.name.partition('.')[0]}.bval beside the image")
    return files[-1], read_b_values(files[-1])


def _setting(
    listed: Listed, collection: Collection, root: Path, found: Sequence[Mapping[str, Any]]
) -> tuple[str, list[float]]:
    """The key and the numbers of all images in a row; BIDS writers sometimes quote them."""
    keys, image = listed.keys, collection.images[0]
    stated = [
        require_key(path, root, metadata, *keys) for path, metadata in zip(collection.images, found, strict=True)
    ]  # fmt: skip
    numbers = [number for value in stated for number in (value if isinstance(value, list) else [value])]
    key = next(key for key in keys if any(key in metadata for metadata in found))
    try:
        values = [_number(number, listed) for number in numbers]
    except (TypeError, ValueError, OverflowError):
        values = []
    if not values:
        raise ProtocolError(f"{image}: expected numbers as `{key}`, found {shown(numbers)}; correct the sidecars")
    checked(np.array(values), f"the sidecars of {image}", listed)
    return key, values


def _number(stated: Any, listed: Listed) -> float:
    """A number, quoted or not; `true` is one only where it means that something is on."""
    if isinstance(stated, bool) and not listed.is_state:
        raise TypeError("expected a number")
    return float(stated)


def _require_several(collection: Collection, metadata: Mapping[str, list]) -> None:
    """Raise `FileError` for a series of one volume."""
    if len(collection.images) == 1 and all(len(values) == 1 for values in metadata.values()):
        differing = "- and ".join(SERIES_ENTITIES[collection.name.suffix])
        raise FileError(
            f"{collection.images[0]}: the only volume of {collection.name}, and a map takes more; expected others "
            f"that differ in {differing}-"
        )


def _require_relative(b1: Path, collection: Collection) -> None:
    """Raise `ProtocolError` for a B1 map in percent: a fit with it would only find its bounds."""
    values = read_volume(b1, open_series(collection.images), "map of B1")
    inside = values[np.isfinite(values) & (values > 0)]
    if inside.size and np.median(inside) > _LARGEST_B1:
        raise ProtocolError(
            f"{b1}: expected B1 over the nominal one (1: as intended), found a median of {np.median(inside):.3g}; "
            "divide a map in percent by 100"
        )
