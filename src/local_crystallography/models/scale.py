"""Scale and polarity of the columns of an image, by what the network finds at each and what that explains."""

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
"""Smallest standard deviation of a column that is tried, px, and the ratio of one to the next."""
COARSEST = 14.0
"""Sides of an image over the largest one."""
LOOK, PART = 60.0, 66.0
"""Sides of the parts that the network looks at: to try a scale, and to weigh what it finds there; in widths."""
NEARLY = 0.85
"""Share of the highest confidence from which a finer scale is taken: at coarser ones neighbours merge."""
PROMISING = 0.4
"""Share of the highest confidence at which another scale is still weighed."""
WEIGHED = 1.7
"""Width, in pixels, to which a part is scaled to be weighed: so noise counts alike at all scales."""
BLUR = 3.0
"""Standard deviation of the blur that is taken for background, in widths."""
IRREGULAR, BY_CHANCE, REGULAR = 0.1, 0.05, 0.2
"""What columns score that nothing repeats, as single atoms, over a crystal, where no spots of the other sign are as
strong; repetition that chance gives, and what it takes beyond that to be a crystal."""
NOISE = 0.12
"""Confidence that noise alone may give."""
SURE, BEYOND = 0.5, 6.0
"""Confidence at a scale that ends the search, once it is that many times coarser."""
PLACES = 5
"""Parts of an image along each side from which the one to look at is chosen."""
FITS, SETTLED, WORSE, LESS_SURE = 4, 0.05, 0.9, 0.7
"""Times that a scale is looked at again with the width found; difference of logarithms at which it need not be; and
shares of what was explained before, and of the confidence, under which the new width has lost columns."""
BRIGHT = 1.15
"""How much better dark columns have to score: bright ones are the usual case."""
ALIKE = 0.22
"""Difference of the logarithms of two widths under which the network cannot tell which of the two is meant."""
SIMPLE = 0.35
"""Power of the density of columns by which an answer with more of them is held less likely."""
IN_PHASE = 5.0
"""Logarithm of what overtones in phase are worth, against none."""
SAME = 0.3
"""The same for two candidates of one polarity that are one."""
PEAK = 0.2
"""Lowest probability that counts as a column."""
SAME_LINE, MOST_REPEATED = 0.9, 12.0
"""Share of pixels that equal those of the line before, from which a line only repeats it; and most times it may."""
FEWEST = 4
FRAMES = 5
"""Most frames of a stack that are looked at."""


@dataclass(frozen=True)
class Candidate:
    """One answer to what the columns of an image are.

    Parameters
    ----------
    sigma
        Standard deviation of a column, px of the image.
    bright
        Whether columns are brighter than what is between them, rather than darker.
    confidence
        0 to 1, how sure the network is of the columns it finds at this scale.
    explained
        Share of the variance, less the background, that these columns explain.
    repetition
        0 to 1, how much of the columns one vector carries onto others; about 0 for grain of the noise.
    one_sided
        0 to 1, how few spots of the other polarity there are beside them; about 0 for grain of the noise.
    overtones
        -1 to 1: above 0 where overtones of the pattern are in phase for this polarity; 0 where they tell nothing.
    frame, corner
        The frame, and the first pixel (y, x) of the part of it, that was weighed.
    part
        (h, w) that part, as in the image.
    yx
        (N, 2) the columns in it, px from its first pixel.
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
        """What candidates of different widths are ordered by."""
        regular = float(np.clip((self.repetition - BY_CHANCE) / REGULAR, 0, 1))
        single = IRREGULAR * self.confidence * self.one_sided
        # a little repetition counts in full only where the spots are no grain of the noise
        atoms = single + regular * (regular + (1 - regular) * self.one_sided)
        return self.explained**3 * self.confidence * atoms * self._polarity

    @property
    def misfit(self) -> float:
        """What candidates of one width and different polarity are ordered by, the lowest first.

        Many patterns are alike inverted: what is left unexplained tells, how sure the network is, and which answer is
        the simpler one, with fewer columns.
        """
        density = len(self.yx) * self.sigma**2 / self.part.size
        left = (1 - self.explained) * density**SIMPLE / max(self.confidence, NOISE) ** 2
        return float(left) / self._polarity

    @property
    def _polarity(self) -> float:
        """How likely the polarity is by itself."""
        return float(np.exp(IN_PHASE * self.overtones)) * (BRIGHT if self.bright else 1)

    @property
    def words(self) -> str:
        """The candidate in a few words."""
        return f"{'bright' if self.bright else 'dark'} columns, sigma {self.sigma:.3g} px"


def choose_scale(
    segmenter: Segmenter, frames: Iterator[tuple[int, Pixels]], *, bright: bool | None, sigma: float | None
) -> list[Candidate]:
    """Candidates for frames (h, w), with NaN on masked pixels, the best first; none where no columns are seen.

    `bright` and `sigma` are what is known already. Every scale and both polarities are looked at by the network on a
    small part of the image. Where it is confident, columns are fitted to what it found, which gives their width, and
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
    """The same with the first two exchanged where they differ in polarity alone and the second fits better."""
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
    """The best of those that say the same."""
    kept: list[Candidate] = []
    for each in ordered:
        if not any(each.bright == other.bright and abs(np.log(each.sigma / other.sigma)) < SAME for other in kept):
            kept.append(each)
    return kept


def candidates(segmenter: Segmenter, frame: Pixels, number: int, sign: int, sigma: float | None) -> list[Candidate]:
    """The candidates of one polarity in a frame without gaps."""
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
    }  # at the finest, close pairs are still apart
    found = (weighed_at(segmenter, frame, number, sign, float(scales[start]), fits=FITS) for start in sorted(starts))
    return [each for each in found if each is not None]


def profile(segmenter: Segmenter, frame: Pixels, sign: int) -> tuple[Array, Array]:
    """Scales, px, and the confidence of the network at each, up to far beyond the first it is sure of."""
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
    """How many pixels in a row hold the same, where an image was enlarged by repeating pixels; 1 for others.

    Grain as wide as these stands on their grid, and would be taken for a crystal.
    """
    turned = frame.T
    new = [1 - float(((part[1:] == part[:-1]).mean(axis=1) > SAME_LINE).mean()) for part in (frame, turned)]
    return 1 / max(*new, 1 / MOST_REPEATED)


def weighed_at(
    segmenter: Segmenter, frame: Pixels, number: int, sign: int, start: float, *, fits: int
) -> Candidate | None:
    """The candidate found from a scale that the network is confident at; None where columns are few."""
    sigma, place, best = start, part_of(frame, PART * start, start), None
    part, corner = frame[place], (int(place[0].start), int(place[1].start))
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
    """0 to 1: how far the probabilities (N,) of columns are above even; a few are little evidence."""
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
    """A square of a side in px with much contrast at the scale of columns, bright spots counted no more than others."""
    length = min(int(side), *frame.shape)
    step = max(1, int(sigma / 2))
    starts = [np.linspace(0, n - length, min(PLACES, -(-n // length))).astype(int).tolist() for n in frame.shape]
    places = [(slice(y, y + length), slice(x, x + length)) for y in starts[0] for x in starts[1]]
    if len(places) == 1:
        return places[0]
    bands = []
    for place in places:
        coarse = block_reduce(frame[place], (step, step), np.mean)
        narrow, wide = (ndimage.gaussian_filter(coarse, f * sigma / step, truncate=2.5) for f in (1, 2.5))
        bands.append((narrow - wide) ** 2)
    most = float(np.quantile(np.stack(bands)[:, ::2, ::2], 0.95))
    return places[int(np.argmax([np.minimum(band, most).mean() for band in bands]))]


def frames_to_look_at(count: int) -> list[int]:
    """Some frames of a stack, all over it."""
    return sorted({int(number) for number in np.linspace(0, count - 1, min(count, FRAMES))})
