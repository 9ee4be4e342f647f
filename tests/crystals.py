"""Small exact pictures of crystals for the tests."""

import numpy as np

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages


def blobs(places, *, shape=(128, 128), sigma=2.5, height=1.0):
    """Sum of Gaussians of the given heights at (n, 2) places."""
    y, x = np.indices(shape)
    heights = np.broadcast_to(height, len(places))
    return sum(
        a * np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * sigma**2))
        for (py, px), a in zip(places, heights, strict=True)
    )


def square_lattice(spacing=13.0, *, shape=(128, 128), angle=0.0, margin=6):
    """(n, 2) places of a square lattice turned counter-clockwise as displayed, inside the frame."""
    reach = np.arange(-40, 41) * spacing
    u, v = (part.ravel() for part in np.meshgrid(reach, reach))
    y = (shape[0] - 1) / 2 - u * np.sin(angle) - v * np.cos(angle)
    x = (shape[1] - 1) / 2 + u * np.cos(angle) - v * np.sin(angle)
    inside = (y > margin) & (y < shape[0] - margin) & (x > margin) & (x < shape[1] - margin)
    return np.stack([y, x], axis=1)[inside]


def motif(angle=0.0, shift=(0.0, 0.0), *, side=32, noise=0.0, seed=0):
    """A window with one strong atom in the middle and three unequal neighbours: no turn leaves it alike."""
    neighbours = [(0.0, 0.0, 1.0), (8.0, 0.3, 0.8), (9.0, 2.1, 0.5), (8.0, 4.0, 0.3)]
    centre = (side - 1) / 2
    places = [
        (centre + shift[0] - r * np.sin(t + angle), centre + shift[1] + r * np.cos(t + angle)) for r, t, _ in neighbours
    ]
    picture = blobs(places, shape=(side, side), sigma=2.6, height=[a for *_, a in neighbours])
    return picture + noise * np.random.default_rng(seed).standard_normal((side, side))


def few(n=200, *, side=20, noise=0.1, strength=(1, 1.5), seed=0):
    rng = np.random.default_rng(seed)
    angle, height = rng.normal(0, 0.3, n), rng.choice(strength, n)
    windows = np.array([h * motif(a, side=side) for a, h in zip(angle, height, strict=True)])
    windows += noise * rng.standard_normal(windows.shape)
    return SubImages(windows.astype(np.float32), Atoms.at(np.zeros((n, 2))))
