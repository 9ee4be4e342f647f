"""Button with what the session can be copied or saved as: a script, a command, a notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy import QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.dialogs import ask_to_save
from local_crystallography.data.errors import InputError, writing
from local_crystallography.io.script import WRITERS

TITLE = "Script"
TIP = (
    "Copy what was done as a Python script or a command, or save it as a notebook; they read the image from the folder "
    "of the saved session"
)
FIRST = "Save the session first: the script reads the image from its folder."
PYTHON, COMMAND, NOTEBOOK = "Copy as Python", "Copy as command", "Save as notebook …"


class ScriptMenu(QtWidgets.QPushButton):  # type: ignore[misc]
    """Writes the session of the active image as a script; `say` shows what was done."""

    def __init__(self, controller: Controller, say: Callable[[str], object]) -> None:
        super().__init__(TITLE)
        self.controller, self._say = controller, say
        self._folders: dict[str, Path] = {}
        menu = QtWidgets.QMenu(self)
        self.actions_by_name = {name: menu.addAction(name) for name in (PYTHON, COMMAND, NOTEBOOK)}
        self.actions_by_name[PYTHON].triggered.connect(lambda: self._copy("python"))
        self.actions_by_name[COMMAND].triggered.connect(lambda: self._copy("command"))
        self.actions_by_name[NOTEBOOK].triggered.connect(lambda: self._save())
        self.setMenu(menu)
        self.setToolTip(f"<qt>{TIP}</qt>")
        controller.saved.connect(self._on_saved)

    def _on_saved(self, folder: str) -> None:
        if self.controller.active is not None:
            self._folders[self.controller.active.key] = Path(folder).resolve()

    def _text(self, kind: str) -> str:
        """The session written as `kind`.

        Raises
        ------
        InputError
            Where it was not saved yet, or holds what cannot be written.
        """
        self.controller.take_edits()
        session = self.controller.active
        folder = None if session is None else self._folders.get(session.key, session.folder)
        if session is None or folder is None or session.unsaved:
            raise InputError(FIRST)
        return WRITERS[kind](session.analysis.session, folder)

    def _copy(self, kind: str) -> None:
        if (text := self.controller.attempt(lambda: self._text(kind))) is not None:
            QtWidgets.QApplication.clipboard().setText(text)
            count = len(text.splitlines())
            self._say(f"Copied {count} line{'' if count == 1 else 's'}.")

    def _save(self) -> None:
        text = self.controller.attempt(lambda: self._text("notebook"))
        session = self.controller.active
        if text is None or session is None:
            return
        path = ask_to_save(self, "Save as notebook", f"{session.layer.name}.ipynb", ("ipynb",))
        if path and self.controller.attempt(lambda: _written(path, text)) is not None:
            self._say(f"Saved as {path}.")


def _written(path: Path, text: str) -> Path:
    with writing(path):
        path.write_text(text, encoding="utf-8")
    return path
