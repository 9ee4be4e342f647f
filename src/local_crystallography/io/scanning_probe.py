"""Files of scanning probe microscopes: Nanonis, Gwyddion, and Igor as of Asylum Research.

Rows run downwards, as the image is seen in the program of the microscope.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from local_crystallography.data.errors import InputError
from local_crystallography.io.found import Found

START = b"\x1a\x04"
"""What stands between the header and the pixels of a Nanonis file."""


def load_sxm(path: Path) -> list[Found]:
    """Every channel of a Nanonis scan, forward and backward.

    Lines are in the order of the scan, from the bottom for one that ran upwards, and those scanned backward run from
    right to left.

    Raises
    ------
    InputError
        If the header is no header of Nanonis, or pixels are missing.
    """
    head, mark, body = path.read_bytes().partition(START)
    tags = re.split(r"^:([^:\n]+):[ \t\r]*$", head.decode("utf-8", "replace"), flags=re.M)
    said = {key: value.strip() for key, value in zip(tags[1::2], tags[2::2], strict=False)}
    missing = [key for key in ("SCAN_PIXELS", "SCAN_RANGE", "SCAN_DIR", "DATA_INFO") if key not in said]
    if not mark or missing:
        raise InputError(
            f"{path.name} cannot be read as SXM (no {', '.join(missing) or 'pixels'} in it); check that it was copied "
            "completely and opens in the program that wrote it."
        )
    width, height = (int(number) for number in said["SCAN_PIXELS"].split())
    steps = [float(side) / n for side, n in zip(said["SCAN_RANGE"].split(), (width, height), strict=True)]
    rows = [[cell.strip() for cell in line.lstrip("\t").split("\t")] for line in said["DATA_INFO"].splitlines()[1:]]
    channels = [
        (name, way)
        for _, name, _, direction, *_ in rows
        for way in (("forward", "backward") if direction == "both" else (direction,))
    ]
    pixels = width * height
    if len(body) < 4 * pixels * len(channels):
        raise InputError(f"{path.name} ends before its last channel; copy or export it again.")
    found = []
    for number, (name, way) in enumerate(channels):
        image = np.frombuffer(body, ">f4", pixels, 4 * pixels * number).reshape(height, width)
        image = image[::-1] if said["SCAN_DIR"] == "up" else image
        image = image[:, ::-1] if way == "backward" else image
        found.append(Found(image, ((steps[1], "m"), (steps[0], "m")), title=f"{name} {way}"))
    return found


def load_gwy(path: Path) -> list[Found]:
    """Every channel of a Gwyddion file."""
    content = _package("gwyfile", path).load(str(path))
    fields = {int(key[1:-5]): field for key, field in content.items() if re.fullmatch(r"/\d+/data", key)}
    found = []
    for number, field in sorted(fields.items()):
        unit = field.get("si_unit_xy")
        unit = "" if unit is None else str(unit.get("unitstr", ""))
        width, height = field["xres"], field["yres"]
        data = np.reshape(field["data"], (height, width))
        title = str(content.get(f"/{number}/data/title", ""))
        found.append(Found(data, ((field["yreal"] / height, unit), (field["xreal"] / width, unit)), title=title))
    return found


def load_ibw(path: Path) -> list[Found]:
    """Every channel of an Igor binary wave.

    The first axis of a wave is x and the second is y, upwards; channels are layers with a name.
    """
    wave = _package("igor2.binarywave", path).load(str(path))["wave"]
    data, header = wave["wData"], wave["wave_header"]
    if data.ndim < 2:
        return [Found(data)]
    units = [b"".join(np.ravel(one).tolist()).split(b"\0")[0].decode("latin-1") for one in header["dimUnits"][:2]]
    yx = tuple((abs(float(header["sfA"][i])), units[i]) for i in (1, 0))
    upright = np.swapaxes(data, 0, 1)[::-1]
    if data.ndim == 2:
        return [Found(upright, yx, title=_text(header["bname"]))]
    labels = [_text(label) for label in wave["labels"][2] if label] if data.ndim == 3 else []
    if len(labels) != data.shape[2]:  # layers without names are frames
        return [Found(np.moveaxis(upright, 2, 0), yx, title=_text(header["bname"]))]
    return [Found(upright[:, :, number], yx, title=label) for number, label in enumerate(labels)]


def _text(said: Any) -> str:
    return said.decode("latin-1").strip("\0 ") if isinstance(said, bytes) else str(said)


def _package(name: str, path: Path) -> Any:
    """A reader that is not always installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{path.name} needs the package {name.split('.')[0]}, which is not installed; type "
            '`pip install "napari-local-crystallography[formats]"`.'
        ) from error
