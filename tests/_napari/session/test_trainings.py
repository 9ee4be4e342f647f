"""What is shown of a network that still trains: all atoms and their maps, and not too often."""

import numpy as np
import pytest

from local_crystallography._napari.session import trainings
from local_crystallography._napari.session.trainings import Previews
from local_crystallography.data.progress import Progress


class Clock:
    """Time that goes on only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trainings.time, "perf_counter", clock)
    return clock


def never():
    return False


def looked_at(analysis, clock, *, takes, parts=1):
    """The end of a pass; to look at it takes so many seconds."""

    def look():
        values = np.arange(float(len(analysis.sub_images)))
        for part in np.array_split(values, parts):
            clock.now += takes / parts
            yield {"z0": part, "z1": -part, "z2": part, "angle_rad": part % 3}

    return Progress(0.5, preview=look)


def test_a_preview_has_all_atoms_and_three_maps(quick_analysis, clock):
    previews = Previews(quick_analysis, len)
    clock.now += 5
    made = previews.after(looked_at(quick_analysis, clock, takes=0.1, parts=3), never)
    assert len(made.table) == len(quick_analysis.atoms)
    assert set(made.maps) == {"z0", "z1", "angle_rad"}
    assert all(values.shape == quick_analysis.image.shape for values in made.maps.values())
    known = made.table["z0"].dropna()
    np.testing.assert_array_equal(known, np.arange(len(quick_analysis.sub_images)))
    assert "z2" in made.table


@pytest.mark.parametrize(("takes", "pause"), [(0.01, 2), (1, 10), (5, 50)])
def test_previews_take_a_tenth_of_the_time_at_most(quick_analysis, clock, takes, pause):
    previews, times = Previews(quick_analysis, len), []
    while len(times) < 4:
        clock.now += 0.25
        if previews.after(looked_at(quick_analysis, clock, takes=takes), never) is not None:
            times.append(clock.now)
    assert np.diff(times) == pytest.approx(pause + takes, abs=0.3)
    assert times[0] == pytest.approx(102 + takes, abs=0.3)


def test_between_passes_nothing_is_looked_at(quick_analysis, clock):
    previews = Previews(quick_analysis, len)
    clock.now += 100
    assert previews.after(Progress(0.5, loss=1.0), never) is None


def test_who_wants_to_stop_does_not_wait_for_a_preview(quick_analysis, clock):
    previews, start = Previews(quick_analysis, len), clock.now + 100
    clock.now = start
    assert previews.after(looked_at(quick_analysis, clock, takes=30, parts=30), lambda: True) is None
    assert clock.now - start <= 1
