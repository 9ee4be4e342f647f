"""What Run all runs: it asks before a network is replaced that could still be used."""

from __future__ import annotations

from qtpy import QtWidgets

from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.trainings import stopped_early
from local_crystallography._napari.widgets.dialogs import choose
from local_crystallography.steps.base import Step
from local_crystallography.steps.training import Training

ENCODE, KEEP, ANEW = "Encode with the present network", "Keep the network", "Train anew"
EDITED = (
    "The atoms were edited after the network was trained. It can encode the edited atoms as it is, or a new one can be "
    "trained; then latents and classes of all atoms change. Undo brings the present ones back."
)
STOPPED = (
    "The training of this session was stopped early. The analysis can go on with its best network, or train a new one."
)


def steps_to_run(parent: QtWidgets.QWidget, controller: Controller, wanted: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of Run all: all, or those without a training whose network is kept; none if cancelled."""
    session = controller.active
    if session is None:
        return wanted
    edited, stopped = _edited(session, wanted), _stopped(controller, session, wanted)
    if not edited and not stopped:
        return wanted
    keep = ENCODE if edited else KEEP
    choice = choose(parent, "Run all", EDITED if edited else STOPPED, (keep, ANEW))
    kept = edited | stopped
    return {keep: tuple(step for step in wanted if step.name() not in kept), ANEW: wanted}.get(choice, ())


def _edited(session: ImageSession, wanted: tuple[Step, ...]) -> set[str]:
    """Trainings from before an edit that would run again, though with the same settings as all that lead to them."""
    behind = session.analysis.behind
    before = {step.name() for step in wanted if step.name() in behind and behind[step.name()] == step}
    found = set()
    for step in wanted:
        if isinstance(step, Training) and step.name() in before:
            found.add(step.name())
        elif step.name() in behind and step.name() not in before:
            break  # from here on with other settings, which need another network
    return found


def _stopped(controller: Controller, session: ImageSession, wanted: tuple[Step, ...]) -> set[str]:
    """Trainings that were stopped early and cannot be resumed, as in a saved session."""
    names = (step.name() for step in wanted if isinstance(step, Training))
    analysis = session.analysis
    return {name for name in names if stopped_early(analysis, name) and not controller.paused.resumes(session, name)}
