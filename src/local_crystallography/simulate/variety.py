"""Pictures in which everything varies, to train the network that finds atoms; lengths in pixels."""

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
"""What a picture is of: columns over a background of any kind; a little contrast on a high pedestal, as of graphene;
single atoms on an amorphous support; a surface with terraces, tilt and a tip; contrast with halos and fringes."""
SHARES = (0.44, 0.13, 0.15, 0.11, 0.17)
"""How often each comes."""
SIGMAS = (1.75, 3.5)
"""Range of the standard deviation of a column: about what an image is scaled to, whose scale is only known roughly."""
WEAKEST = 0.06
"""Share of the strongest site of the picture from which a column counts as an atom."""
INVISIBLE = 0.045
"""Share below which it does not; between the two the picture leaves it open."""
CLOSEST, PAIR = 2.2, 1.85
"""Least distance of two columns that count, in standard deviations: nearer ones have one top between them; and that of
the two of a dumbbell, which are told by the shape of what they make together."""
REACH = 4.0
"""Standard deviations after which a column ends."""
SIGNAL_TO_NOISE, FAINT, OFTEN = (2.5, 400.0), 10.0, 0.45
"""Range of that of the strongest columns, as a filter of their own shape sees them; and how often it is kept under the
second, where it is hardest to tell columns from noise."""


@dataclass(frozen=True)
class Picture:
    """A picture without noise.

    Parameters
    ----------
    expected
        (side, side) intensity; 1 is the peak of the strongest site where the specimen is thickest.
    yx
        (N, 2) positions of all columns, also the weak ones.
    share
        (N,) strength of the site of each, over that of the strongest site of the picture.
    height
        (N,) peak of each above the background.
    sigma
        Standard deviation of a usual column.
    pedestal
        Usual intensity between columns.
    seen
        (N,) whether a column makes a top of its own, or a dumbbell with one as strong; others cannot be told from what
        is between their neighbours.
    covered
        (side, side) pixels that show no specimen: bars, text, padding.
    kind
        What it is of.
    """

    expected: npt.NDArray[np.float32]
    yx: Array
    share: Array
    height: Array
    sigma: float
    pedestal: float
    seen: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]
    kind: Kind


@dataclass(frozen=True)
class Motif:
    """A lattice: cell vectors (2, 2) as rows, fractional places (S, 2) of its sites, strengths (S,), 1 the highest.

    `dumbbells` says that its closest sites are pairs.
    """

    cell: Array
    places: Array
    strength: Array
    dumbbells: bool = False


def picture(seed: int, *, side: int = 192, kind: Kind | None = None) -> Picture:
    """A picture of one to three territories: crystals, single atoms, vacuum, amorphous material; any kind if None."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn: Kind = rng.choice(get_args(Kind), p=SHARES)
    kind = kind or drawn
    sigma = log_uniform(rng, *SIGMAS)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    soft = territories(rng, side, count, sigma)
    contents = [*first_of(rng, kind), *rng.choice(["crystal", "vacuum", "amorphous"], count - 1, p=[0.42, 0.33, 0.25])]
    parent = motif(rng, sigma, kind)
    parts, shares = [np.empty((0, 2))], [np.empty(0)]
    for index, content in enumerate(contents):
        brightness = 1.0 if index == 0 else rng.uniform(0.3, 1)
        if content == "crystal":
            own = parent if index == 0 or rng.random() < 0.5 else motif(rng, sigma, kind)
            positions, site = lattice(rng, own, side, sigma)
            strength = own.strength[site]
        elif content == "single":
            positions, strength = strewn(rng, side, sigma)
        else:
            continue
        inside = owner(soft, positions) == index
        parts.append(positions[inside])
        shares.append(brightness * strength[inside])
    yx, share = apart(np.concatenate(parts), np.concatenate(shares), sigma)
    thickness = np.exp(rng.uniform(0, 0.5) * smooth_field(rng, side))
    thickness /= thickness.max()
    local = thickness[tuple(np.clip(np.rint(yx).astype(int), 0, side - 1).T)]
    height = share * local * rng.lognormal(0, rng.uniform(0, 0.12), len(share))
    image = columns(rng, yx, height, sigma, side)
    seen = makes_a_top(image, yx, height, sigma)
    if kind == "phase contrast":
        image = ringed(rng, image, sigma) + fringes(rng, soft, contents, sigma)
    ground = background(rng, soft, contents, thickness, sigma, kind)
    if kind == "tunnelling":
        ground = ground + relief(rng, side, sigma)
    image = scanned(rng, image + ground, sigma, kind)
    return Picture(
        image.astype(np.float32), yx, share, height, sigma, float(np.median(ground)), seen, covers(rng, side), kind
    )


def makes_a_top(image: Array, yx: Array, height: Array, sigma: float) -> npt.NDArray[np.bool_]:
    """(N,) whether columns are near a top of an image that shows nothing else, or nearly as strong as one close by."""
    tops = np.argwhere((image == ndimage.maximum_filter(image, 3)) & (image > 0))
    if not len(tops) or not len(yx):
        return np.zeros(len(yx), bool)
    distance = cKDTree(tops).query(yx)[0]
    near = distance <= max(0.6 * sigma, 1.0)
    pairs = cKDTree(yx).query_pairs(1.2 * CLOSEST * sigma, output_type="ndarray")
    ratio = height[pairs[:, 0]] / np.maximum(height[pairs[:, 1]], 1e-9)
    close = np.bincount(pairs.ravel(), minlength=len(yx)) == 1  # a dumbbell, not what lies between many
    alike = pairs[(ratio > 0.6) & (ratio < 1 / 0.6) & close[pairs].all(axis=1)]
    near[alike.ravel()] = True
    return np.asarray(near, np.bool_)


def first_of(rng: np.random.Generator, kind: Kind) -> list[str]:
    """What the first territory of a picture holds."""
    if kind == "single atoms":
        return ["single"]
    return ["crystal" if rng.random() < 0.97 else "amorphous"]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is spread evenly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def smooth_field(rng: np.random.Generator, side: int) -> Array:
    """(side, side) of mean 0 and standard deviation about 1, over some fraction of the picture."""
    knots = int(rng.integers(2, 6))
    field = ndimage.zoom(rng.normal(size=(knots + 2, knots + 2)), side / knots, order=3, grid_mode=True, mode="nearest")
    edge = (field.shape[0] - side) // 2
    return np.asarray(field[edge : edge + side, edge : edge + side])


def territories(rng: np.random.Generator, side: int, count: int, sigma: float) -> Array:
    """(count, side, side) share of every pixel that belongs to each; borders are straight or bent, sharp or soft."""
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
    """(N,) the territory each place lies in."""
    inside = np.clip(np.rint(yx).astype(int), 0, soft.shape[1] - 1)
    return np.asarray(soft[:, inside[:, 0], inside[:, 1]].argmax(axis=0))


def motif(rng: np.random.Generator, sigma: float, kind: Kind) -> Motif:
    """A crystal of the package or one that was made up, scaled to some distance of neighbours."""
    closest = sigma * log_uniform(rng, CLOSEST, 9.0)
    if kind == "pedestal" and rng.random() < 0.6:
        closest = sigma * log_uniform(rng, CLOSEST, 4.5)
        made = Motif(HEXAGONAL, HONEYCOMB, np.array([1.0, 1.0 if rng.random() < 0.6 else rng.uniform(0.2, 1)]))
    elif rng.random() < 0.35:
        crystal = projection(rng.choice(list(CRYSTALS)), 1.7)
        strength = crystal.strength / crystal.strength.max()
        # weak columns are there or not, so that they are looked for and not inferred from the others
        there = (strength > 0.3) | (rng.random() < 0.35)
        made = Motif(crystal.cell, crystal.places[there], strength[there])
    else:
        made = made_up(rng)
    if made.dumbbells:
        closest = sigma * log_uniform(rng, PAIR, 4.0)
    return Motif(made.cell * closest / nearest(made), made.places, made.strength)


HEXAGONAL = np.array([[0, 1.0], [-np.sin(np.pi / 3), np.cos(np.pi / 3)]])
HONEYCOMB = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])


def made_up(rng: np.random.Generator) -> Motif:
    """A cell of any shape with one to six sites, not too near each other."""
    pairs = False
    ratio, angle = {
        0: (1.0, np.pi / 2),
        1: (1.0, np.pi / 3),
        2: (rng.uniform(1, 3.5), np.pi / 2),
        3: (rng.uniform(1, 2), rng.uniform(np.pi / 3, 2 * np.pi / 3)),
    }[int(rng.integers(4))]
    cell = np.array([[0, 1.0], [-ratio * np.sin(angle), ratio * np.cos(angle)]])
    if ratio == 1 and angle < 1.5 and rng.random() < 0.5:
        places = HONEYCOMB
    elif rng.random() < 0.4:
        pair = rng.uniform(0.12, 0.3) * rng.permutation([1.0, rng.uniform(0, 0.3)]) / np.array([1, ratio])
        places, pairs = np.array([[0, 0], pair, [0.5, 0.5], [0.5, 0.5] + pair]), True
    else:
        places = scattered(rng, cell, int(rng.choice([1, 2, 3, 4, 6], p=[0.25, 0.3, 0.2, 0.15, 0.1])))
    strength = np.where(rng.random(len(places)) < 0.5, 1.0, np.exp(rng.uniform(np.log(0.03), 0, len(places))))
    strength[0] = 1.0
    if pairs and rng.random() < 0.7:
        strength = np.repeat([1.0, rng.uniform(0.5, 1)], 2) if rng.random() < 0.3 else np.ones(4)
    return Motif(cell, places, strength, pairs)


def scattered(rng: np.random.Generator, cell: Array, count: int) -> Array:
    """(count or fewer, 2) fractional places, random or on halves and thirds, apart by a share of what there is room."""
    least = 0.55 * np.sqrt(abs(np.linalg.det(cell)) / count)
    places = [np.zeros(2)]
    for _ in range(60):
        new = rng.random(2) if rng.random() < 0.5 else rng.choice([0, 1 / 3, 1 / 2, 2 / 3], 2)
        trial = Motif(cell, np.array([*places, new]), np.ones(len(places) + 1))
        if len(places) < count and nearest(trial) > least:
            places.append(new)
    return np.array(places)


def nearest(made: Motif) -> float:
    """Shortest distance of sites that count, also to their copies."""
    places = made.places[made.strength >= INVISIBLE]
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm((places[:, None, None] - places[None, :, None] + steps) @ made.cell, axis=-1)
    np.fill_diagonal(distance[:, :, 4], np.inf)  # a site and itself
    return float(distance.min())


def lattice(rng: np.random.Generator, made: Motif, side: int, sigma: float) -> tuple[Array, npt.NDArray[np.int64]]:
    """Places (N, 2) in the picture and around it, and the site (N,) of each: turned, strained, waved and shaken."""
    angle, closest = rng.uniform(-np.pi, np.pi), nearest(made)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    cell = made.cell @ turn @ (np.eye(2) + rng.normal(0, 0.02, (2, 2)))
    reach = int(np.ceil(0.8 * side / np.sqrt(np.linalg.eigvalsh(cell @ cell.T)[0]))) + 1
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), -1).reshape(-1, 1, 2)
    places = ((steps + made.places + rng.random(2)) @ cell + side / 2).reshape(-1, 2)
    site = np.tile(np.arange(len(made.places)), len(steps))
    keep = ((places > -REACH * sigma) & (places < side + REACH * sigma)).all(axis=1)
    keep &= rng.random(len(keep)) > (rng.uniform(0, 0.06) if rng.random() < 0.4 else 0)
    places, site = places[keep], site[keep]
    wave = np.sin(places @ rng.normal(0, 4 / side, 2) + rng.uniform(0, 6))
    moved = np.outer(wave, rng.normal(0, 0.05, 2)) + rng.normal(0, rng.uniform(0, 0.05), places.shape)
    return places + closest * moved, site


def strewn(rng: np.random.Generator, side: int, sigma: float) -> tuple[Array, Array]:
    """Positions (N, 2) and strengths (N,) of atoms that lie anywhere, none upon another."""
    spacing = sigma * log_uniform(rng, 4, 16)
    trials = rng.uniform(-REACH * sigma, side + REACH * sigma, (int((side / spacing + 2) ** 2), 2))
    strength = rng.uniform(rng.uniform(0.5, 1), 1, len(trials))
    near = cKDTree(trials).query_pairs(rng.uniform(1, 1.4) * CLOSEST * sigma, output_type="ndarray")
    keep = np.ones(len(trials), bool)
    keep[near.max(axis=1)] = False
    return trials[keep], strength[keep]


def apart(yx: Array, share: Array, sigma: float) -> tuple[Array, Array]:
    """Without the weaker of two columns that no eye could tell apart, where territories meet."""
    pairs = cKDTree(yx).query_pairs(0.85 * PAIR * sigma, output_type="ndarray")
    keep = np.ones(len(yx), bool)
    keep[np.where(share[pairs[:, 0]] < share[pairs[:, 1]], pairs[:, 0], pairs[:, 1])] = False
    return yx[keep], share[keep]


def columns(rng: np.random.Generator, yx: Array, height: Array, sigma: float, side: int) -> Array:
    """(side, side) sum of Gaussians, drawn out a little and with the tails of a probe."""
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
    """(side, side) between the columns: a level by territory, slopes, and the speckle of amorphous material."""
    side = soft.shape[1]
    level = log_uniform(rng, 2, 12) if kind == "pedestal" else log_uniform(rng, 0.01, 2)
    total = np.zeros((side, side))
    for share, content in zip(soft, contents, strict=True):
        if content == "vacuum":
            total += share * level * rng.uniform(0, 0.3)
            continue
        even = 1 + (thickness - 1) * (0.1 if kind == "pedestal" else 1)
        total += share * even * level * (rng.uniform(0.5, 2) if content == "amorphous" else 1)
        if content in ("amorphous", "single") or rng.random() < 0.3:
            grain = ndimage.gaussian_filter(rng.normal(size=(side, side)), rng.uniform(0.5, 1.8) * sigma)
            strength = log_uniform(rng, 0.03, 0.4) if content == "amorphous" else log_uniform(rng, 0.01, 0.12)
            total += share * strength * np.abs(grain / grain.std() + 1)
    total += rng.uniform(0, 0.3) * level * (rng.random() < 0.5) * smooth_field(rng, side)
    if rng.random() < 0.15:
        total += dirt(rng, side, sigma)
    return np.maximum(total, 0)


def dirt(rng: np.random.Generator, side: int, sigma: float) -> Array:
    """(side, side) a few round lumps and holes, much wider than columns."""
    total = np.zeros((side, side))
    y, x = np.mgrid[:side, :side]
    for _ in range(int(rng.integers(1, 5))):
        width, (cy, cx) = sigma * log_uniform(rng, 2.5, 12), rng.uniform(0, side, 2)
        flat = np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2)) ** rng.uniform(1, 3)))
        total += rng.uniform(-0.6, 2) * flat
    return total


def relief(rng: np.random.Generator, side: int, sigma: float) -> Array:
    """(side, side) tilt and terraces of a surface, up to many times as high as its atoms."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    total = log_uniform(rng, 0.3, 20) * (y * rng.normal() + x * rng.normal())
    for _ in range(int(rng.integers(0, 4))):
        along = y * np.cos(angle := rng.uniform(0, 2 * np.pi)) + x * np.sin(angle) + rng.uniform(-0.4, 0.4)
        along = along + rng.uniform(0, 0.1) * smooth_field(rng, side)
        total += log_uniform(rng, 0.5, 12) * expit(along * side / (sigma * log_uniform(rng, 0.1, 1)))
    return np.asarray(total - total.min())


def ringed(rng: np.random.Generator, image: Array, sigma: float) -> Array:
    """Columns with the halo of the other sign that phase contrast and sharpened images give them."""
    wider = ndimage.gaussian_filter(image, sigma * rng.uniform(1.0, 2.5))
    ringed = image - rng.uniform(0.2, 1.0) * wider
    return np.asarray(ringed / max(ringed.max(), 1e-6) * max(image.max(), 1e-6))


def fringes(rng: np.random.Generator, soft: Array, contents: list[str], sigma: float) -> Array:
    """(side, side) lines where no columns are seen: fringes of a tilted crystal, of the scan, of a step."""
    side = soft.shape[1]
    y, x = np.mgrid[:side, :side]
    total = np.zeros((side, side))
    for share, content in zip(soft, contents, strict=True):
        if content in ("vacuum", "amorphous") and rng.random() < 0.4:
            angle, period = rng.uniform(0, np.pi), sigma * log_uniform(rng, 3, 12)
            wave = np.cos(2 * np.pi * (y * np.sin(angle) + x * np.cos(angle)) / period + rng.uniform(0, 6))
            total += share * rng.uniform(0.05, 0.4) * wave
    return total


def scanned(rng: np.random.Generator, image: Array, sigma: float, kind: Kind) -> Array:
    """The picture with jittering rows, in no exact proportion to the specimen, doubled by a bad tip."""
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
    """(side, side) what hides the specimen, if anything: a scale bar with its text, a data bar or padding."""
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


def noisy(rng: np.random.Generator, made: Picture) -> npt.NDArray[np.float32]:
    """The picture as a detector gives it: with noise, perhaps shared by neighbouring pixels, cut off, disturbed.

    NaN on what is covered where that is known, as a mask of the image gives it; else one value.
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
    """The image with the cosines of each 8 x 8 block rounded, as JPEG does; rounding steps over its contrast."""
    h, w = (8 * (n // 8) for n in image.shape)
    blocks = image[:h, :w].reshape(h // 8, 8, w // 8, 8)
    step = coarseness * image.std() * (1 + np.add.outer(np.arange(8), np.arange(8)) / 4)[:, None, :]
    cosines = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    out = image.copy()
    out[:h, :w] = fft.idctn(np.round(cosines / step) * step, axes=(1, 3), norm="ortho").reshape(h, w)
    return out
