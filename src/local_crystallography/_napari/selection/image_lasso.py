"""Lasso on the image: atoms are selected by drawing around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.plot_box import KEYS, how
from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.camera import canvas_in, in_plane, in_world
from local_crystallography._napari.main.scan import frame_shown
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography.data.polygons import inside, simplify

TEXT, KEY = "Lasso on image", "Ctrl+Shift+L"
TIP = (
    "<qt>Draw around atoms in the image to select them, either with the mouse button held down or from click to click; "
    f"a double-click ends the outline. {KEYS}; Esc cancels ({KEY}).</qt>"
)
HELP = f"Draw around atoms, or click from corner to corner and double-click. {KEYS}; Esc cancels."
HELP_MS = 5000
STILL = 4
"""Movement up to which a press and a release are a click, in points."""
NOT_IN_PLANE = (
    "The lasso needs the image plane: show the image in 2D, not as a grid, with y and x as the displayed axes, then "
    "draw."
)


class ImageLasso(QtCore.QObject):  # type: ignore[misc]
    """Covers the canvas to draw on, and selects the atoms inside the outline in the displayed frame.

    A shapes layer in its place would take napari seconds to create for the first time.

    Attributes
    ----------
    action
        Checked while the lasso is active.
    """

    def __init__(self, controller: Controller, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.controller, self.viewer = controller, controller.viewer
        self.action = QtGui.QAction(TEXT, self, checkable=True)
        self.action.setToolTip(TIP)
        self.action.setShortcut(QtGui.QKeySequence(KEY))
        self.action.setShortcutContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.action.toggled.connect(self._on_toggled)
        self.sheet: Sheet | None = None
        self._session: ImageSession | None = None
        controller.changed.connect(self._on_controller_changed)
        controller.selection.changed.connect(self._on_selection_changed)
        self._on_controller_changed()

    def leave(self) -> None:
        """Cancel, and disconnect from the viewer."""
        self.cancel()
        self.controller.changed.disconnect(self._on_controller_changed)
        self.controller.selection.changed.disconnect(self._on_selection_changed)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Cancel with Esc, whichever widget has the keyboard."""
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.ShortcutOverride, kinds.KeyPress) and event.key() == QtCore.Qt.Key.Key_Escape:
            event.accept()
            if event.type() == kinds.KeyPress:
                self.cancel()
            return True
        return False

    def _on_toggled(self, on: bool) -> None:
        if not on:
            self.cancel()
        elif self.sheet is None and not self._begin():
            self.action.setChecked(False)

    def _begin(self) -> bool:
        session, canvas = self.controller.active, canvas_in(self.controller.parent())
        if session is None or canvas is None or not self._ready():
            return False
        if not in_plane(self.viewer):
            self.controller.failed.emit(NOT_IN_PLANE)
            return False
        self._session, self.sheet = session, Sheet(canvas)
        self.sheet.drawn.connect(self._on_drawn)
        # at the pointer, since the status bar is soon overwritten by coordinates
        QtWidgets.QToolTip.showText(QtGui.QCursor.pos(), HELP, None, QtCore.QRect(), HELP_MS)
        self.viewer.layers.selection.events.active.connect(self._on_active_changed)
        QtWidgets.QApplication.instance().installEventFilter(self)
        return True

    def cancel(self) -> None:
        """Uncover the canvas without selecting anything."""
        sheet, self.sheet, self._session = self.sheet, None, None
        if sheet is None:
            return
        QtWidgets.QApplication.instance().removeEventFilter(self)
        self.viewer.layers.selection.events.active.disconnect(self._on_active_changed)
        sheet.leave()
        self.action.setChecked(False)

    def _on_drawn(self, outline: npt.NDArray[np.float64], modifiers: Any) -> None:
        session, sheet, atoms = self._session, self.sheet, self.controller.selectable
        self.cancel()
        if session is None or sheet is None or atoms is None or not in_plane(self.viewer):
            return
        polygon = convert.in_image(in_world(self.viewer, outline, (sheet.height(), sheet.width())), session.layer)
        mask = inside(atoms.yx, polygon) & (atoms.frame == frame_shown(self.viewer, session.layer))
        self.controller.selection.apply(mask, how(modifiers), source=self)

    def _ready(self) -> bool:
        """Whether there are atoms to select."""
        return bool(self.controller.selectable)

    def _on_controller_changed(self) -> None:
        if self.sheet is not None and self.controller.active is not self._session:
            self.cancel()
        self.action.setEnabled(self._ready())

    def _on_selection_changed(self, source: object) -> None:
        self.action.setEnabled(self._ready())

    def _on_active_changed(self, event: Any) -> None:
        self.cancel()


class Sheet(QtWidgets.QWidget):  # type: ignore[misc]
    """A transparent sheet over the canvas to draw an outline on, by a drag or from click to click."""

    drawn = QtCore.Signal(object, object)
    """(n, 2) corners x, y on the canvas, and the modifier keys held down in the end."""

    def __init__(self, canvas: QtWidgets.QWidget) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._corners: list[QtCore.QPointF] = []
        self._pressed: QtCore.QPointF | None = None
        self._dragged = False
        self.setMouseTracking(True)
        self.setCursor(QtCore.Qt.CursorShape.CrossCursor)
        canvas.installEventFilter(self)
        self.setGeometry(canvas.rect())
        self.show()

    def leave(self) -> None:
        """Uncover the canvas."""
        self._canvas.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def eventFilter(self, canvas: Any, event: Any) -> bool:
        """Cover the whole canvas when it is resized."""
        if event.type() == QtCore.QEvent.Type.Resize:
            self.setGeometry(canvas.rect())
        return False

    def mousePressEvent(self, event: Any) -> None:
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self._canvas.setFocus()  # as after a click, for the keys of the classes
            self._pressed, self._dragged = event.position(), False
            self._corners.append(event.position())

    def mouseMoveEvent(self, event: Any) -> None:
        if self._pressed is not None:
            self._dragged |= (event.position() - self._pressed).manhattanLength() > STILL
            if self._dragged:
                self._corners.append(event.position())
        self.update()

    def mouseReleaseEvent(self, event: Any) -> None:
        dragged, self._pressed = self._dragged and self._pressed is not None, None
        if dragged and event.button() == QtCore.Qt.MouseButton.LeftButton:
            self._finish(event)
        self.update()

    def mouseDoubleClickEvent(self, event: Any) -> None:
        self._finish(event)

    def wheelEvent(self, event: Any) -> None:
        # a zoom would move the image away under the outline
        event.setAccepted(bool(self._corners))

    def paintEvent(self, event: Any) -> None:
        if not self._corners:
            return
        pointer = [] if self._pressed is not None else [QtCore.QPointF(self.mapFromGlobal(QtGui.QCursor.pos()))]
        path = QtGui.QPainterPath()
        path.addPolygon(QtGui.QPolygonF([*self._corners, *pointer]))
        path.closeSubpath()
        painter = QtGui.QPainter(self)
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        painter.fillPath(path, QtGui.QColor(255, 255, 255, 40))
        for colour, width in (("black", 3.0), ("white", 1.5)):
            painter.strokePath(path, QtGui.QPen(QtGui.QColor(colour), width))

    def _finish(self, event: Any) -> None:
        # simplified by one screen pixel
        outline = simplify([(corner.x(), corner.y()) for corner in self._corners], 1.0)
        self._corners = []
        if len(outline) > 2:
            self.drawn.emit(np.asarray(outline, float), event.modifiers())
