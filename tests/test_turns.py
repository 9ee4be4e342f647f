"""Pieces of work are done in order, and the window has its turn between them."""

import pytest
from qtpy import QtCore

from local_crystallography._napari.bench.turns import Turns


@pytest.fixture
def turns(qtbot):
    return Turns()


def test_the_window_has_its_turn_between_two_pieces(turns, qtbot):
    seen = []

    def piece(name):
        seen.append(name)
        QtCore.QTimer.singleShot(0, lambda: seen.append("window"))

    with qtbot.waitSignal(turns.done):
        turns.add(lambda: piece("first"), lambda: piece("second"))
        assert turns.busy
    assert seen[:3] == ["first", "window", "second"]
    assert not turns.busy


def test_a_piece_may_add_another(turns, qtbot):
    seen = []
    with qtbot.waitSignal(turns.done):
        turns.add(lambda: turns.add(lambda: seen.append("later")))
    assert seen == ["later"]


def test_a_piece_that_fails_does_not_hold_up_the_next(turns, qtbot):
    seen = []
    with qtbot.capture_exceptions() as errors, qtbot.waitSignal(turns.done):
        turns.add(lambda: 1 / 0, lambda: seen.append("next"))
    assert seen == ["next"]
    assert errors[0][0] is ZeroDivisionError
