"""Work on Dask workers: the bytes of one process, a killed worker loses nothing, one sentence for every fault."""

import os
import socket
import time

import jax
import numpy as np
import pytest

from raofit.cli import _workers
from raofit.cli._workers import sharing
from raofit.cli._workers_side import differences, facts_here, run_task
from raofit.core.errors import RaofitError
from raofit.core.tasks import Task, in_order, in_this_process
from raofit.engine import map_volume
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.evaluation import evaluate
from raofit.evaluation.chunks import Moments
from raofit.io.stages import StageFolder
from raofit.models import MonoExponentialADC
from raofit.noise import Rician
from raofit.recipes.training_data import label_data, simulate_data
from raofit.recipes.training_recipe import TrainingRecipe
from tests.cli.helpers import B_VALUES, adc_scan, entries, run

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'raofit[dask]'")
from tests.cli.cluster import LoopbackCluster  # it imports Dask

ADC = MonoExponentialADC(B_VALUES)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers."""
    made = LoopbackCluster(tmp_path_factory.mktemp("cluster"))
    for _ in range(2):
        made.add_worker()
    yield made
    made.close()


@pytest.fixture
def small_tasks(monkeypatch):
    """Many tasks out of little work."""
    monkeypatch.setitem(map_volume.__globals__, "_CHUNK_VOXELS", 16)
    monkeypatch.setattr("raofit.recipes.training_data._FITTED_AT_ONCE", 30)


def kill_at_first(monkeypatch, owner, name, cluster):
    """Kill a worker before a method is called for the first time."""
    original, calls = getattr(owner, name), []

    def called(*arguments):
        calls.append(name)
        if len(calls) == 1:
            cluster.kill_a_busy_worker()
        return original(*arguments)

    monkeypatch.setattr(owner, name, called)


def maps_in(folder):
    return {name: (folder / name).read_bytes() for name in entries(folder) if name.endswith(".nii.gz")}


def test_a_map_has_the_bytes_of_one_process_though_a_worker_is_killed(
    cluster, small_tasks, tmp_path, capsys, monkeypatch
):
    cluster.wait_for(2)
    adc_scan(tmp_path)
    command = ["map", tmp_path / "dwi.nii.gz", "--model", "adc", "--sigma", 5, "--out"]
    assert run(capsys, *command, tmp_path / "here")[0] == 0
    kill_at_first(monkeypatch, _workers._Waiting, "finished", cluster)  # both workers have a task
    assert run(capsys, *command, tmp_path / "there", "--scheduler", cluster.address)[0] == 0
    assert cluster.n_killed == 1
    assert maps_in(tmp_path / "here") == maps_in(tmp_path / "there")
    assert entries(tmp_path) == ["dwi.bval", "dwi.nii.gz", "here", "there"]


def test_a_training_set_resumes_where_workers_stopped(cluster, tmp_path, capsys, monkeypatch):
    """A worker is killed, then the command is interrupted, and one process finishes what they began."""
    cluster.wait_for(2)
    (tmp_path / "adc.bval").write_text(" ".join(f"{value:g}" for value in B_VALUES))
    command = ["simulate", "--model", "adc", "--bval", tmp_path / "adc.bval", "-n", 600, "--chunk", 64, "--out"]
    assert run(capsys, *command, tmp_path / "here.h5")[0] == 0
    names, store = [], StageFolder.run

    def stored(self, name, compute):
        names.append(name)
        if len(names) == 2:
            cluster.kill_a_busy_worker()
        if len(names) == 6:
            raise KeyboardInterrupt
        return store(self, name, compute)

    with monkeypatch.context() as patch:
        patch.setattr(StageFolder, "run", stored)
        code, _, message = run(capsys, *command, tmp_path / "there.h5", "--scheduler", cluster.address)
    assert code == 130
    assert "finished chunks are kept in" in message
    code, _, message = run(capsys, *command, tmp_path / "there.h5")
    assert (code, "Continuing with the 5 of 10 chunks" in message) == (0, True)
    assert (tmp_path / "there.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()
    assert cluster.n_waiting_tasks() == 0  # the interrupted command cancelled them


@pytest.mark.slow
def test_evaluations_and_labels_are_those_of_one_process_though_a_worker_is_killed(cluster, small_tasks, monkeypatch):
    cluster.wait_for(2)
    recipe = TrainingRecipe.for_model(ADC, 20.0)
    recipe = recipe.__class__(**recipe.as_dict() | {"labels": "mle-rician", "n_training": 200, "n_validation": 50})
    data = simulate_data(ADC, recipe, key=jax.random.key(0))
    truths, noise = np.array([[1.0, 1e-3], [1.0, 2e-3]]), Rician(0.05)

    def evaluated(run):
        return evaluate(
            MaximumLikelihood(ADC, noise), ADC, noise, truths, 200, jax.random.key(1), coverage=True, chunk_size=64,
            run=run,
        )  # fmt: skip

    kill_at_first(monkeypatch, Moments, "add", cluster)  # the first of seven chunks is there
    with sharing(None, cluster.address) as there:
        shared = evaluated(there)
        labels = label_data(ADC, recipe, data, run=there)
    assert cluster.n_killed >= 1
    for name in ("bias", "std", "n_usable", "share_at_bound", "coverage"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(evaluated(in_this_process), name))
    for found, expected in zip(labels, label_data(ADC, recipe, data), strict=True):
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.is_kept, expected.is_kept)


def test_a_task_that_ends_every_worker_is_named(cluster, monkeypatch):
    cluster.wait_for(2)
    monkeypatch.setattr(_workers, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(_workers, "_PATIENCE_SECONDS", 0.3)
    with sharing(None, cluster.address) as there:
        tasks = [Task(f"number {number}", number) for number in range(6)]
        with pytest.raises(RaofitError, match=r"number 3( or .*)?: this task ended 2 workers, one after the other"):
            list(there(lambda number: os._exit(1) if number == 3 else number, tasks))
        with pytest.raises(RaofitError, match=r"no worker is left, and none came within 0.3 s; .*number 0"):
            list(there(str, tasks))
    monkeypatch.setattr(_workers, "_CONNECT_SECONDS", 1)
    with (
        pytest.raises(RaofitError, match="it has no workers; start some with: dask worker"),
        sharing(None, cluster.address),
    ):
        pass
    for _ in range(2):
        cluster.add_worker()


@pytest.mark.slow
def test_local_workers_do_it_too(tmp_path, capsys):
    adc_scan(tmp_path, (64, 64, 20))
    command = ["map", tmp_path / "dwi.nii.gz", "--model", "adc", "--sigma", 5, "--out"]
    for number in (1, 2, 3):
        assert run(capsys, *command, tmp_path / str(number), "--workers", number)[0] == 0
    assert run(capsys, *command, tmp_path / "here")[0] == 0
    assert maps_in(tmp_path / "here") == maps_in(tmp_path / "1") == maps_in(tmp_path / "2") == maps_in(tmp_path / "3")


def test_a_scheduler_that_does_not_answer(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_workers, "_CONNECT_SECONDS", 1)
    adc_scan(tmp_path)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        for address in (f"tcp://127.0.0.1:{mute.getsockname()[1]}", "tcp://127.0.0.1:9", "nonsense", "tls://a:1"):
            started = time.monotonic()
            code, _, message = run(
                capsys, "map", tmp_path / "dwi.nii.gz", "--out", tmp_path / "out", "--scheduler", address
            )
            assert (code, message.count("\n")) == (2, 1)
            assert f"--scheduler {address}: no Dask scheduler answers there" in message
            assert time.monotonic() - started < 10
    assert entries(tmp_path) == ["dwi.bval", "dwi.nii.gz"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", 0), "--workers 0: expected at least 1"),
        (("--workers", 2, "--scheduler", "tcp://a:1"), "leave one of --workers and --scheduler out"),
        (("--workers", 2), "--workers needs the package distributed; install it with pip install 'raofit[dask]'"),
        (("--scheduler", "tcp://a:1"), "--scheduler needs the package distributed; install it with pip install"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.setattr(_workers.importlib.util, "find_spec", lambda name: None)
    code, _, message = run(capsys, "map", tmp_path / "dwi.nii.gz", "--out", tmp_path / "out", *options)
    assert (code, message.count("\n")) == (2, 1)
    assert words in message


class _Workers:
    """What a client is asked about its workers."""

    def __init__(self, found):
        self.found = found

    def run(self, function, **options):
        return {"tcp://10.0.0.7:1": self.found if function is facts_here else ("gpu", "another")}


def test_workers_that_would_compute_something_else(capsys):
    with pytest.raises(RaofitError, match=r"worker tcp://10.0.0.7:1 has jax 0.1 instead of .*; install the same"):
        _workers._check_workers(_Workers(facts_here() | {"jax": "0.1"}), "tcp://s:1")
    with pytest.raises(RaofitError, match=r"10.0.0.7:1 cannot run raofit \(No module named 'raofit'\)"):
        _workers._check_workers(_Workers(ModuleNotFoundError("No module named 'raofit'")), "tcp://s:1")
    with pytest.raises(RaofitError, match=r"has numpy \S+ instead of 1.0; install the same"):  # one that came later
        run_task(b"", b"", {"numpy": "1.0"})
    assert differences({"source of raofit": "a"}, {"source of raofit": "b"}) == "another source of raofit than here"
    _workers._check_workers(_Workers(facts_here()), "tcp://s:1")
    assert "workers compute on gpu another" in capsys.readouterr().err


def test_results_come_in_order_and_tasks_only_when_there_is_room():
    taken = []

    def tasks():
        for number in range(3):
            taken.append(number)
            yield Task(str(number), number)

    found = in_this_process(lambda number: 10 * number, tasks())
    assert next(found) == (0, 0)
    assert taken == [0]
    assert list(in_order(found)) == []  # task 0 is missing
    assert list(in_order([(2, "c"), (0, "a"), (1, "b")])) == ["a", "b", "c"]


def test_workers_that_ended_leave_room_for_no_task():
    """Two tasks wait while one worker is left."""

    class OneLeft:
        def nthreads(self):
            return {"tcp://127.0.0.1:1": 1}

    waiting = _workers._Waiting(OneLeft())
    for number in range(2):
        waiting.add(object(), number, f"number {number}")
    assert waiting.room == 0
