"""What is said below Run all: progress, how a run ended, what the result is, and what can be done about it."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers.convert import note_of
from local_crystallography._napari.selection.commands import ALL_OF, SelectionCommands
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.boxes import TITLES
from local_crystallography._napari.widgets.training import Clock
from local_crystallography.analysis import Analysis

UP_TO_DATE = "Nothing to do: all steps are up to date."
HALTED = (
    "⚠ Stopped after Refine atoms. {doubt} To continue anyway, set “when doubtful” to “continue” in Refine atoms and "
    "run again."
)
CHANGED = (
    "⚠ {name} is no longer the image that was analysed: atoms, maps and plots are those of the earlier one. Run all "
    "steps again."
)
EDITED, MEND = "⚠ The atoms were edited: what depends on them is out of date.", "Encode the edited atoms"
MEND_TIP = (
    "Refine the edited atoms, encode them with the present network, and update classes and maps; other atoms keep "
    "their positions and classes"
)
PART, ALL = "Only the {name} are analysed.", "Analyse all atoms again"
ALL_TIP = "Return to all atoms, with the columns they had"
ORPHANS, REMOVE = "{name} was removed; its results are still in the viewer.", "Remove its results"
REMOVE_TIP = "Remove atoms, maps and probability of the image that was removed"
SAVED, UNSAVED = "Saved to ", "not saved"


class News(QtWidgets.QWidget):  # type: ignore[misc]
    """Progress bar, message and offers.

    Attributes
    ----------
    said
        How the last run of the active image ended, or what else was done.
    failed
        Signal with the step that failed at the end of a run, and a sentence.
    """

    failed = QtCore.Signal(str, str)

    def __init__(self, controller: Controller, commands: SelectionCommands) -> None:
        super().__init__()
        self.controller = controller
        self.progress = QtWidgets.QProgressBar(textVisible=False)
        self.progress.setFixedHeight(12)
        self.message = QtWidgets.QLabel(wordWrap=True)
        self.mend = Offer(MEND, MEND_TIP, controller.mend)
        self.all = Offer(ALL, ALL_TIP, commands.work_on_all)
        self.remove = Offer(REMOVE, REMOVE_TIP, controller.remove_orphans)
        self.said = ""
        self._of: ImageSession | None = None
        self._began: float | None = None
        self._clock = Clock()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.progress, self.message, self.mend, self.all, self.remove):
            layout.addWidget(widget)
        controller.saved.connect(self._on_saved)

    def report(self, report: Report) -> None:
        """Show the progress of the running step, with the time left."""
        progress, busy = report.progress, self.controller.busy
        if not progress.fraction:
            self._clock.restart()
        left = self._clock.left(progress.fraction)
        of = "" if busy is None or busy is self.controller.active else f"{busy.layer.name}: "
        self.progress.setRange(0, 1000 if progress.fraction else 0)
        self.progress.setValue(round(1000 * progress.fraction))
        self.message.setText(f"{of}{progress.message}{left and f' · {left}'}")

    def refresh(self) -> None:
        """Show how things stand now."""
        session, running = self.controller.active, self.controller.running
        if session is not self._of:
            self._of, self.said = session, ""
        self._take_time()
        words = "" if session is None or running else self._words(session)
        if words:
            self.message.setText(words)
        self.progress.setVisible(running)
        self.message.setVisible(running or bool(words))
        self._offer(session, running)

    def _words(self, session: ImageSession) -> str:
        if session.outdated:
            return CHANGED.format(name=session.layer.name)
        if session.halted and session.analysis.doubt:
            return HALTED.format(doubt=session.analysis.doubt)
        return " ".join(filter(None, (self.said, counted(session.analysis), session.analysis.summary)))

    def _offer(self, session: ImageSession | None, running: bool) -> None:
        """What can be done about what is not as it should be."""
        source = None if session is None else session.sources.get("atoms")
        part = source is not None and ALL_OF not in note_of(source)
        gone = self.controller.orphans
        offers = (
            (self.mend, EDITED if session is not None and session.analysis.mending else ""),
            (self.all, PART.format(name=source.name) if source is not None and part else ""),
            (self.remove, ORPHANS.format(name=gone[0]) if gone else ""),
        )
        for offer, words in offers:
            offer.show_words("" if running else words)

    def _take_time(self) -> None:
        """Note at the end of a run how it ended and how long it took."""
        if self.controller.runner.running and self._began is None:
            self._began = time.monotonic()
        elif not self.controller.running and self._began is not None:
            took, self._began = time.monotonic() - self._began, None
            session = self.controller.active
            failed = {} if session is None else session.errors
            for name, error in failed.items():
                self.said = f"⚠ {TITLES[name]}: {error}"
                self.failed.emit(name, self.said)
            if not failed and took >= 1 and not self.said.startswith(SAVED):
                stopped = self.controller.runner.stop.everything.is_set()
                unsaved = f"; {UNSAVED}" if session is not None and session.unsaved else ""
                self.said = f"Stopped after {took:.0f} s{unsaved}." if stopped else f"Done in {took:.0f} s{unsaved}."

    def _on_saved(self, folder: str) -> None:
        self.said = f"{SAVED}{folder}."
        self.refresh()


class Offer(QtWidgets.QWidget):  # type: ignore[misc]
    """A sentence, and a button that does something about it."""

    def __init__(self, text: str, tip: str, does: Callable[[], object]) -> None:
        super().__init__()
        self.words = QtWidgets.QLabel(wordWrap=True)
        self.button = QtWidgets.QPushButton(text)
        self.button.setToolTip(f"<qt>{tip}</qt>")
        self.button.clicked.connect(lambda: does())
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.words)
        layout.addWidget(self.button)

    def show_words(self, words: str) -> None:
        """Show the sentence with its button; nothing without words."""
        self.words.setText(words)
        self.setVisible(bool(words))


def counted(analysis: Analysis) -> str:
    """How many atoms there are, and how many of them have a sub-image to be analysed by."""
    atoms, sub_images = analysis.atoms, analysis.sub_images
    if atoms is None or sub_images is None:
        return ""
    cut = len(sub_images.atoms)
    out = "" if cut == len(atoms) else f", {cut:,} of them analysed"
    return f"{len(atoms):,} atoms{out}."
