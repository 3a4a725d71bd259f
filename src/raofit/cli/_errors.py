"""Errors as a user meets them: one sentence on standard error and an exit code."""

import errno
import os
import sys
import traceback

import cyclopts

from raofit.core.errors import RaofitError
from raofit.core.storing import is_of_the_place
from raofit.io.text_formats import plain

DONE, INTERNAL, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def exit_code_of(error: BaseException, *, is_debug: bool) -> int:
    """Tell the user what went wrong and return the exit code.

    `RaofitError` and usage errors are one sentence and 2; Ctrl-C is one sentence and 130; anything else is a defect of
    raofit: its type and message, and 1. `is_debug` adds the traceback.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DONE if error.code is None else BAD_INPUT
    if is_debug:
        traceback.print_exception(error, file=sys.stderr)
    match error:
        case RaofitError():
            _say(str(error))
            return BAD_INPUT
        case cyclopts.CycloptsError():
            _say(f"{_one_line(error)} Run it with --help to see what it takes.")
            return BAD_INPUT
        case KeyboardInterrupt():
            _say("interrupted, nothing was written under the final name.")
            return INTERRUPTED
        case BrokenPipeError():
            return DONE
        case OSError() if is_of_the_place(error):
            place = plain(error.filename or "standard output or a temporary file")
            reason = os.strerror(error.errno or 0).lower()
            if error.errno in (errno.EACCES, errno.EIO, errno.ENAMETOOLONG, errno.EPERM):  # not only of writing
                _say(f"{place} could not be read or written ({reason}); check the path and its permissions.")
            else:
                _say(f"{place} could not be written ({reason}); make room, or choose another place.")
            return BAD_INPUT
        case _ if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            _say("there is not enough memory for this; ask for less at once, such as fewer samples or a smaller chunk.")
            return BAD_INPUT
        case _:
            hint = "" if is_debug else "; add --debug for the traceback, and please report it"
            _say(f"internal error, {type(error).__name__}: {_one_line(error)}{hint}")
            return INTERNAL


def _say(sentence: str) -> None:
    print(f"raofit: {sentence}", file=sys.stderr)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
