"""Maps in a notebook: linked viewers of a map folder, through ipyniivue."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from raofit.core.errors import FileError, RaofitError
from raofit.core.status import Status
from raofit.io.nifti import open_series
from raofit.io.text_formats import read_json
from raofit.plot.maps import STATUS_COLORS
from raofit.plot.style import nice_limits

if TYPE_CHECKING:
    from ipywidgets import GridBox

_STD = "_std"
_COLORS, _ERROR_COLORS = "viridis", "cividis"
_LINKS = {"2d": True, "3d": True}
_NO_RECORD = (LookupError, TypeError, AttributeError)  # of JSON that another program wrote


def show_maps(
    folder: str | Path, parameters: Sequence[str] | None = None, *, standard_errors: bool = True, height: int = 300
) -> "GridBox":
    """Viewers of the maps in an output folder of `raofit map`, for a notebook.

    A row for each parameter: its map, and its standard error. Crosshair, position and rotation are shared by all.
    Colors span the middle 96 % of the voxels that have an estimate; voxels without one are covered in the color of
    their status, and a last viewer shows the status of every voxel.

    Parameters
    ----------
    folder : output folder of `raofit map`.
    parameters : names to show; default: all, in the order of the model.
    standard_errors : show them beside the maps.
    height : of each viewer, pixels.

    Returns
    -------
    ipywidgets.GridBox
        The last line of a cell shows it. Its children are boxes of a heading and an `ipyniivue.NiiVue`, whose volumes
        are the map and the status.

    Raises
    ------
    RaofitError
        If ipyniivue is not installed, or a parameter is not in the folder.
    FileError
        If this is no output folder of `raofit map`, or a file in it is damaged.

    Examples
    --------
    >>> show_maps("maps", ["f", "D_slow"])  # doctest: +SKIP
    """
    try:
        import ipyniivue
        import ipywidgets
    except ModuleNotFoundError as error:
        raise RaofitError(
            "maps in a notebook need the package ipyniivue; install it with pip install 'raofit[notebook]'"
        ) from error
    folder = Path(folder)
    units = _units(folder)
    unknown = [name for name in parameters or () if name not in units]
    if unknown:
        raise RaofitError(f"{folder}: no map of {', '.join(unknown)}; there are {', '.join(units)}")
    ends = ("", _STD) if standard_errors else ("",)
    names = [(name, end) for name in (units if parameters is None else parameters) for end in ends]
    paths = [folder / f"{name}{end}.nii.gz" for name, end in names]
    values = open_series([folder / "status.nii.gz", *paths]).read()
    status = values[..., 0].astype(np.uint8)
    has_estimate = status < Status.NON_FINITE
    headings, viewers = [], []

    def add(heading: str, *volumes: Any) -> None:
        viewer = ipyniivue.NiiVue(height=height, is_colorbar=True, is_nearest_interpolation=True)
        viewer.load_volumes(list(volumes))
        headings.append(ipywidgets.HTML(heading))
        viewers.append(viewer)

    for index, ((name, end), path) in enumerate(zip(names, paths, strict=True), start=1):
        low, high = nice_limits(values[..., index][has_estimate])
        colors = {"colormap": _ERROR_COLORS, "cal_min": 0.0} if end else {"colormap": _COLORS, "cal_min": low}
        add(
            html.escape(f"{'standard error of ' if end else ''}{name} ({units[name]})"),
            ipyniivue.Volume(path=path, cal_max=high, **colors),
            _status_volume(ipyniivue, folder, Status.NON_FINITE),
        )
    add(_legend(status), _status_volume(ipyniivue, folder, Status.OK))
    for viewer in viewers:
        viewer.broadcast_to([other for other in viewers if other is not viewer], dict(_LINKS))
    boxes = [ipywidgets.VBox(pair) for pair in zip(headings, viewers, strict=True)]
    columns = f"repeat({len(ends)}, minmax(0, 1fr))"
    return ipywidgets.GridBox(boxes, layout=ipywidgets.Layout(grid_template_columns=columns))


def _status_volume(ipyniivue: Any, folder: Path, least: Status) -> Any:
    """The status in its colors, transparent below `least`."""
    volume = ipyniivue.Volume(path=folder / "status.nii.gz", colorbar_visible=False)
    colors = [[int(STATUS_COLORS[status][place : place + 2], 16) for status in Status] for place in (1, 3, 5)]
    volume.set_colormap_label(
        {
            **dict(zip("RGB", colors, strict=True)),
            "A": [255 if status >= least else 0 for status in Status],
            "I": [int(status) for status in Status],
            "labels": [status.name for status in Status],
        }
    )
    return volume


def _legend(status: UInt8[np.ndarray, "x y z"]) -> str:
    """The statuses that occur, each in its color, in words."""
    present = [item for item in Status if np.any(status == item)]
    words = [f'<span style="color:{STATUS_COLORS[item]}">■</span> {html.escape(item.sentence)}' for item in present]
    return "status: " + " ".join(words)


def _units(folder: Path) -> dict[str, str]:
    """Unit of each parameter that has a map, in the order of the model."""
    record = folder / "raofit.json"
    try:
        if not record.is_file():
            raise LookupError(record)
        order = list(read_json(record)["Settings"]["Bounds"])
        contents = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
        found = {name: content["Units"] for name, content in contents.items() if content.get("Parameter") == name}
        return {name: found[name] for name in order}
    except _NO_RECORD as error:
        raise FileError(
            f"{folder}: expected an output folder of raofit map, found none in it; give what --out named"
        ) from error
