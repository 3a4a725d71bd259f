"""How a volume is cut so that memory stays within a budget, and so that a long run can be resumed."""

from raofit.core.errors import RaofitError

DEFAULT_MEMORY_BYTES = 512 << 20
_COPIES = 4  # the slab, its masked voxels, the maps, and the estimator's working set


def slab_axis(shape: tuple[int, ...]) -> int:
    """The axis of (x, y, z, ...) a volume is cut along: z, or y where there is a single slice."""
    return 2 if shape[2] > 1 else 1


def slab_edges(
    shape: tuple[int, int, int, int],
    *,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    value_bytes: int = 4,
    most_voxels: int | None = None,
) -> tuple[tuple[int, int], ...]:
    """(start, stop) along `slab_axis(shape)` of consecutive slabs that fit the budget.

    A slab holds at least one slice, or one row of a single slice.

    Parameters
    ----------
    shape : (x, y, z, volume).
    memory_bytes : budget for one slab and the copies made of it.
    value_bytes : size of one measurement: 4 for float32, 8 for complex64.
    most_voxels : for slow estimators: more slabs, so that less is lost by an interruption; None for no limit.

    Raises
    ------
    RaofitError
        If the budget is not positive.

    Examples
    --------
    >>> slab_edges((100, 100, 5, 10), memory_bytes=3_200_000)
    ((0, 2), (2, 4), (4, 5))
    >>> slab_edges((100, 5, 1, 10), most_voxels=200)
    ((0, 2), (2, 4), (4, 5))
    """
    if memory_bytes <= 0:
        raise RaofitError(f"`memory_bytes`: expected a budget > 0, got {memory_bytes}")
    depth = shape[slab_axis(shape)]
    layer_voxels = shape[0] * shape[1] * shape[2] // max(depth, 1)
    thickness = memory_bytes // max(value_bytes * _COPIES * layer_voxels * shape[3], 1)
    if most_voxels is not None:
        thickness = min(thickness, most_voxels // max(layer_voxels, 1))
    thickness = min(depth, max(1, thickness))
    return tuple((start, min(start + thickness, depth)) for start in range(0, depth, thickness))
