"""Grid of tiles over the latent space, and the positions of atoms on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from local_crystallography.data.atoms import Atoms

Floats = npt.NDArray[np.floating]

EDGE = 0.05
"""Quantile of the prior at the outermost tiles, as in `Vae.manifold`."""


@dataclass(frozen=True)
class Grid:
    """n x n tiles over the quantiles 5 % to 95 % of the prior of two latents (Fig. 4b), or n over a single one.

    Parameters
    ----------
    axes
        Number of the latent that increases to the right and, if there are two, of the one that increases upwards.
    rest
        (d,) values of all latents; those of the axes are ignored.
    """

    n: int
    axes: tuple[int, ...]
    rest: tuple[float, ...]

    @property
    def ticks(self) -> Floats:
        """(n,) latents at the centres of the tiles."""
        return np.asarray(norm.ppf(np.linspace(EDGE, 1 - EDGE, self.n)), np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return (self.n if len(self.axes) > 1 else 1), self.n

    @property
    def latents(self) -> Floats:
        """(rows, columns, d) latents of every tile, the first row at the top."""
        z = np.empty((*self.shape, len(self.rest)))
        z[:] = self.rest
        z[..., self.axes[0]] = self.ticks
        if len(self.axes) > 1:
            z[..., self.axes[1]] = self.ticks[::-1, None]
        return z

    def places(self, z: npt.ArrayLike) -> Floats:
        """(N, 2) column and row of latents (N, d) in units of tiles, 0 at the centre of the first; NaN where unknown.

        Every point lies in the tile with the nearest latents; points beyond the outermost tiles are compressed into
        them.
        """
        z = np.asarray(z, np.float64).reshape(-1, len(self.rest))
        column = self._along(z[:, self.axes[0]])
        if len(self.axes) > 1:
            return np.column_stack([column, self.n - 1 - self._along(z[:, self.axes[1]])])
        return np.column_stack([column, np.where(np.isnan(column), np.nan, 0.0)])

    def tiles(self, z: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """(N,) number of the tile nearest to latents (N, d), row by row; -1 where unknown."""
        places = self.places(z)
        known = np.isfinite(places[:, 0] + places[:, 1])
        column, row = np.rint(np.where(known[:, None], places, 0)).astype(np.intp).T
        return np.asarray(np.where(known, row * self.n + column, -1), np.intp)

    def counts(self, z: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """(rows, columns) number of the latents (N, d) nearest to every tile."""
        tiles = self.tiles(z)
        rows, columns = self.shape
        return np.bincount(tiles[tiles >= 0], minlength=rows * columns).reshape(rows, columns)

    def _along(self, z: Floats) -> Floats:
        inner = np.interp(z, self.ticks, np.arange(self.n))
        share = norm.cdf(z)
        below, above = share / EDGE - 1, (share - 1) / EDGE + 1
        return np.asarray(inner + 0.499 * (np.minimum(below, 0) + np.maximum(above, 0)), np.float64)


def latents_of(atoms: Atoms | None, d: int) -> Floats | None:
    """(N, d) latents of the atoms, NaN where unknown; None if they are not those of a network of d latents."""
    names = [] if atoms is None else [name for name in atoms.features if re.fullmatch(r"z\d+", str(name))]
    if atoms is None or len(names) != d:
        return None
    return atoms.features[[f"z{i}" for i in range(d)]].to_numpy(np.float64)


def medians(z: Floats | None, d: int) -> tuple[float, ...]:
    """(d,) median of every latent, 0 if there are none."""
    if z is None or not np.isfinite(z).all(axis=1).any():
        return (0.0,) * d
    return tuple(float(value) for value in np.nanmedian(z, axis=0))


def labels_of(atoms: Atoms | None) -> npt.NDArray[np.int64] | None:
    """(N,) class of every atom, -1 for none; None without classes."""
    if atoms is None or "label" not in atoms.features:
        return None
    return atoms.features["label"].fillna(-1).to_numpy(np.int64)


def tick_words(value: float, digits: int) -> str:
    """A number for an axis, without negative zero and with a proper minus sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
