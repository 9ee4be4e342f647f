"""Unit cell of a patch of atoms: lattice vectors, sites, and superlattices revealed by intensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from local_crystallography.data.arrays import Array, Index, Mask

TOLERANCES = (0.1, 0.15, 0.22)
"""Tolerances of a repeated atom, in nearest-neighbour distances; the smallest that gives a lattice is used."""
PATCHES = (140, 48)
"""Numbers of atoms of a patch: many for long cells, few for small grains."""
REPEATED = 0.72
"""Smallest fraction of the atoms of a patch that a lattice vector must map onto an atom."""
EQUAL_LENGTH = 1.1
"""Vectors whose lengths differ by less than this ratio may take either name, a or b."""
LEAST_SEEN, MOST = 8, 2000
"""Fewest atoms that make a site, and most atoms among which sites are sought."""
LARGEST_INDEX = 6
"""Largest superlattice considered, in cells of the smaller one."""
BLOCK = 16
"""Cells along a and b within which sublattices keep their order; two phases may differ in which one is stronger."""
CHANCE = 1e-4
"""Probability below which rows do not differ by chance."""
LEAST_SHIFT = 0.03
"""Smallest root mean square shift of the sites of a superlattice, in nearest-neighbour distances."""
LEAST_FRACTION = 0.2
"""Smallest fraction of the variance that a superlattice must explain."""


@dataclass(frozen=True)
class Cell:
    """Unit cell: (2, 2) `vectors` with rows a, b as (y, x) in pixels, and `basis` (S, 2), fractional coordinates."""

    vectors: Array
    basis: Array

    def nearest(self) -> float:
        """Shortest distance between two sites, in pixels."""
        apart = self.basis[:, None, None] - self.basis[None, :, None] + cells_within(1)
        distance = np.linalg.norm(apart @ self.vectors, axis=-1)
        return float(distance[distance > 1e-6 * distance.max()].min())

    def bridge(self) -> float:
        """Longest step in pixels needed to reach all sites from any other."""
        sites = (cells_within(2)[:, None] + self.basis).reshape(-1, 2) @ self.vectors
        return float(minimum_spanning_tree(squareform(pdist(sites))).max())

    def reach(self) -> float:
        """Distance in pixels within which atoms of one crystal are connected."""
        return max(1.6 * self.spacing(), 1.2 * self.bridge())

    def spacing(self) -> float:
        """Square root of the area per site, in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.vectors)) / len(self.basis)))

    def settle(self, coordinates: Array) -> tuple[Index, Index, Array]:
        """Nearest site of (n, 2) fractional coordinates: (n, 2) cell, (n,) site and (n, 2) fractional remainder."""
        apart = coordinates[:, None] - self.basis
        cell = np.round(apart)
        left = apart - cell
        site = np.linalg.norm(left @ self.vectors, axis=-1).argmin(axis=1)
        rows = np.arange(len(coordinates))
        return cell[rows, site].astype(np.int64), site, left[rows, site]


def reduce_vectors(vectors: Array) -> Array:
    """(2, 2) integers, as rows, that transform lattice vectors into the reduced (shortest) ones.

    a is the shortest, and of several within 10 % the one closest to +x; b follows counter-clockwise as displayed at 60
    to 120 degrees.
    """
    change = np.eye(2)
    for _ in range(100):
        a, b = change @ vectors
        if a @ a > b @ b:
            change = change[::-1]
            continue
        multiple = np.round(a @ b / (a @ a))
        if multiple == 0:
            break
        change = np.array([change[0], change[1] - multiple * change[0]])
    around = np.delete(cells_within(1), 4, axis=0) @ change  # without the central cell
    length = np.linalg.norm(around @ vectors, axis=1)
    short = around[length <= EQUAL_LENGTH * length.min()]
    first = short[np.argmax((short @ vectors)[:, 1] / np.linalg.norm(short @ vectors, axis=1))]
    (ay, ax), v = first @ vectors, around @ vectors
    volume = abs(np.linalg.det(change @ vectors))
    forward = np.isclose(ay * v[:, 1] - ax * v[:, 0], volume, rtol=1e-6)
    along = v @ (ay, ax) / np.linalg.norm(v, axis=1) / np.hypot(ay, ax)
    lean = np.abs(along) + 0.05 * (along > 0)  # prefers 120 to 60 degrees, whatever the noise
    second = around[np.where(forward, lean, np.inf).argmin()]
    return np.array([first, second])


def cell_of_patch(patch: Array, tolerance: float) -> tuple[Cell, float] | None:
    """Cell of (M, 2) atoms, sorted by distance from the first, and the fraction of atoms it repeats; None if none.

    The tolerance is in nearest-neighbour distances.
    """
    reach = float(np.linalg.norm(patch[-1] - patch[0]))
    apart = np.linalg.norm(patch[:, None] - patch, axis=-1)
    nearest = float(np.median(np.sort(apart[: len(patch) // 4], axis=1)[:, 1]))
    core = patch[np.linalg.norm(patch - patch[0], axis=1) <= 0.4 * reach]
    if len(core) < 5:
        return None
    tolerance *= nearest
    steps, fraction = _translations(core, patch, tolerance, 0.6 * reach)
    best = float(fraction.max(initial=0))
    rival = best - max(0.12, 2 * np.sqrt(best * (1 - best) / len(core)))
    good = fraction >= max(REPEATED, best - 0.12)
    vectors = _generators(steps[good], tolerance)
    # Steps that repeat almost as well must be nodes too; otherwise noise has selected a subset of the nodes.
    if vectors is None or _nodes(steps[fraction >= rival], vectors, tolerance)[1].mean() < 0.85:
        return None
    basis = _basis(core, patch, vectors, 1.5 * tolerance)
    return (Cell(vectors, basis), float(fraction[good].mean())) if len(basis) else None


def _translations(core: Array, patch: Array, tolerance: float, reach: float) -> tuple[Array, Array]:
    """(T, 2) vectors between atoms in the upper half-plane, and the fraction of the core that they map onto atoms."""
    steps = (patch[None] - core[:4, None]).reshape(-1, 2)
    length = np.linalg.norm(steps, axis=1)
    upper = (steps[:, 0] < -tolerance) | ((np.abs(steps[:, 0]) <= tolerance) & (steps[:, 1] > 0))
    steps = steps[upper & (length > 2 * tolerance) & (length <= reach)]
    tree = cKDTree(patch)
    for _ in range(2):
        aim = core + steps[:, None]
        distance, row = tree.query(aim, distance_upper_bound=tolerance)
        hit = np.isfinite(distance)
        left = np.where(hit[..., None], patch[np.where(hit, row, 0)] - aim, 0).sum(axis=1)
        steps = steps + left / np.maximum(hit.sum(axis=1), 1)[:, None]
    fraction = hit.mean(axis=1)
    order, kept = np.argsort(-fraction, kind="stable"), np.empty(0, np.int64)
    for t in order:
        if len(kept) == 0 or np.linalg.norm(steps[kept] - steps[t], axis=1).min() > 2 * tolerance:
            kept = np.append(kept, t)
    return steps[kept], fraction[kept]


def _generators(steps: Array, tolerance: float) -> Array | None:
    """(2, 2) reduced vectors of the lattice whose nodes are the steps; None where there is none."""
    steps = steps[np.argsort(np.linalg.norm(steps, axis=1))]
    for second in steps[1:]:
        vectors = np.array([steps[0], second])
        sine = abs(np.linalg.det(vectors)) / np.prod(np.linalg.norm(vectors, axis=1))
        if sine < 0.3:
            continue
        node, fits = _nodes(steps, vectors, tolerance)
        if fits.mean() < 0.8:
            return None
        vectors = np.asarray(np.linalg.lstsq(node[fits], steps[fits], rcond=None)[0], np.float64)
        return np.asarray(reduce_vectors(vectors) @ vectors)
    return None


def _nodes(steps: Array, vectors: Array, tolerance: float) -> tuple[Array, Mask]:
    """(T, 2) integer nodes nearest to the steps, and (T,) whether they agree to within two tolerances."""
    node = np.asarray(np.round(steps @ np.linalg.inv(vectors)), np.float64)
    return node, np.asarray(np.linalg.norm(node @ vectors - steps, axis=1) <= 2 * tolerance)


def _basis(core: Array, patch: Array, vectors: Array, tolerance: float) -> Array:
    """(S, 2) coordinates of the sites, by folding all atoms into one cell; the first is the first atom of the patch."""
    coordinates = (patch - patch[0]) @ np.linalg.inv(vectors)
    near = np.linalg.norm(patch - patch[0], axis=1) <= 1.6 * np.linalg.norm(core[-1] - patch[0])
    coordinates = coordinates[near]
    apart = coordinates[:, None] - coordinates
    apart -= np.round(apart)
    close = np.linalg.norm(apart @ vectors, axis=-1) <= tolerance
    cells = np.ptp(np.round(coordinates), axis=0).prod()
    left, basis, most = np.ones(len(coordinates), bool), [], close.sum(axis=1).max()
    while left.any():
        votes = (close & left).sum(axis=1) * left
        seed = int(votes.argmax())
        if votes[seed] < max(0.5 * most, min(3, cells)):
            break
        group = close[seed] & left
        basis.append(coordinates[seed] + apart[group, seed].mean(axis=0))
        left &= ~close[seed]
    return np.array(basis).reshape(-1, 2)


def primitive(cell: Cell, tolerance: float) -> Cell:
    """Smallest cell that repeats all sites of a cell to within a tolerance in pixels."""
    for shift in cell.basis[1:] - cell.basis[0]:
        shift = shift - np.round(shift)
        _, _, left = cell.settle(cell.basis + shift)
        times = np.array([k for k in range(2, len(cell.basis) + 1) if len(cell.basis) % k == 0])
        whole = np.linalg.norm((times[:, None] * shift - np.round(times[:, None] * shift)) @ cell.vectors, axis=1)
        closes = times[whole <= tolerance * times]
        if np.linalg.norm(left @ cell.vectors, axis=1).max() > tolerance or len(closes) == 0:
            continue
        k = int(closes[0])
        nodes = np.vstack([np.eye(2), np.round(k * shift) / k])
        vectors = _generators(_nodes_around(nodes, k) @ cell.vectors, 0.01 * cell.nearest())
        if vectors is None:
            continue
        coordinates = cell.basis @ cell.vectors @ np.linalg.inv(vectors)
        smaller = Cell(vectors, np.array([coordinates[0]]))
        for site in coordinates[1:]:
            _, _, left = smaller.settle(site[None])
            if np.linalg.norm(left @ vectors) > 2 * tolerance:
                smaller = Cell(vectors, np.vstack([smaller.basis, site]))
        return primitive(smaller, tolerance)
    return cell


def _nodes_around(nodes: Array, k: int) -> Array:
    """Upper half-plane of the sums of (3, 2) vectors, each taken -k to k times."""
    sums = (np.indices((2 * k + 1,) * 3).reshape(3, -1).T - k) @ nodes
    sums = np.unique(np.round(sums * 720) / 720, axis=0)
    return np.asarray(sums[(sums[:, 0] > 0) | ((sums[:, 0] == 0) & (sums[:, 1] > 0))])


def new_sites(cell: Cell, coordinates: Array, near: float, fewest: float) -> list[Array]:
    """Fractional coordinates (2,) of sites beside those of a cell where at least `fewest` of (n, 2) coordinates are.

    `near`: distance in pixels within which they are on the same site.
    """
    _, _, left = cell.settle(coordinates)
    coordinates = coordinates[np.linalg.norm(left @ cell.vectors, axis=1) > near]
    step = max(1, len(coordinates) // MOST)
    coordinates, fewest = coordinates[::step], fewest / step
    sites: list[Array] = []
    while len(coordinates):
        apart = coordinates[:, None] - coordinates
        apart -= np.round(apart)
        close = np.linalg.norm(apart @ cell.vectors, axis=-1) <= near
        seed = int(close.sum(axis=1).argmax())
        if close[seed].sum() < max(LEAST_SEEN, fewest):
            break
        centre = coordinates[seed] - apart[seed, close[seed]].mean(axis=0)
        sites.append(centre - np.floor(centre + 1e-6))
        coordinates = coordinates[~close[seed]]
    return sites


def superlattices() -> list[Index]:
    """All superlattices of index 2 to LARGEST_INDEX, as (2, 2) integers in Hermite normal form."""
    return [
        np.array([[p, q], [0, n // p]])
        for n in range(2, LARGEST_INDEX + 1)
        for p in range(1, n + 1)
        if n % p == 0
        for q in range(n // p)
    ]


def coset(index: Index, larger: Index) -> Index:
    """(n,) number of the coset of each (n, 2) index: which of the cells in one larger cell it is."""
    (p, q), r = larger[0], larger[1, 1]
    rounds, first = np.divmod(index[:, 0], p)
    return np.asarray(first * r + (index[:, 1] - rounds * q) % r)


def find_superlattice(index: Index, site: Index, shifts: Array, values: Array | None) -> Index | None:
    """Superlattice that explains the differences between atoms of one site; None where the small cell suffices.

    For every superlattice up to index 6, an analysis of variance is made of two quantities: the shift from the site in
    the small cell, and the value minus that of the surroundings. Each counts where it explains a fifth of the variance,
    lowers the Bayesian information criterion and, for shifts, exceeds 3 % of the nearest distance; over the whole
    lattice or block by block, since across an interface the stronger sublattice may become the weaker.

    Parameters
    ----------
    index, site
        (n, 2) cells and (n,) sites in the small cell.
    shifts
        (n, 2) shifts from the sites, in nearest-neighbour distances.
    values
        (n,) any quantity of the atoms in which sublattices may differ, or None.
    """
    index = index - index.min(axis=0)
    sites, scores = int(site.max()) + 1, []
    for larger in superlattices():
        cells = int(larger[0, 0] * larger[1, 1]) * sites
        group = site * (cells // sites) + coset(index, larger)
        if np.bincount(group, minlength=cells).max() < 8:
            continue
        score = 0.0
        for block in (0 * index, index // BLOCK):
            count = cells * len(np.unique(block, axis=0))
            spread, fraction = _explained(index, block, larger, group, shifts)
            gain = _gain(fraction, len(index), 2 * count) if spread >= LEAST_SHIFT else 0.0
            if values is not None:
                gain += _gain(_explained(index, block, larger, group, values[:, None])[1], len(index), count)
            score = max(score, gain)
        if score > 0:
            scores.append((score, larger))
    if not scores:
        return None
    best = max(score for score, _ in scores)
    return next(larger for score, larger in scores if score >= 0.9 * best)


def periods(larger: Index) -> Index:
    """(2,) period along a of whole rows along b, and along b of whole rows along a, in cells."""
    (p, q), r = larger[0], larger[1, 1]
    return np.array([p, np.gcd(q, r)])


def _explained(index: Index, block: Index, larger: Index, group: Index, quantity: Array) -> tuple[float, float]:
    """Root mean square of what a superlattice explains of a quantity (n, d), and the fraction of its variance.

    The atoms of a row that was scanned at once share its jump, so that each row is a single observation: the means of
    rows along a and along b count where they repeat with the period of the superlattice by more than chance.
    """
    _, group = np.unique(np.c_[group, block], axis=0, return_inverse=True)
    rows = [np.unique(index[:, axis], return_inverse=True)[1] for axis in (0, 1)]
    within = np.zeros_like(quantity)
    for _ in range(2):  # where atoms are missing, means of rows hold a part of what is found within them
        rest, of_rows = quantity - within, []
        for row in rows:
            of_rows.append(_means(row, rest))
            rest = rest - of_rows[-1][row]
        within = within + _means(group, rest)[group]
    explained = float((within**2).sum())
    for axis, (row, means, period) in enumerate(zip(rows, of_rows, periods(larger), strict=True)):
        weight, place = np.bincount(row), _first(np.c_[index[:, axis] % period, block[:, axis]], row)
        _, part = np.unique(place, axis=0, return_inverse=True)
        sums = np.stack([np.bincount(part, weight * each) for each in means.T], axis=1)
        repeated = (sums / np.bincount(part, weight)[:, None])[part]
        freedom = len(means) - len(np.unique(part)), int(period) - 1
        between, left = (float((weight[:, None] * each**2).sum()) for each in (repeated, means - repeated))
        if min(freedom) > 0 and _by_chance(between / max(left, 1e-30), *freedom) < CHANCE:
            explained += between
    total = float((quantity**2).sum())
    return float(np.sqrt(explained / len(quantity))), explained / total if total > 0 else 0.0


def _by_chance(ratio: float, within: int, between: int) -> float:
    """Probability of as large a ratio of sums of squares between and within groups where the groups are alike."""
    from scipy.stats import f as fdist  # late, since it takes a third of a second

    return float(fdist.sf(ratio * within / between, between, within))


def _first(values: Index, group: Index) -> Index:
    """(G,) value of the first member of each group."""
    return np.asarray(values[np.unique(group, return_index=True)[1]])


def _means(group: Index, quantity: Array) -> Array:
    """(G, d) mean of a quantity (n, d) in each group."""
    count = np.maximum(np.bincount(group), 1)
    return np.stack([np.bincount(group, q) / count for q in quantity.T], axis=1)


def _gain(fraction: float, n: int, parameters: int) -> float:
    """Decrease of the Bayesian information criterion per atom; 0 where it or the explained fraction is too small."""
    fall = -np.log(max(1 - fraction, 1e-6)) - parameters * np.log(n) / n
    return float(fall) if fraction >= LEAST_FRACTION and fall > 0 else 0.0


def cells_within(reach: int) -> Array:
    """((2 reach + 1)^2, 2) integer steps to the cells around one, including itself in the middle."""
    return np.indices((2 * reach + 1,) * 2, np.float64).reshape(2, -1).T - reach
