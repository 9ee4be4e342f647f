"""The Cluster panel shows how many components describe the atoms."""

import pytest
from analyses import copied

from local_crystallography._napari.main.curve import NONE_NEAR
from local_crystallography._napari.main.dock import MainDock


@pytest.fixture
def dock(viewer, quick_analysis, qtbot):
    dock = MainDock(viewer)
    viewer.window.add_dock_widget(dock, name="dock")
    dock.controller.adopt(copied(quick_analysis))
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=20_000)
    yield dock
    dock.controller.runner.halt()


def test_the_curve_is_that_of_the_step_and_goes_with_the_atoms(dock, qtbot):
    assert dock.curve.plot.isHidden()
    dock.curve.button.click()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=120_000)
    curve = dock.curve.curve
    step = dock.panels["cluster"].form.step()
    assert curve.best("BIC") == step.resolve(dock.session.analysis.atoms).by.components
    assert not dock.curve.plot.isHidden()
    x, y = dock.curve.plot.listDataItems()[0].getData()
    assert x.tolist() == curve.components.tolist()
    assert y.min() == 0
    dock.controller.choose(None)
    assert dock.curve.plot.isHidden()
    assert not dock.curve.button.isEnabled()


@pytest.mark.slow
def test_the_reasons_stand_below_the_curve(dock, qtbot):
    dock.curve.button.click()
    qtbot.waitUntil(lambda: dock.curve.curve is not None, timeout=60_000)
    step, analysis = dock.recipe.cluster, dock.session.analysis
    pairs = step.kinds(analysis.atoms, analysis.sub_images).pairs
    expected = "\n".join(f"• {pair.words}" for pair in pairs) or NONE_NEAR
    assert dock.curve.words.text() == expected
    assert not dock.curve.words.isHidden()
