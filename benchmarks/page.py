"""The benchmark page: every way of fitting on the same voxels, from 10³ to 10⁷ of them.

    python -m benchmarks.page --out docs/benchmarks.md --python /path/to/python3.12

Each method runs on each number of voxels in a process of its own, on all cores this command may use, under the first
interpreter that has its package. The JSON beside the page holds every number and is rewritten after every process, so
a run that was stopped goes on where it was; `--fresh` starts again. `--write-only` writes the page from the JSON.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import page_figure, page_text
from benchmarks.echoes import brain_probes
from benchmarks.machine import machine, source
from benchmarks.page_plan import still_valid, why_not
from benchmarks.tasks import N_JUDGED, SIZES, TASKS, Task, bound

_ROOT = Path(__file__).parents[1]
_PROBE = """
import json, platform
from benchmarks.machine import versions
from benchmarks.tasks import TASKS
packages = sorted({peer.package for task in TASKS.values() for peer in task.peers.values()})
print(json.dumps({"python": platform.python_version(), "versions": versions(packages)}))
"""
_TRAINING_LIMIT_S = 1800
_MEMORY_GB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
_ALONE = {  # a compiled program of an earlier run would hide what compiling costs
    name: value for name, value in os.environ.items() if not name.startswith("JAX_")
} | {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def main() -> None:
    options = _options()
    json_path = options.out.with_suffix(".json")
    if options.write_only:
        results = json.loads(json_path.read_text(encoding="utf-8"))
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        results = Run(options, json_path).all()
    options.out.write_text(page_text.page(results, options.out.stem), encoding="utf-8")
    page_figure.draw(results, options.out.with_suffix(".png"))
    print(f"{options.out}, {json_path.name} and {options.out.stem}.png are written")


class Run:
    """Measures what is missing in the JSON file of results, and keeps it up to date."""

    def __init__(self, options: argparse.Namespace, path: Path):
        self._options, self._path = options, path
        self._work = options.work
        self._work.mkdir(parents=True, exist_ok=True)
        if options.fresh:
            for trained in self._work.glob("*.trained"):
                trained.unlink()
        self._interpreters = [_Interpreter(python) for python in (sys.executable, *options.python)]
        self._source = source()
        self._results = {
            "machine": machine(),
            **self._source,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "budget_s": options.budget,
            "interpreters": [{"python": each.version, "versions": each.versions} for each in self._interpreters],
            "tasks": {},
            "records": self._kept(),
        }

    def all(self) -> dict:
        """Every task that is asked for, smallest numbers of voxels first."""
        sizes = {}
        for name, task in TASKS.items():
            try:
                truths = self._truths(name, task)
            except FileNotFoundError as error:
                print(f"{name}: left out, {error.filename} is not at hand")
                continue
            self._results["tasks"][name] = self._described(name, task, truths)
            sizes[name] = self._options.sizes if task.load is None else (len(truths),)
        for name in self._options.tasks:
            for size in sizes.get(name, ()):
                for method, peer in TASKS[name].peers.items():
                    if method not in self._options.without and (size == min(sizes[name]) or not peer.is_yardstick):
                        self._measure(name, method, size)
        self._save()
        return self._results

    def _kept(self) -> list[dict]:
        """Measurements of an earlier run on this machine, of the same versions and sources."""
        if self._options.fresh or not self._path.exists():
            return []
        earlier = json.loads(self._path.read_text(encoding="utf-8"))
        if earlier["machine"] != machine():
            return []
        versions = {}
        for name, task in TASKS.items():
            for method, peer in task.peers.items():
                interpreter = self._interpreter(peer.package)
                if interpreter is not None:
                    versions[name, method] = self._version(peer.package, interpreter)
        return still_valid(earlier["records"], versions)

    def _interpreter(self, package: str) -> "_Interpreter | None":
        return next((each for each in self._interpreters if package in each.versions), None)

    def _version(self, package: str, interpreter: "_Interpreter") -> str:
        """Of a package, with the state of the source for the one that is developed here."""
        return interpreter.versions[package] + (f" ({self._source['tree']})" if package == "raofit" else "")

    def _described(self, name: str, task: Task, truths: np.ndarray) -> dict:
        """What the page needs to know of a task, its methods and those that are missing."""
        methods = {}
        for method, peer in task.peers.items():
            interpreter = self._interpreter(peer.package)
            methods[method] = {"label": peer.label, "package": peer.package, "is_yardstick": peer.is_yardstick} | (
                {"missing": f"not installed{f'; it needs {peer.needs}' if peer.needs else ''}"}
                if interpreter is None
                else {"python": interpreter.version, "version": interpreter.versions[peer.package]}
            )
        described = {
            "title": task.title,
            "text": task.text,
            "parameters": [
                {"name": each, "unit": unit} for each, (_, unit) in zip(task.names, task.units, strict=True)
            ],
            "has_truth": task.has_truth,
            "methods": methods,
        }
        if task.has_truth:
            factors = [factor for factor, _ in task.units]
            bounds = bound(name, truths) * factors
            described["bound"] = {
                each: {"median": float(np.median(column)), "rms": float(np.sqrt(np.mean(column**2)))}
                for each, column in zip(task.names, bounds.T, strict=True)
            }
        else:
            described["probes"] = brain_probes()
        return described

    def _truths(self, name: str, task: Task) -> np.ndarray:
        """Truths of the voxels that are judged, in a file for the processes; measured voxels are written along."""
        if task.load is None:
            truths = task.block(0).truths[:N_JUDGED]
        else:
            loaded = task.load()
            truths = loaded.truths
            loaded.magnitudes.astype(np.float32).tofile(self._file(name, "float32"))
        np.save(self._file(name, "npy"), truths)
        return truths

    def _file(self, name: str, kind: str) -> Path:
        return self._work / f"{name.replace(' ', '-')}.{kind}"

    def _grow(self, name: str, n: int) -> None:
        """Make the file of simulated magnitudes at least `n` voxels long; whole blocks that are there stay."""
        task, path = TASKS[name], self._file(name, "float32")
        if task.load is not None:
            return
        block_bytes = task.block(0).magnitudes.size * 4
        n_whole = path.stat().st_size // block_bytes if path.exists() else 0
        if n_whole:
            first = np.fromfile(path, np.float32, block_bytes // 4)
            n_whole *= bool(np.array_equal(first, task.block(0).magnitudes.astype(np.float32).ravel()))
        n_blocks = -(-n * task.n_measurements * 4 // block_bytes)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(n_whole * block_bytes)
            file.seek(0, os.SEEK_END)
            for index in range(n_whole, n_blocks):
                task.block(index).magnitudes.astype(np.float32).tofile(file)

    def _measure(self, name: str, method: str, size: int) -> None:
        peer = TASKS[name].peers[method]
        interpreter = self._interpreter(peer.package)
        if interpreter is None:
            return
        record = {"task": name, "method": method, "size": size, "version": self._version(peer.package, interpreter)}
        earlier = [each for each in self._results["records"] if (each["task"], each["method"]) == (name, method)]
        if any(each["size"] == size for each in earlier):
            return
        skipped = why_not(earlier, size, budget_s=self._options.budget, memory_gb=_MEMORY_GB)
        if skipped:
            self._results["records"].append(record | {"skipped": skipped})
            return
        self._grow(name, size)
        trained = self._file(f"{name} {method} {record['version'].replace('/', '-')}", "trained")
        common = [interpreter.path, "-m", "benchmarks.measure", name, method, "--trained", str(trained)]
        if peer.train is not None:
            record |= self._training(common, trained)
        if "failed_because" not in record:
            record |= self._process(
                [
                    *common, "--data", str(self._file(name, "float32")), "--truths", str(self._file(name, "npy")),
                    "-n", str(size), "--allowance", str(self._options.budget / 8),
                ]
            )  # fmt: skip
        self._results["records"].append(record)
        self._save()
        outcome = record.get("failed_because") or f"{size / np.median(record['seconds']):,.0f} voxels/s"
        print(f"{time.strftime('%H:%M:%S')} {name}: {method}, {size:,} voxels: {outcome}", flush=True)

    def _training(self, common: list[str], trained: Path) -> dict:
        """Train once for all sizes; the time it took lies beside what it wrote."""
        note = trained.with_suffix(".json")
        if not (trained.exists() and note.exists()):
            trained.unlink(missing_ok=True)
            outcome = self._process([*common, "--train"], timeout=_TRAINING_LIMIT_S)
            if "failed_because" in outcome:
                return outcome
            note.write_text(json.dumps({"train_s": outcome["train_s"]}), encoding="utf-8")
        return json.loads(note.read_text(encoding="utf-8"))

    def _process(self, command: list[str], timeout: float | None = None) -> dict:
        """What a process wrote to its `--out`, or why it wrote nothing."""
        out = self._work / "outcome.json"
        out.unlink(missing_ok=True)
        limit = 4 * self._options.budget + 120 if timeout is None else timeout
        try:
            done = subprocess.run(
                [*command, "--out", str(out)], cwd=_ROOT, env=_ALONE, capture_output=True, text=True, timeout=limit,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed_because": f"ended after {limit:.0f} s"}
        if done.returncode < 0:
            return {"failed_because": f"ended by signal {-done.returncode}"}
        if done.returncode or not out.exists():
            return {"failed_because": (done.stderr.strip().splitlines() or ["no message"])[-1]}
        return json.loads(out.read_text(encoding="utf-8"))

    def _save(self) -> None:
        """Replace the file of results in one step."""
        partial = self._path.with_suffix(".json.partial")
        partial.write_text(json.dumps(self._results, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        partial.replace(self._path)


class _Interpreter:
    """A Python, and the packages of the page that it has."""

    def __init__(self, path: str):
        self.path = path
        probe = subprocess.run([path, "-c", _PROBE], cwd=_ROOT, capture_output=True, text=True, check=False)
        if probe.returncode:
            sys.exit(f"{path}: expected a Python with NumPy, SciPy and threadpoolctl; it said: {probe.stderr.strip()}")
        answer = json.loads(probe.stdout)
        self.version, self.versions = answer["python"], answer["versions"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"), help="page to write")
    parser.add_argument(
        "--python", action="append", default=[], help="further interpreter, for packages this one lacks"
    )
    parser.add_argument(
        "--budget", type=float, default=75.0, help="seconds a method may take for one fit of all voxels"
    )
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="numbers of voxels, such as 1000,10000")
    parser.add_argument("--tasks", type=_tasks, default=tuple(TASKS), help=f"some of {', '.join(TASKS)}")
    methods = sorted({method for task in TASKS.values() for method in task.peers})
    parser.add_argument("--without", action="append", default=[], choices=methods, help="method to leave out")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "raofit-benchmarks",
        help="voxels and trained networks",
    )
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--write-only", action="store_true", help="write the page from the JSON beside it")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(float(part)) for part in text.split(",")))


def _tasks(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    unknown = [name for name in names if name not in TASKS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(TASKS)}, got {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    main()
