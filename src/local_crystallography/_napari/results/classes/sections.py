"""Sections on all classes: tables with titles and explanations."""

from __future__ import annotations

from qtpy import QtWidgets

from local_crystallography._napari.results.classes.grid import ColourGrid
from local_crystallography._napari.results.classes.tables import (
    Names,
    Table,
    neighbours_table,
    numbers_table,
    pairs_table,
    symmetry_table,
)
from local_crystallography.studies.classes import ClassReport

MEAN, DECODED = "mean sub-images", "decoded images"
TIPS = {
    MEAN: "Averaged from the image as cut, with errors; motifs that lie turned against each other blur it",
    DECODED: "What the network decodes at the mean latents: the motif in the pose of the network, without noise",
}
TITLES = {"numbers": "In numbers", "neighbours": "Neighbours", "symmetry": "Symmetry", "turned": "Alike when turned"}
TITLES |= {"mirrored": "Alike when mirrored"}
NOTES = {
    "numbers": "Mean ± spread (standard deviation) within the class.",
    "neighbours": "Of the nearest neighbours of the class of a row, the share that is of the class of the column.",
    "symmetry": "Each picture against itself turned or mirrored: 1 is perfect, 0 none; ± one standard error.",
    "turned": "Class of the row against that of the column, at the best of all turns.",
    "mirrored": "The same with a mirror. Higher than without: mirror images of each other. Diagonal: own best mirror.",
}
EXPLAINED = {
    "numbers": "Point at a cell to read all its digits.",
    "neighbours": "Neighbours are all atoms up to the first gap in distance. The last row is what chance would give.",
    "symmetry": "Correlation within the inscribed disc, mean removed. Turned by 360° / n; 2-fold is the "
    "centrosymmetry. The ceiling is what a perfectly symmetric picture with this noise would score. Errors come from "
    "random halves of the class.",
    "turned": "Correlation within the inscribed disc. The gain expected by chance from searching for the best "
    "rotation is subtracted.",
    "mirrored": "Two classes are a mirror pair where this is near 1 and clearly above Alike when turned; classes with "
    "a mirror of their own score alike in both.",
}


class Sections(QtWidgets.QWidget):  # type: ignore[misc]
    """Tables one below the other; those of scores are of the mean sub-images or of the decoded ones."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.grids = {name: ColourGrid() for name in TITLES}
        self.parts: dict[str, QtWidgets.QWidget] = {}
        self.pictures = QtWidgets.QComboBox()
        self._shown: tuple[ClassReport, Names] | None = None
        self._lay_out()
        self.pictures.currentIndexChanged.connect(lambda _: self._fill())

    def show_report(self, report: ClassReport, names: Names) -> None:
        """Show what a report says, with the names and colours of its classes."""
        self._shown = report, names
        decoded = report.decoded_pairs is not None
        self.pictures.setVisible(decoded)
        if not decoded:
            self.pictures.setCurrentText(MEAN)
        self._fill()

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        for grid in self.grids.values():
            grid.set_theme(dark)

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.pictures.addItems((MEAN, DECODED))
        self.pictures.setToolTip("<qt>Which pictures are scored. " + "; ".join(TIPS.values()) + ".</qt>")
        for name, grid in self.grids.items():
            part = self.parts[name] = QtWidgets.QWidget()
            inside, head = QtWidgets.QVBoxLayout(part), QtWidgets.QHBoxLayout()
            inside.setContentsMargins(0, 0, 0, 0)
            inside.setSpacing(2)
            title = QtWidgets.QLabel(f"<b>{TITLES[name]}</b>")
            note = QtWidgets.QLabel(f'<span style="color: gray">{NOTES[name]}</span>', wordWrap=True)
            for label in (title, note):
                label.setToolTip(f"<qt>{EXPLAINED[name]}</qt>")
            head.addWidget(title, stretch=1)
            if name == "symmetry":
                head.addWidget(self.pictures)
            inside.addLayout(head)
            inside.addWidget(grid)
            inside.addWidget(note)
            layout.addWidget(part)

    def _fill(self) -> None:
        if self._shown is None:
            return
        for name, table in self._tables(*self._shown).items():
            self.parts[name].setVisible(table is not None)
            if table is not None:
                self.grids[name].show_cells(*table)

    def _tables(self, report: ClassReport, names: Names) -> dict[str, Table | None]:
        decoded = self.pictures.currentText() == DECODED and report.decoded_pairs is not None
        several = len(report.classes) > 1
        return {
            "numbers": numbers_table(report, names),
            "neighbours": neighbours_table(report, names) if several else None,
            "symmetry": symmetry_table(report, names, of_decoded=decoded),
            "turned": pairs_table(report, names, mirrored=False, of_decoded=decoded) if several else None,
            "mirrored": pairs_table(report, names, mirrored=True, of_decoded=decoded) if several else None,
        }
