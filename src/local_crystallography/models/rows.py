"""Input of networks: windows as rows of numbers, labels as one-hot classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from local_crystallography.data.errors import InputError
from local_crystallography.models.settings import VaeSettings

Labels = npt.NDArray[np.int64] | None
CHUNK = 4096
"""Sub-images processed at once, to limit memory."""


def rows(windows: npt.NDArray[np.floating], settings: VaeSettings) -> Tensor:
    """(n, D) input of the network for windows: normalised pixels, or coefficients with the shear removed."""
    return torch.cat(list(parts_of_rows(windows, settings)))


def parts_of_rows(windows: npt.NDArray[np.floating], settings: VaeSettings) -> Iterator[Tensor]:
    """Input of the network in parts, which limits memory and allows stopping in between."""
    pixels, channels = settings.window_size**2, settings.channels
    center, scale = (np.asarray(part, np.float32) for part in (settings.center, settings.scale))
    analysis = np.eye(0)
    if settings.decoder == "harmonic":
        unsheared = settings.harmonics.sheared([-amount for amount in settings.shear])
        analysis = (unsheared @ settings.harmonics.analysis).astype(np.float32)
    for i in range(0, len(windows), CHUNK):
        part = (windows[i : i + CHUNK].reshape(-1, pixels, channels).astype(np.float32) - center) / scale
        if len(analysis):
            part = np.stack([part[..., channel] @ analysis.T for channel in range(channels)], axis=2)
        yield torch.from_numpy(part.reshape(len(part), -1))


def pictures(images: Tensor, settings: VaeSettings) -> npt.NDArray[np.float32]:
    """Rows (n, D) of a network as pixels in the units of the sub-images: (n, w, w), or (n, w, w, C)."""
    side, channels, harmonics = settings.window_size, settings.channels, settings.harmonics
    if settings.decoder == "harmonic":
        synthesis = torch.as_tensor(harmonics.synthesis, dtype=torch.float32)
        images = torch.einsum("pq,nqc->npc", synthesis, images.view(len(images), -1, channels))
    pixels = images.reshape(len(images), side, side, channels)
    if settings.likelihood == "bernoulli":
        pixels = torch.sigmoid(pixels)
    else:
        pixels = pixels * torch.tensor(settings.scale) + torch.tensor(settings.center)
    shown = pixels.numpy()
    if settings.decoder == "harmonic":
        shown = shown * harmonics.disc[:, :, None]
    return np.asarray(shown[..., 0] if channels == 1 else shown, np.float32)


def one_hot(labels: Labels, classes: tuple[int, ...], n: int) -> Tensor:
    """(n, K) 1 at the class of every label; (n, 0) for a network without classes.

    Raises
    ------
    InputError
        For labels that are missing, not accepted, of another number or not among the classes.
    """
    if not classes:
        if labels is not None:
            raise InputError("This network is not conditional on classes, so it accepts no labels; leave them out.")
        return torch.zeros(n, 0)
    known = ", ".join(map(str, classes))
    if labels is None or len(labels) != n:
        given = "no labels" if labels is None else f"{len(labels)} labels"
        raise InputError(f"There are {given} for {n} sub-images; this network needs one of {known} for each.")
    index = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
    wrong = np.asarray(classes)[index] != np.asarray(labels)
    if wrong.any():
        unknown = np.asarray(labels)[wrong][0]
        raise InputError(f"The network was not trained on label {unknown}; use only {known}.")
    return F.one_hot(torch.as_tensor(index), len(classes)).float()
