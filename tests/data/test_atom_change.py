"""A change by hand, written down, makes the same atoms again."""

import numpy as np
import pytest

from local_crystallography.data.atom_change import AtomChange, ids_of, ranges
from local_crystallography.data.atoms import Atoms

BEFORE = Atoms.at([[1.0, 2.0], [3.0, 4.0], [5.0, 6.5]], columns={"z1": [0.1, np.nan, 1e-17], "label": [1, 2, 2]})
MOVED = Atoms(BEFORE.yx + [[0, 0], [0.1, 0], [0, 0]], BEFORE.features)
ADDED = Atoms(np.vstack([BEFORE.yx, [[7, 8]]]), BEFORE.features.reindex([0, 1, 2, 0]).assign(id=[0, 1, 2, 9]))


@pytest.mark.parametrize(
    "after",
    [
        BEFORE[[0, 2]],
        MOVED,
        ADDED,
        BEFORE.with_features(hand_label=[0, 1, 1]),
        BEFORE.with_features(kept=[True, False, True], why=["a'b", "", "__import__('os')"]),
        BEFORE.with_features(z1=np.float32([0.1, 0.2, np.nan])),
        BEFORE.without(["z1"]),
    ],
)
def test_a_change_comes_back_bit_for_bit_also_from_its_text(after):
    change = AtomChange.between(BEFORE, after)
    again = AtomChange.model_validate_json(change.model_dump_json())(BEFORE)
    assert again.same_atoms(after)
    assert again.features.equals(after.features)


def test_atoms_in_another_order_are_no_change_that_can_be_written():
    assert AtomChange.between(BEFORE, BEFORE[[2, 0, 1]]) is None


def test_the_scale_of_a_table_is_kept():
    after = Atoms(BEFORE.yx, BEFORE.features, 0.02)
    assert AtomChange.between(None, after)(Atoms.at([])).pixel_size == 0.02


def test_ranges_of_ids_read_back():
    assert ranges([7, 0, 1, 2, 9]) == "0-2 7 9"
    assert ids_of("0-2 7 9") == [0, 1, 2, 7, 9]
