"""The legend on the canvas is that of the map that is seen."""

import numpy as np
import pytest
from qtpy import QtWidgets

from local_crystallography._napari.explorer.map_legend import LegendWidget, MapKey, MapLegend
from local_crystallography.views.raster import PALETTE

RAMP = np.linspace(0.0, 1.0, 400)


@pytest.fixture
def results(controller):
    analysis, session = controller.analysis, controller.active
    n, shape = len(analysis.atoms), analysis.image.shape
    label = np.arange(n) % 3
    analysis.atoms = analysis.atoms.with_features(label=label, angle_rad=np.linspace(-0.1, 0.1, n), z0=np.arange(n) / n)
    angles = np.linspace(-0.1, 0.1, np.prod(shape), dtype=np.float32).reshape(shape)
    analysis.maps = {"label": np.round(angles * 10 + 1), "angle_rad": angles, "z0": angles * 50}
    session.results.requested |= {"angle_rad", "z0"}
    session.results.show()
    return session.results


@pytest.fixture
def legend(controller, results, qtbot):
    parent = QtWidgets.QWidget()
    qtbot.addWidget(parent)
    legend = MapLegend(controller, parent)
    yield legend
    legend.leave()


def test_classes_have_their_names_and_colours(legend, results, qtbot):
    results.show_map("label")
    results.analysis.styles.rename("label", 1, "B site")
    legend.refresh()
    colours = ["#" + bytes(np.rint(255 * colour[:3]).astype(np.uint8)).hex() for colour in PALETTE[:3]]
    assert legend.key.title == "Class"
    assert legend.key.classes == tuple(zip(["class 0", "B site", "class 2"], colours, strict=True))
    results.analysis.styles.rename("label", 0, "A site")
    qtbot.waitUntil(lambda: legend.key.classes[0][0] == "A site")


def test_a_scale_has_its_unit_and_the_limits_of_the_layer(legend, results, qtbot):
    results.show_map("angle_rad")
    legend.refresh()
    assert legend.key.title == "Angle (°)"
    layer = results.get("angle_rad")
    assert float(legend.key.marks[-1]) == pytest.approx(np.degrees(layer.contrast_limits[1]), rel=0.02)
    layer.contrast_limits = (0.0, np.pi / 2)
    qtbot.waitUntil(lambda: legend.key.marks == ("0.0", "45.0", "90.0"))
    before = legend.key.bar
    layer.colormap = "magma"
    qtbot.waitUntil(lambda: legend.key.bar != before)


def test_it_follows_what_is_seen(legend, results, qtbot):
    results.set_colour("z0")
    results.show_map("label")
    qtbot.waitUntil(lambda: legend.key is not None and legend.key.title == "Class")
    results.get("label").visible = False
    qtbot.waitUntil(lambda: legend.key.title == "z0")  # of the atoms
    results.get("atoms").visible = False
    qtbot.waitUntil(lambda: legend.key is None)


def test_atoms_of_one_colour_need_no_legend(legend, results):
    results.show_map("")
    results.set_colour("")
    legend.refresh()
    assert legend.key is None


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize(
    "key",
    [
        MapKey("Label", (("class 0", "#ff0000"), ("a name that is rather long", "#00ff00"))),
        MapKey("Angle (°)", (), ("#000000", "#ff0000"), ("-10", "0", "10")),
        MapKey("Label"),
    ],
)
def test_it_is_drawn_in_the_corner_in_its_colours(qtbot, key, dark):
    canvas = QtWidgets.QWidget()
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    canvas.show()
    widget = LegendWidget(canvas)
    widget.show_key(key, dark)
    assert canvas.rect().contains(widget.geometry())
    picture = widget.grab().toImage()
    seen = {
        picture.pixelColor(x, y).name() for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)
    }
    assert {colour for _, colour in key.classes} | {*key.bar} <= seen
    canvas.resize(500, 300)
    assert canvas.rect().right() - widget.geometry().right() < 20
