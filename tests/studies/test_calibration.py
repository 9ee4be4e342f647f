"""The pixel size is compared with a known spacing."""

import re

import pytest
from crystals import square_lattice

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.studies.calibration import calibration


@pytest.mark.parametrize(
    ("pixel_size", "words"),
    [
        (0.03, "the pixel size agrees"),
        (0.032, r"\+6\.7%; the pixel size does not agree, 0\.03 nm would"),
        (None, r"pixels are 0\.03 nm; set it with --pixel-size 0\.03"),
    ],
)
def test_a_known_spacing_says_what_the_pixels_are(pixel_size, words):
    atoms = Atoms.at(square_lattice(13.0, angle=0.2), pixel_size=pixel_size)
    found = calibration(atoms, 13 * 0.03)
    assert found.implied == pytest.approx(0.03, rel=1e-3)
    assert re.search(words, found.sentence)


def test_without_a_lattice_there_is_nothing_to_compare():
    with pytest.raises(InputError, match="no lattice"):
        calibration(Atoms.at([[1.0, 2.0], [5.0, 9.0]]), 0.39)
