"""How long work reports on itself: a callback that receives plain events."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class ProgressEvent:
    """`done` of `total` units of the named stage are finished; `message` adds a figure worth seeing."""

    stage: str
    done: int
    total: int
    message: str = ""


Progress = Callable[[ProgressEvent], None]
