"""Pieces of work are done in order, and the window has its turn between them."""

from types import SimpleNamespace

import pytest
from qtpy import QtCore

from local_crystallography._napari.session.layer_queue import LayerQueue


@pytest.fixture
def queue(qtbot):
    return LayerQueue(SimpleNamespace(holds=lambda session: True))


def test_the_window_has_its_turn_between_two_pieces(queue, qtbot):
    seen = []

    def piece(name):
        seen.append(name)
        QtCore.QTimer.singleShot(0, lambda: seen.append("window"))

    with qtbot.waitSignal(queue.done):
        queue.add(lambda: piece("first"), lambda: piece("second"))
        assert queue.busy
    assert seen[:3] == ["first", "window", "second"]
    assert not queue.busy


def test_a_piece_may_add_another(queue, qtbot):
    seen = []
    with qtbot.waitSignal(queue.done):
        queue.add(lambda: queue.add(lambda: seen.append("later")))
    assert seen == ["later"]


def test_a_piece_that_fails_does_not_hold_up_the_next(queue, qtbot):
    seen = []
    with qtbot.capture_exceptions() as errors, qtbot.waitSignal(queue.done):
        queue.add(lambda: 1 / 0, lambda: seen.append("next"))
    assert seen == ["next"]
    assert errors[0][0] is ZeroDivisionError
