"""Steerable basis for round sub-images, in which rotation multiplies each coefficient by a phase factor.

The basis consists of Fourier-Bessel functions J_m(k r) exp(i m t) on the disc inscribed in the window, with zero radial
derivative at the rim. Normalised on the pixels, they are orthonormal up to sampling errors, so white noise in the image
is white noise of the same variance in the coefficients, and rotation leaves the moduli of the coefficients unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import expm
from scipy.special import jnp_zeros, jv

Array = npt.NDArray[np.float64]
ZERO = np.zeros(2)


@dataclass(frozen=True)
class Harmonics:
    """Basis of a window up to a highest spatial frequency.

    A real image on the disc is the real part of sum_p c_p f_p, with P complex coefficients c_p = a_p - i b_p kept as
    2 P real numbers: all a, then all b (b is 0 where m = 0). Angles are counter-clockwise as displayed.

    Parameters
    ----------
    window_size
        Side w of the window in pixels; its centre is at (w - 1) / 2.
    highest_frequency
        Highest spatial frequency, radians per pixel; the Nyquist limit is pi.
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
        """(w, w) mask of the inscribed disc."""
        return self._polar()[0] <= self.window_size / 2

    @cached_property
    def synthesis(self) -> Array:
        """(w * w, 2 P) matrix from coefficients to pixels, zero outside the disc."""
        return self._images() / self._norm

    @cached_property
    def analysis(self) -> Array:
        """(2 P, w * w) matrix from pixels to least-squares coefficients."""
        return np.asarray(np.linalg.pinv(self.synthesis, rcond=1e-6), np.float64)

    @cached_property
    def gradients(self) -> Array:
        """(2, 2 P, 2 P) derivative of the coefficients per pixel of translation along y and along x."""
        return np.stack([self._slope(0.25, shift=axis) for axis in np.eye(2)])

    @cached_property
    def strains(self) -> Array:
        """(2, 2 P, 2 P) derivative of the coefficients per unit of shear.

        The first shear stretches along x and compresses along y; the second stretches along the diagonal y = x.
        """
        return np.stack([self._slope(0.01, strain=axis) for axis in np.eye(2)])

    def sheared(self, shear: npt.ArrayLike) -> Array:
        """(2 P, 2 P) matrix from coefficients to those of the image sheared by (2,) amounts of `strains`."""
        return np.asarray(expm(np.tensordot(np.asarray(shear, np.float64), self.strains, axes=1)), np.float64)

    @cached_property
    def _norm(self) -> Array:
        norm = np.sqrt((self._images() ** 2).sum(axis=0))
        return np.where(norm > 0, norm, 1.0)

    def _slope(self, step: float, *, shift: Array = ZERO, strain: Array = ZERO) -> Array:
        """(2 P, 2 P) derivative of the coefficients, by central differences of shifted or sheared images."""
        ahead, back = (self._images(sign * step * shift, sign * step * strain) for sign in (1, -1))
        return np.asarray(self.analysis @ ((ahead - back) / (2 * step * self._norm)), np.float64)

    def _images(self, shift: Array = ZERO, strain: Array = ZERO) -> Array:
        """(w * w, 2 P) basis images, shifted and sheared, before normalisation."""
        radius, angle = (part[self.disc] for part in self._polar(shift, strain))
        values = jv(self.orders, radius[:, None] * self.frequencies) * np.exp(1j * angle[:, None] * self.orders)
        images = np.zeros((self.window_size**2, 2 * len(self.orders)))
        images[self.disc.ravel()] = np.concatenate([values.real, values.imag], axis=1)
        return images

    def _polar(self, shift: Array = ZERO, strain: Array = ZERO) -> tuple[Array, Array]:
        """Radius and angle of the point shown by every pixel when the image is shifted and sheared."""
        axis = np.arange(self.window_size) - (self.window_size - 1) / 2
        y, x = axis[:, None] - shift[0], axis[None, :] - shift[1]
        dy, dx = y * (1 + strain[0]) - x * strain[1], x * (1 - strain[0]) - y * strain[1]
        return np.hypot(dy, dx), np.arctan2(-dy, dx)


@lru_cache(maxsize=8)
def basis(window_size: int, highest_frequency: float) -> Harmonics:
    """Basis, cached because its matrices take longer to compute than to apply."""
    return Harmonics(window_size, highest_frequency)
