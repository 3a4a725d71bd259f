"""Symmetric positive-definite systems of a few unknowns, one per lane: LDLᵀ unrolled over the unknowns.

A matrix is its lower triangle as nested lists, `matrix[j][k]` for k ≤ j, each entry an array over lanes; a vector is a
list of such arrays. Unrolling keeps every operation elementwise over lanes, which is what vector units are good at.
"""

import jax.numpy as jnp
from jaxtyping import Array

Vector = list[Array]
LowerTriangle = list[list[Array]]


def factorize(matrix: LowerTriangle, least_pivot: float) -> tuple[LowerTriangle, Vector]:
    """Unit lower-triangular L (strictly lower part) and pivots d with matrix = L·diag(d)·Lᵀ.

    Pivots below `least_pivot` are raised to it, so the factors exist for a singular matrix too; scale the matrix to a
    unit diagonal first for that number to mean something.
    """
    factor: LowerTriangle = []
    pivots: Vector = []
    for j, row in enumerate(matrix):
        products: list[Array] = []
        pivot = row[j]
        for k in range(j):
            product = row[k]
            for i in range(k):
                product = product - products[i] * factor[k][i]
            products.append(product)
        entries = [product / pivots[k] for k, product in enumerate(products)]
        for product, entry in zip(products, entries, strict=True):
            pivot = pivot - product * entry
        factor.append(entries)
        pivots.append(jnp.maximum(pivot, least_pivot))
    return factor, pivots


def solve(factor: LowerTriangle, pivots: Vector, right: Vector) -> Vector:
    """X with L·diag(d)·Lᵀ·x = right."""
    n_unknowns = len(right)
    forward: Vector = []
    for j in range(n_unknowns):
        value = right[j]
        for k in range(j):
            value = value - factor[j][k] * forward[k]
        forward.append(value)
    solution = [value / pivot for value, pivot in zip(forward, pivots, strict=True)]
    for j in reversed(range(n_unknowns)):
        for k in range(j + 1, n_unknowns):
            solution[j] = solution[j] - factor[k][j] * solution[k]
    return solution


def inverse_diagonal(factor: LowerTriangle, pivots: Vector) -> Vector:
    """Diagonal of the inverse: Σ_k (L⁻¹)_kj² / d_k."""
    n_unknowns = len(pivots)
    diagonal: Vector = []
    for j in range(n_unknowns):
        column: dict[int, Array] = {j: jnp.ones_like(pivots[j])}
        total = 1.0 / pivots[j]
        for k in range(j + 1, n_unknowns):
            column[k] = -sum((factor[k][i] * column[i] for i in range(j + 1, k)), start=factor[k][j])
            total = total + jnp.square(column[k]) / pivots[k]
        diagonal.append(total)
    return diagonal
