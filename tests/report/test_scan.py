"""The figure of a scan correction says what the correction says."""

import numpy as np
import pytest
from PIL import Image as Picture

from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.report.html import render
from local_crystallography.report.scan import scan_figure
from local_crystallography.scan.distortion import ScanCorrection
from local_crystallography.steps.correct_scan import CorrectScan

ROWS = np.arange(96)
SHIFT = 0.4 * np.sin(2 * np.pi * ROWS / 8)


def correction(**changes):
    values = {
        "row_shift": SHIFT,
        "flyback": 3.0,
        "flyback_decay": 10.0,
        "row_spread": 2.5,
        "affine": np.eye(2),
        "spread_before": np.array([0.2, 0.7]),
        "spread_after": np.array([0.2, 0.25]),
        "remarks": ("Beware of <this>.",),
        "width": 96,
    }
    return ScanCorrection(**values | changes)


def parts(figure):
    return {axes.get_title(loc="left").split(",")[0]: axes for axes in figure.axes}


def test_the_trace_is_the_row_shifts():
    line = parts(scan_figure(correction()))["Row shifts"].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), SHIFT)


def test_the_spectrum_peaks_where_the_wave_is():
    frequency, power = parts(scan_figure(correction()))["Power spectrum of the row shifts"].lines[0].get_data()
    assert frequency[power.argmax()] == pytest.approx(1 / 8)


def test_the_bars_are_the_spreads():
    bars = parts(scan_figure(correction()))["Spread of the columns"].patches
    assert [bar.get_height() for bar in bars] == [0.2, 0.7, 0.2, 0.25]


@pytest.mark.parametrize(("flyback", "there"), [(3.0, True), (0.0, False)])
def test_fly_back_is_shown_where_there_is_one(flyback, there):
    shown = parts(scan_figure(correction(flyback=flyback)))
    assert ("Fly-back" in shown) == there
    if there:
        assert shown["Fly-back"].lines[0].get_ydata()[10] == pytest.approx(3 / np.e)


@pytest.mark.parametrize(("pixel_size", "count"), [(0.02, 1), (None, 0)])
def test_lengths_are_told_where_the_scale_is_known(pixel_size, count):
    axes = parts(scan_figure(correction(), pixel_size=pixel_size))["Spread of the columns"]
    assert [each.get_ylabel() for each in axes.child_axes] == ["rms (pm)"] * count


def test_an_even_scan_has_a_figure_too(tmp_path):
    even = correction(row_shift=np.zeros(96), flyback=0.0, spread_before=np.zeros(2), spread_after=np.zeros(2))
    scan_figure(even, pixel_size=0.02).savefig(tmp_path / "even.png")


@pytest.mark.parametrize("dark", [True, False])
def test_the_ground_follows_the_theme(dark, tmp_path):
    scan_figure(correction(), dark=dark).savefig(tmp_path / "figure.png")
    with Picture.open(tmp_path / "figure.png") as picture:
        assert (max(picture.convert("L").getpixel((2, 2)), 1) < 100) == dark


@pytest.fixture
def reported(monkeypatch):
    """The page of an analysis whose correction is known, and the frames it was asked for."""
    asked = []
    monkeypatch.setattr(CorrectScan, "correction", lambda self, *inputs: asked.append(inputs[2]) or correction())

    def reported(*, corrected, frame=0, frames=1):
        data = np.random.default_rng(0).random((frames, 96, 96))
        analysis = Analysis(Image(data if frames > 1 else data[0], 0.02))
        analysis.atoms = Atoms.at([(20.0, 30.0), (40.0, 50.0)], frame=[frame, frame])
        if corrected:
            analysis.used["correct_scan"] = CorrectScan()
        return render(analysis), asked

    return reported


def test_the_report_has_figure_and_remarks_of_a_correction(reported):
    html, _ = reported(corrected=True)
    assert "<h2>Scan correction</h2>" in html
    assert "⚠ Beware of &lt;this&gt;." in html
    assert "Frame" not in html.split("Scan correction</h2>")[1].split("</section>")[0]


def test_of_a_stack_the_first_frame_with_atoms_is_reported(reported):
    html, asked = reported(corrected=True, frame=1, frames=3)
    assert asked == [1]
    assert "Frame 1." in html


def test_without_a_correction_the_report_says_nothing_of_it(reported):
    html, asked = reported(corrected=False)
    assert "Scan correction" not in html
    assert asked == []
