"""One chain: where it comes from, how it is judged, and what is known of it after every unit cell."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy import QtCore, QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.latest_task import LatestTask
from local_crystallography._napari.symmetry.chain_plots import ChainPlots
from local_crystallography._napari.symmetry.chain_source import ChainSource
from local_crystallography._napari.symmetry.priors_box import PriorsBox
from local_crystallography._napari.symmetry.tables import calibration_table, reference_table
from local_crystallography._napari.widgets.dialogs import ask_figure
from local_crystallography._napari.widgets.form import ModelForm, folded, rows_layout
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.bayes.bonds import Chain
from local_crystallography.bayes.calibrate import Calibration, ChainTrials, calibrate_chain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.bayes.reference_models import Bonds, Positions
from local_crystallography.bayes.sampling import Reference, ReferencePosterior
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.progress import Job
from local_crystallography.views.chain_view import ChainView, looked_at, view_chain

SHOWN = ("difference", "rope_half_width")
FOLDED = ("hdi_prob", "kind", "prior_bonds", "prior_from", "hold_out", "first_cells")
PLAY, PAUSE = "Add cells", "Pause"
STEP_MS = 60
TIPS = {
    "cells": "How many unit cells are looked at",
    "play": "Add one unit cell after the other, and watch the posteriors narrow",
    "calibrate": "Simulate 1,000 chains like this one, for a true difference of 0, at the edge of the ROPE and as "
    "large as measured, and count how often the interval holds it and what is decided",
    "reference": "Draw from the same posterior with PyMC, in the background; the first time compiling takes a while",
    "figure": "Write the panels of Fig. 1 to a file",
}


class ChainPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """Controls above, plots below."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.source = ChainSource(controller)
        self.form, self.more = ModelForm(ChainModel(), names=SHOWN), ModelForm(ChainModel(), names=FOLDED)
        self.sampling = ModelForm(ReferencePosterior(), names=("sampler", "draws"))
        self.priors, self.plots = PriorsBox(), ChainPlots()
        self.cells = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.play = QtWidgets.QPushButton(PLAY)
        self.words, self.table = (QtWidgets.QLabel(wordWrap=True) for _ in range(2))
        self.buttons = {
            "calibrate": QtWidgets.QPushButton("Calibrate"),
            "reference": QtWidgets.QPushButton("PyMC"),
            "figure": QtWidgets.QPushButton("Figure …"),
        }
        self.view: ChainView | None = None
        self._latest, self._saving = LatestTask(self), LatestTask(self)
        self._timer = QtCore.QTimer(self, interval=STEP_MS)
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether a chain is being judged, or a figure written."""
        return self._latest.busy or self._saving.busy

    def model(self) -> ChainModel:
        """How the chain is judged, as the forms show it."""
        shown = {name: widget.get() for form in (self.form, self.more) for name, widget in form.fields.items()}
        return ChainModel(**shown, **self.priors.chosen())

    def refresh(self) -> None:
        """Judge the chain as it is chosen now."""
        problem = next(
            (said for part in (self.source, self.form, self.more, self.priors) if (said := part.problem())), ""
        )
        if problem:
            self._say(problem)
            return
        try:
            chain, unit = self.source.chain()
        except InputError as error:
            self._say(str(error))
            return
        model = self.model()
        self._latest.ask(partial(view_chain, chain, model, None, unit), self._on_judged, self._say)

    def set_theme(self, dark: bool) -> None:
        """Light on dark, or the other way round."""
        self.plots.set_theme(dark)

    def set_ready(self, ready: bool) -> None:
        """Whether a job can be started."""
        for name in ("calibrate", "reference"):
            self.buttons[name].setEnabled(ready and self.view is not None)

    def _lay_out(self) -> None:
        layout, run = QtWidgets.QVBoxLayout(self), QtWidgets.QHBoxLayout()
        layout.setContentsMargins(2, 4, 2, 2)
        layout.setSpacing(3)
        for part in (self.source, self.form):
            layout.addWidget(part)
        rest = rows_layout()
        rest.addRow(self.more)
        rest.addRow(self.priors)
        rest.addRow(self.sampling)
        layout.addWidget(folded(rest))
        run.addWidget(self.play)
        run.addWidget(self.cells, stretch=1)
        layout.addLayout(run)
        actions = QtWidgets.QHBoxLayout()
        for button in self.buttons.values():
            actions.addWidget(button)
        layout.addLayout(actions)
        for part in (self.words, self.table, self.plots):
            layout.addWidget(part)
        layout.addStretch()
        for name, widget in (
            ("cells", self.cells),
            ("play", self.play),
            *self.buttons.items(),
        ):
            widget.setToolTip(f"<qt>{TIPS[name]}</qt>")
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
        self.buttons["figure"].clicked.connect(self._on_figure_clicked)

    def _on_source_chosen(self) -> None:
        model = self.source.model()
        for form in (self.form, self.more):
            form.blockSignals(True)
            form.set(model)
            form.blockSignals(False)
        self.refresh()

    def _on_judged(self, view: ChainView) -> None:
        self.priors.show_used(view.result.priors)
        self.cells.blockSignals(True)
        self.cells.setRange(int(view.result.cells[0]), int(view.result.cells[-1]))
        self.cells.setValue(view.cells)
        self.cells.blockSignals(False)
        self.table.setVisible(False)
        self._show(view)

    def _show(self, view: ChainView) -> None:
        self.view = view
        self.plots.setVisible(True)
        self.plots.show_view(view)
        self.words.setText("\n".join(view.words()))
        self.set_ready(not self.controller.running)
        self.buttons["figure"].setEnabled(True)

    def _say(self, sentence: str) -> None:
        """Why there is nothing to see."""
        self.view = None
        self._timer.stop()
        self.words.setText(f"⚠ {sentence}")
        self.plots.setVisible(False)
        self.table.setVisible(False)
        for button in self.buttons.values():
            button.setEnabled(False)

    def _on_cells_changed(self, cells: int) -> None:
        if self.view is not None:
            self._latest.ask(partial(looked_at, self.view, cells), self._show, self._say)

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

    def _on_figure_clicked(self) -> None:
        if (view := self.view) is not None and (path := ask_figure(self, "chain.png")):
            self._saving.ask(partial(_write, path, view), lambda _: None, self.controller.failed.emit)


def _reference(view: ChainView, settings: ReferencePosterior) -> Job[Reference]:
    """Draws of all the parameters, or of those of the lattice of positions."""
    chain, held = view.chain, view.model.held_cells
    data = Chain(chain.positions[2 * held : 2 * (held + view.cells) + 1])
    if view.model.difference == "positions":
        return settings(Positions.of_chain(data.positions))
    return settings(Bonds.of_chain(data, view.result.priors))


def _write(path: Path, view: ChainView) -> None:
    from local_crystallography.report.symmetry import NO_UNIT, chain_figure, write_figure

    figure = chain_figure(view.chain, view.result, view.model, unit=view.unit or NO_UNIT)
    with writing(path):
        write_figure(figure, path)
