"""Figures for papers and slides of any view of an analysis: image, maps, scatter plots, manifold, classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pydantic import Field

from local_crystallography.data.errors import InputError
from local_crystallography.report.figures import draw_scale_bar, shown
from local_crystallography.report.manifold import manifold_figure
from local_crystallography.report.paper_style import PaperStyle
from local_crystallography.report.plots import Panel, plots_figure
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.views.greys import channel_of, grey, grey_limits, seen
from local_crystallography.views.manifold import Grid
from local_crystallography.views.plot_data import Choice, ClassEntry, Mode, key_of, plot_data
from local_crystallography.views.raster import CYCLIC, is_categorical

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from local_crystallography.analysis import Analysis
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.data.image import Image

Array = npt.NDArray[Any]
KINDS = "image, map:COLUMN, scatter:X,Y, manifold or classes"
DENSE = 1000
"""Number of atoms from which they are pixels in a vector file, which would be large and slow otherwise."""
WRAPPED = 15
"""Letters in a line over a colour wheel."""
TILES = 9
"""Images along each side of the manifold."""


class PaperFigure(PaperStyle):
    """A view of an analysis as a figure for a paper or a slide."""

    of: str = Field("image", description=f"What is shown: {KINDS}.")
    colour: str = Field(
        "label", description="Column of the colours of atoms, or of the classes; none: no atoms over the image."
    )
    frame: int = Field(0, ge=0, description="Frame of a stack.")
    mode: Mode = Field("points", description="How a scatter plot shows the atoms.")

    def __call__(self, analysis: Analysis) -> Figure:
        """The figure.

        Raises
        ------
        InputError
            If there is no such view, or what it shows does not exist yet.
        """
        what, _, rest = self.of.partition(":")
        draw = {"image": self._image, "manifold": self._manifold, "classes": self._classes}
        with rc_context(self.rc):
            if what == "map" and rest:
                return self._map(analysis, rest)
            if what == "scatter" and rest.count(",") == 1:
                return self._scatter(analysis, *rest.split(","))
            if what in draw and not rest:
                return draw[what](analysis)
        raise InputError(f"There is no view {self.of}; choose from {KINDS}.")

    def save(self, analysis: Analysis, path: str | Path) -> Path:
        """Draw the figure and write it as PDF, SVG or PNG by its suffix, with its provenance.

        Raises
        ------
        InputError
            As calling it, and if the file cannot be written.
        """
        path = Path(path)
        self.check(path)
        return self.write(self(analysis), path, facts(analysis, self.of))

    def _image(self, analysis: Analysis) -> Figure:
        image = _image_of(analysis)
        frame = image.read(self._frame(image))
        low, high = np.percentile(frame[np.isfinite(frame)], (0.5, 99.5))
        atoms, colour = analysis.atoms, self.colour
        if atoms is None or colour in ("", "none", "auto"):
            figure, axes, _ = self._canvas(image.shape)
        else:
            here = atoms[atoms.frame == self.frame]
            key = key_of(here.features, _known(atoms, colour), analysis.styles, dark=True)
            scaled = bool(key.colormap)
            figure, axes, beside = self._canvas(image.shape, scale=scaled, entries=key.classes)
            size = (
                0.4 * _spacing(here, image) * axes.get_window_extent().width / image.shape[1] * 72 / figure.dpi
            ) ** 2
            axes.scatter(
                here.yx[:, 1],
                here.yx[:, 0],
                s=size,
                c=key.inks / 255,
                linewidths=0,
                rasterized=len(here) > DENSE,
            )
            if scaled:
                bar = figure.colorbar(ScalarMappable(Normalize(*key.limits), _listed(key.table)), cax=beside)
                _label_bar(bar, key.column.label)
        _pixels(axes, frame, image, cmap="gray", norm=Normalize(low, max(high, low + 1e-12)))
        draw_scale_bar(axes, image, color="white", points=self.points)
        return figure

    def _map(self, analysis: Analysis, column: str) -> Figure:
        image, atoms = _image_of(analysis), analysis.atoms
        if atoms is None:
            raise InputError("There are no atoms yet, and so no map; find atoms first.")
        painted = (analysis.maps or {}).get(column)
        if painted is None:
            step = PaintMap(columns=(_known(atoms, column),))
            painted = step(*analysis.inputs(step))[column]
        frame = painted.reshape(-1, *image.shape)[self._frame(image)]
        values = atoms.features[column].to_numpy(float)
        if is_categorical(column, values):
            key = key_of(atoms.features, column, analysis.styles, dark=False)
            there = set(np.unique(frame[np.isfinite(frame)]).tolist())
            entries = [entry for entry in key.classes if entry.number in there and np.isfinite(entry.share)]
            figure, axes, _ = self._canvas(image.shape, entries=entries)
            colours = analysis.styles.colours(column, frame.ravel()).reshape(*frame.shape, 4)
            colours[~np.isfinite(frame)] = 0
            _pixels(axes, colours, image)
        else:
            how = shown(column, values)
            cyclic = how.cmap == CYCLIC
            figure, axes, beside = self._canvas(image.shape, scale=True, wheel=cyclic)
            norm = Normalize(*how.limits)
            drawn = _pixels(axes, frame * how.factor, image, cmap=how.cmap, norm=norm)
            if cyclic:
                _wheel(beside, how.limits[1], str(how.cmap))
                beside.set_title(fill(how.label, WRAPPED), pad=1.6 * self.points)
            else:
                _label_bar(figure.colorbar(drawn, cax=beside), how.label)
        draw_scale_bar(axes, image, color="black", points=self.points)
        return figure

    def _scatter(self, analysis: Analysis, x: str, y: str) -> Figure:
        if analysis.atoms is None:
            raise InputError("There are no atoms yet; find atoms first.")
        table = analysis.atoms.features
        for name in (x, y):
            _known(analysis.atoms, name)
        colour = self.colour if self.colour in table else ""
        data = plot_data(table, Choice(x, y, colour, self.mode), key_of(table, colour, analysis.styles, dark=False))
        if (view := data.extent()) is None:
            raise InputError(f"No atom has both {x} and {y}; choose other columns.")
        return plots_figure([Panel(data, np.zeros(len(table), bool), view)], self)

    def _manifold(self, analysis: Analysis) -> Figure:
        vae = analysis.vae
        if vae is None:
            raise InputError("There is no network yet, and so no manifold; train one first.")
        plane = vae.settings.latents > 1
        tiles = seen(vae, channel_of(vae.manifold(TILES), 0, axes=4))
        grid = Grid(TILES, (0, 1) if plane else (0,), (0.0,) * vae.settings.latents)
        low, high = np.nanpercentile(tiles, (0.5, 99.5))
        names = ("z0", "z1") if plane else ("z0",)
        limits = float(low), float(high if high > low else low + 1)
        return manifold_figure(tiles[: grid.shape[0]], ticks=grid.ticks, names=names, limits=limits, style=self)

    def _classes(self, analysis: Analysis) -> Figure:
        """Mean sub-image of every class, and below it the image decoded at its mean latents."""
        from local_crystallography.studies.classes import class_report

        atoms, sub_images = analysis.atoms, analysis.sub_images
        if atoms is None or sub_images is None or self.colour not in atoms.features:
            raise InputError("There are no classes of sub-images yet; extract sub-images and cluster first.")
        found, limits = (
            class_report(atoms, sub_images, analysis.vae, column=self.colour).classes,
            grey_limits(sub_images),
        )
        decoded = [each.decoded for each in found if each.decoded is not None]
        parts = 2 if len(decoded) == len(found) else 1
        across = min(len(found), max(3, int(self.mm // 22)))
        down, side, words = -(-len(found) // across), self.inches / across, 3.0 * self.letter
        height = down * (parts * side + words)
        figure = Figure((self.inches, height))
        for i, entry in enumerate(found):
            row, column = divmod(i, across)
            top = height - row * (parts * side + words)
            picture, name = entry.picture, analysis.styles.name(self.colour, entry.picture.number)
            figure.text(
                (column + 0.03) * side / self.inches,
                (top - 1.3 * self.letter) / height,
                f"{name}",
                weight="bold",
            )
            figure.text(
                (column + 0.03) * side / self.inches,
                (top - 2.5 * self.letter) / height,
                f"{picture.count:,} · {100 * picture.share:.0f} %",
            )
            pictures = [picture.mean, *([entry.decoded] if parts == 2 and entry.decoded is not None else [])]
            for part, shown_picture in enumerate(pictures):
                bottom = top - words - (part + 1) * side
                place = (column + 0.03) * side / self.inches, bottom / height, 0.94 * side / self.inches
                axes = figure.add_axes((*place, 0.94 * side / height))
                axes.imshow(grey(shown_picture, limits), interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(visible=True, color=analysis.styles.colour(self.colour, picture.number))
                axes.spines[:].set_linewidth(0.2 * self.points)
        return figure

    def _frame(self, image: Image) -> int:
        if self.frame >= image.count:
            raise InputError(f"There is no frame {self.frame}; the image has {image.count}, counted from 0.")
        return self.frame

    def _canvas(
        self,
        shape: tuple[int, int],
        *,
        scale: bool = False,
        wheel: bool = False,
        entries: Sequence[ClassEntry] = (),
    ) -> tuple[Figure, Axes, Axes]:
        """A figure with axes for an image, axes beside it for a colour scale, and a legend of classes below."""
        beside = 9.5 * self.letter if scale else 0.0
        across = (
            max(1, int(self.inches / (1.5 * self.letter + 0.6 * self.letter * _longest(entries)))) if entries else 1
        )
        below = 1.6 * self.letter * -(-len(entries) // across)
        wide = self.inches - beside
        tall = min(wide * shape[0] / shape[1], 2.5 * self.inches)
        wide = min(wide, tall * shape[1] / shape[0])
        height = tall + below
        figure = Figure((self.inches, height))
        axes = figure.add_axes((0, below / height, wide / self.inches, tall / height))
        axes.set_axis_off()
        left, gap = wide / self.inches, 0.8 * self.letter / self.inches
        if wheel:
            side = 5.0 * self.letter
            place = left + 0.5 * (beside - side) / self.inches, (below + 0.5 * (tall - side)) / height
            second = figure.add_axes((*place, side / self.inches, side / height), projection="polar")
        else:
            bar = left + gap, (below + 0.04 * tall) / height, 1.1 * gap, 0.92 * tall / height
            second = figure.add_axes(bar) if scale else axes
        marks = [Line2D([], [], color=each.colour, marker="o", linestyle="", label=each.name) for each in entries]
        if marks:
            figure.legend(
                handles=marks,
                loc="lower center",
                ncols=min(across, len(marks)),
                borderpad=0.2,
                labelspacing=0.3,
                handletextpad=0.1,
                columnspacing=1.0,
                borderaxespad=0.1,
            )
        return figure, axes, second


def facts(analysis: Analysis, what: str) -> dict[str, Any]:
    """Where a figure comes from: image with its hash, steps with their settings, versions."""
    record = analysis.session.provenance
    image = {"name": record.image.name, "sha256": record.image.sha256, "pixel_size_nm": record.image.pixel_size}
    return {"figure": what, "image": image, "date": record.date, "steps": record.asked, "versions": record.versions}


def _image_of(analysis: Analysis) -> Image:
    if analysis.image is None:
        raise InputError("There is no image; open one first.")
    return analysis.image


def _known(atoms: Atoms, column: str) -> str:
    if column == "label" and column not in atoms.features:
        return ""
    if column not in atoms.features:
        raise InputError(f"There is no column {column}; choose from {', '.join(map(str, atoms.features))}.")
    return column


def _longest(entries: Sequence[ClassEntry]) -> int:
    return max(len(each.name) for each in entries) + 2


def _spacing(atoms: Atoms, image: Image) -> float:
    """Typical distance between atoms, in pixels."""
    from scipy.spatial import cKDTree

    if len(atoms) < 2:
        return 0.1 * min(image.shape)
    return float(np.median(cKDTree(atoms.yx).query(atoms.yx, k=2)[0][:, 1]))


def _pixels(axes: Axes, picture: Array, image: Image, **how: Any) -> Any:
    """Row 0 at the top; axes in pixels."""
    height, width = image.shape
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    smooth = "nearest" if picture.ndim == 3 else "antialiased"
    drawn = axes.imshow(picture, extent=extent, origin="upper", interpolation=smooth, zorder=0, **how)
    axes.set_aspect("auto")  # the axes have the shape of the image
    return drawn


def _listed(table: Array) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(table)


def _label_bar(bar: Any, label: str) -> None:
    bar.set_label(label)
    bar.outline.set_visible(False)


def _wheel(axes: Any, half: float, cmap: str) -> None:
    """Directions in their colours, counter-clockwise from the right; a period shorter than 360° repeats around it."""
    angle = np.linspace(-np.pi, np.pi, 361)
    degrees = np.degrees(angle[:-1] + angle[1:]) / 2
    value = (degrees + half) % (2 * half) - half
    axes.pcolormesh(angle, (0.45, 1.0), value[None], cmap=colormaps[cmap], norm=Normalize(-half, half), rasterized=True)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_xticks(np.radians((0, 90, 180, 270)), ["0°", "90°", "180°", "−90°"])
    axes.tick_params(pad=-1)
    axes.grid(False)
    axes.spines[:].set_visible(False)
