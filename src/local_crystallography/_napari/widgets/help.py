"""Help buttons, which open a section of the documentation in the web browser."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.settings import PLUGIN

PAGE = "blob/main/docs/method.md"
FAINTER = 0.72
"""Opacity of the lines on what one is looking at."""
HOME = "https://github.com/local-crystallography/napari-local-crystallography"


class HelpButton(QtWidgets.QToolButton):  # type: ignore[misc]
    """A question mark that opens the section of the page "How it works" with this heading."""

    def __init__(self, heading: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.url = f"{documentation()}/{PAGE}#{anchor(heading)}"
        self.setText("?")
        self.setAutoRaise(True)
        self.setFixedWidth(20)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"Help on {heading}")
        self.setToolTip(f"<qt>Open “{heading}” of the documentation in the web browser: {self.url}</qt>")
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        QtGui.QDesktopServices.openUrl(QtCore.QUrl(self.url))


class LookLine(QtWidgets.QLabel):  # type: ignore[misc]
    """A line below a plot or a map on what one is looking at; it is seen as long as the plot is."""

    def __init__(
        self, words: str = "", of: QtWidgets.QWidget | None = None, parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setMinimumWidth(1)
        fainter = QtWidgets.QGraphicsOpacityEffect(self)  # in the colour of the text of either theme
        fainter.setOpacity(FAINTER)
        self.setGraphicsEffect(fainter)
        font = self.font()
        font.setPointSizeF(0.9 * font.pointSizeF())
        self.setFont(font)
        self.of = of
        if of is not None:
            of.installEventFilter(self)
        self.say(words)

    def say(self, words: str) -> None:
        """Show other words; none hide the line."""
        self.setText(words)
        self.setVisible(bool(words) and (self.of is None or not self.of.isHidden()))

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kinds = QtCore.QEvent.Type
        if watched is self.of and event.type() in (kinds.ShowToParent, kinds.HideToParent):
            self.say(self.text())
        return False


def looked_at(plot: QtWidgets.QWidget, words: str) -> QtWidgets.QVBoxLayout:
    """A plot above the line on what one is looking at."""
    layout = QtWidgets.QVBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(1)
    layout.addWidget(plot)
    layout.addWidget(LookLine(words, plot))
    return layout


def anchor(heading: str) -> str:
    """The anchor of a heading, as mkdocs and GitHub write it."""
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


@cache
def documentation() -> str:
    """Address of the documentation, from the metadata of the package."""
    try:
        named = list(map(str, metadata(PLUGIN).get_all("Project-URL") or []))
    except PackageNotFoundError:
        named = []
    pages = dict(each.split(", ", 1) for each in named)
    return pages.get("Documentation", HOME).partition("#")[0].rstrip("/")
