"""Files of Nion Swift."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_crystallography.io.found import Found, axis


def load_ndata(path: Path) -> list[Found]:
    """The array of an `.ndata` file: a ZIP archive of the array and its properties."""
    with zipfile.ZipFile(path) as archive:
        properties = json.loads(archive.read("metadata.json"))
        with archive.open("data.npy") as file:
            return [found(np.lib.format.read_array(file, allow_pickle=False), properties)]


def found(data: npt.NDArray[Any], properties: dict[str, Any]) -> Found:
    """An array with its scale, as the properties describe it; earlier versions keep them one level further down."""
    inner = [properties.get("data_source") or {}, *properties.get("data_sources", [])]
    said = {**next((one for one in inner if one), {}), **properties}
    if data.dtype == np.uint8 and data.ndim > 2 and data.shape[-1] in (3, 4):
        data = data[..., [2, 1, 0, 3][: data.shape[-1]]]  # blue comes first
        sides = data.shape[:-1]
    else:
        sides = data.shape
    calibrations = said.get("dimensional_calibrations") or said.get("spatial_calibrations") or []
    calibrations = [*calibrations, *[{}] * len(sides)][: len(sides)]
    signal = int(said.get("datum_dimension_count") or min(2, len(sides)))
    axes = [
        axis(size, float(one.get("scale") or 0), str(one.get("units") or ""), navigate=number < len(sides) - signal)
        for number, (size, one) in enumerate(zip(sides, calibrations, strict=True))
    ]
    return Found.of(data, axes, str(said.get("title") or ""))
