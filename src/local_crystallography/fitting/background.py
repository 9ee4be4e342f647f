"""Background of an image: a surface of cubic B-splines, smooth except where the image itself has a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, sparse
from skimage.measure import block_reduce

from local_crystallography.data.arrays import Array, Index, Mask, Pixels

AROUND = 7.0
"""Half the side, in widths, of the square of a median filter, which preserves the edges of steps."""
FEWEST = 6
"""Fewest knot spacings along the shorter side, as seven splines overlap."""
STEEP, HIGH, SMOOTH = 0.98, 0.9, 2.0
"""Quantiles of the heights of steps and of columns that are compared; and width of the Gaussian against which steps are
measured, relative to that of columns."""


@dataclass(frozen=True)
class Surface:
    """Cubic B-splines on a square grid of knots over an image of (H, W).

    Parameters
    ----------
    shape
        (H, W) in pixels.
    spacing
        Distance between knots in pixels.
    coefficients
        (ny, nx) coefficients of the splines.
    tightness
        (3, ny, nx) prior precision of the second differences of the coefficients along y, along x, and mixed.
    """

    shape: tuple[int, int]
    spacing: float
    coefficients: Array
    tightness: Array

    @classmethod
    def below(cls, pixels: Pixels, *, spacing: float, width: float, dark: bool, roughness: float) -> Surface:
        """Surface of the image between atoms of a given width, from a morphological opening of the image.

        The prior expects second differences of the coefficients of size `roughness`; where those of the opening are
        far larger than elsewhere, as at the edge of a particle, it expects these instead.
        """
        spacing = min(spacing, min(pixels.shape) / FEWEST)
        step = max(1, int(width / 1.7))
        smooth = ndimage.gaussian_filter(block_means(pixels, step), 0.7 * width / step)
        side = 2 * int(3 * width / step) + 1
        tilt = plane(smooth)  # an opening would lower a slope by half the side of its square
        opened = (ndimage.grey_closing if dark else ndimage.grey_opening)(smooth - tilt, (side, side), mode="nearest")
        opened = ndimage.gaussian_filter(opened, 0.5 * spacing / step) + tilt
        grid = (number_of(pixels.shape[0], spacing), number_of(pixels.shape[1], spacing))
        y, x = (((np.arange(n) - 1) * spacing - (step - 1) / 2) / step for n in grid)
        values = ndimage.map_coordinates(opened, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")
        surface = cls((pixels.shape[0], pixels.shape[1]), spacing, values, np.ones((3, *grid)))
        square = surface.bends() ** 2
        square = np.maximum(square - 20 * np.median(square[:, ::2, ::2], axis=(1, 2), keepdims=True), 0)
        return replace(surface, tightness=1 / (roughness**2 + square))

    def bases(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Values (H, ny) and (W, nx) of the splines at the pixels, float32."""
        (h, w), (ny, nx) = self.shape, self.coefficients.shape
        return design(np.arange(h), self.spacing, ny), design(np.arange(w), self.spacing, nx)

    def render(self) -> Pixels:
        """(H, W) values of the surface."""
        rows, columns = self.bases()
        across = columns @ self.coefficients.T.astype(np.float32)
        values: Pixels = rows @ np.ascontiguousarray(across.T)
        return values

    def at(self, positions: Index) -> Array:
        """(N,) values at pixels (N, 2)."""
        (down, across), index = splines_around(positions, 1, self)
        products = (down[:, 0, :, None] * across[:, 0, None]).reshape(len(positions), -1)
        values: Array = (products * self.coefficients.ravel()[index]).sum(axis=1)
        return values

    def project(self, pixels: Pixels) -> Array:
        """(ny, nx) sums of pixels times each spline: the gradient with respect to the coefficients."""
        rows, columns = self.bases()
        down = rows.T @ pixels
        return np.asarray((columns.T @ np.ascontiguousarray(down.T)).T, np.float64)

    def information(self, weight: Pixels) -> sparse.dia_matrix:
        """(m, m) weighted sums over pixels of products of splines, m = ny nx; on blocks of pixels for speed."""
        step = max(1, int(self.spacing / 4))
        blocks = block_sums(weight, step)
        ny, nx = self.coefficients.shape
        rows, columns = (
            design(np.arange(count) * step + (step - 1) / 2, self.spacing, number).tocsc()
            for count, number in zip(blocks.shape, (ny, nx), strict=True)
        )
        transposed = np.ascontiguousarray(blocks.T)
        across = [
            np.ascontiguousarray(((columns[:, : nx - d].multiply(columns[:, d:])).T.tocsr() @ transposed).T)
            for d in range(4)
        ]
        diagonals = np.zeros((7, 7, ny, nx), np.float32)  # at [3 + dy, 3 + dx, y + dy, x + dx]
        for dy in range(4):
            pair = rows[:, : ny - dy].multiply(rows[:, dy:]).T.tocsr()
            for dx in range(4):
                values = pair @ across[dx]
                diagonals[3 + dy, 3 + dx, dy:, dx:] = values
                diagonals[3 + dy, 3 - dx, dy:, : nx - dx] = values
                diagonals[3 - dy, 3 + dx, : ny - dy, dx:] = values
                diagonals[3 - dy, 3 - dx, : ny - dy, : nx - dx] = values
        shifts = np.add.outer(np.arange(-3, 4) * nx, np.arange(-3, 4)).ravel()
        return sparse.dia_matrix((diagonals.reshape(49, -1), shifts), (ny * nx, ny * nx))

    def prior(self, coefficients: Array) -> Array:
        """(ny, nx) gradient of the roughness: half the sum of tightness times squared second differences."""
        out = np.zeros_like(coefficients)
        ty, tx, txy = self.tightness
        d = ty[1:-1] * np.diff(coefficients, 2, axis=0)
        out[:-2] += d
        out[1:-1] -= 2 * d
        out[2:] += d
        d = tx[:, 1:-1] * np.diff(coefficients, 2, axis=1)
        out[:, :-2] += d
        out[:, 1:-1] -= 2 * d
        out[:, 2:] += d
        d = 2 * txy[1:, 1:] * np.diff(np.diff(coefficients, axis=0), axis=1)
        out[1:, 1:] += d
        out[:-1, :-1] += d
        out[1:, :-1] -= d
        out[:-1, 1:] -= d
        return out

    def bends(self) -> Array:
        """(3, ny, nx) second differences along y, along x and mixed; 0 at the rim."""
        c = self.coefficients
        out = np.zeros((3, *c.shape))
        out[0, 1:-1] = np.diff(c, 2, axis=0)
        out[1, :, 1:-1] = np.diff(c, 2, axis=1)
        out[2, 1:, 1:] = np.diff(np.diff(c, axis=0), axis=1)
        return out

    def stepped(self, step: Array) -> Surface:
        """Surface with a step added to its coefficients."""
        return replace(self, coefficients=self.coefficients + step)

    def smoother(self, weight: float) -> Smoother:
        """Approximate inverse of information plus prior, by their eigenvalues in the cosine basis.

        Exact for constant weights and tightness.
        """
        ky, kx = (np.pi * np.arange(n) / n for n in self.coefficients.shape)
        overlap = [151 / 315 + 397 / 840 * np.cos(k) + np.cos(2 * k) / 21 + np.cos(3 * k) / 2520 for k in (ky, kx)]
        data = weight * self.spacing**2 * np.outer(*overlap)
        dy, dx = (2 - 2 * np.cos(ky))[:, None], (2 - 2 * np.cos(kx))[None]
        ty, tx, txy = np.exp(np.log(self.tightness).mean(axis=(1, 2)))
        total = data + (ty * dy**2 + tx * dx**2 + 2 * txy * dy * dx) + 1e-12 * data.max()
        return Smoother(np.divide(1, total, out=np.zeros_like(total), where=total > 0))


@dataclass(frozen=True)
class Smoother:
    """Filter in the cosine basis."""

    gain: Array

    def __call__(self, values: Array) -> Array:
        spectrum = fft.dctn(values, type=2, norm="ortho")
        smooth: Array = fft.idctn(self.gain * spectrum, type=2, norm="ortho")
        return smooth


def plane(image: Pixels) -> Pixels:
    """(H, W) least-squares plane of an image."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in image.shape)
    down = (image.mean(axis=1) * y).sum() / max((y**2).sum(), 1)
    across = (image.mean(axis=0) * x).sum() / max((x**2).sum(), 1)
    return np.asarray(image.mean() + np.add.outer(down * y, across * x), np.float32)


def number_of(length: int, spacing: float) -> int:
    """Number of splines that overlap an axis of `length` pixels."""
    return int((length - 1) // spacing) + 4


def weights_at(positions: Array) -> Array:
    """(4, ...) values of the four nonzero cubic B-splines, at positions in units of knots."""
    f = positions - np.floor(positions)
    g = 1 - f
    return np.stack([g**3, 3 * f**3 - 6 * f**2 + 4, 3 * g**3 - 6 * g**2 + 4, f**3]) / 6


def design(pixels: npt.NDArray[np.generic], spacing: float, count: int) -> sparse.csr_matrix:
    """(pixels, count) values of the splines, float32."""
    positions = np.clip(np.asarray(pixels, float) / spacing, 0, count - 3 - 1e-9)
    first = np.floor(positions).astype(int)
    columns = first[:, None] + np.arange(4)
    starts = np.arange(len(positions) + 1) * 4
    values = weights_at(positions).T.astype(np.float32)
    return sparse.csr_matrix((values.ravel(), columns.ravel(), starts), (len(positions), count))


def block_sums(pixels: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    """Sums over blocks of step x step pixels; the last blocks may be smaller."""
    rows = np.add.reduceat(pixels, np.arange(0, pixels.shape[0], step), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, pixels.shape[1], step), axis=1))


def block_means(pixels: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    """Means over the same blocks."""
    sizes = (np.diff([*range(0, n, step), n]) for n in pixels.shape)
    return np.asarray(block_sums(pixels, step) / np.outer(*sizes), pixels.dtype)


def splines_around(first: Index, side: int, surface: Surface) -> tuple[tuple[Pixels, Pixels], Index]:
    """Splines in N windows of `side` pixels: values (N, side, l) along y and x, and flat indices (N, l l)."""
    length = int((side - 1) / surface.spacing) + 5
    bases, starts = [], []
    for axis, count in enumerate(surface.coefficients.shape):
        pixels = np.clip(first[:, axis, None] + np.arange(side), 0, surface.shape[axis] - 1)
        knot = np.floor(pixels / surface.spacing).astype(np.int64)
        start = np.minimum(knot[:, :1], count - length) if count >= length else np.zeros_like(knot[:, :1])
        values = weights_at(pixels / surface.spacing).astype(np.float32)
        base = np.zeros((*pixels.shape, length), np.float32)
        np.put_along_axis(base, (knot - start)[..., None] + np.arange(4), values.transpose(1, 2, 0), axis=-1)
        bases.append(base)
        starts.append(start)
    rows, columns = (
        np.minimum(s + np.arange(length), n - 1) for s, n in zip(starts, surface.coefficients.shape, strict=True)
    )
    number = rows[:, :, None] * surface.coefficients.shape[1] + columns[:, None]
    return (bases[0], bases[1]), number.reshape(len(first), -1)


def median_around(image: Pixels, width: float) -> Array:
    """(h, w) local median, which columns of this width hardly affect; on blocks of pixels for speed."""
    step = max(1, int(1.2 * width))
    blocks = block_reduce(image, (step, step), np.mean, cval=float(np.median(image)))
    coarse = ndimage.median_filter(blocks, 2 * int(AROUND * width / step) + 1, mode="nearest")
    y, x = ((np.arange(n) - (step - 1) / 2) / step for n in image.shape)
    return np.asarray(ndimage.map_coordinates(coarse, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest"))


def terraces(values: npt.NDArray[Any], width: float) -> tuple[Pixels, Mask]:
    """(H, W) levels of the terraces of an image (H, W) with steps higher than its columns, and mask of the steps.

    A smooth surface cannot follow the steps of a specimen; a level for each terrace, with a common tilt, can. The
    levels of other images are 0, as subtracting them would hide the brightness of pixels, on which the noise depends.
    """
    levels, steps = np.zeros(values.shape, np.float32), np.zeros(values.shape, bool)
    step = max(1, int(1.2 * width))
    coarse = block_means(values[: len(values) // step * step, : values.shape[1] // step * step], step)[::2, ::2]
    if not coarse.size or not has_steps(coarse, width / (2 * step)):
        return levels, steps
    median = median_around(values.astype(np.float32), width)
    side = 2 * int(width) + 1
    height = np.quantile(np.abs(values - median), HIGH)
    steps = ndimage.maximum_filter(median, side) - ndimage.minimum_filter(median, side) > height
    areas, count = ndimage.label(~steps)
    if not count:
        return levels, steps
    part = (slice(None, None, side),) * 2
    area, (y, x) = areas[part].ravel(), np.indices(values.shape)[:, *part].reshape(2, -1)
    design = np.concatenate([np.arange(1, count + 1) == area[:, None], np.stack([y, x], axis=1)], axis=1)[area > 0]
    level = np.linalg.lstsq(design.astype(float), median[part].ravel()[area > 0], rcond=None)[0][:count]
    nearest = ndimage.distance_transform_edt(steps, return_distances=False, return_indices=True)
    return level.astype(np.float32)[areas[tuple(nearest)] - 1], steps


def has_steps(values: npt.NDArray[Any], width: float) -> bool:
    """Whether an image (H, W), possibly coarse, has steps higher than its columns of this width."""
    median = ndimage.median_filter(values, 2 * int(AROUND * width) + 1, mode="nearest")
    edges = np.abs(median - ndimage.gaussian_filter(median, SMOOTH * width))
    return bool(np.quantile(edges, STEEP) > np.quantile(np.abs(values - median), HIGH))
