"""Sliding-window Fourier transform: the power spectrum around every atom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def power_spectra(windows: npt.NDArray[np.floating]) -> Array:
    """(n, w, w, C) power of windows (n, w, w) or (n, w, w, C), zero frequency at pixel (w // 2, w // 2).

    The mean of every window is subtracted, and a Hann window avoids edge effects. The power is insensitive to small
    shifts of the motif, and rotates with it.
    """
    channels = (windows[..., None] if windows.ndim == 3 else windows).astype(np.float64)
    taper = np.hanning(windows.shape[1] + 2)[1:-1]
    channels = channels - channels.mean(axis=(1, 2), keepdims=True)
    spectra = np.fft.fft2(channels * np.outer(taper, taper)[..., None], axes=(1, 2))
    return np.asarray(np.fft.fftshift(np.abs(spectra) ** 2, axes=(1, 2)), np.float64)


def noise_floor(power: Array) -> Array:
    """(C,) median power of each channel, as most frequencies contain only noise; 1 where that is 0."""
    floor = np.median(power, axis=(0, 1, 2))
    return np.where(floor > 0, floor, 1.0)


def log_spectra(windows: npt.NDArray[np.floating], floor: Array) -> Array:
    """(n, w * w * C) logarithm of 1 + power over its floor (C,), so that power below the noise does not count."""
    return np.log1p(power_spectra(windows) / floor).reshape(len(windows), -1)
