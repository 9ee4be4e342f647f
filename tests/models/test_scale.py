"""Width and polarity of the columns of an image, without any setting."""

import numpy as np
import pytest
from crystals import blobs, square_lattice
from scipy import ndimage

from local_crystallography import Image, Network, Segment
from local_crystallography.fitting.evidence import overtones, repetition, weigh

SIDE = 240


def lattice(sigma, spacing=5.0, **more):
    places = square_lattice(spacing * sigma, shape=(SIDE, SIDE), angle=0.2, margin=-9)
    return places, blobs(places, shape=(SIDE, SIDE), sigma=sigma, **more)


def honeycomb(bond, sigma):
    """Columns on a honeycomb, and the centres of its holes."""
    a = bond * np.sqrt(3)
    vectors, third = np.array([[a, 0], [a / 2, a * np.sqrt(3) / 2]]), np.array([a / 2, a / 2 / np.sqrt(3)])
    steps = np.stack(np.meshgrid(np.arange(-30, 31), np.arange(-30, 31)), -1).reshape(-1, 2) @ vectors + SIDE / 2
    near = steps[((steps > -9) & (steps < SIDE + 9)).all(axis=1)]
    atoms = np.concatenate([near + third, near + 2 * third])
    return atoms, near, blobs(atoms, shape=(SIDE, SIDE), sigma=sigma)


def noise(seed=0, blur=0.0):
    white = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    smooth = ndimage.gaussian_filter(white, blur) if blur else white
    return smooth / smooth.std()


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [1.2, 2.5, 6.0, 11.0])
@pytest.mark.parametrize("blur", [0.0, 0.4])
def test_the_width_is_that_of_the_columns_and_not_of_the_noise(sigma, blur):
    _, clean = lattice(sigma)
    step = Segment().resolve(Image(clean + 0.15 * noise(blur=blur * sigma)))
    assert step.by.sigma == pytest.approx(sigma, rel=0.12)
    assert step.contrast == "bright"


@pytest.mark.slow
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_dark_columns_are_dark(blur):
    _, clean = lattice(3.0)
    step = Segment().resolve(Image(5 - clean + 0.1 * noise(blur=blur)))
    assert step.contrast == "dark"
    assert step.by.sigma == pytest.approx(3.0, rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "contrast"), [(1, "bright"), (-1, "dark")])
def test_a_honeycomb_is_its_atoms_and_not_its_holes(sign, contrast):
    _, _, clean = honeycomb(14, 5.0)
    assert Segment().resolve(Image(sign * clean / np.ptp(clean) + 0.05 * noise())).contrast == contrast


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bond", [13, 14, 20])
def test_a_very_noisy_honeycomb_is_still_its_atoms(sign, bond):
    """Its atoms overlap, so that its holes are the stronger pattern and just as sharp."""
    _, _, clean = honeycomb(bond, 5.0)
    noisy = sign * clean + 0.9 * noise(seed=3)
    assert Segment().resolve(Image(noisy)).contrast == ("bright" if sign > 0 else "dark")
    assert sign * overtones(noisy, 5.0) > 0.05
    assert sign * overtones(noisy, 7.5) > 0.05, "as for the dark columns that the holes would be"


@pytest.mark.parametrize("spacing", [3.6, 5.0])
def test_overtones_of_round_columns_are_in_phase(spacing):
    _, clean = lattice(3.0, spacing)
    assert overtones(clean + 0.3 * noise(), 3.0) > 0.2
    assert overtones(-clean - 0.3 * noise(), 3.0) < -0.2


@pytest.mark.parametrize("blur", [0.0, 1.0, 3.0])
def test_noise_has_no_overtones(blur):
    assert max(abs(overtones(noise(seed, blur), 3.0)) for seed in range(8)) < 0.02


@pytest.mark.slow
def test_a_tilted_surface_with_a_step_shows_its_atoms():
    _, clean = lattice(3.0)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    relief = 15 * y + 6 / (1 + np.exp(-(x - 0.5) * 60))
    assert Segment().resolve(Image(clean + relief + 0.05 * noise())).by.sigma == pytest.approx(3.0, rel=0.25)


@pytest.mark.slow
def test_the_clearest_frame_of_a_stack_decides():
    _, clean = lattice(2.5)
    frames = [noise(number) for number in range(4)]
    frames[2] = clean + 0.1 * frames[2]
    assert Segment().resolve(Image(np.stack(frames))).by.sigma == pytest.approx(2.5, rel=0.12)


@pytest.mark.slow
def test_candidates_are_the_choice_and_its_alternatives():
    image = Image(lattice(3.0)[1] + 0.1 * noise())
    first, *others = Segment().candidates(image)
    assert first.sigma == pytest.approx(3.0, rel=0.12)
    assert first.bright
    assert others
    assert all(first.score >= other.score for other in others)
    assert first.part.shape[0] > 10 * first.sigma
    inside = first.yx + np.array(first.corner)
    places = lattice(3.0)[0]
    distance = np.linalg.norm(inside[:, None] - places, axis=-1).min(axis=1)
    assert np.median(distance) < 0.5


def test_a_width_given_by_hand_is_kept():
    step = Segment(by=Network(sigma=4.0)).resolve(Image(lattice(3.0)[1] + 0.1 * noise()))
    assert (step.by.sigma, step.contrast) == (4.0, "bright")


def test_repetition_distinguishes_crystals_from_disorder():
    places, _ = lattice(2.5)
    random = np.random.default_rng(1).uniform(0, SIDE, places.shape)
    assert repetition(places) > 0.7
    assert repetition(places + np.random.default_rng(2).normal(0, 0.5, places.shape)) > 0.5
    assert repetition(random) < 0.08


def test_evidence_is_the_fraction_explained_by_columns():
    places, clean = lattice(3.0)
    image = (clean + 0.05 * noise()).astype(np.float32)
    right = weigh(image, places, 2.6, 9.0)
    wrong = weigh(image, places + 7.0, 2.6, 9.0)
    assert right.sigma == pytest.approx(3.0, rel=0.05)
    assert right.explained > 0.9
    assert wrong.explained < right.explained - 0.2
