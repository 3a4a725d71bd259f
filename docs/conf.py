"""Sphinx configuration of the documentation site."""

import re
from importlib import metadata

from docutils import nodes
from latex2mathml.converter import convert

project = "raofit"
author = "The raofit founders"
copyright = "the raofit founders"
release = metadata.version("raofit")
version = release

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "jupyter_execute", "decisions/template.md"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True  # what a page writes is not left beside it
nb_execution_timeout = 600  # a cell may compile a simulator
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False

html_theme = "furo"
html_title = f"raofit {release}"
html_static_path: list[str] = []
html_math_renderer = "mathml"  # browsers draw it themselves: no script, no fonts, no network
default_role = "literal"
suppress_warnings = ["mystnb.unknown_mime_type"]

_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"[*|\\]|_(?=\W|$)")
_DESCRIBED = re.compile(r"^(?P<names>\w[\w, ]*) : (?P<text>(?!(?:Float|Int|Bool|Inexact|Num)\[|`function\().+)$")


def _as_markup(app, what, name, obj, options, lines):
    """Docstrings are plain text with `code`, and their parameters read `name : description`."""
    described = [part for line in lines for part in _split_description(line)]
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else _escaped(line) for line in described]


def _split_description(line: str) -> list[str]:
    """Description on a line of its own, where napoleon looks for it."""
    match = _DESCRIBED.match(line)
    return [match["names"], f"    {match['text']}"] if match else [line]


def _escaped(line: str) -> str:
    """Keep |x|, *batch and F_ from being read as markup, and make `code` literal."""
    parts = _CODE.split(line)
    return "".join(
        f"`{part}`" if part.startswith("`") else _MARKUP.sub(lambda found: "\\" + found[0], part) for part in parts
    )


def _inline_math(self, node):
    """A formula in a line of text."""
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _displayed_math(self, node):
    """A formula on a line of its own, which scrolls where the screen is narrower."""
    formula = convert(node.astext(), display="block")
    self.body.append(f'<div style="overflow: auto hidden; padding: 0.4em 0">{formula}</div>')
    raise nodes.SkipNode


def setup(app):
    """Draw formulas as MathML, and connect the docstring filter before napoleon reads the sections."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_displayed_math, None))
    app.connect("autodoc-process-docstring", _as_markup, priority=100)
