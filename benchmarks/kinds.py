"""Atoms found with nothing set, in simulated images of many kinds.

    python benchmarks/kinds.py [--count 300] [--first 0] [--processes 1] [--out results.csv] [--pictures FOLDER]

The package's own simulator is not used, so that training and test use different ones. The kinds alternate. A picture is
drawn in native pixels, gets its noise and faults there, is resampled, then gets bar, padding and 8 bits, and may be
inverted. Columns of at least 0.15 of the strong ones that nothing hides are to be found; others are neither missed nor
false. Positions match within a quarter of the median distance of nearest columns. Right: F1 of at least 0.97, among
pictures with enough signal. Silently wrong: F1 below 0.7 without a warning, among all pictures.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image as Paper
from PIL import ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import ndtr

from local_crystallography import Atoms, FindAtoms, Image, RefineAtoms, Segment
from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Crystal = tuple[Array, Array]
"""Positions (N, 2) and heights (N,)."""

WEAKEST = 0.15
"""Height over that of the strong columns from which a column is to be found."""
BORDER = 1.5
"""Columns nearer to the frame need not be found, standard deviations."""
SEEN = 6.0
"""Signal to noise from which a picture should be right."""
R2, R3 = np.sqrt(2), np.sqrt(3)
MOTIFS = {
    "square": (((1, 0), (0, 1)), ((0, 0),)),
    "hexagonal": (((1, 0), (0.5, R3 / 2)), ((0, 0),)),
    "rock salt": (((1, 1), (1, -1)), ((0, 0), (0.5, 0.5))),
    "perovskite": (((R2, 0), (0, R2)), ((0, 0), (0.5, 0.5), (0, 0.5), (0.5, 0))),
    "honeycomb": (((R3, 0), (R3 / 2, 1.5)), ((0, 0), (1 / 3, 1 / 3))),
    "dumbbells": (((4, 0), (0, 2 * R2)), ((-1 / 8, 0), (1 / 8, 0), (3 / 8, 0.5), (5 / 8, 0.5))),
}
"""Cell, over the distance of the first two columns, and the positions in it."""


@dataclass(frozen=True)
class Made:
    """An image (H, W); columns (N, 2) to be found and (M, 2) that may be, pixels, rows first; their width in pixels.

    `snr` is the 10th percentile over the columns to be found; `covered` (H, W) is where bars, padding, saturation or
    clipping hide the specimen.
    """

    image: npt.NDArray[np.float32]
    yx: Array
    optional: Array
    sigma: float
    bright: bool
    snr: float
    kind: str
    covered: Mask


@dataclass(frozen=True)
class Canvas:
    """The frame in native pixels, the standard deviation of a column there, and the zoom applied later."""

    random: np.random.Generator
    shape: tuple[int, int]
    sigma: float
    zoom: float

    def draw(self, low: float, high: float) -> float:
        """A random number between two."""
        return float(self.random.uniform(low, high))

    def field(self, low: float, high: float) -> Array:
        """Slow waves about as long as the frame, of random height."""
        (y, x), height = (np.linspace(0, 1, side) for side in self.shape), self.draw(low, high)
        waves = [np.sin(self.draw(-7, 7) * y[:, None] + self.draw(-7, 7) * x + self.draw(0, 7)) for _ in range(3)]
        return height * (np.sum(waves, axis=0) + 3) / 6

    def speckle(self) -> Array:
        """Amorphous material imaged with the same probe; standard deviation 1."""
        raw = ndimage.gaussian_filter(self.random.normal(size=self.shape), self.sigma)
        return raw / raw.std()

    def grid(self) -> Array:
        """Positions (h, w, 2) of the pixels."""
        return np.moveaxis(np.mgrid[: self.shape[0], : self.shape[1]].astype(float), 0, -1)

    def line(self) -> Callable[[Array], Array]:
        """Signed distance of positions (..., 2) from a wavy line not far from the middle."""
        angle, phase, middle = *self.random.uniform(0, 2 * np.pi, 2), self.shape * self.random.uniform(0.3, 0.7, 2)
        normal, along = np.array([(np.sin(angle), np.cos(angle)), (np.cos(angle), -np.sin(angle))])
        height, length = self.sigma * self.draw(0, 4), self.sigma * self.draw(15, 60)
        return lambda yx: (yx - middle) @ normal + height * np.sin((yx - middle) @ along / length + phase)

    def facets(self) -> Callable[[Array], Array]:
        """Depth of positions (..., 2) in a convex particle, negative outside."""
        number, middle = self.random.integers(5, 9), self.shape * self.random.uniform(0.42, 0.58, 2)
        angles = 2 * np.pi * (np.arange(number) + self.random.uniform(-0.25, 0.25, number)) / number
        normals, far = np.stack([np.sin(angles), np.cos(angles)]), self.random.uniform(0.3, 0.5, number)
        return lambda yx: (min(self.shape) * far - (yx - middle) @ normals).min(axis=-1)


@dataclass(frozen=True)
class Specimen:
    """Columns (N, 2) and their heights on a ground (h, w), before noise.

    `halo` is the share subtracted and its width over that of a column; `texture` and `rows` are the standard deviations
    of speckle and of the offsets of rows; `open` is where vacuum is; `doubtful` columns (N,) need not be found.
    """

    yx: Array
    height: Array
    ground: Array
    dark: bool = False
    halo: tuple[float, float] = (0.0, 2.0)
    texture: float = 0.0
    rows: float = 0.0
    poisson: bool | None = None
    brightest: float = 200.0
    open: Mask | None = None
    doubtful: Mask | None = None


def logarithmic(random: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def canvas(random: np.random.Generator) -> Canvas:
    """A frame for some 100 to 1300 columns."""
    while True:
        final, native = logarithmic(random, 1.2, 20), logarithmic(random, 0.9, 4)
        side = final * np.sqrt(18 * logarithmic(random, 100, 1300)) * random.uniform(0.85, 1.18, 2)
        if 0.4 <= final / native <= 6:
            h, w = np.ceil(np.clip(side, 256, 1400) * native / final).astype(int)
            return Canvas(random, (int(h), int(w)), native, final / native)


def lattice(canvas: Canvas, motif: str, distance: float, heights: tuple[float, ...]) -> Crystal:
    """Columns over the whole frame, rotated, slightly strained, displaced, of varying height, sometimes with gaps."""
    random, (vectors, basis) = canvas.random, MOTIFS[motif]
    cell = np.array(vectors) * distance * canvas.sigma
    reach = int(0.8 * np.hypot(*canvas.shape) / np.sqrt(abs(np.linalg.det(cell)))) + 3
    corners = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T[:, None]
    turn = canvas.draw(0, 2 * np.pi)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) + random.normal(0, 0.006, (2, 2))
    yx = (corners + np.array(basis)).reshape(-1, 2) @ cell @ matrix + np.array(canvas.shape) / 2
    yx = yx + random.uniform(0, 20, 2) + random.normal(0, canvas.sigma * canvas.draw(0.01, 0.07), yx.shape)
    height = np.tile(heights, len(corners)) * random.normal(1, 0.05, len(yx))
    kept = ((yx > -6 * canvas.sigma) & (yx < np.array(canvas.shape) + 6 * canvas.sigma)).all(axis=1)
    kept &= random.random(len(yx)) > random.choice([0, 0.02], p=[0.7, 0.3])
    return yx[kept], height[kept]


def grains(canvas: Canvas, motif: str, distance: float, heights: tuple[float, ...], two: float = 0) -> Crystal:
    """A crystal, with probability `two` in two grains."""
    yx, height = lattice(canvas, motif, distance, heights)
    if canvas.random.random() >= two:
        return yx, height
    beyond, (other, more) = canvas.line(), lattice(canvas, motif, distance, heights)
    yx, height = yx[beyond(yx) < 0], height[beyond(yx) < 0]
    apart = np.median(cKDTree(yx).query(yx, 2)[0][:, 1])
    apart = max(0.75 * apart, min(apart, 2.5 * canvas.sigma))
    added = (beyond(other) >= 0) & (cKDTree(yx).query(other)[0] > apart)
    return np.concatenate([yx, other[added]]), np.concatenate([height, more[added]])


def crystal(canvas: Canvas, motifs: list[str], light: tuple[float, float], two: float) -> Crystal:
    """One of the motifs; `light` is the range of heights of the light columns between those of perovskite."""
    motif, between, second = str(canvas.random.choice(motifs)), canvas.draw(*light), canvas.draw(0.3, 0.9)
    heights = {"perovskite": (1, second, between, between), "rock salt": (1, second)}.get(motif, (1,))
    return grains(canvas, motif, canvas.draw(4.6, 8) if motif == "perovskite" else canvas.draw(3.4, 7), heights, two)


def haadf(canvas: Canvas) -> Specimen:
    """A wedge, or a particle in vacuum."""
    (yx, height), base = crystal(canvas, list(MOTIFS)[:4], (0.01, 0.08), two=0.3), canvas.draw(0.1, 1.5)
    if canvas.random.random() < 0.5:
        across, slope = canvas.line(), canvas.draw(0, 0.8) / np.hypot(*canvas.shape)
        ground = 0.05 + base * (1 + slope * across(canvas.grid())) + canvas.field(0, 0.6)
        return Specimen(yx, height * (1 + slope * across(yx)), ground)
    depth, taper = canvas.facets(), canvas.sigma * canvas.draw(5, 30)
    at, over = depth(yx), depth(canvas.grid())
    ground = np.where(over > -canvas.sigma, base * (1 - 0.75 * np.exp(-np.maximum(over, 0) / taper)), 0)
    ground = ndimage.gaussian_filter(ground, canvas.sigma) + canvas.draw(0.02, 0.2)
    height = height * (1 - 0.75 * np.exp(-np.maximum(at, 0) / taper))
    return Specimen(yx[at > 0], height[at > 0], ground, open=over < -3 * canvas.sigma)


def dumbbells(canvas: Canvas) -> Specimen:
    """Pairs of columns; the closer, the more alike."""
    distance = canvas.draw(2.3, 3.5)
    second = canvas.draw(np.interp(distance, [2.3, 3.3], [0.9, 0.4]), 1)
    crystal = grains(canvas, "dumbbells", distance, (1, second, 1, second), two=0.15)
    return Specimen(*crystal, canvas.draw(0.1, 1) + canvas.field(0, 0.6))


def honeycomb(canvas: Canvas) -> Specimen:
    """A monolayer at low dose, dirty in parts."""
    crystal = grains(canvas, "honeycomb", canvas.draw(2.5, 4), (1, min(1, canvas.draw(0.4, 1.6))), two=0.3)
    dirt = np.maximum(canvas.field(0, 2) - 0.5, 0)
    return Specimen(*crystal, canvas.draw(2, 8) + dirt, poisson=True, brightest=60)


def single_atoms(canvas: Canvas) -> Specimen:
    """Atoms anywhere on an amorphous film, but not nearer to each other than 3 standard deviations."""
    random, texture = canvas.random, canvas.draw(0.02, 0.09)
    yx = random.uniform(0, 1, (int(np.prod(canvas.shape) / (canvas.sigma * canvas.draw(5, 9)) ** 2), 2)) * canvas.shape
    yx = np.delete(yx, cKDTree(yx).query_pairs(3 * canvas.sigma, output_type="ndarray")[:, 0], axis=0)
    height = np.where(random.random(len(yx)) < random.choice([0, 0.3]), 0.5, 1) * random.normal(1, 0.1, len(yx))
    ground = canvas.draw(0.3, 1) + canvas.field(0.1, 0.8) + texture * canvas.speckle()
    return Specimen(yx, height, ground, texture=texture)


def tunnelling(canvas: Canvas) -> Specimen:
    """Terraces on a tilted plane, as STM sees them: the height offset varies from row to row."""
    scale, (yx, height) = logarithmic(canvas.random, 3, 20), crystal(canvas, ["square", "hexagonal"], (0, 0), two=0)
    grid, edge, doubtful = canvas.grid(), canvas.line(), np.zeros(len(yx), bool)
    ground = scale * canvas.draw(-1, 1) * canvas.line()(grid) / max(canvas.shape)
    for at in canvas.sigma * canvas.draw(8, 25) * np.arange(canvas.random.integers(1, 4)):
        step = max(3, scale * canvas.draw(0.5, 1)) * canvas.random.choice([1, 1, 1, -1])
        ground = ground + step * ndtr((edge(grid) - at) / (canvas.sigma * canvas.draw(0.4, 1)))
        doubtful |= np.abs(edge(yx) - at) < 2.5 * canvas.sigma
    rows = logarithmic(canvas.random, 0.03, 0.3)
    return Specimen(yx, height, ground, rows=rows, poisson=False, doubtful=doubtful)


def annular_bright_field(canvas: Canvas) -> Specimen:
    """Dark columns, heavy and light."""
    columns = crystal(canvas, ["rock salt", "perovskite"], (0.25, 0.6), two=0.2)
    return Specimen(*columns, canvas.draw(1.7, 5) + canvas.field(0, 1), dark=True, poisson=True)


def integrated(canvas: Canvas) -> Specimen:
    """Halos of opposite sign around heavy and light columns, on slow waves: iDPC, or sharpened by a filter."""
    columns = crystal(canvas, ["rock salt", "perovskite"], (0.25, 0.6), two=0.2)
    return Specimen(*columns, canvas.field(0, 0.8), halo=(canvas.draw(0.15, 0.4), canvas.draw(1.6, 2.2)), poisson=False)


def phase_contrast(canvas: Canvas) -> Specimen:
    """Two grains in high-resolution TEM: nearly sine waves, on speckle."""
    texture, halo = canvas.draw(0.02, 0.1), (canvas.draw(0.2, 0.4), canvas.draw(1.5, 2))
    ground = canvas.draw(2.5, 6) + canvas.field(0, 1) + texture * canvas.speckle()
    hexagonal = canvas.random.random() < 0.5
    choice = ("hexagonal", canvas.draw(3, 3.8), (1,)) if hexagonal else ("honeycomb", canvas.draw(2.6, 3.4), (1, 1))
    return Specimen(*grains(canvas, *choice, 1), ground, halo=halo, texture=texture)


def rimmed(canvas: Canvas) -> Specimen:
    """A crystalline particle in an amorphous shell, on a thin film."""
    depth, (yx, height) = canvas.facets(), crystal(canvas, list(MOTIFS)[:4], (0.01, 0.08), two=0.1)
    over, at, rim = depth(canvas.grid()), depth(yx), canvas.sigma * canvas.draw(3, 10)
    shell = canvas.draw(0.2, 0.7) + canvas.draw(0.05, 0.2) * canvas.speckle()
    parts = np.select([over > 0, over > -rim], [canvas.draw(0.3, 1), shell], 0.1 + 0.03 * canvas.speckle())
    return Specimen(yx[at > 0], height[at > 0], ndimage.gaussian_filter(parts, 0.7 * canvas.sigma))


KINDS = {"HAADF": haadf, "dumbbells": dumbbells, "honeycomb": honeycomb, "single atoms": single_atoms}
KINDS |= {"STM": tunnelling, "ABF": annular_bright_field, "iDPC": integrated, "HRTEM": phase_contrast, "rim": rimmed}


@dataclass(frozen=True)
class Picture:
    """An unfinished image (h, w); columns (N, 2), which of them are to be found, their signal-to-noise and width."""

    image: Array
    covered: Mask
    yx: Array
    counts: Mask
    snr: Array
    sigma: float

    def hide(self, covered: Mask) -> "Picture":
        """The picture with more of it covered; columns there need not be found."""
        return replace(self, covered=self.covered | covered, counts=self.counts & ~values(covered, self.yx))


def values(image: npt.NDArray[Any], yx: Array) -> npt.NDArray[Any]:
    """Values of an image at positions (N, 2)."""
    y, x = np.clip(np.rint(yx).astype(int), 0, np.array(image.shape) - 1).T
    return image[y, x]


def around(mask: Mask, reach: float) -> Mask:
    """Pixels (h, w) within `reach` of a mask."""
    return ndimage.distance_transform_edt(~mask) < reach if mask.any() else mask


def spots(yx: Array, height: Array, sigma: float, shape: tuple[int, int], offset: Array) -> Array:
    """Gaussians (h, w) whose rows are displaced to the right by `offset` (h,)."""
    image, reach = np.zeros(shape), int(np.ceil(5 * sigma)) + 2
    for (y, x), top in zip(yx, height, strict=True):
        rows, cols = (slice(max(0, round(at) - reach), max(0, round(at) + reach + 1)) for at in (y, x))
        dy, dx = np.arange(shape[0])[rows, None] - y, np.arange(shape[1])[cols] - x - offset[rows, None]
        image[rows, cols] += top * np.exp(-(dy**2 + dx**2) / (2 * sigma**2))
    return image


def own_share(yx: Array) -> Array:
    """Share of the signal (N,) left if heights and positions of the neighbours are unknown; yx over the width."""
    pairs = cKDTree(yx).query_pairs(6, output_type="ndarray")
    squared = ((yx[pairs[:, 0]] - yx[pairs[:, 1]]) ** 2).sum(axis=1)
    explained = np.exp(-squared / 2) * (1 + squared / 2)  # by a Gaussian there and by its slope
    return np.sqrt(np.maximum(1 - np.bincount(pairs.ravel(), np.repeat(explained, 2), len(yx)), 0.01))


def record(canvas: Canvas, specimen: Specimen) -> Picture:
    """The detected image, in units of a strong column: Poisson or Gaussian noise, sometimes row jitter."""
    random, yx, height, (share, wide) = canvas.random, specimen.yx, specimen.height, specimen.halo
    offset = random.normal(0, canvas.sigma * canvas.draw(0, 0.15), canvas.shape[0]) * (random.random() < 0.2)
    columns = spots(yx, height, canvas.sigma, canvas.shape, offset)
    columns = (columns - share * spots(yx, height, wide * canvas.sigma, canvas.shape, offset)) / (1 - share)
    sigma = canvas.sigma * np.sqrt((1 - share) / (1 - share / wide**2))  # by the curvature of the top
    expected = specimen.ground + (-columns if specimen.dark else columns)
    poisson = random.random() < 0.6 if specimen.poisson is None else specimen.poisson
    expected = np.maximum(expected, 0.02) if poisson else expected
    known = ndimage.gaussian_filter(1 / expected if poisson else np.ones(canvas.shape), sigma / R2)
    snr = height * np.sqrt(np.pi * values(known, yx)) * sigma
    dose = (logarithmic(random, 5, specimen.brightest) / np.percentile(snr, 95)) ** 2
    image = random.poisson(expected * dose) / dose if poisson else random.normal(expected, dose**-0.5)
    # besides white noise: speckle as wide as a column, and row offsets that are not removed
    other = 2 * specimen.texture**2 + 1.13 * specimen.rows**2 / sigma
    snr = own_share(yx / sigma) / np.sqrt(1 / (dose * snr**2) + other / height**2)
    weight = np.exp(-(((np.arange(canvas.shape[0]) - yx[:, :1]) / sigma) ** 2))
    seen = yx + [0, 1] * (weight @ offset / np.maximum(weight.sum(1), 1e-9))[:, None]
    counts = height >= WEAKEST * np.percentile(height, 95)
    counts &= True if specimen.doubtful is None else ~specimen.doubtful
    picture = Picture(image, np.zeros(canvas.shape, bool), seen, counts, snr, float(sigma))
    return spoil(picture, canvas, specimen, expected)


def spoil(picture: Picture, canvas: Canvas, specimen: Specimen, expected: Array) -> Picture:
    """Detector blur, offsets of rows, streaks, vacuum clipped, saturation or hot pixels, each with some probability."""
    random, (h, w), blur = canvas.random, canvas.shape, canvas.draw(0.5, 1) * (canvas.random.random() < 0.15)
    image = ndimage.gaussian_filter(picture.image, blur) + random.normal(0, specimen.rows, (h, 1))
    picture = replace(picture, sigma=float(np.hypot(picture.sigma, blur)))
    if random.random() < 0.1:
        for row, start, end in zip(*random.integers([[0], [-w], [0]], [[h], [w], [w]], (3, h // 8)), strict=True):
            image[row, max(start, 0) : end] += random.normal(0, 0.3)
    if specimen.open is not None and specimen.open.any() and random.random() < 0.4:
        vacuum = image[specimen.open]
        image = np.maximum(image - np.median(vacuum) - min(2 * vacuum.std(), 0.1), 0)
        picture = picture.hide(specimen.open)
    fault = random.random()
    if fault < 0.08:
        top, reach = np.quantile(image, 1 - canvas.draw(0.02, 0.2)), 2.2 * picture.sigma
        image, unspoilt = np.minimum(image, top), np.pad(expected < top, 1, constant_values=True)
        picture = picture.hide(around(~around(unspoilt, reach), reach)[1:-1, 1:-1])  # what is wider than a column
    elif fault < 0.14:
        hot = random.random(image.shape) < min(3e-4, 30 / image.size)
        image[hot] += random.uniform(20, 100, hot.sum())
        picture = replace(picture, counts=picture.hide(around(hot, 2 * picture.sigma + 3)).counts)
    return replace(picture, image=image)


def resample(picture: Picture, zoom: float, random: np.random.Generator) -> Picture:
    """The picture enlarged, or made smaller without aliasing; nearest, linear or cubic."""
    order, blur = int(random.choice([0, 1, 3], p=[0.1, 0.4, 0.5])), max(0.0, (1 / zoom - 1) / 2)
    image = ndimage.gaussian_filter(picture.image, blur)
    image = ndimage.zoom(image, zoom, order=order, mode="nearest", grid_mode=True)
    covered = ndimage.zoom(picture.covered.astype(np.uint8), zoom, order=0, mode="nearest", grid_mode=True) > 0
    factor = np.array(image.shape) / picture.image.shape
    # and the variance of the kernel that interpolates
    sigma = np.sqrt(picture.sigma**2 + blur**2 + {0: 1 / 12, 1: 1 / 6, 3: 0}[order]) * factor.mean()
    return replace(picture, image=image, covered=covered, yx=(picture.yx + 0.5) * factor - 0.5, sigma=float(sigma))


def scale_bar(picture: Picture, random: np.random.Generator) -> Picture:
    """A bar with letters in a corner, sometimes on a box."""
    (h, w), size = picture.image.shape, int(min(picture.image.shape) * random.uniform(0.04, 0.08))
    length, thick, image = int(w * random.uniform(0.12, 0.3)), max(3, size // 4), picture.image.copy()
    x, y = int(random.choice([0.05 * w, 0.95 * w - length])), h - int(0.06 * h) - thick
    pen = ImageDraw.Draw(paper := Paper.new("L", (w, h)))
    pen.rectangle((x, y, x + length, y + thick), fill=255)
    text, font = str(random.choice(["1 nm", "2 nm", "5 nm", "0.5 nm"])), ImageFont.load_default(size)
    pen.text((x + length / 2, y - size // 4), text, fill=255, anchor="ms", font=font)
    ink, levels = np.asarray(paper) > 127, np.percentile(image, [0.1, 99.9])[:: random.choice([1, 1, -1])]
    box = np.zeros((h, w), bool)
    if random.random() < 0.4:
        box[y - int(1.4 * size) : y + 2 * thick, max(0, x - size) : x + length + size] = True
    image[box], image[ink] = levels
    return replace(picture, image=image).hide(around(ink | box, BORDER * picture.sigma))


def pad(picture: Picture, random: np.random.Generator) -> Picture:
    """Strips of one value along some sides, as drift correction leaves them."""
    sides = random.integers(0, min(picture.image.shape) // 10, (2, 2)) * (random.random((2, 2)) < 0.5)
    level = random.choice([picture.image.min(), picture.image.mean(), picture.image.max()])
    image, covered = np.pad(picture.image, sides, constant_values=level), np.pad(picture.covered, sides)
    strips = np.pad(np.zeros_like(picture.covered), sides, constant_values=True)
    picture = replace(picture, image=image, covered=covered, yx=picture.yx + sides[:, 0])
    return picture.hide(around(strips, BORDER * picture.sigma))


def made(number: int) -> Made:
    """The picture with this number, always the same."""
    random, kind = np.random.default_rng([2029, number]), list(KINDS)[number % len(KINDS)]
    strong = np.zeros(0)
    while not 80 <= len(strong) <= 1500:
        frame = canvas(random)
        specimen = KINDS[kind](frame)
        strong = specimen.yx[specimen.height > WEAKEST]
        strong = strong[((strong > 0) & (strong < frame.shape)).all(axis=1)]
    picture = resample(record(frame, specimen), frame.zoom, random)
    for chance, more in ((0.08, pad), (0.1, scale_bar)):
        picture = more(picture, random) if random.random() < chance else picture
    image, bright = picture.image, not specimen.dark
    if random.random() < 0.4:
        low, high = np.percentile(image, [0, 100] if random.random() < 0.5 else [0.2, 99.8])
        image = np.rint(255 * np.clip((image - low) / (high - low), 0, 1))
    if random.random() < 0.15:
        image, bright = image.max() + image.min() - image, not bright
    inward = np.minimum(picture.yx, np.array(image.shape) - 1 - picture.yx).min(axis=1) / picture.sigma
    counts = picture.counts & (inward >= BORDER)
    optional, snr = picture.yx[(inward > -BORDER) & ~counts], float(np.percentile(picture.snr[counts], 10))
    shown = image.astype(np.float32)
    return Made(shown, picture.yx[counts], optional, picture.sigma, bright, snr, kind, picture.covered)


def find(made: Made) -> tuple[Atoms, Segment, str]:
    """Atoms with the defaults, the step as it was resolved, and the message."""
    image, step = Image(made.image, name=made.kind), Segment()
    try:
        step = step.resolve(image)
        atoms = RefineAtoms()(FindAtoms()(step(image), image), image)
    except InputError as error:
        return Atoms.at(np.zeros((0, 2))), step, str(error)
    return atoms, step, RefineAtoms().doubt(atoms, image, step.sigma)


def match(made: Made, yx: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of positions and of columns that match, one to one, nearest first; columns not required come last."""
    within = np.median(cKDTree(made.yx).query(made.yx, 2)[0][:, 1]) / 4
    truth = cKDTree(np.concatenate([made.yx, made.optional]))
    pairs = np.sort(cKDTree(yx).sparse_distance_matrix(truth, within, output_type="ndarray"), order="v")
    places: dict[int, int] = {}  # of columns
    for place, column, _ in pairs.tolist():
        if column not in places and place not in places.values():
            places[column] = place
    return np.array(list(places.values()), int), np.array(list(places), int)


def score(number: int, pictures: Path | None = None) -> dict[str, Any]:
    """The score of a picture; drawn into a folder if it should be right and is not."""
    picture, clock = made(number), time.perf_counter()
    atoms, step, said = find(picture)
    seconds, (places, columns) = time.perf_counter() - clock, match(picture, atoms.yx)
    needed = columns < len(picture.yx)
    precision, recall = len(places) / max(1, len(atoms.yx)), needed.sum() / len(picture.yx)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    error, std = atoms.yx[places[needed]] - picture.yx[columns[needed]], np.full((needed.sum(), 2), np.nan)
    if needed.any():
        std = atoms.features[["y_std_px", "x_std_px"]].to_numpy(float)[places[needed]]
    if pictures and f1 < 0.97 and picture.snr >= SEEN:
        show(picture, atoms.yx, pictures / f"{number:04d}.png", f"{number} {picture.kind}, F1 {f1:.2f}. {said}")
    row: dict[str, Any] = {"number": number, "kind": picture.kind, "snr": picture.snr, "sigma": picture.sigma}
    row |= {"columns": len(picture.yx), "found": len(atoms.yx), "precision": precision, "recall": recall, "f1": f1}
    row |= {
        "width_ratio": (step.sigma or np.nan) / picture.sigma,
        "error_px": rms(error),
        "error_std": rms(error / std),
    }
    polarity = "unknown" if step.contrast is None else ["wrong", "right"][(step.contrast == "bright") == picture.bright]
    return row | {"polarity": polarity, "seconds": seconds, "said": said}


def rms(values: Array) -> float:
    """Root mean square of the values that are not nan; nan without any."""
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def show(made: Made, yx: Array, path: Path, title: str) -> None:
    """A field of 40 widths around an error: columns to be found as green circles, others blue; atoms as red crosses."""
    places, columns = match(made, yx)
    wrong = np.delete(
        np.concatenate([made.yx, yx]), [*columns[columns < len(made.yx)], *(len(made.yx) + places)], axis=0
    )
    middle = wrong[np.linalg.norm(wrong - np.median(wrong, axis=0), axis=1).argmin()]
    (top, left), side = np.maximum(np.rint(middle - 20 * made.sigma).astype(int), 0), int(40 * made.sigma) + 1
    part = made.image[top : top + side, left : left + side]
    axes = (figure := Figure((7, 7), layout="constrained")).add_subplot(title=title[:90])
    low, high = np.percentile(part, [0.5, 99.5]).tolist()
    axes.imshow(part, "gray", vmin=low, vmax=high)
    for dots, style in ((made.yx, "og"), (made.optional, "ob"), (yx, "xr")):
        axes.plot(dots[:, 1] - left, dots[:, 0] - top, style, mfc="none", ms=8)
    axes.set(xlim=(-0.5, part.shape[1] - 0.5), ylim=(part.shape[0] - 0.5, -0.5))
    figure.savefig(path, dpi=100)


def table_row(name: str, rows: pd.DataFrame) -> str:
    """A row of the Markdown table."""
    seen, width = rows[rows.snr >= SEEN], rows.width_ratio.dropna()
    silent = (rows.f1 < 0.7) & (rows.said == "")
    cells = [name, str(len(rows)), str(len(seen)), f"{(seen.f1 >= 0.97).mean():.0%}", f"{silent.mean():.0%}"]
    cells += [f"{width.median():.2f}", f"{((width - 1).abs() <= 0.1).mean():.0%}"]
    cells += [str((rows.polarity == "wrong").sum()), f"{rows.error_std.median():.2f}"]
    return "| " + " | ".join(cells).replace("nan%", "–").replace("nan", "–") + " |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help="table of all pictures, as CSV")
    parser.add_argument("--pictures", type=Path, help="folder for pictures that should be right and are not")
    options = parser.parse_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    numbers = range(options.first, options.first + options.count)
    with ProcessPoolExecutor(options.processes) as pool:
        spread = pool.map if options.processes > 1 else map
        rows = pd.DataFrame(list(spread(score, numbers, [options.pictures] * len(numbers))))
    if options.out:
        rows.to_csv(options.out, index=False)
    head = ["kind", "pictures", f"SNR ≥ {SEEN:g}", "right", "silently wrong", "width", "within 10 %", "polarity wrong"]
    print("| " + " | ".join([*head, "error / reported"]) + " |\n" + "| --- " * (len(head) + 1) + "|")
    for kind, some in rows.groupby("kind", sort=False):
        print(table_row(str(kind), some))
    print(table_row("all", rows))


if __name__ == "__main__":
    main()
