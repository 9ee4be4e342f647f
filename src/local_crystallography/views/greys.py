"""Grey images of sub-images and decoded images, all between the same limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.subimages import SubImages

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

Floats = npt.NDArray[np.floating]
Colors = npt.NDArray[np.uint8]
Limits = tuple[float, float]

SAMPLE = 500
"""Number of sub-images from which percentiles are estimated."""


def seen(vae: Vae, pictures: Floats) -> Floats:
    """Images (…, w, w) of a network, NaN outside its field of view."""
    return disc_only(pictures) if vae.settings.decoder == "harmonic" else pictures


def disc_only(pictures: Floats) -> Floats:
    """(…, w, w) decoded images with NaN outside the inscribed disc, which the network does not see."""
    side = pictures.shape[-1]
    axis = np.arange(side) - (side - 1) / 2
    return np.where(np.hypot(axis[:, None], axis) <= side / 2, pictures, np.nan)


def channel_of(pictures: npt.NDArray[Any], channel: int, axes: int = 3) -> npt.NDArray[Any]:
    """One channel of images; they have `axes` axes for a single channel, and one more for several."""
    return pictures if pictures.ndim == axes else pictures[..., channel]


def grey_limits(sub_images: SubImages, channel: int = 0) -> Limits:
    """Values shown as black and white: the percentiles 0.5 and 99.5 of the sub-images."""
    some = channel_of(sub_images.windows[:: max(1, len(sub_images) // SAMPLE)], channel)
    low, high = np.percentile(some, (0.5, 99.5)) if some.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def grey(picture: Floats, limits: Limits) -> Colors:
    """(…, 4) RGBA of an image between limits; NaN is transparent."""
    low, high = limits
    known = np.isfinite(picture)
    value = np.clip((np.where(known, picture, low) - low) / (high - low), 0, 1)
    level = np.rint(255 * value).astype(np.uint8)
    return np.stack([level, level, level, np.where(known, 255, 0).astype(np.uint8)], axis=-1)


def in_grey(picture: Floats, limits: list[Limits], vae: Vae | None = None) -> Colors:
    """(h, w, 4) RGBA of an image (w, w), or of the channels of (w, w, C) one below the other; limits by channel.

    If its network is given, it is transparent outside the field of view of that.
    """
    shown = [channel_of(picture, channel, axes=2) for channel in range(len(limits))]
    shown = shown if vae is None else [seen(vae, each) for each in shown]
    return np.concatenate([grey(each, ends) for each, ends in zip(shown, limits, strict=True)])


def apart(pictures: Floats) -> Floats:
    """(…, w, w) images with an empty rim, so that they do not touch side by side."""
    rim = max(1, pictures.shape[-1] // 24)
    return np.pad(pictures, [(0, 0)] * (pictures.ndim - 2) + [(rim, rim)] * 2, constant_values=np.nan)


def mosaic(pictures: Floats) -> Floats:
    """(n, m, w, w) images side by side, as (n w, m w)."""
    n, m, height, width = pictures.shape
    return pictures.transpose(0, 2, 1, 3).reshape(n * height, m * width)
