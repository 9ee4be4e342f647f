"""Sub-images as rows of numbers: checked, in parts and in samples that fit in memory."""

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
"""Pixels of a sample that is fitted to, 80 MB: 17,000 windows of 24 pixels."""
FEWEST = 200
"""Windows in a sample, however large they are."""
CHUNK = 2000


def checked(windows: Windows) -> None:
    """Raise where there are no sub-images, a pixel is not finite, or all are alike."""
    if not len(windows):
        raise InputError("No sub-images came, at least two were expected; cut them first.")
    for part in parts(windows):
        if not np.isfinite(part).all():
            raise InputError("Some sub-images hold NaN or infinite pixels, numbers were expected; cut them again.")
    if all((part == windows[0]).all() for part in parts(windows)):
        raise InputError("All sub-images are the same, differences were expected; look at the image they were cut of.")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep the advice of scikit-learn on steps to convergence back: there is no setting for those here."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def parts(windows: Windows) -> Iterator[Windows]:
    """The windows, some at a time."""
    for start in range(0, len(windows), CHUNK):
        yield windows[start : start + CHUNK]


def sample(windows: Windows, *, seed: int) -> Windows:
    """The windows, or as many by chance as are enough to fit to; in their order."""
    most = max(FEWEST, VALUES // int(np.prod(windows.shape[1:])))
    if len(windows) <= most:
        return windows
    return windows[np.sort(np.random.default_rng(seed).permutation(len(windows))[:most])]


def as_rows(windows: Windows) -> Array:
    """(n, w * w * C) numbers of windows (n, w, w) or (n, w, w, C)."""
    return windows.reshape(len(windows), -1).astype(np.float64)


def as_pictures(rows: Array, windows: Windows) -> Array:
    """(k, C, w, w) pictures of rows (k, w * w * C), as the windows they are of."""
    side = windows.shape[1]
    return np.moveaxis(rows.reshape(len(rows), side, side, -1), -1, 1)
