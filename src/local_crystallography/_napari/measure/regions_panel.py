"""The tab of regions: means of a column or of the displacement vectors, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from qtpy import QtWidgets

from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.vectors import ARROWS
from local_crystallography._napari.measure.drawing import Drawing
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.widgets.boxes import ColumnBox
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.panels import ResultPanel, narrow_label, panel_layout, row
from local_crystallography._napari.widgets.pictures import rich_table
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import is_class
from local_crystallography.data.polygons import Region
from local_crystallography.studies.means import drawn_regions, groups_of, means
from local_crystallography.views.looking import PANELS

NO_ATOMS = "Find atoms first: there is nothing to average."
DRAW = "Press <b>Draw areas</b>, then draw around the atoms; every area is a region."
AREAS = "regions"
GROUPS = {"areas drawn": "", "classes": "label", "classes by hand": "hand_label", "grains": "grain"}
NOTE = "± standard error; it allows for neighbours whose values are correlated."


@dataclass(frozen=True, eq=False)
class MeansRequest:
    """What means are made of: areas drawn, or else the groups of a column, and what is averaged."""

    atoms: Atoms
    areas: Region
    group: str
    column: str
    split: bool

    def same(self, other: MeansRequest) -> bool:
        """Whether the other gives the same means."""
        mine = (self.areas, self.group, self.column, self.split)
        return self.atoms is other.atoms and mine == (other.areas, other.group, other.column, other.split)

    def columns(self) -> list[str]:
        """The columns that are averaged."""
        if self.column != ARROWS:
            return [self.column]
        unit = "px" if self.atoms.pixel_size is None else "nm"
        return [f"displacement_{axis}_{unit}" for axis in ("y", "x")]

    def table(self) -> pd.DataFrame:
        """The means, of every region or of its sublattices."""
        groups = groups_of(self.atoms, self.group) if self.group else drawn_regions(self.areas, self.atoms)
        if self.split:
            parts = groups_of(self.atoms, "sublattice")
            groups = {f"{name}, {part}": mask & own for name, mask in groups.items() for part, own in parts.items()}
        return means(self.atoms, {name: mask for name, mask in groups.items() if mask.any()}, self.columns())


class RegionsPanel(ResultPanel):
    """Areas to draw, or classes or grains, and a table of means."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.drawing = Drawing(controller, AREAS, "add_polygon_lasso", self)
        self.draw = QtWidgets.QPushButton("Draw areas", toolTip="<qt>Draw areas on the image with the mouse</qt>")
        self.group, self.column = QtWidgets.QComboBox(), ColumnBox()
        self.split = QtWidgets.QCheckBox("each sublattice by itself")
        self.table = narrow_label()
        self.save = QtWidgets.QPushButton("Save table …", toolTip="<qt>Write the means as CSV</qt>")
        self._lay_out()
        self.draw.clicked.connect(self._on_draw_clicked)
        self.drawing.changed.connect(self.refresh)
        for box in (self.group, self.column):
            box.activated.connect(lambda _: self.refresh())
        self.split.toggled.connect(lambda _: self.refresh())
        self.save.clicked.connect(lambda _: self.ask_table("means.csv", self.save_table))

    def request(self, analysis: Analysis | None) -> MeansRequest | str:
        """Means of the regions chosen."""
        atoms, session = self.atoms, self.controller.active
        if analysis is None or atoms is None or session is None or not len(atoms):
            return NO_ATOMS
        self.drawing.follow()
        self.column.offer_numbers(atoms.features, (ARROWS, "strain_xx", "intensity"), vectors=True)
        self.split.setEnabled("sublattice" in atoms.features)
        group = str(self.group.currentData() or "")
        if group and group not in atoms.features:
            return f"There are no {self.group.currentText()} yet."
        layer = self.drawing.layer
        areas = () if layer is None or group else convert.polygons_from(layer, session.layer)
        if not group and not areas:
            return DRAW
        split = self.split.isChecked() and self.split.isEnabled()
        return MeansRequest(atoms, areas, group, self.column.column, split)

    @staticmethod
    def compute(request: MeansRequest, earlier: Any) -> pd.DataFrame:
        """The table of a request."""
        return request.table()

    def show_result(self, result: pd.DataFrame) -> None:
        """Show the means."""
        self.say("")
        of = result.groupby("region", sort=False)
        rows = [(str(name).replace(", ", "<br>"), f"{rows['atoms'].max():,}", _words(rows)) for name, rows in of]
        self.table.setText(f"<qt>{rich_table(('region', 'atoms', 'mean'), rows)}<p>{NOTE}</p></qt>")
        self.save.setEnabled(True)

    def forget(self) -> None:
        """Drop the table shown."""
        super().forget()
        self.table.setText("")
        self.save.setEnabled(False)

    def on_failed(self, problem: str) -> None:
        """Say why there are no means."""
        self.forget()
        self.say(problem)

    def save_table(self, path: Path) -> None:
        """Write the means as CSV."""
        if self.result is not None:
            table = self.result
            self.save_file(path, lambda path: table.to_csv(path, index=False, lineterminator="\n"))

    def leave(self) -> None:
        """Stop following the areas."""
        super().leave()
        self.drawing.leave()

    def _on_draw_clicked(self) -> None:
        self.group.setCurrentIndex(0)
        self.drawing.begin(2.0)
        self.refresh()

    def _lay_out(self) -> None:
        for words, column in GROUPS.items():
            self.group.addItem(words, column)
        self.group.setToolTip("<qt>Regions: areas drawn by hand, or all atoms of each class or grain</qt>")
        self.column.setToolTip("<qt>What is averaged; of displacements, the mean vector is given as well</qt>")
        self.split.setToolTip("<qt>Displacements of two sublattices in each other's cage are opposite and cancel</qt>")
        self.split.setChecked(True)
        rows = QtWidgets.QFormLayout()
        rows.setFieldGrowthPolicy(rows.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("means of", self.column)
        rows.addRow("in", self.group)
        rows.addRow("", self.split)
        for box in (self.group, self.column):
            box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        looking = LookLine(PANELS["means"])
        panel_layout(self, self.draw, rows, self.message, self.table, looking, row(self.save))
        self.save.setEnabled(False)
        self.say(DRAW)


def _words(rows: pd.DataFrame) -> str:
    """Means of one region: of a vector length and direction, of classes every share, else the mean."""
    vector = rows[rows["column"].str.contains(" of the mean ")]
    said = []
    for _, each in (vector if len(vector) else rows).iterrows():
        name = str(each["column"])
        title = f"{name.split('=')[1].strip()}: " if is_class(name.split(" = ")[0]) else ""
        said.append(title + _number(float(each["mean"]), float(each["standard_error"]), str(each["unit"])))
    return "<br>".join(said)


def _number(mean: float, error: float, unit: str) -> str:
    """A mean with its standard error in the units people read: degrees, and pm."""
    factor, unit = {"rad": (180 / np.pi, "°"), "nm": (1000.0, " pm")}.get(unit, (1.0, unit and f" {unit}"))
    mean, error = factor * mean, factor * error
    if not np.isfinite(error):
        return f"{mean:.4g}{unit}".replace("-", "\N{MINUS SIGN}")
    digits = min(max(0, 1 - int(np.floor(np.log10(error)))), 5) if error > 0 else 3
    return f"{mean:.{digits}f} ± {error:.{digits}f}{unit}".replace("-", "\N{MINUS SIGN}")
