"""All atoms of an image at once: Gaussians over one smooth background, fitted by maximum likelihood.

The model of StatSTEM (De Backer et al., Ultramicroscopy 171, 104 (2016)), by Fisher scoring: all Gaussians with their
neighbours and the background move together, by conjugate gradients on the Fisher information.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from local_crystallography.data.arrays import Array, Index, Mask, Pixels
from local_crystallography.data.progress import Job, Progress
from local_crystallography.fitting.background import Surface, block_means, terraces
from local_crystallography.fitting.evidence import weigh
from local_crystallography.fitting.gaussians import HEIGHT, WIDTH, Columns, Windows, X, Y
from local_crystallography.fitting.noise import noise_of_image
from local_crystallography.fitting.quality import core_errors, correlation, ellipses, local_variance
from local_crystallography.fitting.system import REACH, Scene, System, assemble, forces

RIM = 2.5
"""Width, in widths, of the rim of the image that atoms outside reach into."""
COUPLED = 4.8
"""Columns nearer than this, in widths, are moved together."""
KNOTS = 2.0
"""Distance of the background's knots, in widths."""
ROUGH = 0.001
"""Second difference of the background's coefficients that is expected, over the contrast of the image."""
ROUNDS, FRESH = 8, 3
"""Most rounds, and how many of them begin with new Fisher information; more do while columns move far."""
FURTHEST = 0.6
"""Longest step along an axis, in widths."""
FINE = 3.0
"""Width in pixels from which an image is fitted in blocks of pixels."""
SMALL = 0.02
"""Height of the white noise that goes through a fit, in standard deviations: so little that nothing bends."""
ASIDE, GUESS = 9.0, 0.28
"""Half the side of the part in which the width is seen, and the width that is tried first; in distances of columns."""
STILL = 0.1
"""Root mean square step, in standard deviations, after which the columns are where they belong."""


@dataclass(frozen=True)
class Fit:
    """What was found, in units of the image and pixels.

    Parameters
    ----------
    columns
        Places, heights and widths of N columns.
    std
        (N, 2) standard deviation of the places along y and x; NaN for columns that ran away and were put back.
    height_std
        (N,) standard deviation of the heights.
    background
        (N,) the surface at the columns.
    error
        (N,) root mean square of residuals in the core of a column over their standard deviation; 1 is noise alone.
    axes, angle
        (N, 2) standard deviations along the long and the short axis, and (N,) direction of the long one, of `ellipses`.
    """

    columns: Columns
    std: Array
    height_std: Array
    background: Array
    error: Array
    axes: Array
    angle: Array

    def finer(self, step: int) -> Fit:
        """The fit of an image in blocks of pixels, in the pixels themselves: columns are narrower than their blocks."""
        box = (step**2 - 1) / 12
        wide = self.columns.sigma * step
        sigma = np.sqrt(np.maximum(wide**2 - box, 0.25 * wide**2))
        gain = (wide / sigma) ** 2  # what is drawn out keeps its volume
        columns = Columns((self.columns.yx + 0.5) * step - 0.5, self.columns.height * gain, sigma)
        return replace(
            self,
            columns=columns,
            std=self.std * step,
            height_std=self.height_std * gain,
            axes=np.sqrt(np.maximum((self.axes * step) ** 2 - box, 0.25 * (self.axes * step) ** 2)),
        )


def fit_columns(
    pixels: npt.NDArray[np.generic], yx: Array, *, width: float | None, unknown: Mask | None = None
) -> Job[Fit]:
    """A job that fits a Gaussian to every one of N places (N, 2) inside an image (H, W) of any unit.

    `width` is the standard deviation of a column in pixels to start from; None: found. `unknown` (H, W) are pixels that
    tell nothing; they hold numbers all the same. Stopped early, the job gives the columns as far as they got. An image
    much finer than its columns is fitted in blocks of pixels.
    """
    unknown = np.zeros(pixels.shape, bool) if unknown is None else unknown
    values = pixels.astype(np.float64)
    levels, steps = terraces(values, width or GUESS * float(np.median(distances(values.shape, yx))))
    values, unknown = values - levels, unknown | steps
    if width is None:
        scaled = scaled_to_one(values)
        distance, width, dark = first_look(scaled, yx, None)
        width = width_seen(scaled, yx, float(np.median(distance)), dark) or width
    step = max(1, int(width / FINE))
    if step == 1:
        fit = yield from _fit(values, yx, width, unknown)
    else:  # the last pixels that fill no block are left out
        h, w = (n // step * step for n in values.shape)
        share = 1 - block_means(unknown[:h, :w].astype(np.float64), step)
        known = block_means(np.where(unknown, 0, values)[:h, :w], step)
        blocks = np.where(share > 0.5, known / np.maximum(share, 0.5), block_means(values[:h, :w], step))
        coarse = (yx + 0.5) / step - 0.5
        coarse = np.clip(coarse, -0.5, np.array(blocks.shape) - 0.5001)
        fit = (yield from _fit(blocks, coarse, width / step, share <= 0.5)).finer(step)
    at = tuple(np.clip(np.rint(fit.columns.yx).astype(int), 0, np.array(values.shape) - 1).T)
    return replace(fit, background=fit.background + levels[at])


def scaled_to_one(values: Array) -> Pixels:
    """(H, W) of standard deviation 1."""
    return (values / (values.std() or 1)).astype(np.float32)


def _fit(values: Array, yx: Array, width: float, unknown: Mask) -> Job[Fit]:
    """The same for an image (H, W) of some columns a few pixels wide."""
    level, unit = float(np.median(values[~unknown][::3])), float(values[~unknown].std()) or 1.0
    scaled = ((values - level) / unit).astype(np.float32)
    distance, width, dark = first_look(scaled, yx, width)
    scene = _start(scaled, yx, width=width, dark=dark, unknown=unknown)
    leash = Leash(yx, distance / 2, np.zeros(len(yx), bool), float(np.log(width)), 0.03)
    partners = cKDTree(yx).query_pairs(COUPLED * width, output_type="ndarray").astype(np.int64)
    system, last, best = None, np.inf, (np.inf, scene, leash)
    for turn in range(ROUNDS):
        expected = scene.expected()
        if turn == 2:
            scene = scene.measured(expected)
        misfit = scene.misfit(expected)
        if misfit > 1.001 * best[0]:
            scene, leash = best[1], best[2].shortened()
            best = best[0], scene, leash  # the next step is shorter still where this one goes wrong too
            expected, system = scene.expected(), None
        else:
            best = misfit, scene, leash
        weight = scene.known / scene.noise.variance(expected) if turn else scene.evenness
        if system is None or turn < FRESH or last > 1:
            system = assemble(scene, weight, partners, coupled=turn > 0)
        step, bend = _step(scene, leash, system, weight * (scaled - expected), free=turn > 0)
        scene, leash = leash.follow(scene, step, bend, learn=turn > 1, known=system.own[:, WIDTH, WIDTH])
        last = float(np.sqrt(np.mean(step[:, [Y, X]] ** 2 * system.own[:, [Y, X], [Y, X]]))) if turn else np.inf
        stop = yield Progress((turn + 1) / (ROUNDS + 1), f"Fitting {len(yx)} atoms, round {turn + 1}")
        if stop or last < STILL:
            break
    expected = scene.expected()
    if scene.misfit(expected) > 1.001 * best[0]:
        scene, leash = best[1:]
        expected = scene.expected()
    return _judged(scene.measured(expected), expected, leash, partners, level, unit)


def _step(scene: Scene, leash: Leash, system: System, residual: Pixels, *, free: bool) -> tuple[Array, Array]:
    """Steps of columns and surface; not free: of heights alone."""
    force, load = forces(scene, residual)
    force, hold = leash.pull(scene.columns, force, free=free)
    if not free:
        heights = system.solve(force, load[:0], hold, tolerance=1e-3)[0][:, HEIGHT]
        typical, step = float(np.median(heights)), np.zeros_like(force)
        step[:, HEIGHT] = of_one_sign(heights, np.sign(typical), 0.05 * abs(typical))
        return step, np.zeros_like(load)
    hold = hold + leash.damping * np.einsum("nii->ni", system.own)
    return system.solve(force, load, hold, tolerance=3e-3)


@dataclass(frozen=True)
class Leash:
    """What is expected of the columns: places near the start, widths around a shared one.

    Parameters
    ----------
    start, radius
        (N, 2) places and (N,) how far from there a column may be.
    ran
        (N,) whether a column went further; it is then kept at its start.
    width, spread
        Shared logarithm of the width, and how much it varies from column to column.
    damping
        What holds steps back after one has made the fit worse (Marquardt), over the information.
    """

    start: Array
    radius: Array
    ran: Mask
    width: float
    spread: float
    damping: float = 0.0

    def pull(self, columns: Columns, force: Array, *, free: bool) -> tuple[Array, Array]:
        """The gradient (N, 4) with that of the prior, and the prior's precision; not free: heights alone may change.

        Half a width of a step is a trust region: it slows what the image hardly fixes, and biases nothing.
        """
        force, hold = force.copy(), np.zeros_like(force)
        hold[:, [Y, X]] = (0.5 * columns.sigma[:, None]) ** -2.0
        hold[:, WIDTH] = self.spread**-2.0
        force[:, WIDTH] -= (np.log(columns.sigma) - self.width) * self.spread**-2.0
        fixed = self.ran[:, None] & [False, True, True, False]
        if not free:
            fixed = fixed | [False, True, True, True]
        force[fixed], hold[fixed] = 0, 1e6 * (1 + hold[fixed])
        return force, hold

    def shortened(self) -> Leash:
        """The leash after a step that went wrong."""
        return replace(self, damping=max(10 * self.damping, 1.0))

    def follow(self, scene: Scene, step: Array, bend: Array, *, learn: bool, known: Array) -> tuple[Scene, Leash]:
        """The scene after a step, and the leash after what it shows; `known` (N,) is the information on each width.

        What noise alone makes widths vary by is no spread of theirs, or weak columns would be fitted to noise.
        """
        old = scene.columns
        limit = FURTHEST * old.sigma[:, None]
        yx = old.yx + np.clip(step[:, [Y, X]], -limit, limit)
        sigma = old.sigma * np.exp(np.clip(step[:, WIDTH], -0.3, 0.3))
        outside = ((yx < -0.5) | (yx > np.array(scene.pixels.shape) - 0.5)).any(axis=1)
        gone = outside | (np.hypot(*(yx - self.start).T) > self.radius)
        ran = self.ran | (gone & learn)  # the first steps of a weak column mean little
        heights = old.height + step[:, HEIGHT]
        heights = of_one_sign(heights, np.sign(np.median(old.height)), 0.01 * np.median(np.abs(heights)))
        columns = Columns(np.where((ran | gone)[:, None], self.start, yx), heights, sigma)
        strong = np.abs(columns.height) >= 0.4 * np.quantile(np.abs(columns.height), 0.9)
        rows = np.flatnonzero(strong & ~ran)
        widths = np.log(sigma[rows]) if len(rows) else np.array([self.width])
        middle = float(np.median(widths))
        # a width that is held to the shared one varies less by noise than one that is free
        noise = known[rows] / (known[rows] + self.spread**-2.0) ** 2 if len(rows) else np.zeros(1)
        varies = (1.48 * np.median(np.abs(widths - middle))) ** 2 - float(np.median(noise))
        spread = float(np.clip(np.sqrt(max(varies, 0)), 0.03, 0.3))
        leash = replace(self, ran=ran, damping=0.3 * self.damping)
        leash = replace(leash, width=middle, spread=spread) if learn else leash
        return replace(scene, columns=columns, surface=scene.surface.moved(bend / (1 + self.damping))), leash


def of_one_sign(heights: Array, sign: float, least: float) -> Array:
    """Heights of one sign, where one is known, and not nothing.

    A column of the other sign would fit what is between the columns, one of no height could go anywhere.
    """
    return sign * np.maximum(sign * heights, least) if sign else heights


def _start(pixels: Pixels, yx: Array, *, width: float, dark: bool, unknown: Mask) -> Scene:
    """The scene before any fit: columns of no height over what the image has between atoms."""
    n = len(yx)
    inside = np.clip(yx, 0, np.array(pixels.shape) - 1)
    contrast = float(np.subtract(*np.quantile(pixels[::2, ::2], [0.99, 0.1])))
    surface = Surface.below(pixels, spacing=KNOTS * width, width=width, dark=dark, roughness=ROUGH * contrast)
    columns = Columns(inside, np.zeros(n), np.full(n, width))
    counts = known(pixels.shape, inside, width) * ~unknown
    noise = noise_of_image(pixels, counts)
    smooth = ndimage.gaussian_filter(pixels, max(1.0, 0.6 * width))  # not what single pixels happened to get
    evenness = counts / noise.variance(smooth)
    return Scene(pixels, columns, surface, noise, int(np.ceil(REACH * width)), counts, evenness)


def known(shape: tuple[int, ...], yx: Array, width: float) -> Pixels:
    """(H, W) 0 at the rim of the image where no atom is near, else 1: atoms outside the image reach in there."""
    rim, reach = int(RIM * width), int(2 * width)
    mask = np.zeros(shape, np.float32)
    mask[rim:-rim, rim:-rim] = 1
    near = ((yx < rim + reach) | (yx > np.array(shape) - 1 - rim - reach)).any(axis=1)
    offsets = np.arange(-reach, reach + 1)
    disc = np.hypot(offsets[:, None], offsets) <= 2 * width
    padded = np.pad(mask, reach)
    for row, column in np.round(yx[near]).astype(int).tolist():
        padded[row : row + len(disc), column : column + len(disc)][disc] = 1
    return padded[reach:-reach, reach:-reach]


def first_look(pixels: Pixels, yx: Array, width: float | None) -> tuple[Array, float, bool]:
    """(N,) distances of the nearest other place, the width given or else seen, both in px, and whether atoms are dark.

    The distance of a place alone is a quarter of the image.
    """
    distance = distances(pixels.shape, yx)
    return distance, width or common_width(pixels, yx, float(np.median(distance))), are_dark(pixels, yx)


def distances(shape: tuple[int, ...], yx: Array) -> Array:
    """(N,) distances of the nearest other place; a quarter of the image for one alone."""
    if len(yx) < 2:
        return np.full(len(yx), min(shape) / 4)
    return np.asarray(cKDTree(yx).query(yx, 2)[0][:, 1])


def are_dark(pixels: Pixels, yx: Array) -> bool:
    """Whether most places (N, 2) are darker than what is around them, within half the distance between them."""
    middle = float(np.median(distances(pixels.shape, yx)))
    return bool(np.median(_contrast(_pictures(pixels, yx, middle))) < 0)


def width_seen(pixels: Pixels, yx: Array, distance: float, dark: bool) -> float | None:
    """Width in pixels that explains most of a part of an image, with all neighbours; None where there are too few."""
    centre = yx[np.linalg.norm(yx - np.median(yx, axis=0), axis=1).argmin()]
    corner = np.clip(np.rint(centre - ASIDE * distance).astype(int), 0, None)
    part = pixels[corner[0] : corner[0] + int(2 * ASIDE * distance), corner[1] : corner[1] + int(2 * ASIDE * distance)]
    width = GUESS * distance
    step = max(1, int(width / 1.7))  # columns of two pixels tell it as well, and faster
    part = block_means(-part if dark else part, step)
    for _ in range(2):
        evidence = weigh(part, (yx - corner + 0.5) / step - 0.5, width / step, 3 * width / step)
        if evidence is None or not evidence.explained:
            return None
        width = evidence.sigma * step
    return max(width, 0.6)


def common_width(pixels: Pixels, yx: Array, distance: float) -> float:
    """Width in pixels of the mean picture of the strongest third of the atoms, within half the distance between them.

    The background under it is none that the image has nowhere: a wide Gaussian on a deep one looks like a narrow one.
    """
    cut = _pictures(pixels, yx, distance)
    contrast, half = _contrast(cut), cut.shape[1] // 2
    sign = -1.0 if np.median(contrast) < 0 else 1.0
    strong = np.argsort(-sign * contrast)[: max(1, len(yx) // 3)]
    picture = sign * cut[strong].mean(axis=0, dtype=np.float64)
    squared = np.add.outer(np.arange(-half, half + 1) ** 2, np.arange(-half, half + 1) ** 2)
    near = squared <= half**2
    value, lowest = picture[near], float(np.quantile(sign * pixels[::2, ::2], 0.02))
    best = (np.inf, 0.3 * distance)
    for sigma in distance * np.geomspace(0.1, 0.45, 40):
        shape = np.exp(-squared[near] / (2 * sigma**2))
        slope = ((shape - shape.mean()) * (value - value.mean())).sum() / ((shape - shape.mean()) ** 2).sum()
        ground = max(value.mean() - slope * shape.mean(), lowest)
        height = ((value - ground) * shape).sum() / (shape**2).sum()
        best = min(best, (float(((value - ground - height * shape) ** 2).sum()), float(sigma)))
    return max(best[1], 0.6)


def _pictures(pixels: Pixels, yx: Array, distance: float) -> Pixels:
    """(N, k, k) the image around places, within half the distance between them."""
    half = max(2, int(0.55 * distance))
    windows = Windows.around(np.clip(yx, 0, np.array(pixels.shape) - 1), half)
    return windows.cut(np.pad(pixels, half, mode="edge"))


def _contrast(pictures: Pixels) -> Pixels:
    """(N,) the middle of each picture over the mean of it."""
    half = pictures.shape[1] // 2
    core = max(1, round(0.3 * half))  # of single pixels the noise would be picked
    middle = pictures[:, half - core : half + core + 1, half - core : half + core + 1]
    contrast: Pixels = middle.mean(axis=(1, 2)) - pictures.mean(axis=(1, 2))
    return contrast


def _judged(scene: Scene, expected: Pixels, leash: Leash, partners: Index, level: float, unit: float) -> Fit:
    """What was found, from the image with its level and unit taken away to the image as it came."""
    weight = scene.known / scene.noise.variance(expected)
    system = assemble(scene, weight, partners, coupled=True)
    _, hold = leash.pull(scene.columns, np.zeros((len(scene.columns), 4)), free=True)
    more = noise_left(scene, system, expected, weight, hold, leash)
    hold[:, [Y, X]] = 0
    deviation = np.sqrt(local_variance(system, hold) * more)
    deviation[leash.ran] = np.nan
    axes, angle = ellipses(scene, expected)
    return Fit(
        replace(scene.columns, height=scene.columns.height * unit),
        deviation[:, [Y, X]],
        deviation[:, HEIGHT] * unit,
        scene.surface.at(np.round(scene.columns.yx).astype(np.int64)) * unit + level,
        core_errors(scene, expected),
        axes,
        angle,
    )


def noise_left(scene: Scene, system: System, expected: Pixels, weight: Pixels, hold: Array, leash: Leash) -> Array:
    """(4,) factors of the variances of height, y, x and width, as `correlation`.

    White noise goes through the same fit: one step of all columns and the surface, small enough to be a straight line.
    """
    spread = np.sqrt(scene.noise.variance(expected))
    white = np.random.default_rng(0).standard_normal(expected.shape, np.float32) * np.float32(SMALL)
    force, load = forces(scene, weight * spread * white)
    force[leash.ran] = 0
    load = load + scene.surface.prior(scene.surface.coefficients)  # of the noise alone
    step, bend = system.solve(force, load, hold, tolerance=1e-3)
    yx = scene.columns.yx + step[:, [Y, X]]
    columns = Columns(yx, scene.columns.height + step[:, HEIGHT], scene.columns.sigma * np.exp(step[:, WIDTH]))
    taken = replace(scene, columns=columns, surface=scene.surface.moved(bend)).expected() - expected
    residual = np.where(scene.known > 0, (scene.pixels - expected) / spread, 0)
    return correlation(scene, residual, np.where(scene.known > 0, white - taken / spread, 0) / SMALL) ** 2
