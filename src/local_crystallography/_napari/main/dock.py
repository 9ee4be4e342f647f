"""Main dock: the steps as panels in order, from an image to its maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari.layers import Image as ImageLayer
from napari.layers import Points as PointsLayer
from napari.utils.notifications import show_warning
from napari.utils.theme import get_theme
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.explorer.explorer import LatentExplorer
from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.camera import scale_bar_of
from local_crystallography._napari.main.candidates import CandidateView
from local_crystallography._napari.main.class_count import ClassCount
from local_crystallography._napari.main.curve import CurveTools
from local_crystallography._napari.main.layer_tools import LeftOutTools, MaskTools
from local_crystallography._napari.main.layout import FIGURE, OPEN, REPORT, SAVE, TIPS, DockState, Hint, arrange
from local_crystallography._napari.main.news import UP_TO_DATE, News
from local_crystallography._napari.main.pixel_size import PixelSizeBox
from local_crystallography._napari.main.region import RegionBox
from local_crystallography._napari.main.run_all import steps_to_run
from local_crystallography._napari.main.scan import ScanTools
from local_crystallography._napari.main.script_menu import ScriptMenu
from local_crystallography._napari.main.side_docks import (
    COMPONENTS,
    EXPLORER,
    MAIN,
    MANIFOLD,
    MEASURE,
    SYMMETRY,
    SideDocks,
)
from local_crystallography._napari.main.step_panel import StepPanel, standing
from local_crystallography._napari.reader import sample_layers
from local_crystallography._napari.session.controller import Controller
from local_crystallography._napari.session.image_session import ImageSession
from local_crystallography._napari.session.shown_map import ShownMap
from local_crystallography._napari.session.worker import Report
from local_crystallography._napari.widgets.boxes import LayerBox, ShowBox
from local_crystallography._napari.widgets.dialogs import ask_paper, ask_to_save
from local_crystallography._napari.widgets.help import LookLine
from local_crystallography._napari.widgets.timers import later
from local_crystallography._napari.widgets.training import TrainingWatch
from local_crystallography.data.columns import is_class
from local_crystallography.recipe import Recipe
from local_crystallography.report.html import write_report
from local_crystallography.report.paper import PaperFigure
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.refine_atoms import RefineAtoms
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.steps.training import Training
from local_crystallography.views.looking import of_map

if TYPE_CHECKING:
    import napari.viewer


SAMPLE_NAME = "quick"


class MainDock(QtWidgets.QWidget):  # type: ignore[misc]
    """Runs the steps on an image layer and shows their results as layers."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.controller = Controller(napari_viewer, self)
        self.image_box = LayerBox(napari_viewer, ImageLayer)
        self.source_boxes = {
            "probability": LayerBox(napari_viewer, ImageLayer, first="result of Segment"),
            "atoms": LayerBox(napari_viewer, PointsLayer, first="result of Find atoms"),
        }
        self.mask = MaskTools(self.controller)
        self.pixel_size = PixelSizeBox(self.controller)
        self.hint = Hint()
        self.show_box, self.look = ShowBox(), LookLine()
        self.shown_map = ShownMap(self.controller, self)
        self.run_all = QtWidgets.QPushButton("Run all")
        self.scroll = QtWidgets.QScrollArea()
        self.panels = {step.name(): StepPanel(step) for step in Recipe().steps}
        trainings = [step.name() for step in Recipe().steps if isinstance(step, Training)]
        self.watches = {name: TrainingWatch(name) for name in trainings}
        self.scan = ScanTools(self.controller)
        self.curve = CurveTools(self.controller, lambda: cast(Cluster, self.panels[Cluster.name()].form.step()))
        self.candidates = CandidateView(self.controller, self.panels[Segment.name()].form)
        self.left_out = LeftOutTools(self.controller)
        self.buttons = {name: QtWidgets.QPushButton(name) for name in TIPS}
        self.class_count = ClassCount(self.controller, self.panels, self)
        self.docks = SideDocks(self.controller, self)
        self.news = News(self.controller, self.docks.actions.commands)
        self.script = ScriptMenu(self.controller, self._say)
        self._docked = self._scaled = False
        self._deciding = False
        self.region_boxes = [box for panel in self.panels.values() for box in panel.findChildren(RegionBox)]
        for box in self.region_boxes:
            box.follow(napari_viewer, lambda: self.image_box.layer)
        arrange(self)
        self.state = DockState(self)
        self._connect()
        self._on_theme_changed()
        self.controller.choose(self.image_box.layer)

    @property
    def session(self) -> ImageSession | None:
        """The session of the active image."""
        return self.controller.active

    @property
    def recipe(self) -> Recipe:
        """The recipe as set in the panels."""
        return Recipe(**{name: panel.form.step() for name, panel in self.panels.items()})

    @property
    def explorer(self) -> LatentExplorer | None:
        """The latent explorer, if it is open."""
        return self.docks.explorer

    def sizeHint(self) -> QtCore.QSize:
        """Narrow, so that canvas and docks fit on a screen of 1280 x 800."""
        return QtCore.QSize(312, 700)

    def _connect(self) -> None:
        controller = self.controller
        self.image_box.chosen.connect(controller.choose)
        self.show_box.chosen.connect(self._on_show_chosen)
        self.run_all.clicked.connect(self._on_run_all_clicked)
        self.candidates.chosen.connect(self._on_candidate_chosen)
        self.news.failed.connect(self._on_failed)
        self.viewer.layers.events.inserted.connect(self._on_layer_inserted)
        self.hint.tried.connect(self._on_sample_tried)
        for watch in self.watches.values():
            watch.stop.clicked.connect(lambda: controller.stop(everything=False))
            watch.going_on.connect(controller.resume)
        for name, box in self.source_boxes.items():
            box.chosen.connect(partial(controller.choose_source, name))
        for panel in self.panels.values():
            panel.run.connect(partial(self._on_run_clicked, panel))
            panel.changed.connect(self._refresh)
        self.buttons[SAVE].clicked.connect(self._on_save_clicked)
        self.buttons[OPEN].clicked.connect(self._on_open_clicked)
        self.buttons[REPORT].clicked.connect(self._on_report_clicked)
        self.buttons[FIGURE].clicked.connect(self._on_figure_clicked)
        self.buttons[EXPLORER].clicked.connect(self.docks.show_explorer)
        self.buttons[MANIFOLD].clicked.connect(self.docks.show_manifold)
        self.buttons[SYMMETRY].clicked.connect(self.docks.show_symmetry)
        self.buttons[COMPONENTS].clicked.connect(self.docks.show_components)
        self.buttons[MEASURE].clicked.connect(self.docks.show_measure)
        controller.changed.connect(self._on_controller_changed)
        controller.reported.connect(self._on_reported)
        controller.opened.connect(self._on_opened)
        controller.failed.connect(show_warning)
        self.viewer.events.theme.connect(self._on_theme_changed)
        runner = controller.runner
        self.destroyed.connect(lambda: runner.halt())

    def _on_run_all_clicked(self) -> None:
        if self.controller.running:
            self.controller.stop(everything=True)
            return
        self.controller.take_edits()
        wanted, analysis = self.recipe.wanted(), self.controller.analysis
        if analysis is not None and all(map(analysis.is_current, wanted)):
            self.news.said = UP_TO_DATE
        if steps := steps_to_run(self, self.controller, wanted):
            self.controller.run(steps, again=False)

    def _on_candidate_chosen(self) -> None:
        """Find atoms with other columns at once; Undo brings the earlier ones back, with all that was made of them."""
        names = (Segment.name(), FindAtoms.name(), RefineAtoms.name())
        if (recipe := self.controller.attempt(lambda: self.recipe)) is not None:
            self.controller.run(recipe.wanted(names), again=True, title="Other columns")

    def _on_sample_tried(self) -> None:
        """Open the sample, unless it is open already, and run all steps."""
        if self.controller.running:
            return
        if SAMPLE_NAME not in self.viewer.layers:
            data, arguments, _ = sample_layers(SAMPLE_NAME)[0]
            self.viewer.add_image(data, **arguments)
        layer = self.viewer.layers[SAMPLE_NAME]
        self.image_box.choose(layer)
        self.controller.choose(layer)
        self._on_run_all_clicked()

    def _on_run_clicked(self, panel: StepPanel) -> None:
        self.controller.run((panel.form.step(),), again=True)
        self._deciding = self.controller.running and panel.name == DecideSymmetry.name()

    def _show_decision(self) -> None:
        """Show the first decision once it has been made by its own button."""
        analysis = self.controller.analysis
        if self._deciding and not self.controller.running:
            self._deciding = False
            made = [] if analysis is None else analysis.columns.get(DecideSymmetry.name(), [])
            if not self.news.said.startswith("⚠") and (decisions := [name for name in made if is_class(name)]):
                self.show_box.choose(decisions[0])

    def _show_scale(self) -> None:
        """Show the scale bar with the first result in nm; from then on it is the user's."""
        analysis = self.controller.analysis
        calibrated = analysis is not None and analysis.atoms is not None and analysis.atoms.pixel_size is not None
        if calibrated and not self._scaled and (bar := scale_bar_of(self.viewer)) is not None:
            bar.visible = self._scaled = True

    def _on_save_clicked(self) -> None:
        settings = self.state.settings
        if self.session is not None and (folder := ask_folder_to_save(self, self.session.layer.name, settings.folder)):
            settings.folder = folder.parent
            self.controller.save(folder)

    def _say(self, words: str) -> None:
        """Show in the news what was done."""
        self.news.said = words
        self.news.refresh()

    def _on_report_clicked(self) -> None:
        session = self.session
        if session is not None and (path := ask_to_save(self, "Save report", f"{session.layer.name}.html", ("html",))):
            self.controller.compute("Drawing the report …", partial(_reported, session, path))

    def _on_figure_clicked(self) -> None:
        if self.session is not None and (chosen := ask_paper(self, f"{self.session.layer.name}.pdf")):
            path, style = chosen
            figure = shown_figure(self.session, self.show_box.column, style)
            self.controller.compute("Drawing the figure …", partial(_drawn, self.session, path, figure, self._say))

    def _on_open_clicked(self) -> None:
        if folder := ask_folder_to_open(self, self.state.settings.folder):
            self.state.settings.folder = folder.parent
            self.controller.open(folder)

    def _on_opened(self, session: ImageSession) -> None:
        for box in self.source_boxes.values():
            box.refresh()
        self.image_box.choose(session.layer)
        for name, step in session.analysis.asked.items():
            self.panels[name].form.set(step)

    def _on_show_chosen(self, column: str) -> None:
        if self.session is not None:
            self.session.results.set_colour(column)
            self.shown_map.show(column)

    def _on_reported(self, report: Report) -> None:
        progress, busy = report.progress, self.controller.busy
        here = busy is self.session
        if report.step in self.watches and busy is not None:
            self.watches[report.step].add(progress, busy.key, shown=here)
            if here and progress.epochs and not progress.fraction:
                # its progress bars appear only after the layout
                later(self.scroll, 50, partial(self.scroll.ensureWidgetVisible, self.watches[report.step]))
        self.news.report(report)
        if here and report.step in self.panels:
            self.panels[report.step].set_status(progress.message)

    def _on_controller_changed(self) -> None:
        session, atoms = self.session, self.controller.atoms
        default = "" if session is None else session.results.default_colour
        colour = self.show_box.offer(None if atoms is None else atoms.features, default)
        self.look.say(of_map(colour))
        self.show_box.warn(() if session is None else session.analysis.doubts)
        for name, box in self.source_boxes.items():
            box.show_chosen(None if session is None else session.sources.get(name))
        if session is not None:
            session.results.set_colour(colour)
        self._refresh()
        self._show_scale()
        self._show_decision()

    def _refresh(self) -> None:
        running, session = self.controller.running, self.session
        stopping = running and bool(self.controller.runner.stop.everything.is_set())
        self.run_all.setText("Cancelling …" if stopping else "Cancel" if running else "Run all")
        wrong = not running and any(panel.form.problem() for panel in self.panels.values())
        self.run_all.setEnabled(session is not None and not stopping and not wrong)
        self.news.refresh()
        for watch in self.watches.values():
            watch.refresh(self.controller)
        for name in (SAVE, OPEN, REPORT, FIGURE):
            self.buttons[name].setEnabled(not running and (name == OPEN or session is not None))
        self.script.setEnabled(not running and session is not None)
        for tools in (self.pixel_size, self.scan, self.curve, self.mask, self.candidates, self.left_out):
            tools.refresh()
        for panel in self.panels.values():
            self._refresh_panel(panel, running, session)

    def _on_failed(self, step: str, words: str) -> None:
        """Say where one looks that a step failed, and bring its panel into view."""
        show_warning(words)
        later(self.scroll, 50, partial(self.scroll.ensureWidgetVisible, self.panels[step]))

    def _on_layer_inserted(self, event: Any) -> None:
        """Follow an image that was opened, unless a step is running; the layers of results are none."""
        layer = event.value
        opened = (
            isinstance(layer, ImageLayer) and not convert.is_result(layer) and "steps" not in convert.note_of(layer)
        )
        if opened and not self.controller.running:
            self.image_box.choose(layer)

    def _refresh_panel(self, panel: StepPanel, running: bool, session: ImageSession | None) -> None:
        problem = panel.form.problem()
        if not running or panel.name != self.controller.step or self.controller.busy is not session:
            panel.set_status(f"⚠ {problem}" if problem else standing(session, panel.form.step(), self.scan.remarks()))
        panel.form.show_used(None if session is None else session.analysis.used.get(panel.name))
        ready = session is not None and not problem and session.missing(panel.form.step()) is None
        panel.button.setEnabled(ready and not running)

    def event(self, event: Any) -> bool:
        """Detect that the dock was closed: napari removes the widget from it, but does not destroy it."""
        if event.type() == QtCore.QEvent.Type.ParentChange:
            was_docked, self._docked = self._docked, self.parent() is not None
            if self._docked:  # napari adds the name of the plugin, which is cut off
                later(self, 0, self._shorten_title)
            if was_docked and not self._docked:
                self._leave()
        return bool(super().event(event))

    def _shorten_title(self) -> None:
        bar = getattr(self.parent(), "titleBarWidget", lambda: None)()
        for label in [] if bar is None else bar.findChildren(QtWidgets.QLabel):
            label.setText(MAIN)

    def _leave(self) -> None:
        """Stop the job, show its results, and delete this widget."""
        self.viewer.events.theme.disconnect(self._on_theme_changed)
        self.viewer.layers.events.inserted.disconnect(self._on_layer_inserted)
        boxes = (self.image_box, *self.source_boxes.values(), *self.region_boxes)
        parts: tuple[Any, ...] = (*boxes, self.mask, self.left_out, self.docks, self.state, self.controller)
        for part in parts:
            part.leave()
        # the results of the job are shown first; the closure keeps this widget alive until then
        self.controller.queue.done.connect(lambda: self._go())
        self.controller.queue.add(self._go)

    def _go(self) -> None:
        if not self.controller.runner.running and not self.controller.queue.busy:
            self.deleteLater()

    def _on_theme_changed(self, event: Any = None) -> None:
        dark = get_theme(self.viewer.theme).type == "dark"
        for watch in self.watches.values():
            watch.plot.set_theme(dark)
        for tools in (self.scan, self.curve, self.candidates):
            tools.set_theme(dark)
        self.docks.set_theme(dark)


def _reported(session: ImageSession, path: Path) -> Callable[[], object]:
    """Write the report of an image; returns the call that opens it in the web browser."""
    url = QtCore.QUrl.fromLocalFile(str(write_report(session.analysis, path).resolve()))
    return lambda: QtGui.QDesktopServices.openUrl(url)


def shown_figure(session: ImageSession, column: str, style: PaperStyle) -> PaperFigure:
    """What is seen of an image as a figure: the map of a column, or the image with its atoms where they are shown."""
    layer, atoms = session.results.get(column), session.results.get("atoms")
    if column in (session.analysis.maps or {}) and layer is not None and layer.visible:
        return PaperFigure(of=f"map:{column}", **dict(style))
    colour = session.results.colour if atoms is not None and atoms.visible else "none"
    return PaperFigure(of="image", colour=colour or "none", **dict(style))


def _drawn(
    session: ImageSession, path: Path, figure: PaperFigure, say: Callable[[str], object]
) -> Callable[[], object]:
    """Write a figure; it remains to say so."""
    figure.save(session.analysis, path)
    return partial(say, f"Figure saved as {path}.")


def ask_folder_to_save(parent: Any, name: str, start: Path | None) -> Path | None:
    """The folder for saving a session, first suggested in `start`; None if cancelled."""
    path, _ = QtWidgets.QFileDialog.getSaveFileName(
        parent,
        "Save the session as a folder",
        name if start is None else str(start / name),
        options=QtWidgets.QFileDialog.Option.ShowDirsOnly,
    )
    return Path(path) if path else None


def ask_folder_to_open(parent: Any, start: Path | None) -> Path | None:
    """The folder of a session to open, first suggested in `start`; None if cancelled."""
    path = QtWidgets.QFileDialog.getExistingDirectory(parent, "Open the folder of a session", str(start or ""))
    return Path(path) if path else None
