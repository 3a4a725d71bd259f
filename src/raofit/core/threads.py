"""How many threads a process may keep busy."""

import os

THREADS = "RAOFIT_THREADS"


def n_threads() -> int:
    """`RAOFIT_THREADS`, else the cores this process may run on. No result depends on it.

    Examples
    --------
    >>> n_threads() >= 1
    True
    """
    chosen = os.environ.get(THREADS, "")
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    affinity = getattr(os, "sched_getaffinity", None)  # of Linux
    return (os.cpu_count() or 1) if affinity is None else len(affinity(0))
