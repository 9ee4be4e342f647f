"""The tab of profiles: a column against the distance along or from a line drawn on the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy import QtCore, QtWidgets

# isort: split
# after qtpy, so that pyqtgraph takes the same Qt binding
import pyqtgraph as pg

from local_crystallography._napari.layers import convert
from local_crystallography._napari.measure.drawing import Drawing
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.boxes import ColumnBox
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import ResultPanel, narrow_label, panel_layout, row
from local_crystallography._napari.widgets.plots import ThemedPlot
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_class
from local_crystallography.data.errors import InputError
from local_crystallography.lattice.shells import neighbour_distance
from local_crystallography.studies.profile import LineProfile, Profile
from local_crystallography.views.axis import axis_of
from local_crystallography.views.looking import PANELS

NO_ATOMS = "Find atoms first: a profile is one of their columns."
DRAW = "Press <b>Draw a line</b>, then drag it across the interface, from one side to the other."
DRAW_TIP = "Draw a line on the image with the mouse; it can be moved and stretched afterwards, and the profile follows"
DISTANCES = {"along the line": "along the line", "from the line": "from the line, drawn on the interface"}
WIDE = 8.0
"""Width of the strip at first, in nearest-neighbour distances."""
LINE = "profile line"
ALL = "all atoms"


@dataclass(frozen=True, eq=False)
class ProfileRequest:
    """What a profile is made of."""

    atoms: Atoms
    line: LineProfile
    column: str
    group: str
    image: str

    def same(self, other: ProfileRequest) -> bool:
        """Whether the other gives the same profile."""
        mine, theirs = (each.atoms for each in (self, other))
        return mine is theirs and (self.line, self.column, self.group) == (other.line, other.column, other.group)

    def only(self) -> npt.NDArray[np.bool_] | None:
        """(N,) atoms that count; None for all."""
        if not self.group:
            return None
        column, number = self.group.split("=")
        return np.asarray(self.atoms.features[column].to_numpy() == int(number))


class ProfilePanel(ResultPanel):
    """A line to draw, a column to choose, and the means of the atomic planes across it."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.drawing = Drawing(controller, LINE, "add_line", self)
        self.draw = QtWidgets.QPushButton("Draw a line", toolTip=f"<qt>{DRAW_TIP}</qt>")
        self.column, self.atoms_box = ColumnBox(), QtWidgets.QComboBox()
        self.distance, self.width = QtWidgets.QComboBox(), QtWidgets.QDoubleSpinBox()
        self.plot = ProfilePlot()
        self.words = narrow_label()
        self.save, self.save_plot = QtWidgets.QPushButton("Save table …"), QtWidgets.QPushButton("Save figure …")
        self._lay_out()
        self.draw.clicked.connect(self._on_draw_clicked)
        self.drawing.changed.connect(self.refresh)
        for box in (self.column, self.atoms_box, self.distance):
            box.activated.connect(lambda _: self.refresh())
        self.width.editingFinished.connect(self._on_width_edited)
        self.save.clicked.connect(lambda _: self.ask_table("profile.csv", self.save_table))
        self.save_plot.clicked.connect(lambda _: self.ask_figure("profile.png", self.save_figure))

    @property
    def profile(self) -> Profile | None:
        """The profile shown."""
        made: Profile | None = self.result
        return made

    def request(self, analysis: Analysis | None) -> ProfileRequest | str:
        """The profile of the last line drawn on the active image."""
        atoms = None if analysis is None else analysis.atoms
        if analysis is None or atoms is None or not len(atoms):
            return NO_ATOMS
        self.drawing.follow()
        self._offer(atoms)
        line = self._line()
        name = "" if analysis.image is None else analysis.image.name
        if isinstance(line, LineProfile):
            return ProfileRequest(atoms, line, self.column.column, str(self.atoms_box.currentData() or ""), name)
        return line

    @staticmethod
    def compute(request: ProfileRequest, earlier: Any) -> Profile:
        """The profile of a request."""
        return request.line(request.atoms, (request.column,), request.only())

    def show_result(self, result: Profile) -> None:
        """Show a profile."""
        self.say("")
        self.plot.draw_profile(result, self.requested.column, self.requested.line.distance)
        self.words.setText(f"{result.words()} {result.count.sum():,} atoms.")
        self._enable(True)

    def forget(self) -> None:
        """Drop the profile shown."""
        super().forget()
        self.plot.clear_all()
        self.words.setText("")
        self._enable(False)

    def on_failed(self, problem: str) -> None:
        """Say why there is no profile."""
        self.forget()
        self.say(problem)

    def save_table(self, path: Path) -> None:
        """Write the planes as CSV."""
        if self.profile is not None:
            table = self.profile.table()
            self.save_file(path, lambda path: table.to_csv(path, index=False, lineterminator="\n"))

    def save_figure(self, path: Path) -> None:
        """Write the profile as a figure."""
        from local_crystallography.report.profile import save_profile

        if self.profile is not None:
            write = partial(save_profile, profile=self.profile, column=self.requested.column)
            self.save_file(path, write)

    def leave(self) -> None:
        """Stop following the line."""
        super().leave()
        self.drawing.leave()

    def _line(self) -> LineProfile | str:
        """The last line drawn, or what to do."""
        layer, session = self.drawing.layer, self.controller.active
        if layer is None or session is None or "line" not in layer.shape_type:
            return DRAW
        number = max(i for i, kind in enumerate(layer.shape_type) if kind == "line")
        start, end = convert.line_from(layer, session.layer, number)
        width = float(layer.edge_width[number])
        frame = round(float(np.asarray(layer.data[number])[0, 0])) if layer.ndim == 3 else 0
        with QtCore.QSignalBlocker(self.width):
            size = session.analysis.image.pixel_size if session.analysis.image is not None else None
            self.width.setSuffix(" px" if size is None else " nm")
            self.width.setValue(width * (size or 1.0))
        try:
            return LineProfile(
                start=start,
                end=end,
                width=width,
                distance=self.distance.currentData(),
                frame=frame,
            )
        except ValueError:
            return DRAW

    def _offer(self, atoms: Atoms) -> None:
        self.column.offer_numbers(atoms.features, ("strain_xx", "displacement_nm", "displacement_px", "intensity"))
        groups = {ALL: ""}
        for column in ("sublattice", "label", "hand_label", "grain"):
            if column in atoms.features:
                numbers = np.unique(atoms.features[column].to_numpy(float))
                title = {"label": "class", "hand_label": "class by hand"}.get(column, column)
                groups |= {f"{title} {n:.0f}": f"{column}={n:.0f}" for n in numbers if n >= 0}
        if [self.atoms_box.itemText(i) for i in range(self.atoms_box.count())] != list(groups):
            before = self.atoms_box.currentData()
            self.atoms_box.clear()
            for words, data in groups.items():
                self.atoms_box.addItem(words, data)
            self.atoms_box.setCurrentIndex(max(0, self.atoms_box.findData(before)))

    def _on_draw_clicked(self) -> None:
        if self.atoms is None or not len(self.atoms):
            self.say(NO_ATOMS)
            return
        try:
            spacing = neighbour_distance(self.atoms)
        except InputError:
            spacing = 10.0
        self.drawing.begin(WIDE * spacing)
        if self.profile is None:
            self.say(DRAW)

    def _on_width_edited(self) -> None:
        layer, image = self.drawing.layer, None if self.analysis is None else self.analysis.image
        if layer is not None and len(layer.data) and image is not None and self.width.value() > 0:
            number = max((i for i, kind in enumerate(layer.shape_type) if kind == "line"), default=None)
            if number is not None:
                widths = list(layer.edge_width)
                widths[number] = self.width.value() / (image.pixel_size or 1.0)
                layer.edge_width = widths
                self.refresh()

    def _enable(self, on: bool) -> None:
        self.save.setEnabled(on)
        self.save_plot.setEnabled(on)

    def _lay_out(self) -> None:
        for words, data in ((words, key) for key, words in DISTANCES.items()):
            self.distance.addItem(words, data)
        self.width.setRange(0.01, 100_000)
        self.width.setDecimals(2)
        self.width.setKeyboardTracking(False)
        rows = QtWidgets.QFormLayout()
        rows.setFieldGrowthPolicy(rows.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        tips = {
            "column": (self.column, "Column whose mean is shown; classes show the share of each"),
            "atoms": (self.atoms_box, "Atoms that count; displacements of two sublattices in each other's cage cancel"),
            "distance": (self.distance, "Along a line drawn across the interface, or from a line drawn on it"),
            "width": (self.width, "Width of the strip of atoms around the line, as it is drawn on the image"),
        }
        for name, (widget, tip) in tips.items():
            widget.setToolTip(f"<qt>{tip}</qt>")
            if isinstance(widget, QtWidgets.QComboBox):
                widget.setSizeAdjustPolicy(widget.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
                widget.setMinimumContentsLength(8)
            rows.addRow(name, widget)
        self.save.setToolTip("<qt>Write distance, mean, standard error and number of atoms of every plane as CSV</qt>")
        self.save_plot.setToolTip("<qt>Write the profile as a figure: png, pdf or svg</qt>")
        saves = row(self.save, self.save_plot)
        looking = LookLine(PANELS["profile"])
        panel_layout(self, self.draw, rows, self.message, self.plot, self.words, looking, saves)
        self._enable(False)
        self.say(DRAW)


class ProfilePlot(ThemedPlot):
    """Means of planes with standard errors against the distance."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(290)
        self.setToolTip("<qt>Mean of every atomic plane; the bars are standard errors. Scroll to zoom.</qt>")
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self._legend: Any = None
        self.shown: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []

    def clear_all(self) -> None:
        """Show nothing."""
        self.clear()
        if self._legend is not None:
            self._legend.clear()
        self.shown = []

    def draw_profile(self, profile: Profile, column: str, distance: str) -> None:
        """Show the series of a profile."""
        from local_crystallography.views.raster import PALETTE

        self.clear_all()
        size, axis = profile.pixel_size, axis_of(column)
        at = profile.distance * (1.0 if size is None else size)
        unit = "px" if size is None else "nm"
        if len(profile.series) > 1 and self._legend is None:
            self._legend = self.addLegend(offset=(-5, 5))
        for number, name in enumerate(profile.series):
            mean, error = profile.values(name)
            factor = axis.factor if name == column else 1.0
            colour = pg.mkColor(*(int(255 * part) for part in PALETTE[number % len(PALETTE)]))
            known = np.isfinite(mean)
            words = name.split("=")[-1].strip() if is_class(column) else name
            self.plot(
                at[known],
                factor * mean[known],
                pen=pg.mkPen(colour, width=1.5),
                symbol="o",
                symbolSize=5,
                symbolBrush=colour,
                symbolPen=None,
                name=f"class {words}" if len(profile.series) > 1 else None,
            )
            bars = pg.ErrorBarItem(
                x=at[known], y=factor * mean[known], height=2 * factor * np.nan_to_num(error[known]), pen=colour
            )
            self.addItem(bars)
            self.shown.append((at, factor * mean))
        self.setLabel("bottom", f"distance {distance} ({unit})")
        self.setLabel("left", "share" if is_class(column) else axis.label)
        self.enableAutoRange()
