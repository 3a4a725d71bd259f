"""Linear subspaces that signals nearly stay in: bases that keep energy, or energy and information.

Both constructions are left singular vectors of a matrix of snapshots (one column each) to which the complex conjugates
are added. That makes U real, and is the same as having the real and imaginary parts as snapshots, which is what is done
here. Snapshots may come in blocks: only the Gram matrix of the samples, M × M for M samples, is kept.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import scipy.linalg
from jaxtyping import Float, Inexact

from raofit.core.errors import RaofitError
from raofit.information.fisher import Fisher, check_fisher

Signals = Inexact[np.ndarray, "voxel measurement"]
Jacobians = Inexact[np.ndarray, "voxel measurement parameter"]


def svd_basis(signals: Signals | Iterable[Signals], rank: int | None) -> Float[np.ndarray, "measurement coefficient"]:
    """Orthonormal columns of the subspace that keeps the most energy of `signals`, the most energetic direction first.

    Parameters
    ----------
    signals : noise-free signals, any units: one array, or an iterable of arrays so that not all exist at once.
    rank : number of columns; None for as many as the signals span.

    Returns
    -------
    Float[np.ndarray, "measurement coefficient"]
        Real, float64; each column's largest entry is positive.

    Raises
    ------
    RaofitError
        If the rank is not between 1 and the number of samples, the signals have another shape or are not finite, or
        they span fewer than `rank` directions.

    Examples
    --------
    >>> rates = np.linspace(1, 30, 200)
    >>> signals = np.exp(-rates[:, None] * np.linspace(0, 0.2, 50))
    >>> basis = svd_basis(signals, 3)
    >>> bool(np.max(energy_outside(signals, basis)) < 1e-3)
    True

    References: [mcgivney2014].
    """
    return _leading_directions(_checked_signals(signals), rank)


def crb_svd_basis(
    signals: Signals | Iterable[Signals],
    jacobians: Jacobians | Iterable[Jacobians],
    rank: int | None,
    *,
    weight: float,
    parameters: Sequence[int] | None = None,
    fisher: Fisher = "real",
) -> Float[np.ndarray, "measurement coefficient"]:
    """Orthonormal columns that keep both the energy of the signals and the Cramér–Rao bound of the parameters.

    The snapshots are (1 − λ)·s and λ·q_k for each parameter k, with λ = `weight` and q_k the unit vector along the part
    of ∂s/∂θ_k that no change of another parameter or of the complex amplitude imitates: the bound of θ_k is
    σ²/(q_kᴴ ∂s/∂θ_k)² (for fisher="real": of its real part), so a basis that holds q_k keeps that bound.

    Parameters
    ----------
    signals, jacobians : noise-free signals at M0 = 1 and their derivatives by every unknown of the model; arrays, or
        two iterables of arrays, block by block.
    rank : number of columns; None for as many as the snapshots span.
    weight : share λ of the derivatives, 0 to 1: 0 is `svd_basis`, 1 looks at information alone.
    parameters : indices of the parameters whose bounds matter; default: all. The others are still unknown.
    fisher : "hermitian" takes parameters to be complex, as [mao2023] does.

    Returns
    -------
    Float[np.ndarray, "measurement coefficient"]
        Real, float64; each column's largest entry is positive.

    Raises
    ------
    RaofitError
        As for `svd_basis`; and if the weight is outside 0 to 1, or the derivatives do not match the signals.

    References: [mao2023], [mao2024].
    """
    if not 0 <= weight <= 1:
        raise RaofitError(f"weight: expected a share of the derivatives between 0 and 1, got {weight:g}")
    check_fisher(fisher)
    return _leading_directions(_snapshots(signals, jacobians, weight, parameters, fisher), rank)


def energy_outside(
    signals: Inexact[np.ndarray, "*batch measurement"], basis: Inexact[np.ndarray, "measurement coefficient"]
) -> Float[np.ndarray, "*batch"]:
    """Share of the energy of each signal outside the columns of `basis`: 1 − ‖Uᴴs‖²/‖s‖², computed as a residual."""
    samples = np.asarray(signals)
    residual = samples - samples @ basis.conj() @ basis.T
    return np.sum(np.abs(residual) ** 2, axis=-1) / np.sum(np.abs(samples) ** 2, axis=-1)


def rank_for_energy(
    signals: Signals, basis: Inexact[np.ndarray, "measurement coefficient"], *, share: float = 0.999
) -> int:
    """Least number of leading columns of `basis` that together keep `share` of the total energy of `signals`.

    Raises
    ------
    RaofitError
        If all columns together keep less.
    """
    coefficients = np.asarray(signals) @ basis.conj()
    kept = np.cumsum(np.sum(np.abs(coefficients) ** 2, axis=0)) / np.sum(np.abs(signals) ** 2)
    enough = np.flatnonzero(kept >= share)
    if enough.size == 0:
        raise RaofitError(
            f"basis: its {basis.shape[1]} columns keep {kept[-1]:.6g} of the signals' energy, less than the share of "
            f"{share:g} asked for; build one of higher rank"
        )
    return int(enough[0]) + 1


def orthogonal_directions(
    signals: Signals, jacobians: Jacobians, *, fisher: Fisher = "real"
) -> Inexact[np.ndarray, "voxel measurement parameter"]:
    """Unit vectors q_k of `crb_svd_basis`: what only parameter k does to the signal.

    q_k is what is left of the derivative by θ_k after removing its projection on the signal (with both channels of M0)
    and on all other derivatives. With columns A = Q·R, the vectors Q·R⁻ᴴ are dual to the columns, so each is
    orthogonal to all columns but its own.
    """
    n_samples, n_parameters = jacobians.shape[-2:]
    # unit columns: derivatives differ by many orders of magnitude, which QR would otherwise see as near dependence
    columns = np.concatenate([_unit(jacobians), _unit(signals[..., None])], axis=-1)
    if fisher == "real":
        columns = np.concatenate([columns, 1j * columns[..., -1:]], axis=-1)
        columns = np.concatenate([columns.real, columns.imag], axis=-2)
    q, r = np.linalg.qr(columns)
    identity = np.broadcast_to(np.eye(r.shape[-1], dtype=r.dtype), r.shape)
    dual = q @ np.swapaxes(np.linalg.solve(r, identity), -1, -2).conj()
    if fisher == "real":
        dual = dual[..., :n_samples, :] + 1j * dual[..., n_samples:, :]
    return _unit(dual[..., :n_parameters])


def _unit(columns: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(columns, axis=-2, keepdims=True)
    return columns / np.where(norms == 0, 1.0, norms)


def _checked_signals(signals: Signals | Iterable[Signals]) -> Iterator[np.ndarray]:
    """Blocks of snapshots (snapshot, measurement), checked."""
    for block in [signals] if isinstance(signals, np.ndarray) else signals:
        array = np.asarray(block)
        if array.ndim != 2:
            raise RaofitError(f"signals: expected one row per voxel and one column per sample, got shape {array.shape}")
        yield array


def _snapshots(signals, jacobians, weight: float, parameters, fisher: Fisher) -> Iterator[np.ndarray]:
    """Weighted signals and orthogonal directions of each block (snapshot, measurement)."""
    derivative_blocks = [jacobians] if isinstance(jacobians, np.ndarray) else jacobians
    for samples, derivatives in zip(_checked_signals(signals), derivative_blocks, strict=True):
        expected = "one value per voxel, sample and parameter"
        if derivatives.ndim != 3 or derivatives.shape[:2] != samples.shape:
            raise RaofitError(
                f"jacobians: expected {expected}, (voxel, measurement) {samples.shape} first, got {derivatives.shape}"
            )
        if weight < 1:
            yield (1 - weight) * samples
        if weight > 0:
            wide = np.result_type(derivatives.dtype, np.float64)
            directions = orthogonal_directions(samples.astype(wide), derivatives.astype(wide), fisher=fisher)
            chosen = directions if parameters is None else directions[..., list(parameters)]
            yield weight * np.moveaxis(chosen, -1, 1).reshape(-1, samples.shape[1])


def _leading_directions(blocks: Iterable[np.ndarray], rank: int | None) -> Float[np.ndarray, "measurement coefficient"]:
    """Eigenvectors of Σ Re(x)·Re(x)ᵀ + Im(x)·Im(x)ᵀ over all snapshots x with the largest eigenvalues."""
    gram: np.ndarray | None = None
    for block in blocks:
        n_samples = block.shape[1]
        if rank is not None and not 1 <= rank <= n_samples:
            raise RaofitError(f"rank: expected 1 to {n_samples} (the number of samples), got {rank}")
        if not np.all(np.isfinite(block)):
            raise RaofitError("signals: expected finite signals and derivatives, got NaN or infinite ones")
        gram = np.zeros((n_samples, n_samples)) if gram is None else gram
        if n_samples != len(gram):
            raise RaofitError(f"signals: expected blocks of {len(gram)} samples, got one of {n_samples}")
        for part in (np.real(block), np.imag(block)) if np.iscomplexobj(block) else (block,):
            gram += part.T @ part
    if gram is None:
        raise RaofitError("signals: expected at least one block of signals, got none")
    n_samples = len(gram)
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=(n_samples - (rank or n_samples), n_samples - 1))
    n_spanned = int(np.sum(values > values[-1] * n_samples * np.finfo(np.float64).eps))
    if rank is not None and n_spanned < rank:
        raise RaofitError(f"rank: the signals span {n_spanned} directions, fewer than the {rank} asked for")
    basis = vectors[:, ::-1][:, :n_spanned]
    largest = basis[np.argmax(np.abs(basis), axis=0), np.arange(basis.shape[1])]
    return basis * np.sign(largest)
