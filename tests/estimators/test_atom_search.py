"""The search through atoms: the same atom as brute force in double precision, for every voxel."""

import numpy as np
import pytest

from raofit.estimators import atom_search
from raofit.estimators.atom_search import AtomSearch, _State

N_ATOMS, N_COEFFICIENTS, N_VOXELS = 3000, 6, 600
GENERATOR = np.random.default_rng(0)
WEIGHTS = GENERATOR.normal(size=(3, N_COEFFICIENTS)) + 1j * GENERATOR.normal(size=(3, N_COEFFICIENTS))
POINTS = np.stack(np.meshgrid(*[np.linspace(0, 1, n) for n in (20, 15, 10)], indexing="ij"), axis=-1).reshape(-1, 3)

ATOMS = {
    "real": np.cos(POINTS @ WEIGHTS.real + 0.3),
    "real but for a phase": np.exp(0.7j) * np.cos(POINTS @ WEIGHTS.real + 0.3),
    "complex": np.exp(1j * POINTS @ WEIGHTS),
}


def brute_force(atoms, measurements, is_signed=False):
    product = measurements @ (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).conj().T
    return np.argmax(product if is_signed else np.abs(product), axis=1)


def noisy(atoms, noise, scale=1.0):
    """Atoms in noise; one quarter of the voxels lies half way between two neighbors, where single precision ties."""
    generator = np.random.default_rng(1)
    chosen = generator.integers(0, len(atoms) - 1, N_VOXELS)
    signals = atoms[chosen].copy()
    pair = atoms[chosen[::4]], atoms[chosen[::4] + 1]
    signals[::4] = sum(item / np.linalg.norm(item, axis=1, keepdims=True) for item in pair)
    channels = generator.normal(size=(2, *signals.shape)) * noise
    return scale * (signals + (channels[0] + 1j * channels[1] if np.iscomplexobj(atoms) else channels[0]))


@pytest.mark.parametrize("noise", [0.0, 1e-7, 0.05, 100.0])
@pytest.mark.parametrize("name", ATOMS)
def test_every_voxel_gets_the_atom_of_brute_force(name, noise):
    """Exact half-way points tie to the last bit of double precision: there, either atom may win by 1e-14."""
    atoms, measurements = ATOMS[name], noisy(ATOMS[name], noise)
    found, score = AtomSearch(atoms, is_signed=False).best(measurements)
    expected = brute_force(atoms, measurements)
    unit = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    lengths = np.linalg.norm(measurements, axis=1)
    scores = [np.abs(np.sum(unit[index].conj() * measurements, axis=1)) / lengths for index in (found, expected)]
    differs = found != expected
    assert np.all(np.abs(scores[0] - scores[1])[differs] < 2e-14)
    assert not differs.any() or noise == 0.0
    np.testing.assert_allclose(score, scores[0], atol=1e-14)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_scale_of_a_measurement_does_not_matter(scale):
    measurements = noisy(ATOMS["complex"], 0.05)
    search = AtomSearch(ATOMS["complex"], is_signed=False)
    np.testing.assert_array_equal(search.best(scale * measurements)[0], search.best(measurements)[0])


def test_a_signed_amplitude_leaves_out_what_matches_upside_down():
    atoms = np.concatenate([ATOMS["real"], -ATOMS["real"][::7]])
    measurements = -noisy(ATOMS["real"], 0.05)
    found, _ = AtomSearch(atoms, is_signed=True).best(measurements)
    np.testing.assert_array_equal(found, brute_force(atoms, measurements, is_signed=True))
    assert np.any(found != brute_force(atoms, measurements))


def test_the_least_bad_of_atoms_that_all_point_away_is_found():
    """Angles and radii near half a turn, where the triangle inequality alone would say nothing right."""
    generator = np.random.default_rng(2)
    atoms = np.abs(generator.normal(size=(3000, 3))) + 0.02
    measurements = -np.abs(generator.normal(size=(500, 3)))
    found, _ = AtomSearch(atoms, is_signed=True).best(measurements)
    np.testing.assert_array_equal(found, brute_force(atoms, measurements, is_signed=True))


def test_nothing_is_beyond_reach_where_angles_add_up_to_half_a_turn():
    search = AtomSearch(ATOMS["real"], is_signed=True)
    state = _State(2, search.tolerance)
    state.update(0, np.arange(2), np.cos(np.array([3.0, 2.0], np.float32)))
    np.testing.assert_allclose(search._reach(state, 0.5), [-1.0, np.cos(2.5)], atol=1e-4)


def test_the_first_of_equal_atoms_wins():
    """The twins lie in other leaves than the originals; a common factor does not distinguish atoms either."""
    atoms = ATOMS["complex"]
    turned = 2.0 * np.exp(1j)
    doubled = np.concatenate([atoms[::-1] * turned, atoms])
    measurements = noisy(atoms, 0.05)[1::4]
    expected = brute_force(atoms, measurements)
    found, _ = AtomSearch(doubled, is_signed=False).best(measurements)
    np.testing.assert_array_equal(found, len(atoms) - 1 - expected)


def test_atoms_of_no_length_never_win():
    atoms = np.concatenate([np.zeros((5, N_COEFFICIENTS)), ATOMS["real"]])
    measurements = noisy(ATOMS["real"], 0.05)[1::4]
    expected = brute_force(ATOMS["real"], measurements) + 5
    np.testing.assert_array_equal(AtomSearch(atoms, is_signed=False).best(measurements)[0], expected)


def test_leaves_that_cannot_win_are_skipped(monkeypatch):
    """At little noise most of the products are spared: without that, the search is brute force.

    Leaves of 32 atoms hardly reach into each other on this three-dimensional grid.
    """
    monkeypatch.setattr(atom_search, "_LEAF", 32)
    search = AtomSearch(ATOMS["real"], is_signed=False)
    measurements = noisy(ATOMS["real"], 1e-3)
    n_visits = []
    visit = AtomSearch._visit
    monkeypatch.setattr(AtomSearch, "_visit", lambda *a: (n_visits.append(len(a[3])), visit(*a)))
    search.best(measurements)
    assert sum(n_visits) < 0.1 * N_VOXELS * len(search._leaves)


def test_single_precision_errs_less_than_is_allowed_for():
    search = AtomSearch(ATOMS["complex"], is_signed=False)
    voxels = search._channels(atom_search._unit(noisy(ATOMS["complex"], 0.05)))
    for exact, single in zip(search._atoms, search._atoms_single, strict=True):
        error = search._scores(single, voxels.astype(np.float32)) - search._scores(exact, voxels)
        assert np.max(np.abs(error)) < search.tolerance / 4
