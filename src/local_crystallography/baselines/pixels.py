"""Sub-images as rows of numbers: checked, in parts, and in samples that fit in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float64]
Windows = npt.NDArray[np.float32]

VALUES = 10_000_000
"""Most pixels of a sample for fitting, 80 MB: 17,000 windows of 24 pixels."""
FEWEST = 200
"""Fewest windows in a sample, whatever their size."""
CHUNK = 2000


def checked(windows: Windows) -> None:
    """Raise InputError where there are no sub-images, a pixel is not finite, or all are equal."""
    if not len(windows):
        raise InputError("There are no sub-images; extract them first.")
    for part in parts(windows):
        if not np.isfinite(part).all():
            raise InputError("Some sub-images contain NaN or infinite pixels; extract them again.")
    if all((part == windows[0]).all() for part in parts(windows)):
        raise InputError("All sub-images are the same, so nothing distinguishes them; check the image.")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress convergence warnings of scikit-learn, which advise on settings that are not available here."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def parts(windows: Windows) -> Iterator[Windows]:
    """Windows in batches."""
    for start in range(0, len(windows), CHUNK):
        yield windows[start : start + CHUNK]


def sample(windows: Windows, *, seed: int) -> Windows:
    """All windows, or a random sample large enough for fitting, in their order."""
    most = max(FEWEST, VALUES // int(np.prod(windows.shape[1:])))
    if len(windows) <= most:
        return windows
    return windows[np.sort(np.random.default_rng(seed).permutation(len(windows))[:most])]


def as_rows(windows: Windows) -> Array:
    """(n, w * w * C) rows of windows (n, w, w) or (n, w, w, C)."""
    return windows.reshape(len(windows), -1).astype(np.float64)


def as_pictures(rows: Array, windows: Windows) -> Array:
    """(k, C, w, w) pictures from rows (k, w * w * C), with the shape of the windows."""
    side = windows.shape[1]
    return np.moveaxis(rows.reshape(len(rows), side, side, -1), -1, 1)
