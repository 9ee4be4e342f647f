"""The tab of windows."""

from __future__ import annotations

from collections.abc import Callable

from qtpy import QtWidgets

from local_crystallography._napari.bench.workbench import Workbench
from local_crystallography.recipe import Recipe


class WindowsPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """To be filled."""

    def __init__(self, bench: Workbench, recipe: Callable[[], Recipe], parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.bench, self.recipe = bench, recipe

    def refresh(self) -> None:
        """Show what there is now."""

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
