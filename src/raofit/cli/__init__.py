"""The `raofit` command: one file per verb, imported when the verb runs."""

from raofit.cli._app import main

__all__ = ["main"]
