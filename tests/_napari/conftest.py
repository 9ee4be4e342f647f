"""What takes long and is the same in every test is done soon, or once."""

import pickle

import pytest

from local_crystallography.steps.segment import Segment


@pytest.fixture(autouse=True)
def short_start_here(short_start):
    """Every training begins soon: what windows show of it does not depend on how good its start is."""


@pytest.fixture(scope="session")
def searched():
    """Candidates of Segment, by step and pixels."""
    return {}


@pytest.fixture(autouse=True)
def one_search(searched, monkeypatch):
    """Segment looks at all scales of the same pixels once, though every test opens its sample anew."""
    from local_crystallography.scan.frames import usual
    from local_crystallography.steps.segment import FRAMES

    search = Segment.candidates

    def candidates(step, image):
        seen = [image.known_frame(number) for number in usual(image, FRAMES)]
        key = step, pickle.dumps(seen)
        if key not in searched:
            searched[key] = search(step, image)
        return searched[key]

    monkeypatch.setattr(Segment, "candidates", candidates)
