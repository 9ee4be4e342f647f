"""A panel on results: it computes once and only while visible, follows names and colours, and reports what it saves."""

from dataclasses import dataclass

import pytest
from analyses import copied
from qtpy import QtWidgets

from local_crystallography._napari.widgets.panels import ResultPanel, panel_layout
from local_crystallography._napari.widgets.plots import FixedPlot
from local_crystallography._napari.widgets.theme import theme_of
from local_crystallography.data.atoms import Atoms

NO_ATOMS = "Find atoms first."


@dataclass(frozen=True, eq=False)
class CountRequest:
    """Atoms to count."""

    atoms: Atoms

    def same(self, other):
        return self.atoms is other.atoms


class CountPanel(ResultPanel):
    """The number of atoms, which is about as small as a panel can be."""

    def __init__(self, controller):
        super().__init__(controller)
        self.count, self.plot, self.status = QtWidgets.QLabel(), FixedPlot(100, "Nothing"), []
        self.restyled = []
        panel_layout(self, self.message, self.count, self.plot)

    def request(self, analysis):
        return NO_ATOMS if analysis is None or analysis.atoms is None else CountRequest(analysis.atoms)

    @staticmethod
    def compute(request, earlier):
        return len(request.atoms)

    def show_result(self, result):
        self.say("")
        self.count.setText(f"{result} atoms")

    def restyle(self, column):
        self.restyled.append(column)

    def show_status(self, words):
        self.status.append(words)


@pytest.fixture
def panel(controller, qtbot):
    panel = CountPanel(controller)
    qtbot.addWidget(panel)
    controller.changed.connect(panel.refresh)
    return panel


def settle(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.busy and not panel.controller.running, timeout=10_000)


def test_a_hidden_panel_computes_when_it_is_shown(panel, qtbot):
    panel.refresh()
    assert panel.requested is None
    panel.show()
    settle(panel, qtbot)
    assert panel.count.text() == f"{len(panel.atoms)} atoms"


def test_nothing_is_computed_twice_and_what_is_missing_is_said(panel, controller, qtbot):
    panel.show()
    settle(panel, qtbot)
    before = panel.requested
    controller.changed.emit()
    assert panel.requested is before
    controller.choose(None)
    assert panel.message.text() == NO_ATOMS
    assert panel.result is None


def test_names_and_colours_of_the_active_image_are_followed(panel, controller, quick_analysis, qtbot):
    panel.show()
    settle(panel, qtbot)
    first = panel.analysis.styles
    first.rename("label", 0, "A")
    controller.adopt(copied(quick_analysis))
    settle(panel, qtbot)
    first.rename("label", 0, "B")
    panel.analysis.styles.rename("label", 1, "C")
    assert panel.restyled == ["label", "label"]


def test_files_are_written_in_the_background_and_reported(panel, tmp_path, qtbot):
    panel.save_file(tmp_path / "a.txt", lambda path: path.write_text("x"))
    settle(panel, qtbot)
    assert panel.status == ["Writing a.txt …", "Saved a.txt."]
    with qtbot.waitSignal(panel.controller.failed, timeout=10_000) as said:
        panel.save_file(tmp_path / "nowhere" / "a.txt", lambda path: path.write_text("x"))
    assert "choose another location" in said.args[0]


def test_no_command_is_lost_when_several_are_given(panel, tmp_path, qtbot):
    for name in "abc":
        panel.save_file(tmp_path / name, lambda path: path.write_text("x"))
    settle(panel, qtbot)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a", "b", "c"]


@pytest.mark.parametrize("dark", [False, True])
def test_plots_take_the_colours_of_the_theme(panel, dark):
    panel.plot.show_title("title")
    panel.plot.setLabel("bottom", "distance")
    panel.set_theme(dark)
    theme = theme_of(dark)
    assert panel.plot.backgroundBrush().color().name() == theme.window
    assert panel.plot.getAxis("bottom").labelStyle["color"] == theme.text
    assert panel.plot.getPlotItem().titleLabel.opts["color"] == theme.text
