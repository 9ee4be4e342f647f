"""Lattices found from positions: vectors, cells and sites, across distortion, grains, vacancies and false atoms."""

import numpy as np
import pytest

from local_crystallography.lattice.lattices import find_lattices
from local_crystallography.lattice.sites import find_superlattice, reduce_vectors
from local_crystallography.lattice.strain import lengths_and_angle, local_vectors
from local_crystallography.simulate.samples import load_truth

SQUARE = ((0, 20), (-20, 0))
HEXAGON = ((0, 20), (-17.3205, -10))


def crystal(vectors, basis=((0, 0),), *, angle=0.0, side=500):
    """(n, 2) positions and (n,) sites, rotated counter-clockwise as displayed."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    cells = np.stack(np.meshgrid(*[np.arange(-60, 61)] * 2, indexing="ij"), -1).reshape(-1, 2)
    places = [(cells + place) @ (np.array(vectors) @ turn) + side / 2 for place in basis]
    yx, site = np.concatenate(places), np.repeat(np.arange(len(basis)), len(cells))
    inside = np.all((yx > 0) & (yx < side), axis=1)
    return yx[inside], site[inside]


def spoilt(yx, site, *, noise, seed=0):
    """3 % vacancies, 2 % false atoms (site -1) and position noise in pixels."""
    rng = np.random.default_rng(seed)
    kept = rng.random(len(yx)) > 0.03
    false = rng.uniform(yx.min(axis=0), yx.max(axis=0), (len(yx) // 50, 2))
    real = yx[kept] + rng.normal(0, noise, (kept.sum(), 2))
    return np.vstack([real, false]), np.append(site[kept], np.full(len(false), -1))


def agreement(lattices, truth):
    """Fraction of the true atoms with the right grain and site, up to renaming within each grain."""
    right = 0
    for lattice in lattices:
        for s in range(len(lattice.basis)):
            labels = truth[lattice.rows[lattice.site == s]]
            right += np.bincount(labels[labels >= 0], minlength=1).max()
    return right / (truth >= 0).sum()


@pytest.mark.parametrize(
    ("vectors", "basis", "lengths", "gamma"),
    [
        (SQUARE, [(0, 0)], (20, 20), 90),
        (SQUARE, [(0, 0), (0.5, 0.5)], (14.14, 14.14), 90),
        (HEXAGON, [(0, 0)], (20, 20), 120),
        (HEXAGON, [(0, 0), (2 / 3, 1 / 3)], (20, 20), 120),
        (((0, 30), (-42, 0)), [(0, 0), (0.25, 0)], (30, 42), 90),
    ],
    ids=["square", "centred", "hexagon", "honeycomb", "dumbbells"],
)
@pytest.mark.parametrize("angle", [0.05, 0.4])
def test_vectors_and_sites_of_imperfect_crystals(vectors, basis, lengths, gamma, angle):
    yx, site = crystal(vectors, basis, angle=angle)
    centred = lengths[0] < 15
    lattices = find_lattices(*spoilt(yx, site * (not centred), noise=0.3)[:1])
    (lattice,) = lattices
    a, b = lattice.vectors
    assert np.linalg.norm(lattice.vectors, axis=1) == pytest.approx(lengths, rel=0.005)
    assert np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b)) == pytest.approx(gamma, abs=0.3)
    assert len(lattice.basis) == (1 if centred else len(basis))
    assert agreement(lattices, spoilt(yx, site * (not centred), noise=0.3)[1]) > 0.98


def test_values_distinguish_sublattices_that_positions_cannot():
    yx, site = crystal(SQUARE, [(0, 0), (0.5, 0.5)])
    yx, site = spoilt(yx, site, noise=0.3)
    values = np.where(site == 1, 0.7, 1.0) + np.random.default_rng(1).normal(0, 0.1, len(yx))
    (lattice,) = find_lattices(yx, values)
    real = site[lattice.rows] >= 0
    assert (lattice.site[real] == site[lattice.rows][real]).mean() > 0.99


def test_random_values_give_no_sublattice():
    yx, _ = crystal(SQUARE)
    (lattice,) = find_lattices(yx, np.random.default_rng(0).normal(size=len(yx)))
    assert len(lattice.basis) == 1


@pytest.mark.slow
def test_a_sublattice_continues_where_the_weaker_becomes_the_stronger():
    yx, site = crystal(SQUARE, [(0, 0), (0.5, 0.5)], side=900)
    values = np.where((site == 1) == (yx[:, 0] < 400), 2.0, 1.0) + np.random.default_rng(1).normal(0, 0.2, len(yx))
    (lattice,) = find_lattices(yx, values)
    assert agreement([lattice], site) > 0.99


def test_a_small_constant_shift_distinguishes_sublattices():
    yx, site = crystal(SQUARE, [(0, 0), (0.56, 0.5)])
    (lattice,) = find_lattices(yx + np.random.default_rng(0).normal(0, 0.2, yx.shape))
    assert agreement([lattice], site) > 0.99


def test_two_grains_17_degrees_apart():
    left, right = (crystal(SQUARE, angle=angle)[0] for angle in (0.1, 0.1 + np.radians(17)))
    left, right = left[left[:, 1] < 247], right[right[:, 1] > 253]
    yx, grain = spoilt(np.vstack([left, right]), np.repeat([0, 1], [len(left), len(right)]), noise=0.6)
    lattices = find_lattices(yx)
    assert len(lattices) == 2
    assert agreement(lattices, grain) > 0.97


def test_two_phases_with_misfit_cube_on_cube():
    lower, upper = crystal(SQUARE)[0], crystal(((0, 20.8), (-20.8, 0)))[0]
    lower, upper = lower[lower[:, 0] > 255], upper[upper[:, 0] < 240]
    yx, phase = spoilt(np.vstack([lower, upper]), np.repeat([0, 1], [len(lower), len(upper)]), noise=0.4)
    found = sorted(lattice.vectors[0, 1] for lattice in find_lattices(yx)[:2])
    assert found == pytest.approx([20, 20.8], rel=0.005)
    assert agreement(find_lattices(yx), phase) > 0.97


def test_indices_follow_wobble_and_strain():
    yx, _ = crystal(SQUARE)
    index = np.round((yx - 250) / 20)
    x = yx[:, 1] + 3 * np.sin(yx[:, 0] / 40) + 0.05 * (yx[:, 1] - 250) ** 2 / 250
    (lattice,) = find_lattices(np.stack([yx[:, 0], x], axis=1))
    cells = np.stack([-lattice.index[:, 1], lattice.index[:, 0]], axis=1)
    assert len(lattice.rows) == len(yx)
    assert np.ptp(cells - index[lattice.rows], axis=0) == pytest.approx([0, 0])


def test_random_atoms_have_no_lattice():
    assert find_lattices(np.random.default_rng(0).uniform(0, 500, (1000, 2))) == []


@pytest.mark.slow
@pytest.mark.parametrize(("sample", "least"), [("quick", 0.99), ("two_grains", 0.99), ("sr3fe2o7", 0.999)])
def test_samples_are_indexed(sample, least):
    truth = load_truth(sample).query("heavy")
    sites = truth["phase"] + truth["site"] + truth["grain"].astype(str)
    lattices = find_lattices(truth[["y_px", "x_px"]].to_numpy(), truth["strength"].to_numpy(float))
    assert agreement(lattices, sites.astype("category").cat.codes.to_numpy()) > least


@pytest.mark.parametrize("vectors", [[[3, 20], [-17, 23]], [[-20, 0], [0, -22]], [[0, 20], [17.3, 70]]])
def test_reduced_vectors_span_the_same_lattice(vectors):
    change = reduce_vectors(np.array(vectors, float))
    a, b = change @ np.array(vectors)
    gamma = np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))
    assert abs(round(np.linalg.det(change))) == 1
    assert 59.9 <= gamma <= 120.1


@pytest.mark.slow
@pytest.mark.parametrize("found", [0.1, 0.4, 0.8])
def test_faint_columns_found_in_part_do_not_break_a_lattice(found):
    vectors, basis = np.array([[0.0, 30.0], [34.0, 0.0]]), np.array([[0, 0], [0.5, 0.5], [0.5, 0.0], [0.0, 0.5]])
    rng = np.random.default_rng(0)
    cells = np.indices((14, 14)).reshape(2, -1).T
    site = np.repeat(np.arange(4), len(cells))
    yx = (np.tile(cells, (4, 1)) + basis[site]) @ vectors + rng.normal(0, 0.6, (4 * len(cells), 2))
    values = np.array([1.0, 0.8, 0.12, 0.1])[site] * rng.normal(1, 0.05, len(site))
    seen = (site < 2) | (rng.random(len(site)) < found)
    lattices = find_lattices(yx[seen], values[seen])
    assert len(lattices) == 1
    lattice = lattices[0]
    assert len(lattice.rows) > 0.97 * seen.sum()
    assert len(lattice.basis) == 4
    assert (np.abs(lattice.basis) < 1).all()
    np.testing.assert_allclose(np.sort(np.linalg.norm(lattice.vectors, axis=1)), [30, 34], rtol=0.005)
    for number in range(4):
        assert len(np.unique(site[seen][lattice.rows[lattice.site == number]])) == 1


@pytest.mark.parametrize("seed", range(12))
def test_rows_of_a_scan_that_jump_make_no_larger_cell(seed):
    rng = np.random.default_rng(seed)
    index = np.indices((12, 40)).reshape(2, -1).T
    shifts = rng.normal(0, 0.02, (len(index), 2))
    shifts[:, 1] += rng.normal(0, 0.06, 12)[index[:, 0]]
    site = np.zeros(len(index), int)
    assert find_superlattice(index, site, shifts, None) is None
    shifts[:, 1] += np.where(index.sum(axis=1) % 2, 0.06, -0.06)
    assert find_superlattice(index, site, shifts, None).tolist() == [[1, 1], [0, 2]]


def cut_in_two(offset, turn=0.0, *, gap=30, seed=0):
    """(N, 2) positions of a square lattice of 20 px whose part beyond an empty strip is shifted and rotated."""
    rng = np.random.default_rng(seed)
    yx, _ = crystal([[0, 20], [-20, 0]])
    above, below = yx[yx[:, 0] < 250 - gap / 2], yx[yx[:, 0] > 250 + gap / 2]
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    below = (below - (250, 250)) @ spin + (250, 250) + offset
    return np.vstack([above, below]) + rng.normal(0, 0.8, (len(above) + len(below), 2))


@pytest.mark.parametrize(
    ("offset", "turn", "grains"),
    [((0, 0), 0.0, 1), ((20, -40), 0.0, 1), ((0, 10), 0.0, 2), ((10, 10), 0.0, 2), ((0, 0), np.radians(8), 2)],
)
def test_a_lattice_runs_on_across_a_strip_without_atoms_unless_it_is_shifted_or_rotated(offset, turn, grains):
    assert len(find_lattices(cut_in_two(offset, turn))) == grains


@pytest.mark.parametrize("seed", range(4))
def test_noise_makes_no_larger_cell_of_a_honeycomb(seed):
    yx, _ = crystal([[0, 30], [-15 * np.sqrt(3), 15]], [(0, 0), (1 / 3, 1 / 3)])
    yx = yx + np.random.default_rng(seed).normal(0, 0.07 * 17.3, yx.shape)
    assert [len(lattice.basis) for lattice in find_lattices(yx)] == [2]


@pytest.mark.parametrize("vectors", [[[0, 20], [-20, 0]], [[0, 20], [-19, 7]], [[0, 20], [-17.32, 10]]])
def test_noise_does_not_shorten_the_vectors_around_atoms(vectors):
    yx, _ = crystal(vectors, side=900)
    yx = yx + np.random.default_rng(1).normal(0, 0.05 * 20, yx.shape)
    (lattice,) = find_lattices(yx)
    a, b, _ = lengths_and_angle(local_vectors(yx, lattice, 12)[0])
    true = np.sort(np.linalg.norm(reduce_vectors(np.array(vectors, float)) @ np.array(vectors, float), axis=1))
    assert np.sort([np.nanmean(a), np.nanmean(b)]) == pytest.approx(true, rel=0.003)
