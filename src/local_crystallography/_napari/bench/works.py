"""The works on the images of a viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy import QtCore

from local_crystallography._napari.bench.work import Work, work_again, work_on
from local_crystallography._napari.viewer import layers
from local_crystallography.analysis import Analysis


class Works(QtCore.QObject):  # type: ignore[misc]
    """The works by image layer, and the one that is active."""

    opened = QtCore.Signal(object)

    def __init__(self, viewer: Any, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.active: Work | None = None
        self._works: dict[str, Work] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._works

    def get(self, key: str) -> Work | None:
        """The work on the image layer of a key."""
        return self._works.get(key)

    def holds(self, work: Work) -> bool:
        """Whether a work is still the one on its layer."""
        return self.get(work.key) is work

    def choose(self, layer: Any | None) -> None:
        """Make the work on an image layer the active one."""
        self.active = None if layer is None else self._on(layer)

    def add(self, work: Work) -> None:
        """Take a work whose layer is not in the viewer yet, and make it the active one."""
        self._works[work.key] = work
        self.viewer.layers.append(work.layer)
        self.active = work

    def bring_back(self, plain: Work, analysis: Analysis | None) -> Work:
        """Put the analysis that came with the layers of a session, None if it cannot be opened, for the empty one."""
        session, plain.session = str(plain.session), None
        if plain.key not in self:
            return plain
        if analysis is None:
            layers.forget_session(self.viewer.layers, session)
            self.opened.emit(plain)
            return plain
        others = [work for work in self._works.values() if work is not plain]
        work = work_again(self.viewer, plain.layer, analysis, others)
        self._works[work.key] = work
        if self.active is plain:
            self.active = work
            self.opened.emit(work)
        return work

    def remove(self, layer: Any) -> Work | None:
        """Forget a layer that is no more in the viewer; the work on it, where there was one."""
        removed = self._works.pop(str(layer.unique_id), None)
        for work in self._works.values():
            for name in [name for name, source in work.sources.items() if layers.same(source, layer)]:
                work.sources.pop(name)
            if work.mask.layer is not None and layers.same(work.mask.layer, layer):
                work.choose_mask(None, painted=False)
        return removed

    def _on(self, layer: Any) -> Work:
        """The work on an image layer: the one there is, one of an earlier dock, one to be opened, or a new one."""
        key = str(layer.unique_id)
        if key not in self:
            note = layers.note_of(layer)
            earlier: Analysis | None = note.get("analysis")
            if earlier is not None and all(work.analysis is not earlier for work in self._works.values()):
                self._works[key] = work_again(self.viewer, layer, earlier, self._works.values())
                self.opened.emit(self._works[key])
            else:
                self._works[key] = work_on(self.viewer, layer, Analysis())
                self._works[key].session = Path(note["session"]) if "session" in note else None
        return self._works[key]
