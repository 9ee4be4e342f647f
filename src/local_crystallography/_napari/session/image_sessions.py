"""Sessions of all images in a viewer, and the ways to begin one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy import QtCore

from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.masks import visible_mask
from local_crystallography._napari.layers.results import ResultLayers
from local_crystallography._napari.session.image_session import ImageSession, MaskChoice
from local_crystallography.analysis import Analysis
from local_crystallography.steps.find_atoms import FindAtoms


class ImageSessions(QtCore.QObject):  # type: ignore[misc]
    """Sessions by image layer, and the active one."""

    opened = QtCore.Signal(object)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.active: ImageSession | None = None
        self._sessions: dict[str, ImageSession] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._sessions

    def get(self, key: str) -> ImageSession | None:
        """The session of the image layer with a key, or None."""
        return self._sessions.get(key)

    def holds(self, session: ImageSession) -> bool:
        """Whether a session is still that of its layer."""
        return self.get(session.key) is session

    def choose(self, layer: Any | None) -> None:
        """Make the session of an image layer the active one."""
        self.active = None if layer is None else self._on(layer)

    def add(self, session: ImageSession) -> None:
        """Add a session and its layer, which is not in the viewer yet, and make it the active one."""
        self._sessions[session.key] = session
        self.viewer.layers.append(session.layer)
        self.active = session

    def bring_back(self, plain: ImageSession, analysis: Analysis | None) -> ImageSession:
        """Replace an empty session by the saved analysis of its layers; None if that could not be opened."""
        folder, plain.folder = str(plain.folder), None
        if plain.key not in self:
            return plain
        if analysis is None:
            convert.forget_session(self.viewer.layers, folder)
            self.opened.emit(plain)
            return plain
        others = [session for session in self._sessions.values() if session is not plain]
        if analysis.image is not None and not convert.shows(plain.layer, analysis.image):
            convert.note_of(plain.layer).pop("session", None)  # a part or a projection of that image
            return plain
        session = session_again(self.viewer, plain.layer, analysis, others)
        session.saved = session.history.now
        self._sessions[session.key] = session
        if self.active is plain:
            self.active = session
            self.opened.emit(session)
        return session

    def leave(self) -> None:
        """Let other docks show the analyses."""
        self.active = None
        for session in self._sessions.values():
            convert.note_of(session.layer).pop("in_use", None)
            session.results.leave()

    def remove(self, layer: Any) -> ImageSession | None:
        """Forget a layer that was removed from the viewer; returns its session, if it had one."""
        removed = self._sessions.pop(str(layer.unique_id), None)
        if removed is not None:
            convert.note_of(layer).pop("in_use", None)
            removed.results.leave()
        for session in self._sessions.values():
            for name in [name for name, source in session.sources.items() if convert.same(source, layer)]:
                session.sources.pop(name)
            if session.mask.layer is not None and convert.same(session.mask.layer, layer):
                session.choose_mask(None, painted=False)
        return removed

    def _on(self, layer: Any) -> ImageSession:
        """The session of an image layer: the present one, that of an earlier dock, a saved one, or a new one."""
        key = str(layer.unique_id)
        if key not in self:
            note = convert.note_of(layer)
            free = note.get("analysed") == key and not note.get("in_use")
            earlier: Analysis | None = note.get("analysis") if free else None
            if earlier is not None:
                self._sessions[key] = session_again(self.viewer, layer, earlier, self._sessions.values())
                self.opened.emit(self._sessions[key])
            else:
                self._sessions[key] = session_on(self.viewer, layer, Analysis())
                self._sessions[key].folder = Path(note["session"]) if "session" in note else None
        return self._sessions[key]


def session_on(viewer: Any, layer: Any, analysis: Analysis) -> ImageSession:
    """A session on an image layer, whose metadata keep the analysis beyond the life of the dock."""
    session = ImageSession(layer, analysis, ResultLayers(viewer, layer, analysis))
    session.edited = analysis.atoms is not None and FindAtoms.name() not in analysis.asked
    session.mask = MaskChoice(painted=analysis.image is not None and analysis.image.mask is not None)
    # a dict of its own, since copies of a layer share that of the first
    own = {"analysis": analysis, "analysed": session.key, "in_use": True}
    layer.metadata[convert.KEY] = {**convert.note_of(layer), **own}
    session.take_up()
    return session


def new_session(viewer: Any, analysis: Analysis) -> ImageSession:
    """A session on an analysis, with a new layer for its image that is not in the viewer yet; in any thread."""
    assert analysis.image is not None
    return session_on(viewer, Layer.create(*convert.layer_of(analysis.image)), analysis)


def opened(folder: Path) -> Analysis:
    """The analysis of a saved session, with the mask of its image computed; in any thread."""
    analysis = Analysis.open(folder)
    if analysis.image is not None:
        visible_mask(analysis.image)  # cached by the image
    return analysis


def open_session(viewer: Any, folder: Path) -> ImageSession:
    """A saved session with all its layers prepared; in any thread."""
    session = new_session(viewer, Analysis.open(folder))
    session.saved = session.history.now
    session.results.prepare()
    return session


def session_again(viewer: Any, layer: Any, analysis: Analysis, others: Iterable[ImageSession]) -> ImageSession:
    """A session on an analysis that already has layers in the viewer, other than those of other sessions."""
    session = session_on(viewer, layer, analysis)
    taken = {key for other in others for key in other.results.keys}
    own = [each for each in viewer.layers if str(each.unique_id) not in taken and convert.belongs(each, layer)]
    # a session that was opened twice has every layer twice: those above this image come first
    place = viewer.layers.index(layer)
    session.results.find_mask()
    session.results.take([*(each for each in own if viewer.layers.index(each) > place), *own])
    return session
