"""The first steps, for whoever opens the dock for the first time."""

from __future__ import annotations

from qtpy import QtCore, QtWidgets

TITLE = "Three clicks to a result"
CLICKS = (
    "File > Open Sample > Local Crystallography > Quick, or drop an image of your own on the viewer.",
    "<b>Run all</b>: atoms, latents, classes and maps appear as layers.",
    "<b>Lasso</b> in the latent explorer: what you draw around lights up in the image.",
)
DISMISS = "Do not show these steps again; File > Preferences > Local Crystallography brings them back"


class Hint(QtWidgets.QGroupBox):  # type: ignore[misc]
    """The three clicks to a result, in a box that can be closed."""

    dismissed = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(TITLE, parent)
        self.close_button = QtWidgets.QToolButton(text="✕", toolTip=DISMISS, autoRaise=True)
        self.close_button.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.close_button.setAccessibleName("Close the first steps")
        self.close_button.clicked.connect(lambda: self.dismissed.emit())
        top = QtCore.Qt.AlignmentFlag.AlignTop
        # one text: labels that wrap, one below the other, would be given too much room
        rows = "".join(f"<tr><td><b>{number}</b></td><td>{text}</td></tr>" for number, text in enumerate(CLICKS, 1))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(4, 8, 4, 4)
        layout.setSpacing(0)
        layout.addWidget(QtWidgets.QLabel(f"<table cellpadding=3>{rows}</table>", wordWrap=True), stretch=1)
        layout.addWidget(self.close_button, alignment=top)
