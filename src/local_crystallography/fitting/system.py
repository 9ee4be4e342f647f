"""Fisher information of all columns of an image and of the background surface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from local_crystallography.data.arrays import Array, Index, Pixels
from local_crystallography.fitting.background import Smoother, Surface, splines_around
from local_crystallography.fitting.gaussians import (
    Columns,
    Windows,
    add_columns,
    factors,
    gradient,
    information_with,
    own_information,
    shared_information,
)
from local_crystallography.fitting.noise import Noise, noise_of_image, noise_of_residual

REACH = 3.5
"""Half the side of a window, in widths."""
CLOSE = 2.6
"""Half the side, in widths, of the part of a window in which a column and the background are coupled."""
CHUNK = 4096
"""Columns processed at once: windows of 100,000 columns would take gigabytes."""
ITERATIONS = 40
"""Most iterations of the conjugate gradients."""


@dataclass(frozen=True)
class Scene:
    """An image and its model.

    Parameters
    ----------
    pixels
        (H, W) image.
    columns, surface
        Columns and background of the model.
    noise
        Noise of the pixels.
    half
        Half the side of a window around a column, in pixels.
    known
        (H, W) 1 for pixels in use, 0 for others.
    evenness
        (H, W) `known` over a variance of the pixel that stays fixed, for comparing fits.
    """

    pixels: Pixels
    columns: Columns
    surface: Surface
    noise: Noise
    half: int
    known: Pixels
    evenness: Pixels

    def measured(self, expected: Pixels) -> Scene:
        """Scene with the noise measured on the residuals, away from the rim of the image.

        Where it is hardly larger than the noise from differences of pixels, that is used, as it does not depend on
        the fit.
        """
        rim = min(self.half, min(expected.shape) // 4)
        middle = (slice(rim, -rim), slice(rim, -rim))
        left = noise_of_residual(expected[middle], (self.pixels - expected)[middle], self.known[middle])
        single = noise_of_image(self.pixels, self.known)
        part = expected[::8, ::8]
        same = np.median(left.variance(part)) < 1.15 * np.median(single.variance(part))
        return replace(self, noise=single if same else left)

    def misfit(self, expected: Pixels) -> float:
        """Mean squared residual over its variance, for the pixels in use."""
        return float(np.mean(self.evenness * (self.pixels - expected) ** 2))

    def expected(self) -> Pixels:
        """(H, W) image of the model."""
        image = self.surface.render()
        add_columns(image, self.columns, 1.3 * self.half)
        return image

    def parts(self) -> Iterator[tuple[slice, Columns, Windows]]:
        """Batches of columns: their rows, the columns, and the windows around them."""
        for rows in chunks(len(self.columns)):
            yield rows, self.columns[rows], Windows.around(self.columns.yx[rows], self.half)


@dataclass(frozen=True)
class System:
    """Linear system for a step of columns and surface, and its solution.

    Parameters
    ----------
    own, pairs
        (N, 4, 4) Fisher information of each column, and (P, 4, 4) between the columns of each pair.
    partners
        (P, 2) row numbers of the columns of each pair.
    atoms, cross, ground
        Fisher information (4 N, 4 N) of all columns, (4 N, m) between them and the m splines of the surface, and (m, m)
        of the surface.
    surface, smoother
        Surface with its prior, and approximate inverse of `ground` plus prior.
    """

    own: Array
    pairs: Array
    partners: Index
    atoms: sparse.bsr_matrix
    cross: sparse.csr_matrix
    ground: sparse.dia_matrix
    surface: Surface
    smoother: Smoother

    def times(self, step: Array, bend: Array, hold: Array) -> tuple[Array, Array]:
        """Information plus priors, times a step (N, 4) of the columns and a step (ny, nx) of the surface."""
        held = hold * step
        if not bend.size:
            return (self.atoms @ step.reshape(-1)).reshape(step.shape) + held, bend
        flat, low = step.astype(np.float32).reshape(-1), bend.astype(np.float32).reshape(-1)
        atoms = self.atoms @ flat + self.cross @ low
        ground = self.ground @ low + self.cross.T @ flat
        return atoms.reshape(step.shape) + held, ground.reshape(bend.shape) + self.surface.prior(bend)

    def solve(self, force: Array, load: Array, hold: Array, *, tolerance: float) -> tuple[Array, Array]:
        """Steps of columns and surface for a gradient, by preconditioned conjugate gradients; columns only if no load.

        `hold` (N, 4) is the precision of the priors of the columns.
        """
        # Poorly determined parameters would make a block singular.
        inverse = np.linalg.inv(self.own + hold[:, :, None] * np.eye(4) + 1e-12 * np.eye(4))
        r, s = force.copy(), load.copy()
        x, y = np.zeros_like(r), np.zeros_like(s)
        p, q = np.zeros_like(r), np.zeros_like(s)
        before, first = 1.0, 0.0
        for iteration in range(ITERATIONS):
            z, w = np.matmul(inverse, r[..., None])[..., 0], self.smoother(s) if s.size else s
            now = float((r * z).sum() + (s * w).sum())
            first = first or now
            if now <= tolerance * first:
                break
            ratio = now / before if iteration else 0.0
            p, q, before = z + ratio * p, w + ratio * q, now
            a, b = self.times(p, q, hold)
            size = now / float((p * a).sum() + (q * b).sum())
            x, y, r, s = x + size * p, y + size * q, r - size * a, s - size * b
        return x, y


def assemble(scene: Scene, weight: Pixels, partners: Index, *, coupled: bool) -> System:
    """Fisher information at the current model; `weight` (H, W) is the inverse variance of a pixel.

    Unless `coupled`, only that of the columns, with the surface fixed.
    """
    padded, half = np.pad(weight, scene.half), scene.half
    own, cross, where = [], [], []
    near = round(half * CLOSE / REACH)
    for _, part, windows in scene.parts():
        cut = windows.cut(padded)
        own.append(own_information(part, windows, cut))
        if coupled:
            inner = windows.inner(half - near)
            bases, index = splines_around(inner.corner - half, 2 * near + 1, scene.surface)
            down, across = factors(inner.y, part.sigma), factors(inner.x, part.sigma)
            ring = slice(half - near, half + near + 1)
            cross.append(information_with(part, down, across, np.ascontiguousarray(cut[:, ring, ring]), bases))
            where.append(index)
    blocks = np.concatenate(own)
    pairs = [_pairs(scene, padded, partners[rows]) for rows in chunks(len(partners))]
    both = np.concatenate([np.zeros((0, 4, 4)), *pairs])
    mixed = _mixed(cross, where, 4 * len(blocks), scene.surface.coefficients.size)
    ground = scene.surface.information(weight) if coupled else mixed[:0]
    smoother = scene.surface.smoother(float(np.median(weight[::4, ::4])))
    return System(blocks, both, partners, _blocks(blocks, both, partners), mixed, ground, scene.surface, smoother)


def _pairs(scene: Scene, padded: Pixels, partners: Index) -> Array:
    """(P, 4, 4) Fisher information between the columns of each pair (P, 2)."""
    left, right = scene.columns[partners[:, 0]], scene.columns[partners[:, 1]]
    windows = Windows.around(left.yx, scene.half)
    return shared_information(left, right, windows, windows.cut(padded))


def _mixed(cross: list[Pixels], where: list[Index], rows: int, splines: int) -> sparse.csr_matrix:
    """(rows, splines) Fisher information between columns and splines, from blocks with the nearby splines (n, l l)."""
    if not cross:
        return sparse.csr_matrix((rows, splines), dtype=np.float32)
    values, index = np.concatenate(cross), np.concatenate(where)
    starts = np.arange(rows + 1) * index.shape[1]
    return sparse.csr_matrix((values.ravel(), np.repeat(index, 4, axis=0).ravel(), starts), (rows, splines))


def _blocks(own: Array, pairs: Array, partners: Index) -> sparse.bsr_matrix:
    """(4 N, 4 N) matrix of the diagonal blocks and those of pairs."""
    n = len(own)
    rows = np.concatenate([np.arange(n), partners[:, 0], partners[:, 1]])
    columns = np.concatenate([np.arange(n), partners[:, 1], partners[:, 0]])
    data = np.concatenate([own, pairs, pairs.transpose(0, 2, 1)]).astype(np.float32)
    order = np.lexsort((columns, rows))
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    return sparse.bsr_matrix((data[order], columns[order], starts), (4 * n, 4 * n))


def forces(scene: Scene, residual: Pixels) -> tuple[Array, Array]:
    """Gradient of the log likelihood for columns (N, 4) and surface (ny, nx), from residuals over their variance."""
    padded, parts = np.pad(residual, scene.half), []
    for _, part, windows in scene.parts():
        down, across = factors(windows.y, part.sigma), factors(windows.x, part.sigma)
        parts.append(gradient(part, down, across, windows.cut(padded)))
    return np.concatenate(parts), scene.surface.project(residual) - scene.surface.prior(scene.surface.coefficients)


def chunks(n: int) -> Iterator[slice]:
    """Slices of at most CHUNK rows."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))
