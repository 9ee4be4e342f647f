"""Highly varied images for training the network that finds atoms; lengths are in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from scipy.spatial import cKDTree
from scipy.special import expit

from local_crystallography.simulate.structures import CRYSTALS, projection

Array = npt.NDArray[np.float64]

Kind = Literal["crystal", "pedestal", "single atoms", "tunnelling", "phase contrast"]
"""Kinds of images: columns over any background; weak contrast on a high pedestal, as of graphene; single atoms on an
amorphous support; a surface with terraces, tilt and a tip; contrast with halos and fringes."""
FREQUENCIES = (0.44, 0.13, 0.15, 0.11, 0.17)
"""Probability of each kind."""
SIGMAS = (1.75, 3.5)
"""Range of the standard deviation of a column, around the one to which images of uncertain scale are rescaled."""
WEAKEST = 0.06
"""Strength, relative to the strongest site of the image, above which a column counts as an atom."""
INVISIBLE = 0.045
"""Relative strength below which it does not; in between, the target is undefined."""
CLOSEST, PAIR = 2.2, 1.85
"""Smallest distance of two columns that count, in standard deviations, as closer ones have a common maximum; and that
in a dumbbell, which is recognised by its elongated shape."""
REACH = 4.0
"""Standard deviations at which a column is cut off."""
SIGNAL_TO_NOISE, FAINT, OFTEN = (2.5, 400.0), 10.0, 0.45
"""Range of the signal-to-noise ratio of the strongest columns after a matched filter; and how often it is limited to
the second value, where columns are hardest to distinguish from noise."""


@dataclass(frozen=True)
class TrainingImage:
    """A simulated image without noise.

    Parameters
    ----------
    expected
        (side, side) intensity; 1 is the peak of the strongest site where the specimen is thickest.
    yx
        (N, 2) positions of all columns, including weak ones.
    strength
        (N,) strength of the site of each column, relative to the strongest site of the image.
    height
        (N,) peak of each column above the background.
    sigma
        Standard deviation of a typical column.
    pedestal
        Typical intensity between columns.
    resolved
        (N,) whether a column has a maximum of its own, or forms a dumbbell with one of similar strength; others cannot
        be distinguished from the gap between their neighbours.
    covered
        (side, side) pixels that show no specimen: bars, text, padding.
    kind
        Kind of image.
    """

    expected: npt.NDArray[np.float32]
    yx: Array
    strength: Array
    height: Array
    sigma: float
    pedestal: float
    resolved: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]
    kind: Kind


@dataclass(frozen=True)
class Motif:
    """Lattice: cell vectors (2, 2) as rows, fractional positions (S, 2) of its sites, strengths (S,) of at most 1.

    `dumbbells` marks lattices whose closest sites form pairs.
    """

    cell: Array
    positions: Array
    strength: Array
    dumbbells: bool = False


def training_image(seed: int, *, side: int = 192, kind: Kind | None = None) -> TrainingImage:
    """Image of one to three areas of crystal, single atoms, vacuum or amorphous material; of a random kind if None."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: Kind = rng.choice(get_args(Kind), p=FREQUENCIES)
    kind = kind or drawn
    sigma = log_uniform(rng, *SIGMAS)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    soft = areas(rng, side, count, sigma)
    contents = [*first_of(rng, kind), *rng.choice(["crystal", "vacuum", "amorphous"], count - 1, p=[0.42, 0.33, 0.25])]
    parent = motif(rng, sigma, kind)
    parts, strengths = [np.empty((0, 2))], [np.empty(0)]
    for index, content in enumerate(contents):
        brightness = 1.0 if index == 0 else rng.uniform(0.3, 1)
        if content == "crystal":
            own = parent if index == 0 or rng.random() < 0.5 else motif(rng, sigma, kind)
            positions, site = lattice(rng, own, side, sigma)
            strength = own.strength[site]
        elif content == "single":
            positions, strength = scattered_atoms(rng, side, sigma)
        else:
            continue
        inside = owner(soft, positions) == index
        parts.append(positions[inside])
        strengths.append(brightness * strength[inside])
    yx, strength = without_overlaps(np.concatenate(parts), np.concatenate(strengths), sigma)
    thickness = np.exp(rng.uniform(0, 0.5) * smooth_field(rng, side))
    thickness /= thickness.max()
    local = thickness[tuple(np.clip(np.rint(yx).astype(int), 0, side - 1).T)]
    height = strength * local * rng.lognormal(0, rng.uniform(0, 0.12), len(strength))
    image = columns(rng, yx, height, sigma, side)
    resolved = resolved_columns(image, yx, height, sigma)
    if kind == "phase contrast":
        image = ringed(rng, image, sigma) + fringes(rng, soft, contents, sigma)
    ground = background(rng, soft, contents, thickness, sigma, kind)
    if kind == "tunnelling":
        ground = ground + relief(rng, side, sigma)
    image = scanned(rng, image + ground, sigma, kind)
    return TrainingImage(
        image.astype(np.float32),
        yx,
        strength,
        height,
        sigma,
        float(np.median(ground)),
        resolved,
        covers(rng, side),
        kind,
    )


def resolved_columns(image: Array, yx: Array, height: Array, sigma: float) -> npt.NDArray[np.bool_]:
    """(N,) whether columns are at a maximum of an image of columns only, or similar in strength to a close partner."""
    tops = np.argwhere((image == ndimage.maximum_filter(image, 3)) & (image > 0))
    if not len(tops) or not len(yx):
        return np.zeros(len(yx), bool)
    distance = cKDTree(tops).query(yx)[0]
    near = distance <= max(0.6 * sigma, 1.0)
    pairs = cKDTree(yx).query_pairs(1.2 * CLOSEST * sigma, output_type="ndarray")
    ratio = height[pairs[:, 0]] / np.maximum(height[pairs[:, 1]], 1e-9)
    close = np.bincount(pairs.ravel(), minlength=len(yx)) == 1  # a dumbbell, not a gap between several
    alike = pairs[(ratio > 0.6) & (ratio < 1 / 0.6) & close[pairs].all(axis=1)]
    near[alike.ravel()] = True
    return np.asarray(near, np.bool_)


def first_of(rng: np.random.Generator, kind: Kind) -> list[str]:
    """Content of the first area of an image."""
    if kind == "single atoms":
        return ["single"]
    return ["crystal" if rng.random() < 0.97 else "amorphous"]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Random number with a uniformly distributed logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_field(rng: np.random.Generator, side: int) -> Array:
    """(side, side) smooth random field with mean 0 and standard deviation about 1."""
    knots = int(rng.integers(2, 6))
    field = ndimage.zoom(rng.normal(size=(knots + 2, knots + 2)), side / knots, order=3, grid_mode=True, mode="nearest")
    edge = (field.shape[0] - side) // 2
    return np.asarray(field[edge : edge + side, edge : edge + side])


def areas(rng: np.random.Generator, side: int, count: int, sigma: float) -> Array:
    """(count, side, side) fraction of every pixel in each area; borders are straight or bent, sharp or soft."""
    centres = rng.uniform(0, side, (count, 2))
    y, x = np.mgrid[:side, :side].astype(float)
    if rng.random() < 0.5:
        bend = rng.uniform(0, 0.15) * side
        y, x = y + bend * smooth_field(rng, side), x + bend * smooth_field(rng, side)
    distance = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
    hard = (distance == distance.min(axis=0)).astype(float)
    blur = log_uniform(rng, 0.3, 4) * sigma
    return np.stack([ndimage.gaussian_filter(part, blur, mode="nearest") for part in hard])


def owner(soft: Array, yx: Array) -> npt.NDArray[np.int64]:
    """(N,) number of the area that contains each position."""
    inside = np.clip(np.rint(yx).astype(int), 0, soft.shape[1] - 1)
    return np.asarray(soft[:, inside[:, 0], inside[:, 1]].argmax(axis=0))


def motif(rng: np.random.Generator, sigma: float, kind: Kind) -> Motif:
    """Lattice of a known crystal or a random one, scaled to a random nearest-neighbour distance."""
    closest = sigma * log_uniform(rng, CLOSEST, 9.0)
    if kind == "pedestal" and rng.random() < 0.6:
        closest = sigma * log_uniform(rng, CLOSEST, 4.5)
        made = Motif(HEXAGONAL, HONEYCOMB, np.array([1.0, 1.0 if rng.random() < 0.6 else rng.uniform(0.2, 1)]))
    elif rng.random() < 0.35:
        crystal = projection(rng.choice(list(CRYSTALS)), 1.7)
        strength = crystal.strength / crystal.strength.max()
        # Weak columns are sometimes absent, so that the network has to see them rather than infer them.
        there = (strength > 0.3) | (rng.random() < 0.35)
        made = Motif(crystal.cell, crystal.positions[there], strength[there])
    else:
        made = random_motif(rng)
    if made.dumbbells:
        closest = sigma * log_uniform(rng, PAIR, 4.0)
    return Motif(made.cell * closest / nearest(made), made.positions, made.strength)


HEXAGONAL = np.array([[0, 1.0], [-np.sin(np.pi / 3), np.cos(np.pi / 3)]])
HONEYCOMB = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])


def random_motif(rng: np.random.Generator) -> Motif:
    """Random cell with one to six sites, not too close to each other."""
    pairs = False
    ratio, angle = {
        0: (1.0, np.pi / 2),
        1: (1.0, np.pi / 3),
        2: (rng.uniform(1, 3.5), np.pi / 2),
        3: (rng.uniform(1, 2), rng.uniform(np.pi / 3, 2 * np.pi / 3)),
    }[int(rng.integers(4))]
    cell = np.array([[0, 1.0], [-ratio * np.sin(angle), ratio * np.cos(angle)]])
    if ratio == 1 and angle < 1.5 and rng.random() < 0.5:
        positions = HONEYCOMB
    elif rng.random() < 0.4:
        pair = rng.uniform(0.12, 0.3) * rng.permutation([1.0, rng.uniform(0, 0.3)]) / np.array([1, ratio])
        positions, pairs = np.array([[0, 0], pair, [0.5, 0.5], [0.5, 0.5] + pair]), True
    else:
        positions = scattered(rng, cell, int(rng.choice([1, 2, 3, 4, 6], p=[0.25, 0.3, 0.2, 0.15, 0.1])))
    strength = np.where(rng.random(len(positions)) < 0.5, 1.0, np.exp(rng.uniform(np.log(0.03), 0, len(positions))))
    strength[0] = 1.0
    if pairs and rng.random() < 0.7:
        strength = np.repeat([1.0, rng.uniform(0.5, 1)], 2) if rng.random() < 0.3 else np.ones(4)
    return Motif(cell, positions, strength, pairs)


def scattered(rng: np.random.Generator, cell: Array, count: int) -> Array:
    """(count or fewer, 2) fractional positions, random or on halves and thirds, with a minimum distance."""
    least = 0.55 * np.sqrt(abs(np.linalg.det(cell)) / count)
    positions = [np.zeros(2)]
    for _ in range(60):
        new = rng.random(2) if rng.random() < 0.5 else rng.choice([0, 1 / 3, 1 / 2, 2 / 3], 2)
        trial = Motif(cell, np.array([*positions, new]), np.ones(len(positions) + 1))
        if len(positions) < count and nearest(trial) > least:
            positions.append(new)
    return np.array(positions)


def nearest(made: Motif) -> float:
    """Shortest distance between sites that count, including their periodic images."""
    positions = made.positions[made.strength >= INVISIBLE]
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm((positions[:, None, None] - positions[None, :, None] + steps) @ made.cell, axis=-1)
    np.fill_diagonal(distance[:, :, 4], np.inf)  # a site and itself
    return float(distance.min())


def lattice(rng: np.random.Generator, made: Motif, side: int, sigma: float) -> tuple[Array, npt.NDArray[np.int64]]:
    """Positions (N, 2) in and around the image, and sites (N,), of a rotated, strained lattice with displacements."""
    angle, closest = rng.uniform(-np.pi, np.pi), nearest(made)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    cell = made.cell @ rotation @ (np.eye(2) + rng.normal(0, 0.02, (2, 2)))
    reach = int(np.ceil(0.8 * side / np.sqrt(np.linalg.eigvalsh(cell @ cell.T)[0]))) + 1
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), -1).reshape(-1, 1, 2)
    positions = ((steps + made.positions + rng.random(2)) @ cell + side / 2).reshape(-1, 2)
    site = np.tile(np.arange(len(made.positions)), len(steps))
    keep = ((positions > -REACH * sigma) & (positions < side + REACH * sigma)).all(axis=1)
    keep &= rng.random(len(keep)) > (rng.uniform(0, 0.06) if rng.random() < 0.4 else 0)
    positions, site = positions[keep], site[keep]
    wave = np.sin(positions @ rng.normal(0, 4 / side, 2) + rng.uniform(0, 6))
    moved = np.outer(wave, rng.normal(0, 0.05, 2)) + rng.normal(0, rng.uniform(0, 0.05), positions.shape)
    return positions + closest * moved, site


def scattered_atoms(rng: np.random.Generator, side: int, sigma: float) -> tuple[Array, Array]:
    """Positions (N, 2) and strengths (N,) of randomly scattered atoms that do not overlap."""
    spacing = sigma * log_uniform(rng, 4, 16)
    trials = rng.uniform(-REACH * sigma, side + REACH * sigma, (int((side / spacing + 2) ** 2), 2))
    strength = rng.uniform(rng.uniform(0.5, 1), 1, len(trials))
    near = cKDTree(trials).query_pairs(rng.uniform(1, 1.4) * CLOSEST * sigma, output_type="ndarray")
    keep = np.ones(len(trials), bool)
    keep[near.max(axis=1)] = False
    return trials[keep], strength[keep]


def without_overlaps(yx: Array, strength: Array, sigma: float) -> tuple[Array, Array]:
    """Columns without the weaker one of unresolvable pairs, which occur where areas meet."""
    pairs = cKDTree(yx).query_pairs(0.85 * PAIR * sigma, output_type="ndarray")
    keep = np.ones(len(yx), bool)
    keep[np.where(strength[pairs[:, 0]] < strength[pairs[:, 1]], pairs[:, 0], pairs[:, 1])] = False
    return yx[keep], strength[keep]


def columns(rng: np.random.Generator, yx: Array, height: Array, sigma: float, side: int) -> Array:
    """(side, side) sum of Gaussians, slightly elongated and with the tails of a probe."""
    tail = rng.uniform(0, 0.2) if rng.random() < 0.5 else 0.0
    wide = rng.uniform(1.8, 3)
    angle, stretch = rng.uniform(0, np.pi), 1 + rng.uniform(0, 0.4) * (rng.random() < 0.5)
    width = sigma * rng.lognormal(0, rng.uniform(0, 0.06), len(yx))
    radius = int(np.ceil(REACH * sigma * (1.6 if tail else 1.1)))
    offsets = np.arange(-radius, radius + 1)
    rows, cols = (np.rint(yx).astype(int)[:, axis, None] + offsets for axis in (0, 1))
    dy, dx = (rows - yx[:, :1])[:, :, None], (cols - yx[:, 1:])[:, None, :]
    along, across = dx * np.cos(angle) - dy * np.sin(angle), dx * np.sin(angle) + dy * np.cos(angle)
    square = ((along / stretch) ** 2 + across**2) / width[:, None, None] ** 2
    stamps = height[:, None, None] * ((1 - tail) * np.exp(-square / 2) + tail * np.exp(-square / (2 * wide**2)))
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((cols >= 0) & (cols < side))[:, None, :]
    pixels = rows[:, :, None] * side + cols[:, None, :]
    total = np.bincount(pixels[inside], stamps[inside], minlength=side * side)
    return np.asarray(total.reshape(side, side), float)


def background(
    rng: np.random.Generator, soft: Array, contents: list[str], thickness: Array, sigma: float, kind: Kind
) -> Array:
    """(side, side) background: a level for each area, slopes, and the speckle of amorphous material."""
    side = soft.shape[1]
    level = log_uniform(rng, 2, 12) if kind == "pedestal" else log_uniform(rng, 0.01, 2)
    total = np.zeros((side, side))
    for fraction, content in zip(soft, contents, strict=True):
        if content == "vacuum":
            total += fraction * level * rng.uniform(0, 0.3)
            continue
        even = 1 + (thickness - 1) * (0.1 if kind == "pedestal" else 1)
        total += fraction * even * level * (rng.uniform(0.5, 2) if content == "amorphous" else 1)
        if content in ("amorphous", "single") or rng.random() < 0.3:
            grain = ndimage.gaussian_filter(rng.normal(size=(side, side)), rng.uniform(0.5, 1.8) * sigma)
            strength = log_uniform(rng, 0.03, 0.4) if content == "amorphous" else log_uniform(rng, 0.01, 0.12)
            total += fraction * strength * np.abs(grain / grain.std() + 1)
    total += rng.uniform(0, 0.3) * level * (rng.random() < 0.5) * smooth_field(rng, side)
    if rng.random() < 0.15:
        total += dirt(rng, side, sigma)
    return np.maximum(total, 0)


def dirt(rng: np.random.Generator, side: int, sigma: float) -> Array:
    """(side, side) a few round particles and holes, much wider than columns."""
    total = np.zeros((side, side))
    y, x = np.mgrid[:side, :side]
    for _ in range(int(rng.integers(1, 5))):
        width, (cy, cx) = sigma * log_uniform(rng, 2.5, 12), rng.uniform(0, side, 2)
        flat = np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2)) ** rng.uniform(1, 3)))
        total += rng.uniform(-0.6, 2) * flat
    return total


def relief(rng: np.random.Generator, side: int, sigma: float) -> Array:
    """(side, side) tilt and terraces of a surface, sometimes many times as high as its atoms."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    total = log_uniform(rng, 0.3, 20) * (y * rng.normal() + x * rng.normal())
    for _ in range(int(rng.integers(0, 4))):
        along = y * np.cos(angle := rng.uniform(0, 2 * np.pi)) + x * np.sin(angle) + rng.uniform(-0.4, 0.4)
        along = along + rng.uniform(0, 0.1) * smooth_field(rng, side)
        total += log_uniform(rng, 0.5, 12) * expit(along * side / (sigma * log_uniform(rng, 0.1, 1)))
    return np.asarray(total - total.min())


def ringed(rng: np.random.Generator, image: Array, sigma: float) -> Array:
    """Columns with the halo of opposite sign that occurs in phase contrast and sharpened images."""
    wider = ndimage.gaussian_filter(image, sigma * rng.uniform(1.0, 2.5))
    ringed = image - rng.uniform(0.2, 1.0) * wider
    return np.asarray(ringed / max(ringed.max(), 1e-6) * max(image.max(), 1e-6))


def fringes(rng: np.random.Generator, soft: Array, contents: list[str], sigma: float) -> Array:
    """(side, side) fringes in areas without columns, as of a tilted crystal, the scan or a step."""
    side = soft.shape[1]
    y, x = np.mgrid[:side, :side]
    total = np.zeros((side, side))
    for fraction, content in zip(soft, contents, strict=True):
        if content in ("vacuum", "amorphous") and rng.random() < 0.4:
            angle, period = rng.uniform(0, np.pi), sigma * log_uniform(rng, 3, 12)
            wave = np.cos(2 * np.pi * (y * np.sin(angle) + x * np.cos(angle)) / period + rng.uniform(0, 6))
            total += fraction * rng.uniform(0.05, 0.4) * wave
    return total


def scanned(rng: np.random.Generator, image: Array, sigma: float, kind: Kind) -> Array:
    """Image with jittering rows, a nonlinear response and the ghost of a double tip, each at random."""
    if rng.random() < 0.4:
        shift = rng.normal(0, rng.uniform(0, 0.35) * sigma, len(image))
        y, x = np.mgrid[: len(image), : len(image)].astype(float)
        image = ndimage.map_coordinates(image, [y, x - shift[:, None]], order=1, mode="nearest")
    if rng.random() < 0.1:
        low, high = image.min(), image.max()
        image = low + (high - low) * ((image - low) / max(high - low, 1e-9)) ** rng.uniform(0.6, 1.5)
    if kind == "tunnelling" and rng.random() < 0.3:
        image = image + rng.uniform(0.1, 0.3) * ndimage.shift(
            image, rng.normal(0, 2 * sigma, 2), order=1, mode="nearest"
        )
    return image


def covers(rng: np.random.Generator, side: int) -> npt.NDArray[np.bool_]:
    """(side, side) pixels that hide the specimen, if any: a scale bar with its text, a data bar or padding."""
    covered = np.zeros((side, side), bool)
    if rng.random() < 0.1:
        top, left = rng.integers(0, side - 20, 2)
        covered[top : top + rng.integers(3, 12), left : left + rng.integers(15, 90)] = True
        for _ in range(int(rng.integers(0, 12))):  # strokes of letters
            y, x = top + rng.integers(-20, 0), left + rng.integers(0, 60)
            tall, wide = rng.permutation([int(rng.integers(1, 4)), int(rng.integers(4, 14))])
            covered[max(y, 0) : max(y + tall, 0), x : x + wide] = True
    if rng.random() < 0.1:
        covered[: rng.integers(4, side // 3)] = True
        covered = np.rot90(covered, int(rng.integers(4)))
    return covered


def noisy(rng: np.random.Generator, made: TrainingImage) -> npt.NDArray[np.float32]:
    """Image as recorded by a detector: with noise, sometimes correlated, clipped or disturbed.

    Covered pixels are NaN, as under a mask, or have one value.
    """
    lowest, highest = SIGNAL_TO_NOISE
    snr, side = log_uniform(rng, lowest, FAINT if rng.random() < OFTEN else highest), len(made.expected)
    dose = snr**2 * (abs(made.pedestal) + 0.5) / (np.pi * made.sigma**2)
    bright = np.maximum(made.expected, 0) + (0.05 if made.kind == "phase contrast" else 0)
    ratio = 1.0 if rng.random() < 0.5 else log_uniform(rng, 0.4, max(made.sigma / 0.9, 1.0))
    image = made.expected + recorded(rng, bright, dose, ratio)
    if rng.random() < 0.2:
        image = image + rng.normal(0, log_uniform(rng, 0.005, 0.1), image.shape)
    if rng.random() < 0.25:
        image = ndimage.gaussian_filter(image, min(rng.uniform(0.3, 1.0), 1.0) * rng.choice([1.0, 0.7 * made.sigma]))
    if rng.random() < (0.5 if made.kind == "tunnelling" else 0.15):
        image = image + rng.normal(0, log_uniform(rng, 0.01, 0.15), (side, 1))
    if rng.random() < 0.15:  # streaks along the scan
        image = image + log_uniform(rng, 0.02, 0.2) * ndimage.gaussian_filter1d(
            rng.normal(size=image.shape), length := rng.uniform(1, 10), axis=1
        ) * np.sqrt(length * 3.5)
    if rng.random() < 0.06:
        image = ndimage.median_filter(image, 3)
    if rng.random() < 0.08:
        image = compressed(image, rng.uniform(0.05, 0.5))
    if rng.random() < 0.08:
        image = np.minimum(image, np.quantile(image, rng.uniform(0.75, 0.995)))
    if rng.random() < 0.08:
        image = np.maximum(image, np.quantile(image, rng.uniform(0.02, 0.4)))
    if rng.random() < 0.06:
        image = image.copy()
        image[tuple(rng.integers(0, side, (2, int(rng.integers(1, 6)))))] += log_uniform(rng, 3, 60)
    if made.covered.any():
        low, high = np.quantile(image, [0.001, 0.999])
        image = np.where(made.covered, rng.choice([np.nan, low, high], p=[0.5, 0.25, 0.25]), image)
    return np.asarray(image, np.float32)


def recorded(rng: np.random.Generator, bright: npt.NDArray[np.floating], dose: float, ratio: float) -> Array:
    """(side, side) shot noise at a dose per pixel, recorded in pixels `ratio` times as large and resampled."""
    if ratio <= 1:
        noise = (rng.poisson(bright * dose) - bright * dose) / dose
        return np.asarray(noise if ratio > 0.8 else ndimage.gaussian_filter(noise, 0.4 / ratio - 0.3))
    count = int(np.ceil(len(bright) / ratio)) + 2
    at = np.clip(((np.arange(count) - 0.5) * ratio).astype(int), 0, len(bright) - 1)
    coarse = bright[np.ix_(at, at)] * dose * ratio**2
    noise = (rng.poisson(coarse) - coarse) / (dose * ratio**2)
    fine = ndimage.zoom(noise, ratio, order=int(rng.choice([1, 3])), grid_mode=True, mode="nearest")
    top, left = rng.integers(0, len(fine) - len(bright) + 1, 2)
    return np.asarray(fine[top : top + len(bright), left : left + len(bright)])


def compressed(image: Array, coarseness: float) -> Array:
    """Image with rounded cosine coefficients of 8 x 8 blocks, as in JPEG; `coarseness` is relative to its contrast."""
    h, w = (8 * (n // 8) for n in image.shape)
    blocks = image[:h, :w].reshape(h // 8, 8, w // 8, 8)
    step = coarseness * image.std() * (1 + np.add.outer(np.arange(8), np.arange(8)) / 4)[:, None, :]
    cosines = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    out = image.copy()
    out[:h, :w] = fft.idctn(np.round(cosines / step) * step, axes=(1, 3), norm="ortho").reshape(h, w)
    return out
