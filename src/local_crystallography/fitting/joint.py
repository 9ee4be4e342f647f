"""Joint fit of all atoms of an image: Gaussians over one smooth background, by maximum likelihood.

The model is that of StatSTEM (De Backer et al., Ultramicroscopy 171, 104 (2016)). It is fitted by Fisher scoring: each
step updates all Gaussians and the background together, by conjugate gradients on the Fisher information.
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
"""Rim of the image, in widths, that is affected by atoms outside."""
COUPLED = 4.8
"""Columns closer than this, in widths, are coupled in a step."""
KNOTS = 2.0
"""Distance between the knots of the background, in widths."""
ROUGH = 0.001
"""Expected second differences of the coefficients of the background, relative to the contrast of the image."""
ROUNDS, FRESH = 8, 3
"""Most rounds, and rounds that recompute the Fisher information; later ones do so only while columns move far."""
FURTHEST = 0.6
"""Longest step along an axis, in widths."""
FINE = 3.0
"""Width in pixels above which an image is binned for the fit."""
SMALL = 0.02
"""Amplitude of the white noise passed through a fit, in standard deviations: small enough for a linear response."""
ASIDE, GUESS = 9.0, 0.28
"""Half the side of the part in which the width is estimated, and its initial value, in distances between columns."""
STILL = 0.1
"""Root mean square step, in standard deviations, below which the fit has converged."""


@dataclass(frozen=True)
class Fit:
    """Result of a fit, in units of the image and pixels.

    Parameters
    ----------
    columns
        Positions, heights and widths of N columns.
    std
        (N, 2) standard deviations of the positions along y and x; NaN for columns that drifted away and were reset.
    height_std
        (N,) standard deviations of the heights.
    background
        (N,) background at the columns.
    error
        (N,) root mean square residual in the core of a column over its standard deviation; 1 for noise alone.
    axes, angle
        (N, 2) standard deviations along the long and short axes, and (N,) direction of the long axis, see `ellipses`.
    """

    columns: Columns
    std: Array
    height_std: Array
    background: Array
    error: Array
    axes: Array
    angle: Array

    def finer(self, step: int) -> Fit:
        """Fit of a binned image in the original pixels, with the broadening by the binning removed."""
        box = (step**2 - 1) / 12
        wide = self.columns.sigma * step
        sigma = np.sqrt(np.maximum(wide**2 - box, 0.25 * wide**2))
        gain = (wide / sigma) ** 2  # broadening preserves the volume
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
    """Job that fits a Gaussian at each of the positions (N, 2) inside an image (H, W) in any unit.

    `width` is the initial standard deviation of a column in pixels; None estimates it. `unknown` (H, W) marks pixels to
    ignore; their values must be finite. Stopped early, the job returns the fit so far. An image much finer than its
    columns is binned for the fit.
    """
    unknown = np.zeros(pixels.shape, bool) if unknown is None else unknown
    values = pixels.astype(np.float64)
    levels, steps = terraces(values, width or GUESS * float(np.median(distances(values.shape, yx))))
    values, unknown = values - levels, unknown | steps
    if width is None:
        scaled = scaled_to_one(values)
        distance, width, dark = first_look(scaled, yx, None)
        width = width_by_evidence(scaled, yx, float(np.median(distance)), dark) or width
    step = max(1, int(width / FINE))
    if step == 1:
        fit = yield from _fit(values, yx, width, unknown)
    else:  # without the last pixels, which fill no block
        h, w = (n // step * step for n in values.shape)
        fraction = 1 - block_means(unknown[:h, :w].astype(np.float64), step)
        known = block_means(np.where(unknown, 0, values)[:h, :w], step)
        blocks = np.where(fraction > 0.5, known / np.maximum(fraction, 0.5), block_means(values[:h, :w], step))
        coarse = (yx + 0.5) / step - 0.5
        coarse = np.clip(coarse, -0.5, np.array(blocks.shape) - 0.5001)
        fit = (yield from _fit(blocks, coarse, width / step, fraction <= 0.5)).finer(step)
    at = tuple(np.clip(np.rint(fit.columns.yx).astype(int), 0, np.array(values.shape) - 1).T)
    return replace(fit, background=fit.background + levels[at])


def scaled_to_one(values: Array) -> Pixels:
    """(H, W) image scaled to a standard deviation of 1."""
    return (values / (values.std() or 1)).astype(np.float32)


def _fit(values: Array, yx: Array, width: float, unknown: Mask) -> Job[Fit]:
    """Fit of an image (H, W) whose columns are a few pixels wide."""
    level, unit = float(np.median(values[~unknown][::3])), float(values[~unknown].std()) or 1.0
    scaled = ((values - level) / unit).astype(np.float32)
    distance, width, dark = first_look(scaled, yx, width)
    scene = _start(scaled, yx, width=width, dark=dark, unknown=unknown)
    restraints = Restraints(yx, distance / 2, np.zeros(len(yx), bool), float(np.log(width)), 0.03)
    partners = cKDTree(yx).query_pairs(COUPLED * width, output_type="ndarray").astype(np.int64)
    system, last, best = None, np.inf, (np.inf, scene, restraints)
    for number in range(ROUNDS):
        expected = scene.expected()
        if number == 2:
            scene = scene.measured(expected)
        misfit = scene.misfit(expected)
        if misfit > 1.001 * best[0]:
            scene, restraints = best[1], best[2].shortened()
            best = best[0], scene, restraints  # the next step is shortened again if this one fails too
            expected, system = scene.expected(), None
        else:
            best = misfit, scene, restraints
        weight = scene.known / scene.noise.variance(expected) if number else scene.evenness
        if system is None or number < FRESH or last > 1:
            system = assemble(scene, weight, partners, coupled=number > 0)
        step, bend = _step(scene, restraints, system, weight * (scaled - expected), free=number > 0)
        scene, restraints = restraints.follow(scene, step, bend, learn=number > 1, known=system.own[:, WIDTH, WIDTH])
        last = float(np.sqrt(np.mean(step[:, [Y, X]] ** 2 * system.own[:, [Y, X], [Y, X]]))) if number else np.inf
        stop = yield Progress((number + 1) / (ROUNDS + 1), f"Fitting {len(yx)} atoms, round {number + 1}")
        if stop or last < STILL:
            break
    expected = scene.expected()
    if scene.misfit(expected) > 1.001 * best[0]:
        scene, restraints = best[1:]
        expected = scene.expected()
    return _result(scene.measured(expected), expected, restraints, partners, level, unit)


def _step(scene: Scene, restraints: Restraints, system: System, residual: Pixels, *, free: bool) -> tuple[Array, Array]:
    """Steps of columns and surface; of heights alone unless `free`."""
    force, load = forces(scene, residual)
    force, hold = restraints.pull(scene.columns, force, free=free)
    if not free:
        heights = system.solve(force, load[:0], hold, tolerance=1e-3)[0][:, HEIGHT]
        typical, step = float(np.median(heights)), np.zeros_like(force)
        step[:, HEIGHT] = of_one_sign(heights, np.sign(typical), 0.05 * abs(typical))
        return step, np.zeros_like(load)
    hold = hold + restraints.damping * np.einsum("nii->ni", system.own)
    return system.solve(force, load, hold, tolerance=3e-3)


@dataclass(frozen=True)
class Restraints:
    """Restraints on the columns: positions near their start, widths around a common one.

    Parameters
    ----------
    start, radius
        (N, 2) initial positions, and (N,) largest distances from them.
    escaped
        (N,) whether a column went further; it is then kept at its start.
    width, spread
        Common logarithm of the width, and its standard deviation over the columns.
    damping
        Damping relative to the information, raised after a step that made the fit worse (Marquardt).
    """

    start: Array
    radius: Array
    escaped: Mask
    width: float
    spread: float
    damping: float = 0.0

    def pull(self, columns: Columns, force: Array, *, free: bool) -> tuple[Array, Array]:
        """Gradient (N, 4) including that of the prior, and precision of the prior; unless `free`, only heights change.

        A trust region of half a width limits steps in poorly determined directions without any bias.
        """
        force, hold = force.copy(), np.zeros_like(force)
        hold[:, [Y, X]] = (0.5 * columns.sigma[:, None]) ** -2.0
        hold[:, WIDTH] = self.spread**-2.0
        force[:, WIDTH] -= (np.log(columns.sigma) - self.width) * self.spread**-2.0
        fixed = self.escaped[:, None] & [False, True, True, False]
        if not free:
            fixed = fixed | [False, True, True, True]
        force[fixed], hold[fixed] = 0, 1e6 * (1 + hold[fixed])
        return force, hold

    def shortened(self) -> Restraints:
        """Restraints after a step that made the fit worse."""
        return replace(self, damping=max(10 * self.damping, 1.0))

    def follow(self, scene: Scene, step: Array, bend: Array, *, learn: bool, known: Array) -> tuple[Scene, Restraints]:
        """Scene after a step, and restraints updated by it; `known` (N,) is the information on each width.

        The variation of widths due to noise is subtracted from their spread; otherwise weak columns would fit noise.
        """
        old = scene.columns
        limit = FURTHEST * old.sigma[:, None]
        yx = old.yx + np.clip(step[:, [Y, X]], -limit, limit)
        sigma = old.sigma * np.exp(np.clip(step[:, WIDTH], -0.3, 0.3))
        outside = ((yx < -0.5) | (yx > np.array(scene.pixels.shape) - 0.5)).any(axis=1)
        gone = outside | (np.hypot(*(yx - self.start).T) > self.radius)
        escaped = self.escaped | (gone & learn)  # the first steps of a weak column are unreliable
        heights = old.height + step[:, HEIGHT]
        heights = of_one_sign(heights, np.sign(np.median(old.height)), 0.01 * np.median(np.abs(heights)))
        columns = Columns(np.where((escaped | gone)[:, None], self.start, yx), heights, sigma)
        strong = np.abs(columns.height) >= 0.4 * np.quantile(np.abs(columns.height), 0.9)
        rows = np.flatnonzero(strong & ~escaped)
        widths = np.log(sigma[rows]) if len(rows) else np.array([self.width])
        middle = float(np.median(widths))
        # Noise makes a restrained width vary less than a free one.
        noise = known[rows] / (known[rows] + self.spread**-2.0) ** 2 if len(rows) else np.zeros(1)
        varies = (1.48 * np.median(np.abs(widths - middle))) ** 2 - float(np.median(noise))
        spread = float(np.clip(np.sqrt(max(varies, 0)), 0.03, 0.3))
        restraints = replace(self, escaped=escaped, damping=0.3 * self.damping)
        restraints = replace(restraints, width=middle, spread=spread) if learn else restraints
        return replace(scene, columns=columns, surface=scene.surface.stepped(bend / (1 + self.damping))), restraints


def of_one_sign(heights: Array, sign: float, least: float) -> Array:
    """Heights with the given sign, unless it is 0, and at least `least` in size.

    A column of the other sign would fit the gaps between columns, and the position of one without height is undefined.
    """
    return sign * np.maximum(sign * heights, least) if sign else heights


def _start(pixels: Pixels, yx: Array, *, width: float, dark: bool, unknown: Mask) -> Scene:
    """Scene before any fit: columns of zero height over the background between atoms."""
    n = len(yx)
    inside = np.clip(yx, 0, np.array(pixels.shape) - 1)
    contrast = float(np.subtract(*np.quantile(pixels[::2, ::2], [0.99, 0.1])))
    surface = Surface.below(pixels, spacing=KNOTS * width, width=width, dark=dark, roughness=ROUGH * contrast)
    columns = Columns(inside, np.zeros(n), np.full(n, width))
    counts = known(pixels.shape, inside, width) * ~unknown
    noise = noise_of_image(pixels, counts)
    smooth = ndimage.gaussian_filter(pixels, max(1.0, 0.6 * width))  # less noisy than single pixels
    evenness = counts / noise.variance(smooth)
    return Scene(pixels, columns, surface, noise, int(np.ceil(REACH * width)), counts, evenness)


def known(shape: tuple[int, ...], yx: Array, width: float) -> Pixels:
    """(H, W) 0 at the rim of the image away from any atom, where atoms outside the image contribute; 1 elsewhere."""
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
    """(N,) nearest-neighbour distances, the width (given or estimated), both in px, and whether atoms are dark.

    The distance for a single position is a quarter of the image.
    """
    distance = distances(pixels.shape, yx)
    return distance, width or common_width(pixels, yx, float(np.median(distance))), are_dark(pixels, yx)


def distances(shape: tuple[int, ...], yx: Array) -> Array:
    """(N,) nearest-neighbour distances; a quarter of the image for a single position."""
    if len(yx) < 2:
        return np.full(len(yx), min(shape) / 4)
    return np.asarray(cKDTree(yx).query(yx, 2)[0][:, 1])


def are_dark(pixels: Pixels, yx: Array) -> bool:
    """Whether most positions (N, 2) are darker than their surroundings, within half the distance between them."""
    middle = float(np.median(distances(pixels.shape, yx)))
    return bool(np.median(_contrast(_patches(pixels, yx, middle))) < 0)


def width_by_evidence(pixels: Pixels, yx: Array, distance: float, dark: bool) -> float | None:
    """Width in pixels that explains most of a part of an image, with all neighbours; None for too few columns."""
    centre = yx[np.linalg.norm(yx - np.median(yx, axis=0), axis=1).argmin()]
    corner = np.clip(np.rint(centre - ASIDE * distance).astype(int), 0, None)
    part = pixels[corner[0] : corner[0] + int(2 * ASIDE * distance), corner[1] : corner[1] + int(2 * ASIDE * distance)]
    width = GUESS * distance
    step = max(1, int(width / 1.7))  # columns two pixels wide suffice and are faster
    part = block_means(-part if dark else part, step)
    for _ in range(2):
        evidence = weigh(part, (yx - corner + 0.5) / step - 0.5, width / step, 3 * width / step)
        if evidence is None or not evidence.explained:
            return None
        width = evidence.sigma * step
    return max(width, 0.6)


def common_width(pixels: Pixels, yx: Array, distance: float) -> float:
    """Width in pixels of the mean image of the strongest third of the atoms, within half the distance between them.

    The background may not lie below the range of the image: a wide Gaussian on a deep one looks like a narrow Gaussian.
    """
    cut = _patches(pixels, yx, distance)
    contrast, half = _contrast(cut), cut.shape[1] // 2
    sign = -1.0 if np.median(contrast) < 0 else 1.0
    strong = np.argsort(-sign * contrast)[: max(1, len(yx) // 3)]
    mean = sign * cut[strong].mean(axis=0, dtype=np.float64)
    squared = np.add.outer(np.arange(-half, half + 1) ** 2, np.arange(-half, half + 1) ** 2)
    near = squared <= half**2
    value, lowest = mean[near], float(np.quantile(sign * pixels[::2, ::2], 0.02))
    best = (np.inf, 0.3 * distance)
    for sigma in distance * np.geomspace(0.1, 0.45, 40):
        shape = np.exp(-squared[near] / (2 * sigma**2))
        slope = ((shape - shape.mean()) * (value - value.mean())).sum() / ((shape - shape.mean()) ** 2).sum()
        ground = max(value.mean() - slope * shape.mean(), lowest)
        height = ((value - ground) * shape).sum() / (shape**2).sum()
        best = min(best, (float(((value - ground - height * shape) ** 2).sum()), float(sigma)))
    return max(best[1], 0.6)


def _patches(pixels: Pixels, yx: Array, distance: float) -> Pixels:
    """(N, k, k) patches of the image around positions, within half the distance between them."""
    half = max(2, int(0.55 * distance))
    windows = Windows.around(np.clip(yx, 0, np.array(pixels.shape) - 1), half)
    return windows.cut(np.pad(pixels, half, mode="edge"))


def _contrast(patches: Pixels) -> Pixels:
    """(N,) mean of the centre of each patch minus the mean of the patch."""
    half = patches.shape[1] // 2
    core = max(1, round(0.3 * half))  # single pixels would select noise
    middle = patches[:, half - core : half + core + 1, half - core : half + core + 1]
    contrast: Pixels = middle.mean(axis=(1, 2)) - patches.mean(axis=(1, 2))
    return contrast


def _result(scene: Scene, expected: Pixels, restraints: Restraints, partners: Index, level: float, unit: float) -> Fit:
    """Result of a fit, converted from the normalised image back to the units of the original."""
    weight = scene.known / scene.noise.variance(expected)
    system = assemble(scene, weight, partners, coupled=True)
    _, hold = restraints.pull(scene.columns, np.zeros((len(scene.columns), 4)), free=True)
    more = noise_factors(scene, system, expected, weight, hold, restraints)
    hold[:, [Y, X]] = 0
    deviation = np.sqrt(local_variance(system, hold) * more)
    deviation[restraints.escaped] = np.nan
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


def noise_factors(
    scene: Scene, system: System, expected: Pixels, weight: Pixels, hold: Array, restraints: Restraints
) -> Array:
    """(4,) factors of the variances of height, y, x and width due to correlated noise, see `correlation`.

    White noise is passed through the same fit: one step of all columns and the surface, small enough to be linear.
    """
    spread = np.sqrt(scene.noise.variance(expected))
    white = np.random.default_rng(0).standard_normal(expected.shape, np.float32) * np.float32(SMALL)
    force, load = forces(scene, weight * spread * white)
    force[restraints.escaped] = 0
    load = load + scene.surface.prior(scene.surface.coefficients)  # due to the noise alone
    step, bend = system.solve(force, load, hold, tolerance=1e-3)
    yx = scene.columns.yx + step[:, [Y, X]]
    columns = Columns(yx, scene.columns.height + step[:, HEIGHT], scene.columns.sigma * np.exp(step[:, WIDTH]))
    fitted = replace(scene, columns=columns, surface=scene.surface.stepped(bend)).expected() - expected
    residual = np.where(scene.known > 0, (scene.pixels - expected) / spread, 0)
    return correlation(scene, residual, np.where(scene.known > 0, white - fitted / spread, 0) / SMALL) ** 2
