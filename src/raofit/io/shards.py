"""Finished slabs of a running map on disk, so that an interrupted run continues where it stopped."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from raofit.core.storing import storing
from raofit.engine import Slab

_DIAGNOSTIC = "diagnostic."


class Shards:
    """Slabs saved one file each in a folder; a file is there completely or not at all."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, slab: Slab) -> None:
        """Keep one finished slab.

        Raises
        ------
        FileError
            If the disk is full.
        """
        path = self._path(slab.start, slab.stop)
        part = path.with_suffix(".part")
        noted = {_DIAGNOSTIC + name: array for name, array in slab.diagnostics.items()}
        with storing(path):
            with part.open("wb") as file:
                np.savez(file, values=slab.values, standard_errors=slab.standard_errors, status=slab.status, **noted)
            part.replace(path)

    def load(self, start: int, stop: int) -> Slab:
        """One slab as it was saved."""
        with np.load(self._path(start, stop), allow_pickle=False) as arrays:
            noted = {name[len(_DIAGNOSTIC) :]: arrays[name] for name in arrays if name.startswith(_DIAGNOSTIC)}
            return Slab(start, stop, arrays["values"], arrays["standard_errors"], arrays["status"], noted)

    def missing(self, edges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        """Those of `edges` that are not saved yet."""
        return tuple(edge for edge in edges if not self._path(*edge).exists())

    def read_all(self, edges: tuple[tuple[int, int], ...]) -> Iterator[Slab]:
        """The slabs of `edges` in order, one in memory at a time."""
        return (self.load(*edge) for edge in edges)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, start: int, stop: int) -> Path:
        return self.folder / f"slab-{start:05d}-{stop:05d}.npz"
