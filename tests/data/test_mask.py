"""Pixels without a meaning are found, left out of everything, and those that have one are not touched."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography import FindAtoms, Image, RefineAtoms, Segment
from local_crystallography.data.errors import InputError
from local_crystallography.data.mask import filled, find_mask, saturated

SIDE = 200
RNG = np.random.default_rng(3)
PLACES = square_lattice(14, shape=(SIDE, SIDE), angle=0.1, margin=-9)
CLEAN = 0.2 + blobs(PLACES, shape=(SIDE, SIDE), sigma=2.4)


def noisy(seed=0, noise=0.03):
    return CLEAN + noise * np.random.default_rng(seed).standard_normal(CLEAN.shape)


def refined(image):
    image = image if isinstance(image, Image) else Image(image)
    return RefineAtoms()(FindAtoms()(Segment()(image), image), image)


def errors(atoms, keep=lambda yx: np.ones(len(yx), bool)):
    """Errors (N, 2) over what was reported, and their root mean square in px, of atoms well inside."""
    inside = PLACES[((PLACES > 12) & (PLACES < SIDE - 13)).all(axis=1) & keep(PLACES)]
    distance = np.linalg.norm(atoms.yx[:, None] - inside, axis=-1)
    row = distance.argmin(axis=0)
    assert distance.min(axis=0).max() < 3
    error = atoms.yx[row] - inside
    std = atoms.features[["y_std_px", "x_std_px"]].to_numpy()[row]
    return np.sqrt(np.mean((error / std) ** 2)), np.sqrt(np.mean(error**2))


@pytest.mark.parametrize("scale", [1, 180, 1e-9])
def test_an_image_with_noise_everywhere_has_no_mask(scale):
    image = noisy() * scale
    assert not find_mask(image).any()
    assert scale != 180 or not find_mask(image.clip(0, 255).astype(np.uint8)).any()


def test_counted_electrons_are_no_mask():
    assert not find_mask(RNG.poisson(2 * CLEAN)).any()


def with_bar(image):
    image = image.copy()
    white = image.max() * 1.1
    image[170:178, 20:90] = white
    for left in (30, 45, 52):  # letters
        image[150:164, left : left + 3] = white
    return image


AREAS = {
    "not a number": (lambda im: np.where(np.arange(SIDE) < 30, np.nan, im), np.s_[:, :30]),
    "padding": (lambda im: np.where(np.arange(SIDE)[:, None] < 25, 0, im), np.s_[:25]),
    "vacuum cut off at zero": (lambda im: np.where(np.arange(SIDE) < 90, im - 1.5, im).clip(0), np.s_[:, :80]),
    "scale bar": (with_bar, np.s_[148:180, 18:92]),
}


@pytest.mark.parametrize("name", AREAS)
def test_areas_without_a_meaning_are_found(name):
    change, where = AREAS[name]
    image = change(noisy())
    mask, covered = find_mask(image), np.zeros((SIDE, SIDE), bool)
    covered[where] = True
    assert mask[covered].mean() > (0.99 if name != "scale bar" else 0.4)  # between the letters nothing is hidden
    assert name != "scale bar" or mask[171:177, 21:89].all()
    assert (mask & ~covered).sum() < 0.06 * mask.size


def test_a_bar_is_found_where_something_else_is_brighter():
    image = with_bar(noisy())
    image[100, 20:150] += 2.0  # a streak of the scan
    mask = find_mask(image)
    assert mask[172:176, 25:85].all()
    assert mask[152:162, 46].all()
    assert not mask[:90].any()


def test_letters_beside_a_bar_are_masked_with_it():
    assert find_mask(with_bar(noisy()))[151:163, 31].all()


@pytest.mark.slow
@pytest.mark.parametrize("name", AREAS)
def test_positions_and_their_errors_are_as_good_beside_such_areas(name):
    change, where = AREAS[name]
    far = np.ones((SIDE, SIDE), bool)
    far[where] = False
    edge = 12 if name != "vacuum cut off at zero" else 22

    def keep(yx):
        at = np.clip(np.rint(yx).astype(int), edge, SIDE - 1 - edge)
        return np.array([far[y - edge : y + edge + 1, x - edge : x + edge + 1].all() for y, x in at])

    plain = errors(refined(noisy()), keep)[1]
    over, rms = errors(refined(change(noisy())), keep)
    assert rms < 1.1 * plain
    assert 0.75 < over < 1.2  # of a few dozen columns


@pytest.mark.slow
def test_a_hot_pixel_is_masked_and_does_no_harm():
    image = noisy()
    plain = len(refined(image))
    image[100, 120] = 100
    assert find_mask(image)[100, 120]
    assert find_mask(image).sum() == 1
    assert len(refined(image)) == plain


@pytest.mark.slow
@pytest.mark.parametrize("gain", [360, 400, 440])
def test_saturated_columns_are_found_once(gain):
    strong = np.where(np.arange(len(PLACES)) % 2, 1.0, 0.5)
    clean = 0.2 + blobs(PLACES, shape=(SIDE, SIDE), sigma=2.4, height=strong)
    image = ((clean + 0.03 * RNG.standard_normal(clean.shape)) * gain).clip(0, 255).astype(np.uint8)
    ends = saturated(image, np.zeros(image.shape, bool), dark=False)
    assert ends[image == 255].mean() > 0.9
    over, rms = errors(refined(image))
    assert rms < 0.15
    assert 0.7 < over < 1.3
    inside = ((PLACES > 0) & (PLACES < SIDE - 1)).all(axis=1).sum()
    assert abs(len(refined(image)) - inside) <= 0.02 * inside


@pytest.mark.slow
def test_a_mask_given_by_hand_is_the_mask():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, 120:] = True
    image = Image(noisy(), mask=mask)
    assert np.array_equal(image.masked(0), mask)
    assert np.isnan(image.known_frame(0)[:, 120:]).all()
    assert np.isfinite(image.frame(0)).all()
    assert refined(image).yx[:, 1].max() < 120


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="mask has shape"):
        Image(noisy(), mask=np.zeros((10, 10), bool))


def test_gaps_are_filled_smoothly():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[50:60, 50:60] = True
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.float32)
    assert np.abs(filled(ramp, mask) - ramp).max() < 6
    assert np.array_equal(filled(ramp, mask)[~mask], ramp[~mask])


@pytest.mark.slow
def test_a_blank_frame_has_no_atoms_and_the_others_have_theirs():
    frame = (noisy() * 1000).clip(0).astype(np.uint16)
    alone = len(refined(frame))
    for blank in (0, 2):
        stack = np.stack([frame * (number != blank) for number in range(3)])
        atoms = refined(stack)
        assert [(atoms.frame == number).sum() for number in range(3)] == [
            0 if number == blank else alone for number in range(3)
        ]
