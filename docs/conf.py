"""Sphinx configuration of the documentation site."""

import re
from importlib import metadata

project = "raofit"
author = "The raofit founders"
release = metadata.version("raofit")
version = release

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "jupyter_execute", "decisions/template.md"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = "_build/jupyter_cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "ignore-module-all": False}
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"raofit {release}"
html_static_path: list[str] = []
default_role = "literal"
suppress_warnings = ["mystnb.unknown_mime_type"]

_CODE = re.compile(r"(`[^`]*`)")


def _as_plain_text(app, what, name, obj, options, lines):
    """Docstrings are plain text with `code`: keep |x|, *batch and F_jk from being read as markup."""
    for index, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = _CODE.split(line)
        lines[index] = "".join(
            f"`{part}`" if part.startswith("`") else re.sub(r"([*|\\])|_(?=\W|$)", lambda m: "\\" + m[0], part)
            for part in parts
        )


def setup(app):
    """Connect the docstring filter before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _as_plain_text, priority=100)
