"""One finished analysis for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analyses import copied

from local_crystallography.analysis import Analysis
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.encode_cvae import EncodeCvae
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.train_cvae import TrainCvae
from local_crystallography.steps.train_vae import TrainVae


@pytest.fixture(autouse=True)
def settings_of_the_test(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A test with a window starts with the settings as they come, and leaves those of the user alone."""
    if not {"qtbot", "make_napari_viewer_proxy"} & set(request.fixturenames):
        yield
        return
    from napari import settings

    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "settings" / "settings.yaml"))
    monkeypatch.setattr(settings, "_PLUGIN_SETTINGS", {})
    yield


@pytest.fixture(scope="session")
def quick_analysis() -> Analysis:
    """The sample `quick`, analysed with a short training; not to be changed."""
    analysis = Analysis(load_sample("quick"))
    finish(analysis.run(Recipe(train_vae=TrainVae(epochs=4))))
    return analysis


@pytest.fixture
def shown_analysis(quick_analysis: Analysis) -> Analysis:
    """What `controller` shows; a module may have another."""
    return quick_analysis


@pytest.fixture
def viewer_model() -> Any:
    """The layers of a viewer, without its window."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def controller(viewer_model: Any, shown_analysis: Analysis, qtbot: Any) -> Iterator[Any]:
    """A controller with a copy of an analysis."""
    from local_crystallography._napari.session.controller import Controller

    controller = Controller(viewer_model)
    controller.adopt(copied(shown_analysis))
    qtbot.waitUntil(lambda: not controller.running, timeout=20_000)
    yield controller
    controller.runner.halt()


@pytest.fixture
def components_dock(controller: Any, qtbot: Any) -> Any:
    """The components dock by itself, on the screen."""
    from local_crystallography._napari.results.dock import ComponentsDock

    dock = ComponentsDock(controller, Recipe)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


@pytest.fixture(scope="session")
def quick_within(quick_analysis: Analysis) -> Analysis:
    """`quick_analysis` with a conditional network, its latents and their maps; not to be changed."""
    analysis = copied(quick_analysis)
    for step in (TrainCvae(epochs=4), EncodeCvae(), PaintMap()):
        finish(analysis.apply(step))
    return analysis


@pytest.fixture(scope="session")
def quick_session(quick_analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`quick_analysis` as saved; not to be changed."""
    return quick_analysis.save(tmp_path_factory.mktemp("session") / "quick")
