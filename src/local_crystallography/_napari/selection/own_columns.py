"""Columns a person gives to the atoms: there at once, and painted beside whatever job may run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy.typing as npt
from qtpy import QtCore

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.data.image import Image
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.paint_map import Brush, PaintMap, column_values, not_cut
from local_crystallography.views.assign import Mask, with_column, with_hand_label

EDITED = "Atoms in the image were edited by hand, and no step has used that yet; run one, then give classes or columns."
BUSY = "A step is running: stop it, or wait until it has ended, before you give classes."


@dataclass(frozen=True)
class Painted:
    """Maps of columns of one's own, and the step that is up to date with them."""

    atoms: Atoms | None
    maps: dict[str, npt.NDArray[Any]]
    step: PaintMap
    resolved: PaintMap


class OwnColumns(QtCore.QObject):  # type: ignore[misc]
    """Gives classes and columns to the selected atoms of the active image; the last change of classes can be undone.

    Where maps were painted, those of the new columns follow in the background, and all others stay.
    """

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self._latest = LatestTask(self)
        self._brushes: dict[str, Brush] = {}
        self._due: dict[str, PaintMap] = {}
        self._before: tuple[str, Atoms] | None = None
        controller.changed.connect(self._on_controller_changed)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of classes to take back."""
        atoms = self._atoms()
        if self._before is None or atoms is None or self.controller.active is None:
            return False
        key, before = self._before
        return key == self.controller.active.key and before.same_atoms(atoms)

    def label(self, number: int) -> None:
        """Give the selected atoms a class; -1 takes it away."""
        atoms = self._atoms()
        if self.controller.runner.running:
            self.controller.failed.emit(BUSY)
        elif atoms is not None and self.controller.selection.count:
            self._keep_classes(with_hand_label(atoms, self.controller.selection.mask, number))

    def undo(self) -> None:
        """Undo the last change of classes; a second time redoes it."""
        atoms = self._atoms()
        if self.can_undo and atoms is not None and self._before is not None:
            earlier = self._before[1].features
            if HAND_LABEL in earlier:
                self._keep_classes(atoms.with_features(**{HAND_LABEL: earlier[HAND_LABEL]}))
            else:
                self._keep_classes(atoms.without([HAND_LABEL]))

    def add(self, name: str, mask: Mask) -> None:
        """Give the atoms a new column: 1 for those of the mask, 0 for the others.

        Raises
        ------
        InputError
            For a name that does not do.
        """
        atoms = self._atoms()
        if atoms is not None:
            self._keep(with_column(atoms, name, mask))

    def brush(self, session: ImageSession, reach: float, inputs: tuple[Atoms, Image, SubImages | None]) -> Brush:
        """What paints the atoms of an image, found once; in any thread."""
        atoms, image, sub_images = inputs
        brush = self._brushes.get(session.key)
        if brush is None or not brush.fits(atoms, reach):
            brush = Brush(atoms, image, reach=reach, left_out=not_cut(atoms, image, sub_images))
            self._brushes[session.key] = brush
        return brush

    def leave(self) -> None:
        """Follow the controller no more."""
        self._latest.drop()
        self.controller.changed.disconnect(self._on_controller_changed)

    def _atoms(self) -> Atoms | None:
        """The atoms that may be changed now; None while a job works on them."""
        session = self.controller.active
        atoms = None if session is None or self.controller.runner.running else session.analysis.atoms
        return atoms if atoms is not None and len(atoms) == len(self.controller.selection) else None

    def _keep_classes(self, atoms: Atoms) -> None:
        before, session = self._atoms(), self.controller.active
        if before is not None and session is not None:
            self._before = (session.key, before)
            self._keep(atoms)

    def _keep(self, atoms: Atoms) -> None:
        session = self.controller.active
        assert session is not None
        if session.results.edited_atoms() is not None:
            # they would jump back to where they were
            self.controller.failed.emit(EDITED)
            return
        painted = session.analysis.asked.get("paint_map")
        session.analysis.atoms = atoms
        if isinstance(painted, PaintMap) and not session.analysis.is_current(painted):
            self._due[session.key] = painted
        self.controller.bring()
        self._paint(session)

    def _on_controller_changed(self) -> None:
        self._due = {key: step for key, step in self._due.items() if key in self.controller.sessions}
        self._brushes = {key: brush for key, brush in self._brushes.items() if key in self.controller.sessions}
        if self.controller.active is not None and not self._latest.busy:
            self._paint(self.controller.active)

    def _paint(self, session: ImageSession) -> None:
        """Have the maps painted that are missing since columns changed."""
        step = self._due.get(session.key)
        if step is None or self.controller.runner.running:
            return
        if session.analysis.maps is None or "paint_map" in session.analysis.asked or session.analysis.missing(step):
            self._due.pop(session.key)
            return
        self._latest.ask(
            self._painting(session, step),
            partial(self._on_painted, session),
            lambda why: self._due.pop(session.key, None),
        )

    def _painting(self, session: ImageSession, step: PaintMap) -> Callable[[], Painted]:
        now, there = session.analysis.atoms, set(session.analysis.maps or ())
        atoms, image, sub_images = session.analysis.inputs(step)

        def paint() -> Painted:
            resolved = step.resolve(atoms, image, sub_images)
            brush = self.brush(session, resolved.max_distance or 0.0, (atoms, image, sub_images))
            missing = [name for name in resolved.columns if name not in there]
            maps = {name: brush.paint(column_values(atoms, name)) for name in missing}
            return Painted(now, maps, step, resolved)

        return paint

    def _on_painted(self, session: ImageSession, result: Painted) -> None:
        if self.controller.sessions.get(session.key) is not session or self.controller.runner.running:
            return
        analysis = session.analysis
        if analysis.maps is None or analysis.atoms is not result.atoms:
            self._paint(session)
            return
        self._due.pop(session.key, None)
        analysis.add_maps(result.maps, result.step, result.resolved)
        session.results.prune()
        self.controller.bring()
