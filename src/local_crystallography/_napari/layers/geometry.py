"""Where the pixels of a layer lie, what their scale is, and where its results go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pint

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import LONGEST, can_show_atoms, shares_of

Placement = Mapping[str, Any]

SHEAR = 1e-3
"""Cosine of the angle between rows and columns up to which that is a right one."""
TINY = 1e-9
"""Ratio of the sides of a pixel down to which it has an area, and of steps that are not rounding errors."""
NO_UNIT = ("pixel", "css_pixel", "dimensionless", "")
"""Units that say nothing about a scale."""
BENT = (
    "The affine of {name} turns its rows or columns out of the image, or makes them coincide; correct the affine, or "
    "transpose the array."
)


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a layer lie.

    Attributes
    ----------
    matrix, origin
        (2, 2) and (2,): a pixel (y, x) lies at matrix @ (y, x) + origin in the world, along the last two axes; scale,
        rotate, shear, translate and affine together. In nm where both axes have a length, otherwise as in the world.
    sides
        Height and width of a pixel, in the same unit. A shear keeps the area of a pixel and does not count.
    in_nm
        Whether that unit is nm.
    flat
        Whether rows and columns lie in the plane of the last two axes, and do not coincide.
    """

    matrix: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    sides: tuple[float, float]
    in_nm: bool
    flat: bool = True

    @property
    def shares(self) -> tuple[float, float]:
        """Height and width of a pixel that is analysed, in pixels of the layer; see `data.image.square`."""
        return shares_of(self.sides) if max(self.sides) <= LONGEST * min(self.sides) else (1.0, 1.0)

    @property
    def pixel(self) -> tuple[float, float] | None:
        """Height and width of a pixel in nm; None where they are unknown, or cannot show atoms."""
        return self.sides if self.in_nm and all(can_show_atoms(side) for side in self.sides) else None

    @property
    def plain(self) -> bool:
        """Whether pixels lie where their numbers say."""
        return np.array_equal(self.matrix, np.eye(2)) and not self.origin.any()

    @property
    def sheared(self) -> bool:
        """Whether rows and columns are not at right angles."""
        rows, columns = self.matrix.T
        return self.flat and abs(float(rows @ columns)) > SHEAR * float(np.linalg.norm(rows) * np.linalg.norm(columns))

    @property
    def mirrored(self) -> bool:
        """Whether it shows a mirror image."""
        return self.flat and float(np.linalg.det(self.matrix)) < 0

    @property
    def rotated(self) -> bool:
        """Whether rows do not run to the right."""
        return self.flat and (self.matrix[1, 1] < 0 or abs(float(self.matrix[0, 1])) > SHEAR * self.sides[1])


def geometry_of(layer: Any, *, in_world: bool = False) -> Geometry:
    """Where the pixels of a layer lie; `in_world`: not in nm even if it could be."""
    nm = [None] if in_world else [_in_nm(1.0, unit) for unit in layer.units[-2:]]
    in_nm = None not in nm
    units = np.array(nm, float) if in_nm else np.ones(2)
    zero = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)
    steps = np.stack([np.asarray(layer.data_to_world(step), float) - zero for step in np.eye(layer.ndim)], axis=1)
    matrix = units[:, None] * steps[-2:, -2:]
    # rotation, shear and scale follow each other in napari, and an affine comes last
    beside = units[:, None] * np.asarray(layer.affine.linear_matrix)[-2:, -2:] @ np.asarray(layer.rotate)[-2:, -2:]
    height, width = (np.abs(np.diag(np.linalg.qr(beside).R)) * np.abs(layer.scale[-2:])).tolist()
    beyond = np.abs(np.concatenate([steps[:-2, -2:].ravel(), steps[-2:, :-2].ravel()])).max(initial=0)
    mixed = beyond > TINY * np.abs(steps).max()
    flat = bool(np.isfinite(matrix).all() and min(height, width) > TINY * max(height, width) and not mixed)
    if not flat:
        height = width = 1.0
    elif not in_nm and layer.units[-2] != layer.units[-1]:
        height = width = float(np.sqrt(height * width))  # two units without a common one
    return Geometry(matrix, zero[-2:] * units, (height, width), in_nm and flat, flat)


def pixel_size_of(layer: Any) -> float | None:
    """nm per pixel of the image of a layer as it is analysed; None where it is unknown or cannot show atoms."""
    geometry = geometry_of(layer)
    pixel = geometry.pixel
    if pixel is None:
        return None
    return min(pixel) if geometry.shares != (1.0, 1.0) or pixel[0] == pixel[1] else float(np.sqrt(np.prod(pixel)))


def set_pixel(layer: Any, pixel: tuple[float, float] | None) -> None:
    """Give an image layer a pixel size, (height, width) in nm, or none; orientation, place and proportions stay."""
    before = np.asarray(geometry_of(layer).sides)
    wanted = before / before.min() if pixel is None else np.asarray(pixel)
    layer.units = (*layer.units[:-2], "nm", "nm")  # so that both numbers have one unit
    ratio = wanted / geometry_of(layer).sides
    scale, translate, affine = (np.array(each, float) for each in (layer.scale, layer.translate, layer.affine))
    scale[-2:] *= ratio
    translate[-2:] *= ratio
    affine[-3:-1, -1] *= ratio
    layer.scale, layer.translate, layer.affine = scale, translate, affine
    if pixel is None:
        layer.units = (*layer.units[:-2], "pixel", "pixel")


def pixel_like(layer: Any, size: float) -> tuple[float, float]:
    """(height, width) in nm of a pixel of a layer whose image is analysed with pixels of a size in nm."""
    (height, width), least = geometry_of(layer).sides, min(geometry_of(layer).sides)
    return (size, size) if max(height, width) > LONGEST * least else (size * height / least, size * width / least)


def remarks_on(layer: Any) -> list[str]:
    """What to know about the scale, place and colours of an image layer before it is analysed; sentences."""
    geometry = geometry_of(layer)
    (height, width), units = geometry.sides, list(dict.fromkeys(f"{unit:~}" for unit in layer.units[-2:]))
    said = []
    if geometry.in_nm and geometry.pixel is None:
        size = f"{height:.3g}" if f"{height:.3g}" == f"{width:.3g}" else f"{height:.3g} x {width:.3g}"
        said.append(f"Atoms cannot be seen with pixels of {size} nm: enter the pixel size.")
    elif not geometry.in_nm and len(units) > 1:
        said.append(f"Rows are in {units[0]} and columns in {units[1]}: enter the pixel size.")
    elif not geometry.in_nm and str(layer.units[-1]) not in NO_UNIT:
        said.append(f"The unit, {units[0]}, is no length: enter the pixel size.")
    if max(height, width) > LONGEST * min(height, width):
        said.append(f"Pixels are {height / width:.3g} times as high as wide, which cannot be: enter the pixel size.")
    elif geometry.shares != (1.0, 1.0):
        said.append(f"Pixels are {height / width:.3g} times as high as wide; resampled to square ones.")
    if geometry.sheared:
        said.append("Sheared: lengths and angles are those before the shear.")
    elif geometry.mirrored:
        said.append("Mirrored: angles are those before the flip.")
    elif geometry.rotated:
        said.append("Rotated: angles are those before the rotation.")
    if getattr(layer, "rgb", False):
        said.append("In colour: the luminance is analysed.")
    return said


def placement_of(layer: Any, shares: tuple[float, float] | None = None) -> dict[str, Any]:
    """Where the results of an image layer lie in the world.

    `shares`: height and width of a pixel that was analysed, in pixels of the layer; None: of one that would be now.
    """
    place = {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units")}
    shares = geometry_of(layer).shares if shares is None else shares
    place["scale"] = np.asarray(layer.scale, float) * (*(1.0,) * (layer.ndim - 2), *shares)
    return place


def flat(place: Placement) -> dict[str, Any]:
    """Placement of a single frame that is shown on every frame of a stack."""
    if len(place["scale"]) == 2:
        return dict(place)
    shear = np.asarray(place["shear"])
    return {
        **{name: place[name][-2:] for name in ("scale", "translate", "units")},
        "rotate": np.asarray(place["rotate"])[-2:, -2:],
        "shear": shear[-2:, -2:] if shear.ndim == 2 else shear[-1:],
        "affine": place["affine"].set_slice([-2, -1]),
    }


def same_place(one: Placement, other: Placement) -> bool:
    """Whether two placements are the same."""
    units = [tuple(map(str, place["units"])) for place in (one, other)]
    return units[0] == units[1] and all(_equal(one[name], other[name]) for name in one if name != "units")


def put_at(layer: Any, place: Placement) -> None:
    """Move a layer; only what changes is set, since each assignment redraws the layer."""
    place = flat(place) if layer.ndim == 2 else place
    if len(place["scale"]) == layer.ndim:
        for name, value in place.items():
            now = getattr(layer, name)
            if now != value if name == "units" else not _equal(now, value):
                setattr(layer, name, value)


def between(yx: npt.NDArray[np.float64], layer: Any, other: Any) -> npt.NDArray[np.float64]:
    """(n, 2) pixels of a layer as pixels of another one in the same place.

    If only one of them has a unit of length, and the other has no place of its own, they are the same pixels.
    """
    ours, theirs = geometry_of(layer), geometry_of(other)
    if not theirs.flat:
        raise InputError(BENT.format(name=other.name))
    if ours.in_nm != theirs.in_nm:
        if (theirs if ours.in_nm else ours).plain:
            return yx
        # units without a common one are ignored by napari
        ours, theirs = geometry_of(layer, in_world=True), geometry_of(other, in_world=True)
    if np.array_equal(ours.matrix, theirs.matrix) and np.array_equal(ours.origin, theirs.origin):
        return yx
    world = yx @ ours.matrix.T + ours.origin
    return np.asarray(np.linalg.solve(theirs.matrix, (world - theirs.origin).T).T, float)


def _equal(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one, float), np.asarray(other, float))


def _in_nm(scale: float, unit: Any) -> float | None:
    if str(unit) == "css_pixel":  # pint's px is a length, 1/96 inch
        return None
    try:
        return float((scale * unit).to("nm").magnitude)
    except pint.DimensionalityError:
        return None
