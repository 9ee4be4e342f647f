"""A network while it trains."""

from __future__ import annotations

import time
from collections import defaultdict

from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.data.progress import Progress

REDRAW_MS = 100
TRAINING, HELD_OUT = "#2a95ff", "#ff9d2a"
STOP, STOPPING, RESUME = "Stop, keep the best", "Stopping …", "Resume"
TIPS = {
    "stop": "End this training now; what follows goes on with the best network so far",
    "resume": "Resume the training where it was stopped, and run the steps that were to follow it",
    "epochs": "Passes over all sub-images; fewer where the held-out loss gets no better",
    "batches": "Batches of this pass",
    "place": "Time this training takes at most, and what it is computed on; small networks are fastest on one thread",
    "losses": "Minus the evidence lower bound per number, on the sub-images trained on and on the tenth held out: "
    "less is better",
}
Losses = list[tuple[str, float, float]]
"""What is tried, "" for one training alone, and the losses on the training part and held out, for every epoch."""
EARLIER = 110
"""Opacity of the curves of a training that another one is compared with, of 255."""


class TrainingWatch(QtWidgets.QWidget):  # type: ignore[misc]
    """What there is to see of a training, and to do about it. Every image has a course of its own."""

    going_on = QtCore.Signal(str)

    def __init__(self, name: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.stop, self.resume = QtWidgets.QPushButton(STOP), QtWidgets.QPushButton(RESUME)
        self.epochs, self.batches = QtWidgets.QProgressBar(), QtWidgets.QProgressBar()
        self.place, self.losses = QtWidgets.QLabel(wordWrap=True), QtWidgets.QLabel(wordWrap=True)
        self.resume.clicked.connect(lambda: self.going_on.emit(self.name))
        self.plot = LossPlot()
        self.clock = Clock()
        self._courses: dict[str, Losses] = defaultdict(list)
        self._texts: dict[str, str] = {}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(3)
        for part in (self.epochs, self.batches, self.place, self.losses, self.plot, self.stop, self.resume):
            layout.addWidget(part)
        for part_name, tip in TIPS.items():
            getattr(self, part_name).setToolTip(f"<qt>{tip}</qt>")

    def add(self, progress: Progress, key: str, *, shown: bool) -> None:
        """Take a report on the image layer of this key, `shown` or not; the first pass begins a new curve."""
        if not progress.epochs:
            self.clock.restart()
            return
        course = self._courses[key]
        if progress.fraction == 0:
            course.clear()
        if progress.loss is not None and progress.held_out_loss is not None:
            course.append((progress.trial, progress.loss, progress.held_out_loss))
        self._texts[key] = _words(progress, course)
        left = self.clock.left(progress.fraction)
        if shown:
            self.plot.show_course(course)
            self._show_bars(progress)
            self.place.setText(f"{left} · {progress.device}" if left else progress.device)
            self.losses.setText(self._texts[key])

    def refresh(self, controller: Controller) -> None:
        """Show how the training of the active image stands: it runs, is about to stop, can go on, or is over."""
        session = controller.active
        key = "" if session is None else session.key
        running = controller.runner.running and controller.step == self.name and controller.busy is session
        stopping = controller.runner.stop.ends(self.name)
        self.stop.setText(STOPPING if stopping else STOP)
        self.stop.setEnabled(not stopping)
        counted = running and bool(self.place.text())
        for part in (self.epochs, self.batches, self.place):
            part.setVisible(counted)
        self.stop.setVisible(running)
        can_resume = controller.can_resume(self.name)
        self.resume.setVisible(can_resume)
        if not running:
            self.clock.restart()
            self.place.clear()
        self.losses.setText(self._texts.get(key, ""))
        self.plot.show_course(self._courses[key])
        known = bool(self._courses[key])
        self.losses.setVisible(known or counted)
        self.plot.setVisible(known or running)
        self.setVisible(known or running or can_resume)

    def _show_bars(self, progress: Progress) -> None:
        for bar, value, most in (
            (self.epochs, progress.epoch, progress.epochs),
            (self.batches, progress.batch, progress.batches),
        ):
            bar.setRange(0, most)
            bar.setValue(value)
        done = progress.held_out_loss is not None
        self.epochs.setValue(progress.epoch if done else progress.epoch - 1)
        self.epochs.setFormat(f"epoch {progress.epoch} of {progress.epochs}")
        self.batches.setFormat(f"batch {progress.batch} of {progress.batches}")
        for part in (self.epochs, self.batches, self.place, self.losses):
            part.setVisible(True)


class Clock:
    """Tells how long something takes that reports how much of it is done, wherever it began."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The next report is the first."""
        self._first: tuple[float, float] | None = None

    def left(self, fraction: float) -> str:
        """Words for the time that is left; nothing until that is known."""
        now = time.monotonic()
        if self._first is None or fraction < self._first[1]:
            self._first = now, fraction
        spent, done = now - self._first[0], fraction - self._first[1]
        if done < 0.005 or spent < 1:
            return ""
        return f"{duration(spent / done * (1 - fraction))} left"


class LossPlot(pg.PlotWidget):  # type: ignore[misc]
    """Loss of the training part and of the held-out part, against the epoch."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(140)
        self.setToolTip("Minus the evidence lower bound: blue on the training part, orange on the held-out part")
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.getPlotItem().setContentsMargins(0, 6, 6, 2)  # or the outermost numbers are cut off
        inks = [pg.mkColor(ink) for ink in (TRAINING, HELD_OUT)]
        faint = [pg.mkColor(*ink.getRgb()[:3], EARLIER) for ink in inks]
        self._earlier, self._curves = ([self.plot(pen=pg.mkPen(i, width=2)) for i in part] for part in (faint, inks))
        self.losses: Losses = []
        self._timer = QtCore.QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self._draw)
        self.set_theme(dark=True)

    def show_course(self, losses: Losses) -> None:
        """Show these losses, one pair per epoch; those between epochs are left out, their noise hides the course."""
        if losses != self.losses:
            self.losses = list(losses)
            if not self._timer.isActive():
                self._timer.start()

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        theme = theme_of(dark)
        self.setBackground(theme.window)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(theme.line)
            self.getAxis(side).setTextPen(theme.text)
        self.setLabels(
            bottom=f'epoch: <span style="color: {TRAINING}">training</span>, '
            f'<span style="color: {HELD_OUT}">held out</span>'
        )

    def _draw(self) -> None:
        """Of two trainings that are compared each begins at the first epoch, the first one faint."""
        now = self.losses[-1][0] if self.losses else ""
        for curves, of_now in ((self._earlier, False), (self._curves, True)):
            course = [losses for trial, *losses in self.losses if (trial == now) == of_now]
            for curve, values in zip(curves, zip(*course, strict=True) if course else ([], []), strict=True):
                curve.setData(list(range(1, len(course) + 1)), list(values))


def duration(seconds: float) -> str:
    """Seconds in words."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _words(progress: Progress, course: Losses) -> str:
    """The losses as they are now, in words."""
    last = course[-1] if course and course[-1][0] == progress.trial else None
    training = progress.loss if last is None else last[1]
    words = "" if training is None else f"loss {training:.4f} on the training part"
    words = words if last is None else f"{words}, {last[2]:.4f} held out"
    if not progress.trial:
        return words
    earlier = [held_out for trial, _, held_out in course if trial != progress.trial]
    before = f"; {min(earlier):.4f} in the other one" if earlier else ""
    return f"{progress.trial[:1].upper()}{progress.trial[1:]}: {words}{before}"
