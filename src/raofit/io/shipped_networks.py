"""The trained networks that come with the package, by name."""

from pathlib import Path

from raofit.core.errors import FileError
from raofit.io.text_formats import absent

_FOLDER = Path(__file__).parents[1] / "networks"
_SUFFIX = ".raofit"


def shipped_names() -> tuple[str, ...]:
    """Names of the networks that come with the package."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _FOLDER.glob(f"*{_SUFFIX}")))


def network_path(name: str | Path) -> Path:
    """The file itself, or the shipped network of that name.

    Raises
    ------
    FileError
        If there is neither such a file nor such a name.
    """
    path = Path(name)
    if path.is_file():
        return path
    if str(name) in shipped_names():
        return _FOLDER / f"{name}{_SUFFIX}"
    names = ", ".join(shipped_names())
    raise FileError(
        f"{path}: {absent(path)}; expected a network written by `raofit train`"
        + (f", or one that comes with raofit: {names}" if names else "")
    )
