"""Evidence for columns of some width at given positions: the fraction of the image that they explain."""

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
"""Widths to try, relative to the one at which the positions were found."""
ROUNDS = 2
"""Number of refinements of the positions."""
FURTHEST = 0.5
"""Longest step of a refinement, in widths."""
RIDGE = 1e-3
"""Added to the overlap of a column with itself, so that coinciding columns do no harm."""
FAR = 4.5
"""Distance, in combined standard deviations, beyond which overlaps are neglected."""
ALIKE, NARROW = 0.8, 0.8
"""Response above which a spot looks like a column, relative to the typical one of columns; and width of the filter,
relative to theirs."""
ONTO = 0.2
"""Distance from a column, in nearest-neighbour distances, within which a vector leads to it."""
FEWEST = 16
"""Number of columns below which repetition may be by chance."""
REPEATS = (0.7, 4.0)
"""Lengths of the vectors to try for repetition, in nearest-neighbour distances."""
RIM = 3.5
"""Rim of the image that is ignored, in widths."""
LEAST = 0.15
"""Smallest fraction of the variance that is attributed to signal rather than noise."""
BLOCK = 5.0
"""Side of the blocks that are evaluated separately, in widths."""
BUSY = 0.6
"""Quantile at which the contrast of blocks is capped, as a step, dirt or a hole says little about the image."""

PERIODS = np.geomspace(2.2, 6.5, 40)
"""Periods of the pattern to try for its overtones, in widths."""
GROUND, OVER = (0.8, 1.3), (1.35, 2.3)
"""Frequency bands of the pattern and of its overtones, relative to the frequency of the strongest period."""
PERIODS_A_BLOCK, FEWEST_BLOCKS = 3, 4
"""Side, in periods, of the blocks that vote on the sign of overtones, and the fewest needed."""
CERTAIN = (2.0, 4.0)
"""Standard errors at which overtones begin to count, and at which they count in full."""
ALONE = 0.2
"""Weight of the strongest frequencies alone, relative to overtones."""


@dataclass(frozen=True)
class Evidence:
    """Columns and the fraction of an image that they explain.

    Parameters
    ----------
    sigma
        Standard deviation of the columns that explains most, px.
    yx
        (N, 2) positions, px.
    height
        (N,) heights, none below 0.
    explained
        Fraction of the variance of the image, without background and white noise, that they explain, corrected for
        what as many columns would explain of white noise.
    """

    sigma: float
    yx: Array
    height: Array
    explained: float


def weigh(image: Pixels, yx: Array, sigma: float, blur: float) -> Evidence | None:
    """Evidence for bright columns near positions (N, 2) of an image (h, w); None for fewer than three.

    Image and columns are compared after subtracting their blur by a Gaussian of `blur` px, so that the background
    hardly matters. At each width the heights of all columns are fitted together, so that neighbours may overlap.
    """
    image = np.asarray(image - median_around(image, sigma), np.float64)
    flat = image - ndimage.gaussian_filter(image, blur)
    yx = yx[((yx >= 0) & (yx <= np.array(image.shape) - 1)).all(axis=1)]
    if len(yx) < 3:
        return None
    twice = flat - ndimage.gaussian_filter(flat, blur)
    for _ in range(ROUNDS):
        yx = refined(twice, yx, sigma, blur)
    block = max(2, round(BLOCK * sigma))
    fractions = [explained_fraction(flat, twice, yx, each * sigma, blur, block)[0] for each in WIDTHS]
    best = int(np.argmax(fractions))
    width = float(WIDTHS[best])
    if 0 < best < len(WIDTHS) - 1:
        before, top, after = fractions[best - 1 : best + 2]
        width *= float((WIDTHS[1] / WIDTHS[0]) ** (0.5 * (after - before) / max(2 * top - before - after, 1e-30)))
    yx = refined(twice, yx, width * sigma, blur)
    fraction, height = explained_fraction(flat, twice, yx, width * sigma, blur, block)
    left = 1 - 3 * len(yx) / image.size
    fraction = max(0.0, 1 - (1 - fraction) / left) if left > 0 else 0.0
    return Evidence(width * sigma, yx, height, min(1.0, fraction / max(1 - noise_fraction(flat), LEAST)))


def noise_fraction(flat: Array) -> float:
    """Fraction of the variance of an image without background that is white noise, from second differences."""
    second = np.array([1.0, -2.0, 1.0])
    rough = ndimage.convolve1d(ndimage.convolve1d(flat, second, axis=0), second, axis=1)[1:-1, 1:-1] / 6
    return float(np.mean(rough**2) / max(np.mean(flat**2), 1e-30))


def repetition(yx: Array) -> float:
    """0 to 1: fraction of columns (N, 2) that one vector maps onto columns, beyond chance; near 0 for any disorder.

    0 for fewer than `FEWEST`. Vectors of up to four nearest-neighbour distances are counted on a grid; chance is the
    typical count on the grid.
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
    # Columns at the rim are lost in proportion to the length of the vector.
    reach = 1 - 1.5 * nearest / max(float(np.ptp(yx, axis=0).min()), nearest)
    return float(np.clip((most - usual - 3 * np.sqrt(usual)) / max(len(yx) * reach - usual, 1), 0, 1))


def response_of(image: Pixels, sigma: float) -> Pixels:
    """(h, w) image filtered for bright spots as wide as columns: the negative Laplacian of Gaussian."""
    return np.asarray(-ndimage.gaussian_laplace(image, NARROW * sigma), image.dtype)


def one_sided(response: Pixels, yx: Array) -> float:
    """1 if no spots of the other sign are as strong as those at columns (N, 2), 0 if equally many are, as in noise."""
    level = ALIKE * float(np.median(response[tuple(np.rint(yx).astype(int).T)]))
    if level <= 0:
        return 0.0
    bright = (response == ndimage.maximum_filter(response, 3)) & (response > level)
    dark = (response == ndimage.minimum_filter(response, 3)) & (response < -level)
    return float(np.clip(1 - dark.sum() / max(bright.sum(), 1), 0, 1))


def overtones(image: Pixels, sigma: float) -> float:
    """-1 to 1: above 0 if the pattern of an image (h, w) consists of bright spots, below 0 if of dark ones; 0: unknown.

    Frequencies k, l and k + l of a sum of equal spots are in phase if the spots are bright, whatever the lattice
    (the sign of triplets in direct methods; Cochran 1955). The first overtones distinguish a honeycomb, whose strongest
    frequencies are those of its holes, from inverted holes. Where they are lost in the noise, the strongest frequencies
    decide alone.
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
    fraction, sure = in_phase(ground, first, round(PERIODS_A_BLOCK * sigma * period))
    alone, known = in_phase(ground, ground, round(PERIODS_A_BLOCK * sigma * period))
    return float(sure * fraction + (1 - sure) * ALONE * known * alone)


def in_phase(ground: Array, other: Array, side: int) -> tuple[float, float]:
    """-1 to 1, fraction of the square of a pattern (h, w) in phase with another; and 0 to 1, its certainty.

    Blocks of a side in pixels vote, so that neither grains nor a bright fault decide alone.
    """
    whole = tuple(slice(n // side * side) for n in ground.shape)
    triple, squares, others = (
        block_reduce(part[whole], (side, side), np.mean).ravel() for part in (ground**2 * other, ground**2, other**2)
    )
    if triple.size < FEWEST_BLOCKS or triple.std() == 0:
        return 0.0, 0.0
    fraction = float(np.median(triple / np.maximum(squares * np.sqrt(others), 1e-30)))
    most = np.quantile(np.abs(triple), 0.95)
    triple = np.clip(triple, -most, most)
    errors = abs(triple.mean()) / max(triple.std() / np.sqrt(triple.size), 1e-30)
    return float(np.clip(fraction, -1, 1)), float(np.clip((errors - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1))


def support(yx: Array, sure: Mask) -> Array:
    """(N,) fraction, of the vectors that map certain columns onto each other, that lead from a column to any other.

    It is low off the lattice; with several grains, each contributes its own fraction of the vectors.
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


def explained_fraction(
    flat: Array, twice: Array, yx: Array, sigma: float, blur: float, block: int
) -> tuple[float, Array]:
    """Fraction of the variance of an image minus its blur that columns explain, by blocks, and (N,) their heights."""
    height = fitted(twice, yx, sigma, blur)
    model = np.zeros(flat.shape, np.float32)
    add_columns(model, Columns(yx, height, np.full(len(yx), sigma)), 4 * sigma)
    left = flat - (model - ndimage.gaussian_filter(model, blur))
    rim = min(int(RIM * sigma), min(flat.shape) // 4)  # reached by columns outside the image
    inner = (slice(rim, -rim or None),) * 2
    total, rest = (block_reduce(part[inner] ** 2, (block, block), np.sum).ravel() for part in (flat, left))
    weight = np.minimum(total, np.quantile(total, BUSY)) / np.maximum(total, 1e-30)
    return float(1 - (weight * rest).sum() / max((weight * total).sum(), 1e-30)), height


def fitted(twice: Array, yx: Array, sigma: float, blur: float) -> Array:
    """(N,) heights of columns, none below 0, fitted together; `twice` is the image with its blur subtracted twice."""
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


def refined(twice: Array, yx: Array, sigma: float, blur: float) -> Array:
    """Positions after one step towards the columns of the image, with their neighbours taken into account."""
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
    """(N, N) inner products of columns of height 1, each minus its blur."""
    n, pairs = len(yx), near(yx, sigma, blur)
    square = ((yx[pairs[:, 0]] - yx[pairs[:, 1]]) ** 2).sum(axis=1)
    shared = sparse.csr_array((product(square, sigma, blur), pairs.T), shape=(n, n))
    own = float(product(np.zeros(1), sigma, blur)[0]) * (1 + RIDGE)
    return sparse.csr_array(shared + shared.T + own * sparse.eye_array(n))


def near(yx: Array, sigma: float, blur: float) -> Index:
    """(P, 2) pairs of columns that overlap, including their blurs."""
    pairs: Index = cKDTree(yx).query_pairs(FAR * np.sqrt(2 * (sigma**2 + blur**2)), output_type="ndarray")
    return pairs


def product(squares: Array, sigma: float, blur: float, *, bent: bool = False) -> Array:
    """Inner product of two columns of height 1 minus their blurs, at squared distances.

    It is a sum of three Gaussians: of both columns, of one and the blur of the other, and of both blurs. With `bent`,
    minus twice its derivative with respect to the squared distance.
    """
    total = np.zeros_like(squares)
    for sign, variance in ((1, 2 * sigma**2), (-2, 2 * sigma**2 + blur**2), (1, 2 * (sigma**2 + blur**2))):
        scale = 2 * np.pi * sigma**4 / variance * (1 / variance if bent else 1)
        total += sign * scale * np.exp(-squares / (2 * variance))
    return total


def sampled(field: Array, yx: Array) -> Array:
    """(N,) values of a field (h, w) at positions (N, 2)."""
    return np.asarray(ndimage.map_coordinates(field, yx.T, order=1, mode="nearest"), float)
