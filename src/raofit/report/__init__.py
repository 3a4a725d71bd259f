"""One self-contained HTML page per run: text, tables, figures and where they came from."""

from raofit.report.blocks import Badge, Block, Figure, Paragraph, Report, Section, Table
from raofit.report.page import render_report, write_report

__all__ = ["Badge", "Block", "Figure", "Paragraph", "Report", "Section", "Table", "render_report", "write_report"]
