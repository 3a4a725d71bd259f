"""What a BIDS data set holds for quantitative maps: subjects, sessions, and the series that belong together."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from raofit.core.errors import FileError
from raofit.io.bids_names import BidsName, parse_name, read_metadata
from raofit.io.text_formats import read_json

DESCRIPTION = "dataset_description.json"
# Suffixes of anat/ whose files are the volumes of one series, and the entities that tell these apart.
SERIES_ENTITIES = {"IRT1": ("inv",), "MEGRE": ("echo",), "MESE": ("echo",), "MTS": ("flip", "mt"), "VFA": ("flip",)}
_WORDS = {"mt": {"on": 0, "off": 1}}  # entities whose values are words, in the order of their volumes
_IMAGES = (".nii", ".nii.gz")
_MAGNITUDES = (None, "mag")


@dataclasses.dataclass(frozen=True)
class Visit:
    """One session of a subject, or the subject where a data set has no sessions."""

    subject: str
    session: str | None = None

    @property
    def folder(self) -> Path:
        """Where its data lie in a data set."""
        folder = Path(f"sub-{self.subject}")
        return folder if self.session is None else folder / f"ses-{self.session}"

    def __str__(self) -> str:
        return "_".join(self.folder.parts)


@dataclasses.dataclass(frozen=True)
class Collection:
    """Images that are one series.

    Parameters
    ----------
    visit : whose they are.
    datatype : "anat" or "dwi".
    name : what their names share.
    images : in the order of their entity.
    """

    visit: Visit
    datatype: str
    name: BidsName
    images: tuple[Path, ...]


def require_dataset(root: Path) -> None:
    """Raise `FileError` unless `root` is a BIDS data set, with a description that can be read."""
    if not root.is_dir():
        raise FileError(f"{root}: no such folder; expected a BIDS data set")
    if not (root / DESCRIPTION).is_file():
        raise FileError(f"{root}: this is not a BIDS data set, it has no {DESCRIPTION}; give the folder that has one")
    read_json(root / DESCRIPTION)


def find_visits(root: Path, subjects: Sequence[str] = (), sessions: Sequence[str] = ()) -> list[Visit]:
    """The sessions of a data set in the order of their labels; `subjects` and `sessions` choose some.

    Raises
    ------
    FileError
        If the data set has none, or not those that are asked for.
    """
    present = _labels(root, "sub")
    if not present:
        raise FileError(f"{root}: no subject in it, expected folders such as sub-01")
    chosen = _chosen(subjects, present, root, "sub", "--participant-label")
    visits = [
        Visit(subject, session)
        for subject in chosen
        for session in _labels(root / f"sub-{subject}", "ses") or [None]
    ]  # fmt: skip
    known = sorted({visit.session for visit in visits if visit.session is not None})
    kept = _chosen(sessions, known, root, "ses", "--session-label")
    return [visit for visit in visits if visit.session in kept] if sessions else visits


def find_collections(root: Path, visit: Visit) -> list[Collection]:
    """The series of a session raofit has a model for: those of `SERIES_ENTITIES`, and diffusion.

    Phases and real or imaginary parts are left out, and of several echoes of a VFA or MTS series all but the first.

    Raises
    ------
    FileError
        If a volume is there twice.
    """
    series: dict[str, dict[tuple[int, ...], Path]] = {}
    names: dict[str, BidsName] = {}
    for path, name in images_in(root / visit.folder / "anat"):
        counted = SERIES_ENTITIES.get(name.suffix)
        if counted is None or not (name.entities.keys() >= set(counted) and _is_magnitude(name)):
            continue
        index = tuple(_index(path, name, key) for key in counted)
        shared = name.without(*counted, "part")
        if "echo" not in counted and "echo" in name.entities:
            if _index(path, name, "echo") != 1:
                continue
            shared = shared.without("echo")
        shared = dataclasses.replace(shared, extension="")
        volumes = series.setdefault(str(shared), {})
        names[str(shared)] = shared
        if index in volumes:
            stated = ", ".join(f"{key} {name.entities[key].lstrip('0')}" for key in counted)
            raise FileError(f"{path}: {volumes[index].name} is {stated} as well; remove one of them")
        volumes[index] = path
    found = [
        Collection(visit, "anat", names[key], tuple(volumes[index] for index in sorted(volumes)))
        for key, volumes in series.items()
    ]
    diffusion = [
        Collection(visit, "dwi", dataclasses.replace(name.without("part"), extension=""), (path,))
        for path, name in images_in(root / visit.folder / "dwi")
        if name.suffix == "dwi" and _is_magnitude(name)
    ]
    return sorted(found, key=lambda item: str(item.name)) + diffusion


def find_b1_map(root: Path, collection: Collection) -> Path | None:
    """The B1 map of a series in the `fmap` folder of its session: the only one, or the one intended for it.

    Raises
    ------
    FileError
        If there are several and none or more than one says that it is intended for the series.
    """
    found = [path for path, name in images_in(root / collection.visit.folder / "fmap") if name.suffix == "TB1map"]
    if len(found) < 2:
        return found[0] if found else None
    ends = tuple(path.relative_to(root / f"sub-{collection.visit.subject}").as_posix() for path in collection.images)
    intended = [path for path in found if any(end in str(read_metadata(path, root).get("IntendedFor")) for end in ends)]
    if len(intended) != 1:
        raise FileError(
            f"{found[0]}: expected one B1 map for {collection.name}, found {len(found)}, of which {len(intended)} are "
            "`IntendedFor` it; correct their sidecars, or map without B1 (--no-b1)"
        )
    return intended[0]


def is_generated_by(root: Path, name: str) -> bool:
    """Whether `root` is a derivative data set of the software `name`."""
    description = root / DESCRIPTION
    if not description.is_file():
        return False
    content = read_json(description)
    makers = content.get("GeneratedBy") if isinstance(content, dict) else None
    return isinstance(makers, list) and any(isinstance(one, dict) and one.get("Name") == name for one in makers)


def images_in(folder: Path) -> list[tuple[Path, BidsName]]:
    """NIfTI images with a BIDS name, and the name, in the order of names."""
    if not folder.is_dir():
        return []
    names = ((path, parse_name(path.name)) for path in sorted(folder.iterdir()))
    return [(path, name) for path, name in names if name is not None and name.extension in _IMAGES]


def _labels(folder: Path, key: str) -> list[str]:
    return sorted(path.name.removeprefix(f"{key}-") for path in folder.glob(f"{key}-*") if path.is_dir())


def _chosen(labels: Sequence[str], present: Sequence[str], root: Path, key: str, option: str) -> list[str]:
    """`labels` without their key, or all that are present."""
    wanted = [label.removeprefix(f"{key}-") for label in labels]
    for label in wanted:
        if label not in present:
            raise FileError(f"{option} {label}: {root} has no {key}-{label}; it has {', '.join(present) or 'none'}")
    return sorted(set(wanted)) or list(present)


def _is_magnitude(name: BidsName) -> bool:
    return name.entities.get("part") in _MAGNITUDES


def _index(path: Path, name: BidsName, key: str) -> int:
    value = name.entities[key]
    if key in _WORDS:
        if value not in _WORDS[key]:
            raise FileError(
                f"{path}: expected {key}-{f' or {key}-'.join(_WORDS[key])}, found {value!r}; rename the file"
            )
        return _WORDS[key][value]
    if not value.isdecimal():
        raise FileError(f"{path}: expected a number after `{key}-`, found {value!r}; rename the file")
    return int(value)
