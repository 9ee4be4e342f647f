"""Regions of an image that are filled by grains."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Array = npt.NDArray[np.float64]
Point = tuple[float, float]


class Region(BaseModel):
    """A part of the plane; positions are (y, x) in nm from the image centre, y down."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Whole(Region):
    """The whole plane."""

    kind: Literal["whole"] = Field("whole", description="Everything.")

    def contains(self, yx: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether each of (N, 2) positions in nm lies inside."""
        return np.ones(len(yx), bool)


class HalfPlane(Region):
    """The half-plane beyond a straight line."""

    kind: Literal["half_plane"] = Field("half_plane", description="Half-plane beyond a straight line.")
    through: Point = Field((0.0, 0.0), description="A point (y, x) of the line, nm from the image centre, y down.")
    angle: float = Field(
        0.0,
        ge=-np.pi,
        le=np.pi,
        description="Direction from the line into the region, radians, counter-clockwise as displayed.",
    )

    def contains(self, yx: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether each of (N, 2) positions in nm lies inside."""
        inward = np.array([-np.sin(self.angle), np.cos(self.angle)])
        return np.asarray((yx - np.array(self.through)) @ inward > 0)


class Disc(Region):
    """A round inclusion."""

    kind: Literal["disc"] = Field("disc", description="A round inclusion.")
    centre: Point = Field((0.0, 0.0), description="Centre (y, x), nm from the image centre, y down.")
    radius: float = Field(3.0, gt=0, le=1000, description="Radius in nm.")

    def contains(self, yx: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether each of (N, 2) positions in nm lies inside."""
        return np.asarray(np.linalg.norm(yx - np.array(self.centre), axis=1) < self.radius)


class Polygon(Region):
    """A faceted inclusion."""

    kind: Literal["polygon"] = Field("polygon", description="A faceted inclusion.")
    corners: tuple[Point, ...] = Field(
        ((-3.0, -3.0), (-3.0, 3.0), (3.0, 3.0), (3.0, -3.0)),
        min_length=3,
        description="Corners (y, x) in order, nm from the image centre, y down.",
    )

    def contains(self, yx: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether each of (N, 2) positions in nm lies inside."""
        from skimage.measure import points_in_poly

        return np.asarray(points_in_poly(yx, np.array(self.corners)))


class Voronoi(Region):
    """All points closer to this centre than to that of any other Voronoi region of the scene."""

    kind: Literal["voronoi"] = Field("voronoi", description="All points closer to its centre than to any other.")
    centre: Point = Field((0.0, 0.0), description="Centre (y, x), nm from the image centre, y down.")


AnyRegion = Annotated[Whole | HalfPlane | Disc | Polygon | Voronoi, Field(discriminator="kind")]


def owners(regions: tuple[AnyRegion, ...], yx: Array) -> npt.NDArray[np.int64]:
    """(N,) number of the last region that contains each of (N, 2) positions in nm, -1 where there is none."""
    owner = np.full(len(yx), -1)
    centres = np.array([region.centre for region in regions if isinstance(region, Voronoi)]).reshape(-1, 2)
    nearest = np.argmin(((yx[:, None] - centres) ** 2).sum(-1), axis=1) if len(centres) else owner
    cell = 0
    for index, region in enumerate(regions):
        if isinstance(region, Voronoi):
            owner[nearest == cell] = index
            cell += 1
        else:
            owner[region.contains(yx)] = index
    return owner
