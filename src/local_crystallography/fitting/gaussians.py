"""Many Gaussians in one image: rendering, and derivatives of the image with respect to their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local_crystallography.data.arrays import Array, Index, Pixels

TILE = 64
POWERS = 5
"""Moments 0 to 4 along each axis, which contain all products of two derivatives of one Gaussian."""
HEIGHT, Y, X, WIDTH = range(4)
"""Parameters of a column, in this order: height, y, x, logarithm of the width."""
TERMS = {HEIGHT: ((0, 0),), Y: ((1, 0),), X: ((0, 1),), WIDTH: ((2, 0), (0, 2))}
"""Derivatives as products of u^a exp(-u^2/2) along y and u^b exp(-u^2/2) along x, with u the distance in widths."""


@dataclass(frozen=True)
class Columns:
    """N Gaussians: positions (N, 2), heights (N,), standard deviations in pixels (N,)."""

    yx: Array
    height: Array
    sigma: Array

    def __len__(self) -> int:
        return len(self.yx)

    def __getitem__(self, rows: slice | Index) -> Columns:
        return Columns(self.yx[rows], self.height[rows], self.sigma[rows])

    def scales(self) -> Array:
        """(N, 4) factors of the derivatives of `TERMS`."""
        slope = self.height / self.sigma
        return np.stack([np.ones(len(self)), slope, slope, self.height], axis=1)


@dataclass(frozen=True)
class Windows:
    """Square windows of 2 half + 1 pixels around the pixels nearest to N columns, in an image padded by `half`.

    Parameters
    ----------
    corner
        (N, 2) first pixel of each window in the padded image.
    y, x
        (N, k) distances of the rows and columns of the window from the Gaussian, in pixels.
    """

    corner: Index
    y: Pixels
    x: Pixels

    @classmethod
    def around(cls, yx: Array, half: int) -> Windows:
        """Windows around positions inside the image."""
        nearest = np.round(yx).astype(np.int64)
        offsets = np.arange(-half, half + 1) - (yx - nearest)[..., None]
        return cls(nearest, offsets[:, 0].astype(np.float32), offsets[:, 1].astype(np.float32))

    def inner(self, rim: int) -> Windows:
        """Smaller windows, without a rim."""
        return Windows(self.corner + rim, self.y[:, rim:-rim], self.x[:, rim:-rim])

    def cut(self, padded: Pixels) -> Pixels:
        """(N, k, k) copies of the windows."""
        side = self.y.shape[1]
        view = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
        windows: Pixels = view[self.corner[:, 0], self.corner[:, 1]]
        return windows


def add_columns(image: Pixels, columns: Columns, reach: float) -> None:
    """Add the Gaussians to an image (H, W) in place, up to `reach` widths, by matrix products tile by tile."""
    y, x = columns.yx.astype(np.float32).T
    narrow, height = (-0.5 / columns.sigma**2).astype(np.float32), columns.height.astype(np.float32)
    order = np.argsort(y)
    for top in range(0, image.shape[0], TILE):
        rows = np.arange(top, min(top + TILE, image.shape[0]), dtype=np.float32)
        low, high = np.searchsorted(y[order], (rows[0] - reach, rows[-1] + reach))
        band = order[low:high][np.argsort(x[order[low:high]])]
        down = height[band] * np.exp(narrow[band] * (rows[:, None] - y[band]) ** 2)
        for left in range(0, image.shape[1], TILE):
            positions = np.arange(left, min(left + TILE, image.shape[1]), dtype=np.float32)
            low, high = np.searchsorted(x[band], (positions[0] - reach, positions[-1] + reach))
            part = band[low:high]
            across = np.exp(narrow[part, None] * (positions - x[part, None]) ** 2)
            image[top : top + TILE, left : left + TILE] += down[:, low:high] @ across


def factors(offsets: Pixels, sigma: Array, powers: int = 3) -> Pixels:
    """(N, k, powers) values of u^a exp(-u^2/2), with u the offset in widths."""
    u = offsets / sigma[:, None].astype(np.float32)
    rows = [np.exp(-0.5 * u * u)]
    for _ in range(powers - 1):
        rows.append(rows[-1] * u)
    return np.stack(rows, axis=-1)


def products(left: Pixels, right: Pixels) -> Pixels:
    """(N, k, a b) all products of (N, k, a) and (N, k, b)."""
    return (left[..., :, None] * right[..., None, :]).reshape(*left.shape[:2], -1)


def gradient(columns: Columns, down: Pixels, across: Pixels, residual: Pixels) -> Array:
    """(N, 4) derivatives of the log likelihood, from weighted residuals (N, k, k)."""
    moments = np.matmul(down.transpose(0, 2, 1), np.matmul(residual, across))
    slopes: Array = columns.scales() * np.stack([sum(moments[:, a, b] for a, b in TERMS[p]) for p in TERMS], axis=1)
    return slopes


def own_information(columns: Columns, windows: Windows, weight: Pixels) -> Array:
    """(N, 4, 4) Fisher information of each column, from weights (N, k, k)."""
    double = columns.sigma / np.sqrt(2)  # width of the square of a Gaussian
    down, across = factors(windows.y, double, POWERS), factors(windows.x, double, POWERS)
    moments = np.matmul(down.transpose(0, 2, 1), np.matmul(weight, across)).astype(np.float64)
    moments /= np.sqrt(2) ** np.add.outer(np.arange(POWERS), np.arange(POWERS))
    block = np.empty((len(columns), 4, 4))
    for p in TERMS:
        for q in range(p, 4):
            value = sum(moments[:, a + c, b + d] for a, b in TERMS[p] for c, d in TERMS[q])
            block[:, p, q] = block[:, q, p] = value
    scales = columns.scales()
    return block * scales[:, :, None] * scales[:, None]


def shared_information(columns: Columns, partners: Columns, windows: Windows, weight: Pixels) -> Array:
    """(N, 4, 4) Fisher information between columns and one partner each, in the windows of the columns."""
    shift = columns.yx - partners.yx
    parts = []
    for axis, offsets in enumerate((windows.y, windows.x)):
        there = offsets + shift[:, axis, None].astype(np.float32)
        parts.append(products(factors(offsets, columns.sigma), factors(there, partners.sigma)))
    moments = np.matmul(parts[0].transpose(0, 2, 1), np.matmul(weight, parts[1])).reshape(-1, 3, 3, 3, 3)
    block = np.empty((len(columns), 4, 4))
    for p in TERMS:
        for q in TERMS:
            block[:, p, q] = sum(moments[:, a, c, b, d] for a, b in TERMS[p] for c, d in TERMS[q])
    return block * columns.scales()[:, :, None] * partners.scales()[:, None]


def information_with(
    columns: Columns, down: Pixels, across: Pixels, weight: Pixels, splines: tuple[Pixels, Pixels]
) -> Pixels:
    """(N, 4, ly, lx) Fisher information between columns and splines (N, k, l) along y and x in their windows."""
    ly, lx = splines[0].shape[-1], splines[1].shape[-1]
    left, right = products(down, splines[0]), products(across, splines[1])
    moments = np.matmul(left.transpose(0, 2, 1), np.matmul(weight, right)).reshape(-1, 3, ly, 3, lx)
    block = np.stack([sum(moments[:, a, :, b] for a, b in TERMS[p]) for p in TERMS], axis=1)
    return np.asarray(block * columns.scales().astype(np.float32)[:, :, None, None])
