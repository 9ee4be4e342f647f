"""The latent explorer: linked plots that select in one table, as presets of the paper."""

import mouse
import numpy as np
import pytest
from clusters import around, clusters, pick
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.explorer.explorer import LastChoices, LatentExplorer
from local_crystallography._napari.explorer.plot_canvas import FRAME_MS
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.views.hover import Hover
from local_crystallography.views.plot_data import Choice
from local_crystallography.views.presets import PRESETS
from local_crystallography.views.selection import Selection
from local_crystallography.views.styles import ClassStyles


def table(n=400):
    return clusters(n).assign(offset_x_px=np.linspace(-1, 1, n), offset_y_px=0.5)


@pytest.fixture
def styles():
    return ClassStyles()


@pytest.fixture
def explorer(qtbot, styles):
    explorer = LatentExplorer(Selection(), Hover())
    qtbot.addWidget(explorer)
    explorer.resize(900, 440)
    explorer.set_table(table(), styles)
    with qtbot.waitExposed(explorer):
        explorer.show()
    qtbot.wait(3 * FRAME_MS)
    return explorer


@pytest.fixture
def label(explorer):
    return explorer.table["label"].to_numpy()


def choose(combo, place):
    combo.setCurrentIndex(place)
    combo.activated.emit(place)


def preset(explorer, name):
    choose(explorer.bar.presets, list(PRESETS).index(name))


def escape(explorer, qtbot):
    explorer.activateWindow()
    explorer.plots[0].plot.setFocus()
    qtbot.waitUntil(explorer.isActiveWindow, timeout=2000)
    qtbot.keyClick(explorer.plots[0].plot, QtCore.Qt.Key.Key_Escape)


def test_a_polygon_in_the_first_plot(explorer, label):
    explorer.select_polygon(around(0))
    np.testing.assert_array_equal(explorer.selection.mask, label == 0)
    assert explorer.status.text() == "100 of 400 selected"


def test_invert_and_clear(explorer, label):
    explorer.select_polygon(around(0))
    explorer.buttons["Invert"].click()
    np.testing.assert_array_equal(explorer.selection.mask, label != 0)
    explorer.buttons["Clear"].click()
    assert explorer.selection.count == 0


def test_escape_clears(explorer, qtbot):
    explorer.select_polygon(around(0))
    escape(explorer, qtbot)
    assert explorer.selection.count == 0


def test_escape_drops_the_lasso_being_drawn_first(explorer, qtbot):
    explorer.select_polygon(around(0))
    mouse.drag(explorer.plots[0], around(1), qtbot, release=False)
    escape(explorer, qtbot)
    mouse.drag(explorer.plots[0], around(1)[-2:], qtbot)
    assert explorer.selection.count == 100
    escape(explorer, qtbot)
    assert explorer.selection.count == 0


@pytest.mark.parametrize("name", PRESETS)
def test_presets_show_their_plots(explorer, name):
    preset(explorer, name)
    expected = [(c.x.replace("_nm", "_px"), c.y.replace("_nm", "_px"), c.colour, c.mode) for c in PRESETS[name]]
    assert [(p.choice.x, p.choice.y, p.choice.colour, p.choice.mode) for p in explorer.plots] == expected
    assert explorer.bar.numbers.currentIndex() == len(expected) - 1


def test_presets_without_their_columns_are_not_offered(explorer):
    explorer.set_table(table().drop(columns=["angle_rad"]))
    model = explorer.bar.presets.model()
    offered = [name for place, name in enumerate(PRESETS) if model.item(place).isEnabled()]
    assert offered == ["Latents (z0, z1)", "Offsets", "Image (x, y)"]


def test_a_choice_of_ones_own_is_no_preset(explorer):
    pick(explorer.plots[0], "x", "angle_rad")
    assert explorer.bar.presets.currentText() == ""
    choose(explorer.bar.numbers, 2)
    assert explorer.plots[0].choice.x == "angle_rad"
    assert len(explorer.plots) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_plot_shows_the_same_selection(explorer, label, count, qtbot):
    choose(explorer.bar.numbers, count - 1)
    qtbot.wait(3 * FRAME_MS)
    assert len(explorer.findChildren(type(explorer.plots[0]))) >= len(explorer.plots) == count
    explorer.plots[-1].select_polygon([(-1000, -1000), (1000, -1000), (1000, 1000), (-1000, 1000)])
    assert explorer.selection.count == 400
    explorer.selection.apply(label == 1)
    assert all((plot.plot.mask == (label == 1)).all() for plot in explorer.plots)


@pytest.mark.parametrize(("width", "rows"), [(400, 3), (600, 2), (1100, 1)])
def test_three_plots_lie_in_two_rows_where_they_would_be_narrow(explorer, qtbot, width, rows):
    choose(explorer.bar.numbers, 2)
    explorer.resize(width, 500)
    qtbot.wait(3 * FRAME_MS)
    assert len({plot.y() for plot in explorer.plots}) == rows
    assert min(plot.width() for plot in explorer.plots) > 180


def test_plots_that_go_listen_no_more(explorer, qtbot):
    signals = (explorer.selection.changed, explorer.hover.changed, explorer.styles.changed)
    before = [len(signal) for signal in signals]
    choose(explorer.bar.numbers, 3)
    choose(explorer.bar.numbers, 0)
    assert [len(signal) for signal in signals] == before


def test_a_closed_explorer_listens_no_more(qtbot, styles):
    selection, hover = Selection(400), Hover()
    explorer = LatentExplorer(selection, hover)
    explorer.set_table(table(), styles)
    preset(explorer, "Latents, angle, offsets")
    with qtbot.waitSignal(explorer.destroyed):
        explorer.deleteLater()
    qtbot.wait(10)
    assert [len(signal) for signal in (selection.changed, hover.changed, styles.changed)] == [0, 0, 0]


def test_a_tool_is_in_hand_in_every_plot(explorer):
    preset(explorer, "Latents, angle, offsets")
    explorer.buttons["Rectangle"].click()
    assert [plot.box.tool for plot in explorer.plots] == ["Rectangle"] * 3
    assert not explorer.buttons["Lasso"].isChecked()
    choose(explorer.bar.numbers, 3)
    assert explorer.plots[3].box.tool == "Rectangle"


def test_the_last_choices_are_those_of_the_next_explorer(qtbot):
    last = LastChoices()
    first = LatentExplorer(Selection(), Hover(), last=last)
    qtbot.addWidget(first)
    first.set_table(table())
    preset(first, "Offsets")
    choose(first.bar.numbers, 1)
    first.buttons["Click"].click()
    second = LatentExplorer(Selection(), Hover(), last=last)
    qtbot.addWidget(second)
    second.set_table(table())
    assert [plot.choice.x for plot in second.plots] == ["offset_x_px", "z0"]
    assert second.plots[0].box.tool == "Click"
    assert second.buttons["Click"].isChecked()
    assert second.bar.presets.currentText() == "Offsets"


def test_another_number_of_rows_starts_again(explorer):
    explorer.select_polygon(around(0))
    explorer.set_table(table(40))
    assert explorer.status.text() == "0 of 40 selected"


def test_new_columns_keep_the_selection(explorer):
    explorer.select_polygon(around(0))
    explorer.set_table(table().assign(extra=1.0))
    assert explorer.selection.count == 100


def test_an_empty_table_is_no_trouble(explorer, qtbot):
    explorer.set_table(table().iloc[:0, :0])
    preset(explorer, "Latents, angle, offsets")
    qtbot.wait(3 * FRAME_MS)
    assert explorer.status.text() == "0 of 0 selected"


def test_menus_and_cards_of_others(explorer, qtbot):
    menu, card = QtWidgets.QMenu(explorer), QtWidgets.QLabel("card")
    button = explorer.bar.add_menu("Classes", menu, "What to do with the selection")
    explorer.add_side(card)
    assert (button.text(), button.toolTip(), button.menu()) == ("Classes", "What to do with the selection", menu)
    qtbot.waitUntil(card.isVisible, timeout=2000)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["png", "svg", "pdf"])
def test_figures_are_written_in_the_background(explorer, qtbot, tmp_path, end, monkeypatch):
    path = tmp_path / f"plots.{end}"
    monkeypatch.setattr("local_crystallography._napari.explorer.explorer.ask_paper", lambda *_: (path, PaperStyle()))
    preset(explorer, "Latents, angle, offsets")
    button = explorer.buttons["Export figure …"]
    button.click()
    assert not button.isEnabled()
    qtbot.waitUntil(button.isEnabled, timeout=20_000)
    assert path.stat().st_size > 1000


def test_a_figure_that_cannot_be_written_is_said(explorer, qtbot, tmp_path):
    with qtbot.waitSignal(explorer.failed, timeout=20_000) as said:
        explorer.export(tmp_path / "none" / "plots.png")
    assert "choose another location" in said.args[0]


@pytest.mark.parametrize("dark", [True, False])
def test_the_theme_reaches_every_plot(explorer, dark):
    choose(explorer.bar.numbers, 3)
    explorer.set_theme(dark)
    assert [plot.data.key.dark for plot in explorer.plots] == [dark] * 4


def test_every_control_says_what_it_does(explorer):
    preset(explorer, "Latents, angle, offsets")
    kinds = (QtWidgets.QAbstractButton, QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox, QtWidgets.QTreeWidget)
    controls = [control for kind in kinds for control in explorer.findChildren(kind)]
    assert len(controls) > 15
    assert [control for control in controls if not control.toolTip()] == []


def test_every_tool_can_be_reached_by_the_keyboard(explorer):
    tab = QtCore.Qt.FocusPolicy.TabFocus
    assert all(button.focusPolicy() & tab for button in explorer.buttons.values())
    assert all(button.accessibleName() for button in explorer.buttons.values())


def test_it_fits_a_dock(explorer):
    assert explorer.minimumSizeHint().width() <= 600
    choose(explorer.bar.numbers, 3)
    assert explorer.minimumSizeHint().height() <= 480


def test_choices_are_plain(explorer):
    assert explorer.plots[0].choice == Choice("z0", "z1", "label", "contours")
