"""The tab of classes: pictures, numbers of atoms, symmetry and neighbours."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.plot_box import how
from local_crystallography._napari.manifold.class_views import CLASS_CLICK, GAP, STRIP, picture_button, side_by_side
from local_crystallography._napari.results.classes.asked import Asked, Made
from local_crystallography._napari.results.classes.sections import Sections
from local_crystallography._napari.results.classes.tables import Names, number_words
from local_crystallography._napari.results.fitting import beside
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.widgets.dialogs import ask_to_save
from local_crystallography._napari.widgets.pictures import range_words
from local_crystallography.analysis import Analysis
from local_crystallography.data.errors import InputError, writing
from local_crystallography.steps.cluster import Cluster
from local_crystallography.studies.classes import ClassEntry, ClassReport
from local_crystallography.views import small_map
from local_crystallography.views.greys import grey
from local_crystallography.views.selection import How
from local_crystallography.views.styles import ClassStyles

COLUMNS = ("label", "hand_label", "pixel_label")
"""Columns that hold classes of sub-images, the first of which is shown until somebody chooses another."""
NO_SUB_IMAGES = "Extract sub-images first: classes are told by what their atoms look like."
NO_CLASSES = "Cluster first: there are no classes yet."
TIP = "Mean of the sub-images as they were cut, what the network decodes at the mean of the latents, and where the "
TIP += "class lies in the first frame. The line in the decoded image is the direction that angles are measured from; "
TIP += f"right-click there to choose another. {CLASS_CLICK}"
DIRECTED = "Measure the angles of class {number} from this direction, {degrees}°"
HIGH = 58
"""Points of the pictures, three of which fit beside the words."""
LOOKING = "Looking at the classes …"
SAVE = "Save table …"


class ClassesPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """Every class as a picture to click on, and tables below; it works only while it is seen."""

    directed = QtCore.Signal(object)
    """Cluster with another direction from which angles are counted."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.column, self.save = QtWidgets.QComboBox(), QtWidgets.QPushButton(SAVE)
        self.message, self.scale = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.content, self.sections = QtWidgets.QWidget(), Sections()
        self.buttons: dict[int, QtWidgets.QToolButton] = {}
        self._pictures = QtWidgets.QVBoxLayout()
        self._made: Made | None = None
        self._asked: Asked | None = None
        self._styles = ClassStyles()
        self._latest = LatestTask(self)
        self._lay_out()
        self.column.activated.connect(lambda _: self.refresh())
        self.save.clicked.connect(self._on_save_clicked)
        self.destroyed.connect(lambda: self.leave())

    @property
    def report(self) -> ClassReport | None:
        """What is shown; None where there is nothing yet."""
        return None if self._made is None else self._made.report

    @property
    def busy(self) -> bool:
        """Whether classes are being looked at."""
        return self._latest.busy

    def refresh(self) -> None:
        """Look at the classes there are now, where they are new."""
        if not self.isVisible():
            return
        session = self.controller.active
        analysis = None if session is None else session.analysis
        self._follow_styles(ClassStyles() if analysis is None else analysis.styles)
        missing = self._offer(analysis)
        if missing or analysis is None:
            self._latest.drop()
            self._asked = self._made = None
            self._say(missing)
            return
        assert analysis.atoms is not None
        assert analysis.sub_images is not None
        assert analysis.image is not None
        column, shape = self.column.currentText(), analysis.image.shape
        step = analysis.asked.get(Cluster.name())
        directions = step.directions if isinstance(step, Cluster) else ()
        asked = Asked(analysis.atoms, analysis.sub_images, analysis.vae, column, shape, directions)
        if asked.same(self._asked):
            return
        if self.report is None or self._asked is None or not asked.atoms.same_atoms(self._asked.atoms):
            self._made = None
            self._say(LOOKING)
        self._asked = asked
        self._latest.ask(asked.made, self._on_made, self._on_failed)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self.sections.set_theme(dark)

    def select(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class."""
        if self._asked is None:
            return
        labels = self._asked.labels
        if len(labels) == len(self.controller.selection):
            self.controller.selection.apply(np.asarray(labels == number), how, self)

    def write(self, path: Path) -> None:
        """Write everything that is told of the classes as a table.

        Raises
        ------
        InputError
            Where the place cannot be written to.
        """
        if self.report is None or self._asked is None:
            return
        table = self.report.to_frame()
        table.insert(0, "name", [self._styles.name(self._asked.column, number) for number in self.report.numbers])
        with writing(path):
            table.to_csv(path)

    def leave(self) -> None:
        """Listen no more."""
        self._styles.changed.disconnect(self._on_styles_changed, missing_ok=True)

    def showEvent(self, event: Any) -> None:
        self.refresh()

    def _lay_out(self) -> None:
        layout, top, inner = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout(), QtWidgets.QVBoxLayout(self.content)
        layout.setContentsMargins(2, 4, 2, 2)
        inner.setContentsMargins(0, 0, 0, 0)
        self._pictures.setSpacing(4)
        self.column.setToolTip("Which classes: those of Cluster, those given by hand, or those of the pixel mixture")
        self.save.setToolTip("<qt>Write counts, latents, scores with errors and shares of neighbours as csv</qt>")
        self.scale.setToolTip("All pictures have the same scale of greys")
        top.addWidget(self.column)
        top.addStretch()
        top.addWidget(self.save)
        inner.addLayout(self._pictures)
        inner.addWidget(self.scale)
        inner.addWidget(self.sections)
        layout.addLayout(top)
        layout.addWidget(self.message)
        layout.addWidget(self.content)
        layout.addStretch()
        self._say(NO_CLASSES)

    def _offer(self, analysis: Analysis | None) -> str:
        """Offer the columns there are; what is missing, where there are none."""
        atoms = None if analysis is None else analysis.atoms
        features = None if atoms is None else atoms.features
        names = (
            [] if features is None else [name for name in COLUMNS if name in features and (features[name] >= 0).any()]
        )
        before = self.column.currentText()
        if [self.column.itemText(i) for i in range(self.column.count())] != names:
            self.column.clear()
            self.column.addItems(names)
            self.column.setCurrentIndex(max(0, self.column.findText(before)))
        self.column.setVisible(len(names) > 1)
        if not names:
            return NO_CLASSES
        return "" if analysis is not None and analysis.sub_images is not None else NO_SUB_IMAGES

    def _say(self, words: str) -> None:
        """Say something instead of the classes; nothing: show them."""
        self.message.setText(words)
        self.message.setVisible(bool(words))
        self.content.setVisible(not words)
        self.save.setEnabled(not words)

    def _follow_styles(self, styles: ClassStyles) -> None:
        if styles is not self._styles:
            self.leave()
            self._styles = styles
            styles.changed.connect(self._on_styles_changed)

    def _on_failed(self, why: str) -> None:
        self._made = None
        self._say(why)

    def _on_made(self, made: Made) -> None:
        self._made = made
        self._say("")
        self._show()

    def _on_styles_changed(self, column: str) -> None:
        if self._asked is not None and column == self._asked.column and self.report is not None:
            self._show()

    def _show(self) -> None:
        assert self._made is not None
        assert self._asked is not None
        report, limits = self._made.report, self._made.limits
        for button in self.buttons.values():
            button.deleteLater()
        self.buttons = {each.picture.number: self._button(each) for each in report.classes}
        for button in self.buttons.values():
            self._pictures.addWidget(button)
        decoded = ", decoded at the mean latents" if report.decoded_pairs is not None else ""
        words = f"Mean of the sub-images{decoded}; {range_words(limits)}. Right: where the class lies."
        self.scale.setText(f'<span style="color: gray">{words}</span>')
        self.sections.show_report(report, Names(self._styles, self._asked.column))

    def _button(self, entry: ClassEntry) -> QtWidgets.QToolButton:
        """The pictures of a class beside what it is called and how many atoms it has."""
        assert self._asked is not None
        assert self._made is not None
        column, picture = self._asked.column, entry.picture
        colour = self._styles.colour(column, picture.number)
        shown = [small_map.of_height(grey(picture.mean, self._made.limits))]
        if entry.decoded is not None:
            decoded = small_map.of_height(grey(entry.decoded, self._made.limits))
            shown.append(small_map.with_direction(decoded, np.radians(self._direction(picture.number))))
        where = small_map.of_class(self._made.rows, self._made.labels, picture.number, colour)
        atoms = f"{picture.count:,} atoms" if picture.count != 1 else "1 atom"
        name = self._styles.name(column, picture.number)
        lines = [beside(self, name), atoms, f"{100 * picture.share:.1f} %"]
        if np.isfinite(entry.probability):
            lines.append(f"certainty {number_words(entry.probability, 3)}")
        row = side_by_side(colour, *shown, small_map.of_height(where))
        button = picture_button(row, "\n".join(lines), f"{escape(name)}. {TIP}", HIGH)
        button.clicked.connect(lambda _, number=picture.number: self._on_clicked(number))
        if entry.decoded is not None:
            button.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.CustomContextMenu)
            button.customContextMenuRequested.connect(partial(self._on_menu_asked, button, picture.number))
        return button

    def _cluster(self) -> Cluster | None:
        """The step that made the classes which are shown, where their angles can be given a direction."""
        session, asked = self.controller.active, self._asked
        step = None if session is None or self.controller.running else session.analysis.asked.get(Cluster.name())
        known = asked is not None and asked.column == "label" and "angle_rad" in asked.atoms.features
        return step if known and isinstance(step, Cluster) else None

    def _direction(self, number: int) -> int:
        """Degrees in the decoded image of a class from which its direction is counted."""
        directions = () if self._asked is None else self._asked.directions
        return directions[number] if number < len(directions) else 0

    def _on_menu_asked(self, button: QtWidgets.QToolButton, number: int, place: QtCore.QPoint) -> None:
        """Offer the direction that was pointed at in the decoded image, the second of the pictures."""
        side = button.iconSize().height()
        left = (button.height() - side) / 2 + side * (STRIP + 2 * GAP + 1)
        right, up = place.x() - left - side / 2, button.height() / 2 - place.y()
        if max(abs(right), abs(up)) > side / 2 or self._cluster() is None:
            return
        degrees = round(np.degrees(np.arctan2(up, right))) % 360
        menu = QtWidgets.QMenu(self)
        menu.addAction(DIRECTED.format(degrees=degrees, number=number)).triggered.connect(
            lambda: self.direct(number, degrees)
        )
        menu.exec(button.mapToGlobal(place))

    def direct(self, number: int, degrees: int) -> None:
        """Count the angles of a class from a direction in its decoded image, and paint them."""
        step, report = self._cluster(), self.report
        if step is None or report is None:
            return
        known = [self._direction(each) for each in range(max(report.numbers) + 1)]
        known[number] = degrees
        self.directed.emit(step.model_copy(update={"directions": tuple(known), "zero": "directions"}))

    def _on_clicked(self, number: int) -> None:
        self.select(number, how(QtWidgets.QApplication.keyboardModifiers()))

    def _on_save_clicked(self) -> None:
        if path := ask_to_save(self, "Save the table of classes", "classes.csv"):
            try:
                self.write(path)
            except InputError as error:
                self.controller.failed.emit(str(error))
