"""Pictures of lattices whose rows are pushed, and of stacks that drift, with their truth."""

import numpy as np
from crystals import blobs, square_lattice
from scipy import ndimage

SHAPE = (160, 160)


def skewed(shear=0.0, seed=0):
    """A lattice whose rows are pushed by known shifts, and where its atoms are seen."""
    rng = np.random.default_rng(seed)
    yx = square_lattice(16.0, shape=SHAPE, angle=0.15, margin=8)
    yx[:, 1] += shear * (yx[:, 0] - 79.5)
    shift = rng.normal(0, 0.4, SHAPE[0])
    x = np.arange(SHAPE[1])
    pixels = np.zeros(SHAPE)
    seen = yx.copy()
    for k, (p, q) in enumerate(yx):
        weight = np.exp(-0.5 * ((np.arange(SHAPE[0]) - p) / 3) ** 2)
        pixels += weight[:, None] * np.exp(-0.5 * ((x - shift[:, None] - q) / 3) ** 2)
        seen[k, 1] += (weight**2 @ shift) / (weight**2).sum()
    return rng.poisson(500 * pixels + 30), seen, yx


def drifting(count=6, counts=30.0, seed=0):
    """A noisy stack of a lattice with one odd atom, that drifts, and its path."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.uniform(-1.5, 2.5, (count, 2)), axis=0)
    path -= path[0]
    places = square_lattice(14.0, shape=(200, 200), angle=0.2, margin=-20) - 30
    heights = rng.uniform(0.6, 1.2, len(places))
    frames = [rng.poisson(counts * blobs(places + p, height=heights) + 3) for p in path]
    return np.stack(frames), path, blobs(places, height=heights) * counts + 3


def spoiled(frames, bad, kind, seed=1):
    """The stack with one bad frame."""
    rng, frame = np.random.default_rng(seed), frames[bad].astype(float)
    ground = rng.poisson(np.quantile(frames, 0.1), frame.shape).astype(float)
    half = np.arange(len(frame))[:, None] < len(frame) // 2
    new = {
        "blank": lambda: ground,
        "dark": lambda: 0 * frame,
        "cut": lambda: np.where(half, frame, ground),
        "torn": lambda: np.where(half, frame, ndimage.shift(frame, (4, 5), order=1, mode="nearest")),
        "unsharp": lambda: rng.poisson(ndimage.gaussian_filter(frame, 3.5)).astype(float),
        "noise": lambda: rng.permuted(frame.ravel()).reshape(frame.shape),
    }[kind]()
    spoiled = frames.astype(float)
    spoiled[bad] = new
    return spoiled
