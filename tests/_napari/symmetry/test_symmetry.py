"""The symmetry dock: chains, rows of atoms, windows, and the map."""

import numpy as np
import pytest
from analyses import copied
from napari.layers import Labels
from napari.utils.theme import get_theme
from qtpy import QtCore

from local_crystallography import MeasureLattice
from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.side_docks import SYMMETRY
from local_crystallography._napari.symmetry.chain_form import CASE_1, CASE_2, LINE, OWN, ROW
from local_crystallography._napari.widgets import panels
from local_crystallography.bayes.decision import Decision
from local_crystallography.data.progress import finish


@pytest.fixture(scope="module")
def measured(quick_analysis):
    done = copied(quick_analysis)
    finish(done.apply(MeasureLattice()))
    return done


@pytest.fixture
def main(viewer, measured, qtbot):
    main = MainDock(viewer)
    viewer.window.add_dock_widget(main, name="dock")
    main.controller.adopt(copied(measured))
    qtbot.waitUntil(lambda: not main.controller.running, timeout=20_000)
    yield main
    main.controller.runner.halt()


@pytest.fixture
def dock(main, qtbot):
    dock = main.docks.show_symmetry()
    settle(dock, qtbot)
    return dock


@pytest.fixture
def chain(dock):
    return dock.chain


def settle(dock, qtbot, timeout=60_000):
    """Wait until nothing is being computed."""
    qtbot.wait(30)
    qtbot.waitUntil(lambda: not dock.chain.busy and not dock.controller.running, timeout=timeout)
    qtbot.wait(30)


def choose(dock, source, qtbot):
    dock.chain.source.kind.setCurrentText(source)
    dock.chain.source.kind.activated.emit(dock.chain.source.kind.currentIndex())
    settle(dock, qtbot)


def test_it_opens_on_the_image_with_rows_of_its_atoms(dock, chain):
    assert dock.tabs.tabText(dock.tabs.currentIndex()) == "Image"
    assert chain.source.kind.currentText() == ROW
    assert chain.view.model.difference == "positions"
    assert dock.controller.selection.count == 0  # nothing was chosen by hand


def test_decisions_of_the_image_are_made_and_mapped(main, dock, qtbot):
    shown = dock.study.map
    assert shown.picture.isHidden()
    shown.buttons["run"].click()
    settle(dock, qtbot)
    qtbot.waitUntil(lambda: shown.picture.pixmap() is not None and not shown.picture.pixmap().isNull(), timeout=20_000)
    assert "symmetric" in shown.shares.text()
    assert shown.look.text().startswith("Colour: blue symmetric")
    shown.buttons["show"].click()
    assert main.show_box.column == "alternation_decision"


@pytest.mark.slow
def test_case_2_of_the_paper_cannot_be_decided(dock, chain, qtbot):
    choose(dock, CASE_2, qtbot)
    assert chain.words.text().startswith("After 200 unit cells: undecided.")
    assert all(plot.listDataItems() for name, plot in chain.plots.plots.items() if name != "difference")
    assert chain.plots.image.image.shape[0] == 191


@pytest.mark.slow
def test_another_chain_another_decision(dock, chain, qtbot):
    choose(dock, CASE_1, qtbot)
    assert "broken" in chain.words.text()
    choose(dock, OWN, qtbot)
    for name, value in {"odd": 1.0, "even": 1.0, "deviation": 0.05}.items():
        chain.source.own.fields[name].set(value)
    settle(dock, qtbot)
    assert "symmetric" in chain.words.text().splitlines()[0]


@pytest.mark.slow
def test_cells_are_added_one_by_one(dock, chain, qtbot):
    choose(dock, CASE_2, qtbot)
    chain.cells.setValue(20)
    settle(dock, qtbot)
    assert chain.words.text().startswith("After 20 unit cells")
    assert chain.plots.image.image.shape[0] == 11
    chain.play.click()
    qtbot.waitUntil(lambda: chain.cells.value() >= 24, timeout=20_000)
    chain.play.click()
    settle(dock, qtbot)
    at = chain.cells.value()
    qtbot.wait(200)
    assert chain.cells.value() == at == chain.view.cells


def test_an_own_prior_moves_the_posterior(dock, chain, qtbot):
    before = chain.view.mu1.mean()[-1]
    chain.priors.own["mu1"].setChecked(True)
    form = chain.priors.forms["mu1"]
    for name, value in {"family": "Normal", "centre": 2.0, "scale": 0.01}.items():
        form.fields[name].set(value)
    settle(dock, qtbot)
    assert chain.view.mu1.mean()[-1] > before + 0.01


@pytest.mark.slow
def test_a_bound_below_the_data_is_a_sentence_and_nothing_is_shown(dock, chain, qtbot):
    chain.priors.own["mu3"].setChecked(True)
    chain.priors.forms["mu3"].fields["sigma_high"].set(0.001)
    settle(dock, qtbot)
    assert "move that bound" in chain.words.text()
    assert chain.plots.isHidden()
    assert not chain.buttons["calibrate"].isEnabled()
    chain.priors.own["mu3"].setChecked(False)
    settle(dock, qtbot)
    assert not chain.plots.isHidden()


@pytest.mark.slow
def test_the_rule_in_use_is_calibrated(dock, chain, qtbot):
    choose(dock, CASE_2, qtbot)
    chain.buttons["calibrate"].click()
    settle(dock, qtbot)
    assert "1000 simulated chains, noise on bonds" in chain.table.text()
    assert chain.table.text().count("<tr>") == 5


@pytest.mark.slow
def test_a_calibration_can_be_stopped(dock, chain, qtbot):
    chain.buttons["calibrate"].click()
    assert not dock.cancel.isHidden()
    qtbot.waitUntil(lambda: dock.progress.text() != "", timeout=20_000)
    dock.cancel.click()
    settle(dock, qtbot)
    assert "—" in chain.table.text()


@pytest.mark.slow
def test_draws_by_pymc_lie_on_the_closed_form(dock, chain, qtbot):
    choose(dock, CASE_2, qtbot)
    chain.buttons["reference"].click()
    settle(dock, qtbot, timeout=300_000)
    assert "0 divergences" in chain.table.text()
    assert "Closed form: undecided; draws: undecided." in chain.table.text()
    assert any(type(item).__name__ == "ScatterPlotItem" for item in chain.plots.plots["mean"].getPlotItem().items)


@pytest.mark.slow
def test_a_row_of_atoms_is_selected_and_judged(dock, chain, qtbot):
    choose(dock, ROW, qtbot)
    row = chain.source.row.chain()
    assert dock.controller.selection.count == len(row.atoms) == 2 * row.chain.cells + 1
    assert " nm" in chain.words.text()
    assert chain.view.model.difference == "positions"
    assert chain.view.model.rope_half_width == pytest.approx(0.05 * row.chain.bonds.mean(), rel=0.05)
    chain.source.row.row.setValue(2)
    settle(dock, qtbot)
    assert set(np.flatnonzero(dock.controller.selection.mask)) == set(chain.source.row.chain().atoms)


@pytest.mark.slow
def test_rows_within_the_selection(dock, chain, qtbot):
    choose(dock, ROW, qtbot)
    x = dock.controller.active.analysis.atoms.yx[:, 1]
    dock.controller.selection.apply(x < np.median(x))
    chain.source.row.within.click()
    settle(dock, qtbot)
    assert (x[chain.source.row.chain().atoms] < np.median(x)).all()


@pytest.mark.slow
def test_a_row_along_a_line(main, dock, chain, viewer, qtbot):
    chain.source.row.direction.setCurrentText(LINE)
    choose(dock, ROW, qtbot)
    assert "No shapes layer" in chain.words.text()
    atoms, layer = main.session.analysis.atoms, main.session.layer
    row = atoms.features.query("sublattice == 0 and cell_b == cell_b.median()").index.to_numpy()
    ends = atoms.yx[row[[np.argmin(atoms.yx[row, 1]), np.argmax(atoms.yx[row, 1])]]]
    viewer.add_shapes([ends], shape_type="line", name="line", scale=layer.scale, units=layer.units)
    chain.refresh()
    settle(dock, qtbot)
    assert "unit cells" in chain.words.text()
    assert dock.controller.selection.count >= 5


@pytest.mark.slow
def test_without_a_lattice_it_is_said(main, dock, chain, qtbot):
    session = main.session
    session.analysis.atoms = session.analysis.atoms.without(["grain", "sublattice", "cell_a", "cell_b"])
    main.controller.bring()
    choose(dock, ROW, qtbot)
    assert "run Measure lattice" in chain.words.text()
    assert not dock.study.buttons["study"].isEnabled()


@pytest.mark.slow
def test_windows_are_studied_calibrated_and_weighed(dock, qtbot):
    study = dock.study
    study.buttons["calibrate"].click()
    assert "Study windows first" in study.words.text()
    read, step = [], study.step
    study.step = lambda: read.append(QtCore.QThread.currentThread()) or step()
    study.buttons["study"].click()
    settle(dock, qtbot)
    assert read == [study.thread()]  # widgets are read in the thread of the window
    study.step = step
    assert study.study is not None
    assert not study.plot.isHidden()
    assert "cells decide" in study.words.text()
    study.buttons["calibrate"].click()
    settle(dock, qtbot)
    assert study.calibrated.text().count("<tr>") == 4
    for region, words in (("whole image", "whole image"), ("selection", "others"), ("label", "label 0")):
        study.region.setCurrentText(region)
        study.buttons["weights"].click()
        settle(dock, qtbot)
        assert words in study.weighed.text()
    study.region.setCurrentText("hand_label")
    study.buttons["weights"].click()
    assert "have no hand_label" in study.weighed.text()


@pytest.mark.slow
def test_a_figure_is_written(dock, chain, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "chain.svg"
    monkeypatch.setattr(panels, "ask_figure", lambda parent, name: path)
    chain.buttons["figure"].click()
    settle(dock, qtbot)
    assert path.read_text().startswith("<?xml")


@pytest.mark.slow
def test_a_figure_that_cannot_be_written_is_said(dock, chain, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "nowhere" / "chain.png"
    monkeypatch.setattr(panels, "ask_figure", lambda parent, name: path)
    with qtbot.waitSignal(dock.controller.failed, timeout=20_000) as said:
        chain.buttons["figure"].click()
    assert f"{path} cannot be written" in said.args[0]


@pytest.mark.slow
def test_decisions_are_maps_with_their_names(main, viewer, qtbot):
    main.panels["decide_symmetry"].form.fields["windows"].set(3)
    main.panels["decide_symmetry"].button.click()
    qtbot.waitUntil(lambda: "alternation_decision" in viewer.layers, timeout=120_000)
    qtbot.waitUntil(lambda: not main.controller.running, timeout=20_000)
    layer = viewer.layers["alternation_decision"]
    assert main.show_box.column == "alternation_decision"
    assert layer.visible
    main.show_box.choose("alternation")
    assert not layer.visible
    assert viewer.layers["alternation"].visible
    assert isinstance(layer, Labels)
    assert list(layer.features["class"][:3]) == ["symmetric", "broken", "undecided"]
    values = main.session.analysis.atoms.features["alternation_decision"]
    assert set(np.unique(layer.data)) <= {0, *(value + 1 for value in Decision if value >= 0)}
    assert (values == Decision.SYMMETRIC).mean() > 0.5
    assert "% symmetric" in main.panels["decide_symmetry"].status.text()
    assert viewer.layers["alternation"].colormap.name == "RdBu_r"


@pytest.mark.slow
def test_it_follows_the_theme_and_goes_with_the_main_dock(main, dock, viewer, qtbot):
    viewer.theme = "light"
    assert get_theme(viewer.theme).type == "light"
    assert dock.chain.plots.plots["mean"].backgroundBrush().color().lightness() > 200
    assert SYMMETRY in viewer.window.dock_widgets
    viewer.window.remove_dock_widget(main)
    qtbot.wait(50)
    assert SYMMETRY not in viewer.window.dock_widgets
