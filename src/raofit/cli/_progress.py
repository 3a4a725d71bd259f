"""A progress bar on standard error for the library's progress events; silent when nobody looks."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from raofit.core.progress import Progress as ProgressCallback
from raofit.core.progress import ProgressEvent


@contextlib.contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """A callback that draws one bar per stage while the block runs; none is drawn without a terminal."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def show(event: ProgressEvent) -> None:
        if event.stage not in tasks:
            tasks[event.stage] = bars.add_task(event.stage, total=event.total, message="")
        bars.update(tasks[event.stage], completed=event.done, total=event.total, message=event.message)

    with bars:
        yield show


def say(message: str) -> None:
    """A log line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)
