"""Warnings about unreliable results, with the atoms and columns concerned."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from qtpy import QtCore

from local_crystallography import Analysis, Atoms, Image
from local_crystallography._napari.explorer.plot_view import PlotView
from local_crystallography._napari.widgets.boxes import ShowBox
from local_crystallography.clustering.doubts import doubts, flags, of_lattice
from local_crystallography.data.subimages import SubImages
from local_crystallography.report.html import render
from local_crystallography.views.hover import Hover
from local_crystallography.views.plot_data import Choice
from local_crystallography.views.selection import Selection

SIDE = 20
CELLS = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
YX = 12.0 * CELLS + 6
CHECKS = CELLS.sum(axis=1) % 2
HALVES = (CELLS[:, 1] >= SIDE // 2).astype(int)


def atoms(label=0, angle_std=0.02, order=4, **columns):
    known = {
        "label": label,
        "angle_rad": 0.1,
        "angle_std_rad": angle_std,
        "symmetry_order": order,
        "z0": 0.5,
        "z1": 1.0,
    }
    return Atoms.at(YX).with_features(**{k: np.broadcast_to(v, len(YX)) for k, v in (known | columns).items()})


def window(side, heights, spacing=12.0):
    """A column and its four neighbours."""
    axis = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    places = [(0, 0), (spacing, 0), (-spacing, 0), (0, spacing), (0, -spacing)]
    return sum(h * np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / 12) for h, (dy, dx) in zip(heights, places, strict=True))


def cut(of, kinds, side=30, noise=0.02):
    rng = np.random.default_rng(0)
    windows = np.stack(kinds)[np.broadcast_to(of, len(YX))]
    return SubImages((windows + rng.normal(0, noise, windows.shape)).astype(np.float32), atoms())


def flagged(*given):
    return [doubt.flag for doubt in doubts(*given)]


def network(empty=(), unsettled=False, own=4):
    """The part of a network that is used here."""
    remarks = ["z1 is not informative about the sub-images."] if empty else []
    remarks += ["Not converged."] if unsettled else []
    settings = SimpleNamespace(latents=2, turns=True, classes=(), unsettled=unsettled)
    return SimpleNamespace(
        settings=settings, empty=list(empty), remarks=remarks, symmetry_order=lambda z: np.full(len(z), own)
    )


def test_nothing_is_doubted_of_two_kinds_that_differ():
    kinds = [window(30, (1, 0.5, 0.5, 0.5, 0.5)), window(30, (0.5, 1, 1, 1, 1))]
    assert flagged(atoms(CHECKS), cut(CHECKS, kinds), network()) == []


def test_angles_of_a_round_motif():
    found = doubts(atoms(CHECKS, angle_std=np.where(CHECKS, 0.3, 0.02)), None, None)
    assert [doubt.flag for doubt in found] == ["angle of a round motif"]
    assert np.array_equal(found[0].rows, CHECKS == 1)
    assert "angles of class 1 are uncertain: ± 17 degrees in a range of 90" in found[0].says


def test_a_class_of_brightness_alone():
    picture = window(30, (1, 0.5, 0.5, 0.5, 0.5))
    found = doubts(atoms(HALVES), cut(HALVES, [picture, 0.4 + 0.7 * picture]), None)
    assert [doubt.flag for doubt in found] == ["class of brightness"]
    assert "Classes 0 and 1 look alike" in found[0].says


@pytest.mark.parametrize(("side", "flag"), [(18, "window too small"), (160, "window over several domains")])
def test_windows_that_are_too_small_or_too_large(side, flag):
    kinds = [window(side, (1, 0.5, 0.5, 0.5, 0.5)), window(side, (0.5, 1, 1, 1, 1))]
    assert flag in flagged(atoms(HALVES), cut(HALVES, kinds, side), None)
    assert flag not in flagged(atoms(HALVES), cut(HALVES, [window(40, (1, 0.5, 0.5, 0.5, 0.5))] * 2, 40), None)


def test_collapsed_latents_and_an_unfinished_training():
    found = doubts(atoms(), None, network(empty=(1,), unsettled=True))
    assert [(doubt.flag, doubt.says) for doubt in found] == [
        ("collapsed latents", "z1 is not informative about the sub-images."),
        ("training not finished", "Not converged."),
    ]
    assert found[0].columns == ("z1",)


def test_an_order_that_only_the_angles_have():
    found = doubts(atoms(order=6), None, network(own=2))
    assert [doubt.flag for doubt in found] == ["symmetry order uncertain"]
    assert "Rotations by 60 degrees can hardly be distinguished in class 0" in found[0].says
    assert flagged(atoms(order=2), None, network(own=2)) == []


def test_flags_are_in_the_saved_table_and_not_among_the_columns_of_a_session(tmp_path):
    analysis = Analysis(Image(np.random.default_rng(0).normal(size=(240, 240)).astype(np.float32), name="noise"))
    analysis.atoms = atoms(CHECKS, angle_std=np.where(CHECKS, 0.3, 0.02))
    table = pd.read_csv(analysis.save(tmp_path / "out") / "atoms.csv", keep_default_na=False)
    assert np.array_equal(table["flags"] != "", CHECKS == 1)
    assert "The angles of class 1 are uncertain" in render(analysis)
    opened = Analysis.open(tmp_path / "out")
    assert "flags" not in opened.atoms.features
    assert [doubt.flag for doubt in opened.doubts] == ["angle of a round motif"]


def test_several_flags_of_an_atom_are_separated_by_semicolons():
    made = atoms(angle_std=0.4)
    words = flags(made, doubts(made, None, network(unsettled=True)))
    assert set(words) == {"training not finished; angle of a round motif"}


def test_doubts_are_recomputed_only_for_other_columns():
    analysis = Analysis(Image(np.eye(240, dtype=np.float32), name="line"))
    analysis.atoms = atoms(angle_std=0.4)
    found = analysis.doubts
    analysis.atoms = analysis.atoms.with_features(hand_label=1)
    assert analysis.doubts is found
    analysis.atoms = analysis.atoms.with_features(angle_std_rad=0.01)
    assert analysis.doubts == ()


def test_the_choice_of_a_column_says_why_it_is_unreliable(qtbot):
    box = ShowBox()
    qtbot.addWidget(box)
    made = atoms(angle_std=0.4)
    box.offer(made.features, "label")
    box.warn(doubts(made, None, None))
    tips = {box.itemData(i): box.itemData(i, QtCore.Qt.ItemDataRole.ToolTipRole) for i in range(box.count())}
    assert "are uncertain" in tips["angle_rad"]
    assert tips["label"] == "<qt>Class of the atom, by falling size; -1 for none.</qt>"
    box.warn(())
    tip = box.itemData(box.findData("angle_rad"), QtCore.Qt.ItemDataRole.ToolTipRole)
    assert tip == "<qt>Rotation of the motif, counter-clockwise.</qt>"


def test_plots_mark_unreliable_columns(qtbot):
    view = PlotView(Selection(), Hover())
    qtbot.addWidget(view)
    made = atoms(angle_std=0.4)
    view.set_table(made.to_frame(), doubts=doubts(made, None, None))
    view.choose(Choice("angle_rad", "z0", "label"))
    box, plain = view.combos["x"], view.combos["y"]
    assert not box.itemIcon(box.findText("angle_rad")).isNull()
    assert box.itemIcon(box.findText("z0")).isNull()
    assert "are uncertain" in box.toolTip()
    assert plain.toolTip() == "Column on the y axis; not used by histograms"
    view.set_table(made.to_frame(), doubts=())
    assert box.itemIcon(box.findText("angle_rad")).isNull()
    assert box.toolTip() == "Column on the x axis"


def grains_of(sizes, others=0):
    """Atoms of grains of given sizes, and others on no lattice."""
    grain = np.r_[np.repeat(np.arange(len(sizes)), sizes), np.full(others, -1)]
    yx = np.random.default_rng(0).uniform(0, 500, (len(grain), 2))
    return Atoms.at(yx, columns={"grain": grain})


@pytest.mark.parametrize(
    ("sizes", "others", "said"),
    [
        ([900, 40, 20], 100, ""),
        ([200], 700, "only 22% of the atoms"),
        ([60] * 12, 30, "breaks into 12 grains"),
        ([18], 2, "only 18 atoms"),
    ],
)
def test_a_lattice_that_does_not_hold_is_doubted(sizes, others, said):
    found = of_lattice(grains_of(sizes, others))
    assert [said in doubt.says for doubt in found] == ([True] if said else [])
