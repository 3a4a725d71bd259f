"""Where the tasks of a command run: in this process, or on the workers of a Dask cluster.

1. `sharing` is what verbs call: `--workers` and `--scheduler` to a `RunTasks`.
2. `_Cluster` connects when it is first used (at once to a scheduler that is named, so that a wrong address is known
   before anything is computed) and refuses workers that would compute something else.
3. `_Cluster.__call__` keeps one task on its way for every thread of the workers, and yields results as they come.
   Function and content travel with the task, and the scheduler keeps them until it is done: nothing is lost with a
   worker, and no worker needs a file of this machine. Of more tasks on their way, more would be blamed for each
   other's ends.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import importlib.util
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from raofit.cli._progress import say
from raofit.cli._workers_side import dask_setup, differences, environment, facts_here, run_task, surroundings
from raofit.core.errors import RaofitError
from raofit.core.tasks import RunTasks, Task, in_this_process
from raofit.core.threads import n_threads

_CONNECT_SECONDS = 5
_POLL_SECONDS = 2.0
_NEWS_SECONDS = 0.2  # until all that the scheduler knows of an end is here
_PATIENCE_SECONDS = 30.0  # without a worker; a new one that replaces it starts in less


@contextlib.contextmanager
def sharing(n_workers: int | None, scheduler: str | None) -> Iterator[RunTasks]:
    """Where tasks run: here, in as many processes of this machine, or on the workers of a scheduler.

    Raises
    ------
    RaofitError
        If both are given, Dask is not installed, or the scheduler cannot be used.
    """
    if n_workers is None and scheduler is None:
        yield in_this_process
        return
    if n_workers is not None and scheduler is not None:
        raise RaofitError("--workers starts workers of its own; leave one of --workers and --scheduler out")
    if n_workers is not None and n_workers < 1:
        raise RaofitError(f"--workers {n_workers}: expected at least 1")
    if importlib.util.find_spec("distributed") is None:
        option = "--workers" if scheduler is None else "--scheduler"
        raise RaofitError(f"{option} needs the package distributed; install it with pip install 'raofit[dask]'")
    with contextlib.ExitStack() as stack:
        cluster = _Cluster(n_workers, scheduler, stack)
        if scheduler is not None:
            cluster.client  # noqa: B018
        yield cluster


class _Cluster:
    """The workers of a scheduler, or `n_workers` processes that are started when there is something to do."""

    def __init__(self, n_workers: int | None, scheduler: str | None, stack: contextlib.ExitStack):
        self._n_workers = n_workers
        self._scheduler = scheduler
        self._stack = stack

    @functools.cached_property
    def client(self) -> Any:
        """The connection to workers that compute what this process would."""
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is said in words
        if self._scheduler is None:
            return self._started()
        client = _connected(self._scheduler)
        self._stack.callback(client.close, timeout=_CONNECT_SECONDS)
        _check_workers(client, self._scheduler)
        return client

    def _started(self) -> Any:
        import distributed

        n_workers = self._n_workers or 1
        cluster = distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port; 8787 may be taken
            memory_limit=0,  # a worker that is paused for its memory would wait for ever
            silence_logs=logging.CRITICAL,
            preload=[dask_setup.__module__],
            env=environment(max(1, n_threads() // n_workers)),
        )
        self._stack.callback(cluster.close, timeout=_CONNECT_SECONDS)
        client = distributed.Client(cluster, set_as_default=False)
        self._stack.callback(client.close, timeout=_CONNECT_SECONDS)
        return client

    def __call__(self, function: Callable[[Any], Any], tasks: Iterable[Task]) -> Iterator[tuple[int, Any]]:
        """See `RunTasks`; what is not finished when the caller stops is cancelled."""
        import cloudpickle

        client, numbered, waiting = self.client, enumerate(tasks), _Waiting(self.client)
        # The function is a task too: the scheduler can have it made again wherever it is lost.
        shared = client.submit(bytes, cloudpickle.dumps(function), pure=False)
        try:
            found: list[tuple[int, Any]] = []
            while True:  # first give the workers something to do, then the caller
                for number, task in itertools.islice(numbered, waiting.room):
                    content = cloudpickle.dumps(task.content)
                    waiting.add(client.submit(run_task, shared, content, facts_here(), pure=False), number, task.name)
                yield from found
                if not waiting.names:
                    return
                found = waiting.finished()
        finally:
            with contextlib.suppress(Exception):  # the connection may be gone
                client.cancel([shared, *waiting.names], force=True)


class _LostError(Exception):
    """A result that was there is gone."""


class _Waiting:
    """The tasks that are on their way."""

    def __init__(self, client: Any):
        self._client = client
        self.names: dict[Any, tuple[int, str]] = {}

    @property
    def room(self) -> int:
        """How many more tasks the workers have threads for; one waits while there is no worker.

        None where workers ended whose tasks are still waiting.
        """
        return max(0, max(1, sum(self._client.nthreads().values())) - len(self.names))

    def add(self, future: Any, number: int, name: str) -> None:
        """One more."""
        self.names[future] = number, name

    def finished(self) -> list[tuple[int, Any]]:
        """Number and result of those that are finished; waits for the first.

        Raises
        ------
        RaofitError
            If a task failed, ended every worker that tried it, or nobody is left to do it.
        """
        import distributed
        from distributed.comm.core import CommClosedError

        try:
            found = []
            for future in self._done(distributed):
                number, _ = self.names[future]
                with contextlib.suppress(_LostError):  # it is being done again
                    found.append((number, self._result(distributed, future)))
                    del self.names[future]
                    future.release()
        except (asyncio.CancelledError, concurrent.futures.CancelledError, CommClosedError) as error:
            raise RaofitError(
                "the connection to the Dask scheduler was lost; start it again and repeat the command"
            ) from error
        return found

    def _done(self, distributed: Any) -> set[Any]:
        alone_since = None
        while True:
            with contextlib.suppress(TimeoutError), self._client.as_current():
                return distributed.wait(list(self.names), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED").done
            alone_since = None if self._client.nthreads() else alone_since or time.monotonic()
            if alone_since is not None and time.monotonic() - alone_since > _PATIENCE_SECONDS:
                names = "; ".join(name for _, name in self.names.values())
                raise RaofitError(
                    f"no worker is left, and none came within {_PATIENCE_SECONDS:g} s; they did not finish: {names}; "
                    "start workers and repeat the command"
                )

    def _result(self, distributed: Any, future: Any) -> Any:
        try:
            return future.result(timeout=_PATIENCE_SECONDS)
        except TimeoutError as error:  # the worker ended with the result in its memory
            if future.status == "error":
                raise
            raise _LostError from error
        except distributed.KilledWorker as error:
            raise RaofitError(
                f"{self._suspects(future)}: this task ended {error.allowed_failures + 1} workers, one after the other, "
                f"the last on {error.last_worker.address} (memory, most often); give each worker more, or the task "
                "less to do"
            ) from error

    def _suspects(self, future: Any) -> str:
        """The task, and those that ended with it: a worker may have held one more, which is no less under suspicion."""
        time.sleep(_NEWS_SECONDS)
        return " or ".join(
            name for other, (_, name) in self.names.items() if other is future or other.status == "error"
        )


def _connected(address: str) -> Any:
    """A client of the scheduler, which has a worker."""
    import distributed

    try:
        asyncio.run(_answer(address))
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:  # TypeError: of a protocol that is not set up, such as tls
        raise RaofitError(
            f"--scheduler {address}: no Dask scheduler answers there within {_CONNECT_SECONDS} s; give the address "
            "that `dask scheduler` printed when it started, such as tcp://host:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        client.close()
        raise RaofitError(
            f"--scheduler {address}: it has no workers; start some with: dask worker {address} --nthreads 1"
        ) from error
    return client


async def _answer(address: str) -> None:
    """Raise unless a scheduler answers in time; a client waits without end for a program that listens and is mute."""
    import distributed

    scheduler = distributed.rpc(address, connection_args=distributed.Security().get_connection_args("client"))
    try:
        identity: Any = await asyncio.wait_for(scheduler.identity(), _CONNECT_SECONDS)
    finally:
        scheduler.close_comms()
    if identity["type"] != "Scheduler":
        raise ValueError(f"{address} is a {identity['type']}")


def _check_workers(client: Any, address: str) -> None:
    """Raise unless every worker has the versions of this process; say so where their processors differ."""
    for worker, found in client.run(facts_here, on_error="return").items():
        if isinstance(found, BaseException):
            reason = " ".join(str(found).split())
            raise RaofitError(
                f"--scheduler {address}: the worker {worker} cannot run raofit ({reason}); install the version of this "
                "machine there"
            )
        if difference := differences(facts_here(), found):
            raise RaofitError(
                f"--scheduler {address}: the worker {worker} has {difference}; install the same versions everywhere"
            )
    here = surroundings()
    others = sorted({" ".join(found) for found in client.run(surroundings).values()} - {" ".join(here)})
    if others:
        say(
            f"workers compute on {', '.join(others)}, this machine on {' '.join(here)}: "
            "results may differ from those of this machine in the last digits"
        )
