"""The tab of windows: what is suggested, asked for and run, and what can be done with a run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analyses import copied
from napari.layers import Image, Labels
from qtpy import QtWidgets
from qtpy.compat import isalive

from local_crystallography import GaussianMixture
from local_crystallography._napari.results.windows import setup as windows_setup
from local_crystallography._napari.results.windows.panel import BROKEN, WORDS, WindowsPanel
from local_crystallography._napari.results.windows.pictures import pictures_of
from local_crystallography._napari.results.windows.results import AgreementTable, RunButton, RunTable
from local_crystallography._napari.results.windows.setup import NO_ATOMS, SHELTER
from local_crystallography._napari.widgets import panels
from local_crystallography._napari.widgets.form import StepForm
from local_crystallography._napari.widgets.timers import while_there
from local_crystallography.data.atoms import Atoms
from local_crystallography.io.window_runs import StudyRun, StudyTable
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.studies.windows import suggested_window
from local_crystallography.views.styles import ClassStyles

QUICK = Recipe(cluster=Cluster(by=GaussianMixture(classes=2, components=2, n_init=1)))


@pytest.fixture
def new_panel(controller, qtbot):
    """Makes panels that follow the controller, as those in a dock that is opened."""

    def new():
        panel = WindowsPanel(controller, lambda: panel.recipe_shown)
        panel.recipe_shown = QUICK
        controller.changed.connect(panel.refresh)
        panel.refresh()
        settle(panel, qtbot)
        return panel

    return new


@pytest.fixture
def panel(new_panel, qtbot):
    panel = new_panel()
    qtbot.addWidget(panel)
    return panel


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder that several tests fill and read."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def studied(panel, qtbot, runs):
    """Two runs, read from the folder but for the first time."""
    ask(panel, folder=str(runs))
    panel.button.click()
    settle(panel, qtbot)
    return panel


def ask(panel, folder="", windows=(20, 28), **more):
    """Ask for two short runs."""
    panel.setup.folder.setText(folder)
    for name, value in {"windows": windows, "epochs": 1, **more}.items():
        panel.setup.form.fields[name].set(value)


def settle(panel, qtbot, timeout=60_000):
    """Wait until nothing is being computed."""
    qtbot.wait(30)
    qtbot.waitUntil(lambda: not panel.busy and not panel.controller.running, timeout=timeout)
    qtbot.wait(30)


def test_the_window_of_these_atoms_is_suggested_with_others_to_compare(controller, panel):
    atoms = controller.active.analysis.atoms
    side = suggested_window(atoms)
    assert f"{side} px ({side * atoms.pixel_size:.2g} nm)" in panel.setup.words.text()
    listed = panel.setup.study().windows
    assert listed[1] == side
    assert (listed[0] / side, listed[2] / side) == pytest.approx((0.75, 1.5), abs=0.05)


def test_the_distances_are_drawn_in_nm(controller, panel):
    plot, found = panel.setup.plot, panel.setup.suggestion
    x, _ = plot.listDataItems()[0].getData()
    assert x.max() == pytest.approx(found.radius[-1] * controller.active.analysis.atoms.pixel_size)
    axis = plot.getAxis("bottom")
    assert (axis.labelText, axis.autoSIPrefixScale) == ("distance, nm", 1.0)
    panel.set_theme(False)
    assert axis.autoSIPrefixScale == 1.0


def test_a_list_written_by_hand_stays_until_the_suggestion_is_used(controller, panel, qtbot):
    offered = panel.setup.study().windows
    panel.setup.form.fields["windows"].set((30,))
    session = controller.active
    session.analysis.atoms = session.analysis.atoms[1:]
    controller.bring()
    settle(panel, qtbot)
    assert panel.setup.study().windows == (30,)
    panel.setup.use.click()
    assert panel.setup.study().windows == offered


def test_without_atoms_it_is_said(controller, panel, qtbot):
    controller.choose(None)
    settle(panel, qtbot)
    assert panel.setup.words.text() == NO_ATOMS
    assert not panel.button.isEnabled()
    assert panel.setup.plot.isHidden()


def test_what_cannot_be_asked_for_is_a_sentence(panel, qtbot, tmp_path):
    wrong = [
        ("windows", "20, wide", "'wide' is not valid for windows: enter a whole number."),
        ("windows", "4", "4 is not valid for windows: enter 8 or more."),
        ("windows", "1000000", "enter 512 or less."),
        ("windows", "", "has no windows"),
        ("windows", "20, 512", "A window of 512 pixels fits around none"),
        ("seeds", "-1", "is not valid for seeds"),
    ]
    for field, value, said in wrong:
        ask(panel, str(tmp_path), seeds=(0,))
        panel.setup.form.fields[field].setText(value)
        panel.button.click()
        settle(panel, qtbot)
        assert panel.message.text().startswith("⚠")
        assert said in panel.message.text()


@pytest.mark.slow
def test_runs_are_seen_in_tables_and_pictures(studied):
    results = studied.results
    assert [results.runs.item(row, 1).text() for row in range(2)] == ["20", "28"]
    assert set(results.pictures) == {"image-20-seed0", "image-28-seed0"}
    assert results.agreement.item(0, 0).text() == "1.00"
    assert results.agreement.item(0, 1).text() == results.agreement.item(1, 0).text()
    assert [results.runs.isColumnHidden(column) for column in range(5)] == [True, False, True, True, False]
    assert "2 of 2 runs are finished" in studied.message.text()
    assert not results.isHidden()


def test_a_folder_with_the_same_runs_is_gone_on_from(studied, qtbot, monkeypatch):
    def no_training(*_):
        raise AssertionError("a run that is done was done again")

    monkeypatch.setattr("local_crystallography.studies.windows.one_run", no_training)
    studied.button.click()
    settle(studied, qtbot)
    assert "2 of 2 runs are finished" in studied.message.text()


@pytest.mark.slow
def test_a_run_is_seen_while_the_next_one_trains_and_stays_when_that_is_cancelled(panel, qtbot, tmp_path):
    ask(panel, str(tmp_path), windows=(20, 28, 36))
    seen = []

    def look(report):
        if report.progress.message.startswith("image-28"):
            seen.append(len(panel.results.study.runs))
            if seen[-1] == 1:
                panel.controller.stop(everything=True)

    panel.controller.reported.connect(look)
    panel.button.click()
    settle(panel, qtbot)
    assert 1 in seen
    assert 1 <= len(panel.results.study.runs) < 3
    assert "continues with the others" in panel.message.text()


def test_a_click_on_a_picture_or_a_row_chooses_the_run(studied):
    studied.results.pictures["image-28-seed0"].click()
    assert studied.results.run.window == 28
    assert studied.results.runs.selectionModel().selectedRows()[0].row() == 1
    studied.results.runs.selectRow(0)
    assert studied.results.run.window == 20
    assert [button.isChecked() for button in studied.results.pictures.values()] == [True, False]


def test_maps_of_a_run_are_layers_of_their_own(controller, viewer_model, studied, qtbot):
    before = {layer.name for layer in viewer_model.layers}
    results = controller.active.analysis.maps
    for _ in range(2):
        studied.results.buttons["maps"].click()
        settle(studied, qtbot)
    new = [layer for layer in viewer_model.layers if layer.name not in before]
    assert {layer.name for layer in new} == {f"image-20-seed0 {name}" for name in ("angle_rad", "z0", "z1", "label")}
    labels = viewer_model.layers["image-20-seed0 label"]
    assert isinstance(labels, Labels)
    assert labels.visible
    assert not viewer_model.layers["label"].visible
    assert isinstance(viewer_model.layers["image-20-seed0 z0"], Image)
    assert np.allclose(labels.scale, controller.active.layer.scale)
    assert controller.active.analysis.maps is results


@pytest.mark.slow
def test_the_window_of_a_run_is_told_as_a_step(studied, qtbot):
    studied.results.choose("image-28-seed0")
    form = StepForm(ExtractSubImages())
    qtbot.addWidget(form)
    studied.chosen.connect(form.set)
    with qtbot.waitSignal(studied.chosen) as told:
        studied.results.buttons["use"].click()
    assert isinstance(told.args[0], ExtractSubImages)
    assert (form.step().source, form.step().window_size) == ("image", 28)


def test_the_figure_opens_large(studied, qtbot):
    studied.results.pictures["image-28-seed0"].twice.emit()
    settle(studied, qtbot)
    assert studied.window_of_figure.isVisible()
    assert studied.window_of_figure.picture.pixmap().width() > 800


@pytest.mark.slow
def test_figure_and_tables_are_written(studied, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(panels, "ask_figure", lambda parent, name: tmp_path / "windows.svg")
    monkeypatch.setattr(panels, "ask_to_save", lambda *_: tmp_path / "windows.csv")
    for name in ("figure", "table"):
        studied.results.buttons[name].click()
        settle(studied, qtbot)
    assert (tmp_path / "windows.svg").read_text().startswith("<?xml")
    assert list(pd.read_csv(tmp_path / "windows.csv")["window"]) == [20, 28]
    assert len(pd.read_csv(tmp_path / "windows-agreement.csv")) == 2


def test_a_table_that_cannot_be_written_is_said(studied, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "nowhere" / "windows.csv"
    monkeypatch.setattr(panels, "ask_to_save", lambda *_: path)
    studied.results.buttons["table"].click()
    settle(studied, qtbot)
    assert f"{path} cannot be written" in studied.message.text()


def test_a_study_goes_with_its_atoms(controller, studied, qtbot):
    session = controller.active
    session.analysis.atoms = session.analysis.atoms[1:]
    controller.bring()
    settle(studied, qtbot)
    assert studied.results.isHidden()


def test_it_is_said_when_the_recipe_has_changed_since(studied):
    assert studied.stale.isHidden()
    studied.recipe_shown = QUICK.with_step(Cluster(by=GaussianMixture(classes=3)))
    studied.refresh()
    assert not studied.stale.isHidden()
    studied.recipe_shown = QUICK.with_step(ExtractSubImages(window_size=50))
    studied.refresh()
    assert studied.stale.isHidden()


def test_pictures_follow_the_colours_of_classes(controller, studied, qtbot):
    before = studied.results.pictures["image-20-seed0"]
    controller.active.analysis.styles.recolour("label", 0, "#102030")
    studied.refresh()
    settle(studied, qtbot)
    assert studied.results.pictures["image-20-seed0"] is not before


def test_a_study_goes_with_its_image(controller, viewer_model, studied, qtbot):
    viewer_model.layers.remove(controller.active.layer)
    settle(studied, qtbot)
    assert studied.current is None
    assert studied.results.isHidden()


def test_a_theme_computes_nothing(controller, qtbot):
    panel = WindowsPanel(controller, lambda: QUICK)
    qtbot.addWidget(panel)
    panel.set_theme(False)
    assert not panel.busy


def test_the_table_can_be_copied(studied):
    studied.results.runs.copy()
    lines = QtWidgets.QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == ["px", "peaks", "ELBO/px", "classes", "time"]
    assert len(lines) == 3


def test_a_study_is_seen_again_in_a_new_dock(controller, studied, new_panel, runs, qtbot):
    again = new_panel()
    qtbot.addWidget(again)
    assert list(again.results.pictures) == list(studied.results.pictures)
    assert again.setup.folder.text() == str(runs)
    assert again.setup.study() == studied.setup.study()


def test_a_study_ends_quietly_whose_panel_is_gone(controller, new_panel, qtbot, tmp_path):
    panel = new_panel()
    ask(panel, str(tmp_path))
    panel.button.click()
    panel.deleteLater()
    qtbot.waitUntil(lambda: not isalive(panel), timeout=5000)
    controller.stop(everything=True)
    qtbot.waitUntil(lambda: not controller.running, timeout=60_000)


def test_nothing_is_told_to_those_who_are_gone(qtbot):
    widget, heard = QtWidgets.QWidget(), []
    call = while_there(widget, heard.append)
    call(1)
    widget.deleteLater()
    qtbot.waitUntil(lambda: not isalive(widget), timeout=5000)
    call(2)
    assert heard == [1]


def test_every_image_has_its_folder_and_its_words(controller, studied, runs, quick_analysis, qtbot):
    first = controller.active.layer
    controller.adopt(copied(quick_analysis))
    settle(studied, qtbot)
    assert (studied.setup.folder.text(), studied.message.text()) == ("", WORDS)
    controller.choose(first)
    settle(studied, qtbot)
    assert studied.setup.folder.text() == str(runs)
    assert "2 of 2 runs are finished" in studied.message.text()


@pytest.mark.slow
def test_a_study_that_breaks_off_says_so(panel, qtbot, tmp_path, monkeypatch):
    def breaks(*_):
        raise ValueError("broken")

    ask(panel, str(tmp_path))
    monkeypatch.setattr(windows_setup, "run_window_study", breaks)
    with qtbot.waitSignal(panel.controller.failed):
        panel.button.click()
    settle(panel, qtbot)
    assert panel.message.text() == BROKEN
    assert panel.button.isEnabled()


def test_a_home_is_found(panel):
    panel.setup.folder.setText("~/runs")
    assert panel.setup.place == Path.home() / "runs"


def test_words_below_a_picture_are_no_wider_than_it(qtbot):
    button = RunButton(np.zeros((10, 30, 4), np.uint8), 268)
    qtbot.addWidget(button)
    narrow = button.sizeHint().width()
    button.name_run("512 px, probability, seed 1000", "10 classes, 12 peaks")
    assert button.text().count("\n") == 1
    assert button.sizeHint().width() <= narrow + 8
    button.name_run("20 px, image", "1 class, 1 peak")
    assert "\n" not in button.text()


def test_runs_nobody_chose_a_folder_for_outlive_the_dock(controller, panel):
    assert panel.setup.place == SHELTER.of(controller.active.key)


def test_runs_of_one_window_are_called_by_number(qtbot):
    columns = {"angle_rad": 0.1, "label": [0, 0, 1, 1], "z0": 0.0}
    atoms = Atoms.at(np.arange(8.0).reshape(4, 2), columns=columns)
    study = StudyTable(tuple(StudyRun("image", 20, seed, atoms) for seed in (0, 1)))
    table, runs = AgreementTable(), RunTable()
    for each in (table, runs):
        qtbot.addWidget(each)
    table.show_study(study, study.agreement.to_numpy())
    runs.show_study(study)
    assert [table.horizontalHeaderItem(column).text() for column in range(2)] == ["1", "2"]
    assert [runs.item(row, 0).text() for row in range(2)] == ["1", "2"]
    assert not runs.isColumnHidden(0)


def test_a_run_that_failed_says_why_and_has_no_picture(panel):
    atoms = Atoms.at(np.arange(8.0).reshape(4, 2), columns={"angle_rad": 0.1, "label": [0, 0, 1, 1], "z0": 0.0})
    study = StudyTable((StudyRun("image", 20, 0, atoms), StudyRun("image", 90, 0, atoms[:0], note="Too few.")))
    panel.results.show_study(study, (8, 8), ClassStyles())
    panel.results.choose("image-90-seed0")
    assert panel.results.note.text() == "⚠ Too few."
    assert not panel.results.buttons["maps"].isEnabled()
    assert list(pictures_of(study, (8, 8), ClassStyles()).by_name) == ["image-20-seed0"]


def test_classes_have_the_colours_of_the_user():
    styles = ClassStyles()
    styles.recolour("label", 0, "#102030")
    atoms = Atoms.at(np.full((4, 2), 4.0), columns={"angle_rad": [0, 0.1, 0.2, 0.3], "label": 0, "z0": 0.0})
    picture = pictures_of(StudyTable((StudyRun("image", 20, 0, atoms),)), (8, 8), styles).by_name["image-20-seed0"]
    assert (picture[..., :3] == (0x10, 0x20, 0x30)).all(axis=-1).any()
