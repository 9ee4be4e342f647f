"""One class more or fewer: buttons beside what is shown and in the legend; atoms are clustered again and repainted."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.main.step_panel import StepPanel
from local_crystallography._napari.session.controller import Controller
from local_crystallography.clustering.features import whole_numbers
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.paint_map import PaintMap

FEWER, MORE = "−", "+"
STEPS = {FEWER: -1, MORE: 1}
TIPS = {
    FEWER: "One class fewer: cluster again, and paint the classes (Undo brings the present ones back)",
    MORE: "One class more: cluster again, and paint the classes (Undo brings the present ones back)",
}
FEWEST, MOST = 1, 20


class ClassCount(QtCore.QObject):  # type: ignore[misc]
    """Actions that cluster the active image into one class more or fewer, with the method set in the panel."""

    def __init__(self, controller: Controller, panels: dict[str, StepPanel], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.controller, self.panels = controller, panels
        self.actions = {name: QtGui.QAction(name, self, toolTip=TIPS[name]) for name in STEPS}
        for name, action in self.actions.items():
            action.triggered.connect(partial(self._change, STEPS[name]))
        controller.changed.connect(self.refresh)
        self.refresh()

    def buttons(self) -> list[QtWidgets.QToolButton]:
        """New buttons, seen only where there are classes."""
        return [ActionButton(action) for action in self.actions.values()]

    @property
    def count(self) -> int:
        """Number of classes of the active image; 0 without any."""
        atoms = self.controller.atoms
        if atoms is None or "label" not in atoms.features:
            return 0
        label = whole_numbers(atoms, "label")
        return len(np.unique(label[label >= 0]))

    def refresh(self) -> None:
        """Enable what is possible."""
        count, method = self.count, cast(Cluster, self.panels[Cluster.name()].form.step()).by if self.count else None
        for name, action in self.actions.items():
            action.setVisible(method is not None and hasattr(method, "classes"))
            action.setEnabled(not self.controller.running and FEWEST <= count + STEPS[name] <= MOST)

    def _change(self, change: int) -> None:
        form = self.panels[Cluster.name()].form
        step, wanted = cast(Cluster, form.step()), self.count + change
        form.set(step.replace(by=step.by.replace(classes=wanted)))
        paint = self.controller.attempt(self.panels[PaintMap.name()].form.step)
        if paint is not None:
            title = f"{wanted} class{'es' if wanted > 1 else ''}"
            self.controller.run((cast(Cluster, form.step()), paint), again=True, title=title)


class ActionButton(QtWidgets.QToolButton):  # type: ignore[misc]
    """A narrow button of an action that is seen with it."""

    def __init__(self, action: QtGui.QAction) -> None:
        super().__init__()
        self.setDefaultAction(action)
        self.setAccessibleName(action.toolTip().split(":")[0])
        self.setFixedWidth(22)
        action.visibleChanged.connect(self._on_visible_changed)
        self._on_visible_changed()

    def _on_visible_changed(self) -> None:
        self.setVisible(self.defaultAction().isVisible())
