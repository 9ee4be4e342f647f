"""A probability map holds what belongs together, and any array can be one."""

import numpy as np
import pytest

from local_crystallography.data.errors import InputError
from local_crystallography.data.probability import ProbabilityMap

FLAT = np.full((20, 30), 0.5, np.float32)
TWO = np.stack([FLAT, FLAT / 2])


def test_it_is_an_array_of_its_values_to_numpy():
    given = ProbabilityMap(FLAT)
    np.testing.assert_array_equal(given, FLAT)
    assert np.asarray(given, np.float64).dtype == np.float64


def test_a_map_is_itself():
    given = ProbabilityMap(FLAT, std=FLAT)
    assert ProbabilityMap.of(given) is given


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([[0, 0.5], [1, 0.25]], [[0, 0.5], [1, 0.25]]),
        (np.array([[False, True]]), [[0, 1]]),
        (np.array([[0, 255]], np.uint8), [[0, 1]]),
        ([[-3.0, 4.0, 2.0]], [[0, 1, 0.5]]),
        ([[np.nan, 0.5]], [[0, 0.5]]),
        ([[-0.01, 0.5]], [[0, 0.5]]),
        (np.zeros((3, 4, 5)), np.zeros((3, 4, 5))),
    ],
)
def test_any_array_can_be_a_map(given, values):
    np.testing.assert_array_equal(ProbabilityMap.of(given).values, np.asarray(values, np.float32))


@pytest.mark.parametrize(
    "given", [np.zeros(5), np.zeros((1, 1, 5, 5)), np.zeros((0, 5)), np.full((3, 3), np.inf), np.eye(3) * 1j]
)
def test_other_arrays_are_refused(given):
    with pytest.raises(InputError, match=r"cannot|must lie"):
        ProbabilityMap.of(given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"values": FLAT * 3}, "range from 1.5 to 1.5, but must lie from 0 to 1"),
        ({"values": np.where(FLAT > 0, np.nan, FLAT)}, "range from nan to nan"),
        ({"std": FLAT - 1}, "Standard deviations range from -0.5"),
        ({"std": FLAT[:10]}, r"shape \(10, 30\) do not fit"),
        ({"shares": TWO, "classes": ("A", "B", "C")}, r"needs \(3, 20, 30\)"),
        ({"shares": TWO[:1], "classes": ("A",)}, "two names or more"),
        ({"classes": ("A", "B")}, "2 class names without shares"),
        ({"shares": TWO[:0]}, "0 class names with shares"),
    ],
)
def test_what_does_not_belong_together_is_said(arguments, says):
    with pytest.raises(InputError, match=says):
        ProbabilityMap(**({"values": FLAT} | arguments))


@pytest.mark.parametrize("std", [True, False])
@pytest.mark.parametrize("classes", [(), ("A", "B")])
def test_frames_go_apart_and_together(std, classes):
    rng = np.random.default_rng(0)
    whole = ProbabilityMap(
        rng.random((3, 20, 30), np.float32),
        rng.random((3, 20, 30), np.float32) if std else None,
        rng.random((2, 3, 20, 30), np.float32) if classes else None,
        classes,
    )
    again = ProbabilityMap.stacked(whole.frames, (3, 20, 30))
    for name in ("values", "std", "shares"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert again.classes == classes


@pytest.mark.parametrize("done", [0, 1])
def test_frames_that_are_missing_hold_nothing(done):
    frames = [ProbabilityMap(FLAT, FLAT, TWO, ("A", "B"))] * done
    whole = ProbabilityMap.stacked(frames, (3, 20, 30))
    assert whole.values.shape == (3, 20, 30)
    assert whole.values[done:].max() == 0
    assert len(whole.classes) == 2 * done


def test_the_frame_of_an_image_is_the_map_itself():
    given = ProbabilityMap(FLAT, FLAT, TWO, ("A", "B"))
    assert given.frames == [given]
    np.testing.assert_array_equal(ProbabilityMap.stacked(given.frames, FLAT.shape).shares, TWO)


def test_classes_are_told():
    assert ProbabilityMap(FLAT, None, TWO, ("A", "Ni")).summary == "2 classes: A, Ni"
    assert ProbabilityMap(FLAT).summary == ""
