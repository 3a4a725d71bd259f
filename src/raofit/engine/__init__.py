"""Whole volumes through any estimator: masks, chunks, memory budget, slabs that can be resumed, residuals."""

from raofit.engine.chunks import slab_axis, slab_edges
from raofit.engine.map_volume import Slab, map_volume
from raofit.engine.residual import ResidualCheck

__all__ = ["ResidualCheck", "Slab", "map_volume", "slab_axis", "slab_edges"]
