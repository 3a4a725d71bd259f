"""The atom that explains each measurement best: an exact search by matrix products that skips what cannot win.

Steps of `AtomSearch.best`:

1. Atoms lie in leaves of a few hundred neighbors (`_leaves`), each with a center and an angular radius.
2. `scores` of all centers: the leaf with the nearest center is searched first, and gives every voxel a score to beat.
3. Angles between lines (or directions) obey the triangle inequality, so a leaf whose center is farther from the
   measurement than the best angle so far plus its radius holds no better atom. The others are searched, leaf by leaf,
   for the voxels that need them: one product in single precision, of which only the maximum is kept.
4. `_rescored`: the leaves whose maximum is as good as the best, but for rounding, are searched again in double
   precision; that decides.
"""

import math

import numpy as np
from jaxtyping import Float, Inexact, Int

_LEAF = 256
_BLOCK = 1024  # voxels × _LEAF scores in single precision stay in the second-level cache
_TIE = 1e-14  # scores in double precision that differ by less are equal
_UNIT_ROUNDOFF = 2.0**-24


class AtomSearch:
    r"""Finds argmax_j |⟨a_j, y⟩|/‖a_j‖, or the largest ⟨a_j, y⟩/‖a_j‖ where the amplitude has a sign.

    The atom found is the one a search through all atoms in double precision finds, for every voxel; of atoms whose
    scores differ by less than 1e-14·‖y‖, the first. Single precision only decides what is not looked at again: its
    rounding, bounded by `tolerance`, is allowed for both in the triangle inequality and between best leaves.

    Parameters
    ----------
    atoms : real or complex, one row each; a row of zeros scores 0.
    is_signed : whether only a positive amplitude explains a measurement (real atoms and measurements).
    """

    def __init__(self, atoms: Inexact[np.ndarray, "atom coefficient"], *, is_signed: bool):
        self.n_atoms = len(atoms)
        self.is_signed = is_signed
        unit = _unit(atoms)
        aligned = unit if is_signed else _aligned(unit)
        self._is_turned = bool(np.any(np.imag(aligned)))
        vectors = _as_real(aligned) if self._is_turned else np.ascontiguousarray(np.real(aligned))
        self._leaves = _leaves(vectors)
        self._atoms = [vectors[leaf] for leaf in self._leaves]
        self._atoms_single = [block.astype(np.float32) for block in self._atoms]
        self._centers = _unit(np.stack([block.mean(axis=0) for block in self._atoms]))
        self._radii = np.array([self._radius(*pair) for pair in zip(self._centers, self._atoms, strict=True)])
        self.tolerance = np.float32(4 * (vectors.shape[1] + 4) * _UNIT_ROUNDOFF)

    def best(
        self, measurements: Inexact[np.ndarray, "voxel coefficient"]
    ) -> tuple[Int[np.ndarray, " voxel"], Float[np.ndarray, " voxel"]]:
        """Index of the best atom of every voxel, and its score over ‖y‖.

        Needs some 20 kB per voxel for 10⁵ atoms: give it a few thousand voxels at a time, from several threads.
        """
        voxels = self._channels(_unit(measurements))
        single = voxels.astype(np.float32)
        nearness = self._scores(self._centers.astype(np.float32), single)
        first = np.argmax(np.ascontiguousarray(nearness.T), axis=1)
        state = _State(len(measurements), self.tolerance)
        by_leaf = np.argsort(first, kind="stable")
        edges = np.searchsorted(first[by_leaf], np.arange(len(self._leaves) + 1))
        for leaf in np.flatnonzero(np.diff(edges)):
            self._visit(state, leaf, by_leaf[edges[leaf] : edges[leaf + 1]], single)
        nearness[first, np.arange(len(first))] = -2.0
        for leaf, radius in enumerate(self._radii):
            reach = self._reach(state, radius)
            chosen = np.flatnonzero(nearness[leaf] >= reach - self.tolerance)
            if len(chosen):
                self._visit(state, leaf, chosen, single)
        return self._rescored(state, voxels)

    def _reach(self, state: "_State", radius: float) -> Float[np.ndarray, " voxel"]:
        """Cosine of the angle so far plus the radius: beyond it, a center has no better atom around it."""
        cosine, sine = np.float32(math.cos(radius)), np.float32(math.sin(radius))
        reach = state.cosine * cosine - state.sine * sine
        # two directions can add up to more than half a turn; two lines cannot
        return np.where(state.cosine < -cosine, np.float32(-1.0), reach) if self.is_signed else reach

    def _visit(self, state: "_State", leaf: int, chosen: np.ndarray, single: np.ndarray) -> None:
        for start in range(0, len(chosen), _BLOCK):
            part = chosen[start : start + _BLOCK]
            score = self._scores(self._atoms_single[leaf], single[:, part], highest=True)
            is_near = score >= state.cosine[part] - self.tolerance
            state.update(leaf, part[is_near], score[is_near])

    def _rescored(self, state: "_State", voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best atom and score in double precision, over the leaves that single precision cannot tell from the best."""
        n_voxels = voxels.shape[1]
        index, best = np.full(n_voxels, self.n_atoms), np.full(n_voxels, -np.inf)
        for leaf, visits in state.visits.items():
            chosen = np.concatenate([part for part, _ in visits])
            score = np.concatenate([score for _, score in visits])
            chosen = chosen[score >= state.cosine[chosen] - self.tolerance]
            if not len(chosen):
                continue
            scores = np.ascontiguousarray(self._scores(self._atoms[leaf], voxels[:, chosen]).T)
            top = scores.max(axis=1)
            candidate = self._leaves[leaf][np.argmax(scores >= top[:, None] - _TIE, axis=1)]
            is_better = (top > best[chosen] + _TIE) | ((top >= best[chosen] - _TIE) & (candidate < index[chosen]))
            winners = chosen[is_better]
            index[winners] = candidate[is_better]
            best[chosen] = np.maximum(best[chosen], top)
        return index, best

    def _scores(self, atoms: np.ndarray, voxels: np.ndarray, *, highest: bool = False) -> np.ndarray:
        """Score of each atom and voxel (atom, voxel), or the highest of all atoms (voxel,)."""
        product = atoms @ voxels[0].T
        if self.is_signed:
            return product.max(axis=0) if highest else product
        np.square(product, out=product)
        for channel in voxels[1:]:
            further = atoms @ channel.T
            product += np.square(further, out=further)
        return np.sqrt(product.max(axis=0) if highest else product)

    def _channels(self, unit: np.ndarray) -> Float[np.ndarray, "channel voxel component"]:
        """Real vectors whose products with an atom are the real and the imaginary part of ⟨atom, y⟩."""
        if not np.iscomplexobj(unit):
            return unit[None]
        if not self._is_turned:
            return np.stack([np.real(unit), np.imag(unit)])
        return np.stack([_as_real(unit), _as_real(-1j * unit)])

    def _radius(self, center: np.ndarray, atoms: np.ndarray) -> float:
        """Largest angle between the center and an atom, as lines or directions."""
        half = atoms.shape[1] // 2
        found = atoms[:, :half] + 1j * atoms[:, half:] if self._is_turned else atoms
        score = self._scores(center[None], self._channels(found))[0]
        return float(np.max(np.arccos(np.clip(score, -1.0, 1.0)))) + 1e-7  # arccos has √ε of rounding near 1


class _State:
    """What is known of each voxel: the best score so far as cosine and sine of an angle, and where it was seen."""

    def __init__(self, n_voxels: int, tolerance: np.float32):
        self.tolerance = tolerance
        self.cosine = np.full(n_voxels, -1.0, np.float32)
        self.sine = np.zeros(n_voxels, np.float32)
        self.visits: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def update(self, leaf: int, voxels: np.ndarray, score: np.ndarray) -> None:
        if not len(voxels):
            return
        self.visits.setdefault(leaf, []).append((voxels, score))
        cosine = np.maximum(self.cosine[voxels], score)
        self.cosine[voxels] = cosine
        # the sine of the widest angle this score may stand for: rounding moves the angle most where it is small
        self.sine[voxels] = np.sqrt(np.maximum(1.0 - np.square(cosine), 0.0) + self.tolerance)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length in double precision; zeros stay."""
    wide = vectors.astype(np.result_type(vectors.dtype, np.float64))
    largest = np.max(np.abs(wide), axis=-1, keepdims=True)
    wide = wide / np.where(largest > 0, largest, 1.0)  # squares of very small numbers would vanish
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide / np.where(length > 0, length, 1.0)


def _aligned(unit: np.ndarray) -> np.ndarray:
    """Rows turned by a phase (or sign) so that they agree with the leading direction of all; real if all then are."""
    gram = unit.T @ unit.conj() if np.iscomplexobj(unit) else unit.T @ unit
    leading = np.linalg.eigh(gram)[1][:, -1]
    overlap = unit @ leading.conj()
    size = np.abs(overlap)
    aligned = unit * np.where(size > 0, overlap.conj() / np.where(size > 0, size, 1.0), 1.0)[:, None]
    if not np.iscomplexobj(aligned):
        return aligned
    phase = np.angle(np.sum(np.square(leading))) / 2.0
    turned = aligned * np.exp(-1j * phase)
    return turned.real if np.max(np.abs(turned.imag)) < _TIE else aligned


def _as_real(vectors: np.ndarray) -> np.ndarray:
    return np.concatenate([np.real(vectors), np.imag(vectors)], axis=-1)


def _leaves(vectors: Float[np.ndarray, "atom component"]) -> list[Int[np.ndarray, " atom"]]:
    """Indices of neighboring atoms: the set is halved along its widest direction until the parts are small."""
    parts = [np.arange(len(vectors))]
    while max(map(len, parts)) > _LEAF:
        parts = [half for part in parts for half in _halves(vectors, part)]
    return parts


def _halves(vectors: np.ndarray, part: np.ndarray) -> list[np.ndarray]:
    centered = vectors[part] - vectors[part].mean(axis=0)
    widest = np.linalg.eigh(centered.T @ centered)[1][:, -1]
    order = np.argsort(centered @ widest, kind="stable")
    middle = len(part) // 2
    return [np.sort(part[order[:middle]]), np.sort(part[order[middle:]])]
