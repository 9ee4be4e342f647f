"""A session as one page to read, print and send: images, maps, classes, parameters, provenance."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from local_crystallography.data.image import Image
from local_crystallography.explore.raster import PALETTE
from local_crystallography.io.provenance import Provenance

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis
    from local_crystallography.data.atoms import Atoms

MOST_TILES = 12
STYLE = """
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1c2330;
  background: #fff; max-width: 1080px; margin: 0 auto; padding: 28px 24px 48px; }
header { border-bottom: 3px solid #2a6fb5; padding-bottom: 14px; }
header p { margin: 0; color: #2a6fb5; font-weight: 600; letter-spacing: .04em; font-size: 13px; }
h1 { margin: 2px 0 12px; font-size: 30px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 38px 0 12px; font-size: 20px; }
dl.facts { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 0; }
dl.facts dt { font-size: 12px; color: #5c6675; } dl.facts dd { margin: 0; font-size: 17px; font-weight: 600; }
.grid { display: grid; gap: 20px; align-items: start; }
.two { grid-template-columns: repeat(2, 1fr); } .three { grid-template-columns: repeat(3, 1fr); }
.four { grid-template-columns: repeat(4, 1fr); } .six { grid-template-columns: repeat(6, 1fr); }
figure { margin: 0; break-inside: avoid; } figure img { width: 100%; display: block; }
figcaption { font-size: 13px; color: #444c59; margin-top: 4px; }
figcaption b { color: #1c2330; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 5px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #e3e7ec; vertical-align: top; }
th { color: #5c6675; font-weight: 600; } td.step { font-weight: 600; white-space: nowrap; }
td.value { font-variant-numeric: tabular-nums; min-width: 90px; } td.help { color: #5c6675; }
.auto { background: #e4effa; color: #1d5c9c; border-radius: 9px; padding: 1px 8px; font-size: 12px; }
.set { font-weight: 700; } code { font-size: 12.5px; overflow-wrap: anywhere; }
p.note { color: #5c6675; font-size: 13px; }
@media (max-width: 760px) { .two, .three { grid-template-columns: 1fr; }
  .four, .six { grid-template-columns: repeat(2, 1fr); } }
@media print { body { padding: 0; max-width: none; font-size: 12px; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } .swatch, .auto { print-color-adjust: exact; } @page { margin: 14mm; } }
"""


def render(analysis: Analysis, image: Image, provenance: Provenance) -> str:
    """The page as HTML that needs nothing else: pictures and style are in it."""
    parts = [
        _header(analysis, image, provenance),
        _section("Image and atoms", _atoms(analysis, image)),
        _section("Maps", _maps(analysis, image)),
        _section("Classes", _classes(analysis)),
        _section("Latents", _grid("two", [*_scatter(analysis), *_manifold(analysis)])),
        _section("Distributions", _grid("four", _histograms(analysis))),
        _section("Parameters", _parameters(analysis)),
        _section("Provenance", _provenance(provenance)),
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
        facts["Frames"] = str(len(image.data))
    if image.pixel_size is not None:
        facts["Pixel size"] = f"{image.pixel_size:.4g} nm"
        facts["Field of view"] = f"{height * image.pixel_size:.3g} × {width * image.pixel_size:.3g} nm"
    else:
        facts["Pixel size"] = "not known"
    if analysis.atoms is not None:
        facts["Atoms"] = f"{len(analysis.atoms):,}"
        if (labels := _labels(analysis.atoms)) is not None:
            facts["Classes"] = str(len(np.unique(labels[labels >= 0])))
    facts["Saved"] = provenance.date[:16].replace("T", " ")
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    title = f"<p>Local Crystallography</p><h1>{escape(image.name)}</h1>"
    return f'<header>{title}<dl class="facts">{items}</dl></header>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>\n{content}</section>" if content else ""


def _figure(source: str, caption: str, words: str) -> str:
    return f'<figure><img src="{source}" alt="{escape(words)}"><figcaption>{caption}</figcaption></figure>'


def _grid(kind: str, figures: list[str]) -> str:
    return f'<div class="grid {kind}">{"".join(figures)}</div>' if figures else ""


def _atoms(analysis: Analysis, image: Image) -> str:
    from local_crystallography.io.figures import image_figure

    first = " First of the frames." if image.data.ndim == 3 else ""
    figures = [_figure(image_figure(image), f"The image.{first}", "Image")]
    if analysis.atoms is not None:
        labels = _labels(analysis.atoms)
        legend = "" if labels is None else " &ensp;".join(_swatch(k) for k in np.unique(labels[labels >= 0]))
        colour = "" if labels is None else f", coloured by class: {legend} (grey: too near an edge)"
        figures.append(_figure(image_figure(image, analysis.atoms), f"Atoms found{colour}.", "Image with atoms"))
    return _grid("two", figures)


def _maps(analysis: Analysis, image: Image) -> str:
    from local_crystallography.io.figures import map_figure, shown

    figures = []
    for name, painted in (analysis.maps or {}).items():
        how = None if name == "label" else shown(name, painted)
        title = "Class" if how is None else how.label
        figures.append(_figure(map_figure(image, painted, how), f"<b>{escape(title)}</b>", f"Map of {name}"))
    return _grid("three", figures)


def _classes(analysis: Analysis) -> str:
    """Mean sub-image of every class, as cut, and the decoded image at the mean of its latents."""
    from local_crystallography.io.figures import disc_only, tile_figure

    labels = None if analysis.atoms is None else _labels(analysis.atoms)
    if analysis.atoms is None or labels is None or analysis.sub_images is None:
        return ""
    sub_images, latents = analysis.sub_images, _latents(analysis.atoms)
    label = dict(zip(analysis.atoms.ids.tolist(), labels.tolist(), strict=True))
    of_windows = np.array([label[i] for i in sub_images.atoms.ids.tolist()])
    limits = _limits(sub_images.windows)
    figures, labelled = [], labels >= 0
    for k in np.unique(labels[labelled])[:MOST_TILES]:
        count = int((labels == k).sum())
        caption = f"{_swatch(k)} · {count:,} atoms · {count / labelled.sum():.1%}"
        tile = tile_figure(sub_images.windows[of_windows == k].mean(axis=0), limits)
        figures.append(_figure(tile, caption, f"Mean sub-image of class {k}"))
        if analysis.vae is not None and len(latents) == analysis.vae.settings.latents:
            mean = analysis.atoms.features.loc[labels == k, latents].mean().to_numpy()
            decoded = tile_figure(disc_only(analysis.vae.decode(mean)[0]), limits)
            figures.append(_figure(decoded, f"{_swatch(k)} · decoded", f"Decoded image of class {k}"))
    note = '<p class="note">Mean of the sub-images as cut, and what the network decodes at mean latents.</p>'
    return _grid("six", figures) + note


def _scatter(analysis: Analysis) -> list[str]:
    from local_crystallography.io.figures import scatter_figure

    atoms = analysis.atoms
    if atoms is None or len(latents := _latents(atoms)) < 2:
        return []
    x, y = (atoms.features[name].to_numpy(float) for name in latents[:2])
    source = scatter_figure(x, y, _labels(atoms), (latents[0], latents[1]))
    return [_figure(source, "Every atom by its first two latents, coloured by class.", "Scatter plot of latents")]


def _manifold(analysis: Analysis) -> list[str]:
    from local_crystallography.io.figures import disc_only, mosaic, tile_figure

    if analysis.vae is None:
        return []
    pictures = disc_only(analysis.vae.manifold(9))
    plane = analysis.vae.settings.latents > 1
    source = tile_figure(mosaic(pictures if plane else pictures[:1]), _limits(pictures), width=5.2)
    upwards = ", z1 upwards" if plane else ""
    caption = f"Manifold: decoded over the 5 % to 95 % quantiles of the prior; z0 grows to the right{upwards}."
    return [_figure(source, caption, "Manifold of decoded images")]


def _histograms(analysis: Analysis) -> list[str]:
    from local_crystallography.io.figures import histogram_figure, shown

    atoms = analysis.atoms
    if atoms is None:
        return []
    labels = _labels(atoms)
    wanted = (
        "angle_rad",
        "offset_y_px",
        "offset_x_px",
        *_latents(atoms),
        "intensity",
        "reconstruction_error",
    )
    figures = []
    for name in [name for name in wanted if name in atoms.features]:
        values = atoms.features[name].to_numpy(float)
        how = shown(name, values)
        figures.append(_figure(histogram_figure(values * how.factor, how.label, labels), "", f"Histogram of {name}"))
    return figures


def _parameters(analysis: Analysis) -> str:
    rows = []
    for name, used in analysis.used.items():
        asked = analysis.asked.get(name, used)  # a job stopped early is not what was asked for
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
    head = "<tr><th>Step</th><th>Parameter</th><th>Asked</th><th>Used</th><th>Meaning</th></tr>"
    note = '<p class="note">Bold: set to other than its default. Automatic: chosen from the image.</p>'
    return f"<table>{head}{''.join(rows)}</table>{note}"


def _provenance(provenance: Provenance) -> str:
    record = provenance.image
    rows = {
        "Source": str(record.metadata.get("source", "not from a file")),
        "Pixels": f"{' × '.join(map(str, record.shape))} {record.dtype}",
        "SHA-256 of the pixels": record.sha256,
        "Saved": provenance.date,
        "Seeds": ", ".join(f"{step}: {seed}" for step, seed in provenance.seeds.items()) or "none used",
        "Seconds": ", ".join(f"{step}: {seconds:.1f}" for step, seconds in provenance.seconds.items()) or "nothing run",
        "Versions": ", ".join(f"{name} {number}" for name, number in provenance.versions.items()),
    }
    cells = (f"<tr><th>{name}</th><td><code>{escape(value)}</code></td></tr>" for name, value in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _value(value: Any) -> str:
    if value is None or value == ():
        return "automatic" if value is None else "all"
    if isinstance(value, tuple):
        return escape(", ".join(map(str, value)))
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))


def _swatch(label: int) -> str:
    red, green, blue, _ = np.rint(PALETTE[int(label) % len(PALETTE)] * 255).astype(int)
    return f'<span class="swatch" style="background: rgb({red} {green} {blue})"></span>{int(label)}'


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
