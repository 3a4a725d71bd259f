"""An unfinished training set on disk: a folder of finished chunks that any number of processes fill together."""

import dataclasses
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from raofit.core.errors import FileError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.seeds import key_of
from raofit.core.storing import storing
from raofit.core.tasks import RunTasks, Task, in_this_process
from raofit.io.exchange import replace
from raofit.io.provenance import versions
from raofit.io.stages import StageFolder
from raofit.io.stored_model import model_settings
from raofit.io.training_set_file import write_training_set
from raofit.models import AbstractSignalModel, Compressed
from raofit.recipes.training_set import CHUNK, Chunk, check_simulation, chunk_sizes, simulate_chunk
from raofit.training.prior import AbstractPrior


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Everything a training set follows from.

    Parameters
    ----------
    model, prior : as for `simulate_training_set`.
    n_samples : samples of the set.
    seed : seed of the prior's draws.
    chunk : samples that are simulated and stored at once.

    Raises
    ------
    RaofitError, ProtocolError
        If a number is below 1 or the prior is about other parameters than the model's.
    """

    model: AbstractSignalModel
    prior: AbstractPrior
    n_samples: int
    seed: int = 0
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        check_simulation(self.model, self.prior, self.n_samples, self.chunk)
        key_of(self.seed)

    @property
    def provenance(self) -> dict[str, Any]:
        """Plain values the samples depend on, besides their number."""
        basis = self.model.basis if isinstance(self.model, Compressed) else None
        return {
            "model": self.model.name,
            "parameters": list(self.model.parameter_names),
            "settings": model_settings(self.model),
            "protocol_sha256": {name: _sha256(values) for name, values in self.model.protocol.items()},
            "basis_sha256": None if basis is None else _sha256(basis),
            "prior": self.prior.as_dict(),
            "seed": self.seed,
            "chunk": self.chunk,
            "versions": versions(),
        }

    def sample(self, index: int) -> dict[str, np.ndarray]:
        """Chunk number `index` by the names of its arrays."""
        key = key_of(self.seed)
        return simulate_chunk(self.model, self.prior, index, key=key, chunk=self.chunk)._asdict()


class SimulationFolder:
    """The finished chunks of a simulation, one file each; a file is there completely or not at all.

    Any process that opens the folder with the same simulation may fill it, at the same time as others. No chunk is
    claimed: each process picks one of those that are missing at random, so that nothing is left behind by a process
    that is killed, and two rarely work on the same one; if they do, both write the same bytes.

    Parameters
    ----------
    path : created if missing.

    Raises
    ------
    FileError
        If the folder holds chunks of another simulation.
    """

    def __init__(self, path: Path, simulation: Simulation):
        self.simulation = simulation
        self.sizes = chunk_sizes(simulation.n_samples, simulation.chunk)
        self.stages = StageFolder(path, simulation.provenance)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.stages.path

    @property
    def missing(self) -> list[int]:
        """Chunks that are not stored yet."""
        return [index for index in range(len(self.sizes)) if not self.stages.has(_name(index))]

    def fill(self, *, run: RunTasks = in_this_process, progress: Progress | None = None) -> None:
        """Simulate missing chunks until none is missing or the folder is removed; `run` says where."""
        taken: list[int] = []
        for number, chunk in run(self.simulation.sample, self._tasks(taken)):
            if not self.stages.exists:
                return
            self.stages.run(_name(taken[number]), lambda chunk=chunk: chunk)
            if progress is not None:
                n_samples = self.simulation.n_samples
                left = sum(self.sizes[index] for index in self.missing)
                progress(ProgressEvent("simulating", n_samples - left, n_samples))

    def _tasks(self, taken: list[int]) -> Iterator[Task]:
        """One of the chunks that are missing and not `taken` yet at a time, at random."""
        generator = np.random.default_rng([os.getpid(), self.simulation.seed])
        while self.stages.exists and (free := sorted(set(self.missing) - set(taken))):
            taken.append(int(generator.choice(free)))
            yield Task(f"chunk {taken[-1]} of {len(self.sizes)}", taken[-1])

    def finish(self, out: Path) -> None:
        """Write the set to `out`, complete or not at all, and remove the folder.

        If another process did so meanwhile, there is nothing left to do.

        Raises
        ------
        FileError
            If chunks are missing, or the place is not writable.
        """
        work = self.path / f"complete-{uuid.uuid4().hex[:8]}.h5"
        simulation = self.simulation
        try:
            if self.stages.exists:
                with storing(out):
                    write_training_set(
                        work,
                        self._chunks(),
                        simulation.n_samples,
                        simulation.model,
                        simulation.prior,
                        simulation.provenance,
                    )
                    replace(work, out)
        except FileNotFoundError:
            if self.stages.exists:
                raise FileError(f"{self.path}: chunks are missing; repeat the command to simulate them") from None
        finally:
            work.unlink(missing_ok=True)
        if not out.is_file():
            raise FileError(f"{out}: the folder of finished chunks was removed; repeat the command to simulate them")
        self.stages.remove()

    def _chunks(self) -> Iterator[Chunk]:
        for index, size in enumerate(self.sizes):
            with np.load(self.stages.file(_name(index), ".npz"), allow_pickle=False) as stored:
                yield Chunk(*(stored[name][:size] for name in Chunk._fields))


def _name(index: int) -> str:
    return f"chunk-{index:06d}"


def _sha256(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
