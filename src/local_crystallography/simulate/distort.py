"""Scan distortions of a simulated image: jitter, fly-back and drift.

Pixel (r, c) shows the specimen at y = r - drift_y r / H and x = c - shift(r) - flyback exp(-c / decay), with
shift(r) = jitter(r) + drift_x r / H, so that every distortion is a function of acquisition time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.simulate.scene import Scan

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

NEWTON_STEPS = 20
ROWS_SEEN = 4.0  # standard deviations of a column over which its rows are averaged


@dataclass(frozen=True)
class ScanPath:
    """Path of the probe for one image.

    Parameters
    ----------
    scan
        Drift and fly-back.
    row_shift
        (H,) shift of each row to the right, px.
    """

    scan: Scan
    row_shift: Array

    @classmethod
    def of(cls, scan: Scan, height: int, rng: np.random.Generator) -> ScanPath:
        """Path with random jitter."""
        rows = np.arange(height)
        return cls(scan, rng.normal(0.0, scan.line_jitter, height) + scan.drift[1] * rows / height)

    @property
    def reach(self) -> float:
        """Largest distance in px between the position of a column and its apparent position."""
        return float(np.abs(self.row_shift).max() + abs(self.scan.drift[0]) + self.scan.flyback)

    def specimen_y(self, rows: Array | Whole) -> Array:
        """Specimen y in px shown by image rows."""
        return np.asarray(rows * (1 - self.scan.drift[0] / len(self.row_shift)))

    def unshifted_x(self, columns: Array | Whole) -> Array:
        """Specimen x in px shown by pixel columns, without the shift of their row."""
        fall = np.exp(-np.maximum(columns, 0) / self.scan.flyback_decay)
        return np.asarray(columns - self.scan.flyback * fall)

    def shift_at(self, rows: Whole) -> Array:
        """Shift of rows in px; beyond the image, that of its last row."""
        return self.row_shift[np.clip(rows, 0, len(self.row_shift) - 1)]

    def apparent(self, ideal: Array, sigma: Array) -> Array:
        """(N, 2) apparent positions of columns in px.

        A column spans several rows with different shifts and appears at their mean, weighted by its profile,
        a Gaussian of (N,) standard deviation `sigma` px.
        """
        y = ideal[:, 0] / (1 - self.scan.drift[0] / len(self.row_shift))
        radius = int(np.ceil(ROWS_SEEN * sigma.max(initial=0.0))) + 1
        rows = np.rint(y).astype(np.int64)[:, None] + np.arange(-radius, radius + 1)
        weight = np.exp(-0.5 * ((self.specimen_y(rows) - ideal[:, :1]) / sigma[:, None]) ** 2)
        target = ideal[:, 1] + (weight * self.shift_at(rows)).sum(axis=1) / weight.sum(axis=1)
        return np.stack([y, self._invert(target)], axis=1)

    def _invert(self, target: Array) -> Array:
        """(N,) pixel columns whose `unshifted_x` is the target, by Newton's method from below."""
        x = target.copy()
        for _ in range(NEWTON_STEPS):
            slope = 1 - (self.unshifted_x(x) - x) / self.scan.flyback_decay * (x > 0)
            x -= (self.unshifted_x(x) - target) / slope
        return x
