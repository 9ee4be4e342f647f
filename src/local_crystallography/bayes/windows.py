"""Regressions of positions on lattice indices, in windows around all atoms at once.

All windows share one table of offsets, so the normal equations are matrix products (atoms x offsets) times
(offsets x terms).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from local_crystallography.bayes.nets import Array, Index, Net
from local_crystallography.data.progress import Job, Progress

MODES: dict[str, tuple[int, int]] = {"a": (1, 0), "b": (0, 1), "ab": (1, 1)}
"""Modes that double a cell: the sign at (h, k) is (-1)^h, (-1)^k and (-1)^(h+k)."""
SINGULAR = 1e-6
"""Terms are collinear where the smallest eigenvalue of the scaled normal matrix is below this."""
FEWEST = 2
"""Fewest degrees of freedom of a regression that is used."""
AT_ONCE = 1_000_000
"""Number of pairs of atoms processed at once, to limit memory."""


def sign(index: Index, mode: str) -> Index:
    """(...) sign, 1 or -1, of a mode at (..., 2) indices."""
    h, k = MODES[mode]
    return np.asarray(1 - 2 * ((h * index[..., 0] + k * index[..., 1]) % 2))


@dataclass(frozen=True)
class Regression:
    """Positions fitted by r = c0 + a h + b k + sum of s_mode (-1)^mode + noise, around each of n atoms.

    Indices h, k count from the atom, signs from the origin of the net. All values are NaN where the terms are
    collinear or the atoms too few.

    Parameters
    ----------
    modes
        Names of the modes, in the order of their terms.
    coefficients
        (n, p, 2) coefficients of the terms 1, h, k, the modes, and bending if fitted, (y, x) in pixels.
    spread
        (n, p, p) inverse normal matrix; times a variance it is the covariance of the coefficients. Its elements between
        a mode and any other term assume signs counted from the atom.
    covariance
        (n, 2, 2) covariance of the noise, in pixels squared: residual products over degrees of freedom.
    degrees
        (n,) degrees of freedom: atoms minus terms.
    atoms
        (n,) number of atoms in the window, including the central one.
    """

    modes: tuple[str, ...]
    coefficients: Array
    spread: Array
    covariance: Array
    degrees: Array
    atoms: Index

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the regression has a solution."""
        return np.isfinite(self.degrees)

    @classmethod
    def joined(cls, parts: list[Regression]) -> Regression:
        """Concatenation of regressions with the same modes."""
        names = ("coefficients", "spread", "covariance", "degrees", "atoms")
        return cls(parts[0].modes, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def offsets_within(vectors: Array, radius: float) -> tuple[Index, Array]:
    """(m, 2) index differences up to a radius, the nearest first, and (m,) their distances, in sides of the cell."""
    side = np.sqrt(abs(np.linalg.det(vectors)))
    reach = int(np.ceil(radius * side * np.linalg.norm(np.linalg.inv(vectors), axis=0).max())) + 1
    grid = np.arange(-reach, reach + 1)
    steps = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    distance = np.linalg.norm(steps @ vectors, axis=1) / side
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= radius + 1e-9]
    return steps[order], distance[order]


def neighbours(net: Net, offsets: Index, chosen: slice) -> Index:
    """(n, m) row numbers in the net of the atoms at the offsets around n chosen atoms; -1 where there is none."""
    reach = int(np.abs(offsets).max()) if len(offsets) else 0
    index = net.index - net.index.min(axis=0) + reach
    span = index.max(axis=0) + reach + 1
    at = np.full(int(span[0] * span[1]), -1)
    at[index[:, 0] * span[1] + index[:, 1]] = np.arange(len(index))
    around = index[chosen, 0] * span[1] + index[chosen, 1]
    return np.asarray(at[around[:, None] + offsets[:, 0] * span[1] + offsets[:, 1]])


@dataclass(frozen=True)
class Windows:
    """Atoms that are fitted together, and the terms that are fitted.

    Parameters
    ----------
    radii
        Radii in sides of the cell; one regression each.
    modes
        Names in `MODES`.
    fill
        Whether a window with gaps or over an edge includes the nearest atoms outside, up to twice its radius, until it
        has as many atoms as the others. It then decides as often as they do, but uses more distant atoms.
    bent
        Whether terms h^2, h k and k^2 are fitted too, so that a and b are those at the atom where strain varies, and
        not those at the centre of a window cut off by an edge. In windows of three columns these terms cannot be
        distinguished from alternation.
    """

    radii: tuple[float, ...]
    modes: tuple[str, ...]
    fill: bool = False
    bent: bool = False

    def terms(self, offsets: Index) -> Array:
        """(m, p) terms 1, h, k, the modes and the bending at (m, 2) offsets."""
        h, k = offsets.T
        bending = [h * h, h * k, k * k] if self.bent else []
        columns = [np.ones(len(h)), h, k, *(sign(offsets, mode) for mode in self.modes), *bending]
        return np.asarray(np.column_stack(columns), np.float64)


def regress(net: Net, windows: Windows) -> Iterator[tuple[int, tuple[Regression, ...]]]:
    """Number of atoms done and regressions at each radius, in batches of atoms in the order of the net."""
    offsets, distance = offsets_within(net.vectors, max(windows.radii) * (2 if windows.fill else 1))
    terms = windows.terms(offsets)
    ends = [[int(np.searchsorted(distance, r * far + 1e-9, side="right")) for far in (1, 2)] for r in windows.radii]
    step = max(AT_ONCE // len(offsets), 1)
    for start in range(0, len(net.yx), step):
        chosen = slice(start, min(start + step, len(net.yx)))
        near = neighbours(net, offsets, chosen)
        there = (near >= 0).astype(float)
        expected = net.yx[chosen][:, None] + offsets @ net.vectors  # small differences lose no digits
        apart = np.where(there[..., None] > 0, net.yx[near] - expected, 0.0)
        parts = [_window(there, apart, *end, fill=windows.fill) for end in ends]
        fits = tuple(_solve(*part, terms[: part[0].shape[1]], net.vectors, windows.modes) for part in parts)
        for number, mode in enumerate(windows.modes, 3):
            for fit in fits:
                fit.coefficients[:, number] *= sign(net.index[chosen], mode)[:, None]
        yield chosen.stop, fits


def _window(there: Array, apart: Array, full: int, far: int, *, fill: bool) -> tuple[Array, Array]:
    """The first `full` offsets; with `fill`, the nearest `full` atoms among the first `far` offsets."""
    if not fill:
        return there[:, :full], apart[:, :full]
    counted = there[:, :far] * (np.cumsum(there[:, :far], axis=1) <= full)
    return counted, apart[:, :far] * counted[..., None]


def regressions(net: Net, windows: Windows) -> Job[tuple[Regression, ...]]:
    """Regressions at each radius around the atoms of a net; when stopped, of the first atoms only."""
    parts: list[tuple[Regression, ...]] = []
    for done, fits in regress(net, windows):
        parts.append(fits)
        if (yield Progress(done / len(net.yx), f"Windows around {len(net.yx)} atoms")):
            break
    return tuple(Regression.joined(list(fits)) for fits in zip(*parts, strict=True))


def all_regressions(nets: Sequence[Net], windows: Windows) -> Job[list[tuple[Regression, ...]]]:
    """Regressions of all nets, one after another; when stopped, of the first nets and atoms."""
    found: list[tuple[Regression, ...]] = []
    total, done = sum(len(net.yx) for net in nets), 0
    for net in nets:
        job, stop = regressions(net, windows), None
        while True:
            try:
                progress = job.send(stop)
            except StopIteration as end:
                found.append(end.value)
                break
            stop = yield replace(progress, fraction=(done + progress.fraction * len(net.yx)) / total)
        done += len(net.yx)
        if stop:
            break
    return found


def _solve(there: Array, apart: Array, terms: Array, vectors: Array, modes: tuple[str, ...]) -> Regression:
    """Least squares of (n, m, 2) deviations from the net on (m, p) terms; `there` (n, m) is 1 where an atom is."""
    n, p = len(there), terms.shape[1]
    normal = (there @ (terms[:, :, None] * terms[:, None]).reshape(-1, p * p)).reshape(n, p, p)
    right = np.stack([apart[..., c] @ terms for c in range(2)], axis=-1)
    atoms = there.sum(axis=1)
    size = np.sqrt(np.einsum("npp->np", normal))
    scaled = normal / np.maximum(size[:, :, None] * size[:, None], 1e-300)
    known = (atoms - p >= FEWEST) & (np.linalg.eigvalsh(scaled)[:, 0] > SINGULAR)
    spread, coefficients = np.full((n, p, p), np.nan), np.full((n, p, 2), np.nan)
    covariance = np.full((n, 2, 2), np.nan)
    spread[known] = np.linalg.inv(normal[known])
    coefficients[known] = spread[known] @ right[known]
    products = np.einsum("nmi,nmj->nij", apart[known], apart[known], optimize=True)
    products -= coefficients[known].transpose(0, 2, 1) @ right[known]
    degrees = np.where(known, atoms - p, np.nan)
    covariance[known] = products / degrees[known, None, None]
    coefficients[:, 1:3] += vectors
    return Regression(modes, coefficients, spread, covariance, degrees, atoms.astype(np.int64))
