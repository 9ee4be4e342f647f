"""A network while it trains."""

from __future__ import annotations

from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.scatter import DARK, LIGHT
from local_crystallography.data.progress import Progress

REDRAW_MS = 100
TRAINING, HELD_OUT = "#2a95ff", "#ff9d2a"


class TrainingWatch(QtWidgets.QWidget):  # type: ignore[misc]
    """What there is to see of a training and to do about it: its loss, and Stop."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.stop = QtWidgets.QPushButton("Stop training, keep the best")
        self.stop.setToolTip("Go on with the best network so far")
        self.plot = LossPlot()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stop)
        layout.addWidget(self.plot)
        self.show_running(False)

    def add(self, progress: Progress) -> None:
        """Take a report; the first of a training begins a new curve."""
        if progress.fraction == 0:
            self.plot.clear_losses()
        self.plot.add(progress)

    def show_running(self, running: bool) -> None:
        """Offer Stop while the training runs; keep its curve in view afterwards."""
        self.stop.setVisible(running)
        self.setVisible(running or bool(self.plot.losses))


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
        self._curves = [self.plot(pen=pg.mkPen(ink, width=2)) for ink in (TRAINING, HELD_OUT)]
        self.losses: list[tuple[float, float]] = []
        self._timer = QtCore.QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self._draw)
        self.set_theme(dark=True)

    def clear_losses(self) -> None:
        """Start again."""
        self.losses = []
        self._draw()

    def add(self, progress: Progress) -> None:
        """Take a report; those between epochs are left out, their noise hides the course."""
        if progress.loss is not None and progress.held_out_loss is not None:
            self.losses.append((progress.loss, progress.held_out_loss))
            if not self._timer.isActive():
                self._timer.start()

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        window, _, text, line = DARK if dark else LIGHT
        self.setBackground(window)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(line)
            self.getAxis(side).setTextPen(text)
        self.setLabels(
            bottom=f'epoch: <span style="color: {TRAINING}">training</span>, '
            f'<span style="color: {HELD_OUT}">held out</span>'
        )

    def _draw(self) -> None:
        epochs = range(1, len(self.losses) + 1)
        for curve, values in zip(
            self._curves, zip(*self.losses, strict=True) if self.losses else ([], []), strict=True
        ):
            curve.setData(list(epochs), list(values))
