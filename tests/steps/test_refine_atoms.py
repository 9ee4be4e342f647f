"""Refined atoms are where the image has them, with columns of any frame, and those that cannot be are left alone."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.steps.refine_atoms import RefineAtoms

PLACES = square_lattice(angle=0.2, margin=8)
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.poisson(300 * (0.2 + blobs(PLACES))).astype(np.float32)
STARTS = PLACES + RANDOM.normal(0, 0.4, PLACES.shape)


def refined(atoms=None, pixels=PIXELS, **parameters):
    return RefineAtoms(**parameters)(Atoms.at(STARTS) if atoms is None else atoms, Image(pixels))


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


@pytest.mark.parametrize(("method", "error"), [("joint", 0.055), ("quadratic", 0.12)])
def test_atoms_are_moved_to_where_they_are(method, error):
    atoms = refined(method=method)
    assert rms(atoms.yx - PLACES) < error
    assert atoms.ids.tolist() == list(range(len(PLACES)))


@pytest.mark.parametrize("method", ["joint", "quadratic"])
def test_intensity_is_the_volume(method):
    volume = 300 * 2 * np.pi * 2.5**2
    assert refined(method=method).features["intensity"].median() == pytest.approx(volume, rel=0.08)


def test_an_image_upside_down_has_the_same_atoms_with_less_than_nothing():
    atoms = refined(pixels=1000 - PIXELS)
    assert rms(atoms.yx - PLACES) < 0.06
    assert (atoms.features["intensity"] < 0).all()


def test_refining_again_changes_little():
    once = refined()
    assert np.abs(refined(once).yx - once.yx).max() < 0.04


def test_frames_are_refined_one_by_one():
    atoms = Atoms.at(np.vstack([STARTS, STARTS]), frame=np.repeat([0, 1], len(STARTS)))
    both = refined(atoms, np.stack([PIXELS, PIXELS]))
    assert np.allclose(both.yx[both.frame == 0], both.yx[both.frame == 1])


def test_long_atoms_point_where_they_do():
    y, x = np.indices((128, 128))
    places = square_lattice(20.0, angle=0.2, margin=10)
    angle, long, short = 0.5, 3.4, 2.4
    parts = []
    for py, px in places:
        along = (x - px) * np.cos(angle) - (y - py) * np.sin(angle)  # y runs down
        aside = (x - px) * np.sin(angle) + (y - py) * np.cos(angle)
        parts.append(np.exp(-((along / long) ** 2 + (aside / short) ** 2) / 2))
    pixels = np.random.default_rng(0).poisson(2000 * (0.2 + np.sum(parts, axis=0)))
    table = refined(Atoms.at(places), pixels, axes=True).features.median()
    assert table["axis_angle_rad"] == pytest.approx(angle, abs=0.06)
    assert table["sigma_long_px"] == pytest.approx(long, rel=0.06)
    assert table["sigma_short_px"] == pytest.approx(short, rel=0.06)


def test_an_atom_outside_the_image_is_left_alone():
    atoms = refined(Atoms.at(np.vstack([STARTS, [300.0, 20.0]])))
    assert atoms.yx[-1].tolist() == [300.0, 20.0]
    assert np.isnan(atoms.features["intensity"].iloc[-1])


def test_of_two_points_on_one_atom_one_is_kept():
    atoms = refined(Atoms.at(np.vstack([STARTS, STARTS[:1] + 0.5])), closest=4)
    assert len(atoms) == len(PLACES)


def test_weak_atoms_can_be_left_out():
    heights = np.where(np.arange(len(PLACES)) % 2, 1.0, 0.3)
    pixels = np.random.default_rng(0).poisson(300 * (0.2 + blobs(PLACES, height=heights)))
    assert len(refined(pixels=pixels, weakest=0.6)) == (heights == 1).sum()


def test_one_atom_is_enough():
    pixels = np.random.default_rng(0).poisson(300 * (0.2 + blobs(PLACES[:1])))
    assert rms(refined(Atoms.at(STARTS[:1]), pixels).yx - PLACES[:1]) < 0.3


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms.at(np.zeros((0, 2))), "find atoms in this image first"),
        (Atoms.at([[500.0, 500.0]]), "None of the 1 atoms is inside"),
        (Atoms.at([[5.0, np.nan]]), "NaN or infinite"),
        (Atoms.at([[5.0, 5.0]], frame=3), "frame 3"),
    ],
)
def test_what_cannot_be_refined_is_said(atoms, words):
    with pytest.raises(InputError, match=words):
        RefineAtoms()(atoms, Image(PIXELS))


AREA = ((20.0, 20.0), (20.0, 70.0), (70.0, 70.0), (70.0, 20.0))


def test_atoms_of_a_region_are_those_of_the_whole_image_within_it():
    whole, part = refined(), refined(region=(AREA,))
    within = ((whole.yx > 20) & (whole.yx < 70)).all(axis=1)
    assert 0 < within.sum() < len(whole)
    np.testing.assert_array_equal(part.yx, whole.yx[within])


def test_areas_of_a_region_add_up():
    other = tuple((y + 1000, x) for y, x in AREA)
    assert len(refined(region=(other, AREA))) == len(refined(region=(AREA,)))


def test_a_region_leaves_out_atoms_edited_by_hand_too():
    atoms = Atoms.at(STARTS).with_features(kept=True)
    assert len(refined(atoms, region=(AREA,))) == len(refined(region=(AREA,)))


def test_a_region_without_atoms_is_said():
    with pytest.raises(InputError, match="lies in the 1 areas of the region"):
        refined(region=(tuple((y + 1000, x) for y, x in AREA),))
