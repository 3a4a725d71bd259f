"""The run behind `raofit bids`: every session of a BIDS data set to maps, one after the other.

1. `plan_map`: model, protocol, mask and B1 map of each series of a session, from file names and sidecars.
2. `make_maps`, as in `raofit map`, into a folder of unfinished work inside the output.
3. `file_maps`: BIDS names and sidecars, in a temporary folder that becomes the folder of the session at the end.

A session that is there is finished, so the same command continues a run that was interrupted.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from raofit.cli._bids_files import BIDSIGNORE, SOURCE, file_maps, has_two_t1_maps
from raofit.cli._bids_plan import SUFFIXES, Plan, map_options, plan_map
from raofit.cli._map_intervals import check_level
from raofit.cli._map_run import make_maps
from raofit.cli._options import protocol_fields
from raofit.cli._progress import say
from raofit.core.errors import FileError, RaofitError
from raofit.core.tasks import RunTasks
from raofit.io.bids_dataset import (
    DESCRIPTION,
    Visit,
    find_collections,
    find_visits,
    is_generated_by,
    require_dataset,
)
from raofit.io.output import new_file, new_folder, require_free
from raofit.io.provenance import write_json
from raofit.io.text_formats import read_json

_NAME, _BIDS_VERSION = "raofit", "1.10.0"
_UNFINISHED = ".unfinished"
_README = """Quantitative maps by raofit {version}.

Values of every map are in the unit its JSON file states; `desc-std` maps are standard errors, `desc-lower` and
`desc-upper` maps the ends of intervals, `dseg` maps say how the estimate of each voxel went, in the words of the TSV
file beside them.
"""


@dataclasses.dataclass(frozen=True)
class BidsOptions:
    """What the user asked for; see `raofit.cli.bids.bids`."""

    dataset: Path
    out: Path
    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    models: Mapping[str, str] = dataclasses.field(default_factory=dict)
    estimator: str = "mle"
    sigma: str | None = None
    mask: str | None = None
    b1: bool = True
    force: bool = False
    intervals: float | None = None


def parse_models(items: tuple[str, ...]) -> dict[str, str]:
    """`["MESE=t2-epg"]` as `{suffix: model}`."""
    models = {}
    for item in items:
        suffix, equals, model = (part.strip() for part in item.partition("="))
        if not (equals and suffix in SUFFIXES):
            raise RaofitError(f"--model {item}: expected SUFFIX=MODEL with one of {', '.join(SUFFIXES)}")
        protocol_fields(model)
        models[suffix] = model
    return models


def map_dataset(options: BidsOptions, run: RunTasks) -> None:
    """Map every session that is not finished; `run` says where voxels are estimated.

    Raises
    ------
    RaofitError
        If nothing can be mapped, or, when all others are done, if a session failed.
    """
    require_dataset(options.dataset)
    check_level(options.intervals)
    visits = find_visits(options.dataset, options.subjects, options.sessions)
    _require_output(options)
    existed = options.out.exists()
    failures: list[str] = []
    n_finished = 0
    for visit in visits:
        try:
            n_finished += _map_visit(visit, options, run)
        except RaofitError as error:
            failures.append(str(error) if str(error).startswith(f"{visit}_") else f"{visit}: {error}")
            if len(visits) > 1:
                say(failures[-1])
    for folder in (options.out / _UNFINISHED, *([] if existed else [options.out])):
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()
    if failures:
        others = "" if len(failures) == len(visits) else ", the others are done"
        raise RaofitError(f"{len(failures)} of {len(visits)} failed{others}; {'; '.join(failures)}")
    if not n_finished:
        raise FileError(
            f"{options.dataset}: nothing to map, expected series of {', '.join(SUFFIXES)} in anat and dwi folders"
        )


def _map_visit(visit: Visit, options: BidsOptions, run: RunTasks) -> bool:
    """Map one session; whether there is anything in it to map."""
    target = options.out / visit.folder
    if target.exists() and not options.force:
        say(f"{visit} is finished already; --force maps it again")
        return True
    plans: list[Plan] = []
    for collection in find_collections(options.dataset, visit):
        plan = plan_map(collection, options)
        if plan is None:
            say(f"{collection.name}: no model for its b-values, left out")
        else:
            plans.append(plan)
    if not plans:
        return False
    is_shared = has_two_t1_maps(options.dataset)
    unfinished = options.out / _UNFINISHED / str(visit)
    with new_folder(target, force=options.force) as work:
        try:
            for plan in plans:
                name = plan.collection.name
                say(f"{name}: {plan.model}")
                maps = unfinished / str(name)
                try:
                    sentences = make_maps(map_options(plan, maps), run)
                except RaofitError as error:
                    raise RaofitError(f"{name}: {error}") from error
                for sentence in sentences:
                    print(f"{name}: {sentence}")
                file_maps(maps, work, plan, is_shared=is_shared)
            _describe(options)  # before the first subject appears: only a described folder is continued
        except RaofitError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        shutil.rmtree(unfinished, ignore_errors=True)  # while no other run may be at work there
    return True


def _require_output(options: BidsOptions) -> None:
    """Raise unless the output is a data set of maps, or can become one."""
    out = options.out
    if out.resolve() == options.dataset.resolve():
        raise FileError(
            f"{out}: the output is the data set itself; choose another folder, such as {out}/derivatives/raofit"
        )
    require_free(out, force=True)
    require_own(out, is_new_allowed=True)


def _describe(options: BidsOptions) -> None:
    """Make the output a derivative data set; what is there already, its users may have edited."""
    out, version = options.out, metadata.version(_NAME)
    link = options.dataset.resolve().as_uri()
    description = {
        "Name": f"Quantitative maps of {_name_of(options.dataset)}",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": _NAME, "Version": version}],
        "SourceDatasets": [{"URL": link}],
        "DatasetLinks": {SOURCE: link},
    }
    for name, text in ((".bidsignore", BIDSIGNORE), ("README.md", _README.format(version=version))):
        if not (out / name).exists():
            with new_file(out / name, force=True) as work:
                work.write_text(text, encoding="utf-8")
    if not (out / DESCRIPTION).exists():
        with new_file(out / DESCRIPTION, force=True) as work:
            write_json(work, description)


def require_own(out: Path, *, is_new_allowed: bool = False) -> None:
    """Raise `FileError` unless `out` is a data set raofit made, or nothing yet where that will do."""
    is_new = not out.exists() or (out.is_dir() and all(path.name.startswith(".") for path in out.iterdir()))
    if not (is_generated_by(out, _NAME) or (is_new and is_new_allowed)):
        advice = "choose another folder" if is_new_allowed else "run the participant level first"
        raise FileError(f"{out}: expected a data set of maps that raofit made, found something else; {advice}")


def _name_of(root: Path) -> str:
    """The name a data set gives itself, or that of its folder."""
    content = read_json(root / DESCRIPTION)
    name = content.get("Name") if isinstance(content, dict) else None
    return name if isinstance(name, str) and name else root.resolve().name
