"""Windows cut around atoms, kept together with the atoms they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError

FOUND = ("found_y_px", "found_x_px")
"""Columns with the places where atoms were found, once they have been moved."""


@dataclass(frozen=True, eq=False)
class SubImages:
    """Sub-images of w x w pixels, one per atom, centred on it with sub-pixel precision.

    What a network makes of them has the same axes: `Vae.decode` and `Vae.reconstruct` give (n, w, w) for one channel
    and (n, w, w, C) for several.

    Parameters
    ----------
    windows
        (N, w, w) float32, or (N, w, w, C) of C channels: the same places in several images.
    atoms
        The N atoms, in the same order, at the places the windows were cut. Atoms too near an edge are not among them.
    """

    windows: npt.NDArray[np.float32]
    atoms: Atoms

    def __post_init__(self) -> None:
        shape = self.windows.shape
        if len(shape) not in (3, 4) or shape[1] != shape[2] or len(self.windows) != len(self.atoms):
            raise InputError(
                f"Windows of shape {shape} came with {len(self.atoms)} atoms; (N, w, w) or (N, w, w, channels) with N "
                "atoms was expected."
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
            raise InputError("No sub-images came, those of at least one image were expected.")
        first = parts[0]
        if not all(part.atoms.same_atoms(first.atoms) and part.window_size == first.window_size for part in parts):
            came = ", ".join(f"{len(part)} of {part.window_size} pixels" for part in parts)
            raise InputError(
                f"Sub-images of different atoms or sizes came ({came}), the same atoms and one window size were "
                "expected; cut them around the same atoms with the same window size."
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
        """Number of images a sub-image shows its place in; 1 where the windows have no axis for it."""
        return 1 if self.windows.ndim == 3 else int(self.windows.shape[3])


def as_found(atoms: Atoms) -> Atoms:
    """The atoms at the places they were found, without the columns that tell those, where they have been moved.

    These are the places their sub-images are cut at.
    """
    if not set(FOUND) <= set(atoms.features):
        return atoms
    found = atoms.features[list(FOUND)].to_numpy(np.float64)
    rest = atoms.without(list(FOUND)).features
    return Atoms(np.where(np.isfinite(found), found, atoms.yx), rest, atoms.pixel_size)


def fits(yx: npt.NDArray[np.float64], shape: tuple[int, int], side: int) -> npt.NDArray[np.bool_]:
    """(N,) whether a window of some side around each place (N, 2) lies within an image (H, W)."""
    margin = (side - 1) / 2
    return np.asarray(((yx >= margin) & (yx <= np.array(shape) - 1 - margin)).all(axis=1), np.bool_)
