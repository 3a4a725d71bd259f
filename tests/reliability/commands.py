"""Small commands as a user starts them, in processes of their own, and what their outputs hold besides wall times."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.numpy

from tests.cli.bids_data import add_dwi, dataset
from tests.cli.helpers import adc_scan

RUN = "import sys; from raofit.cli import main; sys.exit(main())"
_TIMES = re.compile(r"seconds|minutes|generatedat|^time$", re.IGNORECASE)
_TIMES_OF_A_PAGE = (r"\d{4}-\d\d-\d\dT[\d:+]+", r"(?i)seconds?\W*(<[^>]*>\W*)*[\d.]+", r"[\d.]+ s\b")
_RECIPE = 'preset = "on-the-spot"\nsnr = 20\nn_training = 400\nn_validation = 100\nhidden = [8]\nrestarts = 2\n'


@dataclasses.dataclass(frozen=True)
class Command:
    """A command and its output.

    Parameters
    ----------
    words : without the output.
    other : more words that make another output of the same name.
    out : name of the output.
    content : what an output holds, by part, without wall times.
    """

    words: tuple[str, ...]
    other: tuple[str, ...]
    out: str
    content: Callable[[Path], dict]

    def start(self, folder: Path, *more: str) -> subprocess.Popen:
        """The command in a process of its own."""
        out = str(folder / self.out)
        words = [word.format(out=out) for word in self.words] + ([] if "{out}" in self.words else ["--out", out])
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *words, *more],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, *more: str) -> None:
        """The command to its end."""
        process = self.start(folder, *more)
        message = process.communicate()[1]
        assert process.returncode == 0, message


def commands(inputs: Path) -> dict[str, Command]:
    """`map`, `train`, `simulate` and `bids` on inputs that are written to a folder."""
    adc_scan(inputs, (80, 70, 12))
    add_dwi(dataset(inputs / "bids") / "sub-01", "sub-01")
    (inputs / "recipe.toml").write_text(_RECIPE + "max_epochs = 150\npatience = 150\nbatch_size = 20\n")
    scan, b_values, recipe = (str(inputs / name) for name in ("dwi.nii.gz", "dwi.bval", "recipe.toml"))
    simulate = ("simulate", "--model", "adc", "--bval", b_values, "-n", "6000", "--chunk", "100")
    slabs = ("--memory", "1")  # MiB, so that every slab is one slice
    return {
        "map": Command(("map", scan, "--model", "adc", *slabs), ("--bounds", "ADC=0:0.002"), "maps", of_maps),
        "train": Command(
            ("train", "--model", "adc", "--bval", b_values, "--recipe", recipe), ("--seed", "7"), "a.net", of_network
        ),
        "simulate": Command(simulate, ("--seed", "7"), "set.h5", of_bytes),
        "simulate with workers": Command((*simulate, "--workers", "2"), ("--seed", "7"), "set.h5", of_bytes),
        "bids": Command(("bids", str(inputs / "bids"), "{out}", "participant"), (), "derived", of_maps),
    }


def of_maps(folder: Path) -> dict:
    """Every file of a map folder."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        match path.suffix:
            case ".json":
                found[name] = timeless(json.loads(path.read_text()))
            case ".html" | ".tsv":
                text = path.read_text()
                for pattern in _TIMES_OF_A_PAGE:
                    text = re.sub(pattern, "", text)
                found[name] = text
            case _:
                found[name] = path.read_bytes()
    return found


def of_bytes(path: Path) -> dict:
    """A file that has no times."""
    return {"bytes": path.read_bytes()}


def of_network(path: Path) -> dict:
    """Arrays and header of a network file."""
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["raofit"])
    arrays = safetensors.numpy.load_file(path)
    return {name: array.tobytes() for name, array in arrays.items()} | {"header": timeless(header)}


def timeless(tree):
    """Plain values without wall times."""
    if isinstance(tree, dict):
        return {name: timeless(value) for name, value in tree.items() if not _TIMES.search(name)}
    return [timeless(value) for value in tree] if isinstance(tree, list) else tree
