"""The classes that Cluster found, merged and split by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore

from local_crystallography._napari.session.controller import Controller
from local_crystallography.analysis import Analysis
from local_crystallography.clustering.by_hand import merged, split
from local_crystallography.clustering.environment import surrounded
from local_crystallography.clustering.features import features
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.steps.cluster import Cluster

LABEL, CERTAINTY, PLACE = "label", ("label_probability", "label_entropy"), ("environment", "borders_label")
Labels = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


class ClassCommands(QtCore.QObject):  # type: ignore[misc]
    """Changes the classes the selected atoms have; maps that were painted are painted again."""

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self._before: tuple[Columns, Labels] | None = None
        self._then: Callable[[], object] | None = None
        controller.changed.connect(self._on_controller_changed)

    @property
    def ready(self) -> bool:
        """Whether the selected atoms have classes that can be changed now."""
        return self._atoms() is not None and bool(self.controller.selection.count)

    @property
    def can_undo(self) -> bool:
        """Whether the last change can be taken back."""
        atoms = self._atoms()
        return self._before is not None and atoms is not None and np.array_equal(_labels(atoms), self._before[1])

    def merge(self) -> None:
        """Make one class of all that the selected atoms have."""
        self._change(lambda labels, atoms: merged(labels, _of_selection(labels, self.controller.selection.mask)))

    def split(self) -> None:
        """Make two classes of the one that most of the selected atoms have, by the columns Cluster sorted by."""
        self._change(self._split)

    def undo(self) -> None:
        """Undo the last change."""
        atoms = self._atoms()
        if self.can_undo and self._before is not None and atoms is not None:
            columns, self._before = self._before[0], None
            self._give(atoms.with_features(**columns))

    def leave(self) -> None:
        """Follow the controller no more."""
        self._then = None
        self.controller.changed.disconnect(self._on_controller_changed)

    def _atoms(self) -> Atoms | None:
        session = self.controller.active
        atoms = None if session is None or self.controller.running else session.analysis.atoms
        return atoms if atoms is not None and LABEL in atoms.features else None

    def _change(self, change: Callable[[Labels, Atoms], Labels]) -> None:
        atoms = self._atoms()
        if atoms is None or not self.controller.selection.count:
            return
        labels = _labels(atoms)
        try:
            new = change(labels, atoms)
        except InputError as error:
            self.controller.failed.emit(str(error))
            return
        named = (LABEL, *CERTAINTY, *PLACE)
        old = {name: atoms.features[name].to_numpy() for name in named if name in atoms.features}
        # how sure a class was is not known of those made by hand
        changed = {name: np.where(new == labels, old[name], np.nan) for name in CERTAINTY if name in old}
        self._before = (old, new)
        made = atoms.with_features(**{LABEL: new}, **changed)
        self._give(surrounded(made) if set(PLACE) <= set(old) else made)

    def _split(self, labels: Labels, atoms: Atoms) -> Labels:
        session = self.controller.active
        chosen = labels[self.controller.selection.mask & (labels >= 0)]
        if session is None or not len(chosen):
            raise InputError("The selected atoms have no class, one to be split was expected; select others.")
        points = _points(session.analysis, atoms)
        return split(points, labels, int(np.bincount(chosen).argmax()), seed=0)

    def _give(self, atoms: Atoms) -> None:
        session = self.controller.active
        if session is None:
            return
        painted = session.analysis.asked.get("paint_map")
        session.analysis.atoms = atoms
        if painted is not None:
            self._then = partial(self.controller.run, (painted,), again=True)
        self.controller.bring()

    def _on_controller_changed(self) -> None:
        if self._then is not None and not self.controller.running:
            then, self._then = self._then, None
            then()


def _labels(atoms: Atoms) -> Labels:
    return np.asarray(atoms.features[LABEL].fillna(-1).to_numpy(np.int64))


def _of_selection(labels: Labels, mask: npt.NDArray[np.bool_]) -> list[int]:
    return [int(number) for number in np.unique(labels[mask]) if number >= 0]


def _points(analysis: Analysis, atoms: Atoms) -> npt.NDArray[np.float64]:
    """(N, d) what Cluster sorted by; NaN for atoms without."""
    step = analysis.used.get("cluster", Cluster())
    assert isinstance(step, Cluster)
    resolved = step if step.columns else step.resolve(atoms)
    known = features(atoms, resolved.columns, period=resolved.period)
    points = np.full((len(atoms), known.at.shape[1]), np.nan)
    points[known.rows] = known.at
    return points
