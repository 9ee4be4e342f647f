"""The selection is one mask, and every change to it can be heard."""

import numpy as np
import pytest

from local_crystallography.data.errors import InputError
from local_crystallography.views.selection import Selection


def mask(*chosen: int, n: int = 4) -> np.ndarray:
    return np.isin(np.arange(n), chosen)


@pytest.fixture
def selection() -> Selection:
    selection = Selection(4)
    selection.apply(mask(0, 1))
    return selection


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("replace", mask(1, 2)),
        ("add", mask(0, 1, 2)),
        ("subtract", mask(0)),
        ("intersect", mask(1)),
    ],
)
def test_a_mask_is_combined(selection, how, expected):
    selection.apply(mask(1, 2), how)
    np.testing.assert_array_equal(selection.mask, expected)


def test_invert_selects_the_rest(selection):
    selection.invert()
    np.testing.assert_array_equal(selection.mask, mask(2, 3))


def test_a_new_table_forgets_everything(selection):
    selection.resize(7)
    assert (len(selection), selection.count) == (7, 0)


def test_listeners_hear_who_changed_it(selection):
    heard = []
    selection.changed.connect(heard.append)
    selection.apply(mask(3), source="a")
    selection.invert(source="b")
    selection.reset(mask(1, 2), source="c")
    selection.clear(source="d")
    selection.resize(2, source="e")
    assert heard == list("abcde")


def test_a_change_of_nothing_is_silent(selection):
    heard, revision = [], selection.revision
    selection.changed.connect(heard.append)
    selection.apply(mask(0, 1))
    selection.apply(mask(1), "add")
    assert (heard, selection.revision) == ([], revision)


def test_revision_rises_with_every_change(selection):
    revision = selection.revision
    selection.invert()
    selection.reset(mask(0, 1))
    selection.reset(mask(0, 1))
    assert selection.revision == revision + 2


def test_the_mask_is_nobody_elses(selection):
    given = mask(2)
    selection.apply(given)
    given[:] = True
    assert selection.count == 1
    with pytest.raises(ValueError, match="read-only"):
        selection.mask[0] = True


@pytest.mark.parametrize(("bad", "how"), [(mask(0, n=5), "add"), (np.arange(4), "add"), (mask(0), "toggle")])
def test_what_does_not_fit_is_refused(selection, bad, how):
    with pytest.raises(InputError):
        selection.apply(bad, how)
