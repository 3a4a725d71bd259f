"""Work cut into independent tasks, which run in this process or elsewhere, to the same bytes.

A task is cut by what it holds, never by who is there to do it. Whoever cuts work takes a `RunTasks` and hands it a
function and the tasks; `in_this_process` is the one that is always there.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol


class Task(NamedTuple):
    """One piece of work: what to call it in a message, and what the function is given."""

    name: str
    content: Any


class RunTasks(Protocol):
    """Whatever applies a function to every task."""

    def __call__(self, function: Callable[[Any], Any], tasks: Iterable[Task]) -> Iterator[tuple[int, Any]]:
        """(number of the task, `function(content)`), as they are finished; tasks are taken only when there is room.

        `function`, contents and results can be pickled, and the function has no side effects: it may run twice.
        """
        ...


def in_this_process(function: Callable[[Any], Any], tasks: Iterable[Task]) -> Iterator[tuple[int, Any]]:
    """One task after the other, here."""
    for number, task in enumerate(tasks):
        yield number, function(task.content)


def in_order(found: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """Results in the order of their tasks; those that come early wait.

    Examples
    --------
    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, Any] = {}
    due = 0
    for number, result in found:
        early[number] = result
        while due in early:
            yield early.pop(due)
            due += 1


def even_parts(n_items: int, most: int) -> list[slice]:
    """As few parts of at most `most` items as can be, of nearly equal length, so that few shapes are compiled.

    Examples
    --------
    >>> [(part.start, part.stop) for part in even_parts(10, 4)]
    [(0, 4), (4, 8), (8, 10)]
    """
    n_parts = -(-n_items // most)
    length = -(-n_items // max(n_parts, 1))
    return [slice(start, min(start + length, n_items)) for start in range(0, n_items, max(length, 1))]
