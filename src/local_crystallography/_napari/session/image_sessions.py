"""The works on the images of a viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy import QtCore

from local_crystallography._napari.layers import convert
from local_crystallography._napari.session.image_session import ImageSession, session_again, session_on
from local_crystallography.analysis import Analysis


class ImageSessions(QtCore.QObject):  # type: ignore[misc]
    """The works by image layer, and the one that is active."""

    opened = QtCore.Signal(object)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.active: ImageSession | None = None
        self._sessions: dict[str, ImageSession] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._sessions

    def get(self, key: str) -> ImageSession | None:
        """The work on the image layer of a key."""
        return self._sessions.get(key)

    def holds(self, session: ImageSession) -> bool:
        """Whether a work is still the one on its layer."""
        return self.get(session.key) is session

    def choose(self, layer: Any | None) -> None:
        """Make the work on an image layer the active one."""
        self.active = None if layer is None else self._on(layer)

    def add(self, session: ImageSession) -> None:
        """Take a work whose layer is not in the viewer yet, and make it the active one."""
        self._sessions[session.key] = session
        self.viewer.layers.append(session.layer)
        self.active = session

    def bring_back(self, plain: ImageSession, analysis: Analysis | None) -> ImageSession:
        """Put the analysis that came with the layers of a session, None if it cannot be opened, for the empty one."""
        folder, plain.folder = str(plain.folder), None
        if plain.key not in self:
            return plain
        if analysis is None:
            convert.forget_session(self.viewer.layers, folder)
            self.opened.emit(plain)
            return plain
        others = [session for session in self._sessions.values() if session is not plain]
        session = session_again(self.viewer, plain.layer, analysis, others)
        self._sessions[session.key] = session
        if self.active is plain:
            self.active = session
            self.opened.emit(session)
        return session

    def remove(self, layer: Any) -> ImageSession | None:
        """Forget a layer that is no more in the viewer; the work on it, where there was one."""
        removed = self._sessions.pop(str(layer.unique_id), None)
        for session in self._sessions.values():
            for name in [name for name, source in session.sources.items() if convert.same(source, layer)]:
                session.sources.pop(name)
            if session.mask.layer is not None and convert.same(session.mask.layer, layer):
                session.choose_mask(None, painted=False)
        return removed

    def _on(self, layer: Any) -> ImageSession:
        """The work on an image layer: the one there is, one of an earlier dock, one to be opened, or a new one."""
        key = str(layer.unique_id)
        if key not in self:
            note = convert.note_of(layer)
            earlier: Analysis | None = note.get("analysis")
            if earlier is not None and all(session.analysis is not earlier for session in self._sessions.values()):
                self._sessions[key] = session_again(self.viewer, layer, earlier, self._sessions.values())
                self.opened.emit(self._sessions[key])
            else:
                self._sessions[key] = session_on(self.viewer, layer, Analysis())
                self._sessions[key].folder = Path(note["session"]) if "session" in note else None
        return self._sessions[key]
