"""Layers of the results of one analysis, one per result and reused for every new result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from local_crystallography._napari.layers import cells, convert, geometry, masks, named_layers, rings, vectors
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography._napari.layers.named_layers import OVERVIEW, NamedLayers, PreviewLayers
from local_crystallography._napari.layers.overview import AtomsOverview, is_many
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL, is_class
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.paint_map import PaintMap, default_columns
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment
from local_crystallography.views.vectors import SHIFT, VectorField

BESIDE = {rings.NAME, OVERVIEW}
"""Layers that show no result of their own."""


class ResultLayers:
    """The layers of the results of one image.

    A layer that the user removed comes back only with a new result; `prune` removes layers without a result.
    """

    def __init__(self, viewer: Any, image_layer: Any, analysis: Analysis) -> None:
        self.viewer = viewer
        self.image_layer = image_layer
        self.analysis = analysis
        self.wanted: str | None = None
        self.mask_wanted = False
        self.requested: set[str] = set()
        self.field = VectorField()
        self._drawn: vectors.Drawn | None = None
        self._chosen: str | None = None
        self.updating = False
        self._mask: tuple[Image, masks.Mask | None] | None = None
        self._colours: dict[int, tuple[Atoms, str]] = {}
        self._seen: str | None = None
        self._own = NamedLayers(viewer, image_layer)
        self._shown = self._own.shown
        self._cells = cells.Cells()
        self.previews = PreviewLayers(self._own, analysis)
        self.overview = AtomsOverview(viewer, self._own, self.note)
        self.overview.changed.connect(self._show_rings)
        self._selected = np.zeros(0, bool)
        self._place: geometry.Placement | None = None
        analysis.styles.changed.connect(self._on_styles_changed)

    @property
    def stack(self) -> bool:
        """Whether the image has frames."""
        image = self.analysis.image
        return image is not None and image.data.ndim == 3

    @property
    def _key(self) -> str:
        return str(self.image_layer.unique_id)

    @property
    def keys(self) -> set[str]:
        """Unique ids of the layers."""
        return self._own.keys

    @property
    def default_colour(self) -> str:
        """The column that colours the atoms until the user chooses one; "" for a single colour."""
        atoms = self.analysis.atoms
        return "" if atoms is None else self._default_colour(atoms)

    @property
    def colour(self) -> str:
        """The column that colours the atoms; "" for a single colour."""
        return self._colour(self.analysis.atoms)

    @property
    def _first_map(self) -> str:
        """The map to be seen: the one chosen, as long as there is its column, or else the most informative one."""
        atoms, chosen = self.analysis.atoms, self._chosen
        there = chosen in ("", *vectors.SHOWN) or (atoms is not None and chosen in atoms.features)
        return chosen if chosen is not None and there else self.default_colour

    def get(self, name: str) -> Any:
        """The layer of a result, or None if it is not in the viewer."""
        return self._own.get(name)

    def pending(self) -> list[str]:
        """The results that are not shown yet, from the bottom to the top."""
        return [name for name, value in self._results().items() if self._shown.get(name) is not value]

    def prepare(self) -> None:
        """Compute in any thread what the layers will show, including new layers, so that showing it is quick."""
        self.find_mask()
        len(self.analysis.doubts)  # found here once, and not in the thread of the window
        results = self._results()
        for name in self.pending():
            new = self._layer_data(name, results[name])
            self._own.ready[name] = (results[name], new if self.get(name) is not None else Layer.create(*new))

    def find_mask(self) -> None:
        """Find the mask of the image, once; in any thread, since it takes a moment."""
        image = self.analysis.image
        if image is not None and (self._mask is None or self._mask[0] is not image):
            self._mask = image, masks.visible_mask(image)

    def show(self) -> None:
        """Show all new results in the viewer."""
        self.find_mask()
        for name in self.pending():
            self.show_one(name)

    def show_one(self, name: str) -> None:
        """Show one result in the viewer, if it is new."""
        value = self._results().get(name)
        if value is None or self._shown.get(name) is value:
            return
        made_of, new = self._own.ready.pop(name, (None, None))
        if name == "atoms" and made_of is not value and self._show_columns(value):
            return
        self.updating = True
        if name == "atoms" and self.get("atoms") is None and (probability := self.get("probability")) is not None:
            probability.visible = False
        new = self._layer_data(name, value) if new is None or made_of is not value else new
        if name == cells.NAME:
            self._own.remove({name})  # shapes of another number cannot be updated
        self._own.put(name, new)
        if name == "atoms":
            self.overview.follow(self.get(name))
        self.previews.give(name)
        self._shown[name] = value
        if name == self._first_map:
            self._see_first(name)
        self.updating = False

    def show_map(self, column: str) -> None:
        """Show the map of a column and hide the others, from now on; "" hides all."""
        before, self._chosen = self._chosen, column
        fields = (*vectors.SHOWN, vectors.WHEEL) if self._has_vectors() else ()
        wanted = {column, vectors.WHEEL} if column in vectors.SHOWN else {column}
        if (atoms := self.get("atoms")) is not None and (column in vectors.SHOWN) != (before in vectors.SHOWN):
            atoms.visible = column not in vectors.SHOWN  # or they would cover the arrows and the image
        for name in (*(self.analysis.maps or {}), *fields):
            if name in wanted and self.get(name) is None:
                self._shown.pop(name, None)
                self.requested.add(name)
                self.show_one(name)
            if (layer := self.get(name)) is not None:
                layer.visible = name in wanted

    def set_field(self, field: VectorField) -> None:
        """Choose which displacements are drawn; the next arrows are exaggerated anew."""
        if field != self.field:
            self.field = field
            self._own.remove({vectors.ARROWS} & self._own.names)

    def draw_vectors(self) -> None:
        """Draw the displacements, if they are new; in any thread, since it takes a moment.

        Raises
        ------
        InputError
            If there are none.
        """
        atoms, image = self.analysis.atoms, self.analysis.image
        if atoms is None or image is None or not self._has_vectors():
            self._drawn = None
        elif self._drawn is None or not self._drawn.of(self.field, atoms):
            self._drawn = vectors.draw(self.field, atoms, image)

    def _has_vectors(self) -> bool:
        atoms = self.analysis.atoms
        return atoms is not None and {*SHIFT} <= {*atoms.features}

    def _vectors(self) -> dict[str, Any]:
        """The displacements, as soon as they were chosen once, until they are not measured any more."""
        wanted = {self._chosen, vectors.WHEEL} if self._chosen in vectors.SHOWN else set()
        wanted |= self._own.names
        names = [name for name in (vectors.COLOURS, vectors.ARROWS, vectors.WHEEL) if name in wanted]
        if not names:
            return {}
        try:
            self.draw_vectors()
        except InputError:  # the sublattice that was chosen is gone
            self._drawn = None
        if self._drawn is None:
            return {}
        return dict.fromkeys(names, self._drawn)

    def _see_first(self, name: str) -> None:
        """Show the most informative map in place of the previous one, unless the user has hidden that."""
        before = None if self._seen is None else self.get(self._seen)
        was_seen = before is not None and (before.visible or self.previews.is_stale(before))
        if name != self._seen and (self._seen is None or was_seen):
            self.get(name).visible = True
            if before is not None:
                before.visible = False
                self.previews.replace(before)
        self._seen = name

    def _show_columns(self, atoms: Atoms) -> bool:
        """Update only the columns of atoms that are already shown; False if their positions differ."""
        layer, shown = self.get("atoms"), self._shown.get("atoms")
        if layer is None or shown is None or not atoms.same_atoms(shown) or self.edited_atoms() is not None:
            return False
        colour = self._colour(atoms)
        layer.features = atoms.features
        layer.feature_defaults = convert.feature_defaults(atoms.features)
        layer.metadata = {convert.KEY: self.note("atoms")}
        same = colour in shown.features and colour in atoms.features
        if colour != self._colour(shown) or (same and not atoms.features[colour].equals(shown.features[colour])):
            layer.face_color = convert.face_colors(atoms, colour, self.analysis.styles)
        self._shown["atoms"] = atoms
        return True

    def take(self, found: Iterable[Any]) -> None:
        """Adopt layers that already show the results; of two layers for one result, the first."""
        results = self._results()
        for layer in found:
            name = convert.note_of(layer).get("result", "")
            if name not in self._own.names and (name in results or name in BESIDE):
                self._own.take(name, layer)
                if name in results:
                    self._shown[name] = results[name]
        self.overview.follow(self.get("atoms"))

    def place(self, shares: tuple[float, float]) -> bool:
        """Let all layers made of the image follow it to where it is now; whether it has moved.

        `shares`: height and width of a pixel that was analysed, in pixels of the layer.
        """
        place, before = geometry.placement_of(self.image_layer, shares), self._place
        if before is not None and geometry.same_place(before, place):
            return False
        self._place = place
        for layer in self.viewer.layers:
            if convert.belongs(layer, self.image_layer) or convert.note_of(layer).get("of") == self._key:
                geometry.put_at(layer, place)
        self.overview.draw()
        return before is not None

    def prune(self) -> None:
        """Remove layers whose result no longer exists, except atoms edited by hand."""
        self._own.remove(self._own.names - set(self._results()) - BESIDE)
        self.overview.follow(self.get("atoms"))
        self.previews.forget()

    def forget(self, name: str) -> None:
        """Leave a layer to the user; the next result gets a new one."""
        self._own.forget(name)

    def set_colour(self, column: str) -> None:
        """Colour the atoms by a column; "" for a single colour."""
        before = self._colour(self.analysis.atoms)
        column = "" if column in vectors.SHOWN else column
        self.wanted = column
        layer, atoms = self.get("atoms"), self._shown.get("atoms")
        if column != before and layer is not None and atoms is not None and len(layer.data) == len(atoms):
            layer.face_color = convert.face_colors(atoms, column, self.analysis.styles)

    def show_selected(self, rows: npt.NDArray[np.bool_]) -> None:
        """Draw rings around the (N,) selected atoms."""
        self._selected = rows
        self.overview.select(rows)
        self._show_rings()

    def _show_rings(self) -> None:
        """Draw rings around the selected atoms, unless they are marked in the picture of many atoms."""
        layer, atoms, rows = self.get(rings.NAME), self.analysis.atoms, self._selected
        if atoms is None or len(rows) != len(atoms):
            return
        # those of the picture are in the picture
        places = convert.coordinates(atoms, self.stack)[rows & (not self.overview.shown)]
        if layer is not None and (len(places) or len(layer.data)):
            rings.move(layer, places, self._point_size(atoms))
        elif len(places):
            place, note = geometry.placement_of(self.image_layer), self.note(rings.NAME)
            self._own.put(rings.NAME, rings.made(places, place, note, size=self._point_size(atoms)))

    def leave(self) -> None:
        """Leave the layers to the user."""
        self.overview.leave()

    def edited_atoms(self) -> Atoms | None:
        """The atoms as edited by hand in their layer; None if they were not edited."""
        layer, atoms = self.get("atoms"), self._shown.get("atoms")
        if layer is None or atoms is None or np.array_equal(layer.data, convert.coordinates(atoms, self.stack)):
            return None
        return convert.atoms_from(layer, self.image_layer) if len(layer.data) else atoms[:0]

    def keep_edits(self) -> None:
        """Go on with the points as they were edited, since the analysis has them now."""
        layer, atoms = self.get("atoms"), self.analysis.atoms
        if atoms is None:
            return
        self.updating = True
        layer.features, layer.feature_defaults = atoms.features, convert.feature_defaults(atoms.features)
        layer.face_color = convert.face_colors(atoms, self._colour(atoms), self.analysis.styles)
        self._shown["atoms"] = atoms
        self.updating = False

    def painted_mask(self) -> masks.Mask | None:
        """(H, W) mask as it is now in its layer; if that was removed, the mask drawn by hand, if any."""
        if (layer := self.get(masks.NAME)) is not None:
            return np.asarray(layer.data, bool)
        return None if self.analysis.image is None else self.analysis.image.mask

    def mask_is_edited(self) -> bool:
        """Whether the mask has been painted on since it was shown."""
        layer, shown = self.get(masks.NAME), self._shown.get(masks.NAME)
        return layer is not None and shown is not None and not np.array_equal(np.asarray(layer.data, bool), shown)

    def want_mask(self) -> None:
        """Show the mask from now on, even if it is empty; a removed mask layer comes back."""
        self.mask_wanted = True
        self._own.forget(masks.NAME)

    def undo_painting(self) -> None:
        """Restore the mask as it was before it was painted on."""
        if self.mask_is_edited():
            self.updating = True
            self.get(masks.NAME).data = self._shown[masks.NAME].astype(np.uint8)
            self.updating = False

    def set_editable(self, editable: bool) -> None:
        """Whether atoms can be moved by hand."""
        if (layer := self.get("atoms")) is not None:
            layer.editable = editable

    def _results(self) -> dict[str, Any]:
        """The existing results, from the bottom to the top."""
        probability = self.analysis.probability
        named = {
            convert.PROBABILITY: None if probability is None else probability.values,
            convert.STD: None if probability is None else probability.std,
            **self._maps(),
            **self._vectors(),
            masks.NAME: self._mask_to_show(),
            rings.LEFT_OUT: self.analysis.left_out or None,
            "atoms": self.analysis.atoms,
            cells.NAME: self._cells.of(self.analysis.atoms),
        }
        return {name: value for name, value in named.items() if value is not None}

    def _maps(self) -> dict[str, Any]:
        """The maps that have a layer: the most informative one, and those requested."""
        maps, atoms, paint = self.analysis.maps or {}, self.analysis.atoms, self.analysis.requested(PaintMap)
        named = set() if paint is None else {*paint.columns}
        usual = set() if atoms is None else {*default_columns(atoms)}
        named -= usual if usual <= named else set()  # they are named only because others were added
        there = {name for name in maps if self.get(name) is not None and name not in self.previews.made}
        wanted = {self.default_colour, self._first_map, HAND_LABEL} | self.requested | named | there
        return {name: painted for name, painted in maps.items() if name in wanted}

    def _mask_to_show(self) -> masks.Mask | None:
        """The mask of the image, if it has been found and is not empty, or is about to be painted on."""
        image = self.analysis.image
        if image is None or self._mask is None or self._mask[0] is not image:
            return None
        mask = self._mask[1]
        if self.mask_wanted and mask is None:
            mask = np.zeros(image.shape, bool)
            self._mask = image, mask
        return mask if self.mask_wanted or (mask is not None and mask.any()) else None

    def _layer_data(self, name: str, value: Any) -> LayerData:
        place = geometry.placement_of(self.image_layer)
        if name in (convert.PROBABILITY, convert.STD):
            made = convert.probability_layer if name == convert.PROBABILITY else convert.std_layer
            return made(value, place, self.note(name, Segment.name()))
        if name == masks.NAME:
            return masks.mask_layer(value, place, self.note(name, Segment.name()))
        if name == rings.LEFT_OUT:
            size, note = convert.point_size(self.analysis.atoms or value), self.note(name, RefineAtoms.name())
            return rings.left_out(value, place, note, size=size, stack=self.stack)
        if name == cells.NAME:
            return cells.cell_layer(value, place, self.note(name, MeasureLattice.name()), stack=self.stack)
        if name == "atoms":
            note = self.note(name)
            data, look, kind = convert.points_from(
                value, place, note, colour=self._colour(value), stack=self.stack, styles=self.analysis.styles
            )
            return data, {**look, "visible": not is_many(data)}, kind
        if name in (*vectors.SHOWN, vectors.WHEEL):
            note = self.note(name, MeasureLattice.name())
            if name == vectors.ARROWS:
                return vectors.arrows_layer(value, place, note, stack=self.stack)
            return (vectors.colours_layer if name == vectors.COLOURS else vectors.wheel_layer)(value, place, note)
        note = self.note(name, PaintMap.name())
        return convert.map_layer(name, value, place, note, self.analysis.styles, first=self._first_map)

    def _on_styles_changed(self, column: str) -> None:
        """Show classes with their new names and colours."""
        atoms, layer, painted = self._shown.get("atoms"), self.get("atoms"), self.get(column)
        if painted is not None and is_class(column):
            for name, value in convert.class_look(column, self.analysis.styles).items():
                setattr(painted, name, value)
        if atoms is not None and layer is not None and len(layer.data) == len(atoms) and column == self._colour(atoms):
            layer.face_color = convert.face_colors(atoms, column, self.analysis.styles)

    def _colour(self, atoms: Atoms | None) -> str:
        if atoms is None:
            return ""
        known = self.wanted == "" or self.wanted in atoms.features
        return self.wanted if self.wanted is not None and known else self._default_colour(atoms)

    def _default_colour(self, atoms: Atoms) -> str:
        """The default colour column, determined once for the same atoms."""
        known = self._colours.get(id(atoms))
        if known is None:
            last = list(self._colours.values())[-1:]
            known = atoms, convert.default_colour(atoms)
            self._colours = {id(one[0]): one for one in (*last, known)}
        return known[1]

    def _point_size(self, atoms: Atoms) -> float:
        """Diameter of the points of the atoms, in pixels."""
        layer = self.get("atoms")
        # all points of a layer have one size unless the user changed some of them
        return convert.point_size(atoms) if layer is None or not len(layer.size) else float(layer.size[0])

    def note(self, name: str, last: str | None = None) -> dict[str, Any]:
        """Provenance of a result: the steps that led to it."""
        return named_layers.note(self.analysis, self.image_layer, name, last)
