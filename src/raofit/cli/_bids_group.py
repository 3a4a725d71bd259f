"""The group level of `raofit bids`: one table of all finished sessions, with its data dictionary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raofit.cli._bids_run import BidsOptions, require_own
from raofit.core.errors import FileError
from raofit.core.status import Status
from raofit.io.bids_dataset import find_visits, require_dataset
from raofit.io.bids_names import BidsName, parse_name
from raofit.io.output import new_file
from raofit.io.provenance import write_json
from raofit.io.text_formats import read_json

TABLE = "group_maps.tsv"
_MISSING = "n/a"
_LABELS = {
    "participant_id": {"Description": "subject"},
    "session_id": {"Description": "session, n/a where there is only one"},
}

Row = dict[str, str | float]


def write_group_table(options: BidsOptions) -> Path:
    """Write the table of the finished sessions and its JSON beside it; the path of the table.

    Raises
    ------
    FileError
        If the input is no data set, or the output no data set of maps, or one without maps.
    """
    out = options.out
    require_dataset(options.dataset)
    require_own(out)
    rows: list[Row] = []
    columns: dict[str, dict[str, Any]] = {}
    for visit in find_visits(out, options.subjects, options.sessions):
        session = _MISSING if visit.session is None else f"ses-{visit.session}"
        row: Row = {"participant_id": f"sub-{visit.subject}", "session_id": session}
        for sidecar in sorted((out / visit.folder).glob("*/*.json")):
            name = parse_name(sidecar.name)
            if name is not None:
                content = read_json(sidecar)
                if not isinstance(content, Mapping):
                    raise FileError(f"{sidecar}: expected the sidecar of a map; map the subject again with --force")
                _add(row, columns, _column(name), content)
        if len(row) > len(_LABELS):
            rows.append(row)
    if not rows:
        raise FileError(f"{out}: no finished subject in it; run the participant level first")
    dictionary = _LABELS | dict(sorted(columns.items()))
    lines = ["\t".join(dictionary), *("\t".join(_cell(row.get(name)) for name in dictionary) for row in rows)]
    with new_file(out / TABLE, force=True) as work:
        work.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with new_file((out / TABLE).with_suffix(".json"), force=True) as work:
        write_json(work, dictionary)
    return out / TABLE


def _column(name: BidsName) -> str:
    """What of a file's name tells it from the other maps of a session."""
    return str(BidsName(name.without("sub", "ses").entities, name.suffix))


def _add(row: Row, columns: dict[str, dict[str, Any]], column: str, content: Mapping[str, Any]) -> None:
    """Put the figures of one map into the row: median and interquartile range, or the shares of each status."""
    record = content.get("Raofit", {})
    counts, quartiles, unit = record.get("Counts"), record.get("Quartiles"), content.get("Units")
    if counts is not None:
        n_voxels = sum(counts.values())
        row[f"{column}_voxels"] = n_voxels
        columns[f"{column}_voxels"] = {"Description": "voxels in the mask", "Units": "1"}
        for status in Status:
            if status is Status.OUTSIDE_MASK:
                continue
            row[f"{column}_{status.name}"] = counts.get(status.name, 0) / n_voxels if n_voxels else float("nan")
            columns[f"{column}_{status.name}"] = {
                "Description": f"share of these voxels: {status.sentence}",
                "Units": "1",
            }
    if quartiles is not None:
        low, median, high = quartiles
        about = content["Description"]
        row[f"{column}_median"], row[f"{column}_iqr"] = median, high - low
        columns[f"{column}_median"] = {
            "Description": f"median over the voxels with an estimate: {about}",
            "Units": unit,
        }
        columns[f"{column}_iqr"] = {"Description": f"third minus first quartile of the same: {about}", "Units": unit}


def _cell(value: str | float | None) -> str:
    if value is None or value != value:
        return _MISSING
    return value if isinstance(value, str) else f"{value:.6g}"
