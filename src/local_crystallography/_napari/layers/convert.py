"""Conversion of images, atoms and maps to napari layers and back; napari's keywords are known here alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from local_crystallography._napari.layers.geometry import Placement, between, geometry_of, pixel_size_of
from local_crystallography._napari.layers.layer_pixels import check_image, frame_count, pixels_of, values_of
from local_crystallography.clustering.summary import telling_map
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image, square
from local_crystallography.data.polygons import Region
from local_crystallography.views import raster
from local_crystallography.views.styles import ClassStyles

LayerData = tuple[Any, dict[str, Any], str]

KEY = "local_crystallography"
"""Key of the provenance in `layer.metadata`. A result also has `result`, its name, and `of`, the layer of its image;
a layer of a saved session has `session`, the folder. An image that has been analysed has `analysis`, `analysed`, its
own unique id, since napari hands the metadata on to copies and projections, and `in_use` while a dock shows it."""
OWN = ("session", "result", "analysis", "analysed", "in_use")
"""Entries of the provenance of an image layer that are not metadata of the image."""
PLAIN = "#2a95ff"
PROBABILITY, STD = "probability", "probability std"
POINT_SHARE = 0.35
"""Diameter of a point as a fraction of the nearest-neighbour distance."""
SIZES = (0, 10_000)
"""Sizes of points on the screen, in pixels: napari gives points below the first a grey border of half that size."""
RESULT = ("features", "feature_defaults", "size", "face_color", "edge_color", "contrast_limits", "metadata")
"""Attributes that a new result sets on its layer; all others stay as the user left them."""
ELLIPSE_CORNERS = 48
SAMPLE = 200_000
"""Number of pixels sampled for the percentiles of a map."""


def image_from(layer: Any) -> Image:
    """The image in a layer; colours are converted to grey, and transparent pixels are invalid.

    It keeps a copy, so that a layer which is edited later leaves it as it was; only a stack on a disk stays there.

    Raises
    ------
    InputError
        For other kinds of layer, for one that cannot be seen as an image, and for data that `Image` rejects.
    """
    check_image(layer)
    data, said = values_of(layer)
    metadata = {name: value for name, value in note_of(layer).items() if name not in OWN}
    if said:
        metadata["messages"] = [*metadata.get("messages", []), *said]
    geometry = geometry_of(layer)
    image = Image(data, None, layer.name, metadata)
    return square(image, geometry.pixel or geometry.sides, known=geometry.pixel is not None)


def shows(layer: Any, image: Image) -> bool:
    """Whether a layer shows what was analysed: the first and the last frame are compared."""
    if pixels_of(layer) is image.data:
        return True
    try:
        other = image_from(layer)
    except InputError:
        return False
    if (other.shape, other.count) != (image.shape, image.count):
        return False
    return all(np.array_equal(other.read(n), image.read(n), equal_nan=True) for n in {0, image.count - 1})


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
    arguments["metadata"] = {KEY: {**note, "colormap": colormap}}
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
        "border_width": raster.EDGE,  # so that atoms are seen on a map of their own colour
        "border_color": "#000000cc",
        "canvas_size_limits": SIZES,
        "metadata": {KEY: note},
    }
    return coordinates(atoms, stack), {**arguments, **place}, "points"


def atoms_from(layer: Any, image_layer: Any) -> Atoms:
    """The atoms in any points layer, in pixels of the image.

    Points drawn by hand have no `id` yet, or the default -1, and get new numbers. Points of a layer that has neither a
    unit of length nor a place of its own are in pixels; all others are where they are seen.

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
    if points.shape[1] == 2 and (count := frame_count(image_layer)) > 1:
        raise InputError(
            f"The points of {layer.name} have no frame, but {image_layer.name} has {count} frames. Add "
            "them to a points layer with the axes frame, y and x."
        )
    frame = _frames(points, layer, image_layer)
    rest = features.drop(columns=["id", "frame"], errors="ignore")
    table = pd.concat([pd.DataFrame({"id": _ids(features, len(points)), "frame": frame}), rest], axis=1)
    return Atoms(_in_pixels(points[:, -2:], layer, image_layer), table, pixel_size_of(image_layer))


def line_from(layer: Any, image_layer: Any, number: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end (y, x) of one line in a shapes layer, in pixels of the image."""
    start, end = _in_pixels(np.asarray(layer.data[number], float)[[0, -1], -2:], layer, image_layer).tolist()
    return tuple(start), tuple(end)


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


def in_image(world: npt.NDArray[np.float64], image_layer: Any) -> npt.NDArray[np.float64]:
    """(n, 2) positions (y, x) in the world, as napari draws it, in pixels of the image as it is analysed."""
    geometry = geometry_of(image_layer, in_world=True)
    yx = np.linalg.solve(geometry.matrix, (world - geometry.origin).T).T
    return np.asarray(yx / geometry_of(image_layer).shares)


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
    follow_colormap(layer, arguments)
    for name in RESULT:
        # each assignment redraws the layer
        if name in arguments and not (name in ("size", "face_color") and _same(getattr(layer, name), arguments[name])):
            setattr(layer, name, arguments[name])


def follow_colormap(layer: Any, arguments: dict[str, Any]) -> None:
    """Give a map the colormap of its new values, cyclic or not, unless the user has chosen another one."""
    given = arguments["metadata"][KEY].get("colormap")
    if given is not None and layer.colormap.name == note_of(layer).get("colormap") != given:
        layer.colormap = given
        layer.metadata = arguments["metadata"]


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


def _in_pixels(yx: npt.NDArray[np.float64], layer: Any, image_layer: Any) -> npt.NDArray[np.float64]:
    """(n, 2) positions in a layer as pixels of the image as it is analysed."""
    shares = geometry_of(image_layer).shares
    yx = between(yx, layer, image_layer)
    return yx if shares == (1.0, 1.0) else yx / shares


def _frames(points: npt.NDArray[np.float64], layer: Any, image_layer: Any) -> npt.NDArray[np.int64]:
    """(n,) frames of the image that points lie in."""
    count = frame_count(image_layer)
    if points.shape[1] == 2 or image_layer.ndim < 3:  # a single image is seen beside every frame of others
        return np.zeros(len(points), np.int64)
    frame = points[:, 0]
    ours = geometry_of(layer)
    if not (ours.plain and not ours.in_nm and geometry_of(image_layer).in_nm):
        (start, step), (first, each) = _frame_axis(layer), _frame_axis(image_layer)
        frame = (frame * step + start - first) / each
    numbers = np.asarray(np.round(frame), np.int64)
    outside = int(((numbers < 0) | (numbers >= count)).sum())
    if outside:
        raise InputError(
            f"{outside} of {len(points)} points of {layer.name} lie in frames that {image_layer.name} does not have; "
            f"it has {count}. Remove them, or correct scale and translation of the axis of the frames."
        )
    return numbers


def _frame_axis(layer: Any) -> tuple[float, float]:
    """Place of the first frame of a layer in the world, and distance to the next, in its base unit."""
    start, second = (float(layer.data_to_world(at)[0]) for at in ((0, 0, 0), (1, 0, 0)))
    base = float((1.0 * layer.units[0]).to_base_units().magnitude)
    return start * base, (second - start) * base
