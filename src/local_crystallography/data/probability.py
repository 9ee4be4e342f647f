"""Probability maps: the result of a segmentation for every pixel, with spread and shares of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ProbabilityMap:
    """Probability that each pixel lies on an atom; NumPy treats it as the array of its `values`.

    Parameters
    ----------
    values
        (H, W) or (frames, H, W) float32 from 0 to 1: the probability of an atom of any class.
    std
        The same shape, or None without an ensemble: standard deviation of `values` among its members.
    shares
        (K, *values.shape) from 0 to 1, or None with a single class: the probability of an atom of each class.
    classes
        Names of the K classes; none with a single class.

    Raises
    ------
    InputError
        For other shapes, and for values outside 0 to 1.
    """

    values: Array
    std: Array | None = None
    shares: Array | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = checked(self.values, "Probabilities")
        if values.ndim not in (2, 3) or not values.size:
            raise InputError(
                f"A probability map cannot have shape {values.shape}, only (H, W) or (frames, H, W); choose one map."
            )
        object.__setattr__(self, "values", values)
        if self.std is not None:
            object.__setattr__(self, "std", same_shape(checked(self.std, "Standard deviations"), values.shape))
        if self.shares is not None:
            shape = (len(self.classes), *values.shape)
            object.__setattr__(self, "shares", same_shape(checked(self.shares, "Shares of classes"), shape))
        if len(self.classes) == 1 or bool(self.classes) != (self.shares is not None):
            raise InputError(
                f"A probability map has {len(self.classes)} class names {'without' if self.shares is None else 'with'} "
                "shares of classes; give two names or more with their shares, or neither."
            )

    @classmethod
    def of(cls, given: ProbabilityMap | npt.ArrayLike) -> ProbabilityMap:
        """A map as it is, or any real array (H, W) or (frames, H, W) as a map.

        An array that exceeds 1, such as a mask of 0 and 255, is divided by its highest value; negative values and NaN
        count as 0.
        """
        if isinstance(given, ProbabilityMap):
            return given
        values = np.asarray(given)
        if values.dtype.kind not in "buif":
            raise InputError(f"A probability map of type {values.dtype} cannot be used; it must hold real numbers.")
        values = np.where(values > 0, values, 0).astype(np.float32)
        highest = float(values.max(initial=0))
        return cls(np.asarray(values / highest if 1 < highest < np.inf else values, np.float32))

    @classmethod
    def stacked(cls, frames: Sequence[ProbabilityMap], shape: tuple[int, ...]) -> ProbabilityMap:
        """Maps (H, W) of the first frames as one map of a shape; missing frames are 0."""
        values = filled([frame.values for frame in frames], shape)
        return cls(
            np.zeros(shape, np.float32) if values is None else values,
            filled([frame.std for frame in frames if frame.std is not None], shape),
            filled([frame.shares for frame in frames if frame.shares is not None], shape),
            frames[0].classes if frames else (),
        )

    @property
    def frames(self) -> list[ProbabilityMap]:
        """The maps (H, W) of the frames."""
        if self.values.ndim == 2:
            return [self]
        return [
            ProbabilityMap(
                values,
                None if self.std is None else self.std[number],
                None if self.shares is None else self.shares[:, number],
                self.classes,
            )
            for number, values in enumerate(self.values)
        ]

    @property
    def summary(self) -> str:
        """The classes in words, `3 classes: A, B, Ni`; "" with a single class."""
        return f"{len(self.classes)} classes: {', '.join(self.classes)}" if self.classes else ""

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype, copy=copy)


def checked(given: npt.ArrayLike, what: str) -> Array:
    """The values as float32; refused if any is outside 0 to 1."""
    values = np.asarray(given)
    if values.dtype.kind not in "buif":
        raise InputError(f"{what} of type {values.dtype} cannot be used; they must be real numbers.")
    values = values.astype(np.float32, copy=False)
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
        raise InputError(
            f"{what} range from {values.min():g} to {values.max():g}, but must lie from 0 to 1; scale them first."
        )
    return values


def same_shape(values: Array, shape: tuple[int, ...]) -> Array:
    """The values; refused if they have another shape."""
    if values.shape != shape:
        raise InputError(f"Values of shape {values.shape} do not fit the probability map, which needs {shape}.")
    return values


def filled(frames: Sequence[Array], shape: tuple[int, ...]) -> Array | None:
    """Frames (…, H, W) in an array of (…, *shape), zero beyond them; None without any."""
    if not frames:
        return None
    *before, height, width = frames[0].shape
    whole = np.zeros((*before, *shape), np.float32)
    stack = whole.reshape(*before, -1, height, width)
    for number, frame in enumerate(frames):
        stack[..., number, :, :] = frame
    return whole
