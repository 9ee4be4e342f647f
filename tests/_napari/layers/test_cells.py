"""The unit cell on the image: where it lies, when it is there, and that it is nobody's region."""

import numpy as np
import pytest
from analyses import copied
from napari.layers import Shapes

from local_crystallography import MeasureLattice
from local_crystallography._napari.layers import cells
from local_crystallography._napari.main.dock import MainDock
from local_crystallography.data.progress import finish
from local_crystallography.lattice.cells import grain_cells


@pytest.fixture
def main(viewer, quick_analysis, qtbot):
    done = copied(quick_analysis)
    finish(done.apply(MeasureLattice()))
    main = MainDock(viewer)
    viewer.window.add_dock_widget(main, name="dock")
    main.controller.adopt(done)
    qtbot.waitUntil(lambda: not main.controller.running and cells.NAME in viewer.layers, timeout=20_000)
    yield main
    main.controller.runner.halt()


def test_the_cell_of_every_grain_is_drawn_in_nm_where_its_atoms_are(main, viewer):
    layer, atoms = viewer.layers[cells.NAME], main.controller.atoms
    found = grain_cells(atoms)
    assert isinstance(layer, Shapes)
    assert layer.visible
    assert len(layer.data) == len(found) == atoms.features["grain"].max() + 1
    assert layer.data[0] == pytest.approx(np.array(found[0].corners))
    assert layer.scale == pytest.approx(viewer.layers["atoms"].scale)
    assert layer.features["cell"].tolist() == [cell.words for cell in found]
    assert "nm" in found[0].words


def test_equal_cells_leave_the_layer_alone_and_it_is_no_region(main, viewer, qtbot):
    session = main.controller.active
    before = viewer.layers[cells.NAME]
    session.analysis.atoms = session.analysis.atoms.with_features(own=np.zeros(len(session.analysis.atoms)))
    main.controller.bring()
    qtbot.wait(300)
    assert viewer.layers[cells.NAME] == before
    assert all(box.findText(cells.NAME) == -1 for box in main.region_boxes)


def test_it_goes_with_the_lattice(main, viewer):
    session = main.controller.active
    session.analysis.atoms = session.analysis.atoms.without(["grain"])
    session.results.prune()
    assert cells.NAME not in viewer.layers
