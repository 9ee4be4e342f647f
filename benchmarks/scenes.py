"""Images of atomic columns to measure finders with: Gaussian columns, Poisson counts, every position known.

The package's own simulator is not used, so that development and test use different ones. A scene is the same specimen
at every number of counts; `counts` is the height of an A column above the background.

f2k   1024 x 1024, perovskite along [001]: A and B columns 20 px apart, heights 1 and 0.45, widths 3.6 and 3.4 px
p1k   the same as a particle (a polygon) in vacuum, on a film whose background steps up at the particle's edge
f10k  f2k, 2048 x 2048
dumb  silicon along <110>: pairs of equal columns 10 px (2.8 widths) apart
lite  f2k with columns of height 0.08 midway between the A columns: half of all columns
dist  f2k, scanned badly: row jitter, slow wobble, drift, fly-back
dark  f2k, dark columns on a bright ground; `counts` is the depth of an A column
edge  an interface: f2k at the left, a brighter ground and a square lattice of another phase and direction at the right
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]

CELL = 20 * np.sqrt(2)
"""Side of the perovskite's cell, pixels: A in the corner and B in the middle are 20 px apart."""
TURN = np.radians(7)
DISPLACEMENT = 0.35
"""Standard deviation of the random displacement, pixels along each axis."""
SPREAD = 0.04
"""Standard deviation of heights, over their mean."""
GROUND = (0.10, 0.30)
"""Lowest and highest background, over the height of an A column."""
FILM = 0.05
"""Background next to the particle, over the height of an A column."""
MARGIN = 20
"""Columns are drawn up to this distance outside the frame, pixels."""
REACH = 5.5
"""How far a column is drawn, in widths."""
PEROVSKITE = {"A": ((0, 0), 1.0, 3.6), "B": ((0.5, 0.5), 0.45, 3.4)}
"""Position in the cell, height, width in pixels."""
LIGHT = {"light": ((0, 0.5), 0.08, 3.4), "light'": ((0.5, 0), 0.08, 3.4)}
DUMBBELL = {"1": ((-0.125, 0), 1.0, 3.57), "2": ((0.125, 0), 1.0, 3.57)}
DUMBBELL |= {"3": ((0.375, 0.5), 1.0, 3.57), "4": ((0.625, 0.5), 1.0, 3.57)}
OTHER = {"C": ((0, 0), 0.7, 3.5)}
CORNERS = np.array([(-378, -90), (-330, 170), (-90, 372), (210, 345), (375, 60), (290, -250), (20, -382), (-230, -330)])
"""The particle, pixels (y, x) from the middle of the frame."""


@dataclass(frozen=True)
class Columns:
    """Columns of a specimen: M positions (y, x), kinds, heights in counts (negative where dark), widths in pixels."""

    yx: Array
    kind: npt.NDArray[np.str_]
    amplitude: Array
    sigma: Array

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> "Columns":
        return Columns(self.yx[rows], self.kind[rows], self.amplitude[rows], self.sigma[rows])

    def scaled(self, factor: float) -> "Columns":
        """Heights times a factor."""
        return Columns(self.yx, self.kind, self.amplitude * factor, self.sigma)

    def __add__(self, other: "Columns") -> "Columns":
        names = ("yx", "kind", "amplitude", "sigma")
        return Columns(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


@dataclass(frozen=True)
class Scan:
    """True positions of the beam: pixel (r, c) shows the specimen at (r + drift r, c + row[r] + fly-back at c)."""

    drift: float
    row: Array
    height: float = 0.0
    decay: float = 25.0

    def flyback(self, x: Array) -> Array:
        """Offset in pixels at a column of the frame."""
        return self.height * np.exp(-np.maximum(x, 0) / self.decay)

    def apparent(self, yx: Array, sigma: Array) -> Array:
        """Positions (y, x) in the frame where a fit sees columns: rows count by the square of their signal."""
        y = yx[:, 0] / (1 + self.drift)
        rows = np.clip(np.round(y).astype(int)[:, None] + np.arange(-15, 16), 0, len(self.row) - 1)
        weight = np.exp(-(((rows - y[:, None]) / sigma[:, None]) ** 2))
        offset = (weight * self.row[rows]).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)
        x = yx[:, 1].copy()
        for _ in range(30):  # each step leaves 4 / 25 of the error
            x = yx[:, 1] - offset - self.flyback(x)
        return np.stack([y, x], axis=1)


@dataclass(frozen=True)
class Scene:
    """An image of counts (H, W) with its truth; all columns, also those outside the frame.

    Parameters
    ----------
    truth
        (M, 2) positions (y, x) in the frame, where a column is seen.
    specimen
        (M, 2) the same without the errors of the scan.
    amplitude, sigma
        (M,) heights in counts, negative where dark; widths in pixels.
    background, expected
        (H, W) expected counts without the columns, and with them.
    scan
        Errors of the scan, if there are any.
    """

    name: str
    image: npt.NDArray[np.float32]
    truth: Array
    specimen: Array
    kind: npt.NDArray[np.str_]
    amplitude: Array
    sigma: Array
    background: Array
    expected: Array
    scan: Scan | None = None


Lattice = tuple[Columns, Array]
"""Columns and background, both over the height of an A column."""


def crystal(side: int, cell: tuple[float, float], basis: dict, random: np.random.Generator, turn: float) -> Columns:
    """A rotated crystal that covers the frame and the margin, columns displaced and of varying height."""
    reach = np.arange(-int(0.8 * side / min(cell)) - 2, int(0.8 * side / min(cell)) + 3)
    corners = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    parts = []
    for kind, (place, height, sigma) in basis.items():
        yx = (corners + place) * cell @ matrix.T + side / 2 + (3.3, 5.1)
        yx += random.normal(0, DISPLACEMENT, yx.shape)
        heights = height * random.normal(1, SPREAD, len(yx))
        parts.append(Columns(yx, np.full(len(yx), kind.rstrip("'")), heights, np.full(len(yx), sigma)))
    columns = sum(parts[1:], parts[0])
    return columns[((columns.yx > -MARGIN) & (columns.yx < side + MARGIN)).all(axis=1)]


def ground(side: int) -> Array:
    """Smooth background over the frame: two waves about as long as the frame, on average in the middle of GROUND."""
    y, x = np.mgrid[:side, :side] / side
    raw = np.sin(2 * np.pi * (0.9 * y + 0.4 * x)) + 0.6 * np.sin(2 * np.pi * (1.1 * x - 0.5 * y) + 1)
    low, high = GROUND
    return low + (high - low) * (raw - raw.min()) / np.ptp(raw)


def full_field(side: int, random: np.random.Generator) -> Lattice:
    """Perovskite everywhere."""
    return crystal(side, (CELL, CELL), PEROVSKITE, random, TURN), ground(side)


def particle(side: int, random: np.random.Generator) -> Lattice:
    """Perovskite inside a polygon; the ground steps up 8 px outside of it within 3 px."""
    columns, inside = full_field(side, random)
    distance = depth_in_polygon(columns.yx - side / 2)
    grid = np.stack(np.mgrid[:side, :side], axis=-1) - side / 2.0
    step = ndimage.gaussian_filter((depth_in_polygon(grid) > -8).astype(float), 3)
    return columns[distance > 0], FILM + step * (inside - FILM)


def depth_in_polygon(yx: Array) -> Array:
    """Pixels to the nearest side of the convex particle, negative outside; for positions (..., 2)."""
    along = np.roll(CORNERS, -1, axis=0) - CORNERS
    inward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    inward = inward / np.linalg.norm(inward, axis=1, keepdims=True)
    inward *= np.sign((-CORNERS * inward).sum(axis=1))[:, None]
    return np.min([(yx - corner) @ normal for corner, normal in zip(CORNERS, inward, strict=True)], axis=0)


def dumbbells(side: int, random: np.random.Generator) -> Lattice:
    """Silicon along <110>: a cell of 40 by 28.3 px with two pairs."""
    return crystal(side, (40, CELL), DUMBBELL, random, TURN), ground(side)


def with_light(side: int, random: np.random.Generator) -> Lattice:
    """Perovskite with light columns."""
    return crystal(side, (CELL, CELL), PEROVSKITE | LIGHT, random, TURN), ground(side)


def dark_field(side: int, random: np.random.Generator) -> Lattice:
    """Perovskite, dark on a ground of 1.3 to 1.5."""
    columns, smooth = full_field(side, random)
    return columns.scaled(-1), 1.2 + smooth


def interface(side: int, random: np.random.Generator) -> Lattice:
    """Perovskite and, beyond a line at 15 degrees, a square lattice of 21 px rotated by -20 degrees, on 0.15 more."""
    left, smooth = full_field(side, random)
    right = crystal(side, (21, 21), OTHER, random, np.radians(-20))
    normal = np.array([np.sin(np.radians(15)), np.cos(np.radians(15))])
    over = (np.stack(np.mgrid[:side, :side], axis=-1) - side / 2) @ normal
    sides = [(columns.yx - side / 2) @ normal for columns in (left, right)]
    columns = left[sides[0] < -8] + right[sides[1] > 8]
    return columns, smooth + 0.15 * ndimage.gaussian_filter((over > 0).astype(float), 3)


def bad_scan(side: int, random: np.random.Generator) -> Scan:
    """Rows jitter by 0.5 px and wobble by 0.8 px (autoregressive, 0.98); drift 2 px in y, 3 in x; fly-back 4 px."""
    wobble = np.empty(side)
    wobble[0] = random.normal(0, 0.8)
    for row in range(1, side):
        wobble[row] = 0.98 * wobble[row - 1] + random.normal(0, 0.8 * np.sqrt(1 - 0.98**2))
    rows = random.normal(0, 0.5, side) + wobble + np.linspace(0, 3, side)
    return Scan(drift=2 / side, row=rows, height=4.0)


SCENES: dict[str, tuple[int, Callable[[int, np.random.Generator], Lattice]]] = {
    "f2k": (1024, full_field),
    "p1k": (1024, particle),
    "f10k": (2048, full_field),
    "dumb": (1024, dumbbells),
    "lite": (1024, with_light),
    "dist": (1024, full_field),
    "dark": (1024, dark_field),
    "edge": (1024, interface),
}


def scene(name: str, counts: float, seed: int = 0) -> Scene:
    """One of the scenes with `counts` at the peak of an A column; `seed` draws the specimen and the noise."""
    side, build = SCENES[name]
    random = np.random.default_rng([seed, 1])
    columns, background = build(side, random)
    columns, background = columns.scaled(counts), background * counts
    scan = bad_scan(side, random) if name == "dist" else None
    expected = draw(columns, background, scan)
    return Scene(
        name=name,
        image=np.random.default_rng([seed, 2, round(1000 * counts)]).poisson(expected).astype(np.float32),
        truth=columns.yx if scan is None else scan.apparent(columns.yx, columns.sigma),
        specimen=columns.yx,
        kind=columns.kind,
        amplitude=columns.amplitude,
        sigma=columns.sigma,
        background=background,
        expected=expected,
        scan=scan,
    )


def draw(columns: Columns, background: Array, scan: Scan | None) -> Array:
    """Expected counts (H, W): background and all columns."""
    expected = background.copy()
    index, _, dy, dx = pixels_of(columns.yx, columns.sigma, background.shape, scan)
    height = np.repeat(columns.amplitude, np.diff(index[1]))
    width = np.repeat(columns.sigma, np.diff(index[1]))
    np.add.at(expected.reshape(-1), index[0], height * np.exp(-(dy**2 + dx**2) / (2 * width**2)))
    return expected


def pixels_of(
    yx: Array, sigma: Array, shape: tuple[int, ...], scan: Scan | None
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], Array, Array, Array]:
    """The pixels in which every column is visible, one column after the other.

    Returns their flat numbers with the (M + 1,) starts of the columns among them, the number of the column, and the
    distances (y, x) of the beam from the column in the specimen.
    """
    pixels, starts, dys, dxs = [], [0], [], []
    seen = yx if scan is None else scan.apparent(yx, sigma)
    for place, (y, x), reach in zip(yx, seen, np.ceil(REACH * sigma).astype(int) + 2, strict=True):
        rows = np.arange(max(0, round(y) - reach), min(shape[0], round(y) + reach + 1))
        cols = np.arange(max(0, round(x) - reach), min(shape[1], round(x) + reach + 1))
        beam_y, beam_x = rows[:, None] + np.zeros(len(cols)), cols + np.zeros((len(rows), 1))
        if scan is not None:
            beam_y, beam_x = beam_y * (1 + scan.drift), beam_x + scan.row[rows, None] + scan.flyback(cols)
        pixels.append((rows[:, None] * shape[1] + cols).ravel())
        starts.append(starts[-1] + pixels[-1].size)
        dys.append((beam_y - place[0]).ravel())
        dxs.append((beam_x - place[1]).ravel())
    starts = np.array(starts)
    column = np.repeat(np.arange(len(yx)), np.diff(starts))
    return (np.concatenate(pixels), starts), column, np.concatenate(dys), np.concatenate(dxs)
