"""Figures of a report, drawn off screen and without pyplot."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import apart, mosaic
from local_crystallography.views.raster import scale_of
from local_crystallography.views.styles import ClassStyles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from local_crystallography.clustering.mixtures import CriterionCurve
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image
    from local_crystallography.lattice.cells import GrainCell

Array = npt.NDArray[Any]

CELL = "#ff8c00"
"""Colour of unit cells."""
MOST_PIXELS = 900
"""Longest side of an image in the report, in pixels; larger images are shown at lower resolution."""
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": "#1c2330",
    "axes.labelcolor": "#1c2330",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


@dataclass(frozen=True)
class Shown:
    """How a column is shown: title, unit, factor to that unit, colormap and its limits in that unit."""

    title: str
    unit: str
    factor: float
    cmap: str | Colormap
    limits: tuple[float, float]

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def shown(name: str, values: Array) -> Shown:
    """How to show a column with these values, which may include NaN."""
    column = axis_of(name)
    cmap, (low, high) = scale_of(name, values.astype(float))
    limits = low * column.factor, high * column.factor
    return Shown(column.title, column.unit, column.factor, cmap, limits)


def png(figure: Figure, dpi: int = 130) -> str:
    """The figure as a data URL with transparent background."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True, pil_kwargs={"optimize": True})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def criterion_figure(curve: CriterionCurve) -> str:
    """BIC and ICL against the number of components, each minus its lowest value."""
    with rc_context(STYLE):
        made = Figure(figsize=(4.6, 2.2), layout="constrained")
        axes = made.add_subplot()
        for name, values, ink in (("BIC", curve.bic, "#2a6fb5"), ("ICL", curve.icl, "#d9822b")):
            axes.plot(curve.components, values - values.min(), "o-", color=ink, label=name, markersize=3)
            axes.axvline(curve.components[values.argmin()], color=ink, linewidth=0.8, linestyle="--")
        axes.set_xlabel("Number of components")
        axes.set_ylabel("Difference from lowest")
        axes.legend(frameon=False)
        return png(made)


def image_figure(
    image: Image,
    atoms: Atoms | None = None,
    styles: ClassStyles | None = None,
    *,
    cells: Sequence[GrainCell] = (),
) -> str:
    """First frame of the image with a scale bar and, if given, the atoms coloured by class, and outlines of cells."""
    frame = image.read(0)
    with rc_context(STYLE):
        figure, axes = _square(image.shape, width=5.6)
        low, high = np.percentile(frame, (0.5, 99.5))
        _show(axes, _mean_binned(frame), image.shape, cmap="gray", norm=Normalize(low, max(high, low + 1e-12)))
        if atoms is not None:
            first = atoms[atoms.frame == 0]
            labels = first.features["label"] if "label" in first.features else np.zeros(len(first))
            spacing = np.sqrt(frame.size / max(len(first), 1)) * 5.6 * 72 / image.shape[1]
            colors = (styles or ClassStyles()).colours("label", labels) / 255
            axes.scatter(first.yx[:, 1], first.yx[:, 0], s=(0.45 * spacing) ** 2, c=colors, linewidths=0)
        for cell in cells:
            x, y = [corner[1] for corner in cell.corners], [corner[0] for corner in cell.corners]
            axes.fill(x, y, fill=False, edgecolor=CELL, linewidth=1.0)
            axes.annotate(cell.words, (x[3], y[3]), color=CELL, fontsize=7, annotation_clip=True)
        draw_scale_bar(axes, image, color="white")
        return png(figure, 140)


def map_figure(image: Image, painted: Array, how: Shown | ListedColormap) -> str:
    """First frame of a map with colour bar and scale bar; for class labels, `how` is the colormap of the classes."""
    frame = painted.reshape(-1, *image.shape)[0]
    step = max(1, -(-max(frame.shape) // MOST_PIXELS))
    coarse = frame[::step, ::step]
    with rc_context(STYLE):
        figure, axes = _square(image.shape, width=3.5, beside=0.75)
        if isinstance(how, ListedColormap):
            classes = how.N
            norm: Normalize = BoundaryNorm(np.arange(classes + 1) - 0.5, classes)
            drawn = _show(axes, coarse, image.shape, cmap=how, norm=norm)
            figure.colorbar(drawn, ax=axes, ticks=range(classes), fraction=0.05, pad=0.03)
        else:
            drawn = _show(axes, coarse * how.factor, image.shape, cmap=how.cmap, norm=Normalize(*how.limits))
            bar = figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.03)
            bar.outline.set_visible(False)
        draw_scale_bar(axes, image, color="black")
        return png(figure)


def class_colours(painted: Array, styles: ClassStyles, column: str) -> ListedColormap:
    """The colours of the classes 0, 1, … in a map."""
    classes = int(np.nanmax(painted, initial=0)) + 1
    return ListedColormap(styles.colours(column, np.arange(classes)) / 255)


def scatter_figure(
    x: Array, y: Array, labels: Array | None, names: tuple[str, str], styles: ClassStyles | None = None
) -> str:
    """Two columns against each other, coloured by class; in random order, so that no class hides another."""
    order = np.random.default_rng(0).permutation(len(x))
    colors = (styles or ClassStyles()).colours("label", np.zeros(len(x)) if labels is None else labels) / 255
    size = float(np.clip(6000 / max(len(x), 1), 1.2, 14))
    with rc_context(STYLE):
        figure = Figure((4.6, 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter(x[order], y[order], s=size, c=colors[order], linewidths=0, alpha=0.8)
        axes.set(xlabel=names[0], ylabel=names[1])
        return png(figure)


def histogram_figure(values: Array, label: str, labels: Array | None, styles: ClassStyles | None = None) -> str:
    """Histogram of a column, stacked by class; the outermost 0.5 % of values are left out."""
    known = np.isfinite(values)
    low, high = np.percentile(values[known], (0.25, 99.75)) if known.any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    groups = np.zeros(len(values), int) if labels is None else np.asarray(labels, int)
    with rc_context(STYLE):
        figure = Figure((2.7, 1.9), layout="constrained")
        axes = figure.add_subplot()
        bottom = np.zeros(len(edges) - 1)
        for group in np.unique(groups[known]):
            count, _ = np.histogram(values[known & (groups == group)], edges)
            color = (styles or ClassStyles()).colour("label", int(group))
            axes.stairs(bottom + count, edges, baseline=bottom, fill=True, color=color, linewidth=0)
            bottom = bottom + count
        axes.set(xlabel=label, ylabel="Atoms", xlim=(edges[0], edges[-1]))
        return png(figure)


def tile_figure(picture: Array, limits: tuple[float, float], width: float = 1.5) -> str:
    """A small image without axes: grey values with NaN transparent, such as a sub-image, or colours (h, w, 4)."""
    height, side = picture.shape[:2]
    with rc_context(STYLE):
        figure = Figure((width, width * height / side))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow(picture, cmap="gray", norm=Normalize(*limits), interpolation="nearest")
        return png(figure)


def tableau_figure(tableau: Array, limits: tuple[float, float], reach: float) -> str:
    """(n, m, w, w) decoded images in grey; below, their difference from the average, from -reach to reach (Fig. 6)."""
    rows, columns = tableau.shape[:2]
    less = tableau - tableau.mean(axis=(0, 1))
    looks = (("gray", Normalize(*limits)), ("RdBu_r", Normalize(-reach, reach)))
    with rc_context(STYLE):
        figure = Figure((2.6, 4.8 * rows / columns + 0.75), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.03)  # type: ignore[union-attr, call-arg]
        both = figure.subplots(2)
        for axes, pictures, (cmap, norm) in zip(both, (tableau, less), looks, strict=True):
            drawn = axes.imshow(mosaic(apart(pictures)), cmap=cmap, norm=norm, interpolation="nearest")
            axes.set(xticks=[], yticks=[], xlabel="z0 →", ylabel="z1 →" if rows > 1 else "")
            axes.spines[:].set_visible(False)
        bar = figure.colorbar(drawn, ax=both[1], location="bottom", fraction=0.05, pad=0.02, aspect=30)
        bar.outline.set_visible(False)
        return png(figure)


def by_channel(pictures: Array, axes: int) -> list[Array]:
    """The images of every channel; they have `axes` axes for a single channel, and one more for several."""
    return [pictures] if pictures.ndim == axes else list(np.moveaxis(pictures, -1, 0))


def _square(shape: tuple[int, int], *, width: float, beside: float = 0.0) -> tuple[Figure, Axes]:
    """A figure whose image is `width` inches wide, with a margin `beside` it, and its axes without ticks."""
    figure = Figure((width + beside, width * min(shape[0] / shape[1], 2.5)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)  # type: ignore[union-attr, call-arg]
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return figure, axes


def _show(axes: Axes, picture: Array, shape: tuple[int, int], *, cmap: str | Colormap, norm: Normalize) -> Any:
    """Row 0 at the top; the axes are in pixels of the image, whatever the resolution shown."""
    extent = (-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5)
    return axes.imshow(picture, cmap=cmap, norm=norm, extent=extent, origin="upper", interpolation="nearest")


def _mean_binned(frame: Array) -> Array:
    """The frame, binned by a whole number if larger than the report shows."""
    step = max(1, -(-max(frame.shape) // MOST_PIXELS))
    height, width = (side // step * step for side in frame.shape)
    blocks = frame[:height, :width].astype(np.float32).reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)))


def draw_scale_bar(axes: Axes, image: Image, *, color: str, points: float | None = None) -> None:
    """A bar of round length at the lower left, about a fifth of the width; in px without a pixel size.

    `points` is the size of letters in a figure for a paper, where they stay letters.
    """
    height, width = image.shape
    size, unit = (image.pixel_size, "nm") if image.pixel_size is not None else (1.0, "px")
    length = round_length(0.2 * width * size)
    x, y, thick = 0.04 * width, 0.95 * height, 0.012 * height
    edge = "black" if color == "white" else "white"
    axes.add_patch(Rectangle((x, y - thick), length / size, thick, fc=color, ec=edge, lw=(points or 9.0) / 18))
    text = axes.text(
        x + length / size / 2, y - 1.8 * thick, f"{length:g} {unit}", color=color, ha="center", va="bottom"
    )
    if points is None:
        text.set_path_effects([withStroke(linewidth=2, foreground=edge)])
    else:  # with a stroke it would be outlines in vector files
        text.set_bbox({"facecolor": edge, "alpha": 0.5, "linewidth": 0, "pad": points / 10})


def round_length(about: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten not above `about`."""
    power = 10.0 ** np.floor(np.log10(about))
    return float(max(step * power for step in (1, 2, 5) if step * power <= about * (1 + 1e-9)))
