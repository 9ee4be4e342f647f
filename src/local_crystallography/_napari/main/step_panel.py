"""One step of the recipe: its form, its Run button and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy import QtCore, QtGui, QtWidgets
from superqt import QCollapsible

from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.widgets.form import StepForm
from local_crystallography._napari.widgets.help import HelpButton
from local_crystallography.analysis import MISSING, STEPS, Analysis
from local_crystallography.bayes.decision import Decision
from local_crystallography.clustering.doubts import Doubt
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import as_found
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step
from local_crystallography.steps.refine_atoms import counted
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.training import Training

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


DECIDED = (Decision.SYMMETRIC, Decision.BROKEN, Decision.UNDECIDED)
SURE = 0.01
"""Shear from which it is spoken of."""
RUN = "Ctrl+Return"
"""Runs the step of the panel that has the keyboard."""


class StepPanel(QCollapsible):  # type: ignore[misc]
    """A step that can be unfolded to its parameters."""

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
        # or the Tab key would go through what is folded away
        self.content().setVisible(False)
        self.toggled.connect(self.content().setVisible)
        shortcut = QtGui.QShortcut(QtGui.QKeySequence(RUN), self)
        shortcut.setContext(QtCore.Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.button.click)

    def set_status(self, text: str) -> None:
        """Say how the step stands."""
        self.status.setText(text)
        self.status.setToolTip(f"<qt>{text}</qt>")

    def _lay_out(self) -> None:
        layout, head, policy = self.layout(), QtWidgets.QHBoxLayout(), QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Preferred, policy.Preferred)
        layout.setAlignment(QtCore.Qt.AlignmentFlag(0))  # else a status of several lines would be cut
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
    """How a step stands with the settings of its form, and what is known to be said about the scan correction."""
    if session is None:
        return MISSING["image"]
    name, analysis = step.name(), session.analysis
    said = remarks(analysis, name, on_scan)
    if name in session.errors:
        return f"⚠ {session.errors[name]}"
    if name == "find_atoms" and session.edited:
        return f"✓ {summary(analysis, name)}, edited by hand"
    if name in session.replaced and session.sources:
        return "not needed: " + " and ".join(f"{kind} from {layer.name}" for kind, layer in session.sources.items())
    if name == "segment" and session.mask.changed and name in analysis.used:
        return "the mask has changed: run again"
    if name == "refine_atoms" and analysis.doubt and (analysis.is_current(step) or name not in analysis.asked):
        return f"⚠ {analysis.doubt}\n{summary(analysis, name)}"
    if name in analysis.asked:
        return f"✓ {summary(analysis, name)}{said}" if analysis.is_current(step) else "out of date: run again"
    if name in analysis.used:
        return f"stopped early: {summary(analysis, name)}{said}"
    status = session.missing(step) or "ready"
    return f"optional, not part of Run all · {status}" if step.optional else status


def summary(analysis: Analysis, name: str) -> str:
    """What a finished step gave, in a few words."""
    atoms = analysis.atoms
    text = _result(analysis, name, atoms)
    seconds = analysis.seconds.get(name)
    return text if seconds is None else f"{text} · {seconds:.1f} s"


def remarks(analysis: Analysis, name: str, on_scan: Sequence[str]) -> str:
    """What a user should know about a step that is done, a line each."""
    vae = _network(analysis, name)
    said = list(on_scan) if name == "correct_scan" else [] if vae is None else vae.remarks
    said += [doubt.says for doubt in analysis.doubts if said_of(doubt) == name]
    return "".join(f"\n⚠ {remark}" for remark in said)


def said_of(doubt: Doubt) -> str:
    """The step in whose panel a doubt stands: that of the first column it is about."""
    if doubt.columns[0] == "label":
        return "cluster"
    return "train_vae" if doubt.columns[0].startswith("z") else "encode"


def _network(analysis: Analysis, name: str) -> Vae | None:
    """What a training gave; None for other steps, and where there is none."""
    vae: Vae | None = getattr(analysis, STEPS[name].makes) if issubclass(STEPS[name], Training) else None
    return vae


def _left_out(analysis: Analysis) -> str:
    """How many atoms were left out, and why."""
    left = analysis.left_out
    if left is None or not len(left):
        return "left out none"
    return f"left out {len(left):,} ({counted(left.features['left_out'].to_numpy(str))})"


def _result(analysis: Analysis, name: str, atoms: Atoms | None) -> str:
    if isinstance(segment := analysis.used.get(name), Segment):
        told = "" if analysis.probability is None else analysis.probability.told
        return f"{segment.scale} · {told}" if told else segment.scale
    if name == "extract_sub_images" and analysis.sub_images is not None:
        return f"{len(analysis.sub_images):,} windows of {analysis.sub_images.window_size} px"
    if (vae := _network(analysis, name)) is not None:
        shear = float(np.hypot(*vae.settings.shear))
        undone = f", {shear:.1%} shear of the scan undone" if shear > SURE else ""
        return f"held-out loss {vae.settings.held_out_loss:.3f}{undone}"
    if name == "paint_map" and analysis.maps is not None:
        return f"{len(analysis.maps)} maps"
    if atoms is None:
        return "done"
    if name == "describe" and (columns := analysis.columns.get(name)):
        return f"{int(atoms.features[columns[-1]].notna().sum()):,} atoms described"
    if name == "find_atoms" and "refine_atoms" not in analysis.used:
        return f"{len(atoms):,} atoms"
    if name == "refine_atoms" and "y_std_px" in atoms.features:
        precision = atoms.features[["y_std_px", "x_std_px"]].median().mean()
        return f"kept {len(atoms):,}, {_left_out(analysis)}, to {precision:.2f} px"
    if name == "correct_scan" and "x_corrected_px" in atoms.features:
        moved = as_found(atoms).yx[:, 1] - atoms.features["x_corrected_px"].to_numpy(float)
        return f"moved along x by {np.nanstd(moved):.2f} px rms"
    if name == "measure_lattice" and "sublattice" in atoms.features:
        return f"{atoms.features['grain'].max() + 1} grains, {atoms.features['sublattice'].max() + 1} sublattices"
    if name == "decide_symmetry" and "alternation_decision" in atoms.features:
        shares = atoms.features["alternation_decision"].value_counts(normalize=True)
        return ", ".join(f"{shares.get(int(each), 0):.0%} {each.words}" for each in DECIDED)
    if (latent := {"encode": "z0", "encode_cvae": "c0"}.get(name)) in atoms.features:
        return f"{int(atoms.features[latent].notna().sum()):,} atoms encoded"
    if name == "cluster" and "label" in atoms.features:
        labels = atoms.features["label"]  # classes keep their numbers when others are merged
        return f"{labels[labels >= 0].nunique()} classes"
    return "done"
