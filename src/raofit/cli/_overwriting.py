"""What `--force` must not delete: files that the same command reads or keeps."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from raofit.core.errors import RaofitError
from raofit.io.text_formats import names_a_file, plain

_OUT = "--out"
_WORDS = ("--model", "--noise", "--estimator", "--labels", "--preset", "--objective", "--tune", "--free")  # no paths
_KEPT = ("--dictionary", "--checkpoint", "--measure")  # written beside the output, and there afterwards


def check_apart(tokens: Sequence[str]) -> None:
    """Raise if a file that the tokens name is the output or lies in it, where it would be deleted with the old one.

    Raises
    ------
    RaofitError
        That names the file.
    """
    pairs = list(_with_options(tokens[1:]))
    outputs = [value for option, value in pairs if option == _OUT]
    if not (outputs and outputs[-1]):
        return
    out = Path(outputs[-1])
    whole = out.resolve()
    for option, value in pairs:
        if option == _OUT or option in _WORDS:
            continue
        for name in {value, *value.replace("=", ",").split(",")}:
            is_kept = option in _KEPT and name == value and name
            if (is_kept or names_a_file(name)) and Path(name).resolve().is_relative_to(whole):
                where = "is the output itself" if Path(name).resolve() == whole else f"lies in the output {out}"
                raise RaofitError(f"{plain(name)} {where}, which would replace it; choose another {_OUT}")


def _with_options(tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every value with the option before it, empty for what follows another value."""
    option = ""
    for token in tokens:
        if token.startswith("--"):
            option, equals, value = token.partition("=")
            if equals:
                yield option, value
                option = ""
        else:
            yield option, token
            option = ""
