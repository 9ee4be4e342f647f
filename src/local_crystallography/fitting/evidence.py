"""Evidence that an image holds columns of some width at given positions: how much of it they explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, sparse
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree
from scipy.special import expit
from skimage.measure import block_reduce

from local_crystallography.data.arrays import Array, Index, Mask, Pixels
from local_crystallography.fitting.background import median_around
from local_crystallography.fitting.gaussians import Columns, add_columns

WIDTHS = np.geomspace(0.62, 1.65, 7)
"""Widths that are tried, over the one the positions were found at."""
ROUNDS = 2
"""Times that positions are moved to where the image has them."""
FURTHEST = 0.5
"""Longest of these moves, in widths."""
RIDGE = 1e-3
"""Added to the overlap of a column with itself, so that columns upon each other do no harm."""
FAR = 4.5
"""Distance, in standard deviations of what overlaps, beyond which nothing does."""
ALIKE, NARROW = 0.8, 0.8
"""Response of a spot, over the usual one at columns, from which it looks like a column; and width of the filter that
gives it, over theirs."""
ONTO = 0.2
"""Distance from a column, in those of nearest neighbours, at which a vector leads to it."""
FEWEST = 16
"""Columns under which repetition may be chance."""
REPEATS = (0.7, 4.0)
"""Lengths of the vectors that are tried for repetition, in distances of nearest neighbours."""
RIM = 3.5
"""Width of the rim of the image that is not judged, in widths."""
LEAST = 0.15
"""Least share of the variance that is taken not to be noise."""
BLOCK = 5.0
"""Side of the blocks that are judged each by itself, in widths."""
BUSY = 0.6
"""Quantile of the contrast of blocks above which none counts for more: a step, dirt or a hole is not the image."""

PERIODS = np.geomspace(2.2, 6.5, 40)
"""Periods of the pattern that are tried for its overtones, in widths."""
GROUND, OVER = (0.8, 1.3), (1.35, 2.3)
"""Frequencies of the pattern and of its overtones, over the frequency of the strongest period."""
PERIODS_A_BLOCK, FEWEST_BLOCKS = 3, 4
"""Side of the blocks that vote on the sign of overtones, in periods, and the fewest that are enough."""
CERTAIN = (2.0, 4.0)
"""Standard errors at which overtones begin to count, and count in full."""
ALONE = 0.2
"""What the strongest frequencies tell by themselves, over what overtones do."""


@dataclass(frozen=True)
class Evidence:
    """What columns explain of an image.

    Parameters
    ----------
    sigma
        Standard deviation of a column that explains most, px.
    yx
        (N, 2) positions, px.
    height
        (N,) heights, none below 0.
    explained
        Share of the variance of the image beyond its background and white noise that they explain, less what as many
        columns would explain of white noise.
    """

    sigma: float
    yx: Array
    height: Array
    explained: float


def weigh(image: Pixels, yx: Array, sigma: float, blur: float) -> Evidence | None:
    """Evidence for bright columns near positions (N, 2) of an image (h, w); None for fewer than three.

    Image and columns are compared less their blur by a Gaussian of `blur` px, so that the background hardly matters.
    The width is found with the heights of all columns fitted at each, so that neighbours may overlap.
    """
    image = np.asarray(image - median_around(image, sigma), np.float64)
    flat = image - ndimage.gaussian_filter(image, blur)
    yx = yx[((yx >= 0) & (yx <= np.array(image.shape) - 1)).all(axis=1)]
    if len(yx) < 3:
        return None
    twice = flat - ndimage.gaussian_filter(flat, blur)
    for _ in range(ROUNDS):
        yx = moved(twice, yx, sigma, blur)
    block = max(2, round(BLOCK * sigma))
    shares = [share_explained(flat, twice, yx, each * sigma, blur, block)[0] for each in WIDTHS]
    best = int(np.argmax(shares))
    width = float(WIDTHS[best])
    if 0 < best < len(WIDTHS) - 1:
        before, top, after = shares[best - 1 : best + 2]
        width *= float((WIDTHS[1] / WIDTHS[0]) ** (0.5 * (after - before) / max(2 * top - before - after, 1e-30)))
    yx = moved(twice, yx, width * sigma, blur)
    share, height = share_explained(flat, twice, yx, width * sigma, blur, block)
    left = 1 - 3 * len(yx) / image.size
    share = max(0.0, 1 - (1 - share) / left) if left > 0 else 0.0
    return Evidence(width * sigma, yx, height, min(1.0, share / max(1 - noise_share(flat), LEAST)))


def noise_share(flat: Array) -> float:
    """Share of the variance of an image less its background that is white noise, from second differences."""
    second = np.array([1.0, -2.0, 1.0])
    rough = ndimage.convolve1d(ndimage.convolve1d(flat, second, axis=0), second, axis=1)[1:-1, 1:-1] / 6
    return float(np.mean(rough**2) / max(np.mean(flat**2), 1e-30))


def repetition(yx: Array) -> float:
    """0 to 1: how much better than by chance one vector carries columns (N, 2) onto columns; near 0 for any disorder.

    0 for fewer than `FEWEST`. Vectors of up to four distances of nearest neighbours are counted in a grid; chance is
    what the grid usually holds.
    """
    if len(yx) < FEWEST:
        return 0.0
    tree = cKDTree(yx)
    nearest = float(np.median(tree.query(yx, 2)[0][:, 1]))
    pairs = tree.query_pairs(REPEATS[1] * nearest, output_type="ndarray")
    steps = (yx[pairs[:, 0]] - yx[pairs[:, 1]]) / nearest
    steps = np.concatenate([steps, -steps])
    bins = np.arange(-REPEATS[1], REPEATS[1] + 0.05, 0.1)
    grid = np.histogram2d(steps[:, 0], steps[:, 1], bins=[bins, bins])[0]
    count = ndimage.uniform_filter(grid, 4, mode="constant") * 16
    middle = (bins[1:] + bins[:-1]) / 2
    length = np.hypot(middle[:, None], middle)
    usual = float(np.mean(count[(length > 1) & (length < REPEATS[1] - 0.3)]))
    most = float(count[(length > REPEATS[0]) & (length < REPEATS[1] - 0.3)].max(initial=0))
    # a column less at the rim for every step beyond it
    reach = 1 - 1.5 * nearest / max(float(np.ptp(yx, axis=0).min()), nearest)
    return float(np.clip((most - usual - 3 * np.sqrt(usual)) / max(len(yx) * reach - usual, 1), 0, 1))


def response_of(image: Pixels, sigma: float) -> Pixels:
    """(h, w) of an image filtered for bright spots as wide as columns: minus its Laplacian of Gaussian."""
    return np.asarray(-ndimage.gaussian_laplace(image, NARROW * sigma), image.dtype)


def one_sided(response: Pixels, yx: Array) -> float:
    """1 where no spots of the other sign are as strong as those at columns (N, 2), 0 where as many are, as in noise."""
    level = ALIKE * float(np.median(response[tuple(np.rint(yx).astype(int).T)]))
    if level <= 0:
        return 0.0
    bright = (response == ndimage.maximum_filter(response, 3)) & (response > level)
    dark = (response == ndimage.minimum_filter(response, 3)) & (response < -level)
    return float(np.clip(1 - dark.sum() / max(bright.sum(), 1), 0, 1))


def overtones(image: Pixels, sigma: float) -> float:
    """-1 to 1: whether the pattern of an image (h, w) is made of bright spots or, below 0, of dark ones; 0 is unknown.

    Frequencies k, l and k + l of a sum of equal spots are in phase where the spots are bright, whatever the lattice
    (the sign of triplets in direct methods; Cochran 1955). The first overtones tell a honeycomb, whose strongest
    frequencies are those of its holes, from holes inverted. Where they are lost in the noise the strongest frequencies
    decide alone: the spots of a hexagonal lattice are few and sharp.
    """
    spectrum = fft.dctn(np.clip(image, *np.quantile(image, [0.001, 0.999])), norm="ortho")
    (h, w), power = spectrum.shape, spectrum**2
    frequency = sigma * np.hypot(np.arange(h)[:, None] / (2 * h), np.arange(w) / (2 * w))
    rings = [power[np.abs(frequency * period - 1) < 0.07] for period in PERIODS]
    strongest = [np.sort(ring)[-max(8, ring.size // 50) :].mean() if ring.size else 0 for ring in rings]
    period = float(PERIODS[int(np.argmax(strongest))])

    def band(low: float, high: float) -> Array:
        passed = expit(20 * (frequency * period / low - 1)) * expit(20 * (1 - frequency * period / high))
        return np.asarray(fft.idctn(spectrum * passed, norm="ortho"))

    ground, first = band(*GROUND), band(*OVER)
    share, sure = in_phase(ground, first, round(PERIODS_A_BLOCK * sigma * period))
    alone, known = in_phase(ground, ground, round(PERIODS_A_BLOCK * sigma * period))
    return float(sure * share + (1 - sure) * ALONE * known * alone)


def in_phase(ground: Array, other: Array, side: int) -> tuple[float, float]:
    """-1 to 1, how much of the square of a pattern (h, w) is in phase with another, and 0 to 1, how sure that is.

    Blocks of a side in pixels vote, so that neither grains nor a bright fault decide alone.
    """
    whole = tuple(slice(n // side * side) for n in ground.shape)
    triple, squares, others = (
        block_reduce(part[whole], (side, side), np.mean).ravel() for part in (ground**2 * other, ground**2, other**2)
    )
    if triple.size < FEWEST_BLOCKS or triple.std() == 0:
        return 0.0, 0.0
    share = float(np.median(triple / np.maximum(squares * np.sqrt(others), 1e-30)))
    most = np.quantile(np.abs(triple), 0.95)
    triple = np.clip(triple, -most, most)
    errors = abs(triple.mean()) / max(triple.std() / np.sqrt(triple.size), 1e-30)
    return float(np.clip(share, -1, 1)), float(np.clip((errors - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1))


def support(yx: Array, sure: Mask) -> Array:
    """(N,) share of the vectors that carry sure columns onto each other which lead from a column to any other.

    Low for what stands nowhere on the lattice; with several grains each has its own share of the vectors.
    """
    known, tree = yx[sure], cKDTree(yx)
    nearest = float(np.median(cKDTree(known).query(known, 2)[0][:, 1]))
    pairs = cKDTree(known).query_pairs(REPEATS[1] * nearest, output_type="ndarray")
    steps = known[pairs[:, 0]] - known[pairs[:, 1]]
    steps = np.concatenate([steps, -steps])
    bins = np.arange(-REPEATS[1], REPEATS[1] + 0.05, 0.1) * nearest
    count = ndimage.uniform_filter(np.histogram2d(steps[:, 0], steps[:, 1], bins=[bins, bins])[0], 4, mode="constant")
    top = (count == ndimage.maximum_filter(count, 5)) & (count > 0.5 * count.max())
    middle = (bins[1:] + bins[:-1]) / 2
    vectors = np.stack([middle[index] for index in np.nonzero(top)], axis=1)
    reached = tree.query(yx[:, None] + vectors)[0] < ONTO * nearest
    return np.asarray(reached.mean(axis=1))


def share_explained(flat: Array, twice: Array, yx: Array, sigma: float, blur: float, block: int) -> tuple[float, Array]:
    """Share of the variance of an image less its blur that columns explain, block by block, and their (N,) heights."""
    height = fitted(twice, yx, sigma, blur)
    model = np.zeros(flat.shape, np.float32)
    add_columns(model, Columns(yx, height, np.full(len(yx), sigma)), 4 * sigma)
    left = flat - (model - ndimage.gaussian_filter(model, blur))
    rim = min(int(RIM * sigma), min(flat.shape) // 4)  # columns outside reach in there
    inner = (slice(rim, -rim or None),) * 2
    total, rest = (block_reduce(part[inner] ** 2, (block, block), np.sum).ravel() for part in (flat, left))
    weight = np.minimum(total, np.quantile(total, BUSY)) / np.maximum(total, 1e-30)
    return float(1 - (weight * rest).sum() / max((weight * total).sum(), 1e-30)), height


def fitted(twice: Array, yx: Array, sigma: float, blur: float) -> Array:
    """(N,) heights of columns, none below 0, all fitted at once; `twice` is the image less two blurs."""
    value = sampled(2 * np.pi * sigma**2 * ndimage.gaussian_filter(twice, sigma), yx)
    overlap = overlaps(yx, sigma, blur)
    height, used = np.zeros(len(yx)), np.ones(len(yx), bool)
    for _ in range(3):
        if not used.any():
            break
        height = np.zeros(len(yx))
        height[used] = cg(overlap[used][:, used], value[used], rtol=1e-4, maxiter=200)[0]
        if (height >= 0).all():
            break
        used &= height > 0
    return np.maximum(height, 0)


def moved(twice: Array, yx: Array, sigma: float, blur: float) -> Array:
    """Positions one step nearer to where the image has the columns, their neighbours taken into account."""
    height = fitted(twice, yx, sigma, blur)
    seen = 2 * np.pi * sigma**2 * ndimage.gaussian_filter(twice, sigma)
    slope = np.stack([sampled(part, yx) for part in np.gradient(seen)], axis=1)
    pairs = near(yx, sigma, blur)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    step = yx[pairs[:, 0]] - yx[pairs[:, 1]]
    pull = -product((step**2).sum(axis=1), sigma, blur, bent=True)
    for axis in (0, 1):
        slope[:, axis] -= np.bincount(pairs[:, 0], height[pairs[:, 1]] * pull * step[:, axis], len(yx))
    limit = FURTHEST * sigma
    bend = np.maximum(product(np.zeros(1), sigma, blur, bent=True) * height, 1e-12)
    return np.asarray(yx + np.clip(slope / bend[:, None], -limit, limit))


def overlaps(yx: Array, sigma: float, blur: float) -> sparse.csr_array:
    """(N, N) inner products of columns of height 1, each less its blur."""
    n, pairs = len(yx), near(yx, sigma, blur)
    square = ((yx[pairs[:, 0]] - yx[pairs[:, 1]]) ** 2).sum(axis=1)
    shared = sparse.csr_array((product(square, sigma, blur), pairs.T), shape=(n, n))
    own = float(product(np.zeros(1), sigma, blur)[0]) * (1 + RIDGE)
    return sparse.csr_array(shared + shared.T + own * sparse.eye_array(n))


def near(yx: Array, sigma: float, blur: float) -> Index:
    """(P, 2) pairs of columns that overlap, their blurs included."""
    pairs: Index = cKDTree(yx).query_pairs(FAR * np.sqrt(2 * (sigma**2 + blur**2)), output_type="ndarray")
    return pairs


def product(squares: Array, sigma: float, blur: float, *, bent: bool = False) -> Array:
    """Inner product of two columns of height 1 less their blurs, at squared distances; bent: its slope over them.

    Three Gaussians: of both columns, of one and the blur of the other, and of both blurs.
    """
    total = np.zeros_like(squares)
    for sign, variance in ((1, 2 * sigma**2), (-2, 2 * sigma**2 + blur**2), (1, 2 * (sigma**2 + blur**2))):
        scale = 2 * np.pi * sigma**4 / variance * (1 / variance if bent else 1)
        total += sign * scale * np.exp(-squares / (2 * variance))
    return total


def sampled(field: Array, yx: Array) -> Array:
    """(N,) values of a field (h, w) at positions (N, 2)."""
    return np.asarray(ndimage.map_coordinates(field, yx.T, order=1, mode="nearest"), float)
