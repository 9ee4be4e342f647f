"""Every control says what it does and can be reached by the keyboard; new widgets are found by themselves."""

import inspect
from pathlib import Path

import pytest
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.layout import RUN_ALL
from local_crystallography._napari.main.side_docks import SideDocks
from local_crystallography._napari.main.step_panel import RUN
from local_crystallography._napari.widgets.help import HelpButton, anchor

CONTROLS = (
    QtWidgets.QAbstractButton,
    QtWidgets.QComboBox,
    QtWidgets.QAbstractSpinBox,
    QtWidgets.QLineEdit,
    QtWidgets.QAbstractSlider,
)
OPENERS = [
    name
    for name, function in inspect.getmembers(SideDocks, inspect.isfunction)
    if name.startswith("show_") and len(inspect.signature(function).parameters) == 1
]
"""What opens the docks beside the main one."""


@pytest.fixture
def dock(viewer, quick_within, qtbot):
    """The main dock with a finished analysis and all panels unfolded."""
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="dock")
    dock.controller.adopt(quick_within)
    dock.state.settings.shows_hint = True
    for collapsible in dock.findChildren(type(dock.panels["segment"]).__mro__[1]):
        collapsible.expand(animate=False)
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=10_000)
    yield dock
    dock.controller.runner.halt()


@pytest.fixture
def widgets(viewer, dock, qtbot):
    """Everything of the plugin that is in the viewer, or a window of its own."""
    for name in OPENERS:
        getattr(dock.docks, name)()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=10_000)
    windows = [*viewer.window.dock_widgets.values(), *QtWidgets.QApplication.topLevelWidgets()]
    return [each for each in windows if type(each).__module__.startswith("local_crystallography.")]


def controls(root):
    """The controls below a widget; parts of another control, and scroll bars, are none of their own."""
    for kind in CONTROLS:
        for control in root.findChildren(kind):
            if not isinstance(control, QtWidgets.QScrollBar) and not is_part(control):
                yield control


def is_part(control):
    parents = iter_parents(control)
    kinds = (*CONTROLS, QtWidgets.QGraphicsView, QtWidgets.QHeaderView, QtWidgets.QTabBar, QtWidgets.QMenu)
    inner = isinstance(control.parentWidget(), kinds) or "qt_" in control.objectName()
    return inner or any(isinstance(parent, QtWidgets.QGraphicsView) for parent in parents)


def iter_parents(widget):
    while (widget := widget.parentWidget()) is not None:
        yield widget


def named(control):
    words = [getattr(control, "text", str)(), control.objectName(), control.accessibleName()]
    owner = next(each for each in iter_parents(control) if type(each).__module__.startswith("local_crystallography."))
    return f"{type(control).__name__} {next(filter(None, words), '')!r} of {type(owner).__name__}"


def test_there_is_a_dock_beside_the_main_one():
    assert "show_explorer" in OPENERS


def test_every_control_has_a_tooltip(widgets):
    assert len(widgets) > len(OPENERS)
    silent = {named(control) for widget in widgets for control in controls(widget) if not control.toolTip().strip()}
    assert not silent


def test_tooltips_are_sentences_that_wrap(widgets):
    long = [
        control.toolTip()
        for widget in widgets
        for control in controls(widget)
        if max(map(len, control.toolTip().split("\n"))) > 110 and not control.toolTip().startswith("<qt>")
    ]
    assert not long


def test_every_control_takes_the_keyboard(widgets):
    tab = QtCore.Qt.FocusPolicy.TabFocus
    deaf = {named(each) for widget in widgets for each in controls(widget) if not each.focusPolicy() & tab}
    assert not deaf


@pytest.fixture
def tabbed(dock, qtbot):
    """What has the keyboard in turn, when the Tab key is pressed from the first control of a widget on."""

    def tabbed(root):
        window = root.window()
        window.resize(1280, 800)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(lambda: window.isActiveWindow() and root.isVisible(), timeout=5000)
        focus = first(root)
        focus.setFocus()
        found = []
        while focus not in found:
            found.append(focus)
            qtbot.keyClick(focus, QtCore.Qt.Key.Key_Tab)
            focus = window.focusWidget()
        return [each for each in found if root.isAncestorOf(each)]

    return tabbed


def first(root):
    """The first widget below another that the Tab key stops at."""
    chain = [root.nextInFocusChain()]
    while not root.isAncestorOf(chain[-1]) or not takes_tab(chain[-1]):
        chain.append(chain[-1].nextInFocusChain())
    return chain[-1]


def takes_tab(widget):
    tab = widget.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus == QtCore.Qt.FocusPolicy.TabFocus
    return tab and widget.isVisible() and widget.isEnabled()


def lost(root, found):
    """The controls that the keyboard does not come to; of buttons of which one is down, Tab comes to that one."""
    reached = {id(each) for each in found}
    for group in root.findChildren(QtWidgets.QButtonGroup):
        if group.exclusive() and reached & set(map(id, group.buttons())):
            reached |= set(map(id, group.buttons()))
    known = [each for each in controls(root) if each.isVisible() and each.isEnabled()]
    return {named(each) for each in known if id(each) not in reached}


def test_tab_reaches_every_control_of_the_main_dock_in_reading_order(dock, tabbed):
    found = tabbed(dock)
    assert not lost(dock, found)
    panels = dock.findChild(QtWidgets.QScrollArea).widget()
    inside = [each for each in found if panels.isAncestorOf(each)]
    assert inside == found[found.index(inside[0]) :][: len(inside)]
    tops = [each.mapTo(panels, QtCore.QPoint(0, each.height() // 2)).y() for each in inside]
    backwards = [
        (named(inside[place]), named(inside[place + 1]))
        for place in range(len(inside) - 1)
        if tops[place + 1] < tops[place] - 12
    ]
    assert not backwards


def test_tab_does_not_go_through_what_is_folded(dock, tabbed):
    for panel in dock.panels.values():
        panel.collapse(animate=False)
    found = tabbed(dock)
    assert not [named(each) for each in found if any(panel.form.isAncestorOf(each) for panel in dock.panels.values())]
    assert all(panel.toggleButton() in found and panel.help in found for panel in dock.panels.values())


@pytest.mark.parametrize("opener", OPENERS)
def test_tab_reaches_every_control_of_the_docks_beside_it(dock, tabbed, qtbot, opener):
    widget = getattr(dock.docks, opener)()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=10_000)
    found = tabbed(widget)
    assert not lost(widget, found)


@pytest.fixture
def ran(dock, monkeypatch):
    """The names of the steps that were run."""
    ran = []
    monkeypatch.setattr(dock.controller, "run", lambda steps, again: ran.append([step.name() for step in steps]))
    return ran


def press(window, widget, keys, qtbot):
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    widget.setFocus()
    modifiers = QtCore.Qt.KeyboardModifier.ControlModifier
    if "Shift" in keys:
        modifiers |= QtCore.Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(widget, QtCore.Qt.Key.Key_Return, modifiers)


def test_ctrl_return_runs_the_step_that_has_the_keyboard(dock, tabbed, ran, qtbot):
    tabbed(dock)
    for name in ("cluster", "segment"):
        form = dock.panels[name].form
        press(dock.window(), form.findChild(QtWidgets.QAbstractSpinBox), RUN, qtbot)
        assert ran[-1] == [name]
    press(dock.window(), dock.show_box, RUN_ALL, qtbot)
    assert "segment" in ran[-1]
    assert "paint_map" in ran[-1]
    assert len(ran) == 3


def test_help_buttons_open_sections_that_exist(widgets):
    page = (Path(__file__).parents[2] / "docs" / "method.md").read_text(encoding="utf-8")
    known = {anchor(line.lstrip("# ")) for line in page.splitlines() if line.startswith("##")}
    buttons = [button for widget in widgets for button in widget.findChildren(HelpButton)]
    assert {button.url.partition("#")[2] for button in buttons} <= known
    owners = [widget for widget in widgets if widget.findChildren(HelpButton)]
    assert len(owners) == 1 + len(OPENERS)
