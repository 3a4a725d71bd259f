"""Changes to sealed HDF5 files that are not damage."""

import contextlib

import h5py

from raofit.io.seal import seal


@contextlib.contextmanager
def sealed_again(path):
    """The file opened to be changed, and sealed anew."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)
