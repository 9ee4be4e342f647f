"""The map that is shown over the active image; a column without a map is painted first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy import QtCore

from local_crystallography._napari.layers.vectors import SHOWN
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.analysis import Analysis
from local_crystallography.steps.paint_map import PaintMap, default_columns


class ShownMap(QtCore.QObject):  # type: ignore[misc]
    """Shows the map of one column, and hides the others."""

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self._due: tuple[ImageSession, str] | None = None
        controller.changed.connect(self._show_due)

    def show(self, column: str) -> None:
        """Show the map of a column of the active image and no other; "" for none."""
        session = self.controller.active
        if session is None or self.controller.running:
            return
        self._due = session, column
        if column in SHOWN:
            self.controller.compute("Drawing the displacements …", partial(_drawn, session))
            return
        maps = session.analysis.maps or {}
        if column and column not in maps:
            self.controller.run((painting(session.analysis, column),), again=True, title=None)
        self._show_due()

    def _show_due(self) -> None:
        if self._due is None or self.controller.running:
            return
        (session, column), self._due = self._due, None
        maps = session.analysis.maps or {}
        if session is self.controller.active and (not column or column in maps or column in SHOWN):
            session.results.show_map(column)


def _drawn(session: ImageSession) -> Callable[[], object]:
    """Draw the displacements; they are shown when the job has ended."""
    session.results.draw_vectors()
    return lambda: None


def painting(analysis: Analysis, column: str) -> PaintMap:
    """The step that paints a column beside the present maps, or beside the usual ones where there are none."""
    before, atoms, maps = analysis.requested(PaintMap), analysis.atoms, [*(analysis.maps or {})]
    usual = () if atoms is None else default_columns(atoms)
    if before is None or not maps:
        maps = [*usual, *maps]
    named = tuple(dict.fromkeys([*maps, column]))
    by_hand = before is not None and before.columns
    return (before or PaintMap()).model_copy(update={"columns": named if by_hand or {*named} - {*usual} else ()})
