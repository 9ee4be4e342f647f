"""The tab of classes: pictures, numbers of atoms, symmetry and neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.results.classes.tables import Names, Sections, number_words
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.boxes import offer
from local_crystallography._napari.widgets.dialogs import ask_paper
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import KEYS, ResultPanel, keys_held, panel_layout
from local_crystallography._napari.widgets.pictures import (
    GAP,
    STRIP,
    PictureButton,
    atoms_words,
    beside,
    faint,
    picture_button,
    range_words,
    side_by_side,
)
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import writing
from local_crystallography.data.subimages import SubImages
from local_crystallography.report.paper import PaperFigure
from local_crystallography.steps.cluster import Cluster
from local_crystallography.studies.classes import ClassEntry, ClassReport, by_column, class_report
from local_crystallography.views import small_map
from local_crystallography.views.greys import Limits, grey, grey_limits
from local_crystallography.views.looking import PANELS
from local_crystallography.views.manifold import labels_of
from local_crystallography.views.selection import How

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

COLUMNS = ("label", "hand_label", "pixel_label")
"""Columns that hold classes of sub-images; the first of them is shown until another is chosen."""
READ = r"z\d+|(hand_|pixel_)?label(_probability)?"
"""Columns that a report depends on."""
NO_SUB_IMAGES = "Extract sub-images first: the classes are described by what their atoms look like."
NO_CLASSES = "Cluster first: there are no classes yet."
TIP = (
    "Mean of the sub-images, what the network decodes at the mean latents, and where the class lies in the first "
    "frame. The line in the decoded image is the direction from which angles are measured; right-click there to choose "
    f"another. Click: select this class ({KEYS})."
)
DIRECTED = "Measure the angles of class {number} from this direction, {degrees}°"
HIGH = 58
"""Height of the pictures in points; three of them fit beside the words."""
LOOKING = "Describing the classes …"


@dataclass(frozen=True, eq=False)
class ClassRequest:
    """What a report is made from, and the direction drawn in each class, in degrees."""

    atoms: Atoms
    sub_images: SubImages
    vae: Vae | None
    column: str
    shape: tuple[int, int]
    directions: tuple[int, ...] = ()

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) class of every atom, -1 for none."""
        labels = labels_of(by_column(self.atoms, self.column))
        return np.full(len(self.atoms), -1) if labels is None else labels

    def same(self, other: ClassRequest) -> bool:
        """Whether the other gives the same report."""
        if self.sub_images is not other.sub_images or self.vae is not other.vae:
            return False
        if self.directions != other.directions:
            return False
        if self.atoms is other.atoms:
            return self.column == other.column
        tables = [each.atoms.features.filter(regex=f"^({READ})$") for each in (self, other)]
        return self.column == other.column and self.atoms.same_atoms(other.atoms) and tables[0].equals(tables[1])


class DescribedClasses(NamedTuple):
    """The report, the values shown black and white, the class of every atom, and the nearest atom of every pixel."""

    report: ClassReport
    limits: Limits
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


class ClassesPanel(ResultPanel):
    """Every class as a picture to click, with tables below."""

    directed = QtCore.Signal(object)
    """Cluster, with other directions from which angles are measured."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.column, self.save = QtWidgets.QComboBox(), QtWidgets.QPushButton("Save table …")
        self.figure = QtWidgets.QPushButton("Save figure …")
        self.scale = QtWidgets.QLabel(wordWrap=True)
        self.content, self.sections = QtWidgets.QWidget(), Sections()
        self.buttons: dict[int, PictureButton] = {}
        self._pictures = QtWidgets.QVBoxLayout()
        self._lay_out()
        self.column.activated.connect(lambda _: self.refresh())
        self.save.clicked.connect(self._on_save_clicked)
        self.figure.clicked.connect(self._on_figure_clicked)

    @property
    def report(self) -> ClassReport | None:
        """The report on the classes shown; None where there is none yet."""
        return None if self.result is None else self.result.report

    def request(self, analysis: Analysis | None) -> ClassRequest | str:
        """The classes of the column chosen."""
        features = None if analysis is None or analysis.atoms is None else analysis.atoms.features
        names = (
            [] if features is None else [each for each in COLUMNS if each in features and (features[each] >= 0).any()]
        )
        offer(self.column, names)
        self.column.setVisible(len(names) > 1)
        if not names or analysis is None or analysis.atoms is None:
            return NO_CLASSES
        if analysis.sub_images is None or analysis.image is None:
            return NO_SUB_IMAGES
        step, column = analysis.requested(Cluster), self.column.currentText()
        directions = step.directions if isinstance(step, Cluster) else ()
        return ClassRequest(analysis.atoms, analysis.sub_images, analysis.vae, column, analysis.image.shape, directions)

    def begin(self, request: ClassRequest) -> None:
        """Describe other classes; those of the same atoms are shown until then."""
        if self.result is None or self.requested is None or not request.atoms.same_atoms(self.requested.atoms):
            self.result = None
            self.say(LOOKING)
        super().begin(request)

    @staticmethod
    def compute(request: ClassRequest, earlier: DescribedClasses | None) -> DescribedClasses:
        """The report, and what pictures and maps are made from."""
        atoms, subs, labels = request.atoms, request.sub_images, request.labels
        cut = (labels >= 0) | np.isin(atoms.ids, subs.atoms.ids)
        rows = small_map.nearest_rows(atoms, cut, request.shape)
        return DescribedClasses(
            class_report(atoms, subs, request.vae, column=request.column), grey_limits(subs), labels, rows
        )

    def show_result(self, result: DescribedClasses) -> None:
        """Show every class."""
        self.say("")
        for button in self.buttons.values():
            button.deleteLater()
        self.buttons = {each.picture.number: self._button(each) for each in result.report.classes}
        for button in self.buttons.values():
            self._pictures.addWidget(button)
        decoded = ", decoded at the mean latents" if result.report.decoded_pairs is not None else ""
        self.scale.setText(
            faint(f"Mean of the sub-images{decoded}; {range_words(result.limits)}. Right: where the class lies.")
        )
        self.sections.show_report(result.report, Names(self._styles, self.requested.column))

    def restyle(self, column: str) -> None:
        """Show other names and colours."""
        if self.result is not None and column == self.requested.column:
            self.show_result(self.result)

    def say(self, words: str) -> None:
        """Say something in place of the classes; nothing shows them."""
        super().say(words)
        self.content.setVisible(not words)
        for button in (self.save, self.figure):
            button.setEnabled(not words)

    def select(self, number: int, how: How = "replace") -> None:
        """Select the atoms of a class."""
        if self.requested is not None:
            self.select_atoms(self.requested.labels == number, how)

    def direct(self, number: int, degrees: int) -> None:
        """Measure the angles of a class from a direction in its decoded image, and paint them."""
        step, report = self._cluster(), self.report
        if step is None or report is None:
            return
        known = [self._direction(each) for each in range(max(report.numbers) + 1)]
        known[number] = degrees
        self.directed.emit(step.model_copy(update={"directions": tuple(known), "zero": "directions"}))

    def write(self, path: Path) -> None:
        """Write everything reported on the classes as a table.

        Raises
        ------
        InputError
            Where the file cannot be written.
        """
        if (report := self.report) is None:
            return
        table = report.to_frame()
        table.insert(0, "name", [self._styles.name(self.requested.column, number) for number in report.numbers])
        with writing(path):
            table.to_csv(path)

    def _lay_out(self) -> None:
        top, inner = QtWidgets.QHBoxLayout(), QtWidgets.QVBoxLayout(self.content)
        inner.setContentsMargins(0, 0, 0, 0)
        self._pictures.setSpacing(4)
        self.column.setToolTip("Classes of Cluster, classes given by hand, or classes of the pixel mixture")
        self.save.setToolTip(
            "<qt>Write counts, latents, scores with standard errors and shares of neighbours as csv</qt>"
        )
        self.scale.setToolTip("All pictures have the same grey scale")
        top.addWidget(self.column)
        top.addStretch()
        self.figure.setToolTip("<qt>Write the pictures of the classes, for a paper or a slide</qt>")
        top.addWidget(self.figure)
        top.addWidget(self.save)
        inner.addLayout(self._pictures)
        inner.addWidget(LookLine(PANELS["classes"]))
        inner.addWidget(self.scale)
        inner.addWidget(self.sections)
        panel_layout(self, top, self.message, self.content)
        self.say(NO_CLASSES)

    def _button(self, entry: ClassEntry) -> PictureButton:
        """The pictures of a class beside its name and its number of atoms."""
        (_, limits, labels, rows), column, picture = self.result, self.requested.column, entry.picture
        colour, name = (of(column, picture.number) for of in (self._styles.colour, self._styles.name))
        shown = [small_map.of_height(grey(picture.mean, limits))]
        if entry.decoded is not None:
            decoded = small_map.of_height(grey(entry.decoded, limits))
            shown.append(small_map.with_direction(decoded, np.radians(self._direction(picture.number))))
        shown.append(small_map.of_height(small_map.of_class(rows, labels, picture.number, colour)))
        lines = [beside(self, name), atoms_words(picture.count), f"{100 * picture.share:.1f} %"]
        if np.isfinite(entry.probability):
            lines.append(f"certainty {number_words(entry.probability, 3)}")
        button = picture_button(side_by_side(colour, *shown), "\n".join(lines), f"{escape(name)}. {TIP}", HIGH)
        button.clicked.connect(lambda _, number=picture.number: self.select(number, keys_held()))
        if entry.decoded is not None:
            button.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.CustomContextMenu)
            button.customContextMenuRequested.connect(partial(self._show_menu, button, picture.number))
        return button

    def _cluster(self) -> Cluster | None:
        """The step that made the classes shown, if a direction for their angles can be chosen."""
        step = None if self.analysis is None or self.controller.running else self.analysis.requested(Cluster)
        shown = self.requested
        known = shown is not None and shown.column == "label" and "angle_rad" in shown.atoms.features
        return step if known and isinstance(step, Cluster) else None

    def _direction(self, number: int) -> int:
        """Degrees in the decoded image of a class from which its angles are measured."""
        directions = () if self.requested is None else self.requested.directions
        return int(directions[number]) if number < len(directions) else 0

    def _on_save_clicked(self) -> None:
        self.ask_table("classes.csv", lambda path: self.controller.attempt(partial(self.write, path)))

    def _on_figure_clicked(self) -> None:
        if self.analysis is not None and self.requested is not None and (chosen := ask_paper(self, "classes.pdf")):
            figure = PaperFigure(of="classes", colour=self.requested.column, **dict(chosen[1]))
            self.controller.compute("Drawing the figure …", partial(_drawn, figure, self.analysis, chosen[0]))

    def _show_menu(self, button: PictureButton, number: int, place: QtCore.QPoint) -> None:
        """Offer the direction pointed at in the decoded image, which is the second picture."""
        side = button.iconSize().height()
        left = (button.height() - side) / 2 + side * (STRIP + 2 * GAP + 1)
        right, up = place.x() - left - side / 2, button.height() / 2 - place.y()
        if max(abs(right), abs(up)) > side / 2 or self._cluster() is None:
            return
        degrees = round(np.degrees(np.arctan2(up, right))) % 360
        menu: Any = QtWidgets.QMenu(self)
        action = menu.addAction(DIRECTED.format(degrees=degrees, number=number))
        action.triggered.connect(lambda: self.direct(number, degrees))
        menu.exec(button.mapToGlobal(place))


def _drawn(figure: PaperFigure, analysis: Analysis, path: Path) -> Callable[[], object]:
    """Write a figure; nothing is left to do then."""
    figure.save(analysis, path)
    return lambda: None
