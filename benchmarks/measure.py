"""One method on one number of voxels, in this process alone: seconds, memory, and errors.

`python -m benchmarks.measure TASK METHOD --data FILE --truths FILE -n N --trained FILE --allowance S --out FILE`; with
`--train`, the method is only trained. `benchmarks.page` starts these processes.
"""

import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.accuracy import accuracy, agreement  # noqa: E402
from benchmarks.machine import busy_seconds, cores  # noqa: E402
from benchmarks.tasks import TASKS  # noqa: E402

MOST_CALLS = 5
_MEGABYTE = 1e6


def main() -> None:
    options = _options()
    task, peer = TASKS[options.task], TASKS[options.task].peers[options.method]
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    if options.train:
        peer.train(options.trained)
        record = {"train_s": time.perf_counter() - _STARTED}
    else:
        record = _measure(task, peer, options)
    record["load_before"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(record), encoding="utf-8")


def _measure(task, peer, options) -> dict:
    fit = peer.ready(options.trained)
    start = time.perf_counter() - _STARTED
    count = options.n * task.n_measurements
    data = np.fromfile(options.data, np.float32, count).reshape(options.n, task.n_measurements)
    truths = np.load(options.truths)
    gc.collect()
    resident = _memory("VmRSS")
    _forget_peak()
    warm_up = None
    if peer.warm_up:
        began = time.perf_counter()
        fit(data[: peer.warm_up])
        warm_up = time.perf_counter() - began
    seconds, judged, use = _timed(fit, data, len(truths), options.allowance)
    peak = max(_memory("VmHWM"), resident)
    compare, compared = (accuracy, judged - truths[: len(judged)]) if task.has_truth else (agreement, judged)
    return {
        "seconds": seconds,
        "start_s": start,
        "warm_up_s": warm_up,
        "warm_up_voxels": min(peer.warm_up, options.n),
        **use,
        "resident_mb": resident / _MEGABYTE,
        "peak_mb": peak / _MEGABYTE,
        "input_mb": data.nbytes / _MEGABYTE,
        "n_judged": len(judged),
        "failed": float(1 - np.isfinite(judged).all(axis=1).mean()),
        "accuracy": {
            name: _plain(compare(compared[:, index] * factor, truths[: len(judged), index] * factor))
            for index, (name, (factor, _)) in enumerate(zip(task.names, task.units, strict=True))
        },
    }


def _plain(numbers: dict[str, float]) -> dict[str, float | None]:
    """None in place of what JSON has no number for."""
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


def _timed(fit, data, n_judged: int, allowance: float) -> tuple[list[float], np.ndarray, dict]:
    """Seconds of each call, the estimates that are judged, and how many cores the calls and others kept busy."""
    seconds, judged = [], None
    own_before, others_before, began = time.process_time(), busy_seconds(), time.perf_counter()
    while not seconds or (len(seconds) < MOST_CALLS and sum(seconds) + min(seconds) < allowance):
        called = time.perf_counter()
        estimates = fit(data)
        seconds.append(time.perf_counter() - called)
        judged = np.array(np.asarray(estimates)[:n_judged], np.float64)
        del estimates
    wall, own = time.perf_counter() - began, time.process_time() - own_before
    others = None if others_before is None else max(0.0, (busy_seconds() - others_before - own) / wall)
    return seconds, judged, {"cores_used": min(own / wall, float(cores())), "others_cores": others}


def _memory(field: str) -> int:
    """Resident set (`VmRSS`) or its peak (`VmHWM`) in bytes; elsewhere than on Linux the peak stands for both."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def _forget_peak() -> None:
    """Start `VmHWM` anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("method")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--truths", type=Path)
    parser.add_argument("-n", type=int)
    parser.add_argument("--trained", type=Path)
    parser.add_argument("--allowance", type=float, default=0.0, help="seconds within which calls are repeated")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
