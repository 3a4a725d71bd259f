"""How a volume is cut so that memory stays within a budget."""

from raofit.core.errors import RaofitError

DEFAULT_MEMORY_BYTES = 512 << 20
_COPIES = 4  # the slab, its masked voxels, the maps, and the estimator's working set


def slab_edges(
    shape: tuple[int, int, int, int], *, memory_bytes: int = DEFAULT_MEMORY_BYTES
) -> tuple[tuple[int, int], ...]:
    """(start, stop) of consecutive slabs of slices that fit the budget; a slab holds at least one slice.

    Parameters
    ----------
    shape : (x, y, z, volume).
    memory_bytes : budget for one slab in float32 and the copies made of it.

    Raises
    ------
    RaofitError
        If the budget is not positive.

    Examples
    --------
    >>> slab_edges((100, 100, 5, 10), memory_bytes=3_200_000)
    ((0, 2), (2, 4), (4, 5))
    """
    if memory_bytes <= 0:
        raise RaofitError(f"`memory_bytes`: expected a budget > 0, got {memory_bytes}")
    width, height, depth, n_volumes = shape
    slice_bytes = 4 * _COPIES * width * height * n_volumes
    thickness = min(depth, max(1, memory_bytes // max(slice_bytes, 1)))
    return tuple((start, min(start + thickness, depth)) for start in range(0, depth, thickness))
