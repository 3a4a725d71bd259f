"""What `raofit map` is given: the measurements, the model they are of, the mask, and the network if there is one."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from raofit import models
from raofit.cli._map_dictionary import open_dictionary
from raofit.cli._options import default_noise, parse_bounds, protocol_fields
from raofit.core.errors import RaofitError
from raofit.core.parameter import resolve_ranges
from raofit.estimators.atoms import Atoms
from raofit.estimators.network import NetworkEstimator, check_protocol
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.basis_file import load_basis
from raofit.io.coefficient_image import (
    CoefficientImage,
    is_coefficient_file,
    open_coefficients,
    read_coefficient_mask,
)
from raofit.io.network_file import load_network
from raofit.io.nifti import ImageSeries, Series, open_series, read_mask, read_volume
from raofit.io.protocol_file import series_protocol, stated_protocol
from raofit.io.shipped_networks import network_path
from raofit.io.text_formats import names_a_file
from raofit.models import AbstractSignalModel, Compressed

if TYPE_CHECKING:
    from raofit.cli._map_run import MapOptions

_DEFAULT_MODEL = "ivim"
_OF_IMAGES = ("ti", "flip", "mt", "refocusing")
_OF_FIELD = {
    "bval": "b_values",
    "te": "echo_times",
    "ti": "inversion_times",
    "flip": "flip_angles",
    "mt": "mt_states",
    "tr": "repetition_time",
    "refocusing": "refocusing_angles",
}


@dataclasses.dataclass(frozen=True)
class MapInput:
    """Measurements that fit their model.

    Parameters
    ----------
    series : measurements of every voxel.
    model : the signal model with the protocol of the measurements.
    mask : voxels to map.
    noise_name : how the measurements are distributed.
    network : the network to map with or to start from, if one is given; checked against model and protocol.
    files : the files all this is from.
    dictionary : where the atoms to map with are to lie, or atoms that exist already; checked against the model.
    known : parameters that are measured otherwise, one number or a map each.
    """

    series: Series
    model: AbstractSignalModel
    mask: Bool[np.ndarray, "x y z"]
    noise_name: str
    network: NetworkEstimator | None
    files: tuple[Path, ...]
    dictionary: ParameterGrid | Atoms | None = None
    known: Mapping[str, float | Float[np.ndarray, "x y z"]] = dataclasses.field(default_factory=dict)

    @property
    def is_complex(self) -> bool:
        """Whether the measurements are complex."""
        return isinstance(self.series, CoefficientImage)


def open_input(options: "MapOptions") -> MapInput:
    """Open and check everything the options name.

    Raises
    ------
    RaofitError
        If anything is missing, unreadable, or does not belong together.
    """
    network = None if options.network is None else load_network(options.network)
    name = options.model or (_DEFAULT_MODEL if network is None else network.model.name)
    if network is not None and network.model.name != name:
        raise RaofitError(f"{options.network}: expected a network for model {name}, found one for {network.model.name}")
    fields = protocol_fields(name)
    is_complex = models.REGISTRY[name].kind.has_complex_amplitude
    is_coefficients = [is_coefficient_file(path) for path in options.images]
    if is_complex and not (len(options.images) == 1 and is_coefficients[0]):
        raise RaofitError(
            f"{options.images[0]}: model {name} expects complex coefficients, in one MATLAB file with the arrays `x` "
            "and `mask`"
        )
    if any(is_coefficients) and not is_complex:
        named = ", ".join(key for key, entry in models.REGISTRY.items() if entry.kind.has_complex_amplitude)
        raise RaofitError(
            f"{options.images[0]}: complex coefficients are for the models {named}; say which one with --model, or "
            f"give a network with --network (the model is {name} now)"
        )
    found = _coefficients(options, name, network) if is_complex else _images(options, fields, name, network)
    lists = (options.te, options.ti, options.flip, options.mt, options.tr, options.refocusing)
    stated = (options.bval, *lists, options.trains)
    known = _known(options, found)
    maps = [part.partition("=")[2] for pairs in options.known for part in pairs.split(",")]
    files = (*options.images, *stated, options.basis, options.mask, options.sigma, *maps)
    network_file = None if options.network is None else network_path(options.network)
    inputs = tuple(Path(file) for file in (*files, network_file) if file is not None and names_a_file(file))
    dictionary = open_dictionary(options, found.model) if options.estimator == "dictionary" else None
    return dataclasses.replace(found, files=inputs, dictionary=dictionary, known=known)


def _known(options: "MapOptions", found: MapInput) -> dict[str, float | np.ndarray]:
    """Numbers and maps of `--known`."""
    names = found.model.parameter_names
    limits = resolve_ranges(found.model.parameters, parse_bounds(options.bounds), "bounds")
    known: dict[str, float | np.ndarray] = {}
    for item in (part.strip() for pairs in options.known for part in pairs.split(",")):
        name, equals, given = (part.strip() for part in item.partition("="))
        if not (equals and given):
            raise RaofitError(f"--known {item}: expected NAME=MAP or NAME=NUMBER, for instance B1=b1map.nii.gz")
        if name not in names:
            raise RaofitError(f"--known {item}: `{name}` is not a parameter; the model has {', '.join(names)}")
        try:
            known[name] = float(given)
        except ValueError:
            known[name] = read_volume(Path(given), found.series, f"map of {name}")
        low, high = limits[names.index(name)]
        if not np.any((np.asarray(known[name]) >= low) & (np.asarray(known[name]) <= high)):
            unit = found.model.parameters[names.index(name)].unit
            what = "expected a value" if np.ndim(known[name]) == 0 else "the map has no value"
            raise RaofitError(
                f"--known {item}: {what} from {low:g} to {high:g} {unit} (the bounds of {name}); give it in that unit"
            )
    if options.estimator == "dictionary":
        for name in known:
            if found.model.parameters[names.index(name)].is_amplitude:
                raise RaofitError(
                    f"--known: `{name}` is no axis of a dictionary, it follows from the match; leave it out"
                )
    if len(known) == len(names):
        raise RaofitError("--known: every parameter is given, nothing is left to estimate; leave one out")
    return known


def _images(options: "MapOptions", fields: tuple[str, ...], name: str, network: NetworkEstimator | None) -> MapInput:
    """A NIfTI series and its model."""
    _refuse(options, ("trains", "basis", "rank"), f"model {name} has no pulse trains")
    for option, field in _OF_FIELD.items():
        if field not in fields:
            _refuse(options, (option,), f"model {name} has no {field.replace('b_', 'b-').replace('_', ' ')}")
    if options.noise == "complex-gaussian":
        raise RaofitError("--noise complex-gaussian: NIfTI images are mapped as magnitudes (rician) or real (gaussian)")
    series = open_series(options.images)
    protocol = series_protocol(
        fields,
        options.images,
        series.shape[3],
        bval=options.bval,
        te=options.te,
        ti=options.ti,
        flip=options.flip,
        mt=options.mt,
        tr=options.tr,
        refocusing=options.refocusing,
    )
    if options.b_max is not None:
        series, protocol = _up_to(options.b_max, series, protocol)
    model = models.build(name, protocol)
    noise_name = options.noise or default_noise(model)
    if model.has_signs and noise_name == "rician":
        raise RaofitError(
            f"--noise rician: model {name} is of real-valued images, whose noise is gaussian; leave --noise out"
        )
    if network is not None:
        check_protocol(network, model.protocol)
        noise_name = network.noise_name
    mask = np.ones(series.shape[:3], dtype=bool) if options.mask is None else read_mask(options.mask, series)
    return MapInput(series, model, mask, noise_name, network, ())


def _coefficients(options: "MapOptions", name: str, network: NetworkEstimator | None) -> MapInput:
    """Complex coefficients and their model: that of the options, or the network's own."""
    _refuse(
        options,
        ("bval", "te", "b_max", *_OF_IMAGES),
        "complex coefficients have no b-values, times or angles of volumes",
    )
    noise_name = "complex-gaussian"
    if options.noise not in (None, noise_name):
        raise RaofitError(f"--noise {options.noise}: complex coefficients have {noise_name} noise; leave it out")
    path = options.images[0]
    if network is not None and options.trains is None:
        _refuse(options, ("tr", "basis", "rank"), "the network has its trains and its basis; give --trains as well")
        model, image = network.model, open_coefficients(path, n_coefficients=network.model.n_measurements)
    else:
        model, image = _stated(options, name)
        if network is not None:
            _require_same(options, network, model)
            model = network.model
    mask = image.mask if options.mask is None else read_coefficient_mask(options.mask, image)
    return MapInput(image, model, mask, noise_name, network, ())


def _stated(options: "MapOptions", name: str) -> tuple[AbstractSignalModel, CoefficientImage]:
    """The model of the trains and the basis in the options, of as many vectors as there are coefficients."""
    protocol = stated_protocol(protocol_fields(name), trains=options.trains, tr=options.tr)
    n_samples = int(np.size(protocol["flip_angles"]))
    if options.basis is None:
        if options.rank is not None:
            raise RaofitError(f"--rank {options.rank}: there is no basis to take vectors of; give one with --basis")
        image = open_coefficients(options.images[0])
        if image.shape[3] != n_samples:
            raise RaofitError(
                f"{options.images[0]}: expected {n_samples} samples per voxel, one per pulse, found {image.shape[3]}; "
                "if they are coefficients, give their basis with --basis"
            )
        return models.build(name, protocol), image
    if options.rank is not None:
        load_basis(options.basis, n_samples, options.rank)
    image = open_coefficients(options.images[0], n_coefficients=options.rank)
    basis = load_basis(options.basis, n_samples, image.shape[3])
    return Compressed(models.build(name, protocol), basis), image


def _require_same(options: "MapOptions", network: NetworkEstimator, model: AbstractSignalModel) -> None:
    """Raise unless the network was trained for the trains and the basis in the options."""
    advice = f"leave --trains and --basis out if {options.images[0]} is of the network's, or train a network for yours"
    try:
        check_protocol(network, model.protocol)
    except RaofitError as error:
        raise RaofitError(
            f"{options.network}: the network was trained for other flip-angle trains, pulse durations or another "
            f"repetition time than those in {options.trains}; {advice}"
        ) from error
    bases = [item.basis if isinstance(item, Compressed) else None for item in (network.model, model)]
    is_same = bases[0] is bases[1] or (
        bases[0] is not None
        and bases[1] is not None
        and bases[0].shape == bases[1].shape
        and np.allclose(bases[0], bases[1], atol=1e-6)
    )
    if not is_same:
        found = [f"{base.shape[1]} vectors" if base is not None else "no basis" for base in bases]
        raise RaofitError(
            f"{options.network}: the network reads coefficients of another basis ({found[0]}) than "
            f"{options.basis} ({found[1]}); {advice}"
        )


def _up_to(b_max: float, series: ImageSeries, protocol: dict) -> tuple[ImageSeries, dict]:
    """The volumes whose b-value is not above `b_max`, and their protocol."""
    if "b_values" not in protocol:
        raise RaofitError("--b-max: this model has no b-values; leave it out")
    kept = np.flatnonzero(protocol["b_values"] <= b_max)
    if not kept.size:
        raise RaofitError(f"--b-max {b_max:g}: no volume is left, the lowest b-value is {protocol['b_values'].min():g}")
    return series.take(kept), {name: values[kept] for name, values in protocol.items()}


def _refuse(options: "MapOptions", names: tuple[str, ...], why: str) -> None:
    """Raise if one of the options that have no meaning here is given."""
    for name in names:
        if getattr(options, name) is not None:
            raise RaofitError(f"--{name.replace('_', '-')}: {why}")
