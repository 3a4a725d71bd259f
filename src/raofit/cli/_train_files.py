"""Where an unfinished training is kept, and what the user is told about it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from raofit.cli._progress import say


@contextlib.contextmanager
def kept_on_interrupt(state: Path) -> Iterator[None]:
    """Tell the user where an interrupted training will continue from."""
    try:
        yield
    except KeyboardInterrupt:
        if state.exists():
            say(f"The training so far is kept in {state}: the same command continues from there.")
        raise
