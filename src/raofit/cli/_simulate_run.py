"""What `raofit simulate` does: build the model, simulate here or on workers, and keep what is finished."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from raofit.cli._options import stated_model
from raofit.cli._progress import progress_bar, say
from raofit.core.errors import FileError, RaofitError
from raofit.core.tasks import RunTasks
from raofit.io.output import parents_of, require_free_file
from raofit.io.prior_file import named_prior, read_prior
from raofit.io.simulation_folder import Simulation, SimulationFolder
from raofit.models import AbstractSignalModel
from raofit.training.prior import AbstractPrior

_NUMBER_BYTES = 4


@dataclasses.dataclass(frozen=True)
class SimulateOptions:
    """What the user asked for."""

    out: Path
    n_samples: int
    model: str
    trains: Path | None
    tr: str | None
    bval: Path | None
    te: str | None
    ti: str | None
    flip: str | None
    mt: str | None
    refocusing: str | None
    basis: Path | None
    rank: int | None
    prior: str | None
    seed: int
    chunk: int
    force: bool


def run_simulation(options: SimulateOptions, run: RunTasks) -> None:
    """Simulate or continue the set, and write it."""
    require_free_file(options.out, force=options.force)
    model = observed_model(options)
    prior = chosen_prior(options.prior, model)
    simulation = Simulation(model, prior, options.n_samples, options.seed, options.chunk)
    _require_room(options, model)
    work = options.out.with_name(f".{options.out.name}.shards")
    is_continued = work.is_dir()
    with parents_of(options.out):
        folder = SimulationFolder(work, simulation)
        if is_continued:
            n_chunks = len(folder.sizes)
            say(f"Continuing with the {n_chunks - len(folder.missing)} of {n_chunks} chunks in {work}")
        try:
            with progress_bar() as progress, _kept_on_interrupt(work):
                folder.fill(run=run, progress=progress)
            folder.finish(options.out)
        except FileError:
            folder.stages.remove_if_empty()
            raise
    say(f"Written to {options.out}")


def _require_room(options: SimulateOptions, model: AbstractSignalModel) -> None:
    """Raise for a set that no disk behind the output holds, even if its signals shrink to a tenth."""
    place = next(parent for parent in options.out.absolute().parents if parent.is_dir())
    needed, free = options.n_samples * model.n_measurements * _NUMBER_BYTES // 10, shutil.disk_usage(place).free
    if needed > free:
        raise RaofitError(
            f"-n {options.n_samples}: the set takes {needed / 1e9:.3g} GB or more and {place} has {free / 1e9:.3g} GB "
            "free; take fewer samples, or another disk"
        )


def observed_model(options: SimulateOptions) -> AbstractSignalModel:
    """The named model with its protocol, seen through the basis if there is one."""
    return stated_model(
        options.model,
        bval=options.bval,
        te=options.te,
        ti=options.ti,
        flip=options.flip,
        mt=options.mt,
        refocusing=options.refocusing,
        trains=options.trains,
        tr=options.tr,
        basis=options.basis,
        rank=options.rank,
    )


def chosen_prior(text: str | None, model: AbstractSignalModel) -> AbstractPrior:
    """The prior of a name or a TOML file; None for the model's typical ranges."""
    if text is not None and text.endswith(".toml"):
        return read_prior(Path(text), model)
    return named_prior(text or "typical", model)


@contextlib.contextmanager
def _kept_on_interrupt(work: Path) -> Iterator[None]:
    """Tell the user where an interrupted run will continue from."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"finished chunks are kept in {work}: the same command continues from them.")
        raise
