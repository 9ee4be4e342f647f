"""HDF5 files, told apart by what is in them: Nion Swift, Berkeley EMD and py4DSTEM, USID, NeXus, NSID and netCDF-4.

An array that is no image is not read; only its shape and type are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError
from local_crystallography.io import nion
from local_crystallography.io.found import Found, axis, shown, step, upright

DIM = re.compile(r"dim(\d+)")
"""Names of the datasets that describe the axes of an EMD group."""


def is_hyperspy(path: Path) -> bool:
    """Whether HyperSpy wrote this file."""
    with h5py.File(path) as file:
        return "Experiments" in file and _text(file.attrs.get("file_format", "HyperSpy")) == "HyperSpy"


def load_emd(path: Path) -> list[Found]:
    """Every array of a Berkeley EMD or py4DSTEM file; nothing for files of other programs."""
    with h5py.File(path) as file:
        return _emd(file)


def load_hdf5(path: Path) -> list[Found]:
    """Every array of an HDF5 file, with its scale where its layout is a known one.

    Raises
    ------
    InputError
        For frames of a pixelated detector, which look like a stack of images.
    """
    with h5py.File(path) as file:
        for layout in (_nion, _emd, _usid, _nexus, _scaled):
            if found := layout(file):
                return found
        if "entry/instrument/detector" in file:
            raise InputError(
                f"{path.name} holds frames of a pixelated detector, which are no images of atoms; compute a virtual "
                "dark field in the program of the detector and open that."
            )
        return [_read(data, [], name) for name, data in _arrays(file)]


def _nion(file: Any) -> list[Found]:
    """Nion Swift: one array, or a group of several, each with its properties as JSON."""
    data = file.get("data")
    several = [data[name] for name in sorted(data)] if isinstance(data, h5py.Group) else [data]
    return [
        nion.found(_pixels(one), json.loads(_text(one.attrs["properties"])))
        for one in several
        if isinstance(one, h5py.Dataset) and "properties" in one.attrs
    ]


def _pixels(data: Any) -> npt.NDArray[Any]:
    """The array, not read if it has more axes than a stack of images in colour."""
    found = shown(data.shape, data.dtype, [], "")
    return np.asarray(found.data if found.problem else data[()])


def _emd(file: Any) -> list[Found]:
    """Berkeley EMD: groups of one array and a dataset `dim0` or `dim1`, `dim2`, … for each of its axes."""
    found = []
    for name, data in _arrays(file):
        group = data.parent
        if "emd_group_type" not in group.attrs or DIM.fullmatch(name.rsplit("/", 1)[-1]):
            continue
        first = 0 if "dim0" in group else 1
        dims = [group.get(f"dim{number}") for number in range(first, first + data.ndim)]
        axes = [_emd_axis(dim, size) for dim, size in zip(dims, data.shape, strict=True)]
        title = group.name.rsplit("/", 1)[-1]
        if first == 0 or "4DSTEM_experiment" in file:  # py4DSTEM calls the rows x
            order = list(range(data.ndim))
        elif "signals" in file and not any(one["name"] for one in axes):  # HyperSpy reverses the axes
            order = list(reversed(range(data.ndim)))
        else:
            order = upright(axes, frames_first=True)
        if labels := _slices(dims, data):
            plane = [i for i in order if i != data.ndim - 1]
            for number, label in enumerate(labels):
                image = data[..., number].transpose(plane)
                found.append(Found.of(image, [axes[i] for i in plane], f"{title} {label}"))
            continue
        found.append(_read(data, axes, "" if title == "__unnamed__" else title, order))
    return found


def _slices(dims: list[Any], data: Any) -> list[str]:
    """Names of the images along the last of three axes, as py4DSTEM keeps them."""
    last = dims[-1]
    if data.ndim != 3 or not isinstance(last, h5py.Dataset) or last.dtype.kind not in "OS":
        return []
    return [_text(one) for one in last[()]]


def _emd_axis(dim: Any, size: int) -> dict[str, Any]:
    if not isinstance(dim, h5py.Dataset):
        return axis(size)
    unit = re.sub(r"[\[\]_]", "", _text(dim.attrs.get("units", "")))
    unit = {"A": "Å", "A^-1": "Å^-1"}.get(unit, unit)  # of py4DSTEM
    return axis(size, step(np.atleast_1d(dim[()])), unit, _text(dim.attrs.get("name", "")))


def _usid(file: Any) -> list[Found]:
    """USID: one row per position, one column per value recorded there; what row and column mean stands elsewhere.

    An image is one column, or one row of a file that was written as a single record.
    """
    found = []
    for _, data in _arrays(file):
        if "Position_Indices" not in data.attrs:
            continue
        record = len(data) == 1
        about = "Spectroscopic" if record else "Position"
        indices, values = (file[data.attrs[f"{about}_{part}"]] for part in ("Indices", "Values"))
        labels, units = ([_text(one) for one in np.atleast_1d(indices.attrs[key])] for key in ("labels", "units"))
        places, values = (one[()].T if record else one[()] for one in (indices, values))
        places, title = places.astype(int), _text(data.attrs.get("quantity", ""))
        if places.shape[1] != 2 or len(places) < 2 or len(places) != np.prod(places.max(axis=0) + 1):
            found.append(_read(data, [], title))
            continue
        slow = 0 if places[1, 0] == places[0, 0] else 1
        sides = [slow, 1 - slow]
        sides = [sides[i] for i in upright([axis(0, name=labels[i]) for i in sides])]
        shape = tuple(int(places[:, i].max()) + 1 for i in sides)
        axes = [axis(n, step(np.unique(values[:, i])), units[i], labels[i]) for n, i in zip(shape, sides, strict=True)]
        spectrum = 1 if record else data.shape[1]
        if spectrum > 1:
            axes = [*({**one, "navigate": True} for one in axes), axis(spectrum)]
            found.append(shown((*shape, spectrum), data.dtype, axes, title))
            continue
        for part, name in _parts(data[0] if record else data[:, 0], title):
            image = np.empty(shape, part.dtype)
            image[tuple(places[:, i] for i in sides)] = part
            found.append(Found.of(image, axes, name))
    return found


def _parts(data: npt.NDArray[Any], title: str) -> Iterator[tuple[npt.NDArray[Any], str]]:
    """The fields of a compound array, or the array itself."""
    if data.dtype.names:
        yield from ((data[name], name) for name in data.dtype.names)
    else:
        yield data, title


def _nexus(file: Any) -> list[Found]:
    """NeXus: groups of class NXdata that name their signal and its axes."""
    found = []
    for name, group in _groups(file):
        if _text(group.attrs.get("NX_class", "")) != "NXdata":
            continue
        marked = [key for key, one in group.items() if isinstance(one, h5py.Dataset) and "signal" in one.attrs]
        signal = group.get(_text(group.attrs.get("signal", "")) or next(iter(marked), "-"))
        if not isinstance(signal, h5py.Dataset) or signal.ndim < 2:
            continue
        said = group.attrs.get("axes", signal.attrs.get("axes", ()))
        names = re.split("[:,]", _text(said)) if isinstance(said, (str, bytes)) else [_text(one) for one in said]
        names = [*names, *[""] * signal.ndim][: signal.ndim]
        dims = [group.get(one) if one not in ("", ".") else None for one in names]
        axes = [_axis_of(dim, size, one) for dim, size, one in zip(dims, signal.shape, names, strict=True)]
        title = _text(signal.attrs.get("long_name", group.attrs.get("title", name.rsplit("/", 1)[-1])))
        found.append(_read(signal, axes, title, upright(axes)))
    return found


def _scaled(file: Any) -> list[Found]:
    """NSID and netCDF-4: arrays with an HDF5 dimension scale for each axis."""
    found = []
    for name, data in _arrays(file):
        if data.is_scale or not any(len(dim) for dim in data.dims):
            continue
        scales = [dim[0] if len(dim) else None for dim in data.dims]
        names = [
            dim.label or ("" if scale is None else scale.name.rsplit("/", 1)[-1])
            for dim, scale in zip(data.dims, scales, strict=True)
        ]
        axes = [_axis_of(dim, size, one) for dim, size, one in zip(scales, data.shape, names, strict=True)]
        title = _text(data.attrs.get("long_name", data.attrs.get("title", name.rsplit("/", 1)[-1])))
        found.append(_read(data, axes, title, upright(axes)))
    return found


def _axis_of(dim: Any, size: int, name: str) -> dict[str, Any]:
    """An axis as the dataset of its values describes it."""
    if not isinstance(dim, h5py.Dataset) or dim.shape != (size,):
        return axis(size, name=name)
    return axis(size, step(dim[()]), _text(dim.attrs.get("units", "")), name)


def _read(data: Any, axes: list[dict[str, Any]], title: str, order: list[int] | None = None) -> Found:
    """An array with its axes in this order, read only if it is an image."""
    order = order or list(range(data.ndim))
    found = shown(
        tuple(data.shape[i] for i in order), data.dtype, [axes[i] for i in order] if axes else [], title.strip()
    )
    return found if found.problem else replace(found, data=data[()].transpose(order))


def _arrays(file: Any) -> list[tuple[str, Any]]:
    """Every array of two axes and more, with its path."""
    found: list[tuple[str, Any]] = []
    file.visititems(lambda name, one: found.append((name, one)) if isinstance(one, h5py.Dataset) else None)
    return [(name, one) for name, one in found if one.ndim > 1]


def _groups(file: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    file.visititems(lambda name, one: found.append((name, one)) if isinstance(one, h5py.Group) else None)
    return found


def _text(said: Any) -> str:
    """An attribute as text, however it was written."""
    if isinstance(said, np.ndarray):
        said = said.flat[0] if said.size else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
