"""Dialogs that ask where to save a file, or what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy import QtWidgets

from local_crystallography._napari.settings import Settings
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.report.plots import FORMATS

SIZES = {
    "one column": PaperStyle(width="single"),
    "one and a half": PaperStyle(width="middle"),
    "two columns": PaperStyle(width="double"),
}
SLIDE = "PNG, slide of 1920 pixels"


def ask_to_save(
    parent: QtWidgets.QWidget | None,
    title: str,
    name: str,
    formats: Sequence[str] = ("csv",),
    words: Sequence[str] = (),
    then: Callable[[str], object] = str,
) -> Path | None:
    """Path of a file to save in one of some formats, offered in the folder used last; None if cancelled.

    `words` begin with the format in capitals and say more of it; `then` is called with the words that were chosen.

    A name without the suffix of a format gets that of the chosen format; its dots stay: `z0.5` becomes `z0.5.csv`.
    """
    settings = Settings()
    start = name if settings.folder is None else str(settings.folder / name)
    words = words or [each.upper() for each in formats]
    filters = ";;".join(f"{each} (*.{re.split('[ ,]', each)[0].lower()})" for each in words)
    answer, chosen = QtWidgets.QFileDialog.getSaveFileName(parent, title, start, filters)
    if not answer:
        return None
    path = Path(answer)
    if path.suffix.lower().removeprefix(".") not in formats:
        path = path.with_name(f"{path.name}.{re.split('[ ,]', chosen)[0].lower() or formats[0]}")
        if path.exists() and not _may_replace(parent, path):
            return None
    settings.folder = path.parent
    then(chosen)
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


def ask_paper(parent: QtWidgets.QWidget | None, name: str) -> tuple[Path, PaperStyle] | None:
    """Path and style of a figure for a paper or a slide; None if cancelled."""
    chosen: list[str] = []
    words = [f"{kind.upper()}, {size}" for kind in ("pdf", "svg", "png") for size in SIZES]
    path = ask_to_save(parent, "Save figure", name, FORMATS, [*words, SLIDE], chosen.append)
    if path is None:
        return None
    size = chosen[0].partition(", ")[2].partition(" (")[0]
    if path.suffix.lower() == ".png" and chosen[0].startswith(SLIDE):
        return path, PaperStyle(slide=1920)
    return path, SIZES.get(size, PaperStyle())


def _may_replace(parent: QtWidgets.QWidget | None, path: Path) -> bool:
    """Ask whether to replace a file; the dialog did not know its final name."""
    buttons = QtWidgets.QMessageBox.StandardButton
    words = f"{path.name} already exists. Replace it?"
    return bool(QtWidgets.QMessageBox.question(parent, "Save", words, buttons.Yes | buttons.No) == buttons.Yes)
