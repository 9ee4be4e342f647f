"""Request for a report on classes, and its results; in any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.subimages import SubImages
from local_crystallography.studies.classes import ClassReport, by_column, class_report
from local_crystallography.views import small_map
from local_crystallography.views.greys import Limits, grey_limits
from local_crystallography.views.manifold import labels_of

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae

READ = r"z\d+|(hand_|pixel_)?label(_probability)?"
"""Columns that a report is made of."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a report is made of, and the directions drawn in it, degrees by class."""

    atoms: Atoms
    sub_images: SubImages
    vae: Vae | None
    column: str
    shape: tuple[int, int]
    directions: tuple[int, ...] = ()

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) class of every atom, -1 for none."""
        labels = labels_of(by_column(self.atoms, self.column))
        return np.full(len(self.atoms), -1) if labels is None else labels

    def same(self, other: Asked | None) -> bool:
        """Whether the report of the other says the same."""
        if other is None or self.sub_images is not other.sub_images or self.vae is not other.vae:
            return False
        if self.directions != other.directions:
            return False
        if self.atoms is other.atoms:
            return self.column == other.column
        tables = [each.atoms.features.filter(regex=f"^({READ})$") for each in (self, other)]
        return self.column == other.column and self.atoms.same_atoms(other.atoms) and tables[0].equals(tables[1])

    def made(self) -> Made:
        """All that is looked at."""
        report = class_report(self.atoms, self.sub_images, self.vae, column=self.column)
        labels = self.labels
        cut = (labels >= 0) | np.isin(self.atoms.ids, self.sub_images.atoms.ids)
        return Made(report, grey_limits(self.sub_images), labels, small_map.nearest_rows(self.atoms, cut, self.shape))


class Made(NamedTuple):
    """The report, the values shown black and white, and what maps are made of: classes, and atoms nearest to pixels."""

    report: ClassReport
    limits: Limits
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
