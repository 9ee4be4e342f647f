"""netCDF files of both generations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from local_crystallography.io.found import Found, axis, step, upright


def load_netcdf(path: Path) -> list[Found]:
    """Every array of a netCDF file, with the scale of its coordinates."""
    with path.open("rb") as file:
        if file.read(4) == b"\x89HDF":
            from local_crystallography.io.hdf5 import load_hdf5

            return load_hdf5(path)
    from scipy.io import netcdf_file

    with netcdf_file(path, mmap=False) as file:
        return [_found(file, name) for name, variable in file.variables.items() if len(variable.dimensions) > 1]


def _found(file: Any, name: str) -> Found:
    variable = file.variables[name]
    data, names = np.array(variable.data), list(variable.dimensions)
    axes = []
    for size, one in zip(data.shape, names, strict=True):
        values = file.variables.get(one)
        if values is None or values.shape != (size,):
            axes.append(axis(size, name=one))
        else:
            axes.append(axis(size, step(values.data), _text(getattr(values, "units", "")), one))
    order = upright(axes)
    title = _text(getattr(variable, "long_name", name))
    return Found.of(data.transpose(order), [axes[i] for i in order], title)


def _text(said: Any) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
