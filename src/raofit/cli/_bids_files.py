"""The maps of a series as files of a BIDS derivative data set: their names, units and sidecars."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raofit.cli._bids_plan import Plan
from raofit.cli._map_intervals import SIDES
from raofit.core.errors import RaofitError
from raofit.core.references import REFERENCES
from raofit.core.status import Status
from raofit.io.bids_names import BidsName
from raofit.io.provenance import write_json
from raofit.io.text_formats import read_json
from raofit.models import REGISTRY

# What the validator of BIDS has no rule for.
BIDSIGNORE = "*_anatmap.*\n*_dwimap.*\n*_report.html\ngroup_maps.*\n"
SOURCE = "raw"  # the name the data set that was mapped has in BIDS URIs
_OF_T1 = ("IRT1", "MTS", "VFA")
_LISTS = ("EchoTime", "FlipAngle")
_STANDARD = {"ADC": "ADC", "MTsat": "MTsat", "T1": "T1map", "T2": "T2map", "T2star": "T2starmap"}
_UNITS = {"a.u.": "arbitrary", "mm²/s": "mm^2/s"}
_KINDS = ("std", *SIDES)  # what ends the name of a map that belongs to another one
_ALGORITHMS = {"mle": "maximum likelihood", "dictionary": "dictionary matching", "network": "neural network"}


def file_maps(maps: Path, folder: Path, plan: Plan, *, is_shared: bool) -> None:
    """Move a folder of `raofit map` into the folder of its session, under the names BIDS has for its files.

    `is_shared` says that the data set has two ways to a T1 map (see `has_two_t1_maps`): `desc` tells them apart.
    """
    target = folder / plan.collection.datatype
    target.mkdir(parents=True, exist_ok=True)
    for sidecar in sorted(maps.glob("*.json")):
        quantity = sidecar.stem
        if quantity == "raofit" or (plan.has_b1 and _parameter_and_kind(quantity)[0] == "B1"):
            continue
        name = map_name(plan, quantity, is_shared=is_shared)
        image = target / str(name)
        if image.exists():
            raise RaofitError(
                f"{plan.collection.name}: another series gives {image.name} as well; choose other models with --model"
            )
        (maps / f"{quantity}.nii.gz").replace(image)
        content = sidecar_content(plan, read_json(sidecar))
        write_json(target / str(name.derived(name.suffix, ".json")), content)
        if quantity == "status":
            _write_levels(target / str(name.derived(name.suffix, ".tsv")))
    report = plan.collection.name.derived("report", ".html", desc=plan.collection.name.suffix)
    (maps / "report.html").replace(target / str(report))


def map_name(plan: Plan, quantity: str, *, is_shared: bool) -> BidsName:
    """The name of the map of `quantity` (a parameter, NAME_std, NAME_lower, NAME_upper, a residual or "status").

    Suffixes of BIDS are used where there are some: `T1map`, `T2map`, `T2starmap`, `ADC`, `S0map`, `MTsat`, and `M0map`
    of a VFA or MTS series; `desc` holds the suffix of the series where two would give the same name, `std` for a
    standard error, and `lower` and `upper` for the ends of an interval.
    Everything else is `model-*_param-*_anatmap` or `_dwimap`, and `status` a segmentation.
    """
    source, datatype = plan.collection.name, plan.collection.datatype
    if quantity == "status":
        return source.derived("dseg", ".nii.gz", desc=f"{source.suffix}status")
    parameter, described = _parameter_and_kind(quantity)
    standard = _STANDARD.get(parameter)
    if parameter == "S0":
        standard = "M0map" if source.suffix in ("MTS", "VFA") else "S0map"
    if standard is None:
        model, label = (re.sub("[^a-z0-9]", "", text.lower()) for text in (plan.model, parameter))
        return source.derived(f"{datatype}map", ".nii.gz", model=model, param=label, desc=described)
    if datatype == "anat" and (standard == "S0map" or (is_shared and standard in ("T1map", "M0map"))):
        described = source.suffix + described
    return source.derived(standard, ".nii.gz", desc=described)


def _parameter_and_kind(quantity: str) -> tuple[str, str]:
    """`T1_std` as ("T1", "std"); a parameter itself as (name, "")."""
    name, _, kind = quantity.rpartition("_")
    return (name, kind) if kind in _KINDS else (quantity, "")


def has_two_t1_maps(dataset: Path) -> bool:
    """Whether a data set has series of two or more of the kinds that give a T1 map."""
    patterns = [[f"sub-*/{between}anat/*_{suffix}.nii*" for between in ("", "ses-*/")] for suffix in _OF_T1]
    return sum(any(any(dataset.glob(pattern)) for pattern in of_one) for of_one in patterns) > 1


def sidecar_content(plan: Plan, found: Mapping[str, Any]) -> dict[str, Any]:
    """The sidecar of a map: the keys of BIDS, and everything else `raofit map` says under `Raofit`."""
    settings = found["Settings"]
    algorithm = _ALGORITHMS.get(settings["Estimator"], settings["Estimator"])
    keys = REGISTRY[plan.model].kind.references
    works = "; ".join(f"https://doi.org/{REFERENCES[key].doi}" for key in keys if REFERENCES[key].doi)
    sources = [f"bids:{SOURCE}:{path.relative_to(plan.dataset).as_posix()}" for path in plan.sources]
    content = {
        "Description": found["Description"],
        "Units": bids_unit(found["Units"]),
        "Sources": sources,
        "SpatialReference": sources[0],
        "EstimationReference": works,
        "EstimationAlgorithm": f"{algorithm} ({plan.model}, {settings['Noise']} noise)",
        "SkullStripped": False,
        **_acquisition(plan.metadata),
        **plan.inherited,
    }
    if "Levels" in found:
        content["description"] = {"Description": "what the status means"}  # a column of the table beside it
    return content | {"Raofit": {key: value for key, value in found.items() if key not in content}}


def _acquisition(metadata: Mapping[str, list]) -> dict[str, Any]:
    """Settings that are the same for all images as one number, others as a list where BIDS allows one."""
    shown = {key: values[0] if len(set(values)) == 1 else values for key, values in metadata.items()}
    return {key: value for key, value in shown.items() if key in _LISTS or not isinstance(value, list)}


def bids_unit(unit: str) -> str:
    """A unit as BIDS writes it: ASCII, and `arbitrary` for signal units."""
    return _UNITS.get(unit, unit)


def _write_levels(path: Path) -> None:
    """The table of the values in a status map."""
    rows = ["index\tname\tdescription", *(f"{int(code)}\t{code.name}\t{code.sentence}" for code in Status)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
