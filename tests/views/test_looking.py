"""Lines on what one is looking at: one for every map and every plot, in one plain sentence or a few."""

import re

import pytest

from local_crystallography.steps.catalog import columns
from local_crystallography.views.looking import MAPS, PANELS, of_map, of_plot
from local_crystallography.views.plot_data import MODES

PAINTED = [column.name for step in columns().by_step.values() for column in step if column.painted]


@pytest.mark.parametrize("name", PAINTED)
def test_every_column_painted_by_default_has_a_line_of_its_own(name):
    one = re.sub(r"\\d\+", "0", name)
    one = re.sub(r"\(([a-z_]+)\|[^)]*\)", r"\1", one)
    one = re.sub(r"\[([a-z])[a-z]\]", r"\1", one).replace(".*", "a")
    assert any(re.fullmatch(known, one) for known in MAPS), one
    assert of_map(one).startswith("Colour: ")


@pytest.mark.parametrize("words", [*MAPS.values(), *PANELS.values()])
def test_a_line_is_short_and_ends_with_a_full_stop(words):
    assert words.endswith(".")
    assert len(words) < 215


def test_of_standard_deviations_the_column_is_named():
    assert "standard deviation of angle_rad" in of_map("angle_std_rad")


def test_a_column_of_ones_own_has_a_line_too():
    assert of_map("thickness").startswith("Colour: thickness.")
    assert of_map("") == ""


@pytest.mark.parametrize("mode", MODES)
def test_axes_of_a_plot_are_named(mode):
    words = of_plot("z0", "z1", mode)
    assert "Across: z0" in words
    assert ("up: z1" in words) != mode.startswith("histogram")
