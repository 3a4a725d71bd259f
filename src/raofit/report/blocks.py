"""What a report is made of: sections of paragraphs, tables, figures, texts to copy and maps, as plain data."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.figure import Figure as MatplotlibFigure

from raofit.core.errors import RaofitError
from raofit.report.viewer import Viewer

Tone = Literal["plain", "good", "warning", "bad"]


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """Plain text. A `tone` other than "plain" sets it apart as a remark (its first words must say why)."""

    text: str
    tone: Tone = "plain"


@dataclasses.dataclass(frozen=True)
class Badge:
    """A table cell whose word carries a judgment, colored by `tone`; the word alone must say it."""

    text: str
    tone: Tone


Cell = str | int | float | Badge


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with one header row.

    Parameters
    ----------
    header : column names, units included.
    rows : one cell per column: text, a number (written with four significant digits), or a `Badge`.
    caption : what the table shows, in a sentence.

    Raises
    ------
    RaofitError
        If a row has another length than the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise RaofitError(
                    f"table `{self.caption}`: expected {len(self.header)} cells in row {number}, got {len(row)}"
                )


@dataclasses.dataclass(frozen=True)
class Figure:
    """A matplotlib figure with the sentence under it and the description for those who cannot see it.

    Parameters
    ----------
    figure : drawn with matplotlib's object interface.
    caption : what is shown and how to read it.
    alt : description of the content for screen readers; must not be empty.
    image_format : "svg" (sharp at any size) or "png" (smaller when there are very many marks).

    Raises
    ------
    RaofitError
        If the description is empty.
    """

    figure: MatplotlibFigure
    caption: str
    alt: str
    image_format: Literal["svg", "png"] = "svg"

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise RaofitError(f"figure `{self.caption}`: expected a description in `alt`, got an empty one")


@dataclasses.dataclass(frozen=True)
class Snippet:
    """Text to be pasted elsewhere, with a button that copies it; `is_code` for text that is for machines (BibTeX)."""

    title: str
    text: str
    is_code: bool = False


Block = Paragraph | Table | Figure | Snippet | Viewer


@dataclasses.dataclass(frozen=True)
class Section:
    """A titled sequence of blocks."""

    title: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Report:
    """A whole page.

    Parameters
    ----------
    title, subtitle : what was done, to what.
    sections : in reading order.
    provenance : `{what: value}`: versions, input hashes, seed, command: whatever is needed to do it again.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    provenance: Mapping[str, object] = dataclasses.field(default_factory=dict)
