"""Classes keep the names and colours somebody gave them."""

import json

import numpy as np
import pytest

from local_crystallography.data.errors import InputError
from local_crystallography.views.hover import Hover
from local_crystallography.views.raster import categorical_colors
from local_crystallography.views.styles import ClassStyles


@pytest.fixture
def styles():
    styles = ClassStyles()
    styles.rename("label", 1, "  B  site ")
    styles.recolour("label", 1, "#FF0080")
    return styles


def test_classes_have_numbers_until_they_are_named(styles):
    assert [styles.name("label", k) for k in (-1, 0, 1)] == ["none", "class 0", "B site"]
    assert styles.name("hand_label", 1) == "class 1"


def test_colours_are_the_palette_until_they_are_given(styles):
    labels = np.array([0, 1, -1, np.nan, 11])
    expected = categorical_colors(labels)
    expected[1] = (255, 0, 128, 255)
    np.testing.assert_array_equal(styles.colours("label", labels), expected)
    assert styles.colour("label", 1) == "#ff0080"
    np.testing.assert_allclose(styles.palette("label")[1], [1, 0, 128 / 255, 1])


def test_nothing_takes_a_name_and_a_colour_back(styles):
    styles.rename("label", 1, "")
    styles.recolour("label", 1, "")
    assert (styles.name("label", 1), styles.to_dict()) == ("class 1", ClassStyles().to_dict())


@pytest.mark.parametrize(
    ("what", "number", "value"),
    [
        ("rename", 2, "B site"),
        ("rename", 0, "x" * 41),
        ("rename", -1, "x"),
        ("recolour", 0, "red"),
        ("recolour", 0, "#12345"),
        ("recolour", -1, "#123456"),
    ],
)
def test_what_cannot_be_a_name_or_colour_is_said(styles, what, number, value):
    before = styles.to_dict()
    with pytest.raises(InputError, match="cannot"):
        getattr(styles, what)("label", number, value)
    assert styles.to_dict() == before


def test_changes_are_told_once(styles):
    heard = []
    styles.changed.connect(heard.append)
    styles.rename("label", 1, "B site")
    styles.rename("grain", 0, "left")
    assert heard == ["grain"]


def test_what_was_saved_comes_back(styles):
    other = ClassStyles()
    other.take(json.loads(json.dumps(styles.to_dict())))
    assert other.to_dict() == styles.to_dict()


@pytest.mark.parametrize(
    "saved", [{}, {"names": 3}, {"names": {"label": [1]}}, {"colours": {"label": {"x": "#1", "1": 2}}}]
)
def test_what_is_no_style_is_left_out(saved):
    styles = ClassStyles()
    styles.take(saved)
    assert (styles.name("label", 1), styles.colour("label", 1)) == ("class 1", ClassStyles().colour("label", 1))


def test_the_pointer_is_on_one_thing():
    hover, heard = Hover(), []
    hover.changed.connect(heard.append)
    hover.on_atom(3, "plot")
    hover.on_atom(3, "image")
    hover.on_place({"z0": 1.0})
    assert (hover.row, hover.place) == (None, {"z0": 1.0})
    hover.clear()
    hover.clear()
    assert heard == ["plot", None, None]
