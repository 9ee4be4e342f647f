"""Positions found, against the truth of a scene and against the Cramér-Rao bound."""

from dataclasses import dataclass

import numpy as np
from scenes import Array, Scene, pixels_of
from scipy import sparse
from scipy.spatial import cKDTree

BORDER = 12
"""Distance from the frame within which nothing counts, pixels."""


@dataclass(frozen=True)
class Score:
    """F1, columns missed, false positions; error, also over the bound and over the reported one (nan without)."""

    f1: float
    missed: int
    false: int
    error: float
    over_bound: float
    over_std: float


def rms(values: Array) -> float:
    """Root mean square of the values that are not nan; nan without any."""
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def nearest(made: Scene) -> float:
    """Median distance of the nearest column, pixels."""
    return float(np.median(cKDTree(made.truth).query(made.truth, 2)[0][:, 1]))


def inside(made: Scene, yx: Array) -> np.ndarray:
    """Which positions (n, 2) are far enough from the frame to count."""
    return ((yx >= BORDER) & (yx <= np.array(made.image.shape) - 1 - BORDER)).all(axis=1)


def match(made: Scene, yx: Array) -> tuple[np.ndarray, np.ndarray]:
    """Rows of positions and of columns that are each other's nearest, close enough."""
    if not len(yx):
        return np.zeros((2, 0), int)
    distance, column = cKDTree(made.truth).query(yx, distance_upper_bound=nearest(made) / 4)
    rows = np.flatnonzero(np.isfinite(distance))
    _, back = cKDTree(yx).query(made.truth[column[rows]])
    rows = rows[back == rows]
    return rows, column[rows]


def score(made: Scene, yx: Array, lowest: Array, std: Array | None = None, ignored: str = "-") -> Score:
    """Agreement of positions (n, 2) with the truth; `lowest` (M, 2) is the bound, `std` (n, 2) the reported errors.

    Columns of the kind `ignored` count neither as missed nor, where they are nearest to a position, as false.
    """
    rows, columns = match(made, yx)
    counts = inside(made, made.truth) & (made.kind != ignored)
    false = inside(made, yx)
    false[rows] = False
    if (made.kind == ignored).any() and len(yx):
        false &= made.kind[cKDTree(made.truth).query(yx)[1]] != ignored
    rows, columns = rows[counts[columns]], columns[counts[columns]]
    missed = int(counts.sum()) - len(rows)
    off = yx[rows] - made.truth[columns]
    return Score(
        f1=2 * len(rows) / max(1, 2 * len(rows) + missed + int(false.sum())),
        missed=missed,
        false=int(false.sum()),
        error=rms(off),
        over_bound=rms(off) / rms(lowest[columns]),
        over_std=float("nan") if std is None else rms(off / std[rows]),
    )


def best(made: Scene, found: dict[str, np.ndarray], name: str, lowest: Array) -> Score:
    """The highest F1 of all candidate sets, or of all thresholds on the score of one."""
    places = found[f"{name}/any"]
    if f"{name}/set" in found:
        numbers = found[f"{name}/set"]
        candidates = [places[numbers == number] for number in np.unique(numbers)]
    else:
        ranked = places[np.argsort(-found[f"{name}/score"], kind="stable")]
        kept = np.unique(np.minimum(len(made.truth) * np.linspace(0.4, 1.6, 121), len(ranked)).astype(int))
        candidates = [ranked[:number] for number in kept]
    scores = [score(made, yx, lowest) for yx in [found[f"{name}/default"], *candidates]]
    return max(scores, key=lambda one: one.f1)


def bound(made: Scene, reach: float = 45.0) -> Array:
    """(M, 2) Cramér-Rao bound of the positions: lowest standard deviation (y, x) of an unbiased estimate, pixels.

    The Fisher information of the Poisson image for all positions at once; heights, widths and background are known. Of
    its inverse only the diagonal is needed, and a distant column does not change it: every column is taken with those
    within `reach` pixels. Infinite for columns outside the frame.
    """
    information = fisher(made)
    tree = cKDTree(made.truth)
    variance = np.full((len(made.truth), 2), np.inf)
    inside = ((made.truth > -2) & (made.truth < np.array(made.image.shape) + 1)).all(axis=1)
    for column in np.flatnonzero(inside):
        near = np.array(tree.query_ball_point(made.truth[column], reach))
        near = np.concatenate([[column], near[(near != column) & inside[near]]])
        both = np.stack([2 * near, 2 * near + 1], axis=1).ravel()
        block = information[both][:, both].toarray()
        variance[column] = np.diag(np.linalg.inv(block))[:2]
    return np.sqrt(variance)


def fisher(made: Scene) -> sparse.csr_array:
    """Fisher information (2 M, 2 M) of the positions: y and x of the first column, y and x of the second, and so on."""
    (pixels, _), column, dy, dx = pixels_of(made.specimen, made.sigma, made.image.shape, made.scan)
    width = made.sigma[column]
    slope = made.amplitude[column] / width**2 * np.exp(-(dy**2 + dx**2) / (2 * width**2))
    slope /= np.sqrt(made.expected.reshape(-1)[pixels])
    rows = np.concatenate([2 * column, 2 * column + 1])
    values = np.concatenate([slope * dy, slope * dx])
    slopes = sparse.csr_array((values, (rows, np.tile(pixels, 2))), (2 * len(made.truth), made.image.size))
    return slopes @ slopes.T
