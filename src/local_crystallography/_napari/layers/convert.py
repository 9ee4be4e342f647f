"""The border with napari: images, atoms and maps to layers and back. Nobody else knows napari's keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pint
from scipy.spatial import cKDTree

from local_crystallography._napari.layers.classes import class_look
from local_crystallography.clustering.summary import telling_map
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.refine_atoms import Region
from local_crystallography.views import raster
from local_crystallography.views.styles import ClassStyles

LayerData = tuple[Any, dict[str, Any], str]
Placement = Mapping[str, Any]

KEY = "local_crystallography"
"""Where the provenance is in `layer.metadata`: for a result also `result`, its name, and the image it is `of`; from a
saved session `session`, the folder; for an image that was worked on `analysis`."""
OWN = ("session", "result", "analysis")
"""What the notes of an image layer say that is not about the image."""
PLAIN = "#2a95ff"
PROBABILITY, STD = "probability", "probability std"
POINT_SHARE = 0.35
"""Diameter of a point over the distance between neighbours."""
RESULT = ("features", "feature_defaults", "size", "face_color", "contrast_limits", "metadata")
"""What a new result brings to its layer; everything else is the user's."""
ELLIPSE_CORNERS = 48
SAMPLE = 200_000
"""Pixels of a map that are enough for its percentiles."""
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])


def pixel_size_of(layer: Any) -> float | None:
    """nm per pixel of an image layer, or None where its unit is not a length."""
    sizes = [_in_nm(scale, unit) for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True)]
    known = [size for size in sizes if size is not None]
    return float(np.sqrt(np.prod(known))) if len(known) == len(sizes) else None


def frame_shape(layer: Any) -> tuple[int, int]:
    """(H, W) of one frame of an image layer."""
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    height, width = (shape[:-1] if layer.rgb else shape)[-2:]
    return int(height), int(width)


def image_from(layer: Any) -> Image:
    """The image in a layer; colours become grey.

    Raises
    ------
    InputError
        For what `Image` does not take.
    """
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if layer.rgb:
        data = data[..., :3] @ LUMINANCE
    metadata = {name: value for name, value in note_of(layer).items() if name not in OWN}
    return Image(data, pixel_size_of(layer), layer.name, metadata)


def same(one: Any | None, other: Any | None) -> bool:
    """Whether two are the same layer, or both none; a viewer hands out a new proxy of a layer each time."""
    return one is other or (one is not None and other is not None and one.unique_id == other.unique_id)


def note_of(layer: Any) -> dict[str, Any]:
    """What a layer says of where it came from."""
    note: dict[str, Any] = layer.metadata.get(KEY, {})
    return note


def is_result(layer: Any) -> bool:
    """Whether a layer shows a result of this plugin."""
    return bool(note_of(layer).get("result", "image") != "image")


def belongs(layer: Any, image_layer: Any) -> bool:
    """Whether a layer shows a result of the image, made here or read from the same session."""
    note, session = note_of(layer), note_of(image_layer).get("session")
    same_session = session is not None and note.get("session") == session
    return is_result(layer) and (same_session or note.get("of") == str(image_layer.unique_id))


def forget_session(viewer_layers: Any, session: str) -> None:
    """Let the layers of a session that cannot be opened be the user's own."""
    for layer in viewer_layers:
        if note_of(layer).get("session") == session:
            for name in OWN[:2]:
                note_of(layer).pop(name, None)


def default_colour(atoms: Atoms) -> str:
    """The column atoms are coloured by until somebody chooses one; "" for one colour."""
    if "label" in atoms.features:
        return telling_map(atoms)
    return next((name for name in (HAND_LABEL, "z0") if name in atoms.features), "")


def placement_of(layer: Any) -> dict[str, Any]:
    """Where a layer lies in the world, for layers that belong on it."""
    return {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units")}


def placement(image: Image) -> dict[str, Any]:
    """Scale and units of an image that is not in the viewer yet; nothing for an unknown pixel size."""
    if image.pixel_size is None:
        return {}
    frames = image.data.ndim - 2
    return {
        "scale": (1.0,) * frames + (image.pixel_size,) * 2,
        "units": ("pixel",) * frames + ("nm", "nm"),
    }


def layer_of(image: Image) -> LayerData:
    """The image as a layer."""
    arguments = {"name": image.name, "metadata": {KEY: dict(image.metadata)}, **placement(image)}
    return image.data, arguments, "image"


def probability_layer(values: npt.NDArray[np.floating], place: Placement, note: Any) -> LayerData:
    """A probability map, to be seen over its image."""
    look = {"colormap": "inferno", "blending": "additive", "contrast_limits": (0, 1), "opacity": 0.7}
    return values, {"name": PROBABILITY, "metadata": {KEY: note}, **look, **place}, "image"


def std_layer(values: npt.NDArray[np.floating], place: Placement, note: Any) -> LayerData:
    """How far the members of an ensemble disagree on the probability, to be shown when asked for."""
    _, high = raster.limits_of(values.ravel()[:: max(1, values.size // SAMPLE)].astype(float))
    look = {"colormap": "viridis", "contrast_limits": (0.0, high or 1.0), "visible": False}
    return values, {"name": STD, "metadata": {KEY: note}, **look, **place}, "image"


def map_layer(
    name: str,
    values: npt.NDArray[np.floating],
    place: Placement,
    note: Any,
    styles: ClassStyles | None = None,
    *,
    first: str = "label",
) -> LayerData:
    """A column painted on the image: classes as labels, angles in a cyclic colormap, NaN transparent.

    Shown are classes given by hand and the column that is to be seen `first`.
    """
    arguments = {"name": name, "metadata": {KEY: note}, "visible": name in (first, HAND_LABEL), **place}
    if is_class(name):
        data = np.where(np.isfinite(values), values + 1, 0).astype(np.uint8)
        return data, {"opacity": 0.5, **class_look(name, styles or ClassStyles()), **arguments}, "labels"
    some = values.ravel()[:: max(1, values.size // SAMPLE)].astype(float)
    colormap, limits = raster.scale_of(name, some)
    return values, {"colormap": colormap, "contrast_limits": limits, **arguments}, "image"


def points_from(
    atoms: Atoms, place: Placement, note: Any, *, colour: str, stack: bool, styles: ClassStyles | None = None
) -> LayerData:
    """Atoms as points coloured by a column ("" for one colour); a stack puts the frame before y and x."""
    arguments = {
        "name": "atoms",
        "features": atoms.features,
        "feature_defaults": feature_defaults(atoms.features),
        "size": point_size(atoms),
        "face_color": face_colors(atoms, colour, styles),
        "border_width": 0.0,  # an edge would hide the colour where atoms are few pixels apart
        "metadata": {KEY: note},
    }
    return coordinates(atoms, stack), {**arguments, **place}, "points"


def atoms_from(layer: Any, image_layer: Any) -> Atoms:
    """The atoms in any points layer, in pixels of the image.

    Points drawn by hand have no `id` yet, or the default -1: they get new numbers. Points of a layer whose
    unit is no length are taken as pixels; others are brought from their place in the world.

    Raises
    ------
    InputError
        For a layer of another number of dimensions than (y, x) or (frame, y, x), or without points.
    """
    points = np.asarray(layer.data, float)
    if points.shape[1] not in (2, 3) or not len(points):
        raise InputError(
            f"{layer.name}: {len(points)} points in {points.shape[1]} dimensions came, at least one point "
            "with y, x or frame, y, x was expected; pick another points layer or add points to it."
        )
    features = pd.DataFrame(layer.features).reset_index(drop=True)
    frame = points[:, 0].round().astype(int) if points.shape[1] == 3 else np.zeros(len(points), int)
    rest = features.drop(columns=["id", "frame"], errors="ignore")
    table = pd.concat([pd.DataFrame({"id": _ids(features, len(points)), "frame": frame}), rest], axis=1)
    return Atoms(_in_pixels(points[:, -2:], layer, image_layer), table, pixel_size_of(image_layer))


def corners_from(layer: Any, image_layer: Any) -> npt.NDArray[np.float64]:
    """(n, 2) corners (y, x) of the last shape drawn, in pixels of the image."""
    return _in_pixels(np.asarray(layer.data[-1], float)[:, -2:], layer, image_layer)


def polygons_from(layer: Any, image_layer: Any) -> Region:
    """Corners (y, x) of the areas drawn in a shapes layer, in pixels of the image; lines and paths enclose nothing."""
    polygons = []
    for kind, corners in zip(layer.shape_type, layer.data, strict=True):
        yx = _in_pixels(np.asarray(corners, float)[:, -2:], layer, image_layer)
        if kind == "ellipse":
            centre, half, other = yx.mean(axis=0), (yx[1] - yx[0]) / 2, (yx[2] - yx[1]) / 2
            turn = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
            yx = centre + np.cos(turn) * half + np.sin(turn) * other
        if kind in ("polygon", "rectangle", "ellipse"):
            polygons.append(tuple((round(float(y), 2), round(float(x), 2)) for y, x in yx))
    return tuple(polygons)


def face_colors(atoms: Atoms, column: str, styles: ClassStyles | None = None) -> Any:
    """(N, 4) floats, or one colour for an unknown column."""
    if column not in atoms.features:
        return PLAIN
    values = atoms.features[column].to_numpy(float)
    if raster.is_categorical(column, values):
        return (styles or ClassStyles()).colours(column, values) / 255
    from napari.utils.colormaps import ensure_colormap

    colormap, limits = raster.scale_of(column, values)
    return raster.colors_of(values, ensure_colormap(colormap).map(np.linspace(0, 1, 64)), limits) / 255


def feature_defaults(features: pd.DataFrame) -> pd.DataFrame:
    """One row for points added by hand, which else copy the row before: -1 or NaN."""
    kinds = {name: features[name].dtype.kind for name in features}
    return pd.DataFrame(
        {name: [-1 if kind in "iu" else np.nan if kind == "f" else None] for name, kind in kinds.items()}
    )


def point_size(atoms: Atoms) -> float:
    """Diameter of a point in pixels."""
    some = atoms.yx[atoms.frame == atoms.frame[0]] if len(atoms) else atoms.yx
    if len(some) < 2:
        return 5.0
    return max(1.0, POINT_SHARE * float(np.median(cKDTree(some).query(some, 2)[0][:, 1])))


def coordinates(atoms: Atoms, stack: bool) -> npt.NDArray[np.float64]:
    """(N, 2), or (N, 3) with the frame first."""
    return np.column_stack([atoms.frame, atoms.yx]) if stack else atoms.yx


def update(layer: Any, new: LayerData) -> None:
    """Put a new result into its layer; what the user chose there (visibility, opacity, colormap) stays."""
    data, arguments, _ = new
    if not _same(layer.data, data):
        layer.data = data
    for name in RESULT:
        # each of these draws the layer anew
        if name in arguments and not (name in ("size", "face_color") and _same(getattr(layer, name), arguments[name])):
            setattr(layer, name, arguments[name])


def _same(shown: Any, new: Any) -> bool:
    if isinstance(new, str):
        return False
    new = np.asarray(new)
    if new.ndim == 0:
        return bool((np.asarray(shown) == new).all())
    return shown.shape == new.shape and np.array_equal(shown, new, equal_nan=new.dtype.kind == "f")


def _ids(features: pd.DataFrame, n: int) -> npt.NDArray[np.int64]:
    """The stable numbers, with new ones where they are missing or there twice."""
    if "id" not in features:
        return np.arange(n, dtype=np.int64)
    known = pd.to_numeric(features["id"], errors="coerce").fillna(-1).astype(np.int64)
    ids: npt.NDArray[np.int64] = np.array(known, np.int64)
    new = (ids < 0) | known.duplicated().to_numpy()
    ids[new] = ids.max(initial=-1) + 1 + np.arange(new.sum())
    return ids


def _in_nm(scale: float, unit: Any) -> float | None:
    if str(unit) == "css_pixel":  # pint's px is a length, 1/96 inch
        return None
    try:
        return float((scale * unit).to("nm").magnitude)
    except pint.DimensionalityError:
        return None


def _in_pixels(yx: npt.NDArray[np.float64], layer: Any, image_layer: Any) -> npt.NDArray[np.float64]:
    own, image = pixel_size_of(layer), pixel_size_of(image_layer)
    same = np.allclose(layer.scale[-2:], image_layer.scale[-2:]) and np.allclose(
        layer.translate[-2:], image_layer.translate[-2:]
    )
    if same or (own is None and image is not None):
        return yx
    factor = (
        1.0
        if own is None or image is None
        else float(_in_nm(1, layer.units[-1]) or 1) / float(_in_nm(1, image_layer.units[-1]) or 1)
    )
    world = (yx * layer.scale[-2:] + layer.translate[-2:]) * factor
    return np.asarray((world - image_layer.translate[-2:]) / image_layer.scale[-2:])
