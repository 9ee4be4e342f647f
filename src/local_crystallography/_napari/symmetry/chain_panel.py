"""The panel of one chain: its source, the model, and the posteriors after every unit cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.symmetry.chain_form import ROW, ChainSource, PriorsBox
from local_crystallography._napari.symmetry.chain_plots import ChainPlots
from local_crystallography._napari.symmetry.tables import calibration_table, reference_table
from local_crystallography._napari.widgets.form import ModelForm, folded, rows_layout
from local_crystallography._napari.widgets.panels import ResultPanel, panel_layout, row
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.analysis import Analysis
from local_crystallography.bayes.bonds import Chain
from local_crystallography.bayes.calibrate import Calibration, ChainTrials, calibrate_chain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.bayes.reference_models import Bonds, Positions
from local_crystallography.bayes.sampling import Reference, ReferencePosterior
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.views.chain_view import ChainView, looked_at, view_chain

SHOWN = ("difference", "rope_half_width")
FOLDED = ("hdi_prob", "kind", "prior_bonds", "prior_from", "hold_out", "first_cells")
PLAY, PAUSE = "Add cells", "Pause"
STEP_MS = 60
TIPS = {
    "cells": "Number of unit cells used",
    "play": "Add one unit cell after another, and watch the posteriors narrow",
    "calibrate": "Simulate 1,000 chains like this one, for a true difference of 0, at the edge of the ROPE and as "
    "measured; count how often the interval contains it, and the decisions",
    "reference": "Draw from the same posterior with PyMC, in the background; compiling takes a while the first time",
    "figure": "Write the panels of Fig. 1 to a file",
}


@dataclass(frozen=True, eq=False)
class ChainRequest:
    """A chain, the unit of its bonds, and its model."""

    chain: Chain
    unit: str
    model: ChainModel

    def same(self, other: ChainRequest) -> bool:
        """Whether the other gives the same posteriors."""
        if (self.unit, self.model) != (other.unit, other.model):
            return False
        return np.array_equal(self.chain.positions, other.chain.positions)


class ChainPanel(ResultPanel):
    """Controls above, plots below."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(controller, parent)
        self.source = ChainSource(controller)
        self.form, self.more = ModelForm(ChainModel(), names=SHOWN), ModelForm(ChainModel(), names=FOLDED)
        self.sampling = ModelForm(ReferencePosterior(), names=("sampler", "draws"))
        self.priors, self.plots = PriorsBox(), ChainPlots()
        self.cells = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.play = QtWidgets.QPushButton(PLAY)
        self.words, self.table = self.message, QtWidgets.QLabel(wordWrap=True)
        self.buttons = {
            "calibrate": QtWidgets.QPushButton("Calibrate"),
            "reference": QtWidgets.QPushButton("PyMC"),
            "figure": QtWidgets.QPushButton("Figure …"),
        }
        self.view: ChainView | None = None
        self._followed: Atoms | None = None
        self._timer = QtCore.QTimer(self, interval=STEP_MS)
        self._lay_out()
        self._connect()
        self.refresh()

    def model(self) -> ChainModel:
        """The model as the forms show it."""
        shown = {name: widget.get() for form in (self.form, self.more) for name, widget in form.fields.items()}
        return ChainModel(**shown, **self.priors.chosen())

    def refresh(self) -> None:
        """Compute the posteriors of the chain as it is chosen now, also while hidden."""
        self.show_active()

    def follow(self) -> None:
        """Take rows from the atoms of the active image as they are now."""
        atoms, before = self.atoms, self._followed
        self._followed = atoms
        if self.source.follow(atoms):
            self._on_source_chosen()
        elif atoms is not before and self.source.kind.currentText() == ROW:
            self.refresh()

    def request(self, analysis: Analysis | None) -> ChainRequest | str:
        """The chain and its model as chosen."""
        problems = (part.problem() for part in (self.source, self.form, self.more, self.priors))
        if problem := next(filter(None, problems), ""):
            return problem
        try:
            return ChainRequest(*self.source.chain(), self.model())
        except InputError as error:
            return str(error)

    def begin(self, request: ChainRequest) -> None:
        """Compute the posteriors, and select the atoms of a row."""
        self.source.select()
        super().begin(request)

    @staticmethod
    def compute(request: ChainRequest, earlier: ChainView | None) -> ChainView:
        """The posteriors after every unit cell."""
        return view_chain(request.chain, request.model, None, request.unit)

    def show_result(self, result: ChainView) -> None:
        """Show a chain with all its unit cells."""
        self.priors.show_used(result.result.priors)
        self.cells.blockSignals(True)
        self.cells.setRange(int(result.result.cells[0]), int(result.result.cells[-1]))
        self.cells.setValue(result.cells)
        self.cells.blockSignals(False)
        self.table.setVisible(False)
        self._show(result)

    def say(self, words: str) -> None:
        """Say why there are no posteriors."""
        super().say(f"⚠ {words}")
        self.view = None
        self._timer.stop()
        self.plots.setVisible(False)
        self.table.setVisible(False)
        for button in self.buttons.values():
            button.setEnabled(False)

    def set_ready(self, ready: bool) -> None:
        """Whether a job can be started."""
        for name in ("calibrate", "reference"):
            self.buttons[name].setEnabled(ready and self.view is not None)

    def _lay_out(self) -> None:
        more = rows_layout()
        for form in (self.more, self.priors, self.sampling):
            more.addRow(form)
        for name, widget in (("cells", self.cells), ("play", self.play), *self.buttons.items()):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
        steps, actions = row(self.play, self.cells, stretch=self.cells), row(*self.buttons.values())
        layout = panel_layout(
            self, self.source, self.form, folded(more), steps, actions, self.words, self.table, self.plots
        )
        layout.setSpacing(3)
        self.table.setVisible(False)

    def _connect(self) -> None:
        self.source.chosen.connect(self._on_source_chosen)
        for part in (self.source, self.form, self.more, self.priors):
            part.changed.connect(self.refresh)
        self.cells.valueChanged.connect(self._on_cells_changed)
        self.play.clicked.connect(self._on_play_clicked)
        self._timer.timeout.connect(self._on_step)
        self.buttons["calibrate"].clicked.connect(self._on_calibrate_clicked)
        self.buttons["reference"].clicked.connect(self._on_reference_clicked)
        self.buttons["figure"].clicked.connect(lambda _: self.ask_figure("chain.png", self._save_figure))

    def _on_source_chosen(self) -> None:
        model = self.source.model()
        for form in (self.form, self.more):
            form.blockSignals(True)
            form.set(model)
            form.blockSignals(False)
        self.refresh()
        if self.requested is not None:
            self.source.select()  # also where the chain itself is not new

    def _show(self, view: ChainView) -> None:
        self.view = view
        self.plots.setVisible(True)
        self.plots.show_view(view)
        self.words.setText("\n".join(view.words()))
        self.set_ready(not self.controller.running)
        self.buttons["figure"].setEnabled(True)

    def _on_cells_changed(self, cells: int) -> None:
        if self.view is not None:
            self._latest.ask(partial(looked_at, self.view, cells), self._show, self.say)

    def _on_play_clicked(self) -> None:
        if self._timer.isActive():
            self._pause()
        elif self.view is not None:
            if self.cells.value() == self.cells.maximum():
                self.cells.setValue(self.cells.minimum())
            self.play.setText(PAUSE)
            self._timer.start()

    def _on_step(self) -> None:
        if self._latest.busy:
            return
        self.cells.setValue(self.cells.value() + 1)
        if self.cells.value() == self.cells.maximum():
            self._pause()

    def _pause(self) -> None:
        self._timer.stop()
        self.play.setText(PLAY)

    def _on_calibrate_clicked(self) -> None:
        if (view := self.view) is not None:
            trials = ChainTrials.like(view.chain, view.model, self.source.noise(view))
            self.controller.job(lambda: calibrate_chain(view.model, trials), while_there(self, self._on_calibrated))

    def _on_calibrated(self, calibration: Calibration) -> None:
        self.table.setText(calibration_table(calibration, "" if self.view is None else self.view.unit))
        self.table.setVisible(True)

    def _on_reference_clicked(self) -> None:
        if (view := self.view) is not None:
            drawn = while_there(self, partial(self._on_drawn, view))
            self.controller.job(partial(_reference, view, self.sampling.model()), drawn)

    def _on_drawn(self, view: ChainView, reference: Reference) -> None:
        self.table.setText(reference_table(view, reference))
        self.table.setVisible(True)
        if self.view is view:
            self.plots.show_reference(reference)

    def _save_figure(self, path: Path) -> None:
        if self.view is not None:
            self.save_file(path, partial(_write_figure, self.view))


def _reference(view: ChainView, settings: ReferencePosterior) -> Job[Reference]:
    """Draws of all parameters, or of those of the model on positions."""
    chain, held = view.chain, view.model.held_cells
    data = Chain(chain.positions[2 * held : 2 * (held + view.cells) + 1])
    if view.model.difference == "positions":
        return settings(Positions.of_chain(data.positions))
    return settings(Bonds.of_chain(data, view.result.priors))


def _write_figure(view: ChainView, path: Path) -> None:
    from local_crystallography.report.symmetry import NO_UNIT, chain_figure, write_figure

    figure = chain_figure(view.chain, view.result, view.model, unit=view.unit or NO_UNIT)
    write_figure(figure, path)
