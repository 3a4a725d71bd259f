"""Errors a caller may want to catch; every message names what was expected, what was found, and the fix."""


class RaofitError(ValueError):
    """Input that cannot be used. The message is one sentence for the person who gave the input."""


class ProtocolError(RaofitError):
    """Acquisition settings that contradict the measurements, the model or the network."""


class FileError(RaofitError):
    """A file that is missing, unreadable, truncated, or in the way."""
