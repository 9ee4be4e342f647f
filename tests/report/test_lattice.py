"""Report section on the lattice: a row for every grain, and nothing without a lattice."""

import numpy as np

from local_crystallography import Analysis, Image
from local_crystallography.data.atoms import Atoms
from local_crystallography.report.lattice import lattice_section
from local_crystallography.steps.measure_lattice import MeasureLattice


def test_the_cell_of_each_grain_is_listed():
    cells = np.stack(np.meshgrid(np.arange(10), np.arange(10), indexing="ij"), -1).reshape(-1, 2)
    yx = np.vstack([cells * 15.0 + 20, cells * 15.0 + (20, 227)])
    analysis = Analysis(Image(np.random.default_rng(0).random((200, 400)), pixel_size=0.02))
    analysis.atoms = Atoms.at(yx, pixel_size=0.02)
    assert lattice_section(analysis, analysis.image) == ""
    analysis.atoms = MeasureLattice()(analysis.atoms)
    page = lattice_section(analysis, analysis.image)
    assert page.count("a 0.300 b 0.300 nm 90.0°") == page.count("<td>square</td>") == 2
    assert "<img" in page
