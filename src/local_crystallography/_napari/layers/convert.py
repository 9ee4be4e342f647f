"""Conversion of images, atoms and maps to napari layers and back; napari's keywords are known here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pint
from scipy.spatial import cKDTree

from local_crystallography.clustering.summary import telling_map
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image, can_show_atoms, shares_of, square, square_shape, unmasked
from local_crystallography.steps.refine_atoms import Region
from local_crystallography.views import raster
from local_crystallography.views.styles import ClassStyles

LayerData = tuple[Any, dict[str, Any], str]
Placement = Mapping[str, Any]

KEY = "local_crystallography"
"""Key of the provenance in `layer.metadata`. A result also has `result`, its name, and `of`, the layer of its image;
a layer of a saved session has `session`, the folder; an image that has been analysed has `analysis`."""
OWN = ("session", "result", "analysis")
"""Entries of the provenance of an image layer that are not metadata of the image."""
PLAIN = "#2a95ff"
PROBABILITY, STD = "probability", "probability std"
POINT_SHARE = 0.35
"""Diameter of a point as a fraction of the nearest-neighbour distance."""
RESULT = ("features", "feature_defaults", "size", "face_color", "contrast_limits", "metadata")
"""Attributes that a new result sets on its layer; all others stay as the user left them."""
ELLIPSE_CORNERS = 48
SAMPLE = 200_000
"""Number of pixels sampled for the percentiles of a map."""
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a layer lie.

    Attributes
    ----------
    matrix, origin
        (2, 2) and (2,): a pixel (y, x) lies at matrix @ (y, x) + origin in the world, along the last two axes; scale,
        rotate, shear, translate and affine together.
    unit
        nm per unit of the world; None where that is no length.
    """

    matrix: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    unit: float | None

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width of a pixel, in units of the world."""
        height, width = np.linalg.norm(self.matrix, axis=0).tolist()
        return height, width

    @property
    def shares(self) -> tuple[float, float]:
        """Height and width of a pixel that is analysed, in pixels of the layer; see `data.image.square`."""
        return shares_of(self.sides)

    @property
    def pixel(self) -> tuple[float, float] | None:
        """Height and width of a pixel in nm; None where they are unknown, or cannot show atoms."""
        if self.unit is None:
            return None
        height, width = (side * self.unit for side in self.sides)
        return (height, width) if can_show_atoms(height) and can_show_atoms(width) else None


def geometry_of(layer: Any) -> Geometry:
    """Where the pixels of a layer lie."""
    steps = np.eye(layer.ndim)[-2:]
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)[-2:]
    matrix = np.stack([np.asarray(layer.data_to_world(step), float)[-2:] - origin for step in steps], axis=1)
    units = [_in_nm(1.0, unit) for unit in layer.units[-2:]]
    return Geometry(matrix, origin, units[0] if units[0] == units[1] else None)


def pixel_size_of(layer: Any) -> float | None:
    """nm per pixel of the image of a layer as it is analysed; None where it is unknown or cannot show atoms."""
    pixel = geometry_of(layer).pixel
    if pixel is None:
        return None
    return min(pixel) if shares_of(pixel) != (1.0, 1.0) or pixel[0] == pixel[1] else float(np.sqrt(np.prod(pixel)))


def set_pixel(layer: Any, pixel: tuple[float, float] | None) -> None:
    """Give an image layer a pixel size, (height, width) in nm, or none; its orientation and place stay."""
    sides = np.asarray(geometry_of(layer).sides)
    scale = np.asarray(layer.scale, float)
    wanted = np.asarray((1.0, 1.0) if pixel is None else pixel)
    scale[-2:] *= wanted / sides
    translate = np.asarray(layer.translate, float)
    translate[-2:] *= wanted / sides
    layer.units = (*layer.units[:-2], *(("pixel", "pixel") if pixel is None else ("nm", "nm")))
    layer.scale, layer.translate = scale, translate


def analysed_shape(layer: Any) -> tuple[int, int]:
    """(H, W) of one frame of the image of a layer as it is analysed, with square pixels."""
    return square_shape(frame_shape(layer), geometry_of(layer).shares)


def frame_shape(layer: Any) -> tuple[int, int]:
    """(H, W) of one frame of an image layer."""
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    height, width = (shape[:-1] if layer.rgb else shape)[-2:]
    return int(height), int(width)


def image_from(layer: Any) -> Image:
    """The image in a layer; colours are converted to grey.

    Raises
    ------
    InputError
        For data that `Image` rejects.
    """
    data = unmasked(layer.data[0] if layer.multiscale else layer.data)
    if layer.rgb:
        data = data[..., :3] @ LUMINANCE
    metadata = {name: value for name, value in note_of(layer).items() if name not in OWN}
    geometry = geometry_of(layer)
    image = Image(data, None, layer.name, metadata)
    return square(image, geometry.pixel or geometry.sides, known=geometry.pixel is not None)


def same(one: Any | None, other: Any | None) -> bool:
    """Whether two layers are the same, or both None; a viewer may return a new proxy of a layer on each access."""
    return one is other or (one is not None and other is not None and one.unique_id == other.unique_id)


def note_of(layer: Any) -> dict[str, Any]:
    """The provenance noted in the metadata of a layer."""
    note: dict[str, Any] = layer.metadata.get(KEY, {})
    return note


def is_result(layer: Any) -> bool:
    """Whether a layer shows a result of this plugin."""
    return bool(note_of(layer).get("result", "image") != "image")


def belongs(layer: Any, image_layer: Any) -> bool:
    """Whether a layer shows a result of the image, computed here or read from the same session."""
    note, session = note_of(layer), note_of(image_layer).get("session")
    same_session = session is not None and note.get("session") == session
    return is_result(layer) and (same_session or note.get("of") == str(image_layer.unique_id))


def forget_session(viewer_layers: Any, session: str) -> None:
    """Detach the layers of a session that cannot be opened; from then on they belong to the user."""
    for layer in viewer_layers:
        if note_of(layer).get("session") == session:
            for name in OWN[:2]:
                note_of(layer).pop(name, None)


def default_colour(atoms: Atoms) -> str:
    """The column that colours the atoms until the user chooses one; "" for a single colour."""
    if "label" in atoms.features:
        return telling_map(atoms)
    return next((name for name in (HAND_LABEL, "z0") if name in atoms.features), "")


def placement_of(layer: Any) -> dict[str, Any]:
    """Where the results of an image layer lie in the world."""
    place = {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units")}
    place["scale"] = np.asarray(layer.scale, float) * (*(1.0,) * (layer.ndim - 2), *geometry_of(layer).shares)
    return place


def placement(image: Image) -> dict[str, Any]:
    """Scale and units of an image that is not in the viewer yet; empty for an unknown pixel size."""
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
    """A probability map, drawn additively over its image."""
    look = {"colormap": "inferno", "blending": "additive", "contrast_limits": (0, 1), "opacity": 0.7}
    return values, {"name": PROBABILITY, "metadata": {KEY: note}, **look, **place}, "image"


def std_layer(values: npt.NDArray[np.floating], place: Placement, note: Any) -> LayerData:
    """Standard deviation of the probability across the members of an ensemble, hidden at first."""
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

    Only the column `first` and classes assigned by hand are visible at first.
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
    """Atoms as points coloured by a column ("" for a single colour); for a stack the frame comes before y and x."""
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

    Points drawn by hand have no `id` yet, or the default -1, and get new numbers. Points of a layer whose unit is not
    a length are in pixels; all others are transformed from world coordinates.

    Raises
    ------
    InputError
        For a layer without points, or with dimensions other than (y, x) or (frame, y, x).
    """
    points = np.asarray(layer.data, float)
    if points.shape[1] not in (2, 3) or not len(points):
        raise InputError(
            f"{layer.name} has {len(points)} points in {points.shape[1]} dimensions, but atoms need at least one point "
            "with (y, x) or (frame, y, x). Choose another points layer, or add points to this one."
        )
    features = pd.DataFrame(layer.features).reset_index(drop=True)
    if points.shape[1] == 2 and image_layer.ndim == 3 and len(image_layer.data) > 1:
        raise InputError(
            f"The points of {layer.name} have no frame, but {image_layer.name} has {len(image_layer.data)} frames. Add "
            "them to a points layer with the axes frame, y and x."
        )
    frame = _frames(points, layer, image_layer)
    rest = features.drop(columns=["id", "frame"], errors="ignore")
    table = pd.concat([pd.DataFrame({"id": _ids(features, len(points)), "frame": frame}), rest], axis=1)
    return Atoms(_in_pixels(points[:, -2:], layer, image_layer), table, pixel_size_of(image_layer))


def corners_from(layer: Any, image_layer: Any) -> npt.NDArray[np.float64]:
    """(n, 2) corners (y, x) of the last shape drawn, in pixels of the image."""
    return _in_pixels(np.asarray(layer.data[-1], float)[:, -2:], layer, image_layer)


def polygons_from(layer: Any, image_layer: Any) -> Region:
    """Corners (y, x) of the areas in a shapes layer, in pixels of the image; lines and paths enclose none."""
    polygons = []
    for kind, corners in zip(layer.shape_type, layer.data, strict=True):
        yx = _in_pixels(np.asarray(corners, float)[:, -2:], layer, image_layer)
        if kind == "ellipse":
            centre, half, other = yx.mean(axis=0), (yx[1] - yx[0]) / 2, (yx[2] - yx[1]) / 2
            angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
            yx = centre + np.cos(angle) * half + np.sin(angle) * other
        if kind in ("polygon", "rectangle", "ellipse"):
            polygons.append(tuple((round(float(y), 2), round(float(x), 2)) for y, x in yx))
    return tuple(polygons)


def face_colors(atoms: Atoms, column: str, styles: ClassStyles | None = None) -> Any:
    """(N, 4) RGBA from 0 to 1, or a single colour for an unknown column."""
    if column not in atoms.features:
        return PLAIN
    values = atoms.features[column].to_numpy(float)
    if raster.is_categorical(column, values):
        return (styles or ClassStyles()).colours(column, values) / 255
    from napari.utils.colormaps import ensure_colormap

    colormap, limits = raster.scale_of(column, values)
    return raster.colors_of(values, ensure_colormap(colormap).map(np.linspace(0, 1, 64)), limits) / 255


def class_look(column: str, styles: ClassStyles) -> dict[str, Any]:
    """Colours of a map of classes, and the names napari shows for them; class k is label k + 1."""
    from napari.utils.colormaps import CyclicLabelColormap

    palette = styles.palette(column)
    # cyclic as the palette is; a direct colormap costs a second of compiling
    colormap = CyclicLabelColormap(colors=np.vstack([np.zeros(4), palette]), background_value=0)
    names = [styles.name(column, number) for number in range(len(palette))]
    return {"colormap": colormap, "features": pd.DataFrame({"index": np.arange(len(names)) + 1, "class": names})}


def feature_defaults(features: pd.DataFrame) -> pd.DataFrame:
    """One row for points added by hand, -1 or NaN; napari would copy the previous row."""
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
    """Show a new result in an existing layer; visibility, opacity and colormap chosen by the user are kept."""
    data, arguments, _ = new
    if not _same(layer.data, data):
        layer.data = data
    for name in RESULT:
        # each assignment redraws the layer
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
    """The `id` of every point, with new numbers where it is missing or duplicated."""
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
    """(n, 2) positions in a layer as pixels of the image as it is analysed."""
    own, image = geometry_of(layer), geometry_of(image_layer)
    same = np.array_equal(own.matrix, image.matrix) and np.array_equal(own.origin, image.origin)
    if not same and not (own.unit is None and image.unit is not None):
        factor = 1.0 if own.unit is None or image.unit is None else own.unit / image.unit
        world = (yx @ own.matrix.T + own.origin) * factor
        yx = np.asarray(np.linalg.solve(image.matrix, (world - image.origin).T).T, float)
    return yx if image.shares == (1.0, 1.0) else yx / image.shares


def _frames(points: npt.NDArray[np.float64], layer: Any, image_layer: Any) -> npt.NDArray[np.int64]:
    """(n,) frames of the image that points lie in."""
    if points.shape[1] == 2:
        return np.zeros(len(points), np.int64)
    frame = points[:, 0]
    if image_layer.ndim == 3 and layer.ndim == 3:
        world = frame * layer.scale[0] + layer.translate[0]
        frame = (world - image_layer.translate[0]) / image_layer.scale[0]
    return np.asarray(np.round(frame), np.int64)
