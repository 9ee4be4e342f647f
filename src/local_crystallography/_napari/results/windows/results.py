"""Results of a window study: pictures, tables, and commands on a run."""

from __future__ import annotations

from functools import partial

from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.results.windows.pictures import WIDE, Pictures, pictures_of
from local_crystallography._napari.results.windows.tables import AgreementTable, RunTable
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.pictures import pixmap
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.views.raster import Colors
from local_crystallography.views.styles import ClassStyles

TIPS = {
    "maps": "Show classes, angle and latents of the chosen run as layers on the image",
    "use": "Put window and source of the chosen run into Extract sub-images of the main panel",
    "enlarge": "Show maps and histograms of all runs large, in a window of their own",
    "figure": "Write maps and histograms of all runs to a file",
    "table": "Write the table of the runs to a CSV file, and how they agree to another beside it",
}
PICTURE_TIP = (
    "Classes, angles, and how often which angle occurs. Click: choose this run; double click: all runs, large."
)


class RunButton(QtWidgets.QToolButton):  # type: ignore[misc]
    """The pictures of a run with its words."""

    twice = QtCore.Signal()

    def __init__(self, picture: Colors, wide: int) -> None:
        super().__init__()
        self.setIcon(QtGui.QIcon(pixmap(picture, wide, self.devicePixelRatioF())))
        height, width, _ = picture.shape
        self.setIconSize(QtCore.QSize(wide, round(wide * height / width)))
        self.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolTip(f"<qt>{PICTURE_TIP}</qt>")

    def name_run(self, name: str, found: str) -> None:
        """Say what it is and what was found, in two lines where one would be wider than the picture."""
        font = self.font()
        font.setBold(True)
        one = f"{name}: {found}"
        fits = QtGui.QFontMetrics(font).horizontalAdvance(one) <= self.iconSize().width()
        self.setText(one if fits else f"{name}\n{found}")

    def mark(self, chosen: bool) -> None:
        """Show whether it is chosen."""
        self.setChecked(chosen)
        font = self.font()
        font.setBold(chosen)
        self.setFont(font)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        self.twice.emit()


class WindowsResults(QtWidgets.QWidget):  # type: ignore[misc]
    """Small pictures and a table of the runs, one of which is chosen in either; nothing where there are none."""

    asked = QtCore.Signal(str)
    """What is to be done: maps, use, enlarge, figure or table."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.study = StudyTable(())
        self.name = ""
        self.legend, self.note = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.runs, self.agreement = RunTable(), AgreementTable()
        self.agrees = QtWidgets.QLabel("Agreement of classes (adjusted Rand index)", wordWrap=True)
        self.column = QtWidgets.QVBoxLayout()
        self.pictures: dict[str, RunButton] = {}
        words = {"maps": "Show maps", "use": "Use this window", "enlarge": "Enlarge"}
        words |= {"figure": "Figure …", "table": "Table …"}
        self.buttons = {name: QtWidgets.QPushButton(text) for name, text in words.items()}
        self._latest = LatestTask(self)
        self._lay_out()
        self.runs.chosen.connect(self.choose)
        for name, button in self.buttons.items():
            button.clicked.connect(partial(self.asked.emit, name))
        for part in (self, self.agrees, self.agreement):
            part.setVisible(False)

    @property
    def busy(self) -> bool:
        """Whether pictures are being drawn."""
        return self._latest.busy

    @property
    def run(self) -> StudyRun | None:
        """The run chosen, or None."""
        return next((run for run in self.study.runs if run.name == self.name), None)

    def show_study(self, study: StudyTable, shape: tuple[int, int], styles: ClassStyles) -> None:
        """Show runs on an image of a shape (h, w)."""
        self.study = study
        self.setVisible(bool(study.runs))
        self.runs.show_study(study)
        done = [run.name for run in study.runs if not run.note]
        self.choose(self.name if self.run is not None else next(iter(done), ""))
        self._latest.ask(partial(pictures_of, study, shape, styles), self._on_pictures, self._on_failed)

    def choose(self, name: str) -> None:
        """Choose a run by its name."""
        self.name = name
        self.runs.choose(name)
        for other, button in self.pictures.items():
            button.mark(other == name)
        note = "" if self.run is None else self.run.note
        self.note.setText(f"⚠ {note}" if note else "")
        self.note.setVisible(bool(note))
        self.set_ready(self.buttons["figure"].isEnabled())

    def set_ready(self, ready: bool) -> None:
        """Whether a job can be begun."""
        done = any(not run.note for run in self.study.runs)
        good = self.run is not None and not self.run.note
        for name, button in self.buttons.items():
            button.setEnabled(name == "table" or (ready and (good if name in ("maps", "use") else done)))

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(2)
        layout.addWidget(self.legend)
        layout.addLayout(self.column)
        for part in (self.runs, self.note):
            layout.addWidget(part)
        for names in (("maps", "use"), ("enlarge", "figure", "table")):
            row = QtWidgets.QHBoxLayout()
            row.setSpacing(3)
            for name in names:
                self.buttons[name].setToolTip(f"<qt>{TIPS[name]}</qt>")
                row.addWidget(self.buttons[name])
            layout.addLayout(row)
        layout.addWidget(self.agrees)
        layout.addWidget(self.agreement)

    def _on_failed(self, why: str) -> None:
        self._clear()
        self.legend.setText(f"⚠ {why}")

    def _clear(self) -> None:
        for button in self.pictures.values():
            self.column.removeWidget(button)
            button.deleteLater()
        self.pictures = {}

    def _on_pictures(self, made: Pictures) -> None:
        self._clear()
        self.agreement.show_study(self.study, made.agreement)
        self.agrees.setVisible(not self.agreement.isHidden())
        reach = f"\N{MINUS SIGN}{made.reach:g}° to {made.reach:g}°"
        self.legend.setText(f"Classes, angles and how often which angle occurs ({reach}):")
        for run in self.study.runs:
            if run.name in made.by_name:
                self._add(run, made.by_name[run.name])
        self.choose(self.name)

    def _add(self, run: StudyRun, picture: Colors) -> None:
        button = RunButton(picture, WIDE)
        seeds = len({each.seed for each in self.study.runs}) > 1
        found = f"{run.classes} class{'es' * (run.classes != 1)}, {run.angle_peaks} peak{'s' * (run.angle_peaks != 1)}"
        button.name_run(f"{run.window} px, {run.source}{f', seed {run.seed}' if seeds else ''}", found)
        button.clicked.connect(partial(self.choose, run.name))
        button.twice.connect(partial(self.asked.emit, "enlarge"))
        self.column.addWidget(button)
        self.pictures[run.name] = button
