"""Help buttons, which open a section of the documentation in the web browser."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.settings import PLUGIN

PAGE = "blob/main/docs/method.md"
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
