"""An array that was found in a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

DERIVED = re.compile(
    r"\b(dpc|com|dcom|icom|fft|phase|magnitude|angle|orientation|deflection|(?<!dark )(?<!bright )field)|^[A-D]-[A-D]$",
    re.I,
)
"""Names of signals that are computed from those of detectors."""
ELEMENT = re.compile(r"[A-Z][a-z]?([- ][KLM][abα-β0-9]*)?")
"""Names of elemental maps."""
SPECTRAL = re.compile("wavelength|energy", re.I)
"""Names of the axis of a spectrum."""
TOPOGRAPHY = re.compile(r"(?<![a-z])z(?![a-z])|topo|height|zsensor", re.I)
"""Names of the topography of a scanning probe."""
BACKWARD = re.compile(r"backward|bwd|retrace|\[<\]", re.I)
"""Names of channels recorded on the way back."""
X, Y = (
    re.compile(rf"([rq]_?|scan_?|pos(ition)?_?)?{name}", re.I) for name in (r"(x\b|width|col)", r"(y\b|height|row)")
)
"""Names of the axes along a row and down a column."""
EVEN_STEPS = 0.001
"""Largest deviation of evenly spaced values from their mean distance, as a share of it."""


@dataclass(frozen=True)
class Found:
    """One array of a file.

    Parameters
    ----------
    data
        The array, in memory or read when it is used.
    yx
        (scale, unit) from row to row and from column to column.
    axes
        What the file says of every axis, where it does.
    title
        Its name in the file, such as that of a detector.
    notes
        What was decided when it was read, in sentences.
    preview
        Whether another array of the file shows the same, larger or without colours.
    """

    data: Any
    yx: tuple[tuple[float, str], ...] = ()
    axes: list[dict[str, Any]] = field(default_factory=list)
    title: str = ""
    notes: tuple[str, ...] = ()
    preview: bool = False

    @classmethod
    def of(cls, data: Any, axes: list[dict[str, Any]], title: str = "") -> Found:
        """An array whose axes are known; the last two of more than one pixel are those of the image."""
        x, y = (_named(axes, known) for known in (X, Y))
        if x and y and len(axes) - 1 not in (*x, *y):  # something was recorded at every place
            axes = [*({**one, "navigate": True} for one in axes[:-1]), axes[-1]]
        image_axes = [one for one in axes if one["size"] > 1][-2:]
        return cls(data, tuple((one["scale"], one["units"]) for one in image_axes), axes, title)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without axes of length 1."""
        return tuple(n for n in self.data.shape if n > 1)

    @property
    def problem(self) -> str:
        """Why this is no image and no stack of images, in a few words; "" where it is one."""
        names = set(self.data.dtype.names or ())
        if self.data.dtype.kind == "c":
            return "complex numbers"
        if self.data.dtype.kind not in "buif" and not {"R", "G", "B"} <= names:
            return "no numbers"
        if any(axis["units"].lower() in ("ev", "kev") or SPECTRAL.match(axis["name"]) for axis in self.axes):
            return "spectra"
        places = [axis["navigate"] for axis in self.axes]
        if len(places) > 1 and places.count(False) == 1:
            return "a map of spectra" if len(places) > 2 else "a line of spectra"
        grey = self.shape[:-1] if len(self.shape) > 2 and self.shape[-1] <= 4 else self.shape
        if len(grey) not in (2, 3):
            return f"{len(grey)} dimension{'s' * (len(grey) != 1)}"
        return "" if min(grey[-2:]) >= 16 or min(grey[:2]) >= 16 else "fewer than 16 x 16 pixels"

    @property
    def is_image(self) -> bool:
        """Whether this is a real image or a stack of them, and not spectra of a scan."""
        return not self.problem

    @property
    def is_blank(self) -> bool:
        """Whether every pixel that is a number is the same; reads the array."""
        data = np.asarray(self.data)
        if data.dtype.kind == "f" and not (finite := np.isfinite(data)).all():
            data = data[finite]
        return bool(data.dtype.names is None and (data == data.flat[:1]).all())

    @property
    def rank(self) -> int:
        """The order in which images are chosen: HAADF, other detectors, derived signals and maps, previews.

        Of a scanning probe the topography comes first, forward before backward.
        """
        if self.preview:
            return 5
        title = self.title.strip()
        if re.search("haadf", title, re.I):
            return 0
        if TOPOGRAPHY.search(title):
            return 2 if BACKWARD.search(title) else 1
        if DERIVED.search(title) or ELEMENT.fullmatch(title):
            return 4
        return 1 if re.search(r"a?df", title, re.I) else 3

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.data.shape))
        kind = "RGB" if self.data.dtype.names else self.data.dtype
        return f"{shape} {kind}" + (f" ({self.title})" if self.title else "")


def shown(shape: tuple[int, ...], dtype: Any, axes: list[dict[str, Any]], title: str) -> Found:
    """An array of which only shape and type are known; its values are all the same and take no memory."""
    return Found.of(np.broadcast_to(np.zeros((), dtype), shape), axes, title)


def axis(size: int, scale: float = 0.0, units: str = "", name: str = "", navigate: bool = False) -> dict[str, Any]:
    """What is known of one axis; `navigate` where it counts frames or places of spectra."""
    return {"name": name, "size": int(size), "scale": scale, "units": units.strip(), "navigate": navigate}


def step(values: npt.NDArray[Any]) -> float:
    """Distance of evenly spaced values; 0 for others."""
    if values.ndim != 1 or len(values) < 2 or values.dtype.kind not in "iuf":
        return 0.0
    steps = np.diff(values.astype(float))
    mean = float(steps.mean())
    return mean if np.abs(steps - mean).max() <= EVEN_STEPS * abs(mean) else 0.0


def upright(axes: list[dict[str, Any]], frames_first: bool = False) -> list[int]:
    """The order of axes in which y comes before x; as they are where their names do not say.

    Parameters
    ----------
    frames_first
        Whether all other axes are put before these two.
    """
    x, y = (_named(axes, known) for known in (X, Y))
    order = list(range(len(axes)))
    if len(x) != 1 or len(y) != 1:
        return order
    if frames_first:
        return [*(i for i in order if i not in (x[0], y[0])), y[0], x[0]]
    if x[0] < y[0]:
        order[x[0]], order[y[0]] = y[0], x[0]
    return order


def _named(axes: list[dict[str, Any]], known: re.Pattern[str]) -> list[int]:
    """Numbers of the axes with a name of this kind."""
    return [number for number, one in enumerate(axes) if known.match(one["name"].strip())]
