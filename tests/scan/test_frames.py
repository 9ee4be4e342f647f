"""Bad frames of a stack."""

import numpy as np
import pytest
from scans import drifting, spoiled

from local_crystallography.data.image import Image
from local_crystallography.scan.frames import EXAMINED, unusual, usual


@pytest.mark.parametrize("kind", ["blank", "dark", "cut", "unsharp", "noise"])
def test_a_frame_unlike_the_others_is_known_wherever_they_drift(kind):
    frames, _, _ = drifting(count=8)
    for bad in (0, 7):
        image = Image(spoiled(frames, bad, kind))
        assert unusual(image) == (bad,)
        assert bad not in usual(image, 3)
        assert len(usual(image, 3)) == 3


def test_good_frames_are_usual():
    assert unusual(Image(drifting(count=8)[0])) == ()
    assert unusual(Image(drifting(count=2)[0])) == ()
    assert usual(Image(drifting(count=1)[0][0]), 5) == [0]


def test_no_frame_is_unusual_where_none_is_usual():
    crystal = drifting(count=3)[0].astype(float)
    noise = np.random.default_rng(0).permuted(crystal, axis=1)
    assert unusual(Image(np.concatenate([crystal[:2], noise[:2]]))) == ()


def test_a_long_stack_is_examined_in_part():
    frames = np.resize(drifting(count=5)[0], (200, 128, 128)).astype(float)
    frames[0] = 0
    assert unusual(Image(frames)) == (0,)
    assert len(usual(Image(frames), EXAMINED)) == EXAMINED
