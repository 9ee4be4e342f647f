"""Files of scanning probe microscopes: Nanonis, Gwyddion, and Igor as of Asylum Research.

Rows run downwards, as the image is seen in the program of the microscope.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from local_crystallography.data.errors import InputError
from local_crystallography.io.found import Found

START = b"\x1a\x04"
"""What stands between the header and the pixels of a Nanonis file."""
GWY_NUMBERS = {"b": "?", "c": "i1", "i": "<i4", "q": "<i8", "d": "<f8"}
"""Types of numbers in a Gwyddion file."""
IGOR_NUMBERS = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 72: "u1", 80: "u2", 96: "u4"}
"""Types of numbers in an Igor wave."""
OLD_IGOR = tuple(version.to_bytes(2, order) for version in (1, 2, 3) for order in ("little", "big"))
"""First bytes of an Igor wave before version 5."""
IGOR_PIXELS = 384
"""Number of bytes before the pixels of an Igor wave of version 5."""


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
    raw = path.read_bytes()
    if not raw.startswith(b"GWYP"):
        raise ValueError("no header of Gwyddion in it")
    content, _ = _gwy_object(raw, 4)
    fields = {int(key[1:-5]): field for key, field in content.items() if re.fullmatch(r"/\d+/data", key)}
    found = []
    for number, field in sorted(fields.items()):
        unit = field.get("si_unit_xy", {}).get("unitstr", "")
        height, width = int(field["yres"]), int(field["xres"])
        yx = ((float(field["yreal"]) / height, unit), (float(field["xreal"]) / width, unit))
        title = content.get(f"/{number}/data/title", "")
        found.append(Found(field["data"].reshape(height, width), yx, title=title))
    return found


def _gwy_object(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
    """The components of the object at this byte, and the byte after it."""
    start = raw.index(0, at) + 1
    end = start + 4 + struct.unpack_from("<I", raw, start)[0]
    content: dict[str, Any] = {}
    at = start + 4
    while at < end:
        stop = raw.index(0, at)
        name, kind = raw[at:stop].decode("utf-8", "replace"), chr(raw[stop + 1])
        content[name], at = _gwy_value(raw, kind, stop + 2)
    return content, end


def _gwy_value(raw: bytes, kind: str, at: int) -> tuple[Any, int]:
    """The value of this kind at this byte, and the byte after it; capital letters are arrays."""
    if kind == "o":
        return _gwy_object(raw, at)
    if kind == "s":
        stop = raw.index(0, at)
        return raw[at:stop].decode("utf-8", "replace"), stop + 1
    if kind in GWY_NUMBERS:
        number = np.frombuffer(raw, GWY_NUMBERS[kind], 1, at)
        return number[0], at + number.nbytes
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    if kind in "SO":
        values = []
        for _ in range(count):
            value, at = _gwy_value(raw, kind.lower(), at)
            values.append(value)
        return values, at
    numbers = np.frombuffer(raw, GWY_NUMBERS[kind.lower()], count, at)
    return numbers, at + numbers.nbytes


def load_ibw(path: Path) -> list[Found]:
    """Every channel of an Igor binary wave.

    The first axis of a wave is x and the second is y, upwards; channels are layers with a name.

    Raises
    ------
    InputError
        For waves of one axis, as all are that are older than version 5, of text, and those cut short.
    """
    raw = path.read_bytes()
    order = {b"\x05\x00": "<", b"\x00\x05": ">"}.get(raw[:2])
    if order is None and raw[:2] in OLD_IGOR:
        raise InputError(f"{path.name} is a wave of one axis; open one of an image.")
    if order is None:
        raise ValueError("no header of Igor in it")
    # bytes of formula, note and units behind the pixels, then those of the labels of each axis
    texts = struct.unpack_from(f"{order}11i", raw, 8)
    kind, name = struct.unpack_from(f"{order}h", raw, 80)[0], _text(raw[92:124])
    shape = [n for n in struct.unpack_from(f"{order}4i", raw, 132) if n > 0]
    steps = struct.unpack_from(f"{order}2d", raw, 148)
    if len(shape) < 2 or kind not in IGOR_NUMBERS:
        raise InputError(f"{path.name} is a wave of one axis, of text or of complex numbers; open one of an image.")
    dtype = np.dtype(order + IGOR_NUMBERS[kind])
    count = math.prod(shape)
    end = IGOR_PIXELS + count * dtype.itemsize
    if len(raw) < end:
        raise InputError(f"{path.name} ends before its last pixel; copy or export it again.")
    data = np.frombuffer(raw, dtype, count, IGOR_PIXELS).reshape(shape, order="F")
    yx = tuple((abs(steps[i]), _text(raw[216 + 4 * i : 220 + 4 * i])) for i in (1, 0))
    upright = np.swapaxes(data, 0, 1)[::-1]
    if data.ndim != 3:
        return [Found(upright, yx, title=name)]
    start = end + sum(texts[:9])
    labels = [_text(raw[at : at + 32]) for at in range(start + 32, min(start + texts[9], len(raw)), 32)]
    if len(labels) != shape[2] or not all(labels):  # layers without names are frames
        return [Found(np.moveaxis(upright, 2, 0), yx, title=name)]
    return [Found(upright[:, :, number], yx, title=label) for number, label in enumerate(labels)]


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()
