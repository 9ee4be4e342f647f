"""Save figure in the dock and beside the classes."""

import pytest
from analyses import copied
from PIL import Image as Picture

from local_crystallography._napari.main import dock as dock_module
from local_crystallography._napari.main.dock import MainDock, shown_figure
from local_crystallography._napari.main.layout import FIGURE
from local_crystallography._napari.results.classes import panel as classes_panel
from local_crystallography.report.paper_style import PaperStyle


@pytest.fixture
def viewer(light_viewer):
    return light_viewer


@pytest.fixture
def main(viewer, quick_analysis, qtbot):
    viewer.window.main.show()
    main = MainDock(viewer)
    viewer.window.add_dock_widget(main, name="dock")
    main.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not main.controller.running, timeout=20_000)
    yield main
    main.controller.runner.halt()


def test_the_figure_is_of_what_is_seen(main, qtbot):
    style, results = PaperStyle(width="double"), main.session.results
    results.show_map("")
    assert shown_figure(main.session, "label", style).of == "image"
    assert shown_figure(main.session, "label", style).colour == results.colour
    results.show_map("label")
    qtbot.waitUntil(lambda: results.get("label") is not None, timeout=5_000)
    figure = shown_figure(main.session, "label", style)
    assert (figure.of, figure.width) == ("map:label", "double")


def test_a_click_writes_it(main, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "seen.png"
    monkeypatch.setattr(dock_module, "ask_paper", lambda parent, name: (path, PaperStyle(slide=800)))
    main.buttons[FIGURE].click()
    qtbot.waitUntil(lambda: path.exists() and not main.controller.running, timeout=20_000)
    with Picture.open(path) as made:
        assert made.width == 800
    qtbot.waitUntil(lambda: str(path) in main.news.said, timeout=5_000)


def test_the_classes_have_one_too(main, components_dock, qtbot, tmp_path, monkeypatch):
    panel, path = components_dock.classes, tmp_path / "classes.svg"
    qtbot.waitUntil(lambda: panel.report is not None, timeout=20_000)
    monkeypatch.setattr(classes_panel, "ask_paper", lambda parent, name: (path, PaperStyle()))
    panel.figure.click()
    qtbot.waitUntil(lambda: path.exists() and not main.controller.running, timeout=20_000)
    assert "class " in path.read_text(encoding="utf-8")
