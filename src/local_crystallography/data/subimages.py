"""Windows cut around atoms, kept together with the atoms they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError


@dataclass(frozen=True)
class SubImages:
    """Sub-images of w x w pixels, one per atom, centred on it with sub-pixel precision.

    Parameters
    ----------
    windows
        (N, w, w) float32.
    atoms
        The N atoms, in the same order. Atoms too near an edge are not among them.
    """

    windows: npt.NDArray[np.float32]
    atoms: Atoms

    def __post_init__(self) -> None:
        if self.windows.ndim != 3 or len(self.windows) != len(self.atoms):
            raise InputError(
                f"Windows of shape {self.windows.shape} came with {len(self.atoms)} atoms; "
                "(N, w, w) with N atoms was expected."
            )

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def window_size(self) -> int:
        """Side of a sub-image in pixels."""
        return int(self.windows.shape[-1])
