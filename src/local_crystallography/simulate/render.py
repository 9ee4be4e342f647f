"""Expected counts of an image: a Gaussian for each column, evaluated at the actual positions of the probe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.simulate.columns import ramp, relative_thickness
from local_crystallography.simulate.distort import ScanPath
from local_crystallography.simulate.scene import Scene

Array = npt.NDArray[np.float64]

STAMP_REACH = 4.5  # standard deviations, at which a Gaussian has fallen to 4e-5
CHUNK = 512  # columns rendered at once, so that their stamps stay in the cache
WAVES = 96  # number of plane waves in a smooth random field


def stamp_radius(scene: Scene, sigma: float) -> int:
    """Half width in px of the stamp of a column of standard deviation `sigma` px, broadened by jitter."""
    blur = STAMP_REACH * np.hypot(sigma, scene.mistilt.smear / scene.pixel_size)
    return int(np.ceil(blur + STAMP_REACH * scene.scan.line_jitter)) + 1


def render_columns(scene: Scene, columns: pd.DataFrame, path: ScanPath) -> Array:
    """(H, W) expected counts of the columns alone; `columns` must include the apparent `y_px` and `x_px`."""
    height, width = scene.shape
    image = np.zeros(height * width)
    for start in range(0, len(columns), CHUNK):
        part = columns.iloc[start : start + CHUNK]
        radius = stamp_radius(scene, float(part["sigma_px"].max()))
        offsets = np.arange(-radius, radius + 1)
        rows = np.rint(part["y_px"].to_numpy()).astype(np.int64)[:, None] + offsets
        cols = np.rint(part["x_px"].to_numpy()).astype(np.int64)[:, None] + offsets
        values = _stamps(scene, part, path, rows, cols)
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
        pixels = rows[:, :, None] * width + cols[:, None, :]
        low, high = max(int(rows.min()), 0) * width, min(int(rows.max()) + 1, height) * width
        if low < high:
            image[low:high] += np.bincount(pixels[inside] - low, values[inside], minlength=high - low)
    return image.reshape(height, width)


def _stamps(
    scene: Scene, part: pd.DataFrame, path: ScanPath, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]
) -> Array:
    """(n, k, k) counts of n columns in the (n, k) pixel rows and columns around them."""
    dy = (path.specimen_y(rows) - part["y_ideal_px"].to_numpy()[:, None])[:, :, None]
    dx = (path.unshifted_x(cols) - part["x_ideal_px"].to_numpy()[:, None])[:, None, :]
    dx = dx - path.shift_at(rows)[:, :, None]
    pyy, pyx, pxx = (entry[:, None, None] for entry in _precision(scene, part["sigma_px"].to_numpy()))
    exponent = pxx * dx
    exponent += 2 * pyx * dy
    exponent *= dx
    exponent += pyy * dy**2
    exponent *= -0.5
    return np.asarray(part["strength"].to_numpy()[:, None, None] * np.exp(exponent, out=exponent))


def _precision(scene: Scene, sigma: Array) -> tuple[Array, Array, Array]:
    """(N,) elements yy, yx, xx of the inverse covariance, per px squared; the mistilt elongates columns."""
    smear = (scene.mistilt.smear / scene.pixel_size) ** 2
    ny, nx = -np.sin(scene.mistilt.angle), np.cos(scene.mistilt.angle)
    yy, yx, xx = sigma**2 + smear * ny * ny, np.full(len(sigma), smear * ny * nx), sigma**2 + smear * nx * nx
    determinant = yy * xx - yx**2
    return xx / determinant, -yx / determinant, yy / determinant


def render_background(scene: Scene, rng: np.random.Generator) -> Array:
    """(H, W) expected counts between the columns, never below 0."""
    background = scene.background
    y, x = ((np.arange(side) - (side - 1) / 2) / side for side in scene.shape)
    level = background.level + background.gradient * ramp(background.angle, y[:, None], x[None, :])
    if background.random > 0:
        level = level + background.random * _smooth_field(scene, rng)
    return np.asarray(scene.dose * np.maximum(level, 0) * relative_thickness(scene, y[:, None], x[None, :]))


def _smooth_field(scene: Scene, rng: np.random.Generator) -> Array:
    """(H, W) random field of mean 0, root mean square 1 and Gaussian correlation, as a sum of plane waves."""
    length = scene.background.random_length / scene.pixel_size
    ky, kx = rng.normal(0.0, 1 / length, (2, WAVES))
    y = np.exp(1j * np.outer(np.arange(scene.shape[0]), ky))
    x = np.exp(1j * (np.outer(kx, np.arange(scene.shape[1])) + rng.uniform(0, 2 * np.pi, (WAVES, 1))))
    field = (y @ x).real
    return np.asarray((field - field.mean()) / field.std())
