"""The manifold: tiles and the atoms in them, pictures of classes, and the dock that shows them."""

import numpy as np
import pytest
from analyses import copied
from napari.utils.theme import get_theme
from qtpy import QtCore, QtGui, QtWidgets
from scipy.stats import norm

from local_crystallography._napari.main.side_docks import MANIFOLD
from local_crystallography._napari.manifold.manifold import NO_CLASSES, NO_NETWORK, NO_TABLEAUX
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.studies import gallery as galleries
from local_crystallography.studies.gallery import Asked, class_pictures, gallery
from local_crystallography.views.greys import grey, grey_limits
from local_crystallography.views.manifold import Grid, latents_of, medians, tick_words

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
SHIFT, ALT = QtCore.Qt.KeyboardModifier.ShiftModifier, QtCore.Qt.KeyboardModifier.AltModifier


def nearest_tile(grid, z):
    """The same by trying every tile."""
    tiles = grid.latents.reshape(-1, len(grid.rest))[:, list(grid.axes)]
    return np.linalg.norm(z[:, None, list(grid.axes)] - tiles, axis=2).argmin(axis=1)


@pytest.mark.parametrize("n", [5, 8, 15])
@pytest.mark.parametrize(("axes", "d"), [((0, 1), 2), ((2, 0), 3), ((0,), 1)])
def test_an_atom_is_in_the_tile_whose_latents_are_nearest(n, axes, d):
    grid = Grid(n, axes, (0.3,) * d)
    z = np.random.default_rng(0).normal(0, 1.5, (500, d))
    np.testing.assert_array_equal(grid.tiles(z), nearest_tile(grid, z))


def test_dots_lie_within_the_picture_and_in_their_tile():
    grid, z = Grid(9, (0, 1), (0.0, 0.0)), np.random.default_rng(1).normal(0, 3, (500, 2))
    column, row = grid.places(z).T
    assert column.min() > -0.5
    assert column.max() < 8.5
    np.testing.assert_array_equal(np.rint(row) * 9 + np.rint(column), grid.tiles(z))
    np.testing.assert_allclose(grid.places(grid.latents[2, 5][None]), [[5, 2]], atol=1e-9)


def test_unknown_latents_are_in_no_tile():
    grid = Grid(5, (0, 1), (0.0, 0.0))
    z = np.array([[0.0, 0.0], [np.nan, 0.0], [0.0, np.nan]])
    assert grid.tiles(z).tolist() == [12, -1, -1]
    assert grid.counts(z).sum() == 1


def test_the_grid_is_that_of_the_network(quick_analysis):
    grid = Grid(7, (0, 1), (0.0, 0.0))
    np.testing.assert_allclose(grid.ticks[[0, -1]], norm.ppf([0.05, 0.95]))
    images = quick_analysis.vae.decode(grid.latents.reshape(-1, 2)).reshape(7, 7, 36, 36)
    np.testing.assert_allclose(images, quick_analysis.vae.manifold(7), atol=1e-6)


def test_other_latents_are_at_their_median():
    atoms = Atoms.at(np.zeros((4, 2)), columns={"z0": [0, 1, 2, np.nan], "z1": [5, 5, 9, np.nan], "z2": [1.0, 2, 3, 4]})
    rest = medians(latents_of(atoms, 3), 3)
    assert rest == (1.0, 5.0, 2.5)
    z = Grid(5, (2, 0), rest).latents
    assert (z[..., 1] == 5).all()
    assert z[0, 0, 2] < z[0, 1, 2]
    assert z[0, 0, 0] > z[1, 0, 0]
    assert latents_of(atoms, 2) is None
    assert medians(None, 2) == (0.0, 0.0)


def test_class_pictures_count_all_atoms_and_average_those_with_a_sub_image():
    label = [0, 0, 1, 1, np.nan]
    atoms = Atoms.at(np.zeros((5, 2)), columns={"label": label, "z0": [1.0, 3, np.nan, np.nan, np.nan]})
    windows = np.arange(2, dtype=np.float32)[:, None, None] * np.ones((2, 4, 4), np.float32)
    first, second = class_pictures(atoms, SubImages(windows, atoms[[1, 0]]), atoms.features[["z0"]].to_numpy())
    assert (first.number, first.count, first.share, first.centroid.tolist()) == (0, 2, 0.5, [2.0])
    assert (first.mean == 0.5).all()
    assert (second.count, second.share) == (2, 0.5)
    assert np.isnan(second.mean).all()
    assert np.isnan(second.centroid).all()


def test_greys_run_between_the_limits_and_unknown_is_transparent():
    rgba = grey(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]]), (0.0, 1.0))[0]
    assert rgba[:5, 0].tolist() == [0, 0, 128, 255, 255]
    assert rgba[:, 3].tolist() == [255] * 5 + [0]


def test_limits_of_a_channel():
    windows = np.zeros((3, 4, 4, 2), np.float32)
    windows[..., 1] = 7
    subs = SubImages(windows, Atoms.at(np.zeros((3, 2))))
    assert grey_limits(subs, 0) == (0.0, 1.0)
    assert grey_limits(subs, 1) == (7.0, 8.0)


def test_what_was_decoded_is_not_decoded_again(quick_within, monkeypatch):
    asked = ask(quick_within)
    first = gallery(asked)
    assert first.tiles.shape == (9, 9, 36, 36)
    assert np.isnan(first.tiles[0, 0, 0, 0])  # outside the disc
    assert len(first.centroids) == len(first.classes)
    assert first.tableaux.shown.shape == (len(first.classes), 3, 3, 36, 36)
    monkeypatch.setattr(galleries, "tableaux", lambda *_: pytest.fail("decoded again"))
    again = gallery(ask(quick_within, atoms=quick_within.atoms.with_features(more=1)), first)
    assert again.tiles is first.tiles
    assert again.tableaux is first.tableaux


@pytest.mark.parametrize(("value", "says"), [(-0.04, "0.0"), (-1.64, "−1.6"), (2, "2.0")])
def test_numbers_of_an_axis(value, says):
    assert tick_words(value, 1) == says


@pytest.mark.parametrize("axes", [(0, 1), (0,)])
@pytest.mark.parametrize("end", [".png", ".pdf", ".svg"])
def test_the_grid_as_a_figure(tmp_path, axes, end):
    from local_crystallography.report.manifold import save_manifold

    grid = Grid(5, axes, (0.0,) * len(axes))
    tiles = np.random.default_rng(0).random((*grid.shape, 6, 6))
    path = save_manifold(
        tmp_path / f"grid{end}", tiles, ticks=grid.ticks, names=tuple(f"z{i}" for i in axes), limits=(0.0, 1.0)
    )
    assert path.stat().st_size > 1000


def ask(analysis, **changes):
    given = {"atoms": analysis.atoms, "grid": Grid(9, (0, 1), (0.0, 0.0)), "channel": 0} | changes
    return Asked(analysis.vae, analysis.cvae, analysis.sub_images, **given)


@pytest.fixture
def viewer(light_viewer):
    light_viewer.window.main.show()
    return light_viewer


@pytest.fixture
def main(viewer, qtbot):
    _, main = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    yield main
    main.controller.runner.halt()


@pytest.fixture
def within(quick_within):
    """An analysis with both networks that a test may change."""
    return copied(quick_within)


@pytest.fixture
def shown(main, within, qtbot):
    """The manifold dock with a finished analysis."""
    main.controller.adopt(within)
    dock = main.docks.show_manifold()
    qtbot.waitUntil(lambda: dock.gallery is not None and not dock.busy and not main.controller.running, timeout=30_000)
    return dock


def point(view, place, kind=QtCore.QEvent.Type.MouseMove, modifiers=QtCore.Qt.KeyboardModifier.NoModifier):
    """The mouse at column, row of the tiles."""
    port, none = view.viewport(), QtCore.Qt.MouseButton.NoButton
    spot = QtCore.QPointF(view.mapFromScene(view.box.mapViewToScene(QtCore.QPointF(*place))))
    left = QtCore.Qt.MouseButton.LeftButton
    types = QtCore.QEvent.Type
    buttons = {types.MouseMove: (none, none), types.MouseButtonPress: (left, left)}.get(kind, (left, none))
    event = QtGui.QMouseEvent(kind, spot, QtCore.QPointF(port.mapToGlobal(spot)), *buttons, modifiers)
    QtWidgets.QApplication.sendEvent(port, event)


def click(view, place, modifiers=QtCore.Qt.KeyboardModifier.NoModifier):
    for kind in (QtCore.QEvent.Type.MouseButtonPress, QtCore.QEvent.Type.MouseButtonRelease):
        point(view, place, kind, modifiers)


def fullest(dock):
    return np.argsort(np.bincount(dock.gallery.tile_of[dock.gallery.tile_of >= 0], minlength=81))[::-1]


def test_the_main_dock_opens_the_manifold_once(main, viewer):
    main.buttons[MANIFOLD].click()
    first = main.docks.behind["Manifold"]
    assert first.message.text() == NO_NETWORK
    assert first.message.isVisible()
    assert not first.split.isVisible()
    main.buttons[MANIFOLD].click()
    assert main.docks.behind["Manifold"] is first
    viewer.window.remove_dock_widget(first)
    assert main.docks.show_manifold() is not first


@pytest.mark.slow
def test_a_click_on_a_tile_selects_its_atoms(shown, qtbot):
    dock, selection = shown, shown.controller.selection
    one, other = fullest(dock)[:2]
    for tile, modifiers, wanted in ((one, 0, [one]), (other, SHIFT, [one, other]), (one, ALT, [other])):
        qtbot.wait(400)  # or two clicks are a double one
        row, column = divmod(int(tile), 9)
        click(dock.panel.view, (column, row), modifiers or QtCore.Qt.KeyboardModifier.NoModifier)
        np.testing.assert_array_equal(selection.mask, np.isin(dock.gallery.tile_of, wanted))
    assert selection.count > 0


@pytest.mark.slow
def test_the_keys_reach_every_tile(shown, qtbot):
    view, selection, key = shown.panel.view, shown.controller.selection, QtCore.Qt.Key
    tile = int(fullest(shown)[0])
    for _ in range(tile // 9):
        qtbot.keyClick(view, key.Key_Down)
    for _ in range(tile % 9):
        qtbot.keyClick(view, key.Key_Right)
    qtbot.keyClick(view, key.Key_Return)
    np.testing.assert_array_equal(selection.mask, shown.gallery.tile_of == tile)


@pytest.mark.slow
def test_pointing_at_a_tile_tells_how_many_atoms_it_has(shown, qtbot):
    tile = int(fullest(shown)[0])
    row, column = divmod(tile, 9)
    shown.select_tile(tile)
    count = shown.controller.selection.count
    point(shown.panel.view, (column, row))
    qtbot.waitUntil(lambda: f"{count:,} atoms, {count:,} selected" in shown.panel.status.text(), timeout=2000)
    z = Grid(9, (0, 1), (0.0, 0.0)).latents[row, column]
    assert shown.controller.hover.place == pytest.approx({"z0": z[0], "z1": z[1]})


def test_a_class_is_selected_by_its_picture(shown, within):
    labels = within.atoms.features["label"].to_numpy()
    assert sorted(shown.classes.buttons) == sorted(np.unique(labels[labels >= 0]).astype(int))
    shown.classes.buttons[1].click()
    np.testing.assert_array_equal(shown.controller.selection.mask, labels == 1)
    assert f"{int((labels == 1).sum()):,} atoms" in shown.classes.buttons[1].text()


def test_names_of_classes_are_followed(shown, within):
    within.styles.rename("label", 1, "nickel oxide")
    assert "nickel oxide" in shown.classes.buttons[1].text()
    within.styles.rename("label", 1, "")
    assert "class 1" in shown.classes.buttons[1].text()


@pytest.mark.slow
def test_the_number_of_tiles(shown, qtbot):
    shown.panel.tiles.setValue(5)
    qtbot.waitUntil(lambda: shown.gallery.tiles.shape[:2] == (5, 5), timeout=10_000)
    assert "5 × 5 tiles" in shown.panel.status.text()


@pytest.mark.slow
def test_a_new_network_brings_new_tiles(shown, quick_analysis, qtbot):
    before, session = shown.gallery, shown.controller.active
    session.analysis.restore_results(
        {name: getattr(quick_analysis, name) for name in quick_analysis.results} | {"atoms": None, "maps": None},
        *({}, {}, {}),
    )
    shown.controller.changed.emit()
    qtbot.waitUntil(lambda: shown.gallery is not before, timeout=10_000)
    assert not shown.classes.buttons
    said = [label.text() for label in shown.tabs.findChildren(QtWidgets.QLabel)]
    assert any(NO_CLASSES in words for words in said)
    assert any(NO_TABLEAUX in words for words in said)


@pytest.mark.slow
def test_a_hidden_dock_makes_nothing(shown, qtbot):
    before = shown.gallery
    shown.parent().hide()
    shown.panel.tiles.setValue(6)
    qtbot.wait(200)
    assert shown.gallery is before
    shown.parent().show()
    qtbot.waitUntil(lambda: shown.gallery.tiles.shape[:2] == (6, 6), timeout=10_000)


@pytest.mark.slow
def test_everything_has_a_tooltip_and_the_theme(shown, viewer):
    controls = [shown.panel.tiles, shown.panel.atoms, shown.panel.save, shown.panel.view, *shown.panel.axes.values()]
    assert all(widget.toolTip() for widget in (*controls, *shown.classes.buttons.values()))
    for theme in ("light", "dark"):
        viewer.theme = theme
        brightness = shown.panel.view.backgroundBrush().color().lightness()
        assert (brightness < 128) == (get_theme(theme).type == "dark")


@pytest.mark.slow
def test_the_figure_is_saved_from_the_dock(shown, tmp_path, monkeypatch, qtbot):
    path = tmp_path / "tiles"
    ask_path = lambda *_, **__: (str(path), "PDF (*.pdf)")  # noqa: E731
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", ask_path)
    shown.panel.save.click()
    qtbot.waitUntil(lambda: "Saved tiles.pdf." in shown.panel.status.text(), timeout=20_000)
    assert (tmp_path / "tiles.pdf").read_bytes().startswith(b"%PDF")
