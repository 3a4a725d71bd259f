"""A report as one HTML file that needs nothing else: style, figures, data and scripts are inside it."""

import base64
import hashlib
import importlib.resources
import io
import itertools
import os
import pathlib
import re
from functools import cache

import jinja2
import markupsafe
import matplotlib

from raofit.core.errors import FileError
from raofit.io.text_formats import share_of
from raofit.plot.style import settle
from raofit.report.blocks import Badge, Block, Cell, Figure, Paragraph, Report, Snippet, Table
from raofit.report.viewer import Viewer, panel_columns, viewer_content

_SCRIPTS = {"viewer": ("viewer_data.js", "viewer_draw.js", "viewer.js"), "snippet": ("copy.js",)}
_NUMBER = re.compile(r"(?:[<>] )?(-?[0-9.]+(e[+-][0-9]+)?|-?inf|nan) ?%?|")
_PNG_DOTS_PER_INCH = 170


def write_report(path: str | os.PathLike, report: Report) -> pathlib.Path:
    """Write `report` to `path` (an existing file is replaced in one step) and return the path.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written.
    """
    path = pathlib.Path(path)
    text = render_report(report)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileError(f"report {path}: expected a folder that can be written, got: {error.strerror}") from error
    return path


def render_report(report: Report) -> str:
    """The page as text: valid HTML that asks no other place for anything (its security policy forbids it).

    The only scripts are those of maps and copy buttons, named in the policy by their hashes; a page without such blocks
    has none, and a browser without scripts shows everything else.
    """
    numbers = {"figure": itertools.count(1), "table": itertools.count(1)}
    sections = [
        {
            "id": f"section-{index}",
            "title": section.title,
            "blocks": [_render(block, numbers) for block in section.blocks],
        }
        for index, section in enumerate(report.sections, start=1)
    ]
    kinds = {block["kind"] for section in sections for block in section["blocks"]}
    scripts = [_script(files) for kind, files in _SCRIPTS.items() if kind in kinds]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return _template().render(
        title=report.title,
        subtitle=report.subtitle,
        sections=sections,
        provenance={str(key): str(value) for key, value in report.provenance.items()},
        viewer_style=_as_is(_text("viewer.css")) if scripts else "",
        scripts=[_as_is(script) for script in scripts],
        script_policy=_as_is(f"; script-src {hashes}") if scripts else "",
    )


def _script(files: tuple[str, ...]) -> str:
    """Files as one script whose names are its own."""
    return '"use strict";\n{\n' + "\n".join(_text(name) for name in files) + "}\n"


def _as_is(text: str) -> markupsafe.Markup:
    """Text of our own files, which is not to be escaped."""
    return markupsafe.Markup(text)  # noqa: S704


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


@cache
def _text(name: str) -> str:
    return importlib.resources.files("raofit.report").joinpath(name).read_text(encoding="utf-8")


def _render(block: Block, numbers: dict) -> dict:
    match block:
        case Paragraph(text, tone):
            return {"kind": "paragraph", "text": text, "tone": tone}
        case Table(header, rows, caption):
            is_number = [_are_numbers([row[column] for row in rows]) for column in range(len(header))]
            cells = [[_cell(cell, number) for cell, number in zip(row, is_number, strict=True)] for row in rows]
            columns = [{"text": text, "is_number": number} for text, number in zip(header, is_number, strict=True)]
            label = f"Table {next(numbers['table'])}"
            return {"kind": "table", "label": label, "caption": caption, "columns": columns, "rows": cells}
        case Snippet(title, text, is_code):
            return {"kind": "snippet", "title": title, "text": text, "is_code": is_code}
        case Figure():
            return _figure(block, f"Figure {next(numbers['figure'])}")
        case Viewer():
            return _viewer(block, next(numbers["figure"]))
    raise TypeError(f"expected a block of a report, got {type(block).__name__}")


def _figure(block: Figure, label: str) -> dict:
    width, height = block.figure.get_size_inches()
    return {
        "kind": "figure",
        "label": label,
        "caption": block.caption,
        "alt": block.alt,
        "source": _data_uri(block.figure, block.image_format),
        "width": round(96 * width),
        "height": round(96 * height),
        "is_wide": width > 1.3 * height or width > 6,
    }


def _viewer(block: Viewer, number: int) -> dict:
    """The viewer, and its figures with letters: Figure 1a, 1b, …"""
    content = viewer_content(block)
    panels = [
        {
            "name": layer.name,
            "unit": layer.unit,
            "is_shown": layer.is_shown,
            "alt": f"Map of {layer.name}{f', {layer.description}' if layer.description else ''}",
        }
        for layer in block.layers
    ]
    status = {"name": "status", "unit": "", "is_shown": True, "alt": "Map of the status: how the estimate went"}
    words = [{**word, "share": share_of(word["share"], 1.0)} for word in content["words"].values()]
    return {
        "kind": "viewer",
        "id": f"viewer-{number}",
        "label": f"Figure {number}",
        "caption": " ".join(filter(None, (block.caption, block.view.remark))),
        "columns": panel_columns(block),
        "planes": [plane["name"] for plane in content["planes"]],
        "has_errors": any(layer.errors is not None for layer in block.layers),
        "has_intervals": any(layer.interval is not None for layer in block.layers),
        "panels": [*panels, status],
        "words": words,
        "content": content,
        "figures": [
            _figure(figure, f"Figure {number}{chr(ord('a') + index)}") for index, figure in enumerate(block.figures)
        ],
    }


def _are_numbers(cells: list[Cell]) -> bool:
    """Whether a column holds numbers only, be they text; a column of "1" is one of units."""
    words = {cell for cell in cells if isinstance(cell, str)}
    return not any(isinstance(cell, Badge) for cell in cells) and words != {"1"} and all(map(_NUMBER.fullmatch, words))


def _cell(cell: Cell, is_number: bool) -> dict:
    if isinstance(cell, Badge):
        return {"text": cell.text, "tone": cell.tone, "is_number": False}
    text = f"{cell:.4g}" if isinstance(cell, float) else f"{cell}"
    if isinstance(cell, str) and not is_number:
        return {"text": text, "tone": None, "is_number": False}
    return {"text": text.replace("-", "\N{MINUS SIGN}"), "tone": None, "is_number": is_number}


def _data_uri(figure, image_format: str) -> str:
    """The figure as a data URI; the same figure gives the same bytes."""
    stream = io.BytesIO()
    settle(figure)
    if image_format == "svg":
        with matplotlib.rc_context({"svg.hashsalt": "raofit"}):
            figure.savefig(stream, format="svg", metadata={"Date": None})
        mime = "image/svg+xml"
    else:
        figure.savefig(stream, format="png", dpi=_PNG_DOTS_PER_INCH, metadata={"Software": None})
        mime = "image/png"
    return f"data:{mime};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("raofit.report", package_path="."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html")
