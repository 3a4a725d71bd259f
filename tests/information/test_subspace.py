"""Bases: orthonormality, energy, what is dual to what, and the bound they keep."""

import jax
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.information.crb import bound_from_jacobian, crb
from raofit.information.subspace import (
    crb_svd_basis,
    energy_outside,
    orthogonal_directions,
    rank_for_energy,
    svd_basis,
)
from raofit.noise import ComplexGaussian
from tests.information.complex_models import TIMES, TwoPools

POOLS = TwoPools(TIMES)
POINTS = np.random.default_rng(3).uniform([0.1, 10, -50], [0.4, 40, 50], (300, 3))
NOISE = ComplexGaussian(1.0)


@pytest.fixture(scope="module")
def simulated():
    with jax.enable_x64(True):
        return tuple(map(np.asarray, POOLS.signal_and_jacobian(POINTS)))


def _loss(basis, fisher="real"):
    """Mean over voxels of the bound in the basis over that of the samples, per parameter."""
    return np.mean(crb(POOLS, POINTS, NOISE, basis=basis, fisher=fisher) / crb(POOLS, POINTS, NOISE, fisher=fisher), 0)


def test_columns_are_those_of_the_singular_value_decomposition(simulated):
    signals, _ = simulated
    basis = svd_basis(signals, 5)
    expected = np.linalg.svd(np.concatenate([signals, signals.conj()]).T)[0][:, :5]
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-13)
    # directions, not signs: 1e-6 allows for squaring the condition number in the Gram matrix
    np.testing.assert_allclose(np.abs(np.sum(basis * expected, axis=0)), 1, atol=1e-6)
    assert np.all(basis[np.argmax(np.abs(basis), axis=0), np.arange(5)] > 0)


def test_no_basis_of_that_rank_keeps_more_energy(simulated):
    signals, jacobians = simulated
    total = np.sum(np.abs(signals) ** 2)
    best = np.sum(np.abs(signals @ svd_basis(signals, 4)) ** 2)
    values = np.linalg.svd(np.concatenate([signals.real, signals.imag]), compute_uv=False)
    np.testing.assert_allclose(best, np.sum(values[:4] ** 2), rtol=1e-12)
    assert np.sum(np.abs(signals @ crb_svd_basis(signals, jacobians, 4, weight=0.5)) ** 2) < best < total


@pytest.mark.parametrize("rank", [3, 4, 5, 6])
def test_keeping_information_costs_less_of_it_at_the_same_rank(simulated, rank):
    signals, jacobians = simulated
    plain, informed = (
        _loss(basis) for basis in (svd_basis(signals, rank), crb_svd_basis(signals, jacobians, rank, weight=0.5))
    )
    assert np.all(informed >= 1 - 1e-9)
    assert np.max(informed - 1) < 0.9 * np.max(plain - 1)


@pytest.mark.parametrize("fisher", ["real", "hermitian"])
def test_directions_are_unit_dual_vectors_that_carry_the_bound(simulated, fisher):
    signals, jacobians = simulated
    directions = orthogonal_directions(signals, jacobians, fisher=fisher)
    overlap = np.einsum("nmj,nmk->njk", directions.conj(), jacobians)
    amplitude = np.einsum("nmj,nm->nj", directions.conj(), signals)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-12)
    seen = overlap.real if fisher == "real" else overlap
    scale = np.linalg.norm(jacobians, axis=1)[:, None, :]
    off_diagonal = np.abs(seen) / scale * (1 - np.eye(3))
    np.testing.assert_allclose(off_diagonal, 0, atol=1e-11)
    np.testing.assert_allclose(amplitude, 0, atol=1e-11)
    bound = bound_from_jacobian(signals, jacobians, has_complex_amplitude=True, fisher=fisher)
    np.testing.assert_allclose(1 / np.abs(np.einsum("njj->nj", seen)) ** 2, bound, rtol=1e-8)


def test_a_basis_of_the_directions_alone_keeps_the_bound_of_a_voxel(simulated):
    signals, jacobians = simulated
    # real and imaginary parts of the signal and three directions span seven dimensions for this model
    basis = crb_svd_basis(signals[:1], jacobians[:1], 7, weight=0.5)
    kept = crb(POOLS, POINTS[0], NOISE, basis=basis)
    np.testing.assert_allclose(kept, crb(POOLS, POINTS[0], NOISE), rtol=1e-8)


def test_hermitian_construction_is_the_published_one(simulated):
    """One QR per parameter with its derivative as the last column; add conjugates; singular vectors, real parts."""
    signals, jacobians = (array[:20] for array in simulated)
    snapshots = []
    for signal, jacobian in zip(signals, jacobians, strict=True):
        snapshots.append(0.3 * signal)
        for k in (0, 2):
            others = np.delete(jacobian, k, axis=1)
            columns = np.concatenate([signal[:, None], others, jacobian[:, k : k + 1]], axis=1)
            snapshots.append(0.7 * np.linalg.qr(columns)[0][:, -1])
    snapshots = np.array(snapshots)
    expected = np.linalg.svd(np.concatenate([snapshots, snapshots.conj()]).T)[0][:, :4]
    found = crb_svd_basis(signals, jacobians, 4, weight=0.7, parameters=[0, 2], fisher="hermitian")
    np.testing.assert_allclose(np.abs(np.sum(found * expected, axis=0)), 1, atol=1e-6)


def test_only_the_chosen_parameters_count(simulated):
    signals, jacobians = simulated
    first = crb_svd_basis(signals, jacobians, 5, weight=0.9, parameters=[0])
    every = crb_svd_basis(signals, jacobians, 5, weight=0.9)
    assert _loss(first)[0] < _loss(every)[0]


def test_weight_zero_is_the_plain_basis(simulated):
    signals, jacobians = simulated
    np.testing.assert_allclose(crb_svd_basis(signals, jacobians, 5, weight=0.0), svd_basis(signals, 5), atol=1e-8)


def test_blocks_are_the_whole(simulated):
    signals, jacobians = simulated
    edges = [slice(0, 100), slice(100, 130), slice(130, 300)]
    found = crb_svd_basis((signals[edge] for edge in edges), (jacobians[edge] for edge in edges), 5, weight=0.5)
    np.testing.assert_allclose(found, crb_svd_basis(signals, jacobians, 5, weight=0.5), atol=1e-8)
    np.testing.assert_allclose(svd_basis([signals[edge] for edge in edges], 4), svd_basis(signals, 4), atol=1e-8)


def test_single_precision_signals_give_nearly_the_same_subspace(simulated):
    signals, _ = simulated
    basis = svd_basis(signals.astype(np.complex64), 4)
    # the fourth singular value is 1e-2 of the first, so rounding of 6e-8 turns the columns by 1e-5 at most
    np.testing.assert_allclose(basis, svd_basis(signals, 4), atol=1e-4)


def test_energy_and_rank(simulated):
    signals, _ = simulated
    basis = svd_basis(signals, 8)
    outside = energy_outside(signals, basis[:, :3])
    kept = np.sum(np.abs(signals @ basis[:, :3]) ** 2, axis=1) / np.sum(np.abs(signals) ** 2, axis=1)
    np.testing.assert_allclose(outside, 1 - kept, atol=1e-12)
    rank = rank_for_energy(signals, basis, share=0.999)
    lost = [np.sum(np.abs(signals - signals @ basis[:, :n] @ basis[:, :n].T) ** 2) for n in (rank - 1, rank)]
    assert lost[1] <= 1e-3 * np.sum(np.abs(signals) ** 2) < lost[0]


def test_refusals(simulated):
    signals, jacobians = simulated
    with pytest.raises(RaofitError, match=r"rank: expected 1 to 24 \(the number of samples\), got 25"):
        svd_basis(signals, 25)
    with pytest.raises(RaofitError, match="the signals span 4 directions, fewer than the 6 asked for"):
        svd_basis(signals[:2], 6)
    with pytest.raises(RaofitError, match="expected one row per voxel"):
        svd_basis(signals[0], 1)
    with pytest.raises(RaofitError, match="at least one block"):
        svd_basis([], 1)
    with pytest.raises(RaofitError, match="expected blocks of 24 samples, got one of 20"):
        svd_basis([signals, signals[:, :20]], 1)
    with pytest.raises(RaofitError, match="got NaN or infinite"):
        svd_basis(np.where(signals.real > 0.99 * signals.real.max(), np.nan, signals), 2)
    with pytest.raises(RaofitError, match=r"between 0 and 1, got 1\.5"):
        crb_svd_basis(signals, jacobians, 3, weight=1.5)
    with pytest.raises(RaofitError, match=r"jacobians: expected .* got \(24, 3\)"):
        crb_svd_basis(signals, jacobians[0], 3, weight=0.5)
    with pytest.raises(RaofitError, match=r"columns keep .* less than the share of 0\.99999"):
        rank_for_energy(signals, svd_basis(signals, 2), share=0.99999)
