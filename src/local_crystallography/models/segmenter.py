"""Trained networks that find atoms, in one file: weights and what they were trained to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.models.unet import BLOCK, UNet, untrained

Array = npt.NDArray[np.float32]

SHIPPED = Path(__file__).parent / "weights" / "atoms.safetensors"
AROUND = 33
"""Side of the square over which a pixel is compared with its surroundings, px."""
TILE, OVERLAP = 768, 64
"""Side of the parts in which a large image is looked at, and how far they overlap, px; a multiple of 8."""
FAINT = 0.05
"""Least contrast of surroundings that is made equal to others, over that of the image."""


def prepare(frame: Array) -> Array:
    """(2, h, w) of an image (h, w): over its own mean and contrast, and over those of its surroundings."""
    frame = frame.astype(np.float32) - frame.mean(dtype=np.float64).astype(np.float32)
    contrast = max(float(frame.std()), 1e-12)
    mean = ndimage.uniform_filter(frame, AROUND, mode="reflect")
    variance = ndimage.uniform_filter(frame**2, AROUND, mode="reflect") - mean**2
    local = np.sqrt(np.maximum(variance, (FAINT * contrast) ** 2))
    return np.stack([frame / contrast, (frame - mean) / local])


@dataclass(frozen=True)
class Segmenter:
    """One network or several that were trained to the same end.

    Parameters
    ----------
    networks
        The members of the ensemble, the best first.
    classes
        Names of the classes of atoms, one per channel.
    sigma
        Standard deviation in pixels to which columns are scaled before the network sees them.
    """

    networks: tuple[UNet, ...]
    classes: tuple[str, ...]
    sigma: float

    def probability(self, frame: Array, *, sigma: float, members: int) -> ProbabilityMap:
        """What the mean of some members says of every pixel (h, w), for columns of some sigma in px.

        An atom of any class is there with 1 minus the product of the probabilities that there is none of each.

        Raises
        ------
        InputError
            Where there are fewer members.
        """
        if members > len(self.networks):
            raise InputError(
                f"An ensemble of {members} came with a network that has {len(self.networks)} members, no more than it "
                "has were expected; lower the ensemble."
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
        """(members, K, h, w) what each member says of every class; the frame is scaled to what the networks know."""
        shape = tuple(max(16, round(side * self.sigma / sigma)) for side in frame.shape)
        said = self.probabilities(resized(frame[None, None], shape)[0, 0], members=members)
        return np.clip(resized(said, frame.shape), 0, 1)

    @torch.no_grad()
    def probabilities(self, frame: Array, *, members: int, tile: int = TILE, overlap: int = OVERLAP) -> Array:
        """(members, K, h, w) probability of every class at every pixel of a frame (h, w) that is scaled already.

        Large frames are cut into tiles that overlap; what a tile says near its cut is dropped.
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
        """The same networks with `count` classes, which all know what one atom looked like."""
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
        """Write weights, halved in precision, and settings to one safetensors file."""
        tensors = {
            f"{number}.{name}": (value.half() if value.is_floating_point() else value).contiguous()
            for number, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        notes = {"classes": "\n".join(self.classes), "sigma": repr(self.sigma), "members": str(len(self.networks))}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(tensors, metadata=notes))

    @classmethod
    def load(cls, path: Path) -> Segmenter:
        """Read what `save` wrote; nothing in the file is executed.

        Raises
        ------
        InputError
            Where the file is missing or is not of this kind.
        """
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            classes = tuple(notes["classes"].split("\n"))
            networks = []
            for number in range(int(notes["members"])):
                network = untrained(len(classes))
                own = {name: value.float() for name, value in under(tensors, f"{number}.").items()}
                network.load_state_dict(network.state_dict() | own)
                networks.append(network.eval())
            return cls(tuple(networks), classes, float(notes["sigma"]))
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{path} holds no network that finds atoms; name a file written by train-segmenter, or none for the "
                "one that comes with the program."
            ) from error


@lru_cache(maxsize=2)
def shipped() -> Segmenter:
    """The networks that come with the program."""
    return Segmenter.load(SHIPPED)


def any_class(shares: Array) -> Array:
    """(h, w) probability of an atom of any class, from those of each (K, h, w)."""
    return np.asarray(1 - np.prod(1 - shares, axis=0), np.float32)


def resized(stack: Array, shape: tuple[int, ...]) -> Array:
    """(n, c, h, w) at another height and width, without aliasing."""
    given = torch.as_tensor(np.ascontiguousarray(stack, np.float32))
    return torch.nn.functional.interpolate(given, shape, mode="bicubic", align_corners=False, antialias=True).numpy()


def under(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """The tensors whose names start so, by the rest of their names."""
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def padded(x: Tensor) -> Tensor:
    """Sides made divisible by 8 by repeating the edge."""
    return torch.nn.functional.pad(x, (0, -x.shape[3] % BLOCK, 0, -x.shape[2] % BLOCK), mode="replicate")


def tiles(length: int, tile: int, overlap: int) -> list[tuple[slice, slice]]:
    """Parts of a side that overlap, and what of each is kept: together everything, once."""
    if length <= tile:
        return [(slice(0, length), slice(0, length))]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [
        round(i * (length - tile) / (count - 1) / 8) * 8 if i < count - 1 else length - tile for i in range(count)
    ]
    cuts = [0, *[(a + tile + b) // 2 for a, b in pairwise(starts)], length]
    return [(slice(s, s + tile), slice(a, b)) for s, (a, b) in zip(starts, pairwise(cuts), strict=True)]
