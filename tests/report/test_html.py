"""The report needs nothing else, shows what exists and stays small."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from analyses import copied
from PIL import Image as Picture

from local_crystallography import Describe
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.data.subimages import SubImages
from local_crystallography.report.figures import (
    MOST_PIXELS,
    by_channel,
    map_figure,
    round_length,
    shown,
    tableau_figure,
)
from local_crystallography.report.html import _value, render, write_report
from local_crystallography.views.greys import disc_only, mosaic


def page(analysis: Analysis) -> str:
    return render(analysis)


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", html)


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(quick_analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "quick.html"
    return write_report(quick_analysis, path).read_text(encoding="utf-8")


@pytest.mark.slow
def test_nothing_from_elsewhere(html: str) -> None:
    assert len(html) < 5_000_000
    assert not re.search(r'(src|href)="(?!data:)|<script|@import|url\(', html)


def test_tags_are_closed(html: str) -> None:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []


def test_all_parts_are_there(html: str) -> None:
    assert headings(html) == [
        "Image and atoms", "Maps", "Classes", "Latents", "Distributions", "Parameters", "Provenance",
    ]  # fmt: skip
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert all(Picture.open(io.BytesIO(base64.b64decode(one))).size for one in pictures)


def test_facts(html: str, quick_analysis: Analysis) -> None:
    assert "<dd>512 × 512 px</dd>" in html
    assert "<dd>0.0168 nm</dd>" in html
    assert "<dd>8.6 × 8.6 nm</dd>" in html
    assert f"<dd>{len(quick_analysis.atoms):,}</dd>" in html


def test_automatic_parameters_are_marked(html: str, quick_analysis: Analysis) -> None:
    rows = re.findall(r"<td>(\w+)</td><td class=\"value\"><span class=\"auto\">automatic", html)
    chosen = {
        field
        for name, used in quick_analysis.used.items()
        for field in type(used).model_fields
        if getattr(used, field) != getattr(quick_analysis.asked[name], field)
    }
    assert set(rows) == chosen
    assert "window_size" in chosen


def test_an_image_alone_and_hostile_names() -> None:
    data = np.random.default_rng(0).random((40, 30))
    html = page(Analysis(Image(data, None, "<script>alert(1)</script>", {"source": "<b>.tif"})))
    assert headings(html) == ["Image and atoms", "Provenance"]
    assert "<script>" not in html
    assert "<b>.tif" not in html


def test_stack_with_unlabelled_atoms() -> None:
    analysis = Analysis(Image(np.random.default_rng(0).random((3, 40, 30)), 0.1, "stack"))
    analysis.atoms = Atoms.at([[5, 5], [20, 10]], frame=[0, 1], pixel_size=0.1)
    html = page(analysis)
    assert "<dt>Frames</dt><dd>3</dd>" in html
    assert headings(html) == ["Image and atoms", "Provenance"]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_channel_is_shown(quick_analysis: Analysis, channels: int) -> None:
    given, vae = quick_analysis.sub_images, quick_analysis.vae

    def repeated(decode: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        return lambda *inputs: np.stack([decode(*inputs)] * channels, axis=-1)

    analysis = Analysis(quick_analysis.image)
    known = {"settings": vae.settings, "remarks": vae.remarks, "empty": [], "symmetry_order": vae.symmetry_order}
    seer = SimpleNamespace(**known, decode=repeated(vae.decode), manifold=repeated(vae.manifold))
    results = {
        "image": quick_analysis.image,
        "atoms": quick_analysis.atoms,
        "sub_images": SubImages(np.stack([given.windows] * channels, axis=-1), given.atoms),
        "vae": seer,
    }
    analysis.restore_results(results, {}, {}, {})
    html = page(analysis)
    assert html.count("Mean sub-image of class 0") == html.count("Decoded image of class 0") == channels
    assert html.count("Manifold of decoded images") == channels
    assert html.count("channel 3") == (html.count("channel 1") if channels == 3 else 0)
    assert "channel 1" in html or channels == 1


def picture_of(url: str) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA")).astype(int)


@pytest.mark.slow
def test_what_varies_within_every_class_is_shown(quick_within: Analysis) -> None:
    html = page(quick_within)
    assert headings(html)[3:5] == ["Latents", "Variation within classes"]
    count = len(quick_within.cvae.settings.classes)
    assert count > 1
    assert html.count("Variation within class ") == count
    assert "z1 upwards" in html
    assert {"Histogram of c0", "Map of c1"} <= set(re.findall(r'alt="(.*?)"', html))


@pytest.mark.slow
@pytest.mark.parametrize("latents", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_of_several_channels_the_first_is_shown(quick_within: Analysis, channels: int, latents: int) -> None:
    tableaux = quick_within.cvae.tableaux(3)
    several = tableaux if channels == 1 else np.stack([tableaux, 0 * tableaux], axis=-1)
    settings = quick_within.cvae.settings.model_copy(update={"latents": latents})
    analysis = Analysis(quick_within.image)
    cvae = SimpleNamespace(settings=settings, tableaux=lambda n: several, remarks=["z1 holds <nothing>."])
    analysis.restore_results({"image": quick_within.image, "cvae": cvae}, {}, {}, {})
    html = page(analysis)
    assert headings(html)[1] == "Variation within classes"
    assert ("First channel" in html) == (channels > 1)
    assert ("z1 upwards" in html) == (latents > 1)
    assert "⚠ z1 holds &lt;nothing&gt;." in html


def test_a_tableau_less_its_average_has_both_signs_about_zero() -> None:
    tableau = np.ones((3, 3, 8, 8))
    tableau[:, 0] += 0.5
    tableau[:, 2] -= 0.5
    picture = picture_of(tableau_figure(tableau, (0, 2), 0.5))
    height, width = picture.shape[0], picture.shape[1]
    lower = picture[int(0.65 * height), [int(width * x) for x in (0.25, 0.53, 0.85)]]
    assert lower[0, 0] > lower[0, 2] + 50  # more than the average: red
    assert lower[2, 2] > lower[2, 0] + 50
    assert (lower[1, :3] > 230).all()
    assert tableau.mean() == 1


@pytest.mark.slow
def test_remarks_stand_beside_the_latents(quick_analysis: Analysis, html: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "z0 holds nothing." not in html
    monkeypatch.setattr("local_crystallography.models.vae.Vae.remarks", ["z0 holds nothing."])
    html = page(quick_analysis)
    assert html.index("<h2>Latents") < html.rindex("⚠ z0 holds nothing.") < html.index("<h2>Distributions")


def test_no_file_is_not_an_automatic_one() -> None:
    assert _value(None) == "none"


def test_large_images_are_shown_coarser() -> None:
    data = np.random.default_rng(0).random((3000, 3000)).astype(np.float32)
    assert len(page(Analysis(Image(data, 0.01)))) < 2_500_000
    assert MOST_PIXELS < 3000


def test_maps_are_not_turned_and_nan_is_transparent() -> None:
    image = Image(np.random.default_rng(0).random((100, 100)), None)
    painted = np.full((100, 100), np.nan, np.float32)
    painted[:30, :30] = 1.0  # at the upper left
    url = map_figure(image, painted, shown("z0", painted))
    picture = np.asarray(Picture.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"))
    height, width = picture.shape[0], round(picture.shape[1] * 0.75)
    corners = [picture[int(height * y), int(width * x), 3] for y in (0.15, 0.75) for x in (0.2, 0.75)]
    assert corners[0] == 255
    assert corners[1:] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "values", "limits"),
    [
        ("angle_rad", np.radians([-10.0, *[0.0] * 20, *[10.0] * 20, 170.0]).tolist(), (-5, 15)),
        ("angle_rad", np.radians([-170.0, 0.0, 170.0]).tolist(), (-180, 180)),
        ("offset_y_px", [-2.0, 1.0, 2.0], (-2, 2)),
        ("z0", [1.0, 1.0], (0.5, 1.5)),
        ("z0", [np.nan], (0, 1)),
        ("c0", [1.0, 1.0], (0.5, 1.5)),
    ],
)
def test_limits_of_columns(name: str, values: list[float], limits: tuple[float, float]) -> None:
    how = shown(name, np.array(values))
    assert how.limits == pytest.approx(limits, abs=0.02)


@pytest.mark.parametrize(("about", "length"), [(1.72, 1.0), (2.0, 2.0), (0.61, 0.5), (9.9, 5.0), (10, 10.0)])
def test_scale_bars_are_round(about: float, length: float) -> None:
    assert round_length(about) == pytest.approx(length)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels_are_taken_apart(channels: int) -> None:
    pictures = np.random.default_rng(0).random((5, 4, 4, channels))
    apart = by_channel(pictures, 3)
    assert len(apart) == channels
    np.testing.assert_array_equal(apart[-1], pictures[..., -1])
    assert by_channel(pictures[..., 0], 3)[0].shape == (5, 4, 4)


def test_mosaic_keeps_rows_and_columns() -> None:
    pictures = np.arange(6).reshape(2, 3, 1, 1) * np.ones((4, 4))
    tiled = mosaic(pictures)
    np.testing.assert_array_equal(tiled[::4, ::4], [[0, 1, 2], [3, 4, 5]])
    assert np.isnan(disc_only(pictures)[0, 0, 0, 0])


@pytest.mark.slow
def test_classes_have_the_colours_of_the_user(quick_analysis: Analysis, html: str) -> None:
    analysis = copied(quick_analysis)
    labels = quick_analysis.atoms.features["label"].to_numpy()
    before = html
    for number in np.unique(labels[labels >= 0]):
        analysis.styles.recolour("label", int(number), "#ff0000")
    after = page(analysis)
    for alt in ("Map of label", "Image with atoms", "Scatter plot of latents", "Histogram of z0"):
        pictures = [picture_of(re.search(rf'src="([^"]*)" alt="{alt}"', text)[1]) for text in (before, after)]
        red = [((each[..., 0] > 200) & (each[..., 1:3] < 40).all(axis=-1)).sum() for each in pictures]
        assert red[1] > 50 + red[0], alt


@pytest.mark.slow
def test_loadings_are_there_where_a_baseline_has_columns(quick_analysis: Analysis, html: str) -> None:
    assert "Loadings" not in headings(html)
    analysis = copied(quick_analysis)
    finish(analysis.apply(Describe(methods=("PCA", "pixel mixture"), components=2, classes=2)))
    described = page(analysis)
    assert "Loadings" in headings(described)
    assert described.count('alt="Loadings of the baselines"') == 1
    finish(analysis.apply(Describe()))
    assert "Loadings" not in headings(page(analysis))
