"""Sub-images cut around atoms, together with those atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

FOUND = ("found_y_px", "found_x_px")
"""Columns with the positions where atoms were found, present once they have been corrected."""


@dataclass(frozen=True, eq=False)
class SubImages:
    """Sub-images of w x w pixels, one per atom, centred on it with sub-pixel precision.

    Images from a network have the same axes: `Vae.decode` and `Vae.reconstruct` return (n, w, w) for one channel and
    (n, w, w, C) for several.

    Parameters
    ----------
    windows
        (N, w, w) float32, or (N, w, w, C) for C channels: the same positions in several images.
    atoms
        The N atoms, in the same order, at the positions of the windows, without those too near an edge.
    """

    windows: npt.NDArray[np.float32]
    atoms: Atoms

    def __post_init__(self) -> None:
        shape = self.windows.shape
        if len(shape) not in (3, 4) or shape[1] != shape[2] or len(self.windows) != len(self.atoms):
            raise InputError(
                f"Windows of shape {shape} do not fit {len(self.atoms)} atoms; for N atoms they must be (N, w, w) or "
                "(N, w, w, channels)."
            )

    @classmethod
    def stacked(cls, parts: Sequence[SubImages]) -> SubImages:
        """Sub-images of the same atoms from several images (HAADF and ABF, say), one after the other as channels.

        Raises
        ------
        InputError
            Where there are none, or their atoms or window sizes differ.
        """
        if not parts:
            raise InputError("There are no sub-images to stack; give those of at least one image.")
        first = parts[0]
        if not all(part.atoms.same_atoms(first.atoms) and part.window_size == first.window_size for part in parts):
            given = ", ".join(f"{len(part)} of {part.window_size} pixels" for part in parts)
            raise InputError(
                f"The sub-images are of different atoms or sizes ({given}); cut them around the same atoms with the "
                "same window size."
            )
        if len(parts) == 1:
            return first
        side = first.window_size
        channels = [part.windows.reshape(len(first), side, side, part.channels) for part in parts]
        return cls(np.concatenate(channels, axis=-1), first.atoms)

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def window_size(self) -> int:
        """Side of a sub-image in pixels."""
        return int(self.windows.shape[1])

    @property
    def channels(self) -> int:
        """Number of images each sub-image is cut from; 1 where the windows have no channel axis."""
        return 1 if self.windows.ndim == 3 else int(self.windows.shape[3])


def as_found(atoms: Atoms) -> Atoms:
    """The atoms at the positions where they were found, if these have been corrected since, without `FOUND`.

    Sub-images are cut at these positions.
    """
    if not set(FOUND) <= set(atoms.features):
        return atoms
    found = atoms.features[list(FOUND)].to_numpy(np.float64)
    rest = atoms.without(list(FOUND)).features
    return Atoms(np.where(np.isfinite(found), found, atoms.yx), rest, atoms.pixel_size)


def fits(yx: npt.NDArray[np.float64], shape: tuple[int, int], side: int) -> npt.NDArray[np.bool_]:
    """(N,) whether a window of this side around each position (N, 2) lies within an image (H, W)."""
    margin = (side - 1) / 2
    return np.asarray(((yx >= margin) & (yx <= np.array(shape) - 1 - margin)).all(axis=1), np.bool_)
