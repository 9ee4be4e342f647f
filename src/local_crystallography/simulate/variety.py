"""Pictures in which everything varies, to train the network that finds atoms; lengths in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography.simulate.structures import CRYSTALS, projection

Array = npt.NDArray[np.float64]

SIGMA = 2.5
"""Standard deviation of a column to which an image is scaled before the network sees it, px."""
SIGMAS = (1.6, 4.0)
"""Range in which it lies in the pictures: the scale of an image is only known roughly."""
WEAKEST = 0.06
"""Share of the strongest site of the picture from which a column counts as an atom."""
INVISIBLE = 0.045
"""Share below which it does not; between the two the picture leaves it open."""
CLOSEST = 2.5
"""Least distance of two columns that count, in standard deviations."""
REACH = 4.0
"""Standard deviations after which a column ends."""


@dataclass(frozen=True)
class Picture:
    """A picture without shot noise.

    Parameters
    ----------
    expected
        (side, side) intensity; 1 is the peak of the strongest site where the specimen is thickest.
    yx
        (N, 2) places of all columns, also the weak ones.
    share
        (N,) strength of the site of each, over that of the strongest site of the picture.
    sigma
        Standard deviation of a usual column.
    """

    expected: npt.NDArray[np.float32]
    yx: Array
    share: Array
    sigma: float


@dataclass(frozen=True)
class Motif:
    """A lattice: cell vectors (2, 2) as rows, fractional places (S, 2) of its sites, strengths (S,), 1 the highest."""

    cell: Array
    places: Array
    strength: Array


def picture(seed: int, *, side: int = 192) -> Picture:
    """A picture of one to three territories: crystals of every kind, vacuum and amorphous stuff."""
    rng = np.random.Generator(np.random.PCG64(seed))
    sigma = log_uniform(rng, *SIGMAS)
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    soft = territories(rng, side, count, sigma)
    first = "crystal" if rng.random() < 0.97 else "amorphous"
    kinds = [first, *rng.choice(["crystal", "vacuum", "amorphous"], count - 1, p=[0.45, 0.4, 0.15])]
    parent = motif(rng, sigma)
    parts, shares = [np.empty((0, 2))], [np.empty(0)]
    for index, kind in enumerate(kinds):
        if kind == "crystal":
            own = parent if index == 0 or rng.random() < 0.5 else motif(rng, sigma)
            brightness = 1.0 if index == 0 else rng.uniform(0.3, 1)
            places, site = lattice(rng, own, side, sigma)
            inside = owner(soft, places) == index
            parts.append(places[inside])
            shares.append(brightness * own.strength[site[inside]])
    yx, share = apart(np.concatenate(parts), np.concatenate(shares), sigma)
    thickness = np.exp(rng.uniform(0, 0.5) * smooth_field(rng, side))
    thickness /= thickness.max()
    local = thickness[tuple(np.clip(np.rint(yx).astype(int), 0, side - 1).T)]
    height = share * local * rng.lognormal(0, rng.uniform(0, 0.12), len(share))
    image = columns(rng, yx, height, sigma, side) + background(rng, soft, kinds, thickness, sigma)
    return Picture(scanned(rng, image, sigma).astype(np.float32), yx, share, sigma)


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


def motif(rng: np.random.Generator, sigma: float) -> Motif:
    """A crystal of the package or one that was made up, scaled to some distance of neighbours."""
    closest = sigma * log_uniform(rng, CLOSEST, 9.0)
    if rng.random() < 0.35:
        crystal = projection(rng.choice(list(CRYSTALS)), 1.7)
        strength = crystal.strength / crystal.strength.max()
        # weak columns are there or not, so that they are looked for and not inferred from the others
        there = (strength > 0.3) | (rng.random() < 0.35)
        made = Motif(crystal.cell, crystal.places[there], strength[there])
    else:
        made = made_up(rng)
    return Motif(made.cell * closest / nearest(made), made.places, made.strength)


def made_up(rng: np.random.Generator) -> Motif:
    """A cell of any shape with one to six sites, not too near each other."""
    ratio, angle = {
        0: (1.0, np.pi / 2),
        1: (1.0, np.pi / 3),
        2: (rng.uniform(1, 3.5), np.pi / 2),
        3: (rng.uniform(1, 2), rng.uniform(np.pi / 3, 2 * np.pi / 3)),
    }[int(rng.integers(4))]
    cell = np.array([[0, 1.0], [-ratio * np.sin(angle), ratio * np.cos(angle)]])
    if ratio == 1 and angle < 1.5 and rng.random() < 0.5:
        places = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])  # honeycomb
    elif rng.random() < 0.3:
        pair = rng.uniform(0.12, 0.3) * rng.permutation([1.0, rng.uniform(0, 0.3)]) / np.array([1, ratio])
        places = np.array([[0, 0], pair, [0.5, 0.5], [0.5, 0.5] + pair])  # dumbbells
    else:
        places = scattered(rng, cell, int(rng.choice([1, 2, 3, 4, 6], p=[0.25, 0.3, 0.2, 0.15, 0.1])))
    strength = np.where(rng.random(len(places)) < 0.5, 1.0, np.exp(rng.uniform(np.log(0.03), 0, len(places))))
    strength[0] = 1.0
    return Motif(cell, places, strength)


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


def apart(yx: Array, share: Array, sigma: float) -> tuple[Array, Array]:
    """Without the weaker of two columns that no eye could tell apart, where territories meet."""
    pairs = cKDTree(yx).query_pairs(0.9 * CLOSEST * sigma, output_type="ndarray")
    keep = np.ones(len(yx), bool)
    keep[np.where(share[pairs[:, 0]] < share[pairs[:, 1]], pairs[:, 0], pairs[:, 1])] = False
    return yx[keep], share[keep]


def columns(rng: np.random.Generator, yx: Array, height: Array, sigma: float, side: int) -> Array:
    """(side, side) sum of Gaussians, drawn out a little and with the tails of a probe."""
    tail = rng.uniform(0, 0.2) if rng.random() < 0.5 else 0.0
    wide = rng.uniform(1.8, 3)
    angle, stretch = rng.uniform(0, np.pi), 1 + rng.uniform(0, 0.25) * (rng.random() < 0.5)
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


def background(rng: np.random.Generator, soft: Array, kinds: list[str], thickness: Array, sigma: float) -> Array:
    """(side, side) between the columns: a level by territory, slopes, and the speckle of amorphous stuff."""
    side = soft.shape[1]
    level = log_uniform(rng, 0.01, 2)
    total = np.zeros((side, side))
    for share, kind in zip(soft, kinds, strict=True):
        if kind == "vacuum":
            total += share * level * rng.uniform(0, 0.3)
            continue
        total += share * thickness * level * (1 if kind == "crystal" else rng.uniform(0.5, 2))
        if kind == "amorphous" or rng.random() < 0.3:
            grain = ndimage.gaussian_filter(rng.normal(size=(side, side)), rng.uniform(0.5, 1.8) * sigma)
            strength = log_uniform(rng, 0.02, 0.3) * (1 if kind == "amorphous" else 0.4)
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


def scanned(rng: np.random.Generator, image: Array, sigma: float) -> Array:
    """The picture with jittering rows, or seen as a tunnelling microscope does: not quite in proportion."""
    if rng.random() < 0.4:
        shift = rng.normal(0, rng.uniform(0, 0.2) * sigma, len(image))
        y, x = np.mgrid[: len(image), : len(image)].astype(float)
        image = ndimage.map_coordinates(image, [y, x - shift[:, None]], order=1, mode="nearest")
    if rng.random() < 0.1:
        top = image.max()
        image = top * (image / top) ** rng.uniform(0.6, 1.5)
    return image


def noisy(rng: np.random.Generator, made: Picture) -> npt.NDArray[np.float32]:
    """Shot noise of 3 to 10,000 counts at the peak; sometimes noise of detector and lines, or all smoothed."""
    dose = log_uniform(rng, 3, 10_000)
    image = rng.poisson(made.expected * dose) / dose
    if rng.random() < 0.2:
        image = image + rng.normal(0, log_uniform(rng, 0.005, 0.1), image.shape)
    if rng.random() < 0.4:
        image = ndimage.gaussian_filter(image, min(rng.uniform(0.3, 1.0), 1.0) * rng.choice([1.0, 0.7 * made.sigma]))
    if rng.random() < 0.15:
        image = image + rng.normal(0, log_uniform(rng, 0.01, 0.1), (len(image), 1))
    return np.asarray(image, np.float32)
