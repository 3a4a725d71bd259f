"""A Dask scheduler and workers on the loopback interface, as separate processes that can be killed."""

import json
import os
import signal
import subprocess
import sys
import time

from distributed import Client


class LoopbackCluster:
    """A scheduler that lets a task end one worker, and workers without a nanny to start them again."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []
        self.n_killed = 0
        file = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().strip()):
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"]

    def add_worker(self):
        self._start("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def wait_for(self, n_workers):
        with self._client() as client:
            client.wait_for_workers(n_workers, timeout=60)

    def kill_a_busy_worker(self):
        """SIGKILL a worker, one with a task if there is any, and start another one."""
        self.add_worker()
        with self._client() as client:
            processing = client.processing()
            victim = max(processing, key=lambda address: len(processing[address]))
            os.kill(client.run(os.getpid, workers=[victim])[victim], signal.SIGKILL)
        self.n_killed += 1

    def n_waiting_tasks(self):
        """Tasks the scheduler still has, once it has heard of all that was cancelled."""
        with self._client() as client:
            deadline = time.monotonic() + 10
            while left := client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            return left

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def _client(self):
        return Client(self.address, timeout=30, set_as_default=False)

    def _start(self, what, *arguments):
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        with (self._folder / f"{what}.log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log))
