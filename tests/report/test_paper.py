"""Figures for papers: every view, at the width of a column, with its origin."""

from __future__ import annotations

import json
import re
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image as Picture

from local_crystallography import Analysis, Atoms, Image, PaperFigure
from local_crystallography.data.errors import InputError
from local_crystallography.report.paper_style import INCH, PaperStyle

SIDE = 400


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """A dark image with atoms, classes and angles."""
    y, x = np.mgrid[20:SIDE:40, 20:SIDE:40]
    yx = np.stack([y.ravel(), x.ravel()], axis=1).astype(float)
    pixels = np.random.default_rng(1).normal(0, 0.01, (SIDE, SIDE)).astype(np.float32)
    pixels[yx[:, 0].astype(int), yx[:, 1].astype(int)] = 1
    made = Analysis(Image(pixels, 0.02, "dark"))
    n = len(yx)
    rng = np.random.default_rng(0)
    made.atoms = Atoms.at(yx, pixel_size=0.02).with_features(
        label=1 + (yx[:, 1] > SIDE / 2),
        displacement_angle_rad=rng.uniform(-np.pi, np.pi, n),
        strain_xx=rng.normal(0, 0.01, n),
        z0=rng.normal(size=n),
        z1=rng.normal(size=n),
    )
    made.styles.rename("label", 1, "matrix")
    return made


VIEWS = ("image", "map:label", "map:displacement_angle_rad", "map:strain_xx", "scatter:z0,z1")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "mm"), [("single", 88), ("double", 180), (100.0, 100)])
def test_a_png_has_the_width_of_a_column(view, width, mm, analysis, tmp_path: Path) -> None:
    path = PaperFigure(of=view, width=width).save(analysis, tmp_path / "a.png")
    with Picture.open(path) as made:
        assert made.width / 600 * INCH == pytest.approx(mm, abs=0.1)


def test_a_slide_has_the_pixels_asked_for(analysis, tmp_path: Path) -> None:
    with Picture.open(PaperFigure(slide=1920).save(analysis, tmp_path / "a.png")) as made:
        assert made.width == 1920


@pytest.mark.parametrize("view", VIEWS)
def test_all_words_lie_within_the_figure(view, analysis) -> None:
    style = PaperFigure(of=view)
    figure = style(analysis)
    with rc_context(style.rc):
        figure.savefig(BytesIO(), format="png")
        inked = figure.get_tightbbox()
    assert inked.x0 >= -0.01
    assert inked.y0 >= -0.01
    assert inked.x1 <= figure.get_figwidth() + 0.01
    assert inked.y1 <= figure.get_figheight() + 0.01


def test_words_stay_words_with_names_units_and_scale(analysis, tmp_path: Path) -> None:
    text = PaperFigure(of="map:label").save(analysis, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">matrix<" in text
    assert ">class 2<" in text
    assert ">1 nm<" in text
    text = PaperFigure(of="map:strain_xx").save(analysis, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">Strain xx<" in text


def test_directions_have_a_wheel(analysis) -> None:
    figure = PaperFigure(of="map:displacement_angle_rad")(analysis)
    assert [axes.name for axes in figure.axes] == ["rectilinear", "polar"]


def test_the_origin_is_in_the_file(analysis, tmp_path: Path) -> None:
    sha = analysis.session.provenance.image.sha256
    with Picture.open(PaperFigure().save(analysis, tmp_path / "a.png")) as made:
        facts = json.loads(made.info["Description"])
    assert facts["image"]["sha256"] == sha
    assert "local-crystallography" in facts["versions"]
    assert sha in PaperFigure().save(analysis, tmp_path / "a.svg").read_text(encoding="utf-8")
    pdf = PaperFigure().save(analysis, tmp_path / "a.pdf").read_bytes()
    assert sha.encode() in pdf.replace(b"\\", b"") or sha.encode("utf-16-be") in pdf


def test_letters_of_a_pdf_are_letters(analysis, tmp_path: Path) -> None:
    pdf = PaperFigure(of="map:label").save(analysis, tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    assert any(b"BT" in zlib.decompress(part) for part in streams if part[:1] == b"x")


def test_many_atoms_make_a_small_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    yx = rng.uniform(0, 1024, (10_000, 2))
    made = Analysis(Image(rng.normal(size=(1024, 1024)).astype(np.float32), 0.02))
    made.atoms = Atoms.at(yx).with_features(z0=rng.normal(size=10_000), z1=rng.normal(size=10_000))
    for view in ("image", "scatter:z0,z1"):
        path = PaperFigure(of=view, colour="z0").save(made, tmp_path / "a.pdf")
        assert path.stat().st_size < 2_000_000


def test_an_earlier_figure_is_kept_where_a_new_one_cannot_be_drawn(
    analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdf"
    path.write_text("kept")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(InputError, match="No space left"):
        PaperFigure().save(analysis, path)
    assert path.read_text() == "kept"
    assert [each.name for each in tmp_path.iterdir()] == ["a.pdf"]


def test_a_slide_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a PNG"):
        PaperStyle(slide=1920).check(tmp_path / "a.pdf")
