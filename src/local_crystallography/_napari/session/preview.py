"""Atoms and maps as a network that still trains sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.analysis import Analysis
from local_crystallography.data.progress import Columns, Progress
from local_crystallography.steps.paint_map import Brush, PaintMap, not_cut

Maps = dict[str, npt.NDArray[np.float32]]
PAINTED = ("z0", "z1", "angle_rad")
LEAST = 2.0
"""Seconds between two previews, at least."""
SHARE = 0.1
"""Part of the time of a training that goes into previews."""


@dataclass(frozen=True)
class Preview:
    """The table of the atoms with the columns as they are now, and maps of some of these by name."""

    table: pd.DataFrame
    maps: Maps


class Previews:
    """Makes previews of one training, so few that it takes hardly longer; in the thread of the job.

    `seen` is called with the maps of each, to prepare them for the window.
    """

    def __init__(self, analysis: Analysis, seen: Callable[[Maps], object]) -> None:
        self._analysis, self._seen = analysis, seen
        self._brush: Brush | None = None
        self._cost = 0.0
        self._last = time.perf_counter()

    def after(self, progress: Progress, stopped: Callable[[], bool]) -> Preview | None:
        """A preview at the end of a pass, if it is time for one and nobody has asked to stop."""
        began = time.perf_counter()
        if progress.preview is None or began - self._last < max(LEAST, self._cost / SHARE):
            return None
        columns: list[Columns] = []
        for part in progress.preview():
            if stopped():
                return None
            columns.append(part)
        preview = self._made_of(columns)
        self._seen(preview.maps)
        self._last = time.perf_counter()
        self._cost = self._last - began
        return preview

    def _made_of(self, parts: Iterable[Columns]) -> Preview:
        analysis = self._analysis
        sub_images, atoms = analysis.sub_images, analysis.atoms
        assert sub_images is not None
        assert atoms is not None
        columns = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
        seen = atoms.join(sub_images.atoms.ids, columns)
        if self._brush is None:
            assert analysis.image is not None
            reach = PaintMap().resolve(atoms, analysis.image).max_distance
            assert reach is not None
            left_out = not_cut(atoms, analysis.image, sub_images)
            self._brush = Brush(atoms, analysis.image, reach=reach, left_out=left_out)
        maps = {name: self._brush.paint(seen.features[name].to_numpy(float)) for name in PAINTED if name in columns}
        return Preview(seen.to_frame(), maps)
