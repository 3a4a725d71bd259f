"""The folder where work is kept that a later command can use again: trained networks and compiled programs."""

import os
import warnings
from pathlib import Path

_LEAST_SECONDS = "0.5"  # a program that compiles faster is not worth a file


def cache_folder() -> Path:
    """`RAOFIT_CACHE`, else `raofit` in `XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("RAOFIT_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "raofit"


def keep_compiled_programs() -> None:
    """Let JAX keep what it compiles, so that a second run starts in half the time; call it before JAX is imported.

    The user's own JAX settings take precedence; where the folder cannot be written nothing is kept. A kept program that
    is damaged (a command was killed while writing it) is compiled again.
    """
    folder = cache_folder() / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", _LEAST_SECONDS)
