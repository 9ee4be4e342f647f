"""Progress of a training: bars, losses, and the buttons that stop and resume it."""

from __future__ import annotations

import time
from collections import defaultdict

from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography.data.progress import Progress
from local_crystallography.views.looking import PANELS

REDRAW_MS = 100
TRAINING, HELD_OUT = "#2a95ff", "#ff9d2a"
STOP, STOPPING, RESUME = "Stop, keep the best", "Stopping …", "Resume"
TIPS = {
    "stop": "End this training now; the following steps use the best network so far",
    "resume": "Resume the training where it was stopped, then run the steps that were to follow",
    "epochs": "Passes over all sub-images; training ends early when the held-out loss stops improving",
    "batches": "Batches of this epoch",
    "place": "Device of the training; small networks are fastest on one thread",
    "losses": "Negative evidence lower bound per value, on the training sub-images and on the tenth held out; lower is "
    "better",
}
Losses = list[tuple[str, float, float]]
"""For every epoch: the trial ("" for a single training), the loss on the training part, and the held-out loss."""
EARLIER = 110
"""Opacity, of 255, of the curves of an earlier trial."""


class TrainingWatch(QtWidgets.QWidget):  # type: ignore[misc]
    """Progress and losses of a training, with buttons to stop and resume it; kept for every image."""

    going_on = QtCore.Signal(str)

    def __init__(self, name: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.stop, self.resume = QtWidgets.QPushButton(STOP), QtWidgets.QPushButton(RESUME)
        self.epochs, self.batches = QtWidgets.QProgressBar(), QtWidgets.QProgressBar()
        self.place, self.losses = QtWidgets.QLabel(wordWrap=True), QtWidgets.QLabel(wordWrap=True)
        self.resume.clicked.connect(lambda: self.going_on.emit(self.name))
        self.plot = LossPlot()
        self._courses: dict[str, Losses] = defaultdict(list)
        self._texts: dict[str, str] = {}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(3)
        for part in (self.epochs, self.batches, self.place, self.losses, self.plot, self.stop, self.resume):
            layout.addWidget(part)
        layout.addWidget(LookLine(PANELS["training"], self.plot))
        for part_name, tip in TIPS.items():
            getattr(self, part_name).setToolTip(f"<qt>{tip}</qt>")

    def add(self, progress: Progress, key: str, *, shown: bool) -> None:
        """Take a report on the image layer of this key, `shown` or not; the first epoch begins a new curve."""
        if not progress.epochs:
            return
        course = self._courses[key]
        if progress.fraction == 0:
            course.clear()
        if progress.loss is not None and progress.held_out_loss is not None:
            course.append((progress.trial, progress.loss, progress.held_out_loss))
        self._texts[key] = _words(progress, course)
        if shown:
            self.plot.show_course(course)
            self._show_bars(progress)
            self.place.setText(progress.device)
            self.losses.setText(self._texts[key])

    def refresh(self, controller: Controller) -> None:
        """Show the state of the training of the active image: running, stopping, resumable or finished."""
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
    """Estimates the time left of a job from the fractions that it reports."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Take the next report for the first one."""
        self._first: tuple[float, float] | None = None

    def left(self, fraction: float) -> str:
        """The time left, in words; empty until it can be estimated."""
        now = time.monotonic()
        if self._first is None or fraction < self._first[1]:
            self._first = now, fraction
        spent, done = now - self._first[0], fraction - self._first[1]
        if done < 0.005 or spent < 1:
            return ""
        return f"{duration(spent / done * (1 - fraction))} left"


class LossPlot(FixedPlot):
    """Loss of the training part and of the held-out part, against the epoch."""

    def __init__(self) -> None:
        super().__init__(
            140,
            "Negative evidence lower bound: blue for the training part, orange for the held-out part",
            bottom=f'epoch: <span style="color: {TRAINING}">training</span>, '
            f'<span style="color: {HELD_OUT}">held out</span>',
        )
        self.getPlotItem().setContentsMargins(0, 6, 6, 2)
        inks = [pg.mkColor(ink) for ink in (TRAINING, HELD_OUT)]
        faint = [pg.mkColor(*ink.getRgb()[:3], EARLIER) for ink in inks]
        self._earlier, self._curves = ([self.plot(pen=pg.mkPen(i, width=2)) for i in part] for part in (faint, inks))
        self.losses: Losses = []
        self._timer = QtCore.QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self._draw)

    def show_course(self, losses: Losses) -> None:
        """Show these losses, one pair per epoch; within an epoch they are too noisy to be useful."""
        if losses != self.losses:
            self.losses = list(losses)
            if not self._timer.isActive():
                self._timer.start()

    def _draw(self) -> None:
        """Draw the losses; of two trials, each begins at the first epoch and the earlier one is faint."""
        now = self.losses[-1][0] if self.losses else ""
        for curves, of_now in ((self._earlier, False), (self._curves, True)):
            course = [losses for trial, *losses in self.losses if (trial == now) == of_now]
            for curve, values in zip(curves, zip(*course, strict=True) if course else ([], []), strict=True):
                curve.setData(list(range(1, len(course) + 1)), list(values))


def duration(seconds: float) -> str:
    """Seconds in words."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _words(progress: Progress, course: Losses) -> str:
    """The present losses, in words."""
    last = course[-1] if course and course[-1][0] == progress.trial else None
    training = progress.loss if last is None else last[1]
    words = "" if training is None else f"loss {training:.4f} on the training part"
    words = words if last is None else f"{words}, {last[2]:.4f} held out"
    if not progress.trial:
        return words
    earlier = [held_out for trial, _, held_out in course if trial != progress.trial]
    before = f"; {min(earlier):.4f} in the other one" if earlier else ""
    return f"{progress.trial[:1].upper()}{progress.trial[1:]}: {words}{before}"
