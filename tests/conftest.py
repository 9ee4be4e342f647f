"""One finished analysis for all tests that only look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analyses import copied

from local_crystallography import GaussianMixture
from local_crystallography.analysis import Analysis
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode_cvae import EncodeCvae
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.train_cvae import TrainCvae
from local_crystallography.steps.train_vae import TrainVae


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests come first, so that none is left for one of two processes at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


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
    """The sample `quick`, analysed with a short training and few starts of the mixtures; not to be changed."""
    analysis = Analysis(load_sample("quick"))
    finish(analysis.run(Recipe(train_vae=TrainVae(epochs=4), cluster=Cluster(by=GaussianMixture(n_init=3)))))
    return analysis


@pytest.fixture
def short_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short search for the start of a training, for tests that do not depend on how good the network is."""
    for name, value in {"ROUNDS": 4, "TRIES": 2, "FIRST_ROUNDS": 2}.items():
        monkeypatch.setattr(f"local_crystallography.models.start.{name}", value)


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
def light_viewer(qtbot: Any) -> Iterator[Any]:
    """A viewer with docks, without a canvas: for all that needs none, since it opens and closes at once."""
    from light_viewer import LightViewer

    viewer = LightViewer()
    yield viewer
    viewer.window.close()


@pytest.fixture
def real_viewer(make_napari_viewer_proxy: Any) -> Any:
    """The viewer of napari; takes seconds."""
    return make_napari_viewer_proxy()


@pytest.fixture
def viewer(request: pytest.FixtureRequest, qtbot: Any) -> Any:
    """A viewer without a canvas, or the real one where the test asks for that too."""
    return request.getfixturevalue("real_viewer" if "real_viewer" in request.fixturenames else "light_viewer")


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
