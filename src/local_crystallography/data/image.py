"""An atomically resolved image with its scale."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from local_crystallography.data.errors import InputError
from local_crystallography.data.mask import filled, find_mask

T = TypeVar("T")
LARGEST = 1e30
"""Largest magnitude of a pixel; squares of larger ones exceed the range of numbers in single precision."""
FEWEST = 256
"""Minimum number of valid pixels, as many as in an image of 16 x 16."""


PIXELS = (0.0005, 0.2)
"""Smallest and largest pixel of an image that shows atoms, in nm."""
FILE_PIXELS = "pixels of the file"
"""Where the metadata hold the height and width of a pixel in pixels of the file."""
EVEN = 1.01
"""Ratio of the sides of a pixel up to which it is square."""
LONGEST = 8.0
"""Ratio of the sides of a pixel up to which it is resampled; more is not the scale of an image."""


def can_show_atoms(pixel_size: float | None) -> bool:
    """Whether atoms can be seen at this pixel size, in nm; anything else is the scale of something else."""
    return pixel_size is not None and PIXELS[0] <= pixel_size <= PIXELS[1]


@dataclass(frozen=True)
class Image:
    """An image, or a stack of frames of one size.

    Pixels are addressed (y, x): rows first, the origin at the centre of pixel (0, 0), y down.

    Parameters
    ----------
    data
        (H, W) or (frames, H, W), any real number type, any range; dark or bright atoms. Masked elements of a masked
        array are invalid pixels. A lazily
        loaded array, such as Dask's, is never held in memory as a whole: it is read once for its mean and standard
        deviation, and then frame by frame.
    pixel_size
        nm per pixel, or None if unknown.
    name
        Name of the image in lists and files.
    metadata
        Further information from the file; kept, never used.
    mask
        (H, W) True where pixels are invalid, the same in all frames; None: found in each frame, see
        `data.mask.find_mask`. NaN and infinite pixels are never used.

    Raises
    ------
    InputError
        For anything but a real, non-constant image of at least 16 x 16 pixels, for a pixel size at which atoms cannot
        be seen, and for a mask of another shape.
    """

    data: npt.NDArray[Any]
    pixel_size: float | None = None
    name: str = "image"
    metadata: dict[str, Any] = field(default_factory=dict)
    mask: npt.NDArray[np.bool_] | None = field(default=None, compare=False)
    _memory: dict[Hashable, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    _mean: float = field(init=False, repr=False, compare=False, default=0.0)
    _std: float = field(init=False, repr=False, compare=False, default=1.0)

    def __post_init__(self) -> None:
        data = self.data if hasattr(self.data, "chunks") else unmasked(self.data)
        if not data.ndim and data.dtype.kind in "OU":
            raise InputError(
                f"{self.name}: {type(self.data).__name__} is not an array of pixels; read a file with read_image first."
            )
        if data.ndim not in (2, 3) or min(data.shape[-2:]) < 16 or not data.shape[0]:
            raise InputError(
                f"{self.name}: the array has shape {data.shape}, but an image must be (H, W) or (frames, H, W) with at "
                "least 16 x 16 pixels; choose one image of the file or crop less."
            )
        if data.dtype.kind not in "buif":
            todo = "take the magnitude or the phase first" if data.dtype.kind == "c" else "convert them first"
            raise InputError(f"{self.name}: values of type {data.dtype} cannot be used, only real numbers; {todo}.")
        size = self.pixel_size
        if size is not None and not (isinstance(size, Real) and can_show_atoms(float(size))):
            raise InputError(
                f"{self.name}: atoms cannot be seen with a pixel size of {size!r}; give a number from {PIXELS[0]} to "
                f"{PIXELS[1]} in nm, or None if unknown."
            )
        object.__setattr__(self, "data", data)
        if self.mask is not None:
            mask = np.asarray(self.mask, bool)
            if mask.shape != self.shape:
                raise InputError(
                    f"{self.name}: the mask has shape {mask.shape}, the image {self.shape}; use a mask of the size "
                    "of the image."
                )
            object.__setattr__(self, "mask", mask)
        self._measure_contrast()

    def _measure_contrast(self) -> None:
        """Set mean and standard deviation of all valid pixels, which must not all be equal."""
        low, high, count = np.inf, -np.inf, 0
        means, variances = [], []
        for number in range(self.count):
            frame = self.read(number).astype(np.float64)
            frame = frame[np.isfinite(frame) if self.mask is None else np.isfinite(frame) & ~self.mask]
            if not frame.size:
                continue
            low, high, count = min(low, float(frame.min())), max(high, float(frame.max())), count + frame.size
            if max(abs(low), abs(high)) > LARGEST:
                raise InputError(
                    f"{self.name}: values up to {max(abs(low), abs(high)):.3g} are too large; divide them by a "
                    "constant first."
                )
            means.append(frame.mean())
            variances.append(frame.var())
        if count < FEWEST:
            raise InputError(
                f"{self.name}: {f'only {count} pixels are' if count else 'no pixel is'} valid, "
                f"{'the others' if count else 'all'} are masked, NaN or infinite; check that the right channel was "
                "opened and what the mask covers."
            )
        if low == high:
            raise InputError(
                f"{self.name}: every pixel is {low:g}, so there is nothing to see; "
                "check that the right channel was opened."
            )
        object.__setattr__(self, "_mean", float(np.mean(means)))
        object.__setattr__(self, "_std", float(np.sqrt(np.mean(variances) + np.var(means))))

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of one frame."""
        height, width = self.data.shape[-2:]
        return int(height), int(width)

    @property
    def file_pixels(self) -> tuple[float, float]:
        """Height and width of a pixel in pixels of the file; 1, 1 where the image was not resampled, see `square`."""
        height, width = self.metadata.get(FILE_PIXELS, (1.0, 1.0))
        return float(height), float(width)

    @property
    def count(self) -> int:
        """Number of frames; 1 for a single image."""
        return 1 if self.data.ndim == 2 else int(self.data.shape[0])

    def read(self, number: int) -> npt.NDArray[Any]:
        """(H, W) unscaled pixels of one frame."""
        return np.asarray(self.data if self.data.ndim == 2 else self.data[number])

    def masked(self, number: int) -> npt.NDArray[np.bool_]:
        """(H, W) True where pixels of a frame are invalid: as given, or else as found, and where not finite."""
        return self._mask_of(number, None)

    def frame(self, number: int) -> npt.NDArray[np.float32]:
        """(H, W) float32 of one frame, the whole stack scaled to mean 0 and standard deviation 1.

        Masked pixels are filled in from their surroundings.
        """
        scaled = self.known_frame(number)
        return filled(scaled, np.isnan(scaled))

    def known_frame(self, number: int) -> npt.NDArray[np.float32]:
        """The same with NaN on masked pixels."""
        pixels = self.read(number)
        with np.errstate(invalid="ignore"):
            scaled = ((pixels.astype(np.float64) - self._mean) / self._std).astype(np.float32)
        scaled[self._mask_of(number, pixels)] = np.nan
        return scaled

    def _mask_of(self, number: int, pixels: npt.NDArray[Any] | None) -> npt.NDArray[np.bool_]:
        """The mask of a frame; `pixels` are its pixels if already read."""

        def found() -> npt.NDArray[np.bool_]:
            frame = self.read(number) if pixels is None else pixels
            return find_mask(frame) if self.mask is None else self.mask | ~np.isfinite(frame)

        # a long stack would keep one mask per frame in memory
        return found() if self.data.ndim == 3 else self.remembered("mask", found)

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of `make`, computed only once per key, since the image never changes."""
        if key not in self._memory:
            self._memory[key] = make()
        found: T = self._memory[key]
        return found

    def recalled(self, key: Hashable) -> Any:
        """What is remembered for a key; None for nothing."""
        return self._memory.get(key)

    @property
    def frames(self) -> npt.NDArray[np.float32]:
        """(frames, H, W) float32, all frames as `frame` gives them."""
        return np.stack([self.frame(number) for number in range(self.count)])


def unmasked(data: Any) -> npt.NDArray[Any]:
    """The array, with NaN for the masked elements of a masked array."""
    if not isinstance(data, np.ma.MaskedArray):
        return np.asarray(data)
    if not np.ma.getmaskarray(data).any() or data.dtype.kind not in "buif":
        return np.asarray(data.data)
    values = np.asarray(data.data, np.result_type(data.dtype, np.float32))
    return np.where(np.ma.getmaskarray(data), np.nan, values)


def with_mask(image: Image, mask: npt.NDArray[np.bool_]) -> Image:
    """The image with a mask (H, W) in its pixels, or in those of its file; transparent pixels stay masked.

    Raises
    ------
    InputError
        For a mask of another shape.
    """
    shares = image.file_pixels
    if shares != (1.0, 1.0) and mask.shape != image.shape and square_shape(mask.shape, shares) == image.shape:
        mask = square_mask(mask, shares)
    return replace(image, mask=mask if image.mask is None or mask.shape != image.shape else mask | image.mask)


def square_mask(mask: npt.NDArray[Any], shares: tuple[float, float]) -> npt.NDArray[Any]:
    """A mask, or labels, in the pixels of an image after `square`: those of the nearest pixels."""
    shape = square_shape((mask.shape[0], mask.shape[1]), shares)
    rows, columns = (np.rint(np.arange(side) * share).astype(int) for side, share in zip(shape, shares, strict=True))
    return mask[np.ix_(rows, columns)]


def shares_of(pixel: tuple[float, float]) -> tuple[float, float]:
    """Height and width of a square pixel in pixels of (height, width); 1, 1 for those that are square."""
    low = min(pixel)
    return (1.0, 1.0) if max(pixel) <= EVEN * low else (low / pixel[0], low / pixel[1])


def square_shape(shape: tuple[int, int], shares: tuple[float, float]) -> tuple[int, int]:
    """(H, W) after `square`."""
    height, width = (int(np.floor((side - 1) / share)) + 1 for side, share in zip(shape, shares, strict=True))
    return height, width


def square(image: Image, pixel: tuple[float, float] | None, *, known: bool = True) -> Image:
    """The image with its pixel size, resampled to square pixels where those are not.

    The axis along which pixels are larger is interpolated (cubic splines), so that nothing is lost. The height and
    width of a pixel, in pixels of the file, then stand in the metadata as `pixels of the file`.

    Parameters
    ----------
    pixel
        (height, width) of a pixel, nm; None where it is not known.
    known
        Whether they are in nm; otherwise only their ratio counts.

    Raises
    ------
    InputError
        For pixels that are more than `LONGEST` times as long one way as the other.
    """
    if pixel is None:
        return image
    if max(pixel) > LONGEST * min(pixel):
        raise InputError(
            f"{image.name}: pixels are {pixel[0] / pixel[1]:.3g} times as high as wide, which is no scale of an image; "
            "correct the pixel size."
        )
    shares, size = shares_of(pixel), min(pixel)
    if shares == (1.0, 1.0):
        size = size if pixel[0] == pixel[1] else float(np.sqrt(pixel[0] * pixel[1]))
        return replace(image, pixel_size=size if known else None)
    from scipy.ndimage import map_coordinates

    shape = square_shape(image.shape, shares)
    grid = np.meshgrid(*(np.arange(side) * share for side, share in zip(shape, shares, strict=True)), indexing="ij")

    def resampled(frame: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        unknown = ~np.isfinite(frame)
        values = map_coordinates(filled(frame.astype(np.float64), unknown), grid, order=3, mode="nearest")
        if unknown.any():
            values[map_coordinates(unknown.astype(float), grid, order=1) > 0] = np.nan
        return np.asarray(values, np.float32)

    frames = np.stack([resampled(image.read(number)) for number in range(image.count)])
    mask = None if image.mask is None else map_coordinates(image.mask.astype(float), grid, order=1) > 0
    of = f"of {pixel[0]:.4g} x {pixel[1]:.4g} nm" if known else f"{pixel[0] / pixel[1]:.3g} times as high as wide"
    said = f"Pixels {of} were resampled to square ones" + (f" of {size:.4g} nm." if known else ".")
    metadata = {
        **image.metadata,
        "messages": [*image.metadata.get("messages", []), said],
        FILE_PIXELS: tuple(share * before for share, before in zip(shares, image.file_pixels, strict=True)),
    }
    return replace(
        image,
        data=frames if image.data.ndim == 3 else frames[0],
        pixel_size=size if known else None,
        metadata=metadata,
        mask=mask,
    )
