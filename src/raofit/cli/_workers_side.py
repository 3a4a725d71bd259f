"""What a worker does for `raofit.cli._workers`: say what it is, and run tasks one thread each."""

import functools
import hashlib
import os
import pickle
import platform
import signal
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from raofit.cli._cache import keep_compiled_programs
from raofit.core.errors import RaofitError
from raofit.core.threads import THREADS

_LIBRARIES = ("raofit", "jax", "jaxlib", "numpy")
_XLA_THREADS = "NPROC"  # what XLA reads for the size of its pool
_SOURCE = "source of raofit"


def environment(threads: int) -> dict[str, str]:
    """What makes a process keep to so many threads; to be set before JAX and NumPy start theirs."""
    return {THREADS: str(threads), _XLA_THREADS: str(threads), "OPENBLAS_NUM_THREADS": "1"}


@functools.cache
def facts_here() -> dict[str, str]:
    """Versions that must be the same wherever a result is computed."""
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    return {"python": ".".join(platform.python_version_tuple()[:2])} | versions | {_SOURCE: _source_digest()}


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Where two sets of facts differ, in words; nothing if they agree."""
    return ", ".join(
        f"another {name} than here" if name == _SOURCE else f"{name} {found.get(name)} instead of {value}"
        for name, value in expected.items()
        if found.get(name) != value
    )


def surroundings() -> tuple[str, str]:
    """The kind of device JAX computes on, and the processor: where they differ, so may the last digit of a result."""
    _prepare()
    import jax

    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return jax.default_backend(), processor or platform.processor()


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """What Dask calls in a worker of `--workers`: Ctrl-C is the command's to answer, which then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_task(function: bytes, content: bytes, expected: Mapping[str, str]) -> Any:
    """The pickled function of the pickled content, if this worker computes what the command would."""
    _prepare()
    if difference := differences(expected, facts_here()):
        raise RaofitError(f"a worker on {platform.node()} has {difference}; install the same versions everywhere")
    return _loaded(function)(pickle.loads(content))  # noqa: S301


@functools.lru_cache(maxsize=1)
def _loaded(function: bytes) -> Any:
    """The function, whose preparations (a dictionary, compiled programs) the tasks of a worker share."""
    return pickle.loads(function)  # noqa: S301


def _prepare() -> None:
    """Before the first task: the threads of one, unless the environment says otherwise, and kept programs."""
    for name, value in environment(1).items():
        os.environ.setdefault(name, value)
    keep_compiled_programs()


def _source_digest() -> str:
    """A hash of the installed source files: two checkouts may have one version number."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
