"""Colour images as grey ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue (ITU-R BT.709)."""
SAID = "The image is in colour; its luminance was taken as grey."


def grey(colour: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], list[str]]:
    """The luminance of (..., 1 or 3 channels), and a message unless the channels are equal."""
    if (colour == colour[..., :1]).all():
        return colour[..., 0], []
    return (colour @ LUMINANCE).astype(np.float32), [SAID]
