"""Atoms edited by hand: what depends on them is out of date, nothing is lost, and all can be brought up to date."""

import numpy as np
import pytest
from analyses import copied

from local_crystallography import Analysis, Atoms, Encode, PaintMap, TrainVae
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

NEW = 10_000
NETWORK = {"train_vae"}
MENDED = ["refine_atoms", "extract_sub_images", "encode", "cluster", "paint_map"]


@pytest.fixture
def analysis(quick_analysis):
    return copied(quick_analysis)


@pytest.fixture
def inside(quick_analysis):
    """Rows of two atoms far from the edge."""
    middle = np.array(quick_analysis.image.shape) / 2
    return np.argsort(((quick_analysis.atoms.yx - middle) ** 2).sum(axis=1))[[0, 40]]


@pytest.fixture
def edited(analysis, inside):
    """One atom removed and drawn anew beside its place, and another moved by half a pixel."""
    before, (gone, moved) = analysis.atoms, inside
    table, yx = before.features.copy(), before.yx.copy()
    yx[moved] += (0.5, 0.0)
    table.loc[gone] = {name: -1 if table[name].dtype.kind in "iu" else np.nan for name in table} | {"frame": 0}
    table.loc[gone, "id"] = NEW
    yx[gone] += (0.0, 0.7)
    analysis.edit(Atoms(yx, table, before.pixel_size))
    return analysis


def test_an_edit_marks_what_depends_on_the_atoms_and_keeps_it(edited, quick_analysis, inside):
    assert set(edited.behind) == {*MENDED, *NETWORK}
    assert not any(map(edited.is_current, edited.behind.values()))
    assert edited.is_current(quick_analysis.asked["find_atoms"])
    assert edited.vae is quick_analysis.vae
    assert set(edited.maps) == set(quick_analysis.maps)
    table, before = edited.atoms.features, quick_analysis.atoms.features
    assert table.loc[inside, ["z0", "intensity", "label_probability"]].isna().all().all()
    assert table["label"].dtype.kind == "i"
    assert (table.loc[inside, "label"] == -1).all()
    rest = table.index.difference(inside)
    np.testing.assert_array_equal(table.loc[rest, ["z0", "label"]], before.loc[rest, ["z0", "label"]])


def test_edited_atoms_are_encoded_with_the_present_network(edited, quick_analysis, inside):
    network = edited.vae
    assert [step.name() for step in edited.mending] == MENDED
    for step in edited.mending:
        finish(edited.apply(step))
        assert {"z0", "label"} <= {*edited.atoms.features}  # at every moment of the way
    assert edited.vae is network
    assert not edited.behind
    assert edited.edited == NETWORK
    assert all(edited.is_current(step) for step in quick_analysis.asked.values())
    # the edited atoms are refined to their places, and encoded as before; the others stay as they were
    table, before = edited.atoms.features, quick_analysis.atoms.features
    np.testing.assert_allclose(edited.atoms.yx, quick_analysis.atoms.yx, atol=0.02)
    np.testing.assert_array_equal(table.loc[inside, "label"], before.loc[inside, "label"])
    np.testing.assert_allclose(table["z0"], before["z0"], atol=0.02)
    assert (table["label"].fillna(-1) == before["label"].fillna(-1)).mean() > 0.99


def test_a_step_never_takes_results_from_before_an_edit(edited):
    with pytest.raises(InputError, match="before the atoms were edited; run Refine atoms, Extract sub-images first"):
        finish(edited.apply(Encode()))


def test_a_new_training_takes_the_place_of_the_network_from_before_the_edit(edited):
    network = edited.vae
    for step in edited.behind_before(TrainVae(epochs=1)):
        finish(edited.apply(step))
    assert edited.vae is network
    finish(edited.apply(TrainVae(epochs=1)))
    assert edited.vae is not network
    assert "z0" not in edited.atoms.features
    assert not edited.behind


def test_a_session_knows_what_is_of_the_atoms_before_an_edit(edited, tmp_path):
    again = Analysis.open(edited.save(tmp_path / "session"))
    assert (again.behind, again.asked) == (edited.behind, edited.asked)
    for step in again.mending:
        finish(again.apply(step))
    twice = Analysis.open(again.save(tmp_path / "session"))
    assert twice.edited == NETWORK
    assert not twice.behind


def test_a_snapshot_brings_everything_back(analysis):
    before, whole = analysis.snapshot(), {name: getattr(analysis, name) for name in analysis.results}
    analysis.styles.rename("label", 0, "cation")
    analysis.edit(analysis.atoms[1:])
    finish(analysis.apply(analysis.mending[0]))
    after = analysis.snapshot()
    analysis.restore(before)
    assert {name: getattr(analysis, name) for name in analysis.results} == whole
    assert analysis.is_current(PaintMap())
    assert analysis.styles.name("label", 0) == "class 0"
    analysis.restore(after)
    assert len(analysis.atoms) == len(whole["atoms"]) - 1
    assert set(analysis.behind) == {*MENDED[1:], *NETWORK}
    assert analysis.styles.name("label", 0) == "cation"
