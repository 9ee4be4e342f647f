"""Report of a session as one HTML page: images, maps, classes, parameters, provenance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.columns import is_class
from local_crystallography.data.errors import InputError, writing
from local_crystallography.data.image import Image
from local_crystallography.io.provenance import Provenance
from local_crystallography.report.page import STYLE, figure, grid, section, swatch
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.correct_scan import CorrectScan
from local_crystallography.steps.geometric_phase import GeometricPhase
from local_crystallography.steps.measure_lattice import MeasureLattice
from local_crystallography.steps.symmetry import DecideSymmetry
from local_crystallography.views.axis import axis_of
from local_crystallography.views.greys import seen

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.atoms import Atoms
    from local_crystallography.models.vae import Vae

MOST_TILES = 12


def write_report(analysis: Analysis, path: str | Path) -> Path:
    """Write the report of an analysis to one self-contained HTML file; takes some seconds.

    Raises
    ------
    InputError
        Without an image, or if the file cannot be written.
    """
    page, path = render(analysis), Path(path)
    with writing(path):
        path.write_text(page, encoding="utf-8")
    return path


def render(analysis: Analysis) -> str:
    """The page as self-contained HTML, including images and style.

    Raises
    ------
    InputError
        Without an image.
    """
    image = analysis.image
    if image is None:
        raise InputError("There is nothing to report yet; open an image first.")
    provenance = analysis.session.provenance
    parts = [
        _header(analysis, image, provenance),
        section("Image and atoms", _atoms(analysis, image)),
        section("Scan correction", _scan(analysis, image)),
        section("Lattice", _lattice(analysis, image)),
        section("Maps", _maps(analysis, image)),
        section("Symmetry", _symmetry(analysis, image)),
        section("Classes", _classes(analysis)),
        section("Latents", grid("two", [*_scatter(analysis), *_manifold(analysis)]) + _remarks(analysis.vae)),
        section("Variation within classes", _within_classes(analysis)),
        section("Loadings", _loadings(analysis)),
        section("Distributions", grid("four", _histograms(analysis))),
        section("Parameters", _parameters(analysis)),
        section("Provenance", _provenance(provenance)),
    ]
    title = f"{escape(image.name)} · Local Crystallography"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(part for part in parts if part)
    head = f"<head>{head}<style>{STYLE}</style></head>"
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>\n{body}\n</body></html>\n'


def _header(analysis: Analysis, image: Image, provenance: Provenance) -> str:
    height, width = image.shape
    facts = {"Size": f"{height} × {width} px"}
    if image.data.ndim == 3:
        facts["Frames"] = str(image.count)
    if image.pixel_size is not None:
        facts["Pixel size"] = f"{image.pixel_size:.4g} nm"
        facts["Field of view"] = f"{height * image.pixel_size:.3g} × {width * image.pixel_size:.3g} nm"
    else:
        facts["Pixel size"] = "unknown"
    if analysis.atoms is not None:
        facts["Atoms"] = f"{len(analysis.atoms):,}"
        if (labels := _labels(analysis.atoms)) is not None:
            facts["Classes"] = str(len(np.unique(labels[labels >= 0])))
    facts["Saved"] = provenance.date[:16].replace("T", " ")
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    title = f"<p>Local Crystallography</p><h1>{escape(image.name)}</h1>"
    doubt = f'<p class="note">⚠ {escape(analysis.doubt)}</p>' if analysis.doubt else ""
    summary = f'<p class="summary">{escape(analysis.summary)}</p>' if analysis.summary else ""
    doubts = _notes([each.says for each in analysis.doubts])
    return f'<header>{title}<dl class="facts">{items}</dl>{summary}{doubt}{doubts}</header>'


def _atoms(analysis: Analysis, image: Image) -> str:
    from local_crystallography.report.figures import image_figure

    first = " First frame." if image.data.ndim == 3 else ""
    figures = [figure(image_figure(image), f"The image.{first}", "Image")]
    if analysis.atoms is not None:
        labels = _labels(analysis.atoms)
        legend = (
            "" if labels is None else " &ensp;".join(swatch(analysis.styles, k) for k in np.unique(labels[labels >= 0]))
        )
        colour = "" if labels is None else f", coloured by class: {legend} (grey: without a sub-image)"
        figures.append(
            figure(image_figure(image, analysis.atoms, analysis.styles), f"Atoms found{colour}.", "Image with atoms")
        )
    return grid("two", figures)


def _scan(analysis: Analysis, image: Image) -> str:
    """Scan distortions that Correct scan removed from the first frame, with its remarks."""
    from local_crystallography.report.figures import png
    from local_crystallography.report.scan import CAPTION, scan_figure

    step = analysis.last(CorrectScan)
    if step is None or analysis.atoms is None:
        return ""
    first = int(analysis.atoms.frame.min())
    correction = step.correction(analysis.atoms, image, first)
    source = png(scan_figure(correction, pixel_size=image.pixel_size))
    which = "" if image.data.ndim == 2 else f" Frame {first}."
    return figure(source, CAPTION + which, "Scan correction") + _notes(correction.remarks)


def _lattice(analysis: Analysis, image: Image) -> str:
    from local_crystallography.report.lattice import lattice_section

    return lattice_section(analysis, image) + _strain(analysis)


def _maps(analysis: Analysis, image: Image) -> str:
    from local_crystallography.report.figures import class_colours, map_figure, shown

    figures = []
    for name, painted in (analysis.maps or {}).items():
        if columns().owner(name) == DecideSymmetry.name() and is_class(name):  # shown in the section on symmetry
            continue
        how = class_colours(painted, analysis.styles, name) if is_class(name) else shown(name, painted)
        title = "Class" if name == "label" else axis_of(name).label
        figures.append(figure(map_figure(image, painted, how), f"<b>{escape(title)}</b>", f"Map of {name}"))
    return grid("three", figures)


def _strain(analysis: Analysis) -> str:
    """What strain refers to, and what should be known of it."""
    steps = [analysis.last(MeasureLattice), analysis.last(GeometricPhase)]
    told = [(step, analysis.atoms) for step in steps if step is not None and analysis.atoms is not None]
    said = [f'<p class="note">{escape(f"{step.title()}: {step.summary(atoms)}.")}</p>' for step, atoms in told]
    return "".join([*said, *(_notes(step.remarks(atoms)) for step, atoms in told)])


def _symmetry(analysis: Analysis, image: Image) -> str:
    from local_crystallography.report.symmetry_section import symmetry_section

    return symmetry_section(analysis, image)


def _classes(analysis: Analysis) -> str:
    from local_crystallography.report.classes import class_section, reasons_section

    return class_section(analysis) + reasons_section(analysis.reasons)


def _loadings(analysis: Analysis) -> str:
    from local_crystallography.report.loadings import loadings_section

    return loadings_section(analysis)


def _scatter(analysis: Analysis) -> list[str]:
    from local_crystallography.report.figures import scatter_figure

    atoms = analysis.atoms
    if atoms is None or len(latents := _latents(atoms)) < 2:
        return []
    x, y = (atoms.features[name].to_numpy(float) for name in latents[:2])
    source = scatter_figure(x, y, _labels(atoms), (latents[0], latents[1]), analysis.styles)
    return [figure(source, "First two latents of every atom, coloured by class.", "Scatter plot of latents")]


def _manifold(analysis: Analysis) -> list[str]:
    from local_crystallography.report.classes import channel_words
    from local_crystallography.report.figures import by_channel, tile_figure
    from local_crystallography.views.greys import mosaic

    if analysis.vae is None:
        return []
    plane = analysis.vae.settings.latents > 1
    upwards = ", z1 upwards" if plane else ""
    caption = f"Manifold: decoded over the 5 % to 95 % quantiles of the prior; z0 increases to the right{upwards}."
    figures, channels = [], by_channel(analysis.vae.manifold(9), 4)
    for i, channel in enumerate(channels):
        pictures = seen(analysis.vae, channel)
        source = tile_figure(mosaic(pictures if plane else pictures[:1]), _limits(pictures), width=5.2)
        figures.append(figure(source, caption + channel_words(i, len(channels)), "Manifold of decoded images"))
    return figures


def _within_classes(analysis: Analysis) -> str:
    """Images decoded by the conditional network for every class, and their difference from the average (Fig. 6)."""
    from local_crystallography.report.figures import by_channel, tableau_figure

    cvae = analysis.cvae
    if cvae is None:
        return ""
    channels, plane = by_channel(cvae.tableaux(3), 5), cvae.settings.latents > 1
    tableaux = seen(cvae, channels[0] if plane else channels[0][:, :1])
    reach = float(np.nanpercentile(np.abs(tableaux - tableaux.mean(axis=(1, 2), keepdims=True)), 99.9)) or 1.0
    figures = [
        figure(
            tableau_figure(tableau, _limits(tableaux), reach),
            swatch(analysis.styles, k),
            f"Variation within class {k}",
        )
        for k, tableau in zip(cvae.settings.classes[:MOST_TILES], tableaux, strict=False)
    ]
    note = (
        "Images decoded by the conditional network, over the 5 % to 95 % quantiles of the prior: z0 increases to the "
        f"right{' and z1 upwards' if plane else ''}. Latents have the same meaning in every class. Below: difference "
        "from the average of the class, with the same colour scale for all classes."
        f"{' First channel.' if len(channels) > 1 else ''}"
    )
    return grid("four", figures) + f'<p class="note">{note}</p>' + _remarks(cvae)


def _remarks(vae: Vae | None) -> str:
    return "" if vae is None else _notes(vae.remarks)


def _notes(remarks: Sequence[str]) -> str:
    return "".join(f'<p class="note">⚠ {escape(remark)}</p>' for remark in remarks)


def _histograms(analysis: Analysis) -> list[str]:
    from local_crystallography.report.figures import histogram_figure, shown

    atoms = analysis.atoms
    if atoms is None:
        return []
    labels = _labels(atoms)
    figures = []
    for name in columns().leading(map(str, atoms.features)):
        values = atoms.features[name].to_numpy(float)
        how = shown(name, values)
        figures.append(
            figure(
                histogram_figure(values * how.factor, how.label, labels, analysis.styles), "", f"Histogram of {name}"
            )
        )
    return figures


def _parameters(analysis: Analysis) -> str:
    rows = []
    for name, used in analysis.used.items():
        asked = analysis.asked.get(name, used)  # a job stopped early differs from the request
        for number, (key, field) in enumerate(type(used).model_fields.items()):
            before, after = getattr(asked, key), getattr(used, key)
            changed = "" if before == field.default else ' class="set"'
            how = (
                '<span class="auto">automatic</span>' if before != after else f"<span{changed}>{_value(before)}</span>"
            )
            step = f'<td class="step">{escape(name)}</td>' if number == 0 else "<td></td>"
            cells = f'<td>{escape(key)}</td><td class="value">{how}</td><td class="value">{_value(after)}</td>'
            rows.append(f'<tr>{step}{cells}<td class="help">{escape(field.description or "")}</td></tr>')
    if not rows:
        return ""
    head = "<tr><th>Step</th><th>Parameter</th><th>Requested</th><th>Used</th><th>Meaning</th></tr>"
    note = '<p class="note">Bold: differs from the default. Automatic: determined from the data.</p>'
    return f"<table>{head}{''.join(rows)}</table>{note}"


def _provenance(provenance: Provenance) -> str:
    record = provenance.image
    rows = {
        "Source": str(record.metadata.get("source", "not from a file")),
        "Pixels": f"{' × '.join(map(str, record.shape))} {record.dtype}",
        "SHA-256 of the pixels": record.sha256,
        "Saved": provenance.date,
        "Seeds": ", ".join(f"{step}: {seed}" for step, seed in provenance.seeds.items()) or "none used",
        "Time in seconds": ", ".join(f"{step}: {seconds:.1f}" for step, seconds in provenance.seconds.items())
        or "no step run",
        "Versions": ", ".join(f"{name} {number}" for name, number in provenance.versions.items()),
    }
    cells = (f"<tr><th>{name}</th><td><code>{escape(value)}</code></td></tr>" for name, value in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _value(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return escape(", ".join(map(str, value)))
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))


def _labels(atoms: Atoms) -> npt.NDArray[np.int64] | None:
    """(N,) class of every atom, -1 for none."""
    values = _numbers(atoms, "label")
    return None if values is None else np.nan_to_num(values, nan=-1).astype(np.int64)


def _numbers(atoms: Atoms | None, name: str) -> npt.NDArray[np.float64] | None:
    return atoms.features[name].to_numpy(float) if atoms is not None and name in atoms.features else None


def _latents(atoms: Atoms) -> list[str]:
    return [str(name) for name in atoms.features if re.fullmatch(r"z\d+", str(name))]


def _limits(pictures: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = np.nanpercentile(pictures, (0.5, 99.5))
    return float(low), float(high if high > low else low + 1)
