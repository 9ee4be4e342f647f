"""Queue of small calls in the thread of the window, so that the window never blocks for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from qtpy import QtCore

from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.image_sessions import ImageSessions


class LayerQueue(QtCore.QObject):  # type: ignore[misc]
    """Calls one function per turn of the event loop, in order, so that layers enter the viewer one at a time."""

    done = QtCore.Signal()

    def __init__(self, sessions: ImageSessions, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._sessions = sessions
        self._calls: deque[Callable[[], object]] = deque()
        self._timer = QtCore.QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def busy(self) -> bool:
        """Whether calls are waiting."""
        return bool(self._calls)

    def add(self, *calls: Callable[[], object]) -> None:
        """Add calls, each for its own turn of the event loop."""
        self._calls.extend(calls)
        if self._calls and not self._timer.isActive():
            self._timer.start()

    def finish(self) -> None:
        """Make all calls now."""
        while self._calls:
            self._timer.stop()
            self._on_timeout()

    def show(self, session: ImageSession, then: Callable[[], object]) -> None:
        """Show the new results of an image in place of previews, then make another call."""
        self.add(session.results.previews.hide)
        self._each(session, session.results.show_one, session.results.pending())
        self.add(then)

    def show_previews(self, session: ImageSession, names: Iterable[str]) -> None:
        """Show maps of a network that still trains."""
        self._each(session, session.results.previews.show, names)

    def _each(self, session: ImageSession, show: Callable[[str], object], names: Iterable[str]) -> None:
        self.add(*(partial(self._one, session, show, name) for name in names))

    def _one(self, session: ImageSession, show: Callable[[str], object], name: str) -> None:
        if self._sessions.holds(session):  # the image may have been removed
            show(name)

    def _on_timeout(self) -> None:
        call = self._calls.popleft()
        try:
            call()
        finally:
            if self._calls:
                self._timer.start()
            else:
                self.done.emit()
