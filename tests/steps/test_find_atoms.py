"""What the network knows of an atom reaches its row."""

import numpy as np
import pytest
from crystals import blobs
from scipy.spatial import cKDTree

from local_crystallography import FindAtoms, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.probability import ProbabilityMap

SHAPE = (40, 60)


def discs(places, height=0.97):
    """Share of a class with atoms at some places."""
    return (height * np.clip(blobs(places, shape=SHAPE, sigma=2.0), 0, 1)).astype(np.float32)


def shared(*shares):
    """The map of classes with these shares."""
    stack = np.stack([np.broadcast_to(np.float32(share), SHAPE) for share in shares])
    return ProbabilityMap(1 - np.prod(1 - stack, axis=0), None, stack, tuple("ABC"[: len(stack)]))


LEFT, RIGHT, MIDDLE = (discs([place]) for place in ([20.0, 20.0], [20.0, 28.0], [20.0, 24.0]))


def test_a_single_network_gives_no_more_than_the_probability():
    assert list(FindAtoms()(LEFT).features) == ["id", "frame", "probability"]


def test_how_unsure_an_ensemble_is_is_that_of_the_peak():
    std = np.where(np.hypot(*(np.indices(SHAPE) - np.array([20, 20])[:, None, None])) < 0.5, 0.125, 0.5)
    atoms = FindAtoms()(ProbabilityMap(LEFT, std))
    assert atoms.features["probability_std"].tolist() == [0.125]


def test_an_atom_has_the_likeliest_class():
    atoms = FindAtoms()(shared(LEFT / 4, np.maximum(LEFT / 2, discs([[20, 45]])), 0))
    assert atoms.features["kind"].tolist() == [1, 1]
    assert sorted(atoms.features["kind_probability"]) == pytest.approx([2 / 3, 1], abs=0.01)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[20, 20]], [[20, 24]]),
        ([[20, 20], [20, 28]], [[20, 24]]),
        ([[16, 20]], [[20, 23], [28, 23]]),
    ],
)
def test_close_atoms_of_different_classes_stay_apart(a, b):
    given, kinds = shared(discs(a), discs(b)), [0] * len(a) + [1] * len(b)
    atoms = FindAtoms()(given)
    distance, nearest = cKDTree([*a, *b]).query(atoms.yx)
    assert sorted(nearest) == list(range(len(kinds)))
    assert distance.max() < 0.5
    assert atoms.features["kind"].tolist() == [kinds[row] for row in nearest]


def rim(places, inner, outer):
    distance = np.hypot(*(np.indices(SHAPE) - np.array(places)[:, None, None]))
    return ((distance >= inner) & (distance < outer)).astype(np.float32)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.5 * LEFT, 0.55 * LEFT),
        (LEFT, 0.3 * rim((20, 20), 2, 4)),
        (LEFT, 0.9 * rim((21, 23), 0, 1)),
        (0.5 * LEFT, 0.5 * discs([[20, 21]])),
    ],
    ids=["unsure of the class", "weak rim", "one pixel", "a pixel off"],
)
def test_one_atom_of_doubtful_class_stays_one(a, b):
    assert len(FindAtoms()(shared(a, b))) == 1


def test_atoms_of_every_frame_have_their_class():
    one, two = shared(LEFT, MIDDLE * 0), shared(LEFT * 0, RIGHT)
    nothing = shared(LEFT * 0, LEFT * 0)
    given = ProbabilityMap.stacked([one, nothing, two], (3, *SHAPE))
    atoms = FindAtoms()(given, Image(np.random.default_rng(0).random((3, *SHAPE))))
    assert atoms.frame.tolist() == [0, 2]
    assert atoms.features["kind"].tolist() == [0, 1]
    assert atoms.features["kind"].dtype.kind == "i"


def test_a_mask_of_0_and_255_is_a_map():
    mask = np.where(LEFT > 0.5, 255, 0).astype(np.uint8)
    np.testing.assert_allclose(FindAtoms()(mask).yx, [[20, 20]], atol=0.01)


def test_a_map_of_another_shape_than_the_image_is_said():
    with pytest.raises(InputError, match=r"shape \(40, 60\), the image \(20, 20\)"):
        FindAtoms()(LEFT, Image(np.eye(20)))


@pytest.mark.parametrize(("distance", "count"), [(1.0, 1), (3.0, 1), (4.8, 2), (9.0, 2)])
def test_a_blob_with_two_clear_tops_holds_two_atoms(distance, count):
    places = np.array([[20, 20], [20, 20 + distance]])
    touching = np.max([discs([place]) for place in places], axis=0)
    atoms = FindAtoms()(np.maximum(touching, discs([[10, 45]])))
    assert len(atoms) == count + 1
    if count == 2:
        assert cKDTree(atoms.yx).query(places)[0].max() < 0.4
