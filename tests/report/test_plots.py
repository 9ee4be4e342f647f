"""Figures for a paper show what the screen shows, on white."""

import numpy as np
import pytest
from tables import TABLE, N, data

from local_crystallography.data.errors import InputError
from local_crystallography.report.plots import FORMATS, Panel, plots_figure, write_plots
from local_crystallography.views.plot_data import MODES

MASK = np.arange(N) < 50


def panel(view=(-1, 1, 0, 1), **choice):
    return Panel(data(**choice), MASK, view)


@pytest.mark.parametrize("end", FORMATS)
def test_every_format(end, tmp_path):
    path = tmp_path / f"plots.{end}"
    write_plots(path, [panel(mode="contours")])
    start = path.read_bytes()[:200]
    assert start.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[end])


def test_words_of_a_drawing_stay_words(tmp_path):
    path = tmp_path / "plots.svg"
    write_plots(path, [panel(x="angle_rad", view=(-180, 180, 0, 1))])
    text = path.read_text()
    assert all(word in text for word in (">Angle (°)<", ">z1<", "class 0: 60 · 33.3 %", ">90<"))
    assert text.count("<image") == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("x", ["z0", "angle_rad"])
def test_every_mode_keeps_the_limits(mode, x):
    view = (-0.5, 0.25, 0.1, 0.9)
    axes = plots_figure([panel(view, x=x, mode=mode)]).axes[0]
    assert (*axes.get_xlim(), *axes.get_ylim()) == pytest.approx(view)


def test_the_image_has_its_first_row_on_top():
    axes = plots_figure([panel((0, 400, 0, 200), x="x_px", y="y_px")]).axes[0]
    assert axes.get_ylim() == (200, 0)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2))])
def test_plots_lie_as_on_the_screen(count, shape):
    figure = plots_figure([panel()] * count)
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape


def test_a_scale_has_a_colour_bar_with_its_limits():
    figure = plots_figure([panel(colour="angle_rad")])
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "Angle (°)"
    assert bar.get_ylim() == pytest.approx((-180, 180))


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no writable folder"):
        write_plots(tmp_path / "none" / "plots.png", [panel()])


def test_the_table_is_not_touched():
    before = TABLE.copy()
    plots_figure([panel(mode="contours")])
    assert TABLE.equals(before)
