"""Every reader of files, the valid files its inputs are made from, and how they are damaged."""

import dataclasses
import functools
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import jax
import nibabel
import numpy as np
import safetensors
import safetensors.numpy

from raofit.cli._bids_plan import plan_map
from raofit.cli._bids_run import BidsOptions
from raofit.cli._options import protocol_fields
from raofit.core.errors import RaofitError
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.io.basis_file import load_basis
from raofit.io.bids_dataset import DESCRIPTION, find_collections, find_visits, is_generated_by
from raofit.io.bvalues import read_b_values
from raofit.io.coefficient_image import open_coefficients
from raofit.io.dictionary_file import load_dictionary, save_dictionary
from raofit.io.fingerprint_sequence import load_sequence
from raofit.io.listed_settings import LISTED, read_listed
from raofit.io.network_file import load_network, save_network
from raofit.io.nifti import open_series, read_mask
from raofit.io.prior_file import read_prior
from raofit.io.protocol_file import series_protocol
from raofit.io.pulse_trains import load_trains
from raofit.io.recipe_file import read_training
from raofit.io.training_set_file import load_training_set, save_training_set
from raofit.models import IVIM, Compressed, MonoExponentialADC
from raofit.noise import Gaussian
from raofit.recipes.training_set import TrainingSet, simulate_training_set
from raofit.training.prior import Prior
from tests.estimators.untrained import untrained
from tests.fuzz import mutations
from tests.io.matlab_files import write_v5, write_v73

B_VALUES = [0, 20, 50, 100, 200, 400, 600, 800]
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 5)))[0]

Damage = Callable[[np.random.Generator, Path], None]


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader under test.

    Parameters
    ----------
    write : writes valid files into a folder.
    read : reads one of them.
    damages : by ending, what may be done to a file; "" stands for every other ending.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    damages: dict[str, tuple[Damage, ...]]

    def damaged(self, random: np.random.Generator, path: Path) -> None:
        """Damage a copy of a valid file in place."""
        damages = self.damages.get(path.suffix, self.damages.get("", ()))
        damages[random.integers(len(damages))](random, path)


def _of_content(change) -> Damage:
    def damage(random: np.random.Generator, path: Path) -> None:
        path.write_bytes(change(random, path.read_bytes()))

    return damage


def _inside_gzip(change) -> Damage:
    def damage(random: np.random.Generator, path: Path) -> None:
        path.write_bytes(gzip.compress(change(random, gzip.decompress(path.read_bytes())), 1))

    return damage


def _tensors_changed(random: np.random.Generator, content: bytes) -> bytes:
    """A network file with other JSON or another array, itself intact."""
    arrays = safetensors.numpy.load(content)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["raofit"])
    if random.random() < 0.7:
        header = mutations.tree_changed(random, header)
    else:
        name = sorted(arrays)[random.integers(len(arrays))]
        changed = mutations.array_changed(random, arrays.pop(name))
        if changed.dtype.kind in "iuf" and changed.dtype != np.float16 and random.random() < 0.9:
            arrays[name] = np.ascontiguousarray(changed)
    return safetensors.numpy.save(arrays, metadata={"raofit": json.dumps(header)})


BYTES, HEAD, TEXT, JSON = map(
    _of_content, (mutations.bytes_changed, mutations.head_changed, mutations.text_changed, mutations.json_changed)
)
HEAD2 = _of_content(functools.partial(mutations.head_changed, n_bytes=544))
TENSORS = _of_content(_tensors_changed)
TEXTS = {"": (TEXT, TEXT, BYTES), ".json": (TEXT, JSON, JSON, BYTES)}
MATLAB_HDF5 = (mutations.hdf5_changed, mutations.hdf5_changed, BYTES)
SEALED_HDF5 = (mutations.sealed_hdf5_changed, mutations.sealed_hdf5_changed, BYTES)


def _write_images(folder: Path) -> None:
    volumes = np.random.default_rng(0).normal(100, 20, (4, 3, 2, 3))
    scaled = nibabel.Nifti1Image(volumes.astype(np.int16), np.diag([2.0, 2, 3, 1]))
    scaled.header.set_slope_inter(0.5, -3.0)
    nibabel.save(scaled, folder / "scaled.nii")
    nibabel.save(nibabel.Nifti1Image(volumes.astype(np.float32), np.eye(4)), folder / "packed.nii.gz")


def _write_second_images(folder: Path) -> None:
    volumes = np.random.default_rng(0).normal(100, 20, (4, 3, 2, 3))
    nibabel.save(nibabel.Nifti2Image(volumes.astype(np.float64), np.eye(4)), folder / "second.nii")


def _write_masks(folder: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 3, 2), np.uint8), np.eye(4)), folder / "mask.nii")
    (folder / "series").mkdir()
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 3, 2, 2), np.float32), np.eye(4)), folder / "series" / "image.nii")


def _read_mask(path: Path):
    return read_mask(path, _series(path.parents[1] / "valid" / "series" / "image.nii"))


@functools.cache
def _series(path: Path):
    return open_series([path])


def _write_listed(folder: Path) -> None:
    (folder / "times.txt").write_text("0.0128\n0.0256, 0.0512\n")
    (folder / "sidecar.json").write_text(
        json.dumps({"EchoTime": [0.0128, "0.0256"], "a": [{"EchoTime": 0.05}], "RepetitionTime": 2.0, "FlipAngle": 20})
    )


def _read_listed(path: Path):
    read_listed(str(path), LISTED["echo_times"])
    if path.suffix == ".json":
        read_listed(str(path), LISTED["flip_angles"])


def _write_sidecars(folder: Path) -> None:
    times = {"EchoTime": [0.01, 0.02, 0.03, 0.04], "InversionTime": [0.1, 0.2, 0.5, 1.0], "RepetitionTime": 2.0}
    (folder / "image.json").write_text(
        json.dumps(times | {"RepetitionTimeExcitation": 1.9, "FlipAngle": [5, 10, "20", 30]})
    )


def _read_sidecar(path: Path) -> None:
    """As the sidecar of an image of four volumes, for each of the settings that may be in it."""
    for name in ("echo_times", "inversion_times", "flip_angles", "repetition_time"):
        series_protocol((name,), [path.with_suffix(".nii")], 4, bval=None, te=None)


def _write_bids(folder: Path) -> None:
    (folder / "sidecar.json").write_text(
        json.dumps({"FlipAngle": 20, "RepetitionTimeExcitation": 0.015, "Manufacturer": "A", "MTState": False})
    )


def _read_bids(path: Path) -> None:
    """As the sidecar of the first of two volumes of a VFA series in a data set."""
    root = path.parents[1] / "dataset"
    folder, name = root / "sub-01" / "anat", "sub-01_flip-1_VFA"
    folder.mkdir(parents=True, exist_ok=True)
    for flip in (1, 2):
        (folder / f"sub-01_flip-{flip}_VFA.nii").touch()
    (folder / "sub-01_flip-2_VFA.json").write_text('{"FlipAngle": 3}')
    (root / "VFA.json").write_text('{"RepetitionTimeExcitation": 0.015}')
    (folder / f"{name}.json").write_bytes(path.read_bytes())
    try:
        (series,) = find_collections(root, find_visits(root)[0])
        plan = plan_map(series, BidsOptions(root, root / "out", b1=False))
        settings = {name: plan.options[name] for name in ("flip", "tr")}
        series_protocol(protocol_fields(plan.model), series.images, 2, bval=None, te=None, **settings)
    except RaofitError as error:
        raise type(error)(str(error).replace(name, path.name)) from error


def _read_made(path: Path) -> None:
    """As the description of a data set."""
    root = path.parents[1] / "described"
    root.mkdir(exist_ok=True)
    (root / DESCRIPTION).write_bytes(path.read_bytes())
    try:
        is_generated_by(root, "raofit")
    except RaofitError as error:
        raise type(error)(str(error).replace(DESCRIPTION, path.name)) from error


def _write_described(folder: Path) -> None:
    (folder / "described.json").write_text(
        json.dumps({"Name": "A", "GeneratedBy": [{"Name": "raofit"}, {"Name": "B"}]})
    )


def _write_recipes(folder: Path) -> None:
    (folder / "drawn.toml").write_text(
        'preset = "on-the-spot"\nsnr = [10, 40]\nlabels = "mle-rician"\nhidden = [16, 16]\nmax_epochs = 3\n'
        'learning_rate = 1e-3\nseed = 5\nestimated = ["f"]\nis_mirrored = false\n[ranges]\nD_fast = [0.01, 0.2]\n'
    )
    (folder / "named.toml").write_text(
        'preset = "compact-bias-reduced"\nsnr = 30\nvariance_factor = 0.1\nbatch_size = 20\n'
        "parameter_weights = {B1 = 0.5}\n[start]\nmax_epochs = 40\ndecay = 0.3\n"
    )


def _write_priors(folder: Path) -> None:
    (folder / "typical.toml").write_text(
        'base = "typical"\nf = {low = 0.1, high = 0.4}\nD_slow = {center = 1e-3, sd = 2e-4, low = 5e-4, high = 2e-3}\n'
        'D_fast = {low = 0.01, high = 0.1, scale = "log"}\nS0 = 1.0\n'
    )
    parts = "\n".join(
        f"[mixture.{name}]\nweight = {weight}\n[mixture.{name}.parameters]\nS0 = 1.0\nf = {{low = 0.1, high = 0.4}}\n"
        'D_slow = {low = 1e-4, high = 1e-3, below = "D_fast"}\nD_fast = {low = 5, high = 50, of = "reciprocal"}\n'
        for name, weight in (("first", 0.7), ("second", 2))
    )
    (folder / "mixture.toml").write_text(parts)


def _write_trains(folder: Path) -> None:
    angles, durations = [[0.1, 0.5, 3.1], [0.2, 0.6, 1.0]], [[1e-4, 2e-4, 5e-4], [1e-4, 3e-4, 5e-4]]
    (folder / "trains.json").write_text(
        json.dumps({"flip_angles_rad": angles, "pulse_durations_s": durations, "repetition_time_s": 3.5e-3})
    )
    (folder / "trains.toml").write_text(
        f"flip_angles_rad = {angles}\npulse_durations_s = {durations}\nrepetition_time_s = 3.5e-3\n"
    )
    rows = [f"{alpha}, {t}, {n}" for n in (0, 1) for alpha, t in zip(angles[n], durations[n], strict=True)]
    (folder / "trains.csv").write_text("flip_angle_rad, pulse_duration_s, cycle\n" + "\n".join(rows) + "\n")
    arrays = {"alpha": np.array(angles).T, "TRF": np.array(durations).T, "TR": 3.5e-3}
    write_v5(folder / "trains.mat", **arrays)


def _write_sequences(folder: Path) -> None:
    spoiled = {
        "flip_angles_deg": [10, 40.5, 60, 8],
        "repetition_times_ms": [12.0, 12.5, 13, 12],
        "echo_times_ms": 3,
        "rf_phases_deg": [0, 180, 0, 180],
        "inversion_time_ms": 20,
        "slice_profile": [1.0, 0.9],
    }
    (folder / "spoiled.json").write_text(json.dumps(spoiled))
    (folder / "spoiled.toml").write_text("\n".join(f"{name} = {value}" for name, value in spoiled.items()) + "\n")
    (folder / "balanced.toml").write_text(
        "flip_angles_deg = [10, 40, 60]\nrepetition_time_ms = 4.5\ninversion_efficiency = 0.95\nis_repeated = 1\n"
    )
    (folder / "spoiled.csv").write_text("flip_angles_deg,repetition_times_ms,inversion_time_ms\n10,12,20\n40,12,\n")


def _write_bases(folder: Path) -> None:
    write_v5(folder / "second.mat", U=BASIS)
    write_v73(folder / "basis.mat", U=BASIS + 0j)


def _write_coefficients(folder: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(4, 3, 5)) + 1j * random.normal(size=(4, 3, 5))
    write_v73(folder / "new.h5", x=values.astype(np.complex64), mask=np.ones((4, 3)), note="text")
    write_v5(folder / "old.mat", x=values, mask=np.ones((4, 3)), note="text", field={"a": 1.0})


def _write_training_set(folder: Path) -> None:
    model = Compressed(IVIM(B_VALUES), BASIS)
    prior = Prior.typical(model)
    chunks = simulate_training_set(model, prior, 20, key=jax.random.key(0), chunk=20)
    save_training_set(folder / "set.h5", TrainingSet.from_chunks(chunks, model, prior, {"seed": 0}))


def _write_dictionary(folder: Path) -> None:
    grid = ParameterGrid({"ADC": np.geomspace(1e-4, 3e-3, 12)}, where=lambda values: values["ADC"] > 2e-4)
    save_dictionary(folder / "adc.h5", DictionaryMatching(MonoExponentialADC(B_VALUES), grid, Gaussian(0.02), rank=3))


def _write_network(folder: Path) -> None:
    save_network(folder / "net.raofit", untrained())


READERS = {
    "nifti": Reader(
        _write_images,
        lambda path: open_series([path]).read(),
        {".nii": (HEAD, HEAD, BYTES), ".gz": (_inside_gzip(mutations.head_changed), BYTES)},
    ),
    "nifti-2": Reader(_write_second_images, lambda path: open_series([path]).read(), {"": (HEAD2, HEAD2, BYTES)}),
    "mask": Reader(_write_masks, _read_mask, {"": (HEAD, HEAD, BYTES)}),
    "b-values": Reader(lambda folder: (folder / "a.bval").write_text("0 10,20\n50 800\n"), read_b_values, TEXTS),
    "listed": Reader(_write_listed, _read_listed, TEXTS),
    "sidecar": Reader(_write_sidecars, _read_sidecar, TEXTS),
    "bids-sidecar": Reader(_write_bids, _read_bids, TEXTS),
    "bids-description": Reader(_write_described, _read_made, TEXTS),
    "recipe": Reader(_write_recipes, read_training, TEXTS),
    "prior": Reader(_write_priors, lambda path: read_prior(path, IVIM(B_VALUES)), TEXTS),
    "trains": Reader(_write_trains, load_trains, TEXTS | {".mat": (BYTES,)}),
    "sequence": Reader(_write_sequences, load_sequence, TEXTS),
    "basis": Reader(_write_bases, lambda path: load_basis(path, 8), {"": (BYTES, HEAD)}),
    "coefficients": Reader(_write_coefficients, open_coefficients, {".h5": MATLAB_HDF5, ".mat": (BYTES, HEAD)}),
    "network": Reader(_write_network, load_network, {"": (TENSORS, TENSORS, BYTES)}),
    "training-set": Reader(_write_training_set, load_training_set, {"": SEALED_HDF5}),
    "dictionary": Reader(_write_dictionary, load_dictionary, {"": SEALED_HDF5}),
}
