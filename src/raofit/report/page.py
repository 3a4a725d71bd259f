"""A report as one HTML file that needs nothing else: style, figures and data are inside it."""

import base64
import io
import itertools
import os
import pathlib
from functools import cache

import jinja2
import matplotlib

from raofit.core.errors import FileError
from raofit.report.blocks import Badge, Cell, Figure, Paragraph, Report, Table

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
    """The page as text: valid HTML, no script, no request to any other place (its security policy forbids them)."""
    numbers = {"figure": itertools.count(1), "table": itertools.count(1)}
    sections = [
        {
            "id": f"section-{index}",
            "title": section.title,
            "blocks": [_render(block, numbers) for block in section.blocks],
        }
        for index, section in enumerate(report.sections, start=1)
    ]
    provenance = {str(key): str(value) for key, value in report.provenance.items()}
    return _template().render(title=report.title, subtitle=report.subtitle, sections=sections, provenance=provenance)


def _render(block: Paragraph | Table | Figure, numbers: dict) -> dict:
    match block:
        case Paragraph(text, tone):
            return {"kind": "paragraph", "text": text, "tone": tone}
        case Table(header, rows, caption):
            is_number = [all(not isinstance(row[column], str | Badge) for row in rows) for column in range(len(header))]
            cells = [[_cell(cell, number) for cell, number in zip(row, is_number, strict=True)] for row in rows]
            columns = [{"text": text, "is_number": number} for text, number in zip(header, is_number, strict=True)]
            label = f"Table {next(numbers['table'])}"
            return {"kind": "table", "label": label, "caption": caption, "columns": columns, "rows": cells}
        case Figure(figure, caption, alt, image_format):
            width, height = figure.get_size_inches()
            return {
                "kind": "figure",
                "label": f"Figure {next(numbers['figure'])}",
                "caption": caption,
                "alt": alt,
                "source": _data_uri(figure, image_format),
                "width": round(96 * width),
                "height": round(96 * height),
                "is_wide": width > 1.3 * height or width > 6,
            }
    raise TypeError(f"expected a Paragraph, Table or Figure, got {type(block).__name__}")


def _cell(cell: Cell, is_number: bool) -> dict:
    if isinstance(cell, Badge):
        return {"text": cell.text, "tone": cell.tone, "is_number": False}
    if isinstance(cell, str):
        return {"text": cell, "tone": None, "is_number": False}
    text = f"{cell:.4g}" if isinstance(cell, float) else f"{cell}"
    return {"text": text.replace("-", "\N{MINUS SIGN}"), "tone": None, "is_number": is_number}


def _data_uri(figure, image_format: str) -> str:
    """The figure as a data URI; the same figure gives the same bytes."""
    stream = io.BytesIO()
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
