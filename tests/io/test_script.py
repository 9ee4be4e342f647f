"""A session written as a script: run anew, it gives the same atoms."""

import json

import numpy as np
import pytest
from pydantic import BaseModel

from local_crystallography import Analysis, Atoms, FindAtoms, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.io.script import source, to_command, to_notebook, to_python
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.measure_lattice import MeasureLattice


@pytest.fixture(scope="module")
def edited():
    """An analysis of steps, an edit by hand and a class by hand."""
    yx = np.stack(np.meshgrid(np.arange(8, 120, 10.0), np.arange(8, 120, 10.0), indexing="ij"), -1).reshape(-1, 2)
    rows, columns = np.mgrid[:128, :128]
    data = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in yx)
    analysis = Analysis(Image(data.astype(np.float32), 0.02, "a 'lattice'\n"))
    analysis.atoms = Atoms.at(yx, pixel_size=0.02)
    finish(analysis.apply(MeasureLattice()))
    moved = analysis.atoms.yx.copy()
    moved[5] += 0.25
    analysis.edit(Atoms(moved, analysis.atoms.features, 0.02)[3:])
    finish(analysis.apply(MeasureLattice()))
    analysis.atoms = analysis.atoms.with_features(hand_label=np.arange(len(analysis.atoms)) % 2 + 1)
    finish(analysis.apply(ExtractSubImages(window_size=16)))
    analysis.styles.rename("hand_label", 1, 'it\'s "mine"')
    return analysis


def test_a_script_run_anew_gives_the_same_columns(edited, tmp_path, monkeypatch):
    edited.save(tmp_path / "session")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(to_python(Analysis.open(tmp_path / "session").session, tmp_path / "session"), names)
    again = names["analysis"]
    assert again.atoms.same_atoms(edited.atoms)
    assert again.atoms.features.equals(edited.atoms.features)
    assert again.styles.to_dict() == edited.styles.to_dict()


def test_undo_takes_what_was_done_out_of_the_script(edited):
    before, log = edited.snapshot(), edited.log
    edited.atoms = edited.atoms.with_features(mine=1)
    assert len(edited.log) == len(log) + 1
    edited.restore(before)
    assert edited.log == log


def test_a_notebook_is_of_cells_and_a_command_says_what_it_leaves_out(edited, tmp_path):
    cells = json.loads(to_notebook(edited.session, tmp_path))["cells"]
    assert {cell["cell_type"] for cell in cells} == {"markdown", "code"}
    assert "hand" in to_command(edited.session, tmp_path / "s").splitlines()[0]


def test_text_is_quoted():
    class Named(BaseModel):
        name: str

    assert source(Named(name="'); x = (\"\n"), {}) == "Named(name='\\'); x = (\"\\n')"
    assert source(FindAtoms(), {}) == "FindAtoms()"


def test_nothing_to_write():
    with pytest.raises(InputError, match="open an image"):
        to_python(Analysis().session, "s")
