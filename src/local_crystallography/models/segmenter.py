"""Trained networks that find atoms: weights and settings in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from scipy import ndimage
from torch import Tensor

from local_crystallography.data.errors import InputError
from local_crystallography.data.mask import filled
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.models.unet import BLOCK, CHANNELS, UNet, untrained

Array = npt.NDArray[np.float32]

SHIPPED = Path(__file__).parent / "weights" / "atoms.safetensors"
COLUMN = 2.5
"""Standard deviation of a column, px, to which an image is scaled for the shipped networks."""
AROUND, CORE = 33, 7
"""Side of the square and standard deviation of the Gaussian that define the surroundings of a pixel, px."""
TILE, OVERLAP = 768, 80
"""Side and overlap of the tiles of a large image, px, multiples of 8: a pixel of the result depends on 40 px around."""
FAINT = 0.05
"""Lowest local contrast that is fully normalised, relative to that of the high-contrast parts of the image."""


def prepare(frame: Array) -> Array:
    """(4, h, w) input of a network for an image (h, w); masked pixels are NaN, give 0 and do not affect the others.

    The channels are pixels minus the local mean, compressed by arcsinh: over the contrast of the high-contrast parts of
    the image; over the local contrast; the same with smaller surroundings, which are little affected by steps and
    slopes; and filtered by the shape of a column, over the same filter's response to white noise of the local contrast.
    """
    known = np.isfinite(frame)
    frame = np.where(known, frame - (frame[known].mean(dtype=np.float64) if known.any() else 0), 0).astype(np.float32)
    whole = known.all()

    def minus_local_mean(values: Array, wide: Smoothing, contrast: Smoothing) -> tuple[Array, Array]:
        """Values minus their local mean, and the local standard deviation, of the unmasked pixels."""
        fraction = np.float32(1) if whole else np.maximum(wide(known.astype(np.float32)), 1e-3)
        deviation = np.where(known, values - wide(values) / fraction, 0).astype(np.float32)
        fraction = np.float32(1) if whole else np.maximum(contrast(known.astype(np.float32)), 1e-3)
        return deviation, np.sqrt(np.maximum(contrast(deviation**2) / fraction, 0))

    flat, contrast = minus_local_mean(frame, square, square)
    strong = max(float(np.quantile(contrast[::4, ::4], 0.9)), 1e-12)
    around = np.maximum(contrast, FAINT * strong)
    matched = gaussian(COLUMN, flat) * np.float32(2 * np.sqrt(np.pi) * COLUMN)
    near, fine = minus_local_mean(flat, partial(gaussian, CORE), partial(gaussian, 2 * CORE))
    return np.stack(
        [
            np.arcsinh(flat / strong),
            np.arcsinh(flat / around),
            np.arcsinh(near / np.maximum(fine, FAINT * strong)),
            np.arcsinh(matched / around),
        ]
    )


Smoothing = Callable[[Array], Array]


def square(values: Array) -> Array:
    """Mean over the surrounding square."""
    return np.asarray(ndimage.uniform_filter(values, AROUND, mode="reflect"), np.float32)


def gaussian(sigma: float, values: Array) -> Array:
    """Gaussian-weighted mean over the surroundings."""
    return np.asarray(ndimage.gaussian_filter(values, sigma, mode="reflect", truncate=2.5), np.float32)


@dataclass(frozen=True)
class Segmenter:
    """Ensemble of one or more networks trained for the same task.

    Parameters
    ----------
    networks
        Members of the ensemble, the best first.
    classes
        Names of the classes of atoms, one per channel.
    sigma
        Standard deviation, in pixels, to which columns are scaled for the networks.
    """

    networks: tuple[UNet, ...]
    classes: tuple[str, ...]
    sigma: float

    def probability(self, frame: Array, *, sigma: float, members: int) -> ProbabilityMap:
        """Mean probability of the first members for every pixel (h, w), for columns with this sigma in px.

        The probability of an atom of any class is 1 minus the product of the probabilities of no atom of each class.

        Raises
        ------
        InputError
            Where there are fewer members.
        """
        if members > len(self.networks):
            raise InputError(
                f"An ensemble of {members} was requested, but the network has only {len(self.networks)} members; lower "
                "the ensemble."
            )
        each = self.shares(frame, sigma=sigma, members=members)
        shares = each.mean(axis=0)
        return ProbabilityMap(
            any_class(shares),
            np.std([any_class(one) for one in each], axis=0, ddof=1) if members > 1 else None,
            shares if len(self.classes) > 1 else None,
            self.classes if len(self.classes) > 1 else (),
        )

    def shares(self, frame: Array, *, sigma: float, members: int) -> Array:
        """(members, K, h, w) probability of every class by each member; the frame is scaled to the networks' sigma.

        Where the frame is NaN, the probability is 0.
        """
        shape = tuple(max(16, round(side * self.sigma / sigma)) for side in frame.shape)
        scaled = self.probabilities(resized_with_gaps(frame, shape), members=members)
        shares = np.clip(resized(scaled, frame.shape), 0, 1)
        shares[..., ~np.isfinite(frame)] = 0
        return shares

    @torch.no_grad()
    def probabilities(self, frame: Array, *, members: int, tile: int = TILE, overlap: int = OVERLAP) -> Array:
        """(members, K, h, w) probability of every class at every pixel of an already scaled frame (h, w).

        Large frames are cut into overlapping tiles; results near the cuts of a tile are discarded.
        """
        given = prepare(frame)
        result = np.empty((members, len(self.classes), *frame.shape), np.float32)
        for rows, inner_rows in tiles(frame.shape[0], tile, overlap):
            for columns, inner_columns in tiles(frame.shape[1], tile, overlap):
                part = padded(torch.as_tensor(given[:, rows, columns])[None])
                for member, network in enumerate(self.networks[:members]):
                    logits = network(part.to(memory_format=torch.channels_last))[0]
                    found = logits[:, : given[0, rows, columns].shape[0], : given[0, rows, columns].shape[1]].sigmoid()
                    within = (
                        slice(inner_rows.start - rows.start, inner_rows.stop - rows.start),
                        slice(inner_columns.start - columns.start, inner_columns.stop - columns.start),
                    )
                    result[member, :, inner_rows, inner_columns] = found[:, *within].numpy()
        return result

    def with_classes(self, count: int) -> Segmenter:
        """Networks with `count` classes, all initialised with the weights of the first class."""
        networks = []
        for network in self.networks:
            other = untrained(count)
            weights = network.state_dict()
            for name in ("last.weight", "last.bias"):
                per_class = weights[name].unflatten(0, (len(self.classes), 4))[:1]
                weights[name] = per_class.repeat(count, *[1] * (per_class.ndim - 1)).flatten(0, 1)
            other.load_state_dict(weights)
            networks.append(other.eval())
        return Segmenter(tuple(networks), tuple(f"class {i}" for i in range(count)), self.sigma)

    def save(self, path: Path) -> None:
        """Write weights, at half precision, and settings to one safetensors file."""
        tensors = {
            f"{number}.{name}": (value.half() if value.is_floating_point() else value).contiguous()
            for number, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        notes = {"classes": "\n".join(self.classes), "sigma": repr(self.sigma), "members": str(len(self.networks))}
        notes["inputs"] = str(CHANNELS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(tensors, metadata=notes))

    @classmethod
    def load(cls, path: Path) -> Segmenter:
        """Read a file written by `save`; nothing in it is executed.

        Raises
        ------
        InputError
            Where the file is missing or of another kind.
        """
        if not Path(path).is_file():
            raise InputError(
                f"{path} does not exist; check the spelling of the path, or name none to use the network that comes "
                "with the program."
            )
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            classes = tuple(notes["classes"].split("\n"))
            if notes.get("inputs") != str(CHANNELS):
                raise InputError(
                    f"{path} holds a network of an earlier version with other inputs; train it again with "
                    "train-segmenter."
                )
            networks = []
            for number in range(int(notes["members"])):
                network = untrained(len(classes))
                own = {name: value.float() for name, value in under(tensors, f"{number}.").items()}
                network.load_state_dict(network.state_dict() | own)
                networks.append(network.eval())
            return cls(tuple(networks), classes, float(notes["sigma"]))
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} holds no network that finds atoms; name a file written by train-segmenter, or none to use the "
                "network that comes with the program."
            ) from error


@lru_cache(maxsize=2)
def shipped() -> Segmenter:
    """Networks that come with the program."""
    return Segmenter.load(SHIPPED)


def any_class(shares: Array) -> Array:
    """(h, w) probability of an atom of any class, from the probabilities of each (K, h, w)."""
    return np.asarray(1 - np.prod(1 - shares, axis=0), np.float32)


def resized(stack: Array, shape: tuple[int, ...]) -> Array:
    """(n, c, h, w) images resized to another height and width, without aliasing."""
    given = torch.as_tensor(np.ascontiguousarray(stack, np.float32))
    return torch.nn.functional.interpolate(given, shape, mode="bicubic", align_corners=False, antialias=True).numpy()


def resized_with_gaps(frame: Array, shape: tuple[int, ...]) -> Array:
    """(h, w) image resized to another height and width; NaN where at least half of a pixel was NaN."""
    gaps = ~np.isfinite(frame)
    if not gaps.any():
        return np.asarray(resized(frame[None, None], shape)[0, 0])
    both = np.stack([filled(frame, gaps), gaps.astype(np.float32)])[None]
    values, masked = resized(both, shape)[0]
    return np.where(masked < 0.5, values, np.nan).astype(np.float32)


def under(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """Tensors whose names have this prefix, by the rest of their names."""
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def padded(x: Tensor) -> Tensor:
    """Images padded by their edge pixels to sides divisible by 8."""
    return torch.nn.functional.pad(x, (0, -x.shape[3] % BLOCK, 0, -x.shape[2] % BLOCK), mode="replicate")


def tiles(length: int, tile: int, overlap: int) -> list[tuple[slice, slice]]:
    """Overlapping parts of a side, and the range kept of each; together these ranges cover the side once."""
    if length <= tile:
        return [(slice(0, length), slice(0, length))]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [
        round(i * (length - tile) / (count - 1) / 8) * 8 if i < count - 1 else length - tile for i in range(count)
    ]
    cuts = [0, *[(a + tile + b) // 2 for a, b in pairwise(starts)], length]
    return [(slice(s, s + tile), slice(a, b)) for s, (a, b) in zip(starts, pairwise(cuts), strict=True)]
