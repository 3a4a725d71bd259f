"""Whole volumes through any estimator: masks, chunks, memory budget, resumable slabs."""

from raofit.engine.chunks import slab_edges
from raofit.engine.map_volume import Slab, map_volume
from raofit.engine.validity import usable_measurements

__all__ = ["Slab", "map_volume", "slab_edges", "usable_measurements"]
