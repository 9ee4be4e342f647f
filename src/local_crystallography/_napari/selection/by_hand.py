"""Columns and classes assigned to the selected atoms by hand, and classes of Cluster merged and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography.analysis import Analysis
from local_crystallography.clustering.by_hand import merged, split
from local_crystallography.clustering.environment import surrounded
from local_crystallography.clustering.features import features
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.paint_map import Brush, PaintMap, column_values, not_cut
from local_crystallography.views.assign import Mask, with_column, with_hand_label

LABEL, CERTAINTY, PLACE = "label", ("label_probability", "label_entropy"), ("environment", "borders_label")
Labels = npt.NDArray[np.int64]
BUSY = "A step is running. Stop it, or wait until it has finished, before assigning classes."


@dataclass(frozen=True)
class Painted:
    """Maps of new columns, and the step that is up to date with them."""

    atoms: Atoms | None
    maps: dict[str, npt.NDArray[Any]]
    step: PaintMap
    resolved: PaintMap


class OwnColumns(QtCore.QObject):  # type: ignore[misc]
    """Assigns classes and columns to the selected atoms of the active image.

    If maps were painted, those of the new columns are added in the background, beside any running job.
    """

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self._latest = LatestTask(self)
        self._brushes: dict[str, Brush] = {}
        self._due: dict[str, PaintMap] = {}
        controller.changed.connect(self._on_controller_changed)

    def label(self, number: int) -> None:
        """Assign a class to the selected atoms; -1 removes it."""
        self.controller.take_edits()
        atoms = self._atoms()
        if self.controller.runner.running:
            self.controller.failed.emit(BUSY)
        elif atoms is not None and self.controller.selection.count:
            styles = self.controller.active.analysis.styles if self.controller.active else None
            title = "Remove classes" if number < 0 or styles is None else f"Assign {styles.name(HAND_LABEL, number)}"
            self._keep(with_hand_label(atoms, self.controller.selection.mask, number), title)

    def add(self, name: str, mask: Mask) -> None:
        """Add a column: 1 for the atoms of the mask, 0 for the others.

        Raises
        ------
        InputError
            For a name that cannot be used.
        """
        self.controller.take_edits()
        atoms = self._atoms()
        if atoms is not None:
            self._keep(with_column(atoms, name, mask), f"New column {name}")

    def brush(self, session: ImageSession, reach: float, inputs: tuple[Atoms, Image, SubImages | None]) -> Brush:
        """The brush that paints the atoms of an image, computed once; in any thread."""
        atoms, image, sub_images = inputs
        brush = self._brushes.get(session.key)
        if brush is None or not brush.fits(atoms, reach):
            brush = Brush(atoms, image, reach=reach, left_out=not_cut(atoms, image, sub_images))
            self._brushes[session.key] = brush
        return brush

    def leave(self) -> None:
        """Disconnect from the controller."""
        self._latest.drop()
        self.controller.changed.disconnect(self._on_controller_changed)

    def _atoms(self) -> Atoms | None:
        """The atoms, if they may be changed now; None while a job works on them."""
        return None if self.controller.runner.running else self.controller.selectable

    def _keep(self, atoms: Atoms, title: str) -> None:
        session = self.controller.active
        assert session is not None
        painted = session.analysis.requested(PaintMap)
        session.analysis.atoms = atoms
        self.controller.note(title)
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
        """Paint the maps that are missing since columns were added."""
        step = self._due.get(session.key)
        if step is None or self.controller.runner.running:
            return
        if session.analysis.maps is None or PaintMap.name() in session.analysis.asked or session.analysis.missing(step):
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
        if session is self.controller.active:
            self.controller.note(None)
        session.results.prune()
        self.controller.bring()


class ClassCommands(QtCore.QObject):  # type: ignore[misc]
    """Merges and splits classes of the selected atoms; painted maps are painted again."""

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller = controller

    @property
    def ready(self) -> bool:
        """Whether the selected atoms have classes that can be changed now."""
        return self._atoms() is not None and bool(self.controller.selection.count)

    def merge(self) -> None:
        """Merge all classes of the selected atoms into one."""
        mask = self.controller.selection.mask
        self._change("Merge classes", lambda labels, atoms: merged(labels, _of_selection(labels, mask)))

    def split(self) -> None:
        """Split the most frequent class of the selected atoms in two, using the columns that Cluster used."""
        self._change("Split class", self._split)

    def _atoms(self) -> Atoms | None:
        atoms = None if self.controller.running else self.controller.atoms
        return atoms if atoms is not None and LABEL in atoms.features else None

    def _change(self, title: str, change: Callable[[Labels, Atoms], Labels]) -> None:
        atoms = self._atoms()
        if atoms is None or not self.controller.selection.count:
            return
        labels = _labels(atoms)
        if (new := self.controller.attempt(partial(change, labels, atoms))) is None:
            return
        named = (LABEL, *CERTAINTY, *PLACE)
        old = {name: atoms.features[name].to_numpy() for name in named if name in atoms.features}
        # the certainty of classes made by hand is unknown
        changed = {name: np.where(new == labels, old[name], np.nan) for name in CERTAINTY if name in old}
        made = atoms.with_features(**{LABEL: new}, **changed)
        self._give(surrounded(made) if set(PLACE) <= set(old) else made, title)

    def _split(self, labels: Labels, atoms: Atoms) -> Labels:
        session = self.controller.active
        chosen = labels[self.controller.selection.mask & (labels >= 0)]
        if session is None or not len(chosen):
            raise InputError("None of the selected atoms has a class to split. Select atoms of the class to be split.")
        points = _points(session.analysis, atoms)
        return split(points, labels, int(np.bincount(chosen).argmax()), seed=0)

    def _give(self, atoms: Atoms, title: str) -> None:
        session = self.controller.active
        if session is None:
            return
        painted = session.analysis.requested(PaintMap)
        session.analysis.atoms = atoms
        self.controller.note(title)
        self.controller.bring()
        if painted is not None:
            self.controller.when_idle(partial(self.controller.run, (painted,), again=True, title=None))


def _labels(atoms: Atoms) -> Labels:
    return np.asarray(atoms.features[LABEL].fillna(-1).to_numpy(np.int64))


def _of_selection(labels: Labels, mask: npt.NDArray[np.bool_]) -> list[int]:
    return [int(number) for number in np.unique(labels[mask]) if number >= 0]


def _points(analysis: Analysis, atoms: Atoms) -> npt.NDArray[np.float64]:
    """(N, d) features that Cluster used; NaN for atoms without them."""
    step = analysis.last(Cluster) or Cluster()
    assert isinstance(step, Cluster)
    resolved = step if step.columns else step.resolve(atoms)
    known = features(atoms, resolved.columns, period=resolved.period)
    points = np.full((len(atoms), known.at.shape[1]), np.nan)
    points[known.rows] = known.at
    return points
