"""The tab of compare."""

from __future__ import annotations

from qtpy import QtWidgets

from local_crystallography._napari.bench.workbench import Workbench


class ComparePanel(QtWidgets.QWidget):  # type: ignore[misc]
    """To be filled."""

    def __init__(self, bench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.bench = bench

    def refresh(self) -> None:
        """Show what there is now."""

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
