"""The latent explorer opens where it was left."""

import pytest
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.main import explorer_place
from local_crystallography._napari.main.explorer_place import ExplorerPlace
from local_crystallography._napari.settings import Settings

AREA = QtCore.Qt.DockWidgetArea.RightDockWidgetArea

napari_settings = pytest.importorskip("napari.settings")
pytestmark = pytest.mark.skipif(
    not hasattr(napari_settings, "get_plugin_settings"), reason="napari before 0.9 does not remember for plugins"
)


@pytest.fixture
def opened(qtbot):
    """A window with the main dock and the explorer behind it, where it was left."""
    windows = []

    def open_window():
        window = QtWidgets.QMainWindow()
        qtbot.addWidget(window)
        window.setCentralWidget(QtWidgets.QWidget())
        window.resize(1000, 700)
        docks = [QtWidgets.QDockWidget(name, window) for name in ("main", "explorer")]
        for dock in docks:
            dock.setWidget(QtWidgets.QLabel(dock.windowTitle()))
            window.addDockWidget(AREA, dock)
        window.tabifyDockWidget(*docks)
        window.show()
        qtbot.waitExposed(window)
        windows.append(window)
        return ExplorerPlace(docks[1], docks[0], window)

    return open_window


def test_it_opens_as_a_tab_at_first(opened):
    assert opened().place() == "tab"


@pytest.mark.parametrize("place", ["beside", "below", "left", "bottom", "floating 40 50 420 310"])
def test_it_opens_where_it_was_left(opened, qtbot, place, monkeypatch):
    monkeypatch.setattr(explorer_place, "PAUSE", 10)
    first = opened()
    first.restore(place)
    qtbot.waitUntil(lambda: Settings().explorer_place.split()[0] == place.split()[0])
    qtbot.wait(50)
    assert first.place() == place
    second = opened()
    qtbot.waitUntil(lambda: second.place() == place)


def test_a_place_on_a_screen_that_is_gone_is_on_this_one(opened):
    Settings().explorer_place = "floating 90000 90000 400 300"
    place = opened()
    assert place.dock.isFloating()
    assert place.dock.geometry().x() < 80_000


@pytest.mark.parametrize("kept", ["", "nowhere", "floating a b"])
def test_what_is_no_place_does_no_harm(opened, kept):
    Settings().explorer_place = kept
    assert opened().place().split()[0] in ("tab", "floating")
