"""Dialogs that ask where to save a file, or what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy import QtWidgets

from local_crystallography._napari.settings import Settings
from local_crystallography.report.plots import FORMATS


def ask_to_save(
    parent: QtWidgets.QWidget | None, title: str, name: str, formats: Sequence[str] = ("csv",)
) -> Path | None:
    """Path of a file to save in one of some formats, offered in the folder used last; None if cancelled.

    A name without the suffix of a format gets that of the chosen format; its dots stay: `z0.5` becomes `z0.5.csv`.
    """
    settings = Settings()
    start = name if settings.folder is None else str(settings.folder / name)
    filters = ";;".join(f"{each.upper()} (*.{each})" for each in formats)
    answer, chosen = QtWidgets.QFileDialog.getSaveFileName(parent, title, start, filters)
    if not answer:
        return None
    path = Path(answer)
    if path.suffix.lower().removeprefix(".") not in formats:
        path = path.with_name(f"{path.name}.{chosen.split(' ')[0].lower() or formats[0]}")
        if path.exists() and not _may_replace(parent, path):
            return None
    settings.folder = path.parent
    return path


def choose(parent: QtWidgets.QWidget | None, title: str, words: str, choices: Sequence[str]) -> str:
    """One of some choices, the first of which is the default; "" if cancelled."""
    roles = QtWidgets.QMessageBox.ButtonRole
    box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon.Question, title, words, parent=parent)
    buttons = {box.addButton(words, roles.AcceptRole): words for words in choices}
    box.addButton(QtWidgets.QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(next(iter(buttons)))
    box.exec()
    return buttons.get(box.clickedButton(), "")


def ask_figure(parent: QtWidgets.QWidget | None, name: str = "latents.png") -> Path | None:
    """Path of a figure to save; None if cancelled."""
    return ask_to_save(parent, "Save figure", name, FORMATS)


def _may_replace(parent: QtWidgets.QWidget | None, path: Path) -> bool:
    """Ask whether to replace a file; the dialog did not know its final name."""
    buttons = QtWidgets.QMessageBox.StandardButton
    words = f"{path.name} already exists. Replace it?"
    return bool(QtWidgets.QMessageBox.question(parent, "Save", words, buttons.Yes | buttons.No) == buttons.Yes)
