"""The command-line application: its verbs, its version, and what its exit codes mean."""

import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata

import cyclopts

from raofit.cli._cache import keep_compiled_programs
from raofit.cli._errors import exit_code_of
from raofit.cli._invocation import remember
from raofit.cli._overwriting import check_apart

_VERBS = {
    "map": ("map:map_image", "Turn a measured series into parameter maps."),
    "bids": ("bids:bids", "Map a whole BIDS data set."),
    "train": ("train:train", "Train a network for a protocol and save it."),
    "evaluate": ("evaluate:evaluate", "Measure bias, standard deviation and RMSE of an estimator."),
    "compare": ("compare:compare", "Draw estimators between bias and variance, in units of the bound."),
    "card": ("card:card", "Show what a network was trained on, and its measured bias, scatter and intervals."),
    "crb": ("crb:crb", "Print the best precision a protocol can give."),
    "design": ("design:design", "Choose the settings of a protocol for the best precision."),
    "demo": ("demo:demo", "Make maps of a digital phantom whose truth is known."),
    "reproduce": ("reproduce:reproduce", "Repeat the study of a paper."),
    "basis": ("basis:basis", "Compute the basis in which the signals of a protocol are best seen."),
    "export": ("export:export", "Write a trained network as ONNX, for programs without raofit."),
    "simulate": ("simulate:simulate", "Simulate a training set once, for training at any noise level."),
}

_DEBUG = "--debug"
_NARROWEST = 20  # columns; help for fewer takes the terminal library minutes and gigabytes

_HELP = """Quantitative-MRI parameter maps from estimators whose bias and variance are known.

Results go to standard output, progress and messages to standard error.
Exit codes: 0 done, 1 internal error, 2 input that cannot be used, 130 interrupted. Any verb takes `--debug`, which
shows the traceback of an error.
"""


def build_app(*, is_overview: bool = False) -> cyclopts.App:
    """The application with its verbs; a verb's module is imported when it runs or its own help is asked for.

    `is_overview` attaches the one-line summaries, which the list of verbs shows in place of the verbs' docstrings.
    """
    app = cyclopts.App(
        name="raofit",
        help=_HELP,
        help_format="markdown",
        version=lambda: metadata.version("raofit"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, (target, summary) in _VERBS.items():
        help_text = {"help": summary} if is_overview else {}
        app.command(f"raofit.cli.{target}", name=name, help_format="markdown", **help_text)
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line (default: `sys.argv`) and return its exit code."""
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    remember(tokens)
    is_debug = _DEBUG in tokens
    tokens = [token for token in tokens if token != _DEBUG]
    is_overview = not tokens or tokens[0].startswith("-")
    if not is_overview:
        keep_compiled_programs()
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads only stall SciPy's tiny problems; JAX has its own
    _fit_terminal()
    try:
        check_apart(tokens)
        build_app(is_overview=is_overview)(tokens, exit_on_error=False, print_error=False)
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()  # a full disk behind it is an error to tell
    except BaseException as error:
        return exit_code_of(error, is_debug=is_debug)
    return 0


def _fit_terminal() -> None:
    """Write to any terminal: one of few columns, or one that does not know every letter."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) < _NARROWEST:
        os.environ["COLUMNS"] = str(_NARROWEST)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does
