"""Whole volumes through any estimator: masks, chunks, memory budget, slabs that can be resumed."""

from raofit.engine.chunks import slab_edges
from raofit.engine.map_volume import Slab, map_volume

__all__ = ["Slab", "map_volume", "slab_edges"]
