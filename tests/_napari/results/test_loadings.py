"""The tab of loadings: pictures of components, maps of their scores, classes of pixels."""

import numpy as np
import pytest
from analyses import copied

from local_crystallography import Describe, PaintMap
from local_crystallography._napari.results.loadings import panel as loadings_panel
from local_crystallography._napari.results.loadings.panel import BROKEN, NOTHING, STOPPED
from local_crystallography._napari.session.shown_map import painting
from local_crystallography.baselines import alternatives
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.views.small_map import SIDE, nearest_rows

METHODS = ("PCA", "PCA mixture")


@pytest.fixture(scope="module")
def described(quick_analysis):
    done = copied(quick_analysis)
    finish(done.apply(Describe(methods=METHODS, components=2, classes=2)))
    return done


@pytest.fixture
def shown_analysis(described):
    return described


@pytest.fixture
def panel(components_dock, qtbot):
    components_dock.tabs.setCurrentIndex(1)
    settle(components_dock.loadings, qtbot)
    return components_dock.loadings


def settle(panel, qtbot):
    """Wait until the panel shows what there is."""
    qtbot.wait(50)
    qtbot.waitUntil(lambda: panel.isVisible() and not panel.busy and not panel.controller.running, timeout=30_000)
    qtbot.wait(20)


def run(panel, qtbot, step):
    panel.controller.run((step,), again=True)
    settle(panel, qtbot)


def button_of(panel, column, number=None):
    return next(b for each, b in panel.list.buttons if (each.column, each.number) == (column, number))


def test_every_component_has_its_pictures(panel):
    shown = [(each.method, each.column, each.number) for each, _ in panel.list.buttons]
    within = [("PCA mixture", name, k) for k in (0, 1) for name in ("pixel_label", "class_pca0", "class_pca1")]
    assert shown == [("PCA", "pca0", None), ("PCA", "pca1", None), *within]
    assert panel.message.text() == ""
    share = panel.made.loadings[0].share
    assert f"{100 * share:.1f} %" in button_of(panel, "pca0").text()


def test_colours_of_a_picture_are_white_at_zero_and_maps_follow_the_scores(panel):
    loading = panel.made.loadings[0]
    picture, painted = panel.made.pictures(loading, panel.controller.active.analysis.styles)
    values = loading.picture[0]
    strong = np.abs(values) > 0.5 * np.abs(values).max()
    red_over_blue = picture[..., 0].astype(int) - picture[..., 2]
    assert (np.sign(red_over_blue[strong]) == np.sign(values[strong])).all()
    assert picture[np.unravel_index(np.abs(values).argmin(), values.shape)][:3].min() > 235
    np.testing.assert_array_equal(painted[..., 3] > 0, panel.made.rows >= 0)


def maps_shown(session):
    """Names of the maps that are seen."""
    layers = {name: session.results.get(name) for name in session.analysis.maps}
    return {name for name, layer in layers.items() if layer is not None and layer.visible}


def test_a_click_paints_the_map_and_shows_no_other(panel, qtbot):
    session = panel.controller.active
    assert "pca1" not in session.analysis.maps
    button_of(panel, "pca1").click()
    settle(panel, qtbot)
    assert session.analysis.is_current(PaintMap())
    assert maps_shown(session) == {"pca1"}
    button_of(panel, "class_pca0", 1).click()
    settle(panel, qtbot)
    assert maps_shown(session) == {"class_pca0"}


def test_maps_of_chosen_columns_stay_when_one_is_painted_beside_them(described):
    analysis = copied(described)
    finish(analysis.apply(PaintMap(columns=("z0",), reach=9.0)))
    assert painting(analysis, "pca0") == PaintMap(columns=("z0", "pca0"), reach=9.0)
    finish(analysis.apply(PaintMap(columns=("intensity",))))
    finish(analysis.apply(Describe(methods=("PCA",), components=2)))
    assert set(analysis.maps) == {"intensity"}
    assert {"intensity", "pca0", "z0"} <= set(painting(analysis, "pca0").columns)


def test_a_click_on_a_class_of_pixels_selects_it(panel):
    button_of(panel, "pixel_label", 1).click()
    labels = panel.controller.active.analysis.atoms.features["pixel_label"].to_numpy()
    np.testing.assert_array_equal(panel.controller.selection.mask, labels == 1)


def test_names_of_the_classes_are_those_of_the_user(panel):
    panel.controller.active.analysis.styles.rename("pixel_label", 0, "matrix")
    assert button_of(panel, "pixel_label", 0).text().startswith("matrix\n")


def test_long_names_make_nothing_wider(panel, qtbot):
    panel.controller.active.analysis.styles.rename("pixel_label", 0, "W" * 40)
    settle(panel, qtbot)
    assert panel.minimumSizeHint().width() <= 299


@pytest.mark.slow
def test_pictures_are_made_anew_only_where_they_change(panel, qtbot):
    before, analysis = panel.made, panel.controller.active.analysis
    analysis.atoms = analysis.atoms.with_features(more=1.0)
    panel.controller.bring()
    settle(panel, qtbot)
    assert panel.made is before
    run(panel, qtbot, Describe(methods=("NMF",), components=2))
    assert [each.column for each in panel.made.loadings] == ["nmf0", "nmf1"]


def test_columns_without_pictures_say_what_has_some(panel, qtbot):
    run(panel, qtbot, Describe())
    assert panel.message.text() == NOTHING
    assert panel.list.buttons == []
    assert not panel.save.isEnabled()


def test_what_took_long_waits_to_be_asked_for(panel, qtbot, monkeypatch):
    monkeypatch.setattr(loadings_panel, "QUICK", 0.0)
    run(panel, qtbot, Describe(methods=("PCA",), components=2))
    assert panel.made is not None  # what has just been fitted is at hand
    monkeypatch.setattr(Describe, "has_loadings", lambda *_: False)
    run(panel, qtbot, Describe(methods=("PCA",), components=2, seed=1))
    assert panel.made is None
    assert panel.make.isVisible()
    panel.make.click()
    settle(panel, qtbot)
    assert [each.column for each in panel.made.loadings] == ["pca0", "pca1"]
    assert not panel.make.isVisible()


def test_a_job_that_is_cancelled_shows_what_is_done_and_can_go_on(panel, qtbot, monkeypatch):
    real = alternatives.component_loadings

    def cancelled(*given, **settings):
        panel.controller.stop(everything=True)
        return real(*given, **settings)

    run(panel, qtbot, Describe())
    monkeypatch.setattr(alternatives, "component_loadings", cancelled)
    analysis = panel.controller.active.analysis
    finish(analysis.apply(Describe(methods=("PCA", "FFT"), components=2)))
    panel.controller.bring()
    settle(panel, qtbot)
    assert [each.column for each in panel.made.loadings] == ["pca0", "pca1"]
    assert panel.message.text() == STOPPED
    monkeypatch.setattr(alternatives, "component_loadings", real)
    panel.make.click()
    settle(panel, qtbot)
    assert [each.column for each in panel.made.loadings] == ["pca0", "pca1", "fft0", "fft1"]


def test_what_cannot_be_made_is_said_once(panel, qtbot, monkeypatch):
    def fails(*given, **settings):
        raise InputError("Nothing to see.")

    monkeypatch.setattr(alternatives, "component_loadings", fails)
    monkeypatch.setattr(panel, "requested", None)
    panel.refresh()
    settle(panel, qtbot)
    assert panel.message.text() == "Nothing to see."


def test_pictures_that_break_off_can_be_asked_for_again(panel, qtbot, monkeypatch):
    def breaks(*given, **settings):
        raise ValueError("broken")

    real = alternatives.component_loadings
    monkeypatch.setattr(alternatives, "component_loadings", breaks)
    monkeypatch.setattr(panel, "requested", None)
    panel.refresh()
    settle(panel, qtbot)
    assert panel.message.text() == BROKEN
    monkeypatch.setattr(alternatives, "component_loadings", real)
    panel.make.click()
    settle(panel, qtbot)
    assert panel.message.text() == ""
    assert panel.list.buttons


@pytest.mark.parametrize("end", [".png", ".svg"])
def test_the_figure_is_written(panel, qtbot, tmp_path, end):
    panel.save_figure(tmp_path / f"loadings{end}")
    settle(panel, qtbot)
    assert (tmp_path / f"loadings{end}").stat().st_size > 5000


def test_a_place_that_cannot_be_written_to_is_said(panel, qtbot, tmp_path):
    with qtbot.waitSignal(panel.controller.failed, timeout=10_000) as said:
        panel.save_figure(tmp_path / "nowhere" / "a.png")
    assert "choose another location" in said.args[0]


def test_the_small_map_has_the_shape_of_the_image_and_its_nearest_atoms(described):
    atoms, shape = described.atoms, described.image.shape
    cut = atoms.features["pca0"].notna().to_numpy()
    rows = nearest_rows(atoms, cut, shape)
    assert max(rows.shape) == SIDE
    step = max(shape) / SIDE
    y, x = np.argwhere(rows >= 0)[7]
    distance = np.linalg.norm(atoms.yx - ((np.array([y, x]) + 0.5) * step - 0.5), axis=1)
    assert np.where(cut, distance, np.inf).argmin() == rows[y, x]
