"""A steerable basis for round sub-images: turning the image is one phase factor per coefficient.

Fourier-Bessel functions J_m(k r) exp(i m t) on the disc inscribed in the window, with vanishing radial derivative at
the rim. Of unit norm on the pixels they are orthonormal up to sampling, so white noise of the image is white noise of
the same variance in the coefficients, and an image and its turned copy have coefficients of equal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import jnp_zeros, jv

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Harmonics:
    """The basis of a window up to a highest spatial frequency.

    A real image on the disc is the real part of sum_p c_p f_p, with P complex coefficients c_p = a_p - i b_p kept as
    2 P real numbers: all a, then all b (b is 0 where m = 0). Angles are counter-clockwise as displayed.

    Parameters
    ----------
    window_size
        Side w of the window in pixels; its centre is at (w - 1) / 2.
    highest_frequency
        Radians per pixel; pi would be the limit of sampling.
    """

    window_size: int
    highest_frequency: float

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.int64], Array]:
        radius = self.window_size / 2
        reach = self.highest_frequency * radius
        rows = [(0, 0.0)]
        for m in range(int(reach) + 2):
            zeros = jnp_zeros(m, max(1, int(reach / np.pi) + 2))
            rows += [(m, float(zero) / radius) for zero in zeros if zero <= reach]
        return np.array([m for m, _ in rows]), np.array([k for _, k in rows])

    @property
    def orders(self) -> npt.NDArray[np.int64]:
        """(P,) order m of every coefficient."""
        return self._table[0]

    @property
    def frequencies(self) -> Array:
        """(P,) radial frequency k of every coefficient, radians per pixel."""
        return self._table[1]

    @cached_property
    def disc(self) -> npt.NDArray[np.bool_]:
        """(w, w) the pixels of the inscribed disc."""
        return self._polar(0, 0)[0] <= self.window_size / 2

    @cached_property
    def synthesis(self) -> Array:
        """(w * w, 2 P) coefficients to pixels, zero outside the disc."""
        return self._images(0, 0) / self._norm

    @cached_property
    def analysis(self) -> Array:
        """(2 P, w * w) pixels to the least-squares coefficients."""
        return np.asarray(np.linalg.pinv(self.synthesis, rcond=1e-6), np.float64)

    @cached_property
    def gradients(self) -> Array:
        """(2, 2 P, 2 P) change of the coefficients as the image moves by one pixel, along y and along x."""
        half = 0.25
        moves = [((half, 0), (-half, 0)), ((0, half), (0, -half))]
        slopes = [(self._images(*ahead) - self._images(*back)) / (2 * half * self._norm) for ahead, back in moves]
        return np.stack([self.analysis @ slope for slope in slopes])

    @cached_property
    def _norm(self) -> Array:
        norm = np.sqrt((self._images(0, 0) ** 2).sum(axis=0))
        return np.where(norm > 0, norm, 1.0)

    def _images(self, y: float, x: float) -> Array:
        """(w * w, 2 P) basis images centred y, x pixels from the middle, before normalisation."""
        radius, angle = (part[self.disc] for part in self._polar(y, x))
        values = jv(self.orders, radius[:, None] * self.frequencies) * np.exp(1j * angle[:, None] * self.orders)
        images = np.zeros((self.window_size**2, 2 * len(self.orders)))
        images[self.disc.ravel()] = np.concatenate([values.real, values.imag], axis=1)
        return images

    def _polar(self, y: float, x: float) -> tuple[Array, Array]:
        axis = np.arange(self.window_size) - (self.window_size - 1) / 2
        dy, dx = axis[:, None] - y, axis[None, :] - x
        return np.hypot(dy, dx), np.arctan2(-dy, dx)
