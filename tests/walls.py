"""Lattices of one kind of atom whose bonds alternate, with noise and bending, for the tests of symmetry."""

import numpy as np

from local_crystallography.bayes.nets import Net

SPACING = 20.0
SQUARE = ((1.0, 0.0), (0.0, 1.0))


def lattice(n=30, *, s=(0.0, 0.0), mode=(1, 0), sd=0.0, seed=0, cell=SQUARE, turn=0.0, bend=0.0):
    """(N, 2) places (y, x) in pixels and (N, 2) indices of n x n atoms, row h n + k.

    `cell` are a and b as (right, up) in spacings; `s` the amplitude (right, up) of the mode, for all or each atom;
    `bend` the coefficient of k^2 / n to the right and of h^2 / n upwards; `sd` of a coordinate in spacings.
    """
    index = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    sign = 1 - 2 * ((index @ np.array(mode)) % 2)
    centred = index - (n - 1) / 2
    places = centred @ np.array(cell) + sign[:, None] * np.asarray(s) + bend * centred[:, ::-1] ** 2 / n
    right, up = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ places.T
    noise = np.random.default_rng(seed).normal(0, sd, places.shape) if sd else 0.0
    return SPACING * (np.stack([-up, right], axis=1) + noise) + SPACING * n, index


def net(n=30, **kw):
    """The same as a net, with its true vectors."""
    yx, index = lattice(n, **kw)
    bare = lattice(2, cell=kw.get("cell", SQUARE), turn=kw.get("turn", 0.0))[0]
    return Net(np.arange(len(yx)), yx, index, np.stack([bare[2] - bare[0], bare[1] - bare[0]]))


def domain_wall(n=100, *, alternation=0.1, seed=0):
    """Places and indices: bonds along a alternate in the half h < n / 2; 3 % noise, turned by 3 degrees, bent."""
    h = np.repeat(np.arange(n), n)
    s = np.where(h < n // 2, alternation / 4, 0.0)[:, None] * (1.0, 0.0)
    return lattice(n, s=s, sd=0.03, seed=seed, turn=np.radians(3), bend=0.02)
