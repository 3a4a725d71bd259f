"""File names of BIDS (entities, suffix, extension), and what a file inherits from the sidecars above it."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raofit.core.errors import FileError
from raofit.io.text_formats import read_json

_NAME = re.compile(
    r"(?P<entities>(?:[a-z]+-[a-zA-Z0-9+]+_)*)(?P<suffix>[a-zA-Z0-9]+)(?P<extension>(?:\.[a-zA-Z0-9]+)*)"
)


@dataclasses.dataclass(frozen=True)
class BidsName:
    """A file name in its parts: `sub-01_echo-2_MESE.nii.gz`.

    Parameters
    ----------
    entities : `{"sub": "01", "echo": "2"}`, in the order of the name.
    suffix : what is measured or computed (`MESE`).
    extension : from the first dot on (`.nii.gz`).
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str = ""

    def __str__(self) -> str:
        pairs = [f"{key}-{value}" for key, value in self.entities.items()]
        return "_".join([*pairs, self.suffix]) + self.extension

    def without(self, *keys: str) -> "BidsName":
        """The name with these entities left out."""
        return dataclasses.replace(
            self, entities={key: value for key, value in self.entities.items() if key not in keys}
        )

    def derived(self, suffix: str, extension: str, *, desc: str = "", **entities: str) -> "BidsName":
        """A name with further entities at its end and `desc` last, as derivatives have it.

        A `desc` that is there already stays in front of the new label.
        """
        described = self.entities.get("desc", "") + desc
        pairs = dict(self.without("desc").entities) | entities | ({"desc": described} if described else {})
        return BidsName(pairs, suffix, extension)


def parse_name(text: str) -> BidsName | None:
    """The parts of a file name; None for what is no BIDS name.

    Examples
    --------
    >>> print(parse_name("sub-01_echo-2_MESE.nii.gz").entities)
    {'sub': '01', 'echo': '2'}
    """
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    pairs = [pair.partition("-")[::2] for pair in match["entities"].split("_")[:-1]]
    entities = dict(pairs)
    return BidsName(entities, match["suffix"], match["extension"]) if len(entities) == len(pairs) else None


def inherited(path: Path, root: Path, extension: str) -> tuple[Path, ...]:
    """The files with `extension` that apply to `path`, the most general first.

    They lie in the folder of `path` or above it, up to `root`, have its suffix, and no entity that it does not have.
    """
    name = parse_name(path.name)
    if name is None:
        raise FileError(f"{path}: expected a BIDS name such as sub-01_T1w.nii.gz; rename the file")
    folders = [folder for folder in (path.parent, *path.parent.parents) if folder.is_relative_to(root)]
    found = []
    for folder in reversed(folders):
        here = ((parse_name(other.name), other) for other in sorted(folder.glob(f"*{name.suffix}{extension}")))
        applying = [
            (len(other.entities), file)
            for other, file in here
            if other is not None and other.suffix == name.suffix and other.entities.items() <= name.entities.items()
        ]
        found += [file for _, file in sorted(applying)]
    return tuple(found)


def read_metadata(path: Path, root: Path) -> dict[str, Any]:
    """What the JSON sidecars that apply to `path` say; the more specific ones take precedence.

    Raises
    ------
    FileError
        If a sidecar is no JSON object.
    """
    metadata: dict[str, Any] = {}
    for sidecar in inherited(path, root, ".json"):
        content = read_json(sidecar)
        if not isinstance(content, Mapping):
            raise FileError(f"{sidecar}: expected a JSON object of keys and values, found {type(content).__name__}")
        metadata |= content
    return metadata


def require_key(path: Path, root: Path, metadata: Mapping[str, Any], *keys: str) -> Any:
    """The value of the first of `keys` that the sidecars of `path` have.

    Raises
    ------
    FileError
        If they have none of them; the message names the image, the key and the sidecars that were read.
    """
    for key in keys:
        if key in metadata:
            return metadata[key]
    sidecars = ", ".join(str(sidecar) for sidecar in inherited(path, root, ".json"))
    wanted = "` or `".join(keys)
    where = f"its sidecars ({sidecars})" if sidecars else "the sidecars: it has none"
    raise FileError(f"{path}: no `{wanted}` in {where}; add it to {path.name.partition('.')[0]}.json")
