"""Bad frames of a stack."""

import numpy as np
import pytest
from scans import drifting, spoiled
from scipy import ndimage

from local_crystallography.clustering.doubts import of_frames
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.scan.frames import EXAMINED, lattice_vectors, moved, spacing_off, unusual, usual


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


def test_a_frame_off_by_a_lattice_vector_is_known_by_what_is_not_periodic():
    frames, path, clean = drifting(count=4, counts=60.0)
    image = ndimage.gaussian_filter(clean, 1.5)
    vectors = lattice_vectors(image)
    assert np.hypot(*vectors[0]) == pytest.approx(14.0, abs=0.3)
    own = ndimage.gaussian_filter(moved(frames[1].astype(float), -path[1]), 1.5)
    assert not spacing_off(image, own, 1.5).any()
    np.testing.assert_allclose(spacing_off(image, moved(own, vectors[0]), 1.5), -vectors[0], atol=0.5)


def test_in_a_perfect_crystal_no_frame_is_off():
    clean = np.add.outer(np.sin(np.arange(128) * np.pi / 7), np.sin(np.arange(128) * np.pi / 7))
    rng = np.random.default_rng(0)
    first, second = (ndimage.gaussian_filter(clean + rng.normal(0, 0.5, clean.shape), 1.5) for _ in range(2))
    assert not spacing_off(first, second, 1.5).any()


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_frame_without_pixels_is_unusual_and_doubted_though_it_has_no_atoms(value):
    frames = drifting(count=6)[0].astype(np.float32)
    frames[3] = value
    image = Image(frames)
    assert unusual(image) == (3,)
    (doubt,) = of_frames(Atoms.at([[10.0, 10.0]]), image)
    assert doubt.says.startswith("Frame 3 (of 0 to 5) is unlike the others")
    assert not doubt.rows.any()


def test_a_masked_area_does_not_hide_a_bad_frame():
    frames = spoiled(drifting(count=6)[0], 2, "noise").astype(np.float32)
    frames[:, :20, :20] = np.nan
    assert unusual(Image(frames)) == (2,)
