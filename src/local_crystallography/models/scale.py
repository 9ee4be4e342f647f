"""Scale and polarity of the columns of an image, from how well the columns found at each scale explain the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import block_reduce

from local_crystallography.data.mask import filled
from local_crystallography.fitting.background import terraces
from local_crystallography.fitting.evidence import one_sided, overtones, repetition, response_of, weigh
from local_crystallography.models.segmenter import Segmenter, resized

Pixels = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

FINEST, STEP = 0.7, 1.3
"""Smallest standard deviation of a column to try, px, and the ratio of successive ones."""
COARSEST = 14.0
"""Smallest ratio of the side of an image to the standard deviation of a column."""
LOOK, PART = 60.0, 66.0
"""Sides, in widths of a column, of the parts used to try a scale and to weigh the columns found at it."""
NEARLY = 0.85
"""Fraction of the highest confidence at which a finer scale is preferred: at coarser ones neighbours merge."""
PROMISING = 0.4
"""Fraction of the highest confidence above which other scales are weighed too."""
WEIGHED = 1.7
"""Column width, in pixels, to which a part is rescaled for weighing, so that noise counts equally at all scales."""
BLUR = 3.0
"""Standard deviation of the blur that models the background, in widths."""
IRREGULAR, BY_CHANCE, REGULAR = 0.1, 0.05, 0.2
"""Score of columns that do not repeat (single atoms) relative to a crystal, where no spots of the other sign are as
strong; repetition expected by chance; and repetition beyond that for a crystal."""
NOISE = 0.12
"""Highest confidence that noise alone produces."""
SURE, BEYOND = 0.5, 6.0
"""The search ends once a scale has this confidence and the current one is this many times coarser."""
POSITIONS = 5
"""Positions along each side of an image among which the part to use is selected."""
FITS, SETTLED, WORSE, LESS_SURE = 4, 0.05, 0.9, 0.7
"""Most refits of a scale with the width found; difference of logarithms at which it has converged; and fractions of
the previous explained variance and confidence below which the new width has lost columns."""
BRIGHT = 1.15
"""Factor by which dark columns have to score better, as bright ones are the usual case."""
ALIKE = 0.22
"""Difference of the logarithms of two widths below which the network cannot distinguish them."""
SIMPLE = 0.35
"""Power of the density of columns that penalises candidates with more of them."""
IN_PHASE = 5.0
"""Logarithm of the weight of overtones in phase, relative to none."""
SAME = 0.3
"""Difference of the logarithms of two widths below which candidates of one polarity are duplicates."""
PEAK = 0.2
"""Lowest probability that counts as a column."""
SAME_LINE, MOST_REPEATED = 0.9, 12.0
"""Fraction of pixels equal to those of the previous line above which a line repeats it; and most repetitions."""
FEWEST = 4


@dataclass(frozen=True)
class Candidate:
    """Candidate for the scale and polarity of the columns of an image.

    Parameters
    ----------
    sigma
        Standard deviation of a column, in pixels of the image.
    bright
        Whether columns are brighter than the background, rather than darker.
    confidence
        0 to 1, confidence of the network in the columns it finds at this scale.
    explained
        Fraction of the variance, without the background, that these columns explain.
    repetition
        0 to 1, fraction of the columns that one vector maps onto others; about 0 for noise.
    one_sided
        0 to 1, absence of spots of the other polarity beside the columns; about 0 for noise.
    overtones
        -1 to 1: above 0 where overtones of the pattern are in phase for this polarity, 0 where uninformative.
    frame, corner
        Number of the frame, and first pixel (y, x) of the part of it that was weighed.
    part
        (h, w) that part of the frame.
    yx
        (N, 2) positions of the columns in the part, px from its first pixel.
    """

    sigma: float
    bright: bool
    confidence: float
    explained: float
    repetition: float
    one_sided: float
    overtones: float
    frame: int
    corner: tuple[int, int]
    part: Pixels
    yx: Array

    @property
    def score(self) -> float:
        """Score for ordering candidates of different widths, the highest first."""
        regular = float(np.clip((self.repetition - BY_CHANCE) / REGULAR, 0, 1))
        single = IRREGULAR * self.confidence * self.one_sided
        # Weak repetition counts in full only where the spots are unlikely to be noise.
        atoms = single + regular * (regular + (1 - regular) * self.one_sided)
        return self.explained**3 * self.confidence * atoms * self._polarity

    @property
    def misfit(self) -> float:
        """Misfit for ordering candidates of one width and different polarity, the lowest first.

        Many patterns look similar when inverted. The unexplained variance, the confidence of the network and the
        simplicity of the candidate (fewer columns) decide.
        """
        density = len(self.yx) * self.sigma**2 / self.part.size
        unexplained = (1 - self.explained) * density**SIMPLE / max(self.confidence, NOISE) ** 2
        return float(unexplained) / self._polarity

    @property
    def _polarity(self) -> float:
        """Weight of the polarity by itself."""
        return float(np.exp(IN_PHASE * self.overtones)) * (BRIGHT if self.bright else 1)

    @property
    def words(self) -> str:
        """Short description of the candidate."""
        return f"{'bright' if self.bright else 'dark'} columns, sigma {self.sigma:.3g} px"


def choose_scale(
    segmenter: Segmenter, frames: Iterator[tuple[int, Pixels]], *, bright: bool | None, sigma: float | None
) -> list[Candidate]:
    """Candidates for frames (h, w), with NaN on masked pixels, the best first; none where no columns are found.

    `bright` and `sigma` fix what is already known. The network examines every scale and both polarities on a small
    part of the image. Where it is confident, columns are fitted at the positions found, which gives their width, and
    weighed by how much of the image they explain.
    """
    found: list[Candidate] = []
    for number, frame in frames:
        plain = filled(frame, ~np.isfinite(frame))
        if plain.std() > 0:
            for sign in (1, -1) if bright is None else (1,) if bright else (-1,):
                found += candidates(segmenter, plain, number, sign, sigma)
    seen = [each for each in found if each.confidence > NOISE or each.repetition > REGULAR]
    return by_polarity(distinct(sorted(seen, key=lambda each: -each.score)))


def by_polarity(ordered: list[Candidate]) -> list[Candidate]:
    """Candidates with one moved to the front if it differs from the first only in polarity and fits better."""
    for number, other in enumerate(ordered[1:], 1):
        first = ordered[0]
        if (
            first.bright != other.bright
            and abs(np.log(first.sigma / other.sigma)) < ALIKE
            and other.misfit < first.misfit
        ):
            return [other, *ordered[:number], *ordered[number + 1 :]]
    return ordered


def distinct(ordered: list[Candidate]) -> list[Candidate]:
    """Candidates without duplicates, of which the best is kept."""
    kept: list[Candidate] = []
    for each in ordered:
        if not any(each.bright == other.bright and abs(np.log(each.sigma / other.sigma)) < SAME for other in kept):
            kept.append(each)
    return kept


def candidates(segmenter: Segmenter, frame: Pixels, number: int, sign: int, sigma: float | None) -> list[Candidate]:
    """Candidates of one polarity in a frame without gaps."""
    if sigma is not None:
        weighed = weighed_at(segmenter, frame, number, sign, sigma, fits=1)
        return [] if weighed is None else [replace(weighed, sigma=sigma)]
    scales, sure = profile(segmenter, frame, sign)
    if not len(sure) or sure.max() <= 0:
        return []
    padded = np.pad(sure, 1)
    tops = (sure >= padded[:-2]) & (sure >= padded[2:]) & (sure >= PROMISING * sure.max())
    promising, nearly = (int(np.flatnonzero(sure >= share * sure.max())[0]) for share in (PROMISING, NEARLY))
    starts = {
        *range(promising, nearly + 1),
        *np.flatnonzero(tops).tolist(),
    }  # at the finest scales, close pairs are still resolved
    found = (weighed_at(segmenter, frame, number, sign, float(scales[start]), fits=FITS) for start in sorted(starts))
    return [each for each in found if each is not None]


def profile(segmenter: Segmenter, frame: Pixels, sign: int) -> tuple[Array, Array]:
    """Scales, px, and the confidence of the network at each, up to well beyond the most confident one."""
    scales = FINEST * repeated(frame) * STEP ** np.arange(60)
    scales = scales[scales * COARSEST <= min(frame.shape)]
    sure: list[float] = []
    for scale in scales:
        part = frame[part_of(frame, LOOK * scale, scale)]
        part = sign * (part - terraces(part, scale)[0])
        sure.append(confidence(peaks(segmenter, part, scale)[1]))
        best = int(np.argmax(sure))
        if sure[best] > SURE and scale > BEYOND * scales[best]:
            break
    return scales[: len(sure)], np.array(sure)


def repeated(frame: Pixels) -> float:
    """Number of times every pixel is repeated in an image that was enlarged by repeating pixels; 1 for others.

    Noise of that grain size lies on a regular grid and would be mistaken for a crystal.
    """
    new = [1 - float(((part[1:] == part[:-1]).mean(axis=1) > SAME_LINE).mean()) for part in (frame, frame.T)]
    return 1 / max(*new, 1 / MOST_REPEATED)


def weighed_at(
    segmenter: Segmenter, frame: Pixels, number: int, sign: int, start: float, *, fits: int
) -> Candidate | None:
    """Candidate from a scale at which the network is confident; None where columns are few."""
    sigma, square, best = start, part_of(frame, PART * start, start), None
    part, corner = frame[square], (int(square[0].start), int(square[1].start))
    flat = part - terraces(part, start)[0]
    for _ in range(fits):
        shape = tuple(max(24, round(side * WEIGHED / sigma)) for side in part.shape)
        scaled, zoom = resized(flat[None, None], shape)[0, 0], shape[0] / part.shape[0]
        yx, chance = peaks(segmenter, sign * flat, sigma)
        yx = (yx + 0.5) * zoom - 0.5
        evidence = weigh(sign * scaled, yx, sigma * zoom, BLUR * sigma * zoom) if len(yx) >= FEWEST else None
        sure = confidence(chance)
        if evidence is None or (
            best is not None and (evidence.explained < WORSE * best.explained or sure < LESS_SURE * best.confidence)
        ):
            break
        before, sigma = sigma, evidence.sigma / zoom
        inside = np.clip(evidence.yx, 0, np.array(scaled.shape) - 1)
        alone = one_sided(response_of(sign * scaled, evidence.sigma), inside)
        phase = overtones(sign * scaled, sigma * zoom)
        yx = (evidence.yx + 0.5) / zoom - 0.5
        best = Candidate(
            sigma, sign > 0, sure, evidence.explained, repetition(yx), alone, phase, number, corner, part, yx
        )
        if abs(np.log(sigma / before)) < SETTLED:
            break
    return best


def confidence(chance: Array) -> float:
    """0 to 1: mean excess of the probabilities (N,) of columns over one half; few columns lower it."""
    return float(np.clip(2 * chance - 1, 0, 1).sum() / max(len(chance), 2 * FEWEST))


def peaks(segmenter: Segmenter, part: Pixels, sigma: float) -> tuple[Array, Array]:
    """(N, 2) positions in a part of an image, px, and (N,) probabilities of the columns a network finds in it."""
    shape = tuple(max(24, round(side * segmenter.sigma / sigma)) for side in part.shape)
    chance = segmenter.probabilities(resized(part[None, None], shape)[0, 0], members=1)[0].max(axis=0)
    found = peak_local_max(
        ndimage.gaussian_filter(chance, 0.7), min_distance=1, threshold_abs=PEAK, exclude_border=False
    )
    yx = (found + 0.5) * np.array(part.shape) / shape - 0.5
    return yx, np.asarray(chance[tuple(found.T)], float)


def part_of(frame: Pixels, side: float, sigma: float) -> tuple[slice, slice]:
    """Square of a side in px with high contrast at the scale of columns; very bright spots do not count more."""
    length = min(int(side), *frame.shape)
    step = max(1, int(sigma / 2))
    starts = [np.linspace(0, n - length, min(POSITIONS, -(-n // length))).astype(int).tolist() for n in frame.shape]
    squares = [(slice(y, y + length), slice(x, x + length)) for y in starts[0] for x in starts[1]]
    if len(squares) == 1:
        return squares[0]
    bands = []
    for square in squares:
        coarse = block_reduce(frame[square], (step, step), np.mean)
        narrow, wide = (ndimage.gaussian_filter(coarse, f * sigma / step, truncate=2.5) for f in (1, 2.5))
        bands.append((narrow - wide) ** 2)
    most = float(np.quantile(np.stack(bands)[:, ::2, ::2], 0.95))
    return squares[int(np.argmax([np.minimum(band, most).mean() for band in bands]))]
