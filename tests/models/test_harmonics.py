"""Steerable basis: rotation, translation and shear of images."""

import numpy as np
import pytest
from crystals import motif

from local_crystallography.models.harmonics import Harmonics

BASIS = Harmonics(32, 1.2)


def coefficients(picture):
    return BASIS.analysis @ picture.ravel()


def turned(c, angle):
    a, b = np.split(c, 2)
    cosine, sine = np.cos(BASIS.orders * angle), np.sin(BASIS.orders * angle)
    return np.concatenate([a * cosine - b * sine, b * cosine + a * sine])


@pytest.mark.parametrize("angle", [0.3, 1.57, 3.0, -2.2])
def test_rotating_coefficients_rotates_the_image_counter_clockwise(angle):
    expected = coefficients(motif(angle))
    assert np.linalg.norm(turned(coefficients(motif()), angle) - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_gradient_shifts_the_image(axis):
    shift = [0.0, 0.0]
    shift[axis] = 0.3
    c = coefficients(motif())
    change = coefficients(motif(shift=shift)) - c
    assert np.linalg.norm(0.3 * BASIS.gradients[axis] @ c - change) < 0.15 * np.linalg.norm(change)


@pytest.mark.parametrize("kind", [0, 1])
def test_shearing_coefficients_shears_the_image(kind):
    amount = 0.06
    inverse = np.linalg.inv(np.array([[[1 - amount, 0], [0, 1 + amount]], [[1, amount], [amount, 1]]])[kind])
    pixels = np.indices((32, 32)) - 15.5
    pictures = []
    for y, x in (pixels, np.tensordot(inverse, pixels, axes=1)):
        pictures.append(sum(np.exp(-((y - py) ** 2 + (x - px) ** 2) / 14) for py, px in ((0, 0), (-6, 4), (3, 8))))
    before, after = pictures
    shear = np.eye(2)[kind] * amount
    moved = coefficients(after) - coefficients(before)
    assert np.linalg.norm(BASIS.sheared(shear) @ coefficients(before) - coefficients(after)) < 0.5 * np.linalg.norm(
        moved
    )


def test_synthesis_inverts_analysis():
    picture = motif()
    back = (BASIS.synthesis @ coefficients(picture)).reshape(32, 32)
    assert np.abs(back - picture)[BASIS.disc].max() < 0.05


def test_white_noise_stays_white():
    noise = np.random.default_rng(0).standard_normal((2000, 32 * 32)) @ BASIS.analysis.T
    power = noise[:, np.r_[np.ones(len(BASIS.orders), bool), BASIS.orders > 0]].var(axis=0)
    assert power.mean() == pytest.approx(1, abs=0.05)
    assert 0.7 < power.min() < power.max() < 1.3


def test_higher_frequencies_need_more_coefficients():
    counts = [len(Harmonics(32, k).orders) for k in (0.5, 0.8, 1.2)]
    assert counts == sorted(set(counts))
