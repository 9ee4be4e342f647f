"""The files of a probability map in a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from local_crystallography.data.errors import InputError
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.io.write import write_tiff

VALUES = "probability.tif"
STD = "probability_std.tif"
"""Written only for an ensemble."""
SHARES = "probability_classes.tif"
"""Written only with several classes: one class after the other, each with all frames of a stack."""


def write_probability(folder: Path, probability: ProbabilityMap, pixel_size: float | None) -> None:
    """Write the map, and its standard deviation and shares of classes where it has them."""
    write_tiff(folder / VALUES, probability.values, pixel_size)
    if probability.std is not None:
        write_tiff(folder / STD, probability.std, pixel_size)
    if probability.shares is not None:
        write_tiff(folder / SHARES, probability.shares.reshape(-1, *probability.values.shape[-2:]), pixel_size)


def read_probability(
    folder: Path,
    shape: tuple[int, ...],
    classes: tuple[str, ...],
    read: Callable[[Path, tuple[int, ...]], npt.NDArray[Any]],
) -> ProbabilityMap | None:
    """The saved map, of this shape and with these classes, through a reader of arrays; None if none was saved.

    Raises
    ------
    InputError
        Where a file is missing or holds no probabilities.
    """
    path = folder / VALUES
    if not path.exists():
        return None
    values = read(path, shape)
    std = read(folder / STD, shape) if (folder / STD).exists() else None
    shares = read(folder / SHARES, (len(classes), *shape)) if classes else None
    try:
        return replace(ProbabilityMap.of(values), std=std, shares=shares, classes=classes)
    except InputError as error:
        raise InputError(
            f"{path} and the files beside it are not a valid probability map; restore them or save the session again. "
            f"{error}"
        ) from error
