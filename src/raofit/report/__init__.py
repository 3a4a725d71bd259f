"""One self-contained HTML page per run: text, tables, figures, maps to move through, and where they came from."""

from raofit.report.blocks import Badge, Block, Figure, Paragraph, Report, Section, Snippet, Table
from raofit.report.page import render_report, write_report
from raofit.report.view import View, choose_view
from raofit.report.viewer import Layer, Viewer

__all__ = [
    "Badge",
    "Block",
    "Figure",
    "Layer",
    "Paragraph",
    "Report",
    "Section",
    "Snippet",
    "Table",
    "View",
    "Viewer",
    "choose_view",
    "render_report",
    "write_report",
]
