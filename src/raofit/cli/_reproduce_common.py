"""What the studies of pulse trains share: their options, the signal model of the user's files, and the training set."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from raofit import models
from raofit.cli._options import protocol_fields
from raofit.cli._progress import say
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.core.tasks import RunTasks, in_this_process
from raofit.io.basis_file import load_basis
from raofit.io.protocol_file import stated_protocol
from raofit.io.provenance import sha256
from raofit.io.simulation_folder import Simulation, SimulationFolder
from raofit.io.stages import StageFolder
from raofit.io.training_set_file import load_training_set
from raofit.models import AbstractSignalModel, Compressed
from raofit.recipes.training_set import TrainingSet
from raofit.training.prior import AbstractPrior

Scale = Literal["quick", "desk", "paper"]

AUTHORS_FILES = "github.com/andrewwmao/BiasReducedNetworks"
_REPETITION_TIME = "3.5ms"  # of the published trains, whose file does not say it


@dataclasses.dataclass(frozen=True)
class TrainStudyOptions:
    """What the user asked of a study of pulse trains.

    Parameters
    ----------
    scale : "desk", "paper", or "quick" for a look in a minute or two.
    trains, tr, basis : the sequence and the basis of its signals.
    coefficients : a measured slice, or None.
    training_set : an existing set, or None to simulate one.
    run : where training sets are simulated.
    undersampling : acceleration of the undersampled scan of the fingerprinting study; None for no such scan.
    """

    out: Path
    scale: Scale
    seed: int
    force: bool
    trains: Path | None
    tr: str | None
    basis: Path | None
    coefficients: Path | None
    training_set: Path | None
    run: RunTasks = in_this_process
    undersampling: float | None = None

    @property
    def inputs(self) -> list[Path]:
        """The files it reads; a sequence that comes with raofit is none."""
        given = (self.trains, self.basis, self.coefficients, self.training_set)
        return [path for path in given if path is not None and (path.is_file() or path != self.trains)]

    @property
    def input_hashes(self) -> dict[str, str]:
        """SHA-256 of those files, for the settings that stages belong to."""
        return {path.name: sha256(path) for path in self.inputs}


def train_model(options: TrainStudyOptions, name: str = "qmt", *, cycles: slice = slice(None)) -> AbstractSignalModel:
    """The named model with the user's flip-angle trains.

    Parameters
    ----------
    cycles : which of the trains.

    Raises
    ------
    RaofitError
        If no file is given, or it cannot be used.
    """
    if options.trains is None:
        raise RaofitError(
            f"the flip-angle trains are missing; give them with --trains FILE (control.mat of {AUTHORS_FILES})"
        )
    fields = protocol_fields(name)
    try:
        protocol = stated_protocol(fields, trains=options.trains, tr=options.tr)
    except RaofitError as error:
        if options.tr is not None or "repetition time; give it" not in str(error):
            raise
        protocol = stated_protocol(fields, trains=options.trains, tr=_REPETITION_TIME)
    protocol |= {name: protocol[name][cycles] for name in ("flip_angles", "pulse_durations")}
    return models.build(name, protocol)


def compressed_model(options: TrainStudyOptions, name: str, rank: int) -> Compressed:
    """The named model seen through the first `rank` vectors of the user's basis.

    Raises
    ------
    RaofitError
        If a file is not given, or cannot be used.
    """
    model = train_model(options, name)
    if options.basis is None:
        raise RaofitError(f"the basis is missing; give it with --basis FILE (basis.mat of {AUTHORS_FILES})")
    return Compressed(model, load_basis(options.basis, model.n_measurements, rank))


def training_set(
    options: TrainStudyOptions,
    stages: StageFolder,
    model: AbstractSignalModel,
    prior: AbstractPrior,
    n_samples: int,
    *,
    seed: int,
    name: str = "training set",
    progress: Progress | None = None,
) -> TrainingSet:
    """The user's training set, or one simulated in the stage folder, resumable, where `options.run` says.

    Only the stage called "training set" takes the user's file; others (held-out sets) are always simulated.
    """
    if name == "training set" and options.training_set is not None:
        return load_training_set(options.training_set, model=model)
    out = stages.file(name, ".h5")
    if not out.is_file():
        folder = SimulationFolder(stages.file(name, ".shards"), Simulation(model, prior, n_samples, seed))
        folder.fill(run=options.run, progress=progress)
        folder.finish(out)
    return load_training_set(out, model=model)


def opened_stages(options: TrainStudyOptions, settings: Mapping[str, Any]) -> StageFolder:
    """The hidden folder of unfinished stages beside the output."""
    work = options.out.with_name(f".{options.out.name}.stages")
    if work.is_dir():
        say(f"Continuing the unfinished run in {work}")
    return StageFolder(work, settings)


@contextlib.contextmanager
def kept_on_interrupt(work: Path) -> Iterator[None]:
    """Tell the user where an interrupted run will continue from."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"finished stages are kept in {work}: the same command continues from them.")
        raise
