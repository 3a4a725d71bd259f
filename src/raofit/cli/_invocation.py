"""The command line as the user gave it, for the record that goes with every result."""

from collections.abc import Sequence
from contextvars import ContextVar

_TOKENS: ContextVar[tuple[str, ...]] = ContextVar("tokens", default=())


def remember(tokens: Sequence[str]) -> None:
    """Keep the tokens of the command that starts."""
    _TOKENS.set(tuple(tokens))


def command() -> list[str]:
    """The running command, with the program's name first."""
    return ["raofit", *_TOKENS.get()]
