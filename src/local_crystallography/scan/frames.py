"""Bad frames of a stack: blank, cut off, torn, unsharp, or of something else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import peak_local_max

from local_crystallography.data.image import Image
from local_crystallography.data.mask import filled

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STRIPS = 6
"""Horizontal strips of a frame that are compared one by one, since a scan is cut off or jumps between two lines."""
THIN = 24
"""Least height of a strip, px."""
LOST = 0.7
"""A frame is bad where it has less than this fraction of what is usual: of likeness or of contrast."""
SCATTERS = 5.0
"""And where it is below the usual by this many standard deviations of the frames."""
EXAMINED, FEWEST = 30, 3
"""Most frames that are looked at, and fewest of which one can be unusual."""
WIDEST = 512
"""Columns of pixels of a frame that are looked at, in its middle."""
MOST = 0.4
"""Fraction of unusual frames at which there is no usual one."""
FLAT = 0.05
"""A frame whose standard deviation is below this fraction of the median is blank."""
LATTICE, VECTORS = 0.25, 24
"""Height of a peak of the autocorrelation, relative to the highest, at a lattice vector; and how many are tried."""
CLEAR = 10.0
"""Power of a spatial frequency over that of noise at which it is one of the crystal."""
SLOW = 4
"""Periods per image up to which variations are of the background."""


def unusual(image: Image) -> tuple[int, ...]:
    """Numbers of the frames of a stack that are blank, cut off, unsharp or of something else; seen once per image.

    Of long stacks, `EXAMINED` frames are looked at. In a stack whose frames have little in common, none is unusual.
    """

    def found() -> tuple[int, ...]:
        numbers = spread(range(image.count), EXAMINED)
        middle = slice(max(0, image.shape[1] - WIDEST) // 2, None)
        frames = np.stack([whole(image.frame(number)[:, middle][:, :WIDEST]) for number in numbers])
        bad = weak(frames.astype(np.float64))
        return tuple(np.array(numbers)[bad].tolist()) if bad.mean() < MOST else ()

    return () if image.count < FEWEST else image.remembered("unusual frames", found)


def usual(image: Image, most: int) -> list[int]:
    """Numbers of at most so many frames, evenly spread over a stack, without unusual ones."""
    bad = unusual(image)
    return spread([number for number in range(image.count) if number not in bad], most)


def whole(frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(H, W) frame with masked pixels filled in; 0 where all are masked."""
    return filled(frame, ~np.isfinite(frame))


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of some numbers, evenly spread."""
    places = np.linspace(0, len(numbers) - 1, min(len(numbers), most))
    return sorted({numbers[int(place)] for place in places})


def moved(frame: Array, shift: Array) -> Array:
    """(H, W) frame after a shift (y, x) in px."""
    return np.asarray(ndimage.shift(frame, shift, order=3, mode="nearest"))


def taper(shape: tuple[int, ...]) -> Array:
    """(H, W) weights that fall to 0 at the edges."""
    return np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))


def repeats(frame: Array) -> float:
    """Share of the power of a frame that is at its strongest spatial frequency: high for a lattice, low for noise."""
    power = np.abs(np.fft.rfft2(frame * taper(frame.shape))) ** 2
    power[:2, :2] = power[-1:, :2] = 0  # slow changes of the background
    return float(power.max() / max(power.sum(), 1e-30))


def weak(frames: Array) -> Bools:
    """(n,) which frames (n, H, W), not aligned, lack what others have, in one strip or more.

    Amplitudes of spatial frequencies do not depend on where a frame is.
    """
    power = np.stack([[_spectrum(strip) for strip in _strips(frame)] for frame in frames])
    usual = np.median(power, axis=0)
    noise = np.median(usual, axis=-1, keepdims=True)  # most frequencies hold nothing else
    weights = np.where(usual > CLEAR * noise, usual, 0)
    gains = ((power - noise) * weights).sum(axis=-1) / np.maximum((usual - noise) * weights, 1e-30).sum(axis=-1)
    deviation = frames.std(axis=(1, 2))
    blank = deviation <= FLAT * np.median(deviation)
    return np.asarray(blank | low(np.sqrt(np.clip(gains, 0, None))).any(axis=1))


def unlike(frames: Array, shifts: Array) -> Bools:
    """(n,) which frames (n, H, W), shifted by (n, 2), are less like the mean of the others, or less sharp, than usual.

    Strips are compared one by one, contrast in coarse and fine detail each.
    """
    aligned = np.stack([moved(frame, shift) for frame, shift in zip(frames, shifts, strict=True)])
    total = aligned.sum(axis=0)
    likeness = [
        [np.corrcoef(own.ravel(), other.ravel())[0, 1] for own, other in zip(*pair, strict=True)]
        for pair in ((_strips(frame), _strips(total - frame)) for frame in aligned)
    ]
    strips = low(np.nan_to_num(np.array(likeness))).any(axis=1)
    return np.asarray(strips | low(contrast(aligned)).any(axis=1))


def spacing_off(reference: Array, frame: Array, smoothing: float) -> Array:
    """(2,) lattice vector (y, x) in px by which an aligned frame has to be moved on; 0, 0 for none.

    The reference moved by such a vector has to explain the frame much better than as it is; D being the difference of
    both, the coefficient of regression of the residual on D is 0 for a frame in place, 1 for one that is off, and 1/2
    where both explain it equally well.
    """
    frame, reference = frame - frame.mean(), reference - reference.mean()
    gain = float((frame * reference).sum() / max((reference**2).sum(), 1e-30))
    if gain <= 0:
        return np.zeros(2)
    residual = frame / gain - reference
    grain = np.sqrt(4 * np.pi) * max(smoothing, 0.3)  # of noise: smoothing makes it alike within an area
    best, found = SCATTERS, np.zeros(2)
    for vector in lattice_vectors(reference):
        difference = moved(reference, -vector) - reference
        rim = int(np.ceil(np.abs(vector).max()))
        inner = (slice(rim, -rim), slice(rim, -rim))
        power = float((difference[inner] ** 2).sum())
        coefficient = float((residual[inner] * difference[inner]).sum()) / max(power, 1e-30)
        error = grain * float((residual - coefficient * difference)[inner].std()) / np.sqrt(max(power, 1e-30))
        if coefficient - 0.5 > best * error:
            best, found = (coefficient - 0.5) / error, vector
    return found


def lattice_vectors(reference: Array) -> Array:
    """(n, 2) vectors (y, x) in px, shortest first, after which an image repeats: peaks of its autocorrelation."""
    power = np.abs(np.fft.rfft2((reference - reference.mean()) * taper(reference.shape))) ** 2
    power[0, 0] = 0
    repeated = np.fft.fftshift(np.fft.irfft2(power, reference.shape))
    centre = np.array(repeated.shape) // 2
    peaks = peak_local_max(repeated, min_distance=2, threshold_rel=LATTICE) - centre
    length = np.hypot(*peaks.T)
    near = (length > 0) & (length < min(reference.shape) / 4)
    nearest = peaks[near][np.argsort(length[near])][:VECTORS]
    return np.array([peak + summit(repeated[tuple(slice(c - 1, c + 2) for c in centre + peak)]) for peak in nearest])


def summit(around: Array) -> Array:
    """(2,) offset (y, x) of the top of a peak from the middle of the (3, 3) pixels around it: of parabolas."""
    lines = around[:, 1], around[1]
    return np.array([(a - c) / (2 * (a - 2 * b + c)) if 2 * b > a + c else 0.0 for a, b, c in lines])


def contrast(aligned: Array) -> Array:
    """(n, 2) contrast of frames (n, H, W) relative to the mean of the others, in coarse and in fine detail."""
    window, n = taper(aligned.shape[1:]), len(aligned)
    spectra = np.fft.rfft2(aligned * window)
    total = spectra.sum(axis=0)
    reference = (total - spectra) / (n - 1)
    shared = (spectra * reference.conj()).real  # noise of a frame is not in the others
    y, x = (np.fft.fftfreq(aligned.shape[1]), np.fft.rfftfreq(aligned.shape[2]))
    radius = np.hypot(y[:, None], x)
    signal = shared.sum(axis=0)
    signal[radius < SLOW / min(aligned.shape[1:])] = 0
    signal[signal < 0.01 * signal.max()] = 0
    order = np.argsort(radius, axis=None)
    upto = np.cumsum(signal.ravel()[order])
    half = radius.ravel()[order][int(np.searchsorted(upto, upto[-1] / 2))]
    gains = []
    for band in (signal > 0) & (radius <= half), (signal > 0) & (radius > half):
        own = shared[:, band].sum(axis=1)
        gains.append(own / max(float(np.median(own)), 1e-30) if band.any() else np.ones(n))
    return np.stack(gains, axis=1)


def low(values: Array) -> Bools:
    """(n, ...) which values are well below the usual one of their column."""
    usual = np.median(values, axis=0)
    scatter = 1.4826 * np.median(np.abs(values - usual), axis=0)
    return np.asarray((values < usual - SCATTERS * scatter) & (values < LOST * usual))


def _strips(frame: Array) -> Array:
    """(strips, h, W) parts of a frame from top to bottom, at least `THIN` high."""
    count = max(1, min(STRIPS, len(frame) // THIN))
    rows = len(frame) // count
    return frame[: count * rows].reshape(count, rows, -1)


def _spectrum(strip: Array) -> Array:
    """Power at the spatial frequencies beyond the background."""
    power = np.abs(np.fft.rfft2((strip - strip.mean()) * taper(strip.shape))) ** 2
    power[:2, :SLOW] = power[-1:, :SLOW] = 0
    return np.asarray(power.ravel())
