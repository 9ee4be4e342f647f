"""Panel of one step of the recipe: its form, its Run button and its status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qtpy import QtCore, QtGui, QtWidgets
from superqt import QCollapsible

from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.form import StepForm
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography.analysis import MISSING, STEPS, Analysis
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.data.atoms import Atoms
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.steps.training import Training

RUN = "Ctrl+Return"
"""Runs the step whose panel has the keyboard."""
OUTDATED = "out of date: the image has changed"
BEHIND, NETWORK_BEHIND = "out of date: the atoms were edited", "trained before the atoms were edited; can still be used"


class StepPanel(QCollapsible):  # type: ignore[misc]
    """A step that unfolds to show its parameters."""

    run = QtCore.Signal()
    changed = QtCore.Signal()

    def __init__(self, step: Step, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(step.title(), parent, expandedIcon="▾", collapsedIcon="▸")
        self.name = step.name()
        self.form = StepForm(step)
        self.help = HelpButton(step.title())
        self.button = QtWidgets.QPushButton("Run")
        self.status = QtWidgets.QLabel(wordWrap=True)
        self.addWidget(self.form)
        self._lay_out()
        description = Recipe.model_fields[self.name].description or ""
        self.toggleButton().setToolTip(f"<qt>{description}</qt>")
        self.button.setToolTip(f"<qt>{description} ({RUN})</qt>")
        self.button.clicked.connect(lambda: self.run.emit())
        self.form.changed.connect(self.changed)
        # otherwise the Tab key would visit the folded controls
        self.content().setVisible(False)
        self.toggled.connect(self.content().setVisible)
        shortcut = QtGui.QShortcut(QtGui.QKeySequence(RUN), self)
        shortcut.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.button.click)

    def set_status(self, text: str) -> None:
        """Show the status of the step."""
        self.status.setText(text)
        self.status.setToolTip(f"<qt>{text}</qt>")

    def _lay_out(self) -> None:
        layout, head, policy = self.layout(), QtWidgets.QHBoxLayout(), QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Preferred, policy.Preferred)
        layout.setAlignment(QtCore.Qt.AlignmentFlag(0))  # otherwise a status of several lines would be cut off
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        self.content().layout().setContentsMargins(14, 2, 0, 4)
        self.content().layout().setSpacing(3)
        self.button.setFixedWidth(52)
        layout.removeWidget(self.toggleButton())
        head.addWidget(self.toggleButton(), stretch=1)
        head.addWidget(self.help)
        head.addWidget(self.button)
        layout.insertLayout(0, head)
        self.status.setIndent(20)
        layout.insertWidget(1, self.status)


def standing(session: ImageSession | None, step: Step, on_scan: Sequence[str] = ()) -> str:
    """Status of a step with the settings of its form, including remarks on the scan correction."""
    if session is None:
        return MISSING["image"]
    name, analysis = step.name(), session.analysis
    lines = remarks(analysis, name, on_scan)
    if name in session.errors:
        return f"⚠ {session.errors[name]}"
    if name == FindAtoms.name() and session.edited and analysis.atoms is not None:
        return f"✓ {len(analysis.atoms):,} atoms, edited by hand"
    if name in session.replaced and session.sources:
        return "not needed: " + " and ".join(f"{kind} from {layer.name}" for kind, layer in session.sources.items())
    if session.outdated and (name in analysis.asked or name in analysis.used):
        return OUTDATED
    if name == Segment.name() and session.mask.changed and name in analysis.used:
        return "the mask has changed: run again"
    if name == RefineAtoms.name() and analysis.doubt and (analysis.is_current(step) or name not in analysis.asked):
        return f"⚠ {analysis.doubt}\n{summary(analysis, name)}"
    if name in analysis.behind:
        return NETWORK_BEHIND if isinstance(step, Training) else BEHIND
    if name in analysis.edited and analysis.is_current(step):
        return f"✓ {summary(analysis, name)}{lines}\ntrained before the atoms were edited"
    if name in analysis.asked:
        return f"✓ {summary(analysis, name)}{lines}" if analysis.is_current(step) else "out of date: run again"
    if name in analysis.used:
        return f"stopped early: {summary(analysis, name)}{lines}"
    status = session.missing(step) or "ready"
    return f"optional, not part of Run all · {status}" if step.optional else status


def summary(analysis: Analysis, name: str) -> str:
    """The result of a finished step in a few words."""
    text = _of_result(analysis, name)
    seconds = analysis.seconds.get(name)
    return text if seconds is None else f"{text} · {seconds:.1f} s"


def _of_result(analysis: Analysis, name: str) -> str:
    step, result = analysis.used.get(name), getattr(analysis, STEPS[name].makes)
    if step is None or result is None:
        return "done"
    if isinstance(result, Atoms):
        moved = not step.adds_columns() and any(other.moves for other in analysis.used.values())
        if moved or _in_part(analysis, name, result):
            return "done"
        result = replace(result, left_out=analysis.left_out)
    return step.summary(result)


def _in_part(analysis: Analysis, name: str, result: Any) -> bool:
    """Whether columns of a step are there no more."""
    columns = analysis.columns.get(name, [])
    return isinstance(result, Atoms) and any(column not in result.features for column in columns)


def remarks(analysis: Analysis, name: str, on_scan: Sequence[str]) -> str:
    """Warnings about the result of a step, one per line."""
    step, result = analysis.used.get(name), getattr(analysis, STEPS[name].makes)
    lines = [] if step is None or result is None or _in_part(analysis, name, result) else step.remarks(result)
    lines += on_scan if name == CorrectScan.name() else []
    lines += [doubt.says for doubt in analysis.doubts if step_of(doubt) == name]
    return "".join(f"\n⚠ {remark}" for remark in lines)


def step_of(doubt: Doubt) -> str:
    """The step whose panel shows a doubt: the one that adds its first column, or the training for latents."""
    column = doubt.columns[0]
    return TrainVae.name() if column.startswith("z") else columns().owner(column) or ""
