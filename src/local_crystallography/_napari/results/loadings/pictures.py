"""Pictures of components, and small maps of their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.baselines.loadings import PIXEL_LABEL, Loading
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.describe import Describe
from local_crystallography.views import raster, small_map
from local_crystallography.views.greys import Colors, Limits, grey, grey_limits
from local_crystallography.views.styles import ClassStyles


@dataclass(frozen=True, eq=False)
class LoadingRequest:
    """What pictures are made from: all columns of the step, and the shape of the image."""

    step: Describe
    sub_images: SubImages
    atoms: Atoms
    columns: tuple[str, ...]
    shape: tuple[int, int]

    @property
    def table(self) -> pd.DataFrame:
        """The columns."""
        return self.atoms.features[list(self.columns)]

    def same(self, other: LoadingRequest) -> bool:
        """Whether the other gives the same pictures."""
        return (
            self.step == other.step
            and self.sub_images is other.sub_images
            and self.columns == other.columns
            and (self.atoms is other.atoms or (self.atoms.same_atoms(other.atoms) and self.table.equals(other.table)))
        )

    def job(self) -> Job[LoadingPictures | InputError]:
        """Draw the pictures; when stopped, those finished so far are the result."""
        try:
            loadings = yield from self.step.loadings(self.sub_images, self.columns)
            cut = np.isin(self.atoms.ids, self.sub_images.atoms.ids)
            rows = small_map.nearest_rows(self.atoms, cut, self.shape)
            return LoadingPictures(self, loadings, rows, grey_limits(self.sub_images))
        except InputError as error:
            return error


@dataclass(frozen=True, eq=False)
class LoadingPictures:
    """Components with what is needed to draw them.

    Attributes
    ----------
    rows
        (h, w) row of the atom nearest to every pixel of a small map, -1 where none is near.
    limits
        Values of sub-images shown black and white.
    """

    request: LoadingRequest
    loadings: list[Loading]
    rows: npt.NDArray[np.int64]
    limits: Limits

    def pictures(self, loading: Loading, styles: ClassStyles) -> tuple[Colors, Colors]:
        """The picture, and the map of its scores or of its class."""
        from napari.utils.colormaps import ensure_colormap

        shown, limits = loading.channels_below, self.limits if loading.is_mean else loading.limits
        if not loading.signed:
            return grey(shown, limits), self._map(loading, styles)
        table = ensure_colormap(raster.DIVERGING).map(np.linspace(0, 1, 64))
        coloured = raster.colors_of(shown.ravel(), table, limits).reshape(*shown.shape, 4)
        return coloured, self._map(loading, styles)

    def _map(self, loading: Loading, styles: ClassStyles) -> Colors:
        """(h, w, 4) colours of the scores of the nearest atoms; transparent where no atom with a score is near."""
        from napari.utils.colormaps import ensure_colormap

        features = self.request.atoms.features
        mine = np.ones(len(features), bool)
        if loading.number is not None:
            labels = features[PIXEL_LABEL].to_numpy(np.int64)
            if loading.is_mean:
                return small_map.of_class(self.rows, labels, loading.number, styles.colour(PIXEL_LABEL, loading.number))
            mine = labels == loading.number
        values = features[loading.column].to_numpy(float)
        colormap, limits = raster.scale_of(loading.column, values[mine])
        colours = raster.colors_of(values, ensure_colormap(colormap).map(np.linspace(0, 1, 64)), limits)
        colours[~mine | ~np.isfinite(values), 3] = 0
        return small_map.in_colours(self.rows, colours)
