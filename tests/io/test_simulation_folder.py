"""Unfinished training sets: any process fills them, in any order, to the same bytes."""

import itertools

import jax
import numpy as np
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.core.tasks import in_this_process
from raofit.io.simulation_folder import Simulation, SimulationFolder
from raofit.io.training_set_file import load_training_set
from raofit.models import IVIM, Compressed
from raofit.recipes.training_set import TrainingSet, simulate_training_set
from raofit.training.prior import Prior

IVIM_MODEL = IVIM([0, 20, 50, 100, 200, 400, 600, 800])
TOTAL = IVIM([0, 20, 50, 100, 200, 400, 600, 800], form="total")
SIMULATION = Simulation(IVIM_MODEL, Prior.typical(IVIM_MODEL), n_samples=50, seed=5, chunk=8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a set simulated without interruption."""
    place = tmp_path_factory.mktemp("whole")
    folder = SimulationFolder(place / "work", SIMULATION)
    folder.fill()
    folder.finish(place / "set.h5")
    assert not folder.path.exists()
    return (place / "set.h5").read_bytes()


def _only(n_chunks):
    """Runs so many tasks and no more, as a process that is killed then."""
    return lambda function, tasks: in_this_process(function, itertools.islice(tasks, n_chunks))


def test_the_set_is_that_of_the_library(whole, tmp_path):
    (tmp_path / "set.h5").write_bytes(whole)
    found = load_training_set(tmp_path / "set.h5")
    chunks = simulate_training_set(IVIM_MODEL, SIMULATION.prior, 50, key=jax.random.key(5), chunk=8)
    expected = TrainingSet.from_chunks(chunks, IVIM_MODEL, SIMULATION.prior)
    for name in ("parameters", "signals", "bound", "component"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.provenance["seed"] == 5
    assert found.provenance["basis_sha256"] is None
    assert "jax" in found.provenance["versions"]


def test_stopped_and_continued_gives_the_same_bytes(whole, tmp_path):
    SimulationFolder(tmp_path / "work", SIMULATION).fill(run=_only(3))
    folder = SimulationFolder(tmp_path / "work", SIMULATION)
    assert len(folder.missing) == 4
    folder.fill()
    folder.finish(tmp_path / "set.h5")
    assert (tmp_path / "set.h5").read_bytes() == whole


def test_processes_take_turns(whole, tmp_path):
    """Two that fill one folder alternately; the one that comes second finds everything done."""
    one, other = (SimulationFolder(tmp_path / "work", SIMULATION) for _ in range(2))
    while one.missing:
        one.fill(run=_only(1))
        other.fill(run=_only(1))
    one.finish(tmp_path / "set.h5")
    other.fill()
    other.finish(tmp_path / "set.h5")
    assert (tmp_path / "set.h5").read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["set.h5"]


def test_a_chunk_that_arrives_after_the_end_is_swept_away(whole, tmp_path):
    """A process that was still busy when another one finished writes its chunk into the removed folder."""
    busy = SimulationFolder(tmp_path / "work", SIMULATION)
    quick = SimulationFolder(tmp_path / "work", SIMULATION)

    def finish_meanwhile():
        quick.fill()
        quick.finish(tmp_path / "set.h5")
        return SIMULATION.sample(0)

    busy.stages.run("chunk-000000", finish_meanwhile)
    events = []
    busy.fill(progress=events.append)
    assert not events
    busy.finish(tmp_path / "set.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["set.h5"]
    assert (tmp_path / "set.h5").read_bytes() == whole


def test_a_merge_that_was_killed_leaves_nothing_behind(whole, tmp_path):
    folder = SimulationFolder(tmp_path / "work", SIMULATION)
    folder.fill()
    (folder.path / "complete-0badf00d.h5").write_bytes(whole[:1000])
    (folder.path / ".0badf00d.partial.chunk-000003.npz").write_bytes(b"PK")
    folder.finish(tmp_path / "set.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["set.h5"]
    assert (tmp_path / "set.h5").read_bytes() == whole


def test_missing_chunks_are_no_set(tmp_path):
    folder = SimulationFolder(tmp_path / "work", SIMULATION)
    folder.fill(run=_only(2))
    with pytest.raises(FileError, match="chunks are missing; repeat the command"):
        folder.finish(tmp_path / "set.h5")
    assert not (tmp_path / "set.h5").exists()
    assert len(folder.missing) == 5


def test_a_removed_folder_is_reported(tmp_path):
    folder = SimulationFolder(tmp_path / "work", SIMULATION)
    (folder.path / "settings.sha256").unlink()
    folder.fill()
    with pytest.raises(FileError, match="the folder of finished chunks was removed"):
        folder.finish(tmp_path / "set.h5")


@pytest.mark.parametrize(
    "other",
    [
        Simulation(IVIM_MODEL, SIMULATION.prior, 50, seed=6, chunk=8),
        Simulation(IVIM_MODEL, SIMULATION.prior, 50, seed=5, chunk=9),
        Simulation(IVIM_MODEL, Prior.typical(IVIM_MODEL, {"f": (0.2, 0.3)}), 50, seed=5, chunk=8),
        Simulation(IVIM([0, 20, 50, 100, 200, 400, 600, 900]), SIMULATION.prior, 50, seed=5, chunk=8),
        Simulation(TOTAL, Prior.typical(TOTAL), 50, seed=5, chunk=8),
        Simulation(Compressed(IVIM_MODEL, np.eye(8)[:, :5]), SIMULATION.prior, 50, seed=5, chunk=8),
    ],
    ids=["seed", "chunk", "prior", "protocol", "form", "basis"],
)
def test_chunks_of_another_simulation_are_refused(tmp_path, other):
    SimulationFolder(tmp_path / "work", SIMULATION)
    with pytest.raises(FileError, match="holds the unfinished run of other settings"):
        SimulationFolder(tmp_path / "work", other)


def test_progress_counts_samples(tmp_path):
    events = []
    SimulationFolder(tmp_path / "work", SIMULATION).fill(progress=events.append)
    assert [event.total for event in events] == [50] * len(events)
    done = [event.done for event in events]
    assert done == sorted(done)
    assert (len(done), done[-1]) == (7, 50)


def test_a_simulation_checks_its_numbers():
    with pytest.raises(RaofitError, match="at least 1 sample"):
        Simulation(IVIM_MODEL, SIMULATION.prior, 0)
