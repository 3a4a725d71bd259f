"""Repeats in blocks: one evaluation from all of them, and how far the noise moves what is computed from it.

The blocks of all estimators have the same noise, so leaving one block out of all of them moves a difference of two
estimators by what is left of the noise in it: the jackknife of paired data.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from raofit.core.errors import RaofitError
from raofit.evaluation.comparison import Comparison, compared
from raofit.evaluation.evaluate import Evaluation


def block_sizes(n_repeats: int, n_blocks: int) -> list[int]:
    """Repeats of each block, as equal as possible.

    Raises
    ------
    RaofitError
        If there are fewer than two repeats for each block.

    Examples
    --------
    >>> block_sizes(23, 10)
    [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    """
    if n_repeats < 2 * n_blocks:
        raise RaofitError(f"expected {2 * n_blocks} repeats or more for {n_blocks} blocks of noise, got {n_repeats}")
    return [n_repeats // n_blocks + (index < n_repeats % n_blocks) for index in range(n_blocks)]


def pooled(blocks: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of all repeats of the blocks, which must have the same truths; without coverage."""
    first = blocks[0]
    counts = np.stack([block.n_usable for block in blocks])
    n_repeats = sum(block.n_repeats for block in blocks)
    total = counts.sum(axis=0)
    biases, stds = (
        np.where(counts > 0, np.stack([getattr(block, name) for block in blocks]), 0.0) for name in ("bias", "std")
    )
    bias = _ratio((counts * biases).sum(axis=0), total)
    squares = (counts * (np.square(stds) + np.square(biases - bias))).sum(axis=0)
    statuses = {status for block in blocks for status in block.status_counts}
    nothing = np.zeros(len(first.truths), dtype=np.int64)
    return Evaluation(
        truths=first.truths,
        bias=bias,
        std=np.sqrt(_ratio(squares, total)),
        n_usable=total,
        share_at_bound=sum(block.n_repeats * block.share_at_bound for block in blocks) / n_repeats,
        status_counts={
            status: sum((block.status_counts.get(status, nothing) for block in blocks), nothing)
            for status in sorted(statuses)
        },
        n_repeats=n_repeats,
        parameters=first.parameters,
        crb_std=first.crb_std,
    )


def replicates(
    blocks: Mapping[float, Mapping[str, Sequence[Evaluation]]], names: Sequence[str]
) -> tuple[Comparison, ...]:
    """The comparison of all blocks, then those that leave out one block each.

    Parameters
    ----------
    blocks : `{SNR: {method: evaluations}}`, as many for every method, with the same noise.
    names : see `compared`.
    """
    n_blocks = len(next(iter(next(iter(blocks.values())).values())))
    chosen = [range(n_blocks), *([i for i in range(n_blocks) if i != left_out] for left_out in range(n_blocks))]
    return tuple(
        compared(
            {
                snr: {method: pooled([of[i] for i in kept]) for method, of in by_method.items()}
                for snr, by_method in blocks.items()
            },
            names,
        )
        for kept in chosen
    )


def jackknife_error(values: Float[np.ndarray, " replicate"]) -> float:
    """Standard error √((K − 1)/K · Σ(x₍₋ⱼ₎ − mean)²) of the first value, the others being those without one block.

    Examples
    --------
    >>> draws = np.array([1.0, 2.0, 3.0, 6.0])
    >>> means = np.array([draws.mean(), *((draws.sum() - draws) / 3)])
    >>> bool(np.isclose(jackknife_error(means), draws.std(ddof=1) / 2))  # that of a mean
    True
    """
    left_out = np.asarray(values)[1:]
    spread = np.square(left_out - left_out.mean()).sum()
    return float(np.sqrt((len(left_out) - 1) / len(left_out) * spread))


def _ratio(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """values/counts, NaN where nothing was counted."""
    return np.where(counts > 0, values / np.maximum(counts, 1), np.nan)
