"""A selection becomes a class, a column, a table, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.views.assign import HAND_LABEL, hand_labels, table_of, with_column, with_hand_label
from local_crystallography.views.styles import ClassStyles

ATOMS = Atoms.at(
    np.arange(10.0).reshape(5, 2), pixel_size=0.02, columns={"z0": np.linspace(0, 1, 5), "label": [0, 1, 1, -1, 0]}
)
FIRST, MIDDLE = np.arange(5) < 2, (np.arange(5) > 0) & (np.arange(5) < 4)


def test_a_class_by_hand_goes_to_the_selected_atoms_only():
    once = with_hand_label(ATOMS, FIRST, 3)
    twice = with_hand_label(once, MIDDLE, 0)
    assert hand_labels(ATOMS).tolist() == [-1] * 5
    assert hand_labels(once).tolist() == [3, 3, -1, -1, -1]
    assert hand_labels(twice).tolist() == [3, 0, 0, 0, -1]
    assert hand_labels(with_hand_label(twice, FIRST, -1)).tolist() == [-1, -1, 0, 0, -1]
    assert twice.same_atoms(ATOMS)
    pd.testing.assert_frame_equal(twice.features.drop(columns=HAND_LABEL), ATOMS.features)
    assert twice.features[HAND_LABEL].dtype == np.int64


def test_a_class_that_came_back_with_gaps_is_none_there():
    assert hand_labels(ATOMS.with_features(hand_label=[0.0, np.nan, 2.0, np.nan, 1.0])).tolist() == [0, -1, 2, -1, 1]


def test_a_class_below_none_is_refused():
    with pytest.raises(InputError, match="-2 is not the number of a class"):
        with_hand_label(ATOMS, FIRST, -2)


def test_a_column_says_which_atoms_were_selected():
    assert with_column(ATOMS, " core ", MIDDLE).features["core"].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "A column cannot be named"),
        ("2nd", "A column cannot be named"),
        ("my atoms", "A column cannot be named"),
        ("käse", "A column cannot be named"),
        ("a" * 41, "A column cannot be named"),
        ("z0", "already a column z0"),
        ("x_nm", "already a column x_nm"),
        ("z3", "reserved for results"),
        ("strain_std", "reserved for results"),
        (HAND_LABEL, "reserved for results"),
        ("Grain", "reserved for results"),
    ],
)
def test_a_name_that_does_not_do_is_said(name, said):
    with pytest.raises(InputError, match=said):
        with_column(ATOMS, name, MIDDLE)


def test_the_table_holds_the_selected_rows_and_the_names_of_their_classes():
    styles = ClassStyles()
    styles.rename("label", 1, "A site")
    table = table_of(with_hand_label(ATOMS, FIRST, 2), MIDDLE, styles)
    assert table["id"].tolist() == [1, 2, 3]
    assert table["label_name"].tolist() == ["A site", "A site", "none"]
    assert table["hand_label_name"].tolist() == ["class 2", "none", "none"]
    assert list(table.drop(columns=["label_name", "hand_label", "hand_label_name"])) == list(ATOMS.to_frame())
    np.testing.assert_allclose(table["y_nm"], ATOMS.yx[MIDDLE, 0] * 0.02)
